//! How connections of clients are let in, for operators to see and to change.

use std::sync::Arc;

use super::gate::{Full, Gate, Standing};
use crate::metrics::Door;
use crate::plan::FrontendId;

/// The way in.
#[derive(Debug, Clone)]
pub struct Doors(pub(super) Arc<Gate>);

impl Doors {
    /// Of each frontend, by its id.
    pub fn frontends(&self) -> Vec<Door> {
        let of = |id| door(self.0.standing(Full::Frontend(id)), self.0.is_paused(id));
        (0..).map(FrontendId).take(self.0.frontends()).map(of).collect()
    }

    /// Of the process.
    pub fn process(&self) -> Door {
        door(self.0.standing(Full::Process), false)
    }

    /// Changes how many connections a frontend lets in. Those beyond stay.
    pub fn set_frontend_most(&self, frontend: FrontendId, most: u32) {
        self.0.set_most(Full::Frontend(frontend), most);
    }

    /// Changes how many connections the process lets in. Those beyond stay.
    pub fn set_process_most(&self, most: u32) {
        self.0.set_most(Full::Process, most);
    }

    /// Has a frontend let nobody in, or go on. Who comes waits in the backlog, and connections that are there stay.
    pub fn pause(&self, frontend: FrontendId, paused: bool) {
        self.0.pause(frontend, paused);
    }

    pub(in crate::io) fn clear_peaks(&self) {
        self.0.clear_peaks();
    }
}

fn door(standing: Standing, paused: bool) -> Door {
    Door { now: standing.now, peak: standing.peak, most: standing.most, paused }
}
