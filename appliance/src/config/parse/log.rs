//! Log targets.

use std::path::PathBuf;

use evenkeel_proxy::access_log::{Destination, Facility, Level, LogTarget};

use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::value::{self, Bad};

/// An array of log targets. One alone needs no array.
pub(super) fn targets(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Vec<LogTarget> {
    if node.elements().is_none() && node.value.as_table().is_none() {
        cx.wrong_type(key, node, Some("log = [{ to = \"/dev/log\" }]".to_owned()));
        return Vec::new();
    }
    node.one_or_many().into_iter().filter_map(|n| target(cx, n)).collect()
}

fn target(cx: &mut Reader<'_>, node: Node<'_>) -> Option<LogTarget> {
    let mut t = Fields::of(cx, &keys::LOG_TARGET, node.key, node)?;
    let to = t.read(cx, "to", |cx, key, node| cx.parsed(key, node, destination));
    let facility = t.read(cx, "facility", Reader::word).and_then(|w| Facility::named(w.value));
    let level = t.read(cx, "level", Reader::word).and_then(|w| Level::named(w.value));
    let tag = t.read(cx, "tag", |cx, key, node| cx.parsed(key, node, tag));
    t.finish(cx);
    Some(LogTarget {
        to: to?.value,
        facility: facility.unwrap_or(Facility::LOCAL0),
        level: level.unwrap_or(Level::Debug),
        tag: tag.map_or_else(|| "evenkeel".to_owned(), |t| t.value),
    })
}

fn destination(text: &str) -> Result<Destination, Bad> {
    match text {
        "stdout" => return Ok(Destination::Stdout),
        "stderr" => return Ok(Destination::Stderr),
        _ => {}
    }
    if let Some(path) = text.strip_prefix("file:") {
        return if path.starts_with('/') {
            Ok(Destination::File(PathBuf::from(path)))
        } else {
            Err(Bad::new("has no absolute path").help("\"file:/var/log/evenkeel.log\""))
        };
    }
    if text.starts_with('/') {
        return Ok(Destination::Unix(PathBuf::from(text)));
    }
    let udp = value::socket(text.strip_prefix("udp:").unwrap_or(text)).map(Destination::Udp);
    udp.map_err(|bad| match bad.help {
        Some(_) => bad,
        None => bad.help("a socket path, \"IP:PORT\", \"file:PATH\", \"stdout\" or \"stderr\""),
    })
}

/// RFC 5424 §6.2.5 allows 48 printable characters.
fn tag(text: &str) -> Result<String, Bad> {
    let good = !text.is_empty() && text.len() <= 48 && text.chars().all(|c| c.is_ascii_graphic());
    if good { Ok(text.to_owned()) } else { Err(Bad::new("is not a word of 1 to 48 printable characters")) }
}
