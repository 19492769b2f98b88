//! Reads a header. What it is made of comes from the network: every byte is judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::tlv::{Tlvs, kind};
use super::{Header, Origin, SIGNATURE, Version};

/// A header longer than this is refused: as long as HAProxy's buffer is, and far more than any sender says.
pub const MOST_BYTES: usize = 16 * 1024;

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// They begin like none.
    #[error("no PROXY header")]
    Absent,
    /// A line that is not as it should be.
    #[error("the line of the PROXY header is malformed")]
    Line,
    /// A version, command, family or transport that does not exist.
    #[error("the PROXY header is of an unknown kind")]
    Unknown,
    /// The addresses do not fit into its length, or it is too long.
    #[error("the PROXY header has a wrong length")]
    Length,
    /// TLVs that do not fit into it.
    #[error("the PROXY header's TLVs are malformed")]
    Tlv,
    /// It has been damaged.
    #[error("the PROXY header's checksum is wrong")]
    Checksum,
}

/// Reads the header at the begin of `bytes`. `None`: it is not complete, and all of `bytes` belongs to it.
///
/// # Errors
/// There is none, or it is malformed: the connection is not to be used.
pub fn parse(bytes: &[u8]) -> Result<Option<Header<'_>>, HeaderError> {
    if begins(bytes, SIGNATURE) {
        return binary(bytes);
    }
    if begins(bytes, b"PROXY ") {
        return line(bytes);
    }
    Err(HeaderError::Absent)
}

/// Whether `bytes` are the begin of what begins with `word`.
fn begins(bytes: &[u8], word: &[u8]) -> bool {
    let both = bytes.len().min(word.len());
    bytes.get(..both) == word.get(..both)
}

/// §2.1: one line of at most 107 bytes, in upper-case ASCII, single blanks between its words.
fn line(bytes: &[u8]) -> Result<Option<Header<'_>>, HeaderError> {
    let Some(end) = memchr::memchr(b'\n', bytes.get(..bytes.len().min(LONGEST_LINE)).unwrap_or_default())
    else {
        return if bytes.len() < LONGEST_LINE { Ok(None) } else { Err(HeaderError::Line) };
    };
    let line = bytes.get(..end).and_then(|l| l.strip_suffix(b"\r")).ok_or(HeaderError::Line)?;
    let text = std::str::from_utf8(line).map_err(|_| HeaderError::Line)?;
    let origin = words(text).ok_or(HeaderError::Line)?;
    Ok(Some(Header { len: end + 1, version: Version::V1, origin, tlvs: Tlvs::default() }))
}

fn words(line: &str) -> Option<Origin> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        // Whatever follows is to be ignored.
        return Some(Origin::Own);
    }
    let mut address = || -> Option<IpAddr> {
        match family {
            "TCP4" => Some(words.next()?.parse::<Ipv4Addr>().ok()?.into()),
            "TCP6" => Some(words.next()?.parse::<Ipv6Addr>().ok()?.into()),
            _ => None,
        }
    };
    let (source, destination) = (address()?, address()?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    let origin = relayed(SocketAddr::new(source, from), SocketAddr::new(destination, to));
    words.next().is_none().then_some(origin)
}

/// A decimal number without leading zeros or sign.
fn port(digits: &str) -> Option<u16> {
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| canonical)
}

/// §2.2: the signature, version and command, family and transport, the length of what follows, addresses, TLVs.
fn binary(bytes: &[u8]) -> Result<Option<Header<'_>>, HeaderError> {
    let Some((&[ref signature @ .., version, transport, high, low], rest)) =
        bytes.split_first_chunk::<FIXED>()
    else {
        return Ok(None);
    };
    debug_assert_eq!(signature, SIGNATURE);
    let relays = match version {
        0x20 => false,
        0x21 => true,
        _ => return Err(HeaderError::Unknown),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > MOST_BYTES {
        return Err(HeaderError::Length);
    }
    let family = Family::of(transport).ok_or(HeaderError::Unknown)?;
    let Some(rest) = rest.get(..length) else { return Ok(None) };
    let (addresses, tlvs) = match rest.split_at_checked(family.bytes()) {
        Some(both) => both,
        None if relays => return Err(HeaderError::Length),
        // §2.2: what LOCAL says of addresses is to be ignored.
        None => (rest, Default::default()),
    };
    let (tlvs, origin) = if relays && family != Family::Unspecified {
        (Tlvs::new(tlvs).filter(are_short).ok_or(HeaderError::Tlv)?, family.origin(addresses))
    } else {
        // Nothing is said, and bytes that follow nevertheless may be anything.
        (Tlvs::new(tlvs).unwrap_or_default(), Origin::Own)
    };
    let len = FIXED + length;
    check(bytes.get(..len).unwrap_or_default(), len - tlvs.bytes().len(), tlvs)?;
    Ok(Some(Header { len, version: Version::V2, origin, tlvs }))
}

/// Whether those have lengths that HAProxy takes too.
fn are_short(tlvs: &Tlvs<'_>) -> bool {
    tlvs.iter().all(|tlv| match tlv.kind {
        kind::AUTHORITY => tlv.value.len() <= LONGEST_AUTHORITY,
        kind::UNIQUE_ID => tlv.value.len() <= LONGEST_UNIQUE_ID,
        _ => true,
    })
}

/// §2.2.3: the checksum, if there is one, is that of the whole header with zeros in its place.
fn check(header: &[u8], tlvs_at: usize, tlvs: Tlvs<'_>) -> Result<(), HeaderError> {
    let mut checksums = tlvs.iter().filter(|tlv| tlv.kind == kind::CRC32C);
    let Some(checksum) = checksums.next() else { return Ok(()) };
    if checksums.next().is_some() {
        return Err(HeaderError::Tlv);
    }
    let said = <[u8; 4]>::try_from(checksum.value).map_err(|_| HeaderError::Tlv)?;
    let at = tlvs_at + checksum.at;
    let (before, after) = (header.get(..at).unwrap_or_default(), header.get(at + 4..).unwrap_or_default());
    let sum =
        [&[0; 4], after].iter().fold(crc32c::crc32c(before), |sum, part| crc32c::crc32c_append(sum, part));
    if sum == u32::from_be_bytes(said) { Ok(()) } else { Err(HeaderError::Checksum) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Unspecified,
    Tcp4,
    Tcp6,
    /// Of datagrams, or of Unix sockets: its addresses take so many bytes and are of no use.
    Other(usize),
}

impl Family {
    /// Of the byte of family and transport. §2.2: others must be rejected.
    fn of(byte: u8) -> Option<Self> {
        match byte {
            0x00..=0x02 | 0x10 | 0x20 | 0x30 => Some(Self::Unspecified),
            0x11 => Some(Self::Tcp4),
            0x21 => Some(Self::Tcp6),
            0x12 => Some(Self::Other(TCP4_BYTES)),
            0x22 => Some(Self::Other(TCP6_BYTES)),
            0x31 | 0x32 => Some(Self::Other(UNIX_BYTES)),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Unspecified => 0,
            Self::Tcp4 => TCP4_BYTES,
            Self::Tcp6 => TCP6_BYTES,
            Self::Other(bytes) => bytes,
        }
    }

    fn origin(self, addresses: &[u8]) -> Origin {
        let read = match self {
            Self::Tcp4 => <&[u8; TCP4_BYTES]>::try_from(addresses).ok().map(tcp4),
            Self::Tcp6 => <&[u8; TCP6_BYTES]>::try_from(addresses).ok().map(tcp6),
            Self::Unspecified | Self::Other(_) => None,
        };
        read.unwrap_or(Origin::Own)
    }
}

fn tcp4(bytes: &[u8; TCP4_BYTES]) -> Origin {
    let [a, b, c, d, e, f, g, h, ports @ ..] = *bytes;
    with_ports(Ipv4Addr::new(a, b, c, d).into(), Ipv4Addr::new(e, f, g, h).into(), ports)
}

fn tcp6(bytes: &[u8; TCP6_BYTES]) -> Origin {
    let mut addresses = [[0; 16]; 2];
    addresses.iter_mut().zip(bytes.chunks(16)).for_each(|(to, from)| to.copy_from_slice(from));
    let [.., p, q, r, s] = *bytes;
    let [source, destination] = addresses.map(|a| IpAddr::from(Ipv6Addr::from(a)));
    with_ports(source, destination, [p, q, r, s])
}

fn with_ports(source: IpAddr, destination: IpAddr, [a, b, c, d]: [u8; 4]) -> Origin {
    let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    relayed(SocketAddr::new(source, from), SocketAddr::new(destination, to))
}

/// An IPv4 client that came in by an IPv6 socket is an IPv4 client all the same.
fn relayed(source: SocketAddr, destination: SocketAddr) -> Origin {
    let plain = |a: SocketAddr| SocketAddr::new(a.ip().to_canonical(), a.port());
    Origin::Relayed { source: plain(source), destination: plain(destination) }
}

/// §2.1: the longest line there is, its end included.
const LONGEST_LINE: usize = 107;

/// What version 2 begins with, up to its length.
const FIXED: usize = 16;

/// As long as a name of a host can be.
const LONGEST_AUTHORITY: usize = 255;

/// §2.2.6.
const LONGEST_UNIQUE_ID: usize = 128;

const TCP4_BYTES: usize = 12;
const TCP6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;
