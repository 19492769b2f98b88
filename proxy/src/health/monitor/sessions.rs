//! What a change of a server means for what is under way with it.

use super::Monitor;
use crate::balance::Shutdown;
use crate::health::event::Turn;
use crate::health::history::Operational;
use crate::plan::{OnMarked, ServerId};

impl Monitor {
    /// Ends sessions, if the configuration wants that of this change.
    pub(super) fn shut_down(&self, id: ServerId, from: Operational, to: Operational, turn: &Turn) {
        let Some(server) = self.plan.servers().get(id.0 as usize) else { return };
        let (before, after) = (has_sessions(from), has_sessions(to));
        // Requests that others have seen fail may yet succeed: an ejection only keeps new ones away.
        let ejected = matches!(turn, Turn::Ejected(..));
        if before && !after && !ejected && server.watch.on_marked_down == OnMarked::Shutdown {
            self.state.shutdowns().order(id, Shutdown::Down);
        }
        let takes_over = !before && !server.backup && self.state.server(id).is_some_and(|s| s.is_usable());
        if takes_over && server.watch.on_marked_up == OnMarked::Shutdown {
            let Some(backend) = self.plan.backends().get(usize::from(server.backend.0)) else { return };
            let others = backend.servers.clone().map(ServerId);
            let is_backup =
                |other: &ServerId| self.plan.servers().get(other.0 as usize).is_some_and(|s| s.backup);
            others.filter(is_backup).for_each(|backup| self.state.shutdowns().order(backup, Shutdown::Up));
        }
    }
}

fn has_sessions(operational: Operational) -> bool {
    match operational {
        Operational::Up | Operational::Stopping | Operational::Drain => true,
        Operational::Down | Operational::Maint => false,
    }
}
