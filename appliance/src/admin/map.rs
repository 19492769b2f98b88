//! Maps: shown, looked up, changed, and exchanged whole.

use evenkeel_proxy::map::{Entry, EntryId, How, Map, MapId, Maps, Version};

use super::entry::{is_named, line, reference, refused, versioned};
use super::{Call, Outcome};

/// `show map [[@<ver>] <map>]`.
pub(super) fn show(call: Call<'_>) -> Outcome {
    let maps = call.sight.state().maps();
    let (version, rest) = versioned(call.words.get(2..).unwrap_or_default());
    let Some(name) = rest.first() else {
        let mut out = "# id (file) description\n".to_owned();
        for (id, name) in maps.names() {
            let count = maps.look(id, Map::len).unwrap_or_default();
            line(&mut out, format_args!("{} ({name}) map of the configuration. entry_cnt={count}", id.0));
        }
        return Outcome::Shown(out);
    };
    let Some(id) = named(maps, name) else { return UNKNOWN.into() };
    match version {
        Some(version) => match maps.change_prepared(id, version, |map| listed(map)) {
            Ok(out) => Outcome::Shown(out),
            Err(error) => refused(error),
        },
        None => Outcome::Shown(maps.look(id, listed).unwrap_or_default()),
    }
}

/// `get map <map> <key>`.
pub(super) fn get(call: Call<'_>) -> Outcome {
    let maps = call.sight.state().maps();
    let (Some(id), key) = (named(maps, call.word(2)), call.word(3)) else { return UNKNOWN.into() };
    let found = maps.look(id, |map| {
        let case = if map.ignores_case() { "insensitive" } else { "sensitive" };
        let mut out = format!("type={}, case={case}, ", word(map.how()));
        match map.look_up(key.as_bytes()) {
            Some(Entry { key, value }) => {
                line(&mut out, format_args!("found=yes, key=\"{key}\", value=\"{value}\", type=\"str\""));
            }
            None => line(&mut out, format_args!("found=no")),
        }
        out
    });
    Outcome::Shown(found.unwrap_or_default())
}

/// `set map <map> <key|#ref> <value>`.
pub(super) fn set(call: Call<'_>) -> Outcome {
    let maps = call.sight.state().maps();
    let [_, _, map, key, value] = call.words else {
        return "'set map' expects three parameters: map identifier, key and value.".into();
    };
    let Some(id) = named(maps, map) else { return UNKNOWN.into() };
    let there = maps.change(id, |map| match reference(key) {
        Some(entry) => map.set_entry(entry, value),
        None => map.set(key, value) > 0,
    });
    if there == Some(true) { Outcome::Done } else { "entry not found.".into() }
}

/// `add map [@<ver>] <map> <key> <value>`, or `add map [@<ver>] <map> <<` with a key and its value in each line. Those before a
/// line that is refused stay.
pub(super) fn add(call: Call<'_>) -> Outcome {
    let maps = call.sight.state().maps();
    let (version, rest) = versioned(call.words.get(2..).unwrap_or_default());
    let (map, entries) = match (rest, call.payload) {
        ([map], Some(payload)) => (map, payload.lines().map(entry).collect()),
        ([_, ..], Some(_)) => {
            return "'add map' expects a map identifier before a payload, and nothing else.".into();
        }
        ([map, key, value, ..], None) => (map, vec![(*key, *value)]),
        ([] | [_] | [_, _], _) => {
            return "'add map' expects three parameters: map identifier, key and value.".into();
        }
    };
    let Some(id) = named(maps, map) else { return UNKNOWN.into() };
    for (key, value) in entries {
        if value.is_empty() && call.payload.is_some() {
            return Outcome::Said(format!("Missing value for key '{key}'."));
        }
        match add_one(maps, id, version, key, value) {
            Outcome::Done => {}
            refused @ (Outcome::Said(_) | Outcome::Shown(_) | Outcome::Quit) => return refused,
        }
    }
    Outcome::Done
}

/// A line of a payload.
fn entry(line: &str) -> (&str, &str) {
    let line = line.trim_start_matches(BLANKS);
    let (key, value) = line.split_once(BLANKS).unwrap_or((line, ""));
    (key, value.trim_start_matches(BLANKS))
}

fn add_one(maps: &Maps, id: MapId, version: Option<Version>, key: &str, value: &str) -> Outcome {
    let add = |map: &mut Map| map.add(key.into(), value.into());
    let added = match version {
        Some(version) => match maps.change_prepared(id, version, add) {
            Ok(added) => added,
            Err(error) => return refused(error),
        },
        None => match maps.change(id, add) {
            Some(added) => added,
            None => return UNKNOWN.into(),
        },
    };
    match added {
        Ok(_) => Outcome::Done,
        Err(error) => Outcome::Said(format!("'{key}' {error}.")),
    }
}

/// `del map <map> <key|#ref>`.
pub(super) fn del(call: Call<'_>) -> Outcome {
    let maps = call.sight.state().maps();
    let (Some(id), key) = (named(maps, call.word(2)), call.word(3)) else { return UNKNOWN.into() };
    let there = maps.change(id, |map| match reference(key) {
        Some(entry) => map.remove_entry(entry),
        None => map.remove(key) > 0,
    });
    if there == Some(true) { Outcome::Done } else { "Key not found.".into() }
}

/// `clear map [@<ver>] <map>`.
pub(super) fn clear(call: Call<'_>) -> Outcome {
    let maps = call.sight.state().maps();
    let (version, rest) = versioned(call.words.get(2..).unwrap_or_default());
    let Some(id) = rest.first().and_then(|name| named(maps, name)) else { return UNKNOWN.into() };
    match version {
        Some(version) => {
            maps.change_prepared(id, version, Map::clear).map_or_else(refused, |()| Outcome::Done)
        }
        None => maps.change(id, Map::clear).map_or_else(|| UNKNOWN.into(), |()| Outcome::Done),
    }
}

/// `prepare map <map>`.
pub(super) fn prepare(call: Call<'_>) -> Outcome {
    let maps = call.sight.state().maps();
    let Some(id) = named(maps, call.word(2)) else { return UNKNOWN.into() };
    match maps.prepare(id) {
        Ok(version) => Outcome::Said(format!("New version created: {}", version.0)),
        Err(error) => refused(error),
    }
}

/// `commit map @<ver> <map>`.
pub(super) fn commit(call: Call<'_>) -> Outcome {
    let maps = call.sight.state().maps();
    let (Some(version), rest) = versioned(call.words.get(2..).unwrap_or_default()) else {
        return "Missing version number.".into();
    };
    let Some(id) = rest.first().and_then(|name| named(maps, name)) else { return UNKNOWN.into() };
    maps.commit(id, version).map_or_else(refused, |()| Outcome::Done)
}

fn named(maps: &Maps, text: &str) -> Option<MapId> {
    maps.names().find(|(id, name)| is_named(text, id.0, name)).map(|(id, _)| id)
}

fn listed(map: &Map) -> String {
    let mut out = String::new();
    for (EntryId(id), Entry { key, value }) in map.entries() {
        line(&mut out, format_args!("0x{id:x} {key} {value}"));
    }
    out
}

fn word(how: How) -> &'static str {
    match how {
        How::Str => "str",
        How::Beg => "beg",
        How::End => "end",
        How::Sub => "sub",
        How::Dir => "dir",
        How::Dom => "dom",
        How::Reg => "reg",
        How::Ip => "ip",
    }
}

const UNKNOWN: &str = "Unknown map identifier. Please use #<id> or <file>.";
const BLANKS: [char; 2] = [' ', '\t'];
