//! `[map.X]`, and the maps that rules name.

use evenkeel_proxy::map::{How, Map, MapConfig, MapId};

use super::patterns::from_files;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::source::Spanned;
use crate::config::suggest::nearest;
use crate::config::value::Bad;

/// Reads one section. What is wrong has been reported; the map is there all the same, for rules that name it.
pub(super) fn map(cx: &mut Reader<'_>, name: &Spanned<String>, node: Node<'_>) -> MapConfig {
    let none =
        MapConfig { name: name.value.clone(), how: How::Str, nocase: false, entries: Vec::new(), file: None };
    let Some(mut t) = Fields::of(cx, &keys::MAP, name.span, node) else { return none };
    let how = t.read(cx, "match", Reader::word).map_or(How::Str, |word| how(word.value));
    let nocase = t.read(cx, "nocase", Reader::bool).is_some_and(|yes| yes.value);
    let mut entries = t.read(cx, "entries", entries).unwrap_or_default();
    let filed = t.read(cx, "file", |cx, key, node| {
        let only = node.value.as_str().map(Box::<str>::from);
        Some((from_files(cx, key, node, |line| entry(line, how))?, only))
    });
    let file = filed.as_ref().and_then(|(_, only)| only.clone()).filter(|_| entries.is_empty());
    entries.extend(filed.map(|(filed, _)| filed).unwrap_or_default());
    t.finish(cx);
    for (key, _) in &entries {
        if let Err(bad) = check(key, how) {
            let message = format!("map {}: {} {}", shown(&name.value), shown(key), bad.why);
            cx.push(Diagnostic::error(Code::BadValue, name.span, message));
            return none;
        }
    }
    MapConfig { how, nocase, entries, file, ..none }
}

/// The map of that name.
pub(super) fn named(cx: &mut Reader<'_>, name: &Spanned<String>) -> Option<MapId> {
    let at = cx.maps.iter().position(|map| map.name == name.value);
    let id = at.and_then(|at| u16::try_from(at).ok()).map(MapId);
    if id.is_none() {
        let message = format!("there is no map {}", shown(&name.value));
        let near = nearest(&name.value, cx.maps.iter().map(|map| map.name.as_str())).map(str::to_owned);
        let help = near.unwrap_or_else(|| format!("[map.{}] entries = {{ KEY = \"value\" }}", name.value));
        cx.push(Diagnostic::error(Code::Undefined, name.span, message).help(help));
    }
    id
}

/// What is changed in them can be written into these files.
pub(super) fn check_saved(cx: &mut Reader<'_>, files: &[Spanned<String>]) {
    let lists = cx.lists.all();
    let lists = lists.iter().map(|(_, list)| &*list.name);
    let known: Vec<String> =
        lists.chain(cx.maps.iter().filter_map(|map| map.file.as_deref())).map(str::to_owned).collect();
    for file in files.iter().filter(|file| !known.contains(&file.value)) {
        let message = format!("`saved_files`: no condition and no map is {}", shown(&file.value));
        let near = nearest(&file.value, known.iter().map(String::as_str));
        let help = near.unwrap_or("a file of `…_file`, or one that alone is the `file` of a map");
        cx.push_absence(Diagnostic::error(Code::Undefined, file.span, message).help(help));
    }
}

/// A table from keys to values.
fn entries(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<(Box<str>, Box<str>)>> {
    let Some(all) = node.entries() else {
        cx.wrong_type(key, node, Some("entries = { \"a.example\" = \"app\" }".into()));
        return None;
    };
    let mut entries = Vec::new();
    for (name, node) in all {
        let value = cx.text(key, node)?;
        entries.push((name.value.into(), value.value.into()));
    }
    Some(entries)
}

/// A line of a file: a key, blanks, and the value.
fn entry(line: &str, how: How) -> Result<(Box<str>, Box<str>), Bad> {
    let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let value = value.trim_start();
    if value.is_empty() {
        return Err(Bad::new("has no value behind its key"));
    }
    check(key, how)?;
    Ok((key.into(), value.into()))
}

fn check(key: &str, how: How) -> Result<(), Bad> {
    if !matches!(how, How::Reg | How::Ip) {
        return Ok(());
    }
    Map::new(how, false).add(key.into(), "".into()).map(drop).map_err(|error| Bad::new(error.to_string()))
}

fn how(word: &str) -> How {
    match word {
        "beg" => How::Beg,
        "end" => How::End,
        "sub" => How::Sub,
        "dir" => How::Dir,
        "dom" => How::Dom,
        "reg" => How::Reg,
        "ip" => How::Ip,
        _ => How::Str,
    }
}
