//! What the guard reads from the keeper: no panic, and what it takes in it can say again.
#![no_main]
#![allow(dead_code, reason = "the module is compiled for its decoder")]

use libfuzzer_sys::fuzz_target;

/// The module names its neighbours by the paths they have at home.
mod types {
    pub use evenkeel_vrrp::types::*;
}

mod event {
    pub use evenkeel_vrrp::event::AdvertCopy;
}

#[path = "../../../vrrp/src/io/guard_wire.rs"]
mod guard_wire;

use guard_wire::GuardMessage;

fuzz_target!(|bytes: &[u8]| {
    if let Some(message) = GuardMessage::decode(bytes) {
        assert_eq!(GuardMessage::decode(&message.encode()), Some(message));
    }
});
