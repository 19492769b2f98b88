//! What is in the tables of a worker on its way to its successor: what is counted of clients, and which servers they are kept
//! on. By name, because another configuration may number things otherwise.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_proxy::balance::State;
use evenkeel_proxy::plan::{Plan, ServerId};
use evenkeel_proxy::table::{Counter, Counting, Cursor, InheritedEntry, Key, Store, TableId};
use serde::{Deserialize, Serialize};

/// A table, or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableContent {
    /// Its name.
    name: String,
    /// What it counts; of rates also the period in milliseconds.
    counters: Vec<(String, u64)>,
    counted: Vec<Counted>,
    /// Keys and the servers, `backend/server`, that they stand for.
    stuck: Vec<(KeyText, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Counted {
    key: KeyText,
    ends_in_ms: Option<u64>,
    numbers: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum KeyText {
    Ip(IpAddr),
    Integer(u32),
    /// In a table of its own, so that a text that looks like an address stays one.
    Text {
        text: String,
    },
    Bytes(Vec<u8>),
}

impl From<&Key> for KeyText {
    fn from(key: &Key) -> Self {
        match key {
            Key::Ip(address) => Self::Ip(*address),
            Key::Integer(number) => Self::Integer(*number),
            Key::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Text { text: text.to_owned() },
                Err(_) => Self::Bytes(bytes.to_vec()),
            },
        }
    }
}

impl From<&KeyText> for Key {
    fn from(key: &KeyText) -> Self {
        match key {
            KeyText::Ip(address) => Self::Ip(*address),
            KeyText::Integer(number) => Self::Integer(*number),
            KeyText::Text { text } => Self::Bytes(text.as_bytes().into()),
            KeyText::Bytes(bytes) => Self::Bytes(bytes.as_slice().into()),
        }
    }
}

/// Writes down what is in all tables, in pieces; of more than [`MOST`] entries the rest is left out. Takes its time.
pub fn write_down(plan: &Plan, state: &State, now: Instant) -> Vec<TableContent> {
    let mut pieces = Vec::new();
    let mut room = MOST;
    for (id, config) in (0..).map(TableId).zip(plan.tables()) {
        if let Some(table) = state.counters().table(id) {
            room = counted(&config.name, table, now, room, &mut pieces);
        }
        if let Some(table) = state.tables().table(id) {
            let mut stuck = Vec::new();
            table.retain(|key, server| {
                if stuck.len() < room {
                    stuck.push((KeyText::from(key), plan.name_of(server)));
                }
                true
            });
            room -= stuck.len();
            let piece = |stuck: &[_]| TableContent { stuck: stuck.to_vec(), ..empty(&config.name) };
            pieces.extend(stuck.chunks(PIECE).map(piece));
        }
    }
    if room == 0 {
        tracing::warn!(most = MOST, "what is in tables beyond that is not handed over");
    }
    pieces
}

fn counted(
    name: &str,
    table: &Counting,
    now: Instant,
    mut room: usize,
    pieces: &mut Vec<TableContent>,
) -> usize {
    let millis =
        |period: Option<Duration>| u64::try_from(period.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
    let counters =
        table.store().counters().map(|(counter, period)| (counter.name().to_owned(), millis(period)));
    let empty = TableContent { counters: counters.collect(), ..empty(name) };
    let mut piece = empty.clone();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor.filter(|_| room > 0) {
        cursor = table.inheritance(at, AT_ONCE, now, |entry| {
            let InheritedEntry { key, ends_in_ms, numbers } = entry;
            piece.counted.push(Counted { key: KeyText::from(&key), ends_in_ms, numbers });
        });
        room = room.saturating_sub(piece.counted.len());
        if piece.counted.len() >= PIECE || cursor.is_none() || room == 0 {
            let full = std::mem::replace(&mut piece, empty.clone());
            pieces.extend(Some(full).filter(|full| !full.counted.is_empty()));
        }
    }
    room
}

fn empty(name: &str) -> TableContent {
    TableContent { name: name.to_owned(), counters: Vec::new(), counted: Vec::new(), stuck: Vec::new() }
}

/// Puts what was written down into the tables of the same names, as far as these are for it.
pub fn read_back(pieces: &[TableContent], plan: &Plan, state: &State, now: Instant) {
    let servers = u32::try_from(plan.servers().len()).unwrap_or(u32::MAX);
    let servers: BTreeMap<String, ServerId> =
        (0..servers).map(ServerId).map(|id| (plan.name_of(id), id)).collect();
    for piece in pieces {
        let Some(at) = plan.tables().iter().position(|config| config.name == piece.name) else { continue };
        let Ok(id) = u16::try_from(at).map(TableId) else { continue };
        if let Some(table) = state.counters().table(id) {
            let counters = piece.counters.iter().map(|(name, ms)| (name, Duration::from_millis(*ms)));
            let known = |(name, period): (&String, Duration)| {
                let (_, counter) = Counter::NAMES.into_iter().find(|(known, _)| known == name)?;
                Some((counter, period))
            };
            // One that this build does not know would shift those behind it.
            let Some(counters) = counters.map(known).collect::<Option<Vec<_>>>() else { continue };
            let entries = piece.counted.iter().map(|entry| InheritedEntry {
                key: Key::from(&entry.key),
                ends_in_ms: entry.ends_in_ms,
                numbers: entry.numbers.clone(),
            });
            table.inherit(&Store::new(counters), entries, now);
        }
        if let (Some(table), Some(config)) = (state.tables().table(id), plan.tables().get(at)) {
            for (key, server) in &piece.stuck {
                if let (Some(key), Some(server)) = (config.key.inherit(&Key::from(key)), servers.get(server))
                {
                    table.store(key, *server, now);
                }
            }
        }
    }
}

/// Entries that are handed over.
pub const MOST: usize = 200_000;

/// Entries of a message.
const PIECE: usize = 5_000;

/// Entries that are looked at while a part of a table is locked.
const AT_ONCE: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_were() {
        for key in [
            Key::Ip("192.0.2.1".parse().unwrap()),
            Key::Ip("2001:db8::1".parse().unwrap()),
            Key::Integer(7),
            Key::Bytes(b"192.0.2.1"[..].into()),
            Key::Bytes(b"7"[..].into()),
            Key::Bytes(b"\xff\0"[..].into()),
            Key::Bytes(b""[..].into()),
        ] {
            let json = serde_json::to_string(&KeyText::from(&key)).unwrap();
            assert_eq!(Key::from(&serde_json::from_str::<KeyText>(&json).unwrap()), key, "{json}");
        }
    }
}
