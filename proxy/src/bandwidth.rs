//! Limits of how many bytes a second pass: an account that lets nobody be faster, neither over a second nor over an hour.
//!
//! Every byte takes its time: `1 / rate`. What has passed is paid for by the end of that time, counted from when it passed
//! or from when what was before it is paid for. Bytes may pass as long as that end is no further ahead than what may pass
//! at once takes ([`Throttle::burst`]). So in any time `t` at most `rate * t` and that much have passed. Time in which
//! nothing passed buys no more than that.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::table::Key;

/// Limits of one section, in bytes a second. `None`: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bandwidth {
    /// Of each response.
    pub download: Option<NonZeroU64>,
    /// Of each request.
    pub upload: Option<NonZeroU64>,
}

impl Bandwidth {
    /// Whether there is no limit.
    pub const fn is_none(&self) -> bool {
        self.download.is_none() && self.upload.is_none()
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let less = |a: Option<NonZeroU64>, b| a.into_iter().chain(b).min();
        Self { download: less(self.download, other.download), upload: less(self.upload, other.upload) }
    }
}

/// The account of one direction of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    rate: NonZeroU64,
    /// When everything is paid for that has passed.
    paid: Option<Instant>,
    /// Bytes that have been accounted for.
    counted: u64,
}

impl Throttle {
    /// Nothing has passed.
    pub const fn new(rate: NonZeroU64) -> Self {
        Self { rate, paid: None, counted: 0 }
    }

    /// What may pass at once, in bytes: so much that timers need not be finer than they are, and a head.
    pub const fn burst(&self) -> u64 {
        let share = self.rate.get() / BURSTS_A_SECOND;
        if share > LEAST { share } else { LEAST }
    }

    /// Takes note that `passed` bytes have passed in all, the last of them at `now`.
    pub fn settle(&mut self, passed: u64, now: Instant) {
        let more = passed.saturating_sub(self.counted);
        self.counted = self.counted.max(passed);
        self.charge(more, now);
    }

    /// So many more bytes have passed, or will at once.
    fn charge(&mut self, more: u64, now: Instant) {
        if more > 0 {
            self.paid = Some(self.paid.map_or(now, |paid| paid.max(now)) + self.time(more));
        }
    }

    /// So many of them have not.
    fn refund(&mut self, bytes: u64) {
        let time = self.time(bytes);
        self.paid = self.paid.and_then(|paid| paid.checked_sub(time));
    }

    /// Whether something is still to be paid for.
    fn owes(&self, now: Instant) -> bool {
        self.paid.is_some_and(|paid| paid > now)
    }

    /// Bytes that may pass at `now`.
    ///
    /// # Errors
    /// None may, until then: a few bytes at a time would cost more than they are.
    pub fn grant(&self, now: Instant) -> Result<u64, Instant> {
        let Some(paid) = self.paid else { return Ok(self.burst()) };
        let whole = self.time(self.burst());
        let left = whole.saturating_sub(paid.saturating_duration_since(now));
        let bytes = left.as_nanos().saturating_mul(u128::from(self.rate.get())) / NANOS;
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).min(self.burst());
        let worthwhile = (self.burst() / 2).min(MOST_AWAITED);
        if bytes >= worthwhile { Ok(bytes) } else { Err(paid - whole.saturating_sub(self.time(worthwhile))) }
    }

    /// The time that so many bytes take; rather more than less.
    fn time(&self, bytes: u64) -> Duration {
        let nanos = (u128::from(bytes) * NANOS).div_ceil(u128::from(self.rate.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Accounts of one direction, each for all that have the same key. **Capacity:** one for each key that is in use or owes
/// something; another one costs no more than a new one.
#[derive(Debug)]
pub struct Accounts {
    rate: NonZeroU64,
    all: Mutex<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    by_key: HashMap<Key, Arc<Mutex<Throttle>>>,
    /// With so many keys those that are not needed are looked for.
    crowd: usize,
}

/// One of several that have an account together.
#[derive(Debug, Clone)]
pub struct Share {
    account: Arc<Mutex<Throttle>>,
    counted: u64,
    /// Bytes that have been charged, and may not have passed yet.
    reserved: u64,
}

impl Accounts {
    /// For so many bytes a second each.
    pub fn new(rate: NonZeroU64) -> Self {
        Self { rate, all: Mutex::default() }
    }

    /// What each lets pass, in bytes a second.
    pub fn rate(&self) -> NonZeroU64 {
        self.rate
    }

    /// A share of the account for a key.
    pub fn share(&self, key: Key, now: Instant) -> Share {
        let Keys { by_key, crowd } = &mut *lock(&self.all);
        if by_key.len() > *crowd {
            // One that nobody has a share of and that owes nothing is as good as a new one.
            by_key.retain(|_, account| Arc::strong_count(account) > 1 || lock(account).owes(now));
            *crowd = (by_key.len() * 2).max(FEW);
        }
        let account = by_key.entry(key).or_insert_with(|| Arc::new(Mutex::new(Throttle::new(self.rate))));
        Share { account: Arc::clone(account), counted: 0, reserved: 0 }
    }
}

impl Share {
    /// Bytes that may pass at `now`, if none of the others takes them.
    ///
    /// # Errors
    /// None may, until then.
    pub fn grant(&self, now: Instant) -> Result<u64, Instant> {
        lock(&self.account).grant(now)
    }

    /// Takes so many bytes before they have passed: the others get what is left.
    pub fn reserve(&mut self, bytes: u64, now: Instant) {
        self.reserved += bytes;
        lock(&self.account).charge(bytes, now);
    }

    /// Takes note that `passed` bytes of its own have passed in all, the last of them at `now`. What was taken besides is
    /// given back.
    pub fn settle(&mut self, passed: u64, now: Instant) {
        let moved = passed.saturating_sub(self.counted);
        self.counted = self.counted.max(passed);
        let (more, less) = (moved.saturating_sub(self.reserved), self.reserved.saturating_sub(moved));
        self.reserved = 0;
        let mut account = lock(&self.account);
        account.charge(more, now);
        account.refund(less);
    }
}

/// A panic leaves an account as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fewer keys are not looked through.
const FEW: usize = 1024;

const NANOS: u128 = 1_000_000_000;

/// Timers are kept to 16 ms: with less at once a limit would not be reached.
const BURSTS_A_SECOND: u64 = 10;

/// Room for nearly every head: at most this much of a response is read before it is known where it ends.
const LEAST: u64 = 4096;

/// More is not waited for.
const MOST_AWAITED: u64 = 64 * 1024;

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from; there is no other way to make one")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(bytes: u64) -> NonZeroU64 {
        NonZeroU64::new(bytes).unwrap()
    }

    #[test]
    fn the_least_limit_holds() {
        let (a, b) = (Some(rate(5)), Some(rate(7)));
        let one = Bandwidth { download: a, upload: None };
        let other = Bandwidth { download: b, upload: b };
        assert_eq!(one.and(other), Bandwidth { download: a, upload: b });
        assert_eq!(other.and(one), one.and(other));
        assert!(Bandwidth::default().and(Bandwidth::default()).is_none() && !one.is_none());
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut throttle = Throttle::new(rate(1_000_000));
        assert_eq!(throttle.grant(start), Ok(100_000));
        throttle.settle(100_000, start);
        let due = throttle.grant(start).unwrap_err();
        assert_eq!(due - start, Duration::from_millis(50));
        assert_eq!(throttle.grant(due), Ok(50_000));
        // Time in which nothing passes buys no more than a burst.
        assert_eq!(throttle.grant(start + Duration::from_secs(3600)), Ok(100_000));
    }

    #[test]
    fn what_passed_ungranted_is_paid_for() {
        let start = Instant::now();
        let mut throttle = Throttle::new(rate(1000));
        throttle.settle(10_096, start);
        let due = throttle.grant(start).unwrap_err();
        assert_eq!(due - start, Duration::from_millis(10_096 - 4096 + 2048));
        assert_eq!(throttle.grant(due), Ok(2048));
    }

    fn key(number: u32) -> Key {
        Key::Integer(number)
    }

    #[test]
    fn those_with_the_same_key_are_together_no_faster_than_one() {
        let start = Instant::now();
        let accounts = Accounts::new(rate(1_000_000));
        let mut shares: Vec<Share> = (0..10).map(|_| accounts.share(key(7), start)).collect();
        let mut passed = [0_u64; 10];
        for millis in 0..5_000 {
            let now = start + Duration::from_millis(millis);
            for (share, passed) in shares.iter_mut().zip(&mut passed) {
                if let Ok(granted) = share.grant(now) {
                    share.reserve(granted, now);
                    *passed += granted;
                    share.settle(*passed, now);
                }
            }
        }
        let all: u64 = passed.iter().sum();
        assert!((4_900_000..=5_100_000).contains(&all), "{passed:?}");
        assert_eq!(accounts.share(key(8), start).grant(start), Ok(100_000), "others have their own");
    }

    #[test]
    fn what_is_reserved_and_not_used_is_given_back() {
        let start = Instant::now();
        let accounts = Accounts::new(rate(1_000_000));
        let (mut one, other) = (accounts.share(key(1), start), accounts.share(key(1), start));
        one.reserve(100_000, start);
        assert!(other.grant(start).is_err());
        one.settle(20_000, start);
        assert_eq!(other.grant(start), Ok(80_000));
        // What passed unasked is paid for as well.
        one.settle(100_000, start);
        assert!(other.grant(start).is_err());
    }

    #[test]
    fn keys_that_owe_nothing_are_forgotten_and_others_are_not() {
        let start = Instant::now();
        let accounts = Accounts::new(rate(1000));
        let held = accounts.share(key(0), start);
        accounts.share(key(1), start).settle(1_000_000, start);
        for number in 2..10_000 {
            drop(accounts.share(key(number), start));
        }
        let kept = lock(&accounts.all).by_key.len();
        assert!(kept <= 2 * FEW, "{kept}");
        assert!(accounts.share(key(1), start).grant(start).is_err(), "it owes 1000 seconds");
        assert!(Arc::ptr_eq(&accounts.share(key(0), start).account, &held.account));
    }

    proptest! {
        /// A source that always has something, woken when it is told and now and then besides: it is never faster than the
        /// rate and a burst, over any time, and loses nothing if it is woken in time.
        #[test]
        fn nobody_is_faster(
            bytes in 1_000..2_000_000_000u64,
            wakes in proptest::collection::vec((0..40_000_000u64, 0..100u8), 1..200),
        ) {
            let start = Instant::now();
            let mut throttle = Throttle::new(rate(bytes));
            let (mut now, mut passed) = (start, 0u64);
            let mut history = vec![(start, 0u64)];
            for (late, takes) in wakes {
                match throttle.grant(now) {
                    Ok(granted) => {
                        prop_assert!(granted > 0 && granted <= throttle.burst());
                        passed += granted * u64::from(takes) / 100;
                        throttle.settle(passed, now);
                        history.push((now, passed));
                        now += Duration::from_nanos(late);
                    }
                    Err(due) => {
                        prop_assert!(due > now);
                        now = due + Duration::from_nanos(late);
                    }
                }
            }
            for (at, (from, before)) in history.iter().enumerate() {
                for (to, after) in &history[at..] {
                    let most = (*to - *from).as_nanos() * u128::from(bytes) / NANOS;
                    // What passed at `from` itself is in neither.
                    prop_assert!(u128::from(after - before) <= most + u128::from(throttle.burst()));
                }
            }
        }

        #[test]
        fn who_is_woken_in_time_is_as_fast_as_it_may_be(bytes in 1_000..20_000_000u64) {
            let start = Instant::now();
            let mut throttle = Throttle::new(rate(bytes));
            let (mut now, mut passed) = (start, 0u64);
            while now < start + Duration::from_secs(30) {
                match throttle.grant(now) {
                    Ok(granted) => {
                        passed += granted;
                        throttle.settle(passed, now);
                    }
                    Err(due) => now = due,
                }
            }
            prop_assert!(passed >= bytes * 30, "{passed}");
        }
    }
}
