//! One JSON object per request (RFC 8259), for machines.

use super::capture::Values;
use super::date::{Civil, UtcOffset};
use super::escape::push_json_escaped;
use super::httplog::{LONGEST_TARGET, push_address_then};
use super::number::{push_unsigned, whole_millis};
use super::record::{AccessRecord, RequestLine, ServerName};
use crate::tls::SessionFacts;

/// Appends the object for `record`, without a line end. Durations are milliseconds; what is not known is absent.
pub fn json(out: &mut Vec<u8>, record: &AccessRecord<'_>, offset: UtcOffset) {
    out.extend_from_slice(b"{\"time\":\"");
    Civil::new(record.time, offset).push_rfc3339(out);
    out.extend_from_slice(b"\",\"client\":\"");
    push_address_then(out, record.client.ip(), b'"');
    push_number(out, "client_port", record.client.port().into());
    push_text(out, "frontend", record.frontend.as_bytes());
    push_flag(out, "tls", record.tls.is_some());
    if let Some(session) = record.tls {
        push_session(out, session);
    }
    push_text(out, "backend", record.backend.as_bytes());
    match record.server {
        ServerName::Server(name) => push_text(out, "server", name.as_bytes()),
        ServerName::Stats => push_text(out, "server", b"<STATS>"),
        ServerName::None => {}
    }
    push_request(out, record.request);
    if let Some(status) = record.status {
        push_number(out, "status", status.into());
    }
    push_number(out, "bytes_out", record.bytes_out);
    push_number(out, "bytes_in", record.bytes_in);
    push_timers(out, record);
    push_text(out, "termination", &record.termination.letters());
    push_counts(out, record);
    let kept = record.kept;
    push_optional(out, "request_cookie", kept.request_cookie());
    push_optional(out, "response_cookie", kept.response_cookie());
    push_captures(out, "request_captures", kept.request());
    push_captures(out, "response_captures", kept.response());
    push_optional(out, "unique_id", kept.unique_id());
    out.push(b'}');
}

fn push_session(out: &mut Vec<u8>, session: &SessionFacts) {
    push_text(out, "tls_version", session.version.as_str().as_bytes());
    push_text(out, "tls_cipher", session.cipher.as_bytes());
    push_flag(out, "tls_resumed", session.resumed);
    push_optional(out, "sni", session.server_name.as_deref().map(str::as_bytes));
    push_optional(out, "alpn", session.alpn.as_deref());
    if let Some(client) = &session.client {
        push_text(out, "client_subject", client.subject.one_line().as_bytes());
        push_text(out, "client_issuer", client.issuer.one_line().as_bytes());
        push_text(out, "client_serial", client.serial.as_bytes());
    }
}

fn push_request(out: &mut Vec<u8>, request: RequestLine<'_>) {
    match request {
        RequestLine::None => {}
        RequestLine::Bad => push_flag(out, "bad_request", true),
        RequestLine::Line { method, target, version } => {
            push_text(out, "method", method);
            push_text(out, "target", target.get(..LONGEST_TARGET).unwrap_or(target));
            push_text(out, "version", version);
        }
    }
}

fn push_timers(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let timers = &record.timers;
    let steps = [
        ("request_ms", timers.request),
        ("queue_ms", timers.queue),
        ("connect_ms", timers.connect),
        ("response_ms", timers.response),
        ("active_ms", Some(timers.active)),
    ];
    for (name, step) in steps {
        if let Some(duration) = step {
            push_number(out, name, whole_millis(duration));
        }
    }
}

fn push_counts(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    push_number(out, "process_connections", record.counts.process.into());
    push_number(out, "frontend_connections", record.counts.frontend.into());
    push_number(out, "backend_connections", record.counts.backend.into());
    push_number(out, "server_connections", record.counts.server.into());
    push_number(out, "retries", record.retries.into());
    push_flag(out, "redispatched", record.redispatched);
    push_number(out, "server_queue", record.queue.server.into());
    push_number(out, "backend_queue", record.queue.backend.into());
}

fn push_captures(out: &mut Vec<u8>, name: &str, captures: Values<'_>) {
    if captures.is_empty() {
        return;
    }
    push_name(out, name);
    for (position, value) in captures.iter().enumerate() {
        out.push(if position == 0 { b'[' } else { b',' });
        match value {
            Some(bytes) => push_string(out, bytes),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b']');
}

fn push_optional(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    if let Some(bytes) = value {
        push_text(out, name, bytes);
    }
}

fn push_text(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    push_name(out, name);
    push_string(out, value);
}

fn push_number(out: &mut Vec<u8>, name: &str, value: u64) {
    push_name(out, name);
    push_unsigned(out, value);
}

fn push_flag(out: &mut Vec<u8>, name: &str, value: bool) {
    push_name(out, name);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends `,"name":`. Names are ours and need no escaping.
fn push_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn push_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    push_json_escaped(out, bytes);
    out.push(b'"');
}
