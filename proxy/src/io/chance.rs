//! Numbers that nobody expects, for what is left to chance. They guard no secret.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0_u8));
}

/// The next one of this thread.
pub(super) fn random() -> u32 {
    STATE.with(|state| {
        // SplitMix64: the high bits of each number are as good as drawn anew.
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mixed = (next ^ next >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 32) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept() {
        let mut found = [0_u32; 10];
        (0..100_000).for_each(|_| found[(random() % 10) as usize] += 1);
        // More than six standard deviations would be no accident.
        assert!(found.iter().all(|n| (9_400..10_600).contains(n)), "{found:?}");
    }
}
