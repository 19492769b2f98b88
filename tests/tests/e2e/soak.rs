//! Processes of both nodes are killed and cables are pulled in no order, some of them in the middle of a reload or an upgrade,
//! under load. `EVENKEEL_SOAK=300` for as many kills as a release has to bear, `EVENKEEL_SEED=N` for another order.

use std::fs;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evenkeel_tests::lab::node::run_to_end;
use evenkeel_tests::lab::topology::VIP4;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{Node, PairConfig, Role};
use nix::sys::signal::{Signal, kill};

use super::pair::{BLINK, Pair};

/// What happens to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Guard,
    Worker,
    Keeper,
    KeeperAndGuard,
    Everything,
    Cable,
}

impl Event {
    /// Most that clients may be without service, if it happens to the MASTER; and most that both may have the address. At
    /// 100 ms between adverts; where nobody is left to take it off, the kernel's whole seconds do.
    fn limits(self) -> (Duration, Duration) {
        let (outage, both) = match self {
            Self::Guard => (500, 0),
            Self::Worker => (1_500, 0),
            Self::Keeper => (2_000, 0),
            Self::KeeperAndGuard | Self::Everything => (3_000, 1_300),
            Self::Cable => (2_000, 0),
        };
        (Duration::from_millis(outage), Duration::from_millis(both) + BLINK)
    }
}

/// Marsaglia's xorshift: an order that can be had again.
struct Order(u64);

impl Order {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn event(&mut self) -> Event {
        match self.below(7) {
            0 => Event::Guard,
            1 | 2 => Event::Worker,
            3 => Event::Keeper,
            4 => Event::KeeperAndGuard,
            5 => Event::Everything,
            _ => Event::Cable,
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Something that is under way when it happens; what comes of it does not matter.
fn begin(node: &Node, order: &mut Order) -> Option<JoinHandle<()>> {
    let command = match order.below(4) {
        0 => "reload",
        1 => "upgrade",
        _ => return None,
    };
    let host = node.host().clone();
    let directory = node.scratch().path().join("run").display().to_string();
    let asked = std::thread::spawn(move || {
        run_to_end(&host, &[command, "--runtime-dir", &directory]);
    });
    // Anywhere in it, or behind it.
    std::thread::sleep(Duration::from_millis(order.below(300)));
    Some(asked)
}

/// Kilobytes that a process has in memory.
fn resident(node: &Node, role: Role) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid(role))).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn strike(pair: &mut Pair, on_a: bool, event: Event) {
    let host = if on_a { pair.lab.a.clone() } else { pair.lab.b.clone() };
    if event == Event::Cable {
        pair.lab.pull_cable(&host);
        let other = if on_a { &pair.b } else { &pair.a };
        other.wait_state("VI_1", "MASTER", SOON);
        return pair.lab.plug_cable(&host);
    }
    let node = if on_a { &mut pair.a } else { &mut pair.b };
    let roles: &[Role] = match event {
        Event::Guard => &[Role::Guard],
        Event::Worker => &[Role::Worker],
        Event::Keeper => &[Role::Keeper],
        Event::KeeperAndGuard => &[Role::Guard, Role::Keeper],
        Event::Everything | Event::Cable => &[Role::Worker, Role::Guard, Role::Keeper],
    };
    for pid in roles.iter().flat_map(|role| node.pids(*role)).collect::<Vec<_>>() {
        // One may have ended by the death of another, or by itself.
        kill(pid, Signal::SIGKILL).unwrap_or_default();
    }
    if roles.contains(&Role::Keeper) {
        // As a service manager does.
        node.wait_exit(SOON);
        node.restart();
    }
}

#[test]
fn a_pair_survives_whatever_dies_whenever() {
    let (count, seed) = (number("EVENKEEL_SOAK", 14), number("EVENKEEL_SEED", 20_260_101));
    let mut order = Order(seed.max(1));
    let mut pair = Pair::start(&PairConfig::default());
    let sizes = |pair: &Pair| [Role::Keeper, Role::Guard, Role::Worker].map(|role| resident(&pair.a, role));
    let before = sizes(&pair);
    let prober = pair.traffic();
    let mut cables = 0;
    for number in 0..count {
        let (on_a, event) = (order.below(2) == 0, order.event());
        let what = format!("{number}: {event:?} of {} (seed {seed})", if on_a { "a" } else { "b" });
        let began = Instant::now();
        let busy = begin(if on_a { &pair.a } else { &pair.b }, &mut order);
        strike(&mut pair, on_a, event);
        cables += u64::from(event == Event::Cable);
        if let Some(busy) = busy {
            busy.join().expect("no panic");
        }
        pair.wait_settled();
        prober.wait_via(&pair.lab.a, SOON);
        let (outage, both) = event.limits();
        let report = prober.report().since(began);
        assert!(report.longest_outage() < outage, "{what}: {report}");
        assert!(pair.owners.both(VIP4, began) < both, "{what}: {:?}", pair.owners.both(VIP4, began));
    }
    let report = prober.stop();
    println!("{count} events, {cables} of them cables: {report}");
    for (before, after) in before.iter().zip(sizes(&pair)) {
        assert!(after < before * 2 + 4096, "{before} kB have become {after} kB");
    }
    pair.a.terminate();
    pair.b.terminate();
    wait::until_true("no process is left", SOON, || {
        let nodes = [&pair.a, &pair.b];
        let roles = [Role::Keeper, Role::Guard, Role::Worker];
        nodes.iter().all(|node| roles.iter().all(|role| node.pids(*role).is_empty()))
    });
}
