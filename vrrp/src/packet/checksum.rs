//! The Internet checksum (RFC 1071) over a VRRP message, with the pseudo-headers in use. The message's own checksum
//! field counts as zero, so the same function serves to send and to compare.

use std::net::IpAddr;

use super::{CHECKSUM, GROUP_V4, PROTOCOL};
use crate::config::ChecksumForm;

/// RFC 3768 §5.3.8 and RFC 9568 §5.2.8 (IPv4): the message alone.
pub(super) fn plain(message: &[u8]) -> u16 {
    fold(sum(message, 0))
}

/// v3. IPv6 always has the pseudo-header of RFC 8200 §8.1; over IPv4 `form` decides.
pub(super) fn v3(message: &[u8], form: ChecksumForm, src: IpAddr, dst: IpAddr) -> u16 {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let pseudo = match (src, dst, form) {
        (IpAddr::V6(src), IpAddr::V6(dst), _) => add(&src.octets(), add(&dst.octets(), 0)),
        (IpAddr::V4(_), _, ChecksumForm::Rfc9568) => return plain(message),
        (IpAddr::V4(src), IpAddr::V4(dst), ChecksumForm::Rfc5798) => {
            add(&src.octets(), add(&dst.octets(), 0))
        }
        (IpAddr::V4(src), IpAddr::V4(_), ChecksumForm::OldUnicast) => {
            add(&src.octets(), add(&GROUP_V4.octets(), 0))
        }
        // Mixed families have no pseudo-header; the sum of the message alone matches no sender.
        (IpAddr::V4(_), IpAddr::V6(_), ChecksumForm::Rfc5798 | ChecksumForm::OldUnicast)
        | (IpAddr::V6(_), IpAddr::V4(_), _) => 0,
    };
    fold(sum(message, pseudo + u32::from(PROTOCOL) + (length >> 16) + (length & 0xffff)))
}

/// The sum of the message's 16-bit words with the checksum field taken as zero.
fn sum(message: &[u8], start: u32) -> u32 {
    let before = message.get(..CHECKSUM.start).unwrap_or(message);
    let after = message.get(CHECKSUM.end..).unwrap_or_default();
    add(after, add(before, start))
}

/// Adds big-endian words; an odd last byte is padded with zero. A message has at most 64 KiB, so 32 bits suffice.
fn add(bytes: &[u8], start: u32) -> u32 {
    let (words, rest) = bytes.as_chunks::<2>();
    let tail = rest.first().map_or(0, |b| u32::from(*b) << 8);
    words.iter().map(|w| u32::from(u16::from_be_bytes(*w))).fold(start + tail, |acc, w| acc + w)
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    let twice = (once & 0xffff) + (once >> 16);
    !u16::try_from(twice).unwrap_or(u16::MAX)
}
