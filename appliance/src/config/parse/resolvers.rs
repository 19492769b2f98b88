//! Name servers.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_proxy::names::{Hold, Resolvers};

use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::value;

/// Reads one `[resolvers.X]`.
pub(super) fn resolvers(
    cx: &mut Reader<'_>,
    name: Spanned<String>,
    node: Node<'_>,
) -> Option<Spanned<Resolvers>> {
    let mut t = Fields::of(cx, &keys::RESOLVERS, name.span, node)?;
    let nameservers = t.read(cx, "nameserver", nameservers);
    let retries = t.read(cx, "resolve_retries", Reader::int).map_or(3, |n| n.value);
    let hold = t.read(cx, "hold", hold).unwrap_or_default();
    let (every, answer_within) = t.read(cx, "timeout", timers).unwrap_or((SECOND, SECOND));
    t.finish(cx);
    let nameservers = nameservers.filter(|all| !all.is_empty())?;
    let resolvers = Resolvers { name: name.value.clone(), nameservers, hold, retries, answer_within, every };
    Some(name.map(|_| resolvers))
}

fn nameservers(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<SocketAddr>> {
    let read = |n| cx.address(key, n, value::socket).map(|at| at.value);
    Some(node.one_or_many().into_iter().filter_map(read).collect())
}

fn hold(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<Hold> {
    let mut t = Fields::of(cx, &keys::HOLD, node.key, node)?;
    let usual = Hold::default();
    let mut read =
        |name, usual| t.read(cx, name, Reader::duration).map_or(usual, |d: Spanned<Duration>| d.value);
    let hold = Hold {
        valid: read("valid", usual.valid),
        obsolete: read("obsolete", usual.obsolete),
        nx: read("nx", usual.nx),
        timeout: read("timeout", usual.timeout),
        refused: read("refused", usual.refused),
        other: read("other", usual.other),
    };
    t.finish(cx);
    Some(hold)
}

/// The shortest time between lookups, and how long an answer is waited for.
fn timers(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<(Duration, Duration)> {
    let mut t = Fields::of(cx, &keys::RESOLVERS_TIMEOUT, node.key, node)?;
    let every = t.read(cx, "resolve", Reader::duration).map_or(SECOND, |d| d.value);
    let answer_within = t.read(cx, "retry", Reader::duration).map_or(SECOND, |d| d.value);
    t.finish(cx);
    Some((every, answer_within))
}

/// HAProxy's default of both.
const SECOND: Duration = Duration::from_secs(1);
