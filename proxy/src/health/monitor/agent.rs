//! What agents say. An agent that cannot be reached changes nothing: it is only one more opinion.

use std::time::Instant;

use super::{Job, Monitor, Phase, Probe};
use crate::health::agent::{AgentHealth, AgentLine};
use crate::health::event::Turn;
use crate::health::result::{CheckResult, CheckStatus};
use crate::plan::ServerId;

impl Monitor {
    /// Takes in how the asking of an agent ended, with its line if it said one, and schedules the next.
    pub fn handle_agent(
        &mut self,
        now: Instant,
        id: ServerId,
        result: CheckResult,
        said: Option<&AgentLine>,
    ) {
        let job = Job { server: id, probe: Probe::Agent };
        let Some(agent) = self.checked_mut(job) else { return };
        let Phase::Running { since, .. } = agent.phase else { return };
        let result = said.map_or_else(|| result.clone(), |line| told(&result, line));
        agent.last = Some(result.clone());
        let health = said.and_then(|line| line.health);
        if let Some(health) = health {
            agent.health.observe(health == AgentHealth::Up);
        }
        self.schedule_next(now, since, job);
        let Some(said) = said else { return };
        // In this order, as HAProxy: a server that comes back is known with its weight.
        if let Some(admin) = said.admin {
            self.handle_admin(now, id, admin);
        }
        let configured = self.plan.servers().get(id.0 as usize).map(|s| s.weight);
        if let Some((weight, configured)) = said.weight.zip(configured) {
            self.handle_weight(now, id, weight.of(configured));
        }
        if let Some(maxconn) = said.maxconn {
            self.handle_maxconn(now, id, (maxconn > 0).then_some(maxconn));
        }
        if health.is_some() {
            let up = health == Some(AgentHealth::Up);
            self.settle(now, id, if up { Turn::Up(result) } else { Turn::Down(result) });
        }
    }
}

/// The result in HAProxy's words.
fn told(result: &CheckResult, line: &AgentLine) -> CheckResult {
    let unknown = line.unknown.as_deref();
    let (status, info) = match (line.health, unknown) {
        (Some(health), _) => {
            let up = health == AgentHealth::Up;
            let status = if up { CheckStatus::L7Ok } else { CheckStatus::L7Status };
            let why = if up || line.description.is_empty() { unknown } else { None };
            let why = why.unwrap_or(&line.description);
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            (status, format!("via agent : {}{why}", health.as_str()))
        }
        (None, Some(word)) => (CheckStatus::Checked, format!("agent reports an error : {word}")),
        (None, None) => (CheckStatus::Checked, String::new()),
    };
    CheckResult::new(status).with_info(info.as_bytes()).taking(result.duration)
}
