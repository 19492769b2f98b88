//! The pair in a simulated world: the product's own engine, two or three times, in a world made of a seed.
//!
//! | part | what it is |
//! |---|---|
//! | [`campaign`] | many schedules on all cores, one schedule told in full, the seeds kept as regressions |
//! | `schedule`, `faults` | what a seed stands for: configuration, clocks, and what befalls whom when |
//! | `world` | true time, the agenda, processes that start and end |
//! | `node`, `driver` | a keeper: [`evenkeel_vrrp::engine::Engine`] and a model of the driver around it |
//! | `kernel`, `guard` | addresses that expire by themselves; the process that takes them off when the beats stop |
//! | `network`, `forge`, `inject` | packets on their way, packets of an attacker, faults that strike |
//! | `check` | the observer |
//!
//! Nothing here reads a clock or draws chance from anywhere but the seed. A schedule has at most six faults (each with
//! its end), then a quiet time in which everything is repaired, then a time in which nothing may change.
//!
//! What a seed can bring: two or three nodes; v2 and v3, IPv4 and IPv6, multicast and unicast, PASS, all three
//! checksum forms, one to four addresses, excluded ones, one or two routers on one or two interfaces, sync groups,
//! owner, equal priorities, intervals from 10 ms to 9 s, differing ones; every preempt policy; tracks of all kinds that
//! have a report; clocks off by up to ±5 %. Loss, one-way loss, partitions, duplicates, reordering, delays up to three
//! Master_Down_Intervals; keeper, guard, both or the whole machine (with or without its clock) frozen for up to 30 s,
//! at once or between two actions of a turn; the same processes killed and started again; restarts with another
//! priority; flapping links; sends, additions and removals that fail; unfit workers, failing scripts, servers not ready
//! or lost; flushed and stray addresses, lost source addresses, interfaces made anew; twenty-two kinds of forged,
//! replayed or malformed packets, alone or in storms.
//!
//! # The invariants of `facts/reliability.md` §7
//!
//! | | checked | how; or why it cannot hold for a pair without a witness |
//! |---|---|---|
//! | I1 one holder | in part | While two nodes cannot hear each other both hold the addresses: nobody can tell a dead peer from a cut cable. Checked: two nodes that hear each other hold together for at most one interval and two packets (`check::pair`); a node that takes over because a MASTER it had heard every advert of fell silent finds the addresses gone, whatever befell that MASTER's processes, as long as one of keeper and guard could act. |
//! | I2 lease | yes | No node answers beyond its lease, on its own clock, by more than a wake-up, while a keeper or a guard of it can act (`check::fence`); each beat and each renewal needs an advert really sent of its own; a lease begins with mastership only. |
//! | I3 grant after expiry | no | There is nobody who grants. Its effect, that lease < Master_Down with clocks off by 5 %, is part of the check of I1. |
//! | I4 fencing tokens | no | The protocol carries none. |
//! | I5 silence after a stop | yes | As I2; with keeper and guard both gone the kernel's lifetime, modelled with its rounding, is the bound. |
//! | I6 an owner in the end | in part | With the network whole, one node holds all addresses of each router within three Master_Down_Intervals (and the waits that are configured), and it is the right one by fitness, priority and preempt policy, worked out apart from the engine (`check::end`). In a split each half has an owner. |
//! | I7 no flap | yes | No transition after settling, adverts at the interval, none by a BACKUP; also in schedules without any fault. |
//! | I8 bad packets | yes | State, peers, addresses, timers and actions are the same before and after each packet that must be dropped, and it is counted. |
//! | I9 bounded answers | yes | At most ten adverts a second and five frames per address in ten seconds beyond the schedule, whatever arrives. |
//! | I10 replay | no | VRRP has no sequence: a replayed advert is a valid one. Replays are sent, bounded by I9, and must be recovered from. |
//! | I11 wall clock | yes | By construction: an engine is given instants of its node's clock and nothing else; suspended time counts, steps do not exist. |
//! | I12 groups whole | yes | After each call all members are MASTER or none is. |
//! | I13 healed split | yes | The loser steps down within one interval of being heard (I1's bound) and announces nothing it does not hold; a MASTER that hears of another announces at once, or when its quota allows; in the end the last announcement of each address is the MASTER's, unless no packet could tell it of the other one (then the refresh does). |
//! | I14 hand-over | no | An engine has no reload: a changed configuration is a restart, which is among the faults. |
//! | I15 health | yes | Unfit nodes are MASTER in the end only if all are; an unfit MASTER's way out is part of I6. |
//! | I16 split policy | no | Availability: each half serves. Nothing to check without a witness. |
//!
//! Besides: addresses follow the state whenever a driver goes to sleep; transitions form a chain; `status` tells what
//! is; no call asks for endless work; no driver wakes more often than there is reason to; a schedule ends.

pub mod campaign;
pub(crate) mod check;
mod clock;
mod driver;
mod faults;
mod forge;
mod guard;
mod inject;
mod kernel;
mod network;
mod node;
mod rng;
mod schedule;
mod trace;
mod world;
