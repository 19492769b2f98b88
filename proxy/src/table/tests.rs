use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;

fn config(size: u32, expire: Option<u64>) -> TableConfig {
    let expire = expire.map(Duration::from_secs);
    TableConfig { expire, ..TableConfig::new("t", KeyType::Ip { ipv6_prefix: 64 }, size) }
}

fn table(size: u32, expire: Option<u64>) -> Table<u32> {
    Table::new(&config(size, expire))
}

pub(super) fn key(n: u32) -> Key {
    Key::Ip(IpAddr::V4(Ipv4Addr::from_bits(n)))
}

pub(super) fn start() -> Instant {
    use std::sync::LazyLock;
    #[expect(clippy::disallowed_methods, reason = "any instant will do to count from")]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
}

pub(super) fn at(seconds: u64) -> Instant {
    start() + Duration::from_secs(seconds)
}

#[test]
fn an_entry_ends_after_it_was_last_looked_up() {
    let table = table(10, Some(10));
    table.store(key(1), 7, at(0));
    assert_eq!(table.look_up(&key(1), at(9)), Some(7));
    assert_eq!(table.look_up(&key(1), at(18)), Some(7), "looking made it new");
    assert_eq!(table.look_up(&key(1), at(28)), None);
    assert!(table.is_empty(), "and an expired one is gone once met");
    assert_eq!(table.look_up(&key(2), at(28)), None);
}

#[test]
fn a_full_table_gives_up_what_would_end_first() {
    for expire in [Some(100), None] {
        let table = table(3, expire);
        for n in 0..3 {
            assert_eq!(table.store(key(n), n, at(n.into())), 0);
        }
        assert_eq!(table.look_up(&key(0), at(5)), Some(0));
        assert_eq!(table.store(key(3), 3, at(6)), 1, "one had to go");
        let left: Vec<_> = (0..4).filter_map(|n| table.look_up(&key(n), at(7))).collect();
        assert_eq!(left, [0, 2, 3], "{expire:?}");
        assert_eq!(table.store(key(3), 9, at(8)), 0, "a change needs no room");
        assert_eq!(table.look_up(&key(3), at(8)), Some(9));
    }
    let expiring = table(1, Some(1));
    expiring.store(key(1), 1, at(0));
    assert_eq!(expiring.store(key(2), 2, at(5)), 0, "an expired one is no loss");
}

#[test]
fn a_full_table_may_keep_what_it_has() {
    let table = Table::new(&TableConfig { purge: Purge::Nothing, ..config(2, Some(10)) });
    table.store(key(1), 1, at(0));
    table.store(key(2), 2, at(1));
    table.store(key(3), 3, at(2));
    let known = |n, seconds| table.look_up(&key(n), at(seconds));
    assert_eq!((known(1, 2), known(2, 2), known(3, 2)), (Some(1), Some(2), None));
    table.store(key(1), 9, at(2));
    assert_eq!(known(1, 2), Some(9), "what is there can change");
    table.store(key(3), 3, at(20));
    assert_eq!(known(3, 20), Some(3), "what has ended is no hindrance");
}

#[test]
fn entries_are_removed_by_their_value() {
    let table = table(1000, None);
    for n in 0..100 {
        table.store(key(n), n % 3, at(0));
    }
    assert_eq!(table.retain(|_, v| v != 1), 33);
    assert_eq!(table.len(), 67);
    assert!((0..100).all(|n| table.look_up(&key(n), at(0)).is_some() == (n % 3 != 1)));
}

proptest! {
    /// A table does what a list of its entries with their ends would do, as long as there is room.
    #[test]
    fn behaves_like_a_list(steps in proptest::collection::vec((0_u32..20, 0_u64..5, any::<bool>()), 1..200)) {
        let table = table(64, Some(6));
        let mut list: Vec<Option<(u32, u64)>> = vec![None; 20];
        let mut now = 0;
        for (n, (who, wait, store)) in (0..).zip(steps) {
            now += wait;
            let known = &mut list[who as usize];
            if store {
                table.store(key(who), n, at(now));
                *known = Some((n, now));
            } else {
                *known = known.filter(|(_, touched)| touched + 6 > now).map(|(value, _)| (value, now));
                prop_assert_eq!(table.look_up(&key(who), at(now)), known.map(|(value, _)| value));
            }
        }
        prop_assert!(table.len() <= 64);
    }

    /// However it is used, it never grows beyond its size, but for what rounding adds to each shard.
    #[test]
    fn stays_bounded(size in 1_u32..300, keys in proptest::collection::vec(any::<u32>(), 1..1000)) {
        let table = table(size, None);
        for (n, k) in (0..).zip(keys) {
            table.store(key(k), n, at(0));
            prop_assert_eq!(table.look_up(&key(k), at(0)), Some(n));
        }
        prop_assert!(table.len() <= (size + size.div_ceil(64)) as usize);
    }
}
