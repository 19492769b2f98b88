//! What stands in front of a line: headers of syslog and simpler ones, as HAProxy sends them.

use super::date::{Civil, UnixMillis, UtcOffset};
use super::escape::{Place, push_hash_escaped};
use super::format::Host;
use super::number::push_unsigned;
use super::target::{Header, Level, LogTarget};

/// Appends the header of a line of `level` to `target`, such as `<134>Nov 22 21:16:00 evenkeel[4711]: `.
pub fn syslog_header(
    out: &mut Vec<u8>,
    target: &LogTarget,
    level: Level,
    host: &Host,
    at: UnixMillis,
    offset: UtcOffset,
) {
    let date = || Civil::new(at, offset);
    let priority = || target.facility.priority(level);
    match target.header {
        Header::Raw => {}
        Header::Short => push_priority(out, level as u8),
        Header::Priority => push_priority(out, priority()),
        Header::Timed => {
            push_priority(out, level as u8);
            date().push_rfc3339(out);
            out.push(b' ');
        }
        Header::Iso => {
            date().push_rfc3339(out);
            out.push(b' ');
        }
        Header::Local | Header::Rfc3164 => {
            push_priority(out, priority());
            date().push_syslog(out);
            out.push(b' ');
            if target.header == Header::Rfc3164 {
                push_word(out, &host.name);
            }
            push_hash_escaped(out, target.tag.as_bytes(), Place::Word);
            out.push(b'[');
            push_unsigned(out, host.pid.into());
            out.extend_from_slice(b"]: ");
        }
        Header::Rfc5424 => {
            push_priority(out, priority());
            out.extend_from_slice(b"1 ");
            date().push_rfc3339(out);
            out.push(b' ');
            push_word(out, &host.name);
            push_word(out, &target.tag);
            push_unsigned(out, host.pid.into());
            // No identifier of the message, and no structured data.
            out.extend_from_slice(b" - - ");
        }
    }
}

fn push_priority(out: &mut Vec<u8>, priority: u8) {
    out.push(b'<');
    push_unsigned(out, priority.into());
    out.push(b'>');
}

/// A name and a blank; a dash for none.
fn push_word(out: &mut Vec<u8>, word: &str) {
    let word = if word.is_empty() { "-" } else { word };
    push_hash_escaped(out, word.as_bytes(), Place::Word);
    out.push(b' ');
}
