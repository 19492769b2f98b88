//! Two Evenkeel nodes with backends and instruments: where most tests begin.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use evenkeel_tests::lab::topology::VIP4;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{Backend, Lab, Node, Ownership, PairConfig, Prober, Tap};

/// A pair whose node `a` is MASTER and serves. Fields drop in order: the nodes before their namespaces.
pub(crate) struct Pair {
    pub(crate) a: Node,
    pub(crate) b: Node,
    pub(crate) owners: Ownership,
    pub(crate) tap: Tap,
    pub(crate) servers: [Backend; 2],
    pub(crate) config: String,
    pub(crate) lab: Lab,
}

impl Pair {
    /// Starts both nodes and waits until the pair is what operators expect to see. `a` is MASTER before `b` starts: on a
    /// busy machine `b` could be first otherwise, and what a test counts would begin with an election.
    pub(crate) fn start(config: &PairConfig) -> Self {
        let lab = Lab::new();
        let servers = Backend::pair(&lab.servers);
        let owners = Ownership::watch(&[&lab.a, &lab.b]);
        let tap = Tap::start(&lab);
        let config = config.render();
        let a = Node::start(&lab.a, &config);
        a.wait_state("VI_1", "MASTER", SOON);
        let b = Node::start(&lab.b, &config);
        let pair = Self { a, b, owners, tap, servers, config, lab };
        pair.wait_settled();
        wait::until_true("b has heard a", SOON, || {
            pair.b.status_at("/vrrp/0/peers/0/address").as_str() == Some("10.77.0.1")
        });
        pair
    }

    /// `a` is MASTER, `b` is BACKUP, and the address is where it should be.
    pub(crate) fn wait_settled(&self) {
        self.a.wait_state("VI_1", "MASTER", SOON);
        self.b.wait_state("VI_1", "BACKUP", SOON);
        self.wait_only(0);
    }

    /// Waits until this node alone has the VIP.
    pub(crate) fn wait_only(&self, node: usize) {
        wait::until_true("the VIP is on one node only", SOON, || {
            self.owners.holds(node, VIP4) && !self.owners.holds(1 - node, VIP4)
        });
    }

    /// A client that asks the VIP all the time, with its first good answers.
    pub(crate) fn traffic(&self) -> Prober {
        let prober = Prober::start(&self.lab.client, http(VIP4));
        prober.wait_via(&self.lab.a, SOON);
        prober.run_for(Duration::from_millis(200));
        prober
    }
}

/// Port 80 of an address.
pub(crate) fn http(addr: IpAddr) -> SocketAddr {
    SocketAddr::new(addr, 80)
}

/// What the scheduler of a busy machine may add to an instant.
pub(crate) const BLINK: Duration = Duration::from_millis(100);
