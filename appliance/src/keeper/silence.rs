//! How much of a worker's silence is its own fault.
//!
//! A thread that wants a processor and gets none cannot answer; neither is it hung, and killing it would cost clients
//! their connections for a successor that gets no processor either. So what a thread of the worker waited for a
//! processor, on a busy machine or under a CPU quota, is not charged. Time in which a thread ran without answering,
//! slept or was blocked is charged; so is everything when the kernel tells nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::process::{Process, Thread};

/// A heartbeat that was sent and not answered. At most one entry per thread of the worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Silence {
    /// The last look.
    looked: Instant,
    seen: BTreeMap<u32, Seen>,
    lasted: Duration,
    charged: Duration,
    waited: Duration,
    ran: Duration,
}

/// A thread at the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    thread: Thread,
    /// How much of the wait it is in has been counted.
    counted: Duration,
}

/// What a silence consisted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figures {
    /// How long it has lasted, without what the keeper itself slept.
    pub lasted: Duration,
    /// How much of it a thread of the worker waited for a processor.
    pub waited: Duration,
    /// How much the thread that ran most was on one.
    pub ran: Duration,
}

impl Silence {
    /// Begins when the heartbeat is sent.
    pub(super) const fn new(now: Instant) -> Self {
        let zero = Duration::ZERO;
        Self { looked: now, seen: BTreeMap::new(), lasted: zero, charged: zero, waited: zero, ran: zero }
    }

    /// The answer is still missing, and this is what the kernel says. A look is due every `heartbeat`: what it comes
    /// later, the keeper itself did not run, and the answer may lie before it unread.
    pub(super) fn look(&mut self, now: Instant, heartbeat: Duration, process: &Process) {
        let span = now.saturating_duration_since(self.looked);
        self.looked = now;
        let mut seen = BTreeMap::new();
        let (mut waited, mut ran) = (Duration::ZERO, Duration::ZERO);
        for &thread in &process.threads {
            let (next, gain) = match self.seen.get(&thread.id) {
                Some(before) => before.follow(thread, span),
                None => (Seen { thread, counted: Duration::ZERO }, Gain::default()),
            };
            // The one that waited most: threads that wait a little each do not excuse one that sleeps.
            waited = waited.max(gain.waited);
            ran = ran.max(gain.ran);
            seen.insert(thread.id, next);
        }
        self.seen = seen;
        let (waited, own) = (waited.min(span), span.min(heartbeat));
        self.lasted += own;
        self.charged += own.min(span - waited);
        self.waited += waited;
        self.ran += ran.min(span);
    }

    /// What the worker has to answer for.
    pub(super) const fn charged(&self) -> Duration {
        self.charged
    }

    /// How long it has lasted, without what the keeper itself slept.
    pub(super) const fn lasted(&self) -> Duration {
        self.lasted
    }

    /// What it consisted of.
    pub(super) const fn figures(&self) -> Figures {
        Figures { lasted: self.lasted, waited: self.waited, ran: self.ran }
    }
}

/// What a thread did between two looks.
#[derive(Debug, Clone, Copy, Default)]
struct Gain {
    waited: Duration,
    ran: Duration,
}

impl Seen {
    /// The thread one look later, and what it did meanwhile.
    fn follow(self, thread: Thread, span: Duration) -> (Self, Gain) {
        let before = self.thread;
        let ran = thread.ran.saturating_sub(before.ran);
        if before.runnable && thread.runnable && thread.turns == before.turns && ran.is_zero() {
            // In the same wait all the time: the kernel adds it to `waited` when it ends.
            return (Self { thread, counted: self.counted + span }, Gain { waited: span, ran });
        }
        let waited = thread.waited.saturating_sub(before.waited).saturating_sub(self.counted);
        (Self { thread, counted: Duration::ZERO }, Gain { waited, ran })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lasted, waited, ran } = self;
        write!(
            f,
            "silent for {} ms: waited {} ms for a processor, ran {} ms",
            lasted.as_millis(),
            waited.as_millis(),
            ran.as_millis()
        )
    }
}

#[cfg(test)]
mod tests;
