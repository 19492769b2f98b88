//! What of a request decides which server it goes to.

use std::net::IpAddr;

use super::hash;
use crate::h1::target::split_query;
use crate::plan::{Balance, HashBalance, HashFunction, HashKey, HashValue, UriKey};
use crate::rules::template::Template;

/// What a balancer can know of a request. A connection in TCP mode has nothing but its source.
pub trait Subject {
    /// The client's address.
    fn source(&self) -> IpAddr;

    /// The request target as sent; of HTTP/2 the path and query. Empty: there is none.
    fn target(&self) -> &[u8];

    /// The host asked for, as sent.
    fn host(&self) -> &[u8];

    /// The value of the first request field of this name, without the blanks around it.
    fn field(&self, name: &str) -> Option<&[u8]>;

    /// Calls `look` with the value of every request field of this name, until it has found something.
    fn fields<'a>(&'a self, name: &str, look: &mut dyn FnMut(&'a [u8]) -> bool);

    /// Appends `text` with what the request fills in. Whether it has anything of that.
    fn fill(&self, text: &Template, out: &mut Vec<u8>) -> bool;
}

/// The hash by which a backend's algorithm places the request. `None`: the algorithm uses none, or the request has not
/// got what it hashes.
#[inline]
pub fn key_of(balance: &Balance, subject: &impl Subject) -> Option<u32> {
    match balance {
        Balance::Hash(by) => by_hash(by, subject),
        Balance::RoundRobin
        | Balance::StaticRr
        | Balance::LeastConn
        | Balance::First
        | Balance::Random(_) => None,
    }
}

fn by_hash(by: &HashBalance, subject: &impl Subject) -> Option<u32> {
    let function = by.function;
    let raw = match &by.key {
        HashKey::Source => hash::address(subject.source()),
        HashKey::Uri(part) => hash::of(function, uri_part(subject.target(), *part)),
        HashKey::Header { name, domain_only } => {
            let value = first_element(subject.field(name)?);
            if value.is_empty() {
                return None;
            }
            hash::of(function, if *domain_only { domain(value) } else { value })
        }
        HashKey::UrlParam(name) => hash::of(function, url_param(subject.target(), name.as_bytes())?),
        HashKey::Cookie(name) => hash::of(function, cookie(subject, name.as_bytes())?),
        HashKey::Value(value) => by_value(function, *value, subject)?,
        HashKey::Text(text) => {
            let mut filled = Vec::new();
            subject.fill(text, &mut filled).then(|| hash::of(function, &filled))?
        }
    };
    Some(if by.avalanche { hash::avalanche(raw) } else { raw })
}

fn by_value(function: HashFunction, value: HashValue, subject: &impl Subject) -> Option<u32> {
    let path = || Some(split_query(without_authority(subject.target())).0).filter(|p| !p.is_empty());
    match value {
        HashValue::Source => Some(match subject.source().to_canonical() {
            IpAddr::V4(v4) => hash::of(function, &v4.octets()),
            IpAddr::V6(v6) => hash::of(function, &v6.octets()),
        }),
        HashValue::Host => {
            let host = host_of(subject.host());
            (!host.is_empty()).then(|| hash::of(function, &host))
        }
        HashValue::Path => path().map(|p| hash::of(function, p)),
        HashValue::PathAndQuery => {
            let whole = without_authority(subject.target());
            (!whole.is_empty()).then(|| hash::of(function, whole))
        }
        HashValue::Base => {
            let mut base = host_of(subject.host());
            base.extend_from_slice(path()?);
            Some(hash::of(function, &base))
        }
    }
}

/// The part of a request target that `balance uri` hashes.
fn uri_part(target: &[u8], part: UriKey) -> &[u8] {
    let target = if part.path_only { without_authority(target) } else { target };
    let length = part.length.map_or(target.len(), |n| usize::from(n.get()).min(target.len()));
    let target = target.get(..length).unwrap_or(target);
    let mut slashes = 0;
    let end = target.iter().position(|&byte| match byte {
        b'?' => !part.whole,
        b'/' => {
            slashes += 1;
            // The first slash begins the path.
            part.depth.is_some_and(|depth| slashes == u32::from(depth.get()) + 1)
        }
        _ => false,
    });
    target.get(..end.unwrap_or(length)).unwrap_or(target)
}

/// A request target from its path on. Empty if it has none.
fn without_authority(target: &[u8]) -> &[u8] {
    if target.starts_with(b"/") {
        return target;
    }
    let Some(authority) = memchr::memmem::find(target, b"://").and_then(|at| target.get(at + 3..)) else {
        return &[];
    };
    memchr::memchr(b'/', authority).and_then(|at| authority.get(at..)).unwrap_or_default()
}

/// The value of a parameter of the query; empty if it is given without one after its `=`.
fn url_param<'a>(target: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let query = split_query(target).1?;
    query.split(|&b| b == b'&').find_map(|p| p.strip_prefix(name)?.strip_prefix(b"="))
}

fn cookie<'a>(subject: &'a impl Subject, name: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    subject.fields("Cookie", &mut |line| {
        let pairs = line.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        found = pairs.filter_map(|p| p.strip_prefix(name)?.strip_prefix(b"=")).next();
        found.is_some()
    });
    found.filter(|value| !value.is_empty())
}

/// The first of values separated by commas.
fn first_element(value: &[u8]) -> &[u8] {
    let end = memchr::memchr(b',', value).unwrap_or(value.len());
    value.get(..end).unwrap_or(value).trim_ascii()
}

/// The label before the last dot; without a dot everything.
fn domain(host: &[u8]) -> &[u8] {
    let Some(end) = memchr::memrchr(b'.', host) else { return host };
    let front = host.get(..end).unwrap_or_default();
    let start = memchr::memrchr(b'.', front).map_or(0, |at| at + 1);
    front.get(start..).unwrap_or_default()
}

fn host_of(host: &[u8]) -> Vec<u8> {
    let port = memchr::memrchr(b':', host).filter(|at| host.get(*at..).is_some_and(|p| !p.contains(&b']')));
    host.get(..port.unwrap_or(host.len())).unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
#[path = "key/tests.rs"]
mod tests;
