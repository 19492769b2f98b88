//! What a table counts on its way to another process: entries without the clock of the table that they come from.

use std::time::Instant;

use super::counting::{Counting, Cursor};
use super::{Key, KeyType};

/// An entry that is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedEntry {
    /// Whose it is.
    pub key: Key,
    /// In how many milliseconds it ends; `None`: somebody holds it, or nothing ends by time.
    pub ends_in_ms: Option<u64>,
    /// In the order of the table's [`Store`](super::Store): of a rate the age of its period in milliseconds, its events, and
    /// those of the period before; of anything else a number. What is under way stays where it is, so of that there is none.
    pub numbers: Vec<u64>,
}

impl KeyType {
    /// The key of another table in one with these keys. `None`: it has others.
    pub fn inherit(self, key: &Key) -> Option<Key> {
        match (self, key) {
            (Self::Ip { .. }, Key::Ip(address)) => self.of_address(*address),
            (Self::Integer, Key::Integer(number)) => Some(Key::Integer(*number)),
            (Self::String { .. } | Self::Binary { .. }, Key::Bytes(bytes)) => self.of_bytes(bytes),
            (Self::Ip { .. } | Self::Integer | Self::String { .. } | Self::Binary { .. }, _) => None,
        }
    }
}

impl Counting {
    /// Up to about `most` entries behind `cursor`; where to go on, if there may be more.
    pub fn inheritance(
        &self,
        cursor: Cursor,
        most: u32,
        now: Instant,
        mut give: impl FnMut(InheritedEntry),
    ) -> Option<Cursor> {
        self.look(cursor, most, now, |seen, now| {
            give(InheritedEntry {
                key: seen.key.clone(),
                ends_in_ms: seen.end.filter(|end| *end != u64::MAX).map(|end| end - now),
                numbers: self.store().aged(seen.words, now),
            });
        })
    }

    /// Takes entries of a table that stores what `from` says. What has an entry here already, has other keys, or no room, is
    /// left out.
    pub fn inherit(
        &self,
        from: &super::Store,
        entries: impl IntoIterator<Item = InheritedEntry>,
        now: Instant,
    ) {
        for InheritedEntry { key, ends_in_ms, numbers } in entries {
            if let Some(key) = self.key_type().inherit(&key) {
                self.restore(key, ends_in_ms, now, |store, words, now| {
                    store.restore(from, &numbers, words, now)
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::start;
    use super::super::{Counter, Event, Store, TableConfig};
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn table(counters: &[&str], expire: Option<Duration>) -> Counting {
        let named = |name: &&str| Counter::NAMES.into_iter().find(|(known, _)| known == name).unwrap().1;
        let store = Store::new(counters.iter().map(|name| (named(name), Duration::from_secs(10))));
        let key = KeyType::String { len: 8 };
        Counting::new(&TableConfig { store, expire, ..TableConfig::new("t", key, 100) }).unwrap()
    }

    fn all(table: &Counting, now: Instant) -> Vec<InheritedEntry> {
        let (mut found, mut cursor) = (Vec::new(), Some(Cursor::default()));
        while let Some(at) = cursor {
            cursor = table.inheritance(at, 2, now, |entry| found.push(entry));
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found
    }

    fn key(text: &str) -> Key {
        Key::Bytes(text.as_bytes().into())
    }

    #[test]
    fn counts_and_rates_go_on_where_they_were() {
        let start = start();
        let before = table(&["conn_cur", "http_req_cnt", "http_req_rate", "gpt0"], Some(MINUTE));
        let held = before.track(key("held"), &[Event::Request], start).unwrap();
        for name in ["a", "b", "c"] {
            let held = before.track(key(name), &[], start).unwrap();
            before.count(&held, Event::Request, 100, start);
            before.set_tag(&held, 7);
            before.release(held, &[], start);
        }
        let later = start + Duration::from_secs(15);
        let given = all(&before, later);
        assert_eq!(given.len(), 4);
        assert_eq!(given[0].ends_in_ms, Some(45_000));
        assert_eq!((&given[3].key, given[3].ends_in_ms, given[3].numbers[0]), (&key("held"), None, 0));

        // In another order, and without one of them.
        let after = table(&["gpt0", "http_req_rate", "conn_cur"], Some(MINUTE));
        let elsewhere = start + Duration::from_secs(1000);
        after.inherit(before.store(), given.clone(), elsewhere);
        let value = |name: &str, counter, at| after.value_of(&key(name), counter, at).unwrap();
        let rate = Counter::Rate(Event::Request);
        assert_eq!(value("a", rate, elsewhere), before.value_of(&key("a"), rate, later).unwrap());
        assert_eq!((value("b", rate, elsewhere), value("b", Counter::Tag, elsewhere)), (50, 7));
        assert_eq!(value("b", rate, elsewhere + Duration::from_secs(5)), 0, "it fades as it would have");
        assert_eq!(value("held", Counter::Current, elsewhere), 0, "nobody holds it here");
        let end = elsewhere + Duration::from_secs(45);
        assert!(after.entry(&key("c"), end - Duration::from_millis(1)).is_some());
        assert!(after.entry(&key("c"), end + Duration::from_millis(1)).is_none());

        // What is there already knows better, and a rate over another time is another rate.
        let held_here = after.track(key("new"), &[Event::Request], elsewhere).unwrap();
        let other = InheritedEntry { key: key("new"), ..given[0].clone() };
        after.inherit(before.store(), [other], elsewhere);
        assert_eq!(value("new", rate, elsewhere), 1);
        after.release(held_here, &[], elsewhere);
        let minutes = Store::new([(rate, MINUTE)]);
        after.inherit(
            &minutes,
            [InheritedEntry { key: key("m"), ends_in_ms: None, numbers: vec![0, 9, 0] }],
            start,
        );
        assert_eq!(value("m", rate, elsewhere), 0);
        before.release(held, &[], later);
    }

    #[test]
    fn keys_of_another_kind_are_none() {
        let ip = KeyType::Ip { ipv6_prefix: 64 };
        let address = Key::Ip("2001:db8::1".parse().unwrap());
        assert_eq!(ip.inherit(&address), ip.of_address("2001:db8::".parse().unwrap()));
        assert_eq!((ip.inherit(&Key::Integer(1)), KeyType::Integer.inherit(&address)), (None, None));
        let text = KeyType::String { len: 2 };
        assert_eq!(text.inherit(&key("abc")), Some(key("ab")));
    }
}
