//! The clock of the VRRP thread: monotonic time that goes on while the machine is suspended.
//!
//! The lease must end on a suspended node as it does on its awake peer, so the engine's `now` follows
//! `CLOCK_BOOTTIME`. It stays an [`Instant`]: the boot-time span since the start, added to the instant of the start.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::timerfd::{ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME`, expressed as instants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BootClock {
    started: Instant,
    booted: Duration,
}

impl BootClock {
    /// Starts at the present moment.
    pub(crate) fn start() -> nix::Result<Self> {
        let booted = boot_time()?;
        #[expect(clippy::disallowed_methods, reason = "this is the clock that io/ reads")]
        let started = Instant::now();
        Ok(Self { started, booted })
    }

    /// Now. Later than [`Instant::now`] by the time spent suspended since the start.
    pub(crate) fn now(&self) -> Instant {
        // The call fails only for a clock the kernel does not have; `start` has read this one.
        let since = boot_time().unwrap_or(self.booted).saturating_sub(self.booted);
        self.started + since
    }

    /// The same moment as a span since boot, which other processes of the host understand.
    pub(crate) fn since_boot(&self, at: Instant) -> Duration {
        self.booted + at.saturating_duration_since(self.started)
    }

    /// How long the machine has been suspended since the start.
    pub(crate) fn suspended(&self) -> Duration {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that io/ reads")]
        let awake = Instant::now();
        self.now().saturating_duration_since(awake)
    }
}

/// A descriptor that becomes readable at a moment of [`BootClock`]. A plain poll timeout would go on waiting after a
/// resume for what was left of it.
#[derive(Debug)]
pub(crate) struct WakeTimer(TimerFd);

impl WakeTimer {
    pub(crate) fn new() -> nix::Result<Self> {
        TimerFd::new(TimerClock::CLOCK_BOOTTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC).map(Self)
    }

    /// Wakes once after `delay`; `None`: never. Replaces what was set before.
    pub(crate) fn set(&self, delay: Option<Duration>) -> nix::Result<()> {
        let Some(delay) = delay else { return self.0.unset() };
        // A zero expiration would disarm the timer.
        let delay = delay.max(Duration::from_nanos(1));
        self.0.set(Expiration::OneShot(delay.into()), TimerSetTimeFlags::empty())
    }

    /// Makes the descriptor unreadable again.
    pub(crate) fn clear(&self) -> nix::Result<()> {
        match self.0.wait() {
            Ok(()) | Err(Errno::EAGAIN) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for WakeTimer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The time since boot, suspended time included.
pub(crate) fn boot_time() -> nix::Result<Duration> {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    #[test]
    fn clock_follows_the_monotonic_clock_while_awake() {
        let clock = BootClock::start().unwrap();
        let first = clock.now();
        let second = clock.now();
        assert!(second >= first);
        assert!(clock.suspended() < Duration::from_millis(100));
    }

    #[test]
    fn timer_wakes_and_clears() {
        let timer = WakeTimer::new().unwrap();
        timer.set(Some(Duration::from_millis(5))).unwrap();
        let ready = |ms: u16| {
            let mut fds = [PollFd::new(timer.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, PollTimeout::from(ms)).unwrap()
        };
        assert_eq!(ready(5_000), 1);
        timer.clear().unwrap();
        assert_eq!(ready(0), 0);
        timer.set(Some(Duration::from_millis(1))).unwrap();
        timer.set(None).unwrap();
        assert_eq!(ready(20), 0);
        timer.set(Some(Duration::ZERO)).unwrap();
        assert_eq!(ready(5_000), 1);
    }
}
