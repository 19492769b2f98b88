//! What a check needs to know of its server, and what the server is told of itself.

use super::{Job, Monitor, Probe};
use crate::balance::ServerState;
use crate::health::history::Operational;
use crate::health::http::On404;
use crate::health::machine::{Health, Standing};
use crate::health::run::Whom;
use crate::plan::{AdminState, Server, ServerId};

impl Monitor {
    /// What a probe that begins needs to know of its server.
    pub fn whom(&self, job: Job) -> Whom {
        let check = self.servers.get(job.server.0 as usize).and_then(|w| w.check.as_ref());
        let (Probe::Check, Some(check), Some(config)) = (job.probe, check, self.config(job)) else {
            return Whom::default();
        };
        // HAProxy: one that is down stays down, whatever 404 may mean.
        let may_stop = config.http.disable_on_404 && check.health.is_up();
        let state = config.http.send_state.then(|| self.told(job.server, check.health));
        Whom { state: state.flatten(), on_404: if may_stop { On404::Stop } else { On404::Judge } }
    }

    /// What a server is told of itself, as HAProxy puts it.
    fn told(&self, id: ServerId, health: Health) -> Option<String> {
        let server = self.plan.servers().get(id.0 as usize)?;
        let backend = self.plan.backends().get(usize::from(server.backend.0))?;
        let of_backend = || backend.servers.clone().map(ServerId);
        let place = match self.state.addresses().endpoint(id).and_then(|at| at.ip()) {
            Some(at) => format!("address={}; port={}", at.ip(), at.port()),
            None => "address=; port=0".to_owned(),
        };
        Some(format!(
            "{}; {place}; name={}; node={}; weight={}/{}; scur={}/{}; qcur={}",
            self.standing_words(id, health),
            self.plan.name_of(id),
            self.plan.global.node,
            self.state.server(id)?.weight,
            self.weight_in_use(backend.allbackups, of_backend()),
            self.state.in_flight(id),
            of_backend().map(|other| self.state.in_flight(other)).sum::<u32>(),
            self.state.waiting(id),
        ))
    }

    fn standing_words(&self, id: ServerId, health: Health) -> String {
        let up = if health.is_up() { Operational::Up } else { Operational::Down };
        let name = Some(self.operational(id)).filter(|o| *o == Operational::Stopping).unwrap_or(up);
        let (value, rise) = (health.value(), u32::from(health.rise()));
        match health.standing() {
            Standing::Falling => format!("{} {}/{}", name.as_str(), value - rise + 1, health.fall()),
            Standing::Rising => format!("{} {value}/{rise}", name.as_str()),
            Standing::Up | Standing::Down => name.as_str().to_owned(),
        }
    }

    /// The weights of all servers that take new work: of the active ones, or, without any, of the backups.
    fn weight_in_use(&self, allbackups: bool, servers: impl Iterator<Item = ServerId>) -> u32 {
        let usable = |id: ServerId| -> Option<(&Server, ServerState)> {
            let state = self.state.server(id).filter(|s| s.is_usable() && s.admin == AdminState::Ready)?;
            Some((self.plan.servers().get(id.0 as usize)?, state))
        };
        let (backups, active): (Vec<_>, Vec<_>) = servers.filter_map(usable).partition(|(s, _)| s.backup);
        let weights =
            |of: &[(&Server, ServerState)]| of.iter().map(|(_, state)| u32::from(state.weight)).sum();
        match (active.is_empty(), backups.as_slice()) {
            (false, _) => weights(&active),
            (true, all) if allbackups => weights(all),
            (true, all) => weights(all.get(..1).unwrap_or_default()),
        }
    }
}
