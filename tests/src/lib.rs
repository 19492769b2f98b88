//! Simulation and end-to-end harness.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test harness fails by panicking; the message is the result"
)]

pub mod lab;
pub mod sim;
