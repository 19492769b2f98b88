//! Waiting for a condition, never for a time.

use std::thread;
use std::time::{Duration, Instant};

/// Polls `probe` until it gives a value.
///
/// # Panics
/// If nothing has come after `limit`; the message says what was waited for.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain until {what}");
        thread::sleep(POLL);
    }
}

/// Polls until `condition` holds.
///
/// # Panics
/// If it does not hold after `limit`.
pub fn until_true(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    until(what, limit, || condition().then_some(()));
}

/// Watches that `condition` holds for the whole of `span`: for what must *not* happen.
///
/// # Panics
/// As soon as it does not hold.
pub fn holds(what: &str, span: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        assert!(condition(), "{what} did not last for {span:?}");
        thread::sleep(POLL);
    }
}

/// Patience for anything that should happen at once, on a machine that is busy.
pub const SOON: Duration = Duration::from_secs(15);

const POLL: Duration = Duration::from_millis(5);
