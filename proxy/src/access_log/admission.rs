//! The line about a connection that ended before its first request could be read.

use std::net::SocketAddr;

use super::date::{Civil, UnixMillis, UtcOffset};
use super::escape::{Place, push_hash_escaped};
use super::number::push_unsigned;

/// A connection that ended before its first request could be read.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionRecord<'a> {
    /// Whose it was.
    pub client: SocketAddr,
    /// When it was taken in.
    pub time: UnixMillis,
    /// Where.
    pub frontend: &'a str,
    /// The number of the listener in its frontend, from 1: HAProxy's name of a bind that has none.
    pub listener: u16,
    /// What happened, in HAProxy's words.
    pub what: &'a str,
    /// The details, if there are any.
    pub why: Option<&'a str>,
}

/// Writes the line as HAProxy does: `10.0.0.1:51000 [22/Nov/2026:21:16:00.123] web/1: SSL handshake failure (why)`.
pub fn admission(out: &mut Vec<u8>, record: &AdmissionRecord<'_>, offset: UtcOffset) {
    let ip = record.client.ip().to_canonical();
    out.extend_from_slice(ip.to_string().as_bytes());
    out.push(b':');
    push_unsigned(out, record.client.port().into());
    out.extend_from_slice(b" [");
    Civil::new(record.time, offset).push_httplog(out);
    out.extend_from_slice(b"] ");
    push_hash_escaped(out, record.frontend.as_bytes(), Place::Free);
    out.push(b'/');
    push_unsigned(out, record.listener.into());
    out.extend_from_slice(b": ");
    out.extend_from_slice(record.what.as_bytes());
    if let Some(why) = record.why {
        out.extend_from_slice(b" (");
        push_hash_escaped(out, why.as_bytes(), Place::Free);
        out.push(b')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_haproxys() {
        let record = AdmissionRecord {
            client: "[::ffff:10.0.0.1]:51000".parse().unwrap(),
            time: UnixMillis(1_795_382_160_123),
            frontend: "web",
            listener: 2,
            what: "SSL handshake failure",
            why: Some("peer sent\nsomething"),
        };
        let line = |record: &AdmissionRecord<'_>| {
            let mut out = Vec::new();
            admission(&mut out, record, UtcOffset(0));
            String::from_utf8(out).unwrap()
        };
        let begin = "10.0.0.1:51000 [22/Nov/2026:21:16:00.123] web/2: SSL handshake failure";
        assert_eq!(line(&record), format!("{begin} (peer sent#0Asomething)"));
        assert_eq!(line(&AdmissionRecord { why: None, ..record }), begin);
    }
}
