//! What one request is counted in.

use std::fmt;
use std::time::Instant;

use super::counting::{Counting, Held};
use super::store::{Counter, Event};
use super::{Key, TableConfig};

/// Position of a table in the [`Plan`](crate::plan::Plan).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u16);

/// The tables of a plan that count.
#[derive(Debug)]
pub struct Counters(Box<[Option<Counting>]>);

impl Counters {
    /// All empty.
    pub fn new(tables: &[TableConfig]) -> Self {
        Self(tables.iter().map(Counting::new).collect())
    }

    /// One of them. `None`: it stores nothing.
    pub fn table(&self, id: TableId) -> Option<&Counting> {
        self.0.get(usize::from(id.0))?.as_ref()
    }
}

/// One of the entries that a request is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which {
    /// The table it is in.
    pub table: TableId,
    /// Its number (HAProxy: sc0, sc1, …). `None`: the first of that table.
    pub sc: Option<u8>,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}", self.table.0)?;
        self.sc.map_or(Ok(()), |sc| write!(f, " (sc {sc})"))
    }
}

/// The entries that a request is counted in, in the order in which they were tracked. They have to be
/// [released](Self::release).
#[derive(Debug, Default)]
pub struct Tracking(Vec<Tracked>);

#[derive(Debug)]
struct Tracked {
    sc: u8,
    table: TableId,
    held: Held,
}

impl Tracking {
    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts a request in the entry of `key`, from its beginning to its end. A number that is in use stays what it is, as with
    /// HAProxy; without one it gets the first that is not.
    pub fn track(&mut self, counters: &Counters, which: Which, key: Key, now: Instant) {
        self.track_with(counters, which, key, &OF_REQUESTS, now);
    }

    /// The same of a connection, the requests of which are counted one by one.
    pub fn track_connection(&mut self, counters: &Counters, which: Which, key: Key, now: Instant) {
        self.track_with(counters, which, key, &[Event::Connection], now);
    }

    fn track_with(&mut self, counters: &Counters, which: Which, key: Key, events: &[Event], now: Instant) {
        let used = |sc: u8| self.0.iter().any(|tracked| tracked.sc == sc);
        let sc = match which.sc {
            Some(sc) if used(sc) => return,
            Some(sc) => sc,
            None => (0..=u8::MAX).find(|sc| !used(*sc)).unwrap_or(u8::MAX),
        };
        let table = counters.table(which.table);
        if let Some(held) = table.and_then(|table| table.track(key, events, now)) {
            self.0.push(Tracked { sc, table: which.table, held });
        }
    }

    /// Whether this one is among them.
    pub fn has(&self, which: Which) -> bool {
        self.held(which).is_some()
    }

    /// What an entry says. `None`: it is not tracked, or that is not stored.
    pub fn value(&self, counters: &Counters, which: Which, counter: Counter, now: Instant) -> Option<u64> {
        let held = self.held(which)?;
        counters.table(which.table)?.value(held, counter, now)
    }

    /// Counts an event in one of them.
    pub fn count_in(&self, counters: &Counters, which: Which, event: Event, now: Instant) {
        if let (Some(held), Some(table)) = (self.held(which), counters.table(which.table)) {
            table.count(held, event, 1, now);
        }
    }

    /// Sets the tag of one of them.
    pub fn set_tag(&self, counters: &Counters, which: Which, value: u32) {
        if let (Some(held), Some(table)) = (self.held(which), counters.table(which.table)) {
            table.set_tag(held, value);
        }
    }

    /// Counts an event in all of them.
    pub fn count(&self, counters: &Counters, event: Event, now: Instant) {
        self.count_many(counters, event, 1, now);
    }

    /// Counts so many events in all of them.
    pub fn count_many(&self, counters: &Counters, event: Event, events: u64, now: Instant) {
        for Tracked { table, held, .. } in &self.0 {
            if let Some(table) = counters.table(*table) {
                table.count(held, event, events, now);
            }
        }
    }

    /// The request is over, and has had so many bytes.
    pub fn release(&mut self, counters: &Counters, bytes_in: u64, bytes_out: u64, now: Instant) {
        let events = [(Event::BytesIn, bytes_in), (Event::BytesOut, bytes_out)];
        for Tracked { table, held, .. } in self.0.drain(..) {
            if let Some(table) = counters.table(table) {
                table.release(held, &events, now);
            }
        }
    }

    fn held(&self, which: Which) -> Option<&Held> {
        let meant =
            |tracked: &&Tracked| tracked.table == which.table && which.sc.is_none_or(|sc| sc == tracked.sc);
        self.0.iter().find(meant).map(|tracked| &tracked.held)
    }
}

/// What is counted as soon as a request is tracked.
const OF_REQUESTS: [Event; 2] = [Event::Connection, Event::Request];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{at, key};
    use super::super::{KeyType, Store};
    use super::*;

    fn counters(names: &[&str]) -> Counters {
        let named = Counter::NAMES.into_iter().filter(|(name, _)| names.contains(name));
        let store = Store::new(named.map(|(_, counter)| (counter, Duration::from_secs(10))));
        let counting = TableConfig {
            expire: Some(Duration::from_secs(30)),
            store,
            ..TableConfig::new("t", KeyType::Ip { ipv6_prefix: 64 }, 10)
        };
        let silent = TableConfig { store: Store::default(), ..counting.clone() };
        Counters::new(&[counting.clone(), silent, counting])
    }

    const FIRST: Which = Which { table: TableId(0), sc: None };

    #[test]
    fn a_request_is_counted_in_what_it_tracks() {
        let counters =
            counters(&["conn_cur", "http_req_cnt", "http_err_cnt", "bytes_in_cnt", "gpc0", "gpt0"]);
        let mut tracking = Tracking::default();
        let says = |tracking: &Tracking, which, counter| tracking.value(&counters, which, counter, at(0));
        let requests = Counter::Total(Event::Request);
        assert_eq!(says(&tracking, FIRST, requests), None, "nothing is tracked");
        tracking.track(&counters, FIRST, key(1), at(0));
        assert_eq!(says(&tracking, FIRST, requests), Some(1), "it counts itself");
        assert_eq!(says(&tracking, FIRST, Counter::Current), Some(1));
        assert_eq!(says(&tracking, FIRST, Counter::Rate(Event::Request)), None, "not stored");
        tracking.count(&counters, Event::Error, at(0));
        tracking.count_in(&counters, FIRST, Event::Gpc0, at(0));
        tracking.set_tag(&counters, FIRST, 5);
        assert_eq!(says(&tracking, FIRST, Counter::Total(Event::Error)), Some(1));
        assert_eq!(says(&tracking, FIRST, Counter::Total(Event::Gpc0)), Some(1));
        assert_eq!(says(&tracking, FIRST, Counter::Tag), Some(5));
        tracking.release(&counters, 100, 200, at(1));
        assert!(tracking.is_empty());
        let table = counters.table(TableId(0)).unwrap();
        let left = |counter| table.value_of(&key(1), counter, at(1));
        assert_eq!(left(Counter::Current), Some(0));
        assert_eq!(left(Counter::Total(Event::BytesIn)), Some(100));
    }

    #[test]
    fn entries_have_numbers() {
        let counters = counters(&["http_req_cnt"]);
        let requests = Counter::Total(Event::Request);
        let mut tracking = Tracking::default();
        let numbered = |table, sc| Which { table: TableId(table), sc: Some(sc) };
        tracking.track(&counters, numbered(0, 1), key(1), at(0));
        tracking.track(&counters, FIRST, key(2), at(0));
        tracking.track(&counters, numbered(2, 1), key(3), at(0));
        tracking.track(&counters, Which { table: TableId(2), sc: None }, key(4), at(0));
        tracking.track(&counters, Which { table: TableId(1), sc: None }, key(5), at(0));
        let numbers: Vec<_> = tracking.0.iter().map(|t| (t.sc, t.table.0)).collect();
        assert_eq!(numbers, [(1, 0), (0, 0), (2, 2)], "1 was in use, and table 1 stores nothing");
        assert_eq!(tracking.value(&counters, numbered(0, 0), requests, at(0)), Some(1));
        assert_eq!(
            tracking.value(&counters, numbered(0, 2), requests, at(0)),
            None,
            "it is of another table"
        );
        assert_eq!(tracking.value(&counters, Which { table: TableId(9), sc: None }, requests, at(0)), None);
        tracking.release(&counters, 0, 0, at(0));
        let mut connection = Tracking::default();
        connection.track_connection(&counters, FIRST, key(9), at(0));
        assert_eq!(
            connection.value(&counters, FIRST, requests, at(0)),
            Some(0),
            "its requests are counted by themselves"
        );
        connection.count_many(&counters, Event::Request, 2, at(0));
        assert_eq!(connection.value(&counters, FIRST, requests, at(0)), Some(2));
        assert!(connection.has(FIRST) && !connection.has(numbered(2, 0)));
        connection.release(&counters, 0, 0, at(0));
        assert_eq!(counters.table(TableId(2)).unwrap().len(), 1, "key 3 was not tracked");
    }
}
