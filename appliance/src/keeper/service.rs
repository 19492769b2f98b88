//! What the service manager is told: that the node is ready, that it stops, and in one line what it does. Without one
//! (`NOTIFY_SOCKET` is not set) nothing is told.

use std::time::{Duration, Instant};

use evenkeel_vrrp::snapshot::Snapshot;
use sd_notify::NotifyState;

/// The service manager, and what it has been told last.
#[derive(Debug, Default)]
pub(super) struct Service {
    is_ready: bool,
    line: String,
    watchdog: Watchdog,
}

impl Service {
    /// Of a keeper that goes on where another one was: the service manager knows that the node is ready.
    pub(super) fn resumed() -> Self {
        Self { is_ready: true, ..Self::default() }
    }

    /// A worker serves; told of the first one.
    pub(super) fn ready(&mut self) {
        if !std::mem::replace(&mut self.is_ready, true) {
            notify(&[NotifyState::Ready]);
        }
    }

    /// Another configuration is on its way into use. A node that is not ready yet has nothing to reload.
    pub(super) fn reloading(&self) {
        if !self.is_ready {
            return;
        }
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(err) => tracing::warn!(%err, "the service manager does not hear of the reload"),
        }
    }

    /// It is in use, or the one before still is.
    pub(super) fn reloaded(&self) {
        if self.is_ready {
            notify(&[NotifyState::Ready]);
        }
    }

    /// The node ends, in its own time.
    pub(super) fn stopping(&self) {
        notify(&[NotifyState::Stopping]);
    }

    /// The worker has answered at `now`, and `vrrp` is the last that the VRRP thread has published. Whether it is to publish
    /// anew, for the next time.
    pub(super) fn feed_watchdog(&mut self, now: Instant, vrrp: &Snapshot) -> bool {
        let fed = self.watchdog.is_due(now, vrrp.at);
        if fed {
            notify(&[NotifyState::Watchdog]);
        }
        fed
    }

    /// What `systemctl status` shows, told when it is news.
    pub(super) fn show(&mut self, vrrp: &Snapshot, fitness: &str) {
        let states = vrrp.routers.iter().map(|r| (r.name.as_str(), r.state.as_str()));
        let line = line(states, fitness);
        if line != self.line {
            notify(&[NotifyState::Status(&line)]);
            self.line = line;
        }
    }
}

/// Sees that the node is alive: its worker has answered, and its VRRP thread has turned, since the last time.
#[derive(Debug)]
struct Watchdog {
    /// What the service manager waits for at most; `None`: it does not.
    period: Option<Duration>,
    fed: Option<(Instant, Instant)>,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { period: sd_notify::watchdog_enabled(), fed: None }
    }
}

impl Watchdog {
    /// Whether it is to be fed at `now`, with news of the VRRP thread from `told`.
    fn is_due(&mut self, now: Instant, told: Instant) -> bool {
        let Some(period) = self.period else { return false };
        let is_due = self.fed.is_none_or(|(at, before)| now >= at + period / 4 && told > before);
        if is_due {
            self.fed = Some((now, told));
        }
        is_due
    }
}

/// As in `VI_1 MASTER, VI_2 BACKUP; worker fit`.
fn line<'a>(states: impl Iterator<Item = (&'a str, &'a str)>, fitness: &str) -> String {
    let routers: Vec<String> = states.map(|(name, state)| format!("{name} {state}")).collect();
    let separator = if routers.is_empty() { "" } else { "; " };
    format!("{}{separator}worker {fitness}", routers.join(", "))
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(state) {
        tracing::warn!(%err, "cannot notify the service manager");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_is_fed_by_threads_that_turn() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watchdog = Watchdog { period: Some(Duration::from_secs(8)), fed: None };
        assert!(watchdog.is_due(at(0), at(0)));
        assert!(!watchdog.is_due(at(1), at(1)), "so soon");
        assert!(watchdog.is_due(at(2), at(1)));
        assert!(!watchdog.is_due(at(9), at(1)), "the VRRP thread has not turned");
        assert!(watchdog.is_due(at(10), at(10)));
        watchdog.period = None;
        assert!(!watchdog.is_due(at(20), at(20)));
    }

    #[test]
    fn one_line_says_it_all() {
        let two = [("VI_1", "MASTER"), ("VI_2", "BACKUP")];
        assert_eq!(line(two.into_iter(), "fit"), "VI_1 MASTER, VI_2 BACKUP; worker fit");
        assert_eq!(line([].into_iter(), "unknown"), "worker unknown");
    }
}
