//! Name servers.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_proxy::names::{Hold, Resolvers};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::environment::{External, FetchError, Privacy};
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::source::{Span, Spanned};
use crate::config::value;

/// Reads one `[resolvers.X]`.
pub(super) fn resolvers(
    cx: &mut Reader<'_>,
    name: Spanned<String>,
    node: Node<'_>,
) -> Option<Spanned<Resolvers>> {
    let mut t = Fields::of(cx, &keys::RESOLVERS, name.span, node)?;
    let mut nameservers = t.read(cx, "nameserver", nameservers).unwrap_or_default();
    let of_system = t.read(cx, "parse_resolv_conf", Reader::bool).filter(|parse| parse.value);
    let payload_bytes = t.read(cx, "accepted_payload_size", Reader::int).map_or(1232, |n| n.value);
    let retries = t.read(cx, "resolve_retries", Reader::int).map_or(3, |n| n.value);
    let hold = t.read(cx, "hold", hold).unwrap_or_default();
    let (every, answer_within) = t.read(cx, "timeout", timers).unwrap_or((SECOND, SECOND));
    t.finish(cx);
    if let Some(asked) = of_system {
        nameservers.extend(of_resolv_conf(cx, asked.span));
    }
    if nameservers.is_empty() {
        let message = format!("resolvers {} have no name server", shown(&name.value));
        let help = "nameserver = [\"10.0.0.2:53\"], or parse_resolv_conf = true";
        cx.push_absence(Diagnostic::error(Code::MissingKey, name.span, message).help(help));
    }
    let resolvers = Resolvers {
        name: name.value.clone(),
        nameservers,
        hold,
        retries,
        answer_within,
        every,
        payload_bytes,
    };
    Some(name.map(|_| resolvers))
}

/// The name servers of this machine, as resolv.conf(5) has them.
fn of_resolv_conf(cx: &mut Reader<'_>, asked: Span) -> Vec<SocketAddr> {
    let file = External::File(PathBuf::from("/etc/resolv.conf"));
    let text = match cx.externals.fetch(&file, Privacy::Public, MOST_BYTES) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(FetchError::Unreadable(why)) => {
            cx.push(Diagnostic::error(Code::Unreadable, asked, why));
            return Vec::new();
        }
        // Whoever asks for public content is not told that it is.
        Err(FetchError::Exposed(_)) => return Vec::new(),
    };
    let (found, unusable) = nameservers_of(&text);
    for address in unusable {
        let message =
            format!("/etc/resolv.conf: the name server {} is left out: it is no IP address", shown(&address));
        cx.push(Diagnostic::warning(Code::BadAddress, asked, message));
    }
    found
}

/// The name servers, and those that cannot be used, such as `fe80::1%eth0`.
fn nameservers_of(text: &str) -> (Vec<SocketAddr>, Vec<String>) {
    let (mut found, mut unusable) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some("nameserver"), Some(address)) = (words.next(), words.next()) else { continue };
        match address.parse::<IpAddr>() {
            Ok(ip) => found.push(SocketAddr::new(ip, 53)),
            Err(_) => unusable.push(address.to_owned()),
        }
    }
    (found, unusable)
}

/// No such file is as long.
const MOST_BYTES: u64 = 65_536;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_of_this_machine() {
        let text = "# local\nsearch example.com\nnameserver 192.0.2.53\n nameserver\t2001:db8::53 # second\n\
                    ;nameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver\n";
        let (found, unusable) = nameservers_of(text);
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.53:53", "[2001:db8::53]:53"]);
        assert_eq!(unusable, ["fe80::1%eth0"]);
    }
}
