//! Where servers are at run time.

mod addresses;

pub use addresses::{Addresses, Epoch};
