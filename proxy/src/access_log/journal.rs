//! Fields of the journal of systemd, in its native protocol: a name, `=`, a value and the end of a line each.
//!
//! Values have no line ends, because what strangers have sent is escaped as it is in lines.

use super::escape::{Place, push_hash_escaped};
use super::httplog::{LONGEST_TARGET, push_address_then};
use super::number::{push_unsigned, whole_millis};
use super::record::{AccessRecord, RequestLine, ServerName};
use super::target::{Level, LogTarget};

/// Appends what is known of a request. Names are those of the JSON format, in capital letters.
pub(super) fn fields(out: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let timers = &record.timers;
    out.extend_from_slice(b"EVENKEEL_CLIENT=");
    push_address_then(out, record.client.ip(), b'\n');
    number(out, "CLIENT_PORT", record.client.port().into());
    text(out, "FRONTEND", record.frontend.as_bytes());
    text(out, "BACKEND", record.backend.as_bytes());
    match record.server {
        ServerName::Server(name) => text(out, "SERVER", name.as_bytes()),
        ServerName::Stats => text(out, "SERVER", b"<STATS>"),
        ServerName::None => {}
    }
    if let Some(session) = record.tls {
        text(out, "TLS_VERSION", session.version.as_str().as_bytes());
    }
    if let RequestLine::Line { method, target, .. } = record.request {
        text(out, "METHOD", method);
        text(out, "TARGET", target.get(..LONGEST_TARGET).unwrap_or(target));
    }
    if let Some(status) = record.status {
        number(out, "STATUS", status.into());
    }
    number(out, "BYTES_OUT", record.bytes_out);
    number(out, "BYTES_IN", record.bytes_in);
    number(out, "ACTIVE_MS", whole_millis(timers.active));
    text(out, "TERMINATION", &record.termination.letters());
    if let Some(id) = record.kept.unique_id() {
        text(out, "UNIQUE_ID", id);
    }
}

/// Appends the datagram of a line.
pub fn journal_entry(out: &mut Vec<u8>, target: &LogTarget, level: Level, line: &[u8], fields: &[u8]) {
    out.extend_from_slice(b"PRIORITY=");
    push_unsigned(out, (level as u8).into());
    out.extend_from_slice(b"\nSYSLOG_FACILITY=");
    push_unsigned(out, target.facility.number().into());
    out.extend_from_slice(b"\nSYSLOG_IDENTIFIER=");
    out.extend_from_slice(target.tag.as_bytes());
    out.extend_from_slice(b"\nMESSAGE=");
    out.extend_from_slice(line);
    out.push(b'\n');
    out.extend_from_slice(fields);
}

fn text(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    begin(out, name);
    push_hash_escaped(out, value, Place::Free);
    out.push(b'\n');
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    begin(out, name);
    push_unsigned(out, value);
    out.push(b'\n');
}

fn begin(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"EVENKEEL_");
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
}
