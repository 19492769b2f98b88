use std::time::Duration;

use proptest::prelude::*;

use super::super::tests::{at, key};
use super::*;

const REQUESTS: Counter = Counter::Total(Event::Request);
const RATE: Counter = Counter::Rate(Event::Request);

fn config(size: u32, purge: Purge) -> TableConfig {
    TableConfig {
        expire: Some(Duration::from_secs(30)),
        purge,
        store: Store::new([REQUESTS, RATE, Counter::Current].map(|c| (c, Duration::from_secs(10)))),
        ..TableConfig::new("t", KeyType::Ip { ipv6_prefix: 64 }, size)
    }
}

fn table(size: u32) -> Counting {
    Counting::new(&config(size, Purge::Oldest)).unwrap()
}

fn track(table: &Counting, n: u32, seconds: u64) -> Option<Held> {
    table.track(key(n), &[Event::Request], at(seconds))
}

/// A request that begins and ends.
fn visit(table: &Counting, n: u32, seconds: u64) {
    let held = track(table, n, seconds).unwrap();
    table.release(held, &[], at(seconds));
}

fn known(table: &Counting, keys: std::ops::Range<u32>, seconds: u64) -> Vec<u32> {
    keys.filter(|n| table.entry(&key(*n), at(seconds)).is_some()).collect()
}

#[test]
fn an_entry_ends_after_it_was_last_let_go() {
    let table = table(10);
    visit(&table, 1, 0);
    visit(&table, 1, 29);
    assert_eq!(table.value_of(&key(1), REQUESTS, at(58)), Some(2));
    assert_eq!(table.value_of(&key(1), REQUESTS, at(59)), Some(0), "it has ended");
    visit(&table, 1, 60);
    assert_eq!(table.value_of(&key(1), REQUESTS, at(60)), Some(1), "and begins at nothing");
    let held = track(&table, 2, 60).unwrap();
    assert_eq!(table.value(&held, REQUESTS, at(600)), Some(1), "what is held does not end");
    assert_eq!(table.value_of(&key(2), Counter::Current, at(600)), Some(1));
    table.release(held, &[], at(600));
    assert_eq!(table.value_of(&key(2), Counter::Current, at(629)), Some(0));
    assert_eq!(known(&table, 0..5, 630), []);
}

#[test]
fn looking_makes_nothing_new() {
    let table = table(10);
    visit(&table, 1, 0);
    assert_eq!(table.value_of(&key(1), REQUESTS, at(20)), Some(1));
    assert!(table.entry(&key(1), at(20)).is_some());
    assert!(table.entry(&key(1), at(30)).is_none());
    assert_eq!(table.value_of(&key(2), REQUESTS, at(20)), Some(0));
    assert_eq!(table.value_of(&key(1), Counter::Tag, at(20)), None, "that is not stored");
}

#[test]
fn a_full_table_gives_up_what_would_end_first_and_nobody_holds() {
    let table = table(3);
    let held = track(&table, 0, 0).unwrap();
    visit(&table, 1, 1);
    visit(&table, 2, 2);
    visit(&table, 1, 3);
    visit(&table, 3, 4);
    assert_eq!(known(&table, 0..5, 4), [0, 1, 3]);
    let others = [track(&table, 1, 5).unwrap(), track(&table, 3, 5).unwrap()];
    assert_eq!(track(&table, 4, 5), None, "all are held");
    others.into_iter().chain([held]).for_each(|held| table.release(held, &[], at(6)));
    visit(&table, 4, 6);
    assert_eq!(known(&table, 0..5, 6), [0, 3, 4], "1 was let go first");
}

#[test]
fn without_purging_a_full_table_takes_no_key() {
    let table = Counting::new(&config(2, Purge::Nothing)).unwrap();
    visit(&table, 1, 0);
    visit(&table, 2, 10);
    assert_eq!(track(&table, 3, 20), None);
    visit(&table, 1, 20);
    assert_eq!(known(&table, 0..5, 20), [1, 2]);
    visit(&table, 3, 40);
    assert_eq!(known(&table, 0..5, 40), [1, 3], "2 has ended by itself");
}

#[test]
fn ended_entries_go_while_others_come() {
    let table = table(64);
    (0..60).for_each(|n| visit(&table, n, 0));
    (100..130).for_each(|n| visit(&table, n, 31));
    assert_eq!(table.len(), 30);
}

#[test]
fn entries_can_be_shown_and_cleared() {
    let table = table(1000);
    (0..200).for_each(|n| visit(&table, n, 0));
    let held = track(&table, 7, 5).unwrap();
    let (mut all, mut cursor) = (Vec::new(), Some(Cursor::default()));
    while let Some(from) = cursor {
        cursor = table.entries(from, 10, at(10), |entry| all.push(entry));
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(all.len(), 200);
    let period = Some(Duration::from_secs(10));
    let shown = |key, holders, ends_in, requests, rate| Entry {
        key,
        holders,
        ends_in,
        values: vec![
            (REQUESTS, None, requests),
            (RATE, period, rate),
            (Counter::Current, None, holders.into()),
        ],
    };
    assert_eq!(all[6], shown(key(6), 0, Some(Duration::from_secs(20)), 1, 1));
    assert_eq!(all[7], shown(key(7), 1, None, 2, 2));
    assert_eq!(table.entry(&key(7), at(10)).as_ref(), all.get(7));
    assert_eq!(table.clear(&key(7), at(10)), Removed::InUse);
    assert_eq!(table.clear(&key(8), at(10)), Removed::Gone);
    assert_eq!(table.clear(&key(8), at(10)), Removed::Unknown);
    assert_eq!(table.clear(&key(9), at(30)), Removed::Unknown, "it has ended");
    assert_eq!(table.clear_all(at(10)), 197);
    assert_eq!(known(&table, 0..200, 10), [7]);
    table.release(held, &[], at(10));
}

#[test]
fn threads_count_together() {
    let table = table(1000);
    let each = 2000;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..each).for_each(|n| visit(&table, n % 10, 0)));
        }
    });
    let all: u64 = (0..10).filter_map(|n| table.value_of(&key(n), REQUESTS, at(0))).sum();
    assert_eq!(all, 4 * u64::from(each));
}

#[test]
fn a_table_that_stores_nothing_counts_nothing() {
    assert!(Counting::new(&TableConfig { store: Store::default(), ..config(1, Purge::Oldest) }).is_none());
}

/// What a step of a test does with a key.
#[derive(Debug, Clone, Copy)]
enum Step {
    Track,
    Release,
    Clear,
    Look,
}

/// An entry of the plain table: requests, holders, and when it was let go.
type Plain = Vec<(u32, u64, u32, u64)>;

fn plain_track(plain: &mut Plain, most: usize, n: u32, now: u64) -> bool {
    plain.retain(|(_, _, holders, let_go)| *holders > 0 || let_go + 30 > now);
    if let Some(entry) = plain.iter_mut().find(|(k, ..)| *k == n) {
        entry.1 += 1;
        entry.2 += 1;
        return true;
    }
    if plain.len() >= most {
        // Entries are in the order in which they were let go.
        let Some(first) = plain.iter().position(|(_, _, holders, _)| *holders == 0) else { return false };
        plain.remove(first);
    }
    plain.push((n, 1, 1, now));
    true
}

proptest! {
    /// A table does what a list of its entries would do.
    #[test]
    fn behaves_like_a_list(
        steps in proptest::collection::vec(
            (prop_oneof![Just(Step::Track), Just(Step::Release), Just(Step::Clear), Just(Step::Look)], 0_u32..8, 0_u64..12),
            1..150,
        )
    ) {
        let table = table(4);
        let (mut plain, mut held, mut now) = (Plain::new(), Vec::<(u32, Held)>::new(), 0);
        for (step, n, wait) in steps {
            now += wait;
            let position = plain.iter().position(|(k, ..)| *k == n);
            let there = |plain: &Plain| {
                let found = plain.iter().find(|(k, ..)| *k == n);
                found.filter(|(_, _, holders, let_go)| *holders > 0 || let_go + 30 > now).copied()
            };
            match step {
                Step::Track => {
                    let taken = track(&table, n, now);
                    prop_assert_eq!(taken.is_some(), plain_track(&mut plain, 4, n, now));
                    held.extend(taken.map(|taken| (n, taken)));
                }
                Step::Release => {
                    let Some(at_hand) = held.iter().position(|(k, _)| *k == n) else { continue };
                    table.release(held.remove(at_hand).1, &[], at(now));
                    let (k, requests, holders, _) = plain.remove(position.unwrap());
                    plain.push((k, requests, holders - 1, now));
                }
                Step::Clear => {
                    let expected = match there(&plain) {
                        None => Removed::Unknown,
                        Some((_, _, 0, _)) => Removed::Gone,
                        Some(_) => Removed::InUse,
                    };
                    prop_assert_eq!(table.clear(&key(n), at(now)), expected);
                    if expected != Removed::InUse {
                        plain.retain(|(k, ..)| *k != n);
                    }
                }
                Step::Look => {
                    let expected = there(&plain).map_or(0, |(_, requests, ..)| requests);
                    prop_assert_eq!(table.value_of(&key(n), REQUESTS, at(now)), Some(expected));
                }
            }
            prop_assert!(table.len() <= 4);
        }
        held.into_iter().for_each(|(_, taken)| table.release(taken, &[], at(now)));
    }

    /// However it is used, it never grows beyond its size, but for what rounding adds to each part, and knows who came last.
    #[test]
    fn stays_bounded(size in 1_u32..300, keys in proptest::collection::vec(any::<u32>(), 1..1000)) {
        let table = table(size);
        for (n, k) in (0..).zip(keys) {
            visit(&table, k, n / 100);
            prop_assert!(table.value_of(&key(k), REQUESTS, at(n / 100)) >= Some(1));
        }
        prop_assert!(table.len() <= (size + size.div_ceil(64)) as usize);
    }
}
