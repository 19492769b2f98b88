//! VRRP v2 (RFC 3768) and v3 (RFC 5798, RFC 9568) for a pair of load balancers.
//!
//! The crate is a pure core and an `io` module that drives it. The core holds no socket, reads no clock and draws
//! no randomness: time is an argument, and everything it wants done comes out of `Engine::poll_action`.
//!
//! | module | what it is |
//! |---|---|
//! | [`types`] | the numbers of the protocol as types: VRID, priority, centiseconds |
//! | [`config`] | a checked configuration; holding one proves it is valid |
//! | [`event`] | inputs and actions |
//! | [`continuation`] | what one engine leaves to the next |
//! | [`engine`] | all virtual routers of a node: inputs in, actions out |
//! | `router` | the state machine of one virtual router |
//! | `group` | sync groups |
//! | `track` | what bears on the priority, with keepalived's arithmetic |
//! | `net` | the node's interfaces and addresses |
//! | `limit` | bounds on what others can make this node send |
//! | [`packet`] | adverts, decoded and encoded |
//! | [`announce`] | gratuitous ARP and unsolicited neighbour advertisements |
//! | [`timers`] | Skew_Time and Master_Down_Interval |
//! | [`snapshot`] | what `status` shows |
//! | [`stats`] | counters |
//! | `io` | sockets, netlink, lease and the thread that drives the engine |
//!
//! MASTER is what RFC 9568 calls *Active*; the operators' word is used throughout.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod announce;
pub mod config;
pub mod continuation;
pub mod engine;
pub mod event;
mod group;
#[cfg(feature = "io")]
pub mod io;
mod limit;
mod net;
pub mod packet;
mod router;
#[cfg(test)]
mod script;
pub mod snapshot;
pub mod stats;
pub mod timers;
mod track;
pub mod types;
