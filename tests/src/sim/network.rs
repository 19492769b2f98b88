//! The segments between the nodes, and what is wrong with them.

use std::net::IpAddr;
use std::rc::Rc;

use super::clock::Nanos;
use super::faults::Attack;

/// A VRRP message on its way to one node.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) origin: Origin,
    pub(crate) to: usize,
    pub(crate) interface: usize,
    pub(crate) router: usize,
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) hop_limit: u8,
    pub(crate) bytes: Rc<[u8]>,
    pub(crate) sent_at: Nanos,
    /// Arrived later than an undisturbed packet would.
    pub(crate) late: bool,
}

/// Who sent a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Node(usize),
    Attacker(Attack),
}

impl Packet {
    pub(crate) fn priority(&self) -> u8 {
        self.bytes.get(2).copied().unwrap_or(0)
    }
}

/// Conditions between each pair of nodes; the same on all interfaces.
#[derive(Debug)]
pub(crate) struct Network {
    nodes: usize,
    loss_percent: Vec<u64>,
    extra_delay: Vec<Nanos>,
    pub(crate) duplicate_percent: u64,
}

impl Network {
    pub(crate) fn new(nodes: usize) -> Self {
        let pairs = nodes * nodes;
        Self { nodes, loss_percent: vec![0; pairs], extra_delay: vec![0; pairs], duplicate_percent: 0 }
    }

    pub(crate) fn loss_percent(&self, from: usize, to: usize) -> u64 {
        self.loss_percent[from * self.nodes + to]
    }

    pub(crate) fn extra_delay(&self, from: usize, to: usize) -> Nanos {
        self.extra_delay[from * self.nodes + to]
    }

    pub(crate) fn set_loss(&mut self, from: usize, to: usize, percent: u64) {
        self.loss_percent[from * self.nodes + to] = percent;
    }

    pub(crate) fn set_delay(&mut self, from: usize, to: usize, up_to: Nanos) {
        self.extra_delay[from * self.nodes + to] = up_to;
    }

    pub(crate) fn heal(&mut self) {
        *self = Self::new(self.nodes);
    }
}
