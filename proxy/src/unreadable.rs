//! Messages that could not be read: the last request of each frontend and the last response of each backend, for
//! operators to look at (HAProxy: `show errors`).
//!
//! Shared by all data threads, and written on their error path only. Each is kept up to [`MOST_KEPT`] bytes, and the next
//! one takes its place: however much rubbish comes, no more is kept.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::access_log::UnixMillis;
use crate::h1::fault::{Fault, Part};
use crate::plan::{BackendId, FrontendId, Plan, ServerId};

/// What is kept of a message, in bytes.
pub const MOST_KEPT: usize = 4096;

/// The last ones.
#[derive(Debug)]
pub struct Unreadable {
    requests: Box<[Slot]>,
    responses: Box<[Slot]>,
    /// How many there have been.
    events: AtomicU64,
}

type Slot = Mutex<Option<Arc<Event>>>;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// How many there were before it.
    pub number: u64,
    /// Whose it was, and when.
    pub about: About,
    /// How many bytes of the message came before those that are kept.
    pub skipped: usize,
    /// What is kept.
    pub bytes: Box<[u8]>,
    /// Which of them is wrong; their number: what should have come behind them.
    pub at: usize,
    /// What that should have been a part of.
    pub part: Part,
    /// What is wrong with it.
    pub why: String,
}

/// Whose message it was, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// When.
    pub time: UnixMillis,
    /// The client.
    pub client: SocketAddr,
    /// Where it came in.
    pub frontend: FrontendId,
    /// Where its request was bound for, if that was decided.
    pub backend: Option<BackendId>,
    /// The same.
    pub server: Option<ServerId>,
}

impl Unreadable {
    /// None yet.
    pub fn new(plan: &Plan) -> Self {
        Self {
            requests: plan.frontends().iter().map(|_| Slot::default()).collect(),
            responses: plan.backends().iter().map(|_| Slot::default()).collect(),
            events: AtomicU64::new(0),
        }
    }

    /// A request cannot be read.
    pub fn note_request(&self, about: About, bytes: &[u8], fault: Fault, why: String) {
        self.note(self.requests.get(usize::from(about.frontend.0)), about, bytes, fault, why);
    }

    /// A response cannot be read.
    pub fn note_response(&self, about: About, bytes: &[u8], fault: Fault, why: String) {
        let slot = about.backend.and_then(|id| self.responses.get(usize::from(id.0)));
        self.note(slot, about, bytes, fault, why);
    }

    fn note(&self, slot: Option<&Slot>, about: About, bytes: &[u8], fault: Fault, why: String) {
        let Some(slot) = slot else { return };
        // What is wrong has to be among what is kept, and what comes before it is what explains it.
        let skipped = if fault.at < MOST_KEPT - AFTER { 0 } else { fault.at + AFTER - MOST_KEPT };
        let bytes = bytes.get(skipped..).unwrap_or_default();
        let event = Event {
            number: self.events.fetch_add(1, Ordering::Relaxed),
            about,
            skipped,
            bytes: bytes.get(..MOST_KEPT).unwrap_or(bytes).into(),
            at: fault.at - skipped,
            part: fault.part,
            why,
        };
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(event));
    }

    /// The last request of a frontend.
    pub fn request(&self, of: FrontendId) -> Option<Arc<Event>> {
        look(self.requests.get(usize::from(of.0)))
    }

    /// The last response of a backend.
    pub fn response(&self, of: BackendId) -> Option<Arc<Event>> {
        look(self.responses.get(usize::from(of.0)))
    }

    /// How many there have been.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

fn look(slot: Option<&Slot>) -> Option<Arc<Event>> {
    slot?.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// What is kept of that which follows the byte that is wrong.
const AFTER: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::fixture::{plan, server};

    #[test]
    fn the_last_one_is_kept_and_no_more_of_it_than_fits() {
        let unreadable = Unreadable::new(&plan(vec![server(1)]));
        let client = "192.0.2.1:5".parse().unwrap();
        let about = About {
            time: UnixMillis(1),
            client,
            frontend: FrontendId(0),
            backend: Some(BackendId(0)),
            server: Some(ServerId(0)),
        };
        assert_eq!((unreadable.request(FrontendId(0)), unreadable.events()), (None, 0));
        let note = |bytes: &[u8], at: usize| {
            let fault = Fault { at, part: Part::FieldName };
            unreadable.note_request(about, bytes, fault, "x".to_owned());
            let event = unreadable.request(FrontendId(0)).unwrap();
            (event.number, event.skipped, event.at, event.bytes.len())
        };
        assert_eq!(note(b"abc", 3), (0, 0, 3, 3));
        let long = vec![b'a'; 10_000];
        assert_eq!(note(&long, 3_071), (1, 0, 3_071, 4096));
        assert_eq!(note(&long, 3_072), (2, 0, 3_072, 4096));
        assert_eq!(note(&long, 9_990), (3, 6_918, 3_072, 3_082));
        assert!(unreadable.response(BackendId(0)).is_none(), "each has its own");
        let fault = Fault { at: 0, part: Part::Status };
        unreadable.note_response(about, b"z", fault, String::new());
        assert_eq!(unreadable.response(BackendId(0)).unwrap().number, 4);
        // Of a proxy that is not in the plan nothing is kept, nor counted.
        let stranger = About { frontend: FrontendId(9), backend: None, ..about };
        unreadable.note_request(stranger, b"z", fault, String::new());
        unreadable.note_response(stranger, b"z", fault, String::new());
        assert_eq!(unreadable.events(), 5);
    }
}
