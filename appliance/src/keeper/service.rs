//! What the service manager is told: that the node is ready, that it stops, and in one line what it does. Without one
//! (`NOTIFY_SOCKET` is not set) nothing is told.

use evenkeel_vrrp::snapshot::Snapshot;
use sd_notify::NotifyState;

/// The service manager, and what it has been told last.
#[derive(Debug, Default)]
pub(super) struct Service {
    is_ready: bool,
    line: String,
}

impl Service {
    /// Of a keeper that goes on where another one was: the service manager knows that the node is ready.
    pub(super) fn resumed() -> Self {
        Self { is_ready: true, line: String::new() }
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
    fn one_line_says_it_all() {
        let two = [("VI_1", "MASTER"), ("VI_2", "BACKUP")];
        assert_eq!(line(two.into_iter(), "fit"), "VI_1 MASTER, VI_2 BACKUP; worker fit");
        assert_eq!(line([].into_iter(), "unknown"), "worker unknown");
    }
}
