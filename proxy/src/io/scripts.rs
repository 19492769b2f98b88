//! The scripts of one data thread: called, timed, and what they say written to logs.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use super::runtime::DataThread;
use crate::access_log::Level;
use crate::lua::{CallError, Called, Clock, Message, OnError, Outcome, Program, State};
use crate::plan::{Frontend, LogTargetId};
use crate::rules::{Call, Said};

/// The clocks that scripts are timed by.
pub const CLOCK: Clock = Clock { worked, wall };

/// What scripts can be called through.
pub(in crate::io) struct Scripts {
    state: RefCell<State>,
    on_error: OnError,
    /// One has failed, and the request is not to go on.
    failed: Cell<bool>,
    told: Cell<Told>,
}

/// Errors that are told once for many.
#[derive(Clone, Copy, Default)]
struct Told {
    last: Option<Instant>,
    /// Since then.
    untold: u32,
}

/// On whose behalf scripts are called.
#[derive(Clone, Copy)]
pub(in crate::io) struct Scripting<'a> {
    pub(in crate::io) thread: &'a DataThread,
    pub(in crate::io) scripts: &'a Scripts,
    /// Who hears of it.
    pub(in crate::io) log: &'a [LogTargetId],
    pub(in crate::io) now: Instant,
}

impl Scripts {
    /// Of the data thread with this number, from 0.
    pub(in crate::io) fn new(program: &Arc<Program>, number: u16) -> Self {
        let mut state = State::new(Arc::clone(program), CLOCK, number.saturating_add(1));
        // If that fails so will the calls, and be told then.
        drop(state.warm(Instant::now()));
        let on_error = program.on_error;
        Self { state: state.into(), on_error, failed: Cell::default(), told: Cell::default() }
    }
}

impl<'a> Scripting<'a> {
    /// For a request to a frontend, if there are scripts.
    #[inline]
    pub(in crate::io) fn begin(thread: &'a DataThread, frontend: &'a Frontend, now: Instant) -> Option<Self> {
        let scripts = thread.scripts.as_deref()?;
        // Nobody waits for what is left of an earlier request.
        scripts.failed.set(false);
        Some(Self { thread, scripts, log: &frontend.log, now })
    }

    /// Lets an action do with a message what it does. `None`: it has failed.
    pub(in crate::io) fn act(&self, call: &Call, message: Message) -> (Option<Outcome>, Option<Message>) {
        // What another request has left at a key for the balancer, where nobody looks, is not this one's.
        self.scripts.failed.set(false);
        let (called, message) = self.scripts.state.borrow_mut().act(call, message, self.now);
        (self.result(called), message)
    }

    pub(in crate::io) fn fetch(&self, call: &Call, message: Message) -> Option<Said> {
        let called = self.scripts.state.borrow_mut().fetch(call, message, self.now);
        self.result(called)?
    }

    pub(in crate::io) fn convert(&self, call: &Call, text: &[u8]) -> Option<Said> {
        let called = self.scripts.state.borrow_mut().convert(call, text, self.now);
        self.result(called)?
    }

    /// Whether a script has failed since this was last asked, and the request is not to go on.
    pub(in crate::io) fn has_failed(&self) -> bool {
        self.scripts.failed.take()
    }

    fn result<T>(&self, called: Called<T>) -> Option<T> {
        for note in &called.notes {
            self.thread.logger.event(self.log, note.level, &note.text);
        }
        called.result.map_err(|error| self.tell(&error)).ok()
    }

    #[cold]
    fn tell(&self, error: &CallError) {
        self.thread.recorder.stats().count_lua_error();
        self.scripts.failed.set(self.scripts.on_error == OnError::Deny);
        let mut told = self.scripts.told.get();
        if told.last.is_some_and(|last| self.now.saturating_duration_since(last) < TELL_EVERY) {
            told.untold = told.untold.saturating_add(1);
        } else {
            let more = match told.untold {
                0 => String::new(),
                more => format!(" ({more} more since the last)"),
            };
            self.thread.logger.event(self.log, Level::Err, &format!("Lua: {error}{more}"));
            told = Told { last: Some(self.now), untold: 0 };
        }
        self.scripts.told.set(told);
    }
}

fn worked() -> Duration {
    // There is such a clock on every Linux.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// One line of a thread about errors in so long.
const TELL_EVERY: Duration = Duration::from_secs(1);
