//! `server_template`: several servers of one name.

use std::ops::RangeInclusive;

use super::{server, tls, watch};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::ServerDraft;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::source::Spanned;
use crate::config::value::{self, Place};

/// The servers of all templates.
pub(super) fn servers(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<ServerDraft>> {
    let Some(all) = node.elements() else {
        let help = "server_template = [{ prefix = \"web\", range = \"3\", addr = \"web.example.com:80\" }]";
        cx.wrong_type(key, node, Some(help.to_owned()));
        return None;
    };
    Some(all.into_iter().filter_map(|n| template(cx, n)).flatten().collect())
}

fn template(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Vec<ServerDraft>> {
    let mut t = Fields::of(cx, &keys::SERVER_TEMPLATE, node.key, node)?;
    let prefix = t.read(cx, "prefix", Reader::name);
    let range = t.read(cx, "range", range);
    let addr = t.read(cx, "addr", |cx, key, node| cx.address(key, node, value::place));
    let place = server::place(cx, &mut t);
    let settings = server::settings(cx, &mut t);
    let tls = tls::server(cx, &mut t);
    let watch = watch::settings(cx, &mut t);
    t.finish(cx);
    let addr = addr.filter(|addr| is_name(cx, addr));
    let (prefix, range) = (prefix?, range?);
    check_longest(cx, &prefix, *range.end());
    let one = |number: u32| ServerDraft {
        name: Spanned::new(format!("{}{number}", prefix.value), prefix.span),
        addr: addr.clone(),
        place: place.clone(),
        cookie: None,
        settings,
        tls: tls.clone(),
        watch: watch.clone(),
        track: None,
    };
    Some(range.map(one).collect())
}

/// All servers of a template at one address would be one server.
fn is_name(cx: &mut Reader<'_>, addr: &Spanned<Place>) -> bool {
    match &addr.value {
        Place::Host(..) | Place::Service(_) => true,
        Place::At(at) => {
            let message = format!("`server_template` needs a name that is looked up, not {at}");
            let help = "server = [{ name = \"…\", addr = \"…\" }] for a server that has an address";
            cx.push(Diagnostic::error(Code::BadAddress, addr.span, message).help(help));
            false
        }
    }
}

fn check_longest(cx: &mut Reader<'_>, prefix: &Spanned<String>, last: u32) {
    let longest = format!("{}{last}", prefix.value);
    if let Err(bad) = value::name(&longest) {
        let message = format!("{}: the server's name {}", shown(&longest), bad.why);
        cx.push(Diagnostic::error(Code::BadName, prefix.span, message));
    }
}

/// `COUNT` or `FIRST-LAST`.
fn range(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<RangeInclusive<u32>> {
    let text = cx.text(key, node)?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
    let (first, last) = match text.value.split_once('-') {
        None => (Some(1), number(&text.value)),
        Some((first, last)) => (number(first), number(last)),
    };
    match first.zip(last) {
        Some((first, last)) if first <= last && last - first < MOST_SERVERS => Some(first..=last),
        _ => {
            let message = format!(
                "`range` must be \"COUNT\" or \"FIRST-LAST\" of at most {MOST_SERVERS} servers, not {}",
                shown(&text.value)
            );
            cx.push(Diagnostic::error(Code::BadValue, text.span, message));
            None
        }
    }
}

/// Of one template: more than any answer has room for.
const MOST_SERVERS: u32 = 4096;
