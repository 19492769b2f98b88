//! Tracked things: what they report, and what that means for the routers that use them. The arithmetic is
//! keepalived's, so that a migrated pair elects the same MASTER (`facts/vrrp.md` §3).

use crate::config::{TrackConfig, TrackKind, TrackUse};
use crate::continuation::TrackMemory;
use crate::event::TrackReport;
use crate::net::Net;
use crate::snapshot::TrackState;

/// One tracked thing.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    config: TrackConfig,
    reading: Reading,
}

#[derive(Debug, Clone)]
enum Reading {
    DataPlane(TrackState),
    Script(Meter),
    Interface(TrackState),
    File(i32),
}

/// What the state of a track means to a router that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Add this to the priority.
    Adds(i32),
    /// Not known yet, and too important to start without.
    Awaited,
    /// The router cannot take part.
    Fails,
    /// The router takes part as the last resort only.
    Unfit,
}

impl Track {
    pub(crate) fn new(config: TrackConfig) -> Self {
        let reading = match &config.kind {
            TrackKind::DataPlane => Reading::DataPlane(TrackState::Pending),
            TrackKind::Script(s) => Reading::Script(Meter::new(s.rise, s.fall, s.init_fail)),
            TrackKind::Interface(_) => Reading::Interface(TrackState::Pending),
            TrackKind::File { .. } => Reading::File(0),
        };
        Self { config, reading }
    }

    pub(crate) fn config(&self) -> &TrackConfig {
        &self.config
    }

    /// What the next engine has to know.
    pub(crate) fn memory(&self) -> TrackMemory {
        match &self.reading {
            Reading::DataPlane(state) => TrackMemory::DataPlane(*state),
            Reading::Script(meter) => TrackMemory::Script { state: meter.state, level: meter.level },
            Reading::Interface(state) => TrackMemory::Interface(*state),
            Reading::File(value) => TrackMemory::File(*value),
        }
    }

    /// What the engine before this one knew. Of another kind of track it says nothing.
    pub(crate) fn remember(&mut self, memory: TrackMemory) {
        match (&mut self.reading, memory) {
            (Reading::DataPlane(now), TrackMemory::DataPlane(state))
            | (Reading::Interface(now), TrackMemory::Interface(state)) => *now = state,
            (Reading::Script(meter), TrackMemory::Script { state, level }) => meter.remember(state, level),
            (Reading::File(now), TrackMemory::File(value)) => *now = value,
            (
                Reading::DataPlane(_) | Reading::Script(_) | Reading::Interface(_) | Reading::File(_),
                TrackMemory::DataPlane(_)
                | TrackMemory::Script { .. }
                | TrackMemory::Interface(_)
                | TrackMemory::File(_),
            ) => {}
        }
    }

    /// Takes a report. One of another kind than the track's says nothing about it.
    pub(crate) fn handle(&mut self, report: TrackReport) {
        match (&mut self.reading, report) {
            (Reading::DataPlane(state), TrackReport::DataPlane(serves)) => *state = ok_or_failed(serves),
            (Reading::Script(meter), TrackReport::Script(success)) => meter.report(success),
            (Reading::File(value), TrackReport::File(read)) => *value = read,
            (Reading::DataPlane(_), TrackReport::Script(_) | TrackReport::File(_))
            | (Reading::Script(_), TrackReport::DataPlane(_) | TrackReport::File(_))
            | (Reading::File(_), TrackReport::DataPlane(_) | TrackReport::Script(_))
            | (
                Reading::Interface(_),
                TrackReport::DataPlane(_) | TrackReport::Script(_) | TrackReport::File(_),
            ) => {}
        }
    }

    /// Looks an interface up. One that was never there is awaited; one that has gone has failed.
    pub(crate) fn look(&mut self, net: &Net) {
        if let (Reading::Interface(state), TrackKind::Interface(name)) =
            (&mut self.reading, &self.config.kind)
        {
            *state = match net.link(name) {
                Some(link) => ok_or_failed(link.running),
                None if *state == TrackState::Pending => TrackState::Pending,
                None => TrackState::Failed,
            };
        }
    }

    pub(crate) fn state(&self) -> TrackState {
        match &self.reading {
            Reading::DataPlane(state) | Reading::Interface(state) => *state,
            Reading::Script(meter) => meter.state,
            Reading::File(value) => TrackState::Value(*value),
        }
    }

    /// What this track means to a router that uses it so.
    pub(crate) fn verdict(&self, usage: &TrackUse) -> Verdict {
        let state = self.state();
        match (&self.reading, usage.weight) {
            (Reading::DataPlane(_), None) if state == TrackState::Ok => Verdict::Adds(0),
            (Reading::DataPlane(_), None) => Verdict::Unfit,
            (Reading::Script(_) | Reading::Interface(_), None) => match state {
                TrackState::Pending => Verdict::Awaited,
                TrackState::Ok | TrackState::Failed | TrackState::Value(_) => {
                    fails_if((state == TrackState::Failed) != usage.reverse)
                }
            },
            (Reading::File(value), None) => fails_if((*value != 0) != usage.reverse),
            (Reading::DataPlane(_) | Reading::Script(_), Some(weight)) => {
                Verdict::Adds(contribution(state, weight, usage.reverse))
            }
            (Reading::Interface(_), Some(weight)) => {
                let up = ok_or_failed(state == TrackState::Ok);
                Verdict::Adds(contribution(up, weight, usage.reverse))
            }
            (Reading::File(value), Some(weight)) => file_verdict(*value, weight, usage.reverse),
        }
    }
}

/// keepalived: a positive weight counts while OK, a negative one while KO, neither before the first result. `reverse`
/// multiplies what is added by −1.
fn contribution(state: TrackState, weight: i16, reverse: bool) -> i32 {
    let counts = match state {
        TrackState::Ok => weight > 0,
        TrackState::Failed => weight < 0,
        TrackState::Pending | TrackState::Value(_) => false,
    };
    let signed = if reverse { -i32::from(weight) } else { i32::from(weight) };
    if counts { signed } else { 0 }
}

/// keepalived: the number times the weight is added, at most 253; below −253 the router is taken out.
fn file_verdict(value: i32, weight: i16, reverse: bool) -> Verdict {
    let product = value.saturating_mul(if reverse { -i32::from(weight) } else { i32::from(weight) });
    if product < -MOST { Verdict::Fails } else { Verdict::Adds(product.min(MOST)) }
}

const fn fails_if(failed: bool) -> Verdict {
    if failed { Verdict::Fails } else { Verdict::Adds(0) }
}

const fn ok_or_failed(ok: bool) -> TrackState {
    if ok { TrackState::Ok } else { TrackState::Failed }
}

/// keepalived's `rise` and `fall`: that many results of the other kind in a row turn the state. The very first result
/// decides alone, unless the script starts as failed.
#[derive(Debug, Clone)]
struct Meter {
    /// 0..rise+fall.
    level: u32,
    rise: u32,
    fall: u32,
    state: TrackState,
}

impl Meter {
    fn new(rise: u16, fall: u16, init_fail: bool) -> Self {
        let (rise, fall) = (u32::from(rise.max(1)), u32::from(fall.max(1)));
        let (level, state) =
            if init_fail { (0, TrackState::Failed) } else { (rise - 1, TrackState::Pending) };
        Self { level, rise, fall, state }
    }

    /// `rise` and `fall` may be others now.
    fn remember(&mut self, state: TrackState, level: u32) {
        let levels = match state {
            TrackState::Ok => self.rise..=self.rise + self.fall - 1,
            TrackState::Failed => 0..=self.rise - 1,
            TrackState::Pending | TrackState::Value(_) => return,
        };
        self.state = state;
        self.level = level.clamp(*levels.start(), *levels.end());
    }

    fn report(&mut self, success: bool) {
        if success && self.level < self.rise - 1 {
            self.level += 1;
        } else if success {
            self.state = TrackState::Ok;
            self.level = self.rise + self.fall - 1;
        } else if self.level > self.rise {
            self.level -= 1;
        } else {
            self.state = TrackState::Failed;
            self.level = 0;
        }
    }
}

/// The largest step a priority can make.
const MOST: i32 = 253;

#[cfg(test)]
mod tests;
