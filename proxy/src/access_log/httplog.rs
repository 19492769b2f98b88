//! HAProxy's `option httplog` and `option tcplog`, byte for byte, so that tools which read those lines read these.

use super::date::{Civil, UtcOffset};
use super::escape::{Place, push_hash_escaped};
use super::number::{push_millis, push_unsigned};
use super::record::{AccessRecord, ConnectionCounts, RequestLine, ServerName, Timers};

/// Appends the line for `record`, without a line end:
/// `client:port [date] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes cc cs flags ac/fc/bc/sc/rc sq/bq {hr} {hs}
/// "request"`. Targets longer than 1024 bytes are cut, as HAProxy cuts them.
pub fn httplog(out: &mut Vec<u8>, record: &AccessRecord<'_>, offset: UtcOffset) {
    push_client(out, record);
    out.extend_from_slice(b" [");
    Civil::new(record.time, offset).push_httplog(out);
    out.extend_from_slice(b"] ");
    push_names(out, record);
    out.push(b' ');
    push_timers(out, &record.timers);
    out.push(b' ');
    match record.status {
        Some(status) => push_unsigned(out, status.into()),
        None => out.extend_from_slice(b"-1"),
    }
    out.push(b' ');
    push_unsigned(out, record.bytes_out);
    for cookie in [record.request_cookie, record.response_cookie] {
        out.push(b' ');
        push_hash_escaped(out, cookie.unwrap_or(b"-"), Place::Word);
    }
    out.push(b' ');
    out.extend_from_slice(&record.termination.letters());
    out.push(b' ');
    push_counts(out, record);
    out.push(b' ');
    push_queue(out, record);
    push_captures(out, record.request_captures);
    push_captures(out, record.response_captures);
    out.push(b' ');
    push_request(out, record.request);
}

/// HAProxy's `option tcplog`: `client:port [date] frontend backend/server Tw/Tc/Tt bytes flags ac/fc/bc/sc/rc sq/bq`.
pub fn tcplog(out: &mut Vec<u8>, record: &AccessRecord<'_>, offset: UtcOffset) {
    push_client(out, record);
    out.extend_from_slice(b" [");
    Civil::new(record.time, offset).push_httplog(out);
    out.extend_from_slice(b"] ");
    push_names(out, record);
    out.push(b' ');
    for step in [record.timers.queue, record.timers.connect] {
        push_millis(out, step);
        out.push(b'/');
    }
    push_millis(out, Some(record.timers.active));
    out.push(b' ');
    push_unsigned(out, record.bytes_out);
    let [cause, phase, ..] = record.termination.letters();
    out.extend_from_slice(&[b' ', cause, phase, b' ']);
    push_counts(out, record);
    out.push(b' ');
    push_queue(out, record);
}

fn push_client(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    push_address(out, record.client.ip());
    out.push(b':');
    push_unsigned(out, record.client.port().into());
}

/// Appends an address. Addresses of an IPv4 client on an IPv6 socket are shown as IPv4.
pub(super) fn push_address(out: &mut Vec<u8>, address: std::net::IpAddr) {
    match address.to_canonical() {
        std::net::IpAddr::V4(v4) => {
            for (position, octet) in v4.octets().into_iter().enumerate() {
                if position > 0 {
                    out.push(b'.');
                }
                push_unsigned(out, octet.into());
            }
        }
        std::net::IpAddr::V6(v6) => {
            use std::io::Write as _;
            // Writing to a vector does not fail; a partial address would still be a sound line.
            if write!(out, "{v6}").is_err() {
                out.push(b'?');
            }
        }
    }
}

fn push_names(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    push_hash_escaped(out, record.frontend.as_bytes(), Place::Word);
    if record.tls.is_some() {
        out.push(b'~');
    }
    out.push(b' ');
    push_hash_escaped(out, record.backend.as_bytes(), Place::Word);
    out.push(b'/');
    match record.server {
        ServerName::Server(name) => push_hash_escaped(out, name.as_bytes(), Place::Word),
        ServerName::None => out.extend_from_slice(b"<NOSRV>"),
        ServerName::Stats => out.extend_from_slice(b"<STATS>"),
    }
}

fn push_timers(out: &mut Vec<u8>, timers: &Timers) {
    for step in [timers.request, timers.queue, timers.connect, timers.response] {
        push_millis(out, step);
        out.push(b'/');
    }
    push_millis(out, Some(timers.active));
}

fn push_counts(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let ConnectionCounts { process, frontend, backend, server } = record.counts;
    for count in [process, frontend, backend, server] {
        push_unsigned(out, count.into());
        out.push(b'/');
    }
    if record.redispatched {
        out.push(b'+');
    }
    push_unsigned(out, record.retries.into());
}

fn push_queue(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    push_unsigned(out, record.queue.server.into());
    out.push(b'/');
    push_unsigned(out, record.queue.backend.into());
}

fn push_captures(out: &mut Vec<u8>, captures: &[Option<&[u8]>]) {
    for (position, value) in captures.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b" {" } else { b"|" });
        push_hash_escaped(out, value.unwrap_or_default(), Place::Captured);
    }
    if !captures.is_empty() {
        out.push(b'}');
    }
}

fn push_request(out: &mut Vec<u8>, request: RequestLine<'_>) {
    out.push(b'"');
    match request {
        RequestLine::None | RequestLine::Bad => out.extend_from_slice(b"<BADREQ>"),
        RequestLine::Line { method, target, version } => {
            push_hash_escaped(out, method, Place::Quoted);
            out.push(b' ');
            push_hash_escaped(out, target.get(..LONGEST_TARGET).unwrap_or(target), Place::Quoted);
            out.push(b' ');
            push_hash_escaped(out, version, Place::Quoted);
        }
    }
    out.push(b'"');
}

/// Longest request target in a line, in bytes before escaping: HAProxy's default (`tune.http.logurilen`).
pub(super) const LONGEST_TARGET: usize = 1024;
