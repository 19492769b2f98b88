//! What the service manager is told: that the node is ready, that it stops, and in one line what it does. Without one
//! (`NOTIFY_SOCKET` is not set) nothing is told.

use evenkeel_vrrp::snapshot::Snapshot;
use sd_notify::NotifyState;

/// The service manager, and what it has been told last.
#[derive(Debug, Default)]
pub(super) struct Service {
    line: String,
}

impl Service {
    /// The node serves for the first time.
    pub(super) fn ready(&self) {
        notify(NotifyState::Ready);
    }

    /// The node ends, in its own time.
    pub(super) fn stopping(&self) {
        notify(NotifyState::Stopping);
    }

    /// What `systemctl status` shows, told when it is news.
    pub(super) fn show(&mut self, vrrp: &Snapshot, fitness: &str) {
        let states = vrrp.routers.iter().map(|r| (r.name.as_str(), r.state.as_str()));
        let line = line(states, fitness);
        if line != self.line {
            notify(NotifyState::Status(&line));
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

fn notify(state: NotifyState<'_>) {
    if let Err(err) = sd_notify::notify(&[state]) {
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
