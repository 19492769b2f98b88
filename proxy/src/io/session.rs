//! Rules for connections, and what a connection is counted in.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use super::caller::Caller;
use super::runtime::DataThread;
use super::{chance, time_of_day};
use crate::balance::State;
use crate::map::MapId;
use crate::plan::{TcpAction, TcpRule};
use crate::rules::{Count, DayTime, Gauge, Hello, Looked, Number, Received, Request, Subject, Zone};
use crate::table::{Counter, Event, Key, Tracking, Which};
use crate::tls::SessionFacts;

/// What a client's connection is counted in, from a rule that says so to its end.
pub(super) struct Tracked {
    thread: Rc<DataThread>,
    tracking: RefCell<Tracking>,
}

impl Tracked {
    /// Nothing yet.
    pub(super) fn new(thread: &Rc<DataThread>) -> Self {
        Self { thread: Rc::clone(thread), tracking: RefCell::default() }
    }

    /// Whether this entry is among those it is counted in.
    pub(super) fn has(&self, which: Which) -> bool {
        self.tracking.borrow().has(which)
    }

    /// What one of them says.
    pub(super) fn value(&self, which: Which, counter: Counter, now: Instant) -> Option<u64> {
        self.tracking.borrow().value(self.thread.balance.counters(), which, counter, now)
    }

    /// Counts events in all of them.
    pub(super) fn count(&self, event: Event, events: u64, now: Instant) {
        self.tracking.borrow().count_many(self.thread.balance.counters(), event, events, now);
    }

    /// Does what a rule says. `key` is what it tracks.
    pub(super) fn handle(&self, counting: &Count, key: Option<Key>, now: Instant) {
        let (counters, mut tracking) = (self.thread.balance.counters(), self.tracking.borrow_mut());
        match (counting, key) {
            (Count::Track(which, _), Some(key)) => tracking.track_connection(counters, *which, key, now),
            (Count::Track(..), None) => {}
            (Count::Increase(which, event), _) => tracking.count_in(counters, *which, *event, now),
            (Count::SetTag(which, value), _) => tracking.set_tag(counters, *which, *value),
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.tracking.get_mut().release(self.thread.balance.counters(), 0, 0, Instant::now());
    }
}

impl std::fmt::Debug for Tracked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracked").finish_non_exhaustive()
    }
}

/// What rules make of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Accept,
    /// It is closed.
    Reject,
    /// It is given up without a word.
    SilentDrop,
}

/// A connection, for rules to look at.
pub(super) struct Seen<'a> {
    pub(super) caller: &'a Caller,
    pub(super) state: &'a State,
    pub(super) hello: Hello<'a>,
    pub(super) received: Received,
    pub(super) now: Instant,
}

impl<'a> Seen<'a> {
    /// One of which nothing has been read, nor will be.
    pub(super) fn unread(caller: &'a Caller, thread: &'a DataThread, now: Instant) -> Self {
        let received = Received { bytes: 0, open: false };
        Self { caller, state: &thread.balance, hello: Hello::None, received, now }
    }

    /// Asks rules one after the other, from the one at `from` on, which is the next to be asked afterwards. `None`: what
    /// the client has yet to say may decide.
    pub(super) fn ask(&self, rules: &[TcpRule], from: &mut usize) -> Option<Verdict> {
        let looked = Looked::new(self);
        while let Some(rule) = rules.get(*from) {
            if rule.when.settles(&looked)? {
                match &rule.action {
                    TcpAction::Accept => return Some(Verdict::Accept),
                    TcpAction::Reject => return Some(Verdict::Reject),
                    TcpAction::SilentDrop => return Some(Verdict::SilentDrop),
                    TcpAction::Count(counting) => self.count(counting, &looked),
                }
            }
            *from += 1;
        }
        Some(Verdict::Accept)
    }

    fn count(&self, counting: &Count, looked: &Looked<'_, Self>) {
        let Some(tracked) = self.caller.tracked() else { return };
        let key = match counting {
            Count::Track(which, key) => {
                let table = self.state.counters().table(which.table);
                table.and_then(|table| key.of(table.key_type(), looked))
            }
            Count::Increase(..) | Count::SetTag(..) => None,
        };
        tracked.handle(counting, key, self.now);
    }
}

impl Request for Seen<'_> {
    fn method(&self) -> &[u8] {
        b""
    }

    fn target(&self) -> &[u8] {
        b""
    }

    fn authority(&self) -> &[u8] {
        b""
    }

    fn fields(&self, _name: &str, _look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn source(&self) -> IpAddr {
        self.caller.source.ip()
    }

    fn source_port(&self) -> u16 {
        self.caller.source.port()
    }

    fn destination(&self) -> Option<SocketAddr> {
        self.caller.destination()
    }

    fn tls(&self) -> Option<&SessionFacts> {
        self.caller.tls.as_deref()
    }

    fn hello(&self) -> Hello<'_> {
        self.hello
    }

    fn received(&self) -> Received {
        self.received
    }

    fn mapped(&self, map: MapId, key: &[u8]) -> Option<Box<[u8]>> {
        self.state.maps().value(map, key)
    }

    fn counted(&self, number: &Number) -> Option<u64> {
        match number.of {
            Subject::Tracked(which) => self.caller.tracked()?.value(which, number.counter, self.now),
            Subject::Source(table) => {
                let table = self.state.counters().table(table)?;
                table.value_of(&table.key_type().of_address(self.source())?, number.counter, self.now)
            }
        }
    }

    fn gauge(&self, gauge: Gauge) -> Option<u64> {
        self.state.gauge(gauge)
    }

    fn day_time(&self, zone: Zone) -> Option<DayTime> {
        Some(time_of_day::day_time(zone))
    }

    fn random(&self) -> u32 {
        chance::random()
    }
}
