//! The header that syslog daemons expect in front of a line (RFC 3164 §4.1, as HAProxy sends it to local daemons).

use super::date::{Civil, UnixMillis, UtcOffset};
use super::escape::{Place, push_hash_escaped};
use super::number::push_unsigned;
use super::target::{Level, LogTarget};

/// Appends `<134>Nov 22 21:16:00 evenkeel[4711]: ` for a line of `level` to `target`.
pub fn syslog_header(
    out: &mut Vec<u8>,
    target: &LogTarget,
    level: Level,
    pid: u32,
    at: UnixMillis,
    offset: UtcOffset,
) {
    out.push(b'<');
    push_unsigned(out, target.facility.priority(level).into());
    out.push(b'>');
    Civil::new(at, offset).push_syslog(out);
    out.push(b' ');
    push_hash_escaped(out, target.tag.as_bytes(), Place::Word);
    out.push(b'[');
    push_unsigned(out, pid.into());
    out.extend_from_slice(b"]: ");
}
