//! What counting a request in a table costs: a number looked up between its beginning and its end, as a limit does it.
//!
//! `tables [--threads N] [--entries N] [--visits N]`
#![expect(clippy::disallowed_methods, reason = "what is measured is time")]

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use evenkeel_proxy::table::{Counter, Counting, Event, Key, KeyType, Purge, Store, TableConfig};

fn main() -> ExitCode {
    let Some([threads, entries, visits]) = options() else {
        eprintln!("tables [--threads N] [--entries N] [--visits N]");
        return ExitCode::FAILURE;
    };
    for (what, spread, purge) in [
        ("one key for all threads", Spread::One, Purge::Oldest),
        ("keys that are known", Spread::Known, Purge::Oldest),
        ("new keys in a full table", Spread::New, Purge::Oldest),
        ("new keys in a full table, nopurge", Spread::New, Purge::Nothing),
    ] {
        let Some(table) = Counting::new(&config(entries, purge)) else { return ExitCode::FAILURE };
        // Full, but for what chance leaves free in some parts.
        (0..entries.saturating_mul(2)).for_each(|n| visit(&table, n));
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let table = &table;
                scope.spawn(move || {
                    let mut random = u64::from(thread) + 1;
                    for n in 0..visits {
                        visit(table, spread.key(&mut random, thread, n, entries));
                    }
                });
            }
        });
        let each = begun.elapsed().as_nanos() / u128::from(visits.max(1));
        println!("{what}: {each} ns a request and thread, {} entries", table.len());
    }
    ExitCode::SUCCESS
}

/// Which keys come.
#[derive(Clone, Copy)]
enum Spread {
    One,
    Known,
    New,
}

impl Spread {
    fn key(self, random: &mut u64, thread: u32, n: u32, entries: u32) -> u32 {
        // Xorshift: what comes next is not in the cache already.
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        match self {
            Self::One => entries,
            Self::Known => entries + (*random % u64::from(entries.max(1))) as u32,
            Self::New => (1 << 31) | (thread << 26) | n,
        }
    }
}

fn config(entries: u32, purge: Purge) -> TableConfig {
    let counters = [Counter::Rate(Event::Request), Counter::Current];
    TableConfig {
        expire: Some(Duration::from_secs(3600)),
        purge,
        store: Store::new(counters.map(|counter| (counter, Duration::from_secs(10)))),
        ..TableConfig::new("t", KeyType::Ip { ipv6_prefix: 64 }, entries)
    }
}

/// A request that is limited.
fn visit(table: &Counting, n: u32) {
    let key = Key::Ip(IpAddr::V4(Ipv4Addr::from_bits(n)));
    let now = Instant::now();
    let Some(held) = table.track(key, &[Event::Connection, Event::Request], now) else { return };
    let rate = table.value(&held, Counter::Rate(Event::Request), now);
    std::hint::black_box(rate);
    table.release(held, &[(Event::BytesIn, 100), (Event::BytesOut, 1000)], now);
}

fn options() -> Option<[u32; 3]> {
    let mut options = [2, 102_400, 2_000_000];
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let at = ["--threads", "--entries", "--visits"].iter().position(|known| *known == name)?;
        *options.get_mut(at)? = args.next()?.parse().ok()?;
    }
    Some(options)
}
