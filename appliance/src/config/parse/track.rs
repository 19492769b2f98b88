//! `track`: what a virtual router watches.

use std::path::PathBuf;

use super::vip::interface;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::TrackDraft;
use crate::config::keys::{self, Key};
use crate::config::model::Tracked;
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::value::Bad;

/// An array of tracks. One alone needs no array.
pub(super) fn tracks(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<TrackDraft>> {
    Some(node.one_or_many().into_iter().filter_map(|n| track(cx, key, n)).collect())
}

fn track(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<TrackDraft> {
    if let Some(word) = node.value.as_str() {
        let what = if word == "data_plane" { Tracked::DataPlane } else { Tracked::Script(word.to_owned()) };
        return Some(TrackDraft { what, at: node.span, weight: None, reverse: None });
    }
    if node.value.as_table().is_none() {
        cx.wrong_type(key, node, Some("[\"data_plane\", { interface = \"eth1\" }]".to_owned()));
        return None;
    }
    let mut t = Fields::of(cx, &keys::TRACK, node.key, node)?;
    let data_plane = t.read(cx, "data_plane", Reader::bool).and_then(|b| data_plane(cx, b));
    let script = t.read(cx, "script", Reader::text).map(|s| Tracked::Script(s.value));
    let link = t.read(cx, "interface", interface).map(|i| Tracked::Interface(i.value));
    let file = t.read(cx, "file", path).map(|p| Tracked::File(p.value));
    let weight = t.read(cx, "weight", Reader::int::<i16>);
    let reverse = t.read(cx, "reverse", Reader::bool).map(|b| b.value);
    let said = ["data_plane", "script", "interface", "file"].into_iter().filter(|k| t.has(k)).count();
    t.finish(cx);
    if said != 1 {
        let message = "a track has exactly one of `data_plane`, `script`, `interface` and `file`";
        cx.push_absence(Diagnostic::error(Code::BadCombination, node.span, message));
        return None;
    }
    let what = data_plane.or(script).or(link).or(file)?;
    Some(TrackDraft { what, at: node.span, weight, reverse })
}

fn data_plane(cx: &mut Reader<'_>, said: Spanned<bool>) -> Option<Tracked> {
    if said.value {
        return Some(Tracked::DataPlane);
    }
    let message = "`data_plane` can only be true; leave the track out instead";
    cx.push(Diagnostic::error(Code::BadValue, said.span, message));
    None
}

fn path(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<PathBuf>> {
    let absolute = |text: &str| {
        if text.starts_with('/') { Ok(PathBuf::from(text)) } else { Err(Bad::new("is not an absolute path")) }
    };
    cx.parsed(key, node, absolute)
}
