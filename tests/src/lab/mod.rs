//! A pair in a box: network namespaces on one bridge, the real binary or Keepalived on two of them, a client that
//! measures, backends that answer, and ways to break things.
//!
//! ```text
//!            bridge (own namespace: the cables are pulled here, and every frame can be seen)
//!   ┌──────────┬───────────┬─────────────┬────────────┐
//!   a          b        client        servers      attacker
//! 10.77.0.1  10.77.0.2  10.77.0.100  10.77.0.11,12  10.77.0.66      VIP 10.77.0.50, fd77::50
//! ```

pub mod backend;
pub mod browser;
pub mod client;
pub mod config;
pub mod keepalived;
pub mod netns;
pub mod node;
pub mod ownership;
pub mod peer;
pub mod scratch;
pub mod topology;
pub mod wait;
pub mod wire;

pub use backend::Backend;
pub use client::Prober;
pub use config::PairConfig;
pub use keepalived::{HaProxy, Keepalived};
pub use netns::Netns;
pub use node::{Node, Role};
pub use ownership::Ownership;
pub use topology::{Host, Lab};
pub use wire::Tap;
