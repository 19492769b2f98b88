//! `compression`.

use std::sync::Arc;

use evenkeel_proxy::compress::{Algo, Compression, MediaRange, USUAL_LEVEL, USUAL_MIN_SIZE};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::suggest::nearest;
use crate::config::value::Bad;

/// `false`, or a table.
pub(super) fn compression(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
) -> Option<Arc<Compression>> {
    if node.value.as_bool() == Some(false) {
        return Some(Arc::new(off()));
    }
    if node.value.as_table().is_none() {
        let help = "compression = { algo = \"gzip\", type = [\"text/*\", \"application/json\"] }";
        cx.wrong_type(key, node, Some(help.to_owned()));
        return None;
    }
    let mut t = Fields::of(cx, &keys::COMPRESSION, node.key, node)?;
    let algos = t.read(cx, "algo", algos);
    let types = t.read(cx, "type", types);
    let min_size = t.read(cx, "min_size", Reader::size).map_or(USUAL_MIN_SIZE, |s| s.value);
    let level = t.read(cx, "level", Reader::int).map_or(USUAL_LEVEL, |n| n.value);
    let offload = t.read(cx, "offload", Reader::bool).is_some_and(|b| b.value);
    t.finish(cx);
    Some(Arc::new(Compression { algos: algos?, types: types.unwrap_or_default(), min_size, level, offload }))
}

/// Nothing is compressed.
fn off() -> Compression {
    Compression {
        algos: Vec::new(),
        types: Vec::new(),
        min_size: USUAL_MIN_SIZE,
        level: USUAL_LEVEL,
        offload: false,
    }
}

fn algos(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Algo>> {
    let said: Vec<Spanned<Algo>> =
        node.one_or_many().into_iter().filter_map(|n| cx.parsed(key, n, algo)).collect();
    if node.elements().is_some_and(|all| all.is_empty()) {
        let message = "`algo` names nothing to compress by";
        cx.push(Diagnostic::error(Code::BadValue, node.span, message).help("compression = false"));
    }
    for (at, algo) in said.iter().enumerate() {
        let same = |other: &&Spanned<Algo>| other.value.coding() == algo.value.coding();
        if let Some(first) = said.iter().take(at).find(same) {
            let message =
                format!("clients know two of these as `{}`: the second is never used", algo.value.coding());
            let d = Diagnostic::error(Code::Duplicate, algo.span, message).label("again here");
            cx.push(d.related(first.span, "first here"));
        }
    }
    Some(said.into_iter().map(|algo| algo.value).collect())
}

fn algo(text: &str) -> Result<Algo, Bad> {
    if let Some((_, algo)) = ALGOS.into_iter().find(|(name, _)| *name == text) {
        return Ok(algo);
    }
    let names = ALGOS.map(|(name, _)| name);
    let help = match text {
        "identity" => "compression = false".to_owned(),
        _ => match nearest(text, names) {
            Some(meant) => format!("\"{meant}\""),
            None => format!("there are {}", names.join(", ")),
        },
    };
    Err(Bad::new("is no way to compress").help(help))
}

fn types(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<MediaRange>> {
    let all = node.one_or_many().into_iter().filter_map(|n| cx.parsed(key, n, media_range));
    let all: Vec<MediaRange> = all.map(|t| t.value).collect();
    if node.elements().is_some_and(|all| all.is_empty()) {
        let message = "`type` lists nothing, so that nothing would be compressed";
        let help = "without `type` everything is; compression = false";
        cx.push(Diagnostic::error(Code::BadValue, node.span, message).help(help));
    }
    Some(all)
}

fn media_range(text: &str) -> Result<MediaRange, Bad> {
    MediaRange::parse(text).ok_or_else(|| {
        let bad = Bad::new("is no media type");
        let kind = text.trim_end_matches('/');
        match text.split_once(';') {
            Some((kind, _)) => bad.help(format!("\"{}\": parameters do not matter", kind.trim())),
            None if !kind.is_empty() && !kind.contains('/') => bad.help(format!("\"{kind}/*\"")),
            None if text == "*/*" => bad.help("without `type` everything is compressed"),
            None => bad.help("\"text/html\", \"text/*\""),
        }
    })
}

const ALGOS: [(&str, Algo); 3] =
    [("gzip", Algo::Gzip), ("deflate", Algo::Deflate), ("raw-deflate", Algo::RawDeflate)];
