//! A TLS ClientHello of its own, and a look at whether it is answered by TLS.
//!
//! It offers TLS 1.3 and 1.2 with suites that every server of this age has. The list of key shares is empty (RFC 8446
//! §4.2.8), so that a 1.3 server answers with a HelloRetryRequest: no key exchange and no signature is spent on a check.

use super::{Heard, over};
use crate::health::result::CheckStatus;

/// The record with the hello; `sni` names the server.
pub(super) fn client_hello(sni: Option<&str>) -> Vec<u8> {
    let mut hello = Vec::new();
    hello.extend_from_slice(&[0x03, 0x03]);
    hello.extend_from_slice(RANDOM);
    // RFC 8446 §D.4: a session id makes the hello look like a resumption to middleboxes of TLS 1.2's age.
    with_length(1, &mut hello, |out| out.extend_from_slice(RANDOM));
    with_length(2, &mut hello, |out| SUITES.iter().for_each(|suite| out.extend(suite.to_be_bytes())));
    with_length(1, &mut hello, |out| out.push(0));
    with_length(2, &mut hello, |out| extensions(out, sni));
    let mut record = vec![HANDSHAKE, 0x03, 0x01];
    with_length(2, &mut record, |out| {
        out.push(1);
        with_length(3, out, |out| out.append(&mut hello));
    });
    record
}

fn extensions(out: &mut Vec<u8>, sni: Option<&str>) {
    if let Some(name) = sni {
        extension(out, 0, |out| {
            with_length(2, out, |out| {
                out.push(0);
                with_length(2, out, |out| out.extend_from_slice(name.as_bytes()));
            });
        });
    }
    // supported_groups: x25519, secp256r1, secp384r1.
    extension(out, 10, |out| with_length(2, out, |out| out.extend_from_slice(&[0, 29, 0, 23, 0, 24])));
    // ec_point_formats: uncompressed.
    extension(out, 11, |out| with_length(1, out, |out| out.push(0)));
    // signature_algorithms: ECDSA, PSS and PKCS #1 with SHA-256 to SHA-512, Ed25519.
    extension(out, 13, |out| {
        with_length(2, out, |out| {
            let schemes = [0x0403u16, 0x0503, 0x0603, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601];
            schemes.iter().for_each(|scheme| out.extend(scheme.to_be_bytes()));
        });
    });
    // supported_versions: 1.3, 1.2.
    extension(out, 43, |out| with_length(1, out, |out| out.extend_from_slice(&[3, 4, 3, 3])));
    // key_share: none yet.
    extension(out, 51, |out| with_length(2, out, |_| ()));
}

fn extension(out: &mut Vec<u8>, number: u16, body: impl FnOnce(&mut Vec<u8>)) {
    out.extend(number.to_be_bytes());
    with_length(2, out, body);
}

/// Writes what `body` writes, with its length in `width` bytes before it.
fn with_length(width: usize, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    body(&mut inner);
    let length = u32::try_from(inner.len()).unwrap_or(0).to_be_bytes();
    out.extend_from_slice(length.get(4 - width..).unwrap_or_default());
    out.append(&mut inner);
}

/// A record of a handshake or an alert: either way, TLS is spoken.
pub(super) fn hear(received: &[u8]) -> Heard {
    match received {
        [] | [HANDSHAKE | ALERT] | [HANDSHAKE | ALERT, 3] => Heard::More,
        [HANDSHAKE | ALERT, 3, ..] if received.len() < 5 => Heard::More,
        [HANDSHAKE, 3, ..] => over(CheckStatus::L6Ok, ""),
        [ALERT, 3, _, _, _, rest @ ..] => match rest {
            [_, number, ..] => over(CheckStatus::L6Ok, format!("TLS alert {number}")),
            [..] => Heard::More,
        },
        [..] => over(CheckStatus::L6Response, "the answer is not TLS"),
    }
}

const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;

/// Nothing is kept secret by this connection, which ends before there are keys.
const RANDOM: &[u8; 32] = b"evenkeel health check, no secret";

/// TLS 1.3, then ECDHE with ECDSA and RSA, then plain RSA for what is old.
const SUITES: &[u16] = &[
    0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014,
    0x009c, 0x009d, 0x002f, 0x0035,
];
