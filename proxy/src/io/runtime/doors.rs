//! How connections of clients are let in, for operators to see and to change.

use std::sync::Arc;
use std::time::Duration;

use super::super::sessions::{Listing, SessionId};
use super::control::ThreadControl;
use super::gate::{Full, Gate, Standing};
use super::inquiry::{Asked, Inquiry};
use crate::metrics::Door;
use crate::plan::FrontendId;

/// The way in.
#[derive(Debug, Clone)]
pub struct Doors {
    pub(super) gate: Arc<Gate>,
    pub(super) threads: Arc<[Arc<ThreadControl>]>,
}

impl Doors {
    /// Of each frontend, by its id.
    pub fn frontends(&self) -> Vec<Door> {
        let of = |id| door(self.gate.standing(Full::Frontend(id)), self.gate.is_paused(id));
        (0..).map(FrontendId).take(self.gate.frontends()).map(of).collect()
    }

    /// Of the process.
    pub fn process(&self) -> Door {
        door(self.gate.standing(Full::Process), false)
    }

    /// Changes how many connections a frontend lets in. Those beyond stay.
    pub fn set_frontend_most(&self, frontend: FrontendId, most: u32) {
        self.gate.set_most(Full::Frontend(frontend), most);
    }

    /// Changes how many connections the process lets in. Those beyond stay.
    pub fn set_process_most(&self, most: u32) {
        self.gate.set_most(Full::Process, most);
    }

    /// Has a frontend let nobody in, or go on. Who comes waits in the backlog, and connections that are there stay.
    pub fn pause(&self, frontend: FrontendId, paused: bool) {
        self.gate.pause(frontend, paused);
    }

    /// Who is inside: the one that is wanted, or all, the oldest first, `most` of them. Waits for the data threads, so that none
    /// of them may ask; one that hangs is waited for a second.
    pub fn sessions(&self, wanted: Option<SessionId>, most: usize) -> Listing {
        self.ask(Asked::List { wanted, most }).0
    }

    /// Ends a connection as if its client had gone. Waits as [`Self::sessions`] does. `false`: it is not there.
    pub fn end_session(&self, id: SessionId) -> bool {
        self.ask(Asked::End(id)).1
    }

    fn ask(&self, asked: Asked) -> (Listing, bool) {
        let inquiry = Arc::new(Inquiry::new(asked, self.threads.len()));
        self.threads.iter().for_each(|thread| thread.inquire(&inquiry));
        inquiry.wait(PATIENCE)
    }

    pub(in crate::io) fn clear_peaks(&self) {
        self.gate.clear_peaks();
    }
}

fn door(standing: Standing, paused: bool) -> Door {
    Door { now: standing.now, peak: standing.peak, most: standing.most, paused }
}

/// A thread that takes longer has more than questions to answer for.
const PATIENCE: Duration = Duration::from_secs(1);
