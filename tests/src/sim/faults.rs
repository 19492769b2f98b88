//! What can befall a node or the network, and how a schedule draws from it.

use evenkeel_vrrp::event::Servers;

use super::clock::{MILLI, Nanos, SECOND};
use super::rng::Rng;
use super::schedule::RouterPlan;

/// Something that goes wrong, or right again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// From now on this many percent of the packets from one node to another are lost; 100: cut, 0: healed.
    Loss { from: usize, to: usize, percent: u64 },
    /// Packets from one node to another take up to this much longer, and overtake each other.
    Delay { from: usize, to: usize, up_to: Nanos },
    /// This many percent of all packets come twice.
    Duplicate { percent: u64 },
    /// Processes stop for a while, after doing this many more actions (0: at once).
    Freeze { node: usize, who: Who, after_actions: u32, lasts: Nanos },
    /// Processes are killed; the keeper is started again.
    Kill { node: usize, who: Who, after_actions: u32, again: Nanos },
    /// The operator stops the node and starts it again, with this priority if one is given.
    Restart { node: usize, away: Nanos, priority: Option<u8> },
    /// The cable.
    Link { node: usize, interface: usize, up: bool },
    /// This many percent of the sends fail.
    SendFails { node: usize, percent: u64 },
    /// Addresses cannot be put on.
    AddFails { node: usize, fails: bool },
    /// Addresses cannot be taken off (by the keeper; the guard's own socket works).
    RemoveFails { node: usize, fails: bool },
    /// What the worker says of itself.
    DataPlane { node: usize, serves: bool },
    /// How the node stands with the servers it proxies to.
    Servers { node: usize, servers: Servers },
    /// What the script says.
    Script { node: usize, success: bool },
    /// The number in the file.
    File { node: usize, value: i32 },
    /// Somebody takes the virtual addresses off.
    Flush { node: usize },
    /// Somebody puts a virtual address on.
    Stray { node: usize, router: usize },
    /// The interface's own addresses go, or come back.
    OwnAddress { node: usize, interface: usize, there: bool },
    /// The interface is deleted and made again.
    Replace { node: usize, interface: usize },
    /// Packets of an attacker, one each `gap`.
    Attack { to: usize, router: usize, attack: Attack, count: u32, gap: Nanos },
}

/// Which processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Keeper,
    Guard,
    Both,
    /// Everything, the kernel too. The clock goes on (suspend) or stops as well (a paused guest).
    Machine {
        clock_stops: bool,
    },
}

/// What an attacker sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    BadChecksum,
    HopLimit,
    WrongPassword,
    WrongAuthType,
    SourceUnspecified,
    SourceMulticast,
    SourceOwn,
    IntervalZero,
    OtherInterval,
    OtherVips,
    CountZero,
    WrongVersion,
    WrongType,
    OtherVrid,
    Truncated,
    Trailing,
    Noise,
    UnknownPeer,
    /// From here on the packet is valid, so only its effect can be bounded.
    Release,
    LowestPriority,
    HighestPriority,
    /// An old advert of a node, again.
    Replay,
}

impl Attack {
    /// Whether a receiver can tell that the packet is none.
    pub(crate) const fn must_be_dropped(self) -> bool {
        !matches!(self, Self::Release | Self::LowestPriority | Self::HighestPriority | Self::Replay)
    }
}

/// What the faults have to fit.
pub(crate) struct Shape<'a> {
    pub(crate) nodes: usize,
    pub(crate) interfaces: usize,
    pub(crate) routers: &'a [RouterPlan],
    /// Longest advertisement interval.
    pub(crate) unit: Nanos,
    /// Longest Master_Down_Interval.
    pub(crate) slowest: Nanos,
    pub(crate) latest_start: Nanos,
}

/// The faults in the order of time, and the moment after which there are none.
pub(crate) fn draw(rng: &mut Rng, shape: &Shape<'_>) -> (Vec<(Nanos, Fault)>, Nanos) {
    let mut drawn = Drawn { rng, shape, faults: Vec::new(), last: shape.latest_start };
    if !drawn.rng.chance(95) {
        return (Vec::new(), shape.latest_start);
    }
    let window = drawn.rng.between(6, 40) * shape.unit;
    for _ in 0..drawn.rng.between(1, 6) {
        let at = drawn.rng.below(window);
        drawn.one(at);
    }
    let Drawn { mut faults, last, .. } = drawn;
    faults.sort_by_key(|(at, _)| *at);
    (faults, last + MILLI)
}

struct Drawn<'a> {
    rng: &'a mut Rng,
    shape: &'a Shape<'a>,
    faults: Vec<(Nanos, Fault)>,
    last: Nanos,
}

impl Drawn<'_> {
    fn one(&mut self, at: Nanos) {
        match self.rng.below(100) {
            0..=19 => self.network(at),
            20..=34 => self.freeze(at),
            35..=46 => self.kill(at),
            47..=51 => self.restart(at),
            52..=58 => self.link(at),
            59..=66 => self.failing_actions(at),
            67..=76 => self.tracks(at),
            77..=84 => self.addresses(at),
            _ => self.attack(at),
        }
    }

    fn push(&mut self, at: Nanos, fault: Fault) {
        self.last = self.last.max(at);
        self.faults.push((at, fault));
    }

    fn node(&mut self) -> usize {
        self.rng.index(self.shape.nodes)
    }

    /// Mostly about as long as the protocol's own times, seldom up to half a minute.
    fn span(&mut self) -> Nanos {
        let Shape { unit, slowest, .. } = *self.shape;
        match self.rng.below(20) {
            0..=7 => self.rng.between(MILLI / 2, unit),
            8..=15 => self.rng.between(unit, 2 * slowest),
            16..=18 => self.rng.between(unit, 4 * slowest),
            _ => self.rng.between(unit, (30 * SECOND).min(300 * unit)),
        }
    }

    fn network(&mut self, at: Nanos) {
        let until = at + self.span();
        let (a, b) = self.two();
        match self.rng.below(7) {
            0 => self.cut(at, until, &[(a, b), (b, a)]),
            1 => self.cut(at, until, &[(a, b)]),
            2 => {
                // One node alone against all others.
                let others = (0..self.shape.nodes).filter(|n| *n != a);
                let pairs: Vec<_> = others.flat_map(|n| [(a, n), (n, a)]).collect();
                self.cut(at, until, &pairs);
            }
            3 => {
                let percent = self.rng.between(5, 95);
                for (from, to) in [(a, b), (b, a)] {
                    self.push(at, Fault::Loss { from, to, percent });
                    self.push(until, Fault::Loss { from, to, percent: 0 });
                }
            }
            4 => {
                let percent = self.rng.between(5, 95);
                self.push(at, Fault::Loss { from: a, to: b, percent });
                self.push(until, Fault::Loss { from: a, to: b, percent: 0 });
            }
            5 => {
                let up_to = self.rng.between(1, 3 * self.shape.slowest);
                self.push(at, Fault::Delay { from: a, to: b, up_to });
                self.push(until, Fault::Delay { from: a, to: b, up_to: 0 });
                self.last = self.last.max(until + up_to);
            }
            _ => {
                let percent = self.rng.between(5, 60);
                self.push(at, Fault::Duplicate { percent });
                self.push(until, Fault::Duplicate { percent: 0 });
            }
        }
    }

    fn two(&mut self) -> (usize, usize) {
        let a = self.node();
        let b = (a + 1 + self.rng.index(self.shape.nodes - 1)) % self.shape.nodes;
        (a, b)
    }

    fn cut(&mut self, at: Nanos, until: Nanos, pairs: &[(usize, usize)]) {
        for (from, to) in pairs.iter().copied() {
            self.push(at, Fault::Loss { from, to, percent: 100 });
            self.push(until, Fault::Loss { from, to, percent: 0 });
        }
    }

    fn freeze(&mut self, at: Nanos) {
        let (node, lasts) = (self.node(), self.span());
        let who = match self.rng.below(10) {
            0..=3 => Who::Keeper,
            4 => Who::Guard,
            5..=7 => Who::Both,
            8 => Who::Machine { clock_stops: false },
            _ => Who::Machine { clock_stops: true },
        };
        let after_actions = self.after_actions(who);
        self.push(at, Fault::Freeze { node, who, after_actions, lasts });
        self.last = self.last.max(at + lasts + 2 * self.shape.unit);
    }

    fn kill(&mut self, at: Nanos) {
        let (node, again) = (self.node(), self.span());
        let who = self.rng.pick(&[Who::Keeper, Who::Keeper, Who::Guard, Who::Both, Who::Both]);
        let after_actions = self.after_actions(who);
        self.push(at, Fault::Kill { node, who, after_actions, again });
        self.last = self.last.max(at + again + 2 * self.shape.unit);
    }

    /// In the middle of a turn, in a third of the cases.
    fn after_actions(&mut self, who: Who) -> u32 {
        let keeper = matches!(who, Who::Keeper | Who::Both);
        if keeper && self.rng.chance(33) { u32::try_from(self.rng.between(1, 12)).unwrap_or(1) } else { 0 }
    }

    fn restart(&mut self, at: Nanos) {
        let (node, away) = (self.node(), self.span());
        let other = self.rng.between(64, 254);
        let priority = self.rng.chance(60).then(|| u8::try_from(other).unwrap_or(1));
        self.push(at, Fault::Restart { node, away, priority });
        self.last = self.last.max(at + away);
    }

    fn link(&mut self, at: Nanos) {
        let (node, interface) = (self.node(), self.rng.index(self.shape.interfaces));
        let mut at = at;
        for _ in 0..self.rng.pick(&[1, 1, 1, 4]) {
            let until = at + self.span();
            self.push(at, Fault::Link { node, interface, up: false });
            self.push(until, Fault::Link { node, interface, up: true });
            at = until + self.rng.below(self.shape.unit) + 1;
        }
    }

    fn failing_actions(&mut self, at: Nanos) {
        let (node, until) = (self.node(), at + self.span());
        let percent = self.rng.pick(&[100, 100, 50, 10]);
        let pair = match self.rng.below(4) {
            0 | 1 => [Fault::SendFails { node, percent }, Fault::SendFails { node, percent: 0 }],
            2 => [Fault::AddFails { node, fails: true }, Fault::AddFails { node, fails: false }],
            _ => [Fault::RemoveFails { node, fails: true }, Fault::RemoveFails { node, fails: false }],
        };
        self.push(at, pair[0]);
        self.push(until, pair[1]);
    }

    fn tracks(&mut self, at: Nanos) {
        let (node, until) = (self.node(), at + self.span());
        let value = i32::try_from(self.rng.between(0, 6)).unwrap_or(0) - 3;
        let stays = self.rng.chance(40);
        let (bad, good) = match self.rng.below(7) {
            6 => {
                // The patience with a MASTER that has lost its servers is long, and fast adverts make it dear.
                let lost = self.shape.unit >= SECOND && self.rng.chance(60);
                let servers = if lost { Servers::Lost } else { Servers::NotReady };
                (Fault::Servers { node, servers }, Fault::Servers { node, servers: Servers::Ready })
            }
            0..=2 => (Fault::DataPlane { node, serves: false }, Fault::DataPlane { node, serves: true }),
            3 => (Fault::Script { node, success: false }, Fault::Script { node, success: true }),
            _ => (Fault::File { node, value }, Fault::File { node, value: 0 }),
        };
        self.push(at, bad);
        if !stays {
            self.push(until, good);
        }
    }

    fn addresses(&mut self, at: Nanos) {
        let (node, interface) = (self.node(), self.rng.index(self.shape.interfaces));
        let router = self.rng.index(self.shape.routers.len());
        match self.rng.below(5) {
            0 | 1 => self.push(at, Fault::Flush { node }),
            2 => self.push(at, Fault::Stray { node, router }),
            3 => self.push(at, Fault::Replace { node, interface }),
            _ => {
                let until = at + self.span();
                self.push(at, Fault::OwnAddress { node, interface, there: false });
                self.push(until, Fault::OwnAddress { node, interface, there: true });
            }
        }
    }

    fn attack(&mut self, at: Nanos) {
        let (to, router) = (self.node(), self.rng.index(self.shape.routers.len()));
        let attack = if self.rng.chance(60) { self.rng.pick(&FORGED) } else { self.rng.pick(&VALID) };
        let (count, gap) = if self.rng.chance(40) {
            (1, 1)
        } else {
            let count = u32::try_from(self.rng.between(5, 120)).unwrap_or(5);
            (count, self.rng.between(MILLI / 10, self.shape.unit))
        };
        self.push(at, Fault::Attack { to, router, attack, count, gap });
        self.last = self.last.max(at + u64::from(count) * gap);
    }
}

const FORGED: [Attack; 18] = [
    Attack::BadChecksum,
    Attack::HopLimit,
    Attack::WrongPassword,
    Attack::WrongAuthType,
    Attack::SourceUnspecified,
    Attack::SourceMulticast,
    Attack::SourceOwn,
    Attack::IntervalZero,
    Attack::OtherInterval,
    Attack::OtherVips,
    Attack::CountZero,
    Attack::WrongVersion,
    Attack::WrongType,
    Attack::OtherVrid,
    Attack::Truncated,
    Attack::Trailing,
    Attack::Noise,
    Attack::UnknownPeer,
];

const VALID: [Attack; 4] = [Attack::Release, Attack::LowestPriority, Attack::HighestPriority, Attack::Replay];
