//! HAProxy's `option httplog` and `option tcplog`, byte for byte, so that tools which read those lines read these.

use std::net::IpAddr;

use super::capture::Values;
use super::clients::Clients;
use super::date::Calendar;
use super::escape::{Place, push_hash_escaped};
use super::number::{push_millis_then, push_unsigned};
use super::record::{AccessRecord, ConnectionCounts, RequestLine, ServerName};
use crate::decimal::{push_ipv4_then, push_then};

/// Appends the line for `record`, without a line end:
/// `client:port [date] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes cc cs flags ac/fc/bc/sc/rc sq/bq {hr} {hs}
/// "request"`. Targets longer than 1024 bytes are cut, as HAProxy cuts them.
pub fn httplog(out: &mut Vec<u8>, record: &AccessRecord<'_>, calendar: &mut Calendar, clients: &mut Clients) {
    // For all of a usual line.
    out.reserve(256);
    clients.push(out, record.client);
    calendar.push_httplog(out, record.time);
    push_names(out, record);
    out.push(b' ');
    let timers = &record.timers;
    for step in [timers.request, timers.queue, timers.connect, timers.response] {
        push_millis_then(out, step, b'/');
    }
    push_millis_then(out, Some(timers.active), b' ');
    match record.status {
        Some(status) => push_then(out, status.into(), b' '),
        None => out.extend_from_slice(b"-1 "),
    }
    push_then(out, record.bytes_out, b' ');
    match (record.kept.request_cookie(), record.kept.response_cookie()) {
        (None, None) => out.extend_from_slice(b"- - "),
        cookies => {
            for cookie in [cookies.0, cookies.1] {
                push_hash_escaped(out, cookie.unwrap_or(b"-"), Place::Word);
                out.push(b' ');
            }
        }
    }
    let [cause, phase, cookie, action] = record.termination.letters();
    out.extend_from_slice(&[cause, phase, cookie, action, b' ']);
    push_counts(out, record);
    push_queue(out, record);
    let (of_request, of_response) = (record.kept.request(), record.kept.response());
    if !of_request.is_empty() || !of_response.is_empty() {
        push_captures(out, of_request);
        push_captures(out, of_response);
    }
    out.push(b' ');
    push_request(out, record.request);
}

/// HAProxy's `option tcplog`: `client:port [date] frontend backend/server Tw/Tc/Tt bytes flags ac/fc/bc/sc/rc sq/bq`.
pub fn tcplog(out: &mut Vec<u8>, record: &AccessRecord<'_>, calendar: &mut Calendar, clients: &mut Clients) {
    clients.push(out, record.client);
    calendar.push_httplog(out, record.time);
    push_names(out, record);
    out.push(b' ');
    for step in [record.timers.queue, record.timers.connect] {
        push_millis_then(out, step, b'/');
    }
    push_millis_then(out, Some(record.timers.active), b' ');
    push_then(out, record.bytes_out, b' ');
    let [cause, phase, ..] = record.termination.letters();
    out.extend_from_slice(&[cause, phase, b' ']);
    push_counts(out, record);
    push_queue(out, record);
}

/// Appends an address and the byte that follows it. Addresses of an IPv4 client on an IPv6 socket are shown as IPv4.
pub(super) fn push_address_then(out: &mut Vec<u8>, address: IpAddr, after: u8) {
    match address.to_canonical() {
        IpAddr::V4(v4) => push_ipv4_then(out, v4, after),
        IpAddr::V6(v6) => {
            use std::io::Write as _;
            // Writing to a vector does not fail; a partial address would still be a sound line.
            if write!(out, "{v6}").is_err() {
                out.push(b'?');
            }
            out.push(after);
        }
    }
}

fn push_names(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    // A plan has no names that would have to be escaped.
    out.extend_from_slice(record.frontend.as_bytes());
    if record.tls.is_some() {
        out.push(b'~');
    }
    out.push(b' ');
    out.extend_from_slice(record.backend.as_bytes());
    out.push(b'/');
    match record.server {
        ServerName::Server(name) => out.extend_from_slice(name.as_bytes()),
        ServerName::None => out.extend_from_slice(b"<NOSRV>"),
        ServerName::Stats => out.extend_from_slice(b"<STATS>"),
    }
}

fn push_counts(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let ConnectionCounts { process, frontend, backend, server } = record.counts;
    for count in [process, frontend, backend, server] {
        push_then(out, count.into(), b'/');
    }
    if record.redispatched {
        out.push(b'+');
    }
    push_then(out, record.retries.into(), b' ');
}

fn push_queue(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    push_then(out, record.queue.server.into(), b'/');
    push_unsigned(out, record.queue.backend.into());
}

#[cold]
fn push_captures(out: &mut Vec<u8>, captures: Values<'_>) {
    for (position, value) in captures.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b" {" } else { b"|" });
        push_hash_escaped(out, value.unwrap_or_default(), Place::Captured);
    }
    if !captures.is_empty() {
        out.push(b'}');
    }
}

fn push_request(out: &mut Vec<u8>, request: RequestLine<'_>) {
    let RequestLine::Line { method, target, version } = request else {
        return out.extend_from_slice(b"\"<BADREQ>\"");
    };
    // What there nearly always is, is copied in one piece.
    if method == b"GET" {
        out.extend_from_slice(b"\"GET ");
    } else {
        out.push(b'"');
        push_hash_escaped(out, method, Place::Quoted);
        out.push(b' ');
    }
    push_hash_escaped(out, target.get(..LONGEST_TARGET).unwrap_or(target), Place::Quoted);
    if version == b"HTTP/1.1" {
        out.extend_from_slice(b" HTTP/1.1\"");
    } else {
        out.push(b' ');
        push_hash_escaped(out, version, Place::Quoted);
        out.push(b'"');
    }
}

/// Longest request target in a line, in bytes before escaping: HAProxy's default (`tune.http.logurilen`).
pub(super) const LONGEST_TARGET: usize = 1024;
