//! Writes headers.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::SIGNATURE;
use super::tlv::kind;

/// A value longer than this is not said: no name of a host and no certificate's common name is.
pub const MOST_VALUE_BYTES: usize = 1024;

/// What a header of version 2 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement<'a> {
    /// The client.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
    /// The protocol agreed on by ALPN.
    pub alpn: Option<&'a [u8]>,
    /// The name the client asked for.
    pub authority: Option<&'a [u8]>,
    /// A name of the connection.
    pub unique_id: Option<&'a [u8]>,
    /// How the client's connection is secured, if it is.
    pub ssl: Option<Ssl<'a>>,
    /// With a checksum.
    pub crc32c: bool,
}

/// What is said of TLS (§2.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ssl<'a> {
    /// The client does not speak it.
    Clear,
    /// It does.
    Secured(Secured<'a>),
}

/// How a client's connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secured<'a> {
    /// As in `TLSv1.3`.
    pub version: &'a str,
    /// Whether the client has shown a certificate, which is good.
    pub shown: Shown,
    /// The common name in it.
    pub cn: Option<&'a str>,
    /// The kind of key in the certificate that the client was shown, as in `EC256`.
    pub key: Option<&'a str>,
    /// How that certificate is signed, by OpenSSL's short name.
    pub signature: Option<&'a str>,
    /// OpenSSL's name of the cipher.
    pub cipher: Option<&'a str>,
}

/// Where a client has shown a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nowhere.
    Never,
    /// On an earlier connection, whose session this one resumes.
    Before,
    /// On this one.
    Now,
}

/// A line of version 1 for a connection.
pub fn v1(out: &mut Vec<u8>, source: SocketAddr, destination: SocketAddr) {
    let (source, destination) = of_one_family(source, destination);
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let line = format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port());
    out.extend_from_slice(line.as_bytes());
}

/// A header of version 2 for a connection.
pub fn v2(out: &mut Vec<u8>, said: &Announcement<'_>) {
    let (source, destination) = of_one_family(said.source, said.destination);
    let family = if source.is_ipv4() { 0x11 } else { 0x21 };
    let start = begin(out, 0x21, family);
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
    let checksum = said.crc32c.then(|| {
        tlv(out, kind::CRC32C, &[0; 4]);
        out.len() - 4
    });
    let values =
        [(kind::ALPN, said.alpn), (kind::AUTHORITY, said.authority), (kind::UNIQUE_ID, said.unique_id)];
    for (kind, value) in values {
        if let Some(value) = value {
            tlv(out, kind, value);
        }
    }
    if let Some(ssl) = said.ssl {
        about_tls(out, ssl);
    }
    end(out, start, checksum);
}

/// A header of version 2 for a connection of our own, which relays nothing.
pub fn local(out: &mut Vec<u8>) {
    let start = begin(out, 0x20, 0x00);
    end(out, start, None);
}

/// The second field is a verdict on the client's certificate: zero, for it is good, or there is none.
fn about_tls(out: &mut Vec<u8>, ssl: Ssl<'_>) {
    let Ssl::Secured(said) = ssl else { return tlv(out, kind::SSL, &[0; FIXED_OF_SSL]) };
    let mut value = [0; FIXED_OF_SSL].to_vec();
    if let Some(client) = value.first_mut() {
        *client = OVER_TLS | said.shown.flags();
    }
    let parts = [
        (kind::SSL_VERSION, Some(said.version)),
        (kind::SSL_CN, said.cn),
        (kind::SSL_KEY_ALG, said.key),
        (kind::SSL_SIG_ALG, said.signature),
        (kind::SSL_CIPHER, said.cipher),
    ];
    for (kind, said) in parts {
        if let Some(said) = said.filter(|s| s.len() <= MOST_PART_BYTES) {
            tlv(&mut value, kind, said.as_bytes());
        }
    }
    tlv(out, kind::SSL, &value);
}

impl Shown {
    /// §2.2.5: `PP2_CLIENT_CERT_CONN` and `PP2_CLIENT_CERT_SESS`.
    fn flags(self) -> u8 {
        match self {
            Self::Never => 0,
            Self::Before => 0x04,
            Self::Now => 0x02 | 0x04,
        }
    }
}

fn tlv(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let Some(len) = u16::try_from(value.len()).ok().filter(|_| value.len() <= MOST_VALUE_BYTES) else {
        return;
    };
    out.push(kind);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(value);
}

/// Everything before the addresses. Returns where it stands.
fn begin(out: &mut Vec<u8>, command: u8, family: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[command, family, 0, 0]);
    start
}

/// Fills in the length, then the checksum.
fn end(out: &mut [u8], start: usize, checksum: Option<usize>) {
    let body = start + SIGNATURE.len() + 4;
    // A handful of values of bounded length.
    let length = u16::try_from(out.len() - body).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(body - 2..body) {
        place.copy_from_slice(&length);
    }
    let Some(at) = checksum else { return };
    let sum = crc32c::crc32c(out.get(start..).unwrap_or_default());
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
}

/// Both as IPv4, or both as IPv6: a header has one family for both.
fn of_one_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let plain = |a: SocketAddr| SocketAddr::new(a.ip().to_canonical(), a.port());
    let (source, destination) = (plain(source), plain(destination));
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    (mapped(source), mapped(destination))
}

fn mapped(address: SocketAddr) -> SocketAddr {
    let ip: Ipv6Addr = match address.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    SocketAddr::new(ip.into(), address.port())
}

/// §2.2.5: `PP2_CLIENT_SSL`.
const OVER_TLS: u8 = 0x01;

/// §2.2.5: what stands before the TLVs within it.
const FIXED_OF_SSL: usize = 5;

/// Several of them make one value.
const MOST_PART_BYTES: usize = 192;
