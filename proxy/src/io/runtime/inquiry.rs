//! Questions about connections, which the threads that have them answer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::sessions::{Listing, SessionId, Sessions};

/// A question to all threads, and what they have answered so far.
#[derive(Debug)]
pub(in crate::io) struct Inquiry {
    asked: Asked,
    answers: Mutex<Answers>,
    /// Rings when a thread has answered.
    answered: Condvar,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::io) enum Asked {
    /// Who is there: one, or as many as that.
    List { wanted: Option<SessionId>, most: usize },
    /// One is to be ended, by whoever has it.
    End(SessionId),
}

#[derive(Debug)]
struct Answers {
    outstanding: usize,
    listing: Listing,
    /// The one that was to be ended was there.
    ended: bool,
}

impl Inquiry {
    /// To so many threads.
    pub(super) fn new(asked: Asked, threads: usize) -> Self {
        let answers = Answers { outstanding: threads, listing: Listing::default(), ended: false };
        Self { asked, answers: Mutex::new(answers), answered: Condvar::new() }
    }

    /// Data thread: answers for its connections.
    pub(super) fn answer(&self, sessions: &Sessions, now: Instant) {
        let (mut own, mut ended) = (Listing::default(), false);
        match self.asked {
            Asked::List { wanted, most } => own = sessions.list(wanted, most, now),
            Asked::End(id) => ended = sessions.end(id),
        }
        let mut answers = self.answers();
        answers.listing.sessions.append(&mut own.sessions);
        answers.listing.more += own.more;
        answers.ended |= ended;
        answers.outstanding = answers.outstanding.saturating_sub(1);
        drop(answers);
        self.answered.notify_one();
    }

    /// Waits until all threads have answered, for as long as that: one that hangs does not answer. What they have said, and
    /// whether they have ended what was to be ended.
    pub(super) fn wait(&self, patience: Duration) -> (Listing, bool) {
        let waited = self.answered.wait_timeout_while(self.answers(), patience, |a| a.outstanding > 0);
        let (mut answers, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let mut listing = std::mem::take(&mut answers.listing);
        listing.silent = answers.outstanding;
        let ended = answers.ended;
        drop(answers);
        if let Asked::List { most, .. } = self.asked {
            listing.sessions.sort_by_key(|session| std::cmp::Reverse(session.age));
            listing.more += listing.sessions.len().saturating_sub(most);
            listing.sessions.truncate(most);
        }
        (listing, ended)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_says_nothing_is_told_of() {
        let asked = Asked::List { wanted: None, most: 3 };
        let inquiry = Inquiry::new(asked, 2);
        inquiry.answer(&Sessions::new(0), Instant::now());
        let (listing, ended) = inquiry.wait(Duration::from_millis(1));
        assert_eq!((listing, ended), (Listing { silent: 1, ..Listing::default() }, false));
        inquiry.answer(&Sessions::new(1), Instant::now());
        assert_eq!(inquiry.wait(Duration::ZERO).0, Listing::default());
    }
}
