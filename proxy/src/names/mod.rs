//! Where servers are at run time.
//!
//! [`Addresses`] holds where each server is at the moment. [`Lookups`] decides when the names of servers are looked up,
//! and what an answer means for them.

mod addresses;
mod config;
mod lookups;
mod service;

pub use addresses::{Addresses, Epoch};
pub use config::{Hold, InitAddr, Name, Prefer, Resolvers, ResolversId, Unresolved};
pub use lookups::{Answer, Lookups, Move, NameId, Place};
pub use service::{Service, places};
