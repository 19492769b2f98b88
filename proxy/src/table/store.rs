//! What tables store of a key, and where in an entry it is.

use std::time::Duration;

use super::rate::Rate;

/// What can be stored and asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Requests of it that are under way (`conn_cur`).
    Current,
    /// All events of a kind (`…_cnt`, `gpc…`).
    Total(Event),
    /// Events of a kind in the last while (`…_rate`).
    Rate(Event),
    /// A number that rules set (`gpt0`).
    Tag,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Something has begun to be tracked.
    Connection,
    /// A connection of which this is tracked from its start was let in.
    Session,
    /// A request.
    Request,
    /// A request that was refused or that its server has answered with 4xx.
    Error,
    /// A request that its server has answered with 5xx, or with nothing that is a response.
    Failure,
    /// Bytes from clients.
    BytesIn,
    /// Bytes to clients.
    BytesOut,
    /// What rules count.
    Gpc0,
    /// What else rules count.
    Gpc1,
}

impl Counter {
    /// All of them, by HAProxy's names.
    pub const NAMES: [(&str, Self); 20] = [
        ("conn_cur", Self::Current),
        ("conn_cnt", Self::Total(Event::Connection)),
        ("conn_rate", Self::Rate(Event::Connection)),
        ("sess_cnt", Self::Total(Event::Session)),
        ("sess_rate", Self::Rate(Event::Session)),
        ("http_req_cnt", Self::Total(Event::Request)),
        ("http_req_rate", Self::Rate(Event::Request)),
        ("http_err_cnt", Self::Total(Event::Error)),
        ("http_err_rate", Self::Rate(Event::Error)),
        ("http_fail_cnt", Self::Total(Event::Failure)),
        ("http_fail_rate", Self::Rate(Event::Failure)),
        ("bytes_in_cnt", Self::Total(Event::BytesIn)),
        ("bytes_in_rate", Self::Rate(Event::BytesIn)),
        ("bytes_out_cnt", Self::Total(Event::BytesOut)),
        ("bytes_out_rate", Self::Rate(Event::BytesOut)),
        ("gpc0", Self::Total(Event::Gpc0)),
        ("gpc0_rate", Self::Rate(Event::Gpc0)),
        ("gpc1", Self::Total(Event::Gpc1)),
        ("gpc1_rate", Self::Rate(Event::Gpc1)),
        ("gpt0", Self::Tag),
    ];

    /// HAProxy's name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, counter)| *counter == self).map_or("", |(name, _)| name)
    }
}

/// What a table stores. Empty: it counts nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Store {
    parts: Vec<Part>,
    width: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    counter: Counter,
    /// Of a rate, in milliseconds; at least 1.
    period: u64,
    /// Where it begins in an entry.
    at: usize,
}

impl Store {
    /// Of these; the durations are the periods of rates, and mean nothing to the others.
    pub fn new(counters: impl IntoIterator<Item = (Counter, Duration)>) -> Self {
        let mut store = Self::default();
        for (counter, period) in counters {
            if store.part(counter).is_none() {
                let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST);
                store.parts.push(Part { counter, period, at: store.width });
                store.width += if matches!(counter, Counter::Rate(_)) { RATE } else { 1 };
            }
        }
        store
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether this is stored.
    pub fn has(&self, counter: Counter) -> bool {
        self.part(counter).is_some()
    }

    /// What is stored, rates with their periods, in the order of the configuration.
    pub fn counters(&self) -> impl Iterator<Item = (Counter, Option<Duration>)> {
        self.parts.iter().map(|part| {
            let is_rate = matches!(part.counter, Counter::Rate(_));
            (part.counter, is_rate.then(|| Duration::from_millis(part.period)))
        })
    }

    /// Words of an entry.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    fn part(&self, counter: Counter) -> Option<&Part> {
        self.parts.iter().find(|part| part.counter == counter)
    }

    /// Counts events in an entry.
    pub(super) fn count(&self, entry: &mut [u64], event: Event, events: u64, now: u64) {
        for part in &self.parts {
            match part.counter {
                Counter::Total(kind) if kind == event => {
                    entry
                        .get_mut(part.at)
                        .into_iter()
                        .for_each(|total| *total = total.saturating_add(events));
                }
                Counter::Rate(kind) if kind == event => {
                    let mut rate = rate_of(entry, part.at);
                    rate.add(events, part.period, now);
                    if let Some(words) = entry.get_mut(part.at..part.at + RATE) {
                        words.copy_from_slice(&[rate.start, rate.current, rate.previous]);
                    }
                }
                Counter::Total(_) | Counter::Rate(_) | Counter::Current | Counter::Tag => {}
            }
        }
    }

    /// One more is under way.
    pub(super) fn raise(&self, entry: &mut [u64]) {
        self.change(entry, Counter::Current, |current| current.saturating_add(1));
    }

    /// One less is.
    pub(super) fn lower(&self, entry: &mut [u64]) {
        self.change(entry, Counter::Current, |current| current.saturating_sub(1));
    }

    /// Sets the tag.
    pub(super) fn set_tag(&self, entry: &mut [u64], value: u32) {
        self.change(entry, Counter::Tag, |_| value.into());
    }

    fn change(&self, entry: &mut [u64], counter: Counter, to: impl FnOnce(u64) -> u64) {
        if let Some(word) = self.part(counter).and_then(|part| entry.get_mut(part.at)) {
            *word = to(*word);
        }
    }

    /// An entry without its table's clock: as [`InheritedEntry`](super::InheritedEntry) has it.
    pub(super) fn aged(&self, entry: &[u64], now: u64) -> Vec<u64> {
        let numbers = |part: &Part| match part.counter {
            Counter::Rate(_) => {
                let Rate { start, current, previous } = rate_of(entry, part.at);
                vec![now.saturating_sub(start), current, previous]
            }
            Counter::Current => vec![0],
            Counter::Total(_) | Counter::Tag => vec![entry.get(part.at).copied().unwrap_or_default()],
        };
        self.parts.iter().flat_map(numbers).collect()
    }

    /// Writes what `from` has [aged](Self::aged), as far as it is stored here too. What is under way is nobody's.
    pub(super) fn restore(&self, from: &Self, numbers: &[u64], entry: &mut [u64], now: u64) {
        for part in &self.parts {
            let same = |other: &&Part| {
                let is_rate = matches!(part.counter, Counter::Rate(_));
                other.counter == part.counter && (!is_rate || other.period == part.period)
            };
            let Some(there) = from.parts.iter().find(same).and_then(|other| numbers.get(other.at..)) else {
                continue;
            };
            match (part.counter, there) {
                (Counter::Rate(_), [age, current, previous, ..]) => {
                    if let Some(words) = entry.get_mut(part.at..part.at + RATE) {
                        words.copy_from_slice(&[now.saturating_sub(*age), *current, *previous]);
                    }
                }
                (Counter::Total(_) | Counter::Tag, [number, ..]) => {
                    entry.get_mut(part.at).into_iter().for_each(|word| *word = *number);
                }
                (Counter::Rate(_) | Counter::Total(_) | Counter::Tag | Counter::Current, _) => {}
            }
        }
    }

    /// What an entry says. `None`: that is not stored.
    pub(super) fn value(&self, entry: &[u64], counter: Counter, now: u64) -> Option<u64> {
        let part = self.part(counter)?;
        match counter {
            Counter::Rate(_) => Some(rate_of(entry, part.at).read(part.period, now)),
            Counter::Current | Counter::Total(_) | Counter::Tag => entry.get(part.at).copied(),
        }
    }
}

fn rate_of(entry: &[u64], at: usize) -> Rate {
    match entry.get(at..at + RATE) {
        Some([start, current, previous]) => Rate { start: *start, current: *current, previous: *previous },
        _ => Rate::default(),
    }
}

/// Words of a rate.
const RATE: usize = 3;

/// Longest period: a table's clock has run for more than two of them when its first event comes.
const LONGEST: u64 = super::counting::BEGINNING / 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_name_of_its_own() {
        for (name, counter) in Counter::NAMES {
            assert_eq!(counter.name(), name);
        }
    }

    #[test]
    fn events_go_where_they_belong() {
        let second = Duration::from_secs(1);
        let all = Store::new(Counter::NAMES.map(|(_, counter)| (counter, second)));
        let mut entry = vec![0; all.width()];
        let now = 1 << 40;
        all.raise(&mut entry);
        all.raise(&mut entry);
        all.lower(&mut entry);
        all.set_tag(&mut entry, 7);
        for (n, event) in (1..).zip([Event::Connection, Event::Request, Event::BytesOut, Event::Gpc1]) {
            all.count(&mut entry, event, n, now);
        }
        let expected = |name: &str| match name {
            "conn_cur" | "conn_cnt" | "conn_rate" => 1,
            "http_req_cnt" | "http_req_rate" => 2,
            "bytes_out_cnt" | "bytes_out_rate" => 3,
            "gpc1" | "gpc1_rate" => 4,
            "gpt0" => 7,
            _ => 0,
        };
        for (name, counter) in Counter::NAMES {
            assert_eq!(all.value(&entry, counter, now), Some(expected(name)), "{name}");
        }
    }

    #[test]
    fn what_is_not_stored_is_not_known() {
        let store = Store::new([(Counter::Tag, Duration::ZERO), (Counter::Tag, Duration::ZERO)]);
        let mut entry = vec![0; store.width()];
        assert_eq!((store.width(), store.is_empty(), store.has(Counter::Current)), (1, false, false));
        store.count(&mut entry, Event::Request, 1, 0);
        store.raise(&mut entry);
        assert_eq!(store.value(&entry, Counter::Total(Event::Request), 0), None);
        assert_eq!(store.value(&entry, Counter::Tag, 0), Some(0));
        assert!(Store::default().is_empty());
    }
}
