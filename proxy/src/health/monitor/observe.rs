//! What is made of the failures that data threads have seen.

use std::time::Instant;

use super::{Job, Monitor, Phase, Probe};
use crate::health::event::Turn;
use crate::health::machine::Health;
use crate::health::observe::{Marked, Sign};
use crate::health::result::{CheckResult, CheckStatus};
use crate::plan::{OnError, ServerId};

impl Monitor {
    pub(super) fn handle_marked(&mut self, now: Instant, marked: Marked) {
        let job = Job { server: marked.server, probe: Probe::Check };
        // A server that is down cannot fall any further.
        let most = self.checked_mut(job).map_or(1, |check| check.health.value().max(1));
        for _ in 0..marked.errors.unwrap_or(0).min(most) {
            self.handle_errors(now, marked.server, marked.last);
        }
        if let Some(streak) = marked.streak {
            self.handle_streak(now, marked.server, streak);
        }
    }

    fn handle_errors(&mut self, now: Instant, id: ServerId, last: Sign) {
        let Some(observe) = self.plan.servers().get(id.0 as usize).and_then(|s| s.watch.observe) else {
            return;
        };
        if self.rests(id) {
            return;
        }
        let sink = match observe.on_error {
            OnError::FastInter => None,
            OnError::FailCheck => Some(u32::MAX),
            OnError::SuddenDeath => Some(1),
            OnError::MarkDown => Some(0),
        };
        if let Some(above_line) = sink {
            self.fail(now, id, above_line, observe.error_limit, last);
        }
        self.hasten(now, id);
    }

    /// Counts a failed check, with no more than so many to go before it.
    fn fail(&mut self, now: Instant, id: ServerId, above_line: u32, errors: u32, last: Sign) {
        let job = Job { server: id, probe: Probe::Check };
        let Some(check) = self.checked_mut(job) else { return };
        let info = format!("Detected {errors} consecutive errors, last one was: {}", last.as_str());
        let result = CheckResult::new(CheckStatus::HealthAnalyze).with_info(info.as_bytes());
        check.health.sink(above_line);
        check.health.observe(false);
        check.last = Some(result.clone());
        self.settle(now, id, Turn::Down(result));
    }

    /// The next check is made after `fastinter`, if there is one.
    fn hasten(&mut self, now: Instant, id: ServerId) {
        let job = Job { server: id, probe: Probe::Check };
        let Some(fast) = self.config(job).and_then(|c| c.fastinter) else { return };
        let sooner = now + fast;
        let due = self.checked_mut(job).map(|check| check.phase);
        if let Some(Phase::Waiting { due }) = due
            && sooner < due
        {
            self.schedule(job, sooner);
        }
    }
}

impl Health {
    /// Keeps no more than so many failures before the one that takes the server down.
    fn sink(&mut self, above_line: u32) {
        *self = Self::restore(
            self.value().min(u32::from(self.rise()).saturating_add(above_line)),
            self.rise(),
            self.fall(),
        );
    }
}
