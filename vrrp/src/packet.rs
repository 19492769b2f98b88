//! The VRRP message: what stands on the wire after the IP header (RFC 3768 §5, RFC 9568 §5).

mod checksum;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::ChecksumForm;
use crate::stats::Counter;
use crate::types::{AuthPass, Centis, Family, Priority, Version, Vrid};

/// IP protocol number and IPv6 next header (RFC 9568 §5.1.1.4).
pub const PROTOCOL: u8 = 112;

/// RFC 9568 §5.1.1.2.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// RFC 9568 §5.1.2.2.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// The multicast group adverts of a family go to.
pub const fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(GROUP_V4),
        Family::V6 => IpAddr::V6(GROUP_V6),
    }
}

/// An ADVERTISEMENT, the only message there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Protocol version.
    pub version: Version,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Sender's priority; 0 releases.
    pub priority: Priority,
    /// Sender's advertisement interval: whole seconds with v2.
    pub interval: Centis,
    /// v2 authentication; always [`Auth::None`] with v3.
    pub auth: Auth,
    /// The virtual addresses, in the sender's order.
    pub addresses: Vec<IpAddr>,
}

/// v2 authentication data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Type 0.
    None,
    /// Type 1, "simple text password" (RFC 2338 §5.3.6.2).
    Pass(AuthPass),
}

/// What a receiver demands of a message before looking further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The version of the virtual router.
    pub version: Version,
    /// Source address of the IP header; gives the family of the listed addresses.
    pub src: IpAddr,
    /// Destination address of the IP header.
    pub dst: IpAddr,
}

/// A message that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// What it says.
    pub advert: Advert,
    /// Which of the checksums of a v3 message over IPv4 it carries; `None` where there is only one.
    pub checksum: Option<ChecksumForm>,
}

/// Why a message is not a well-formed advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No whole header.
    #[error("shorter than a VRRP header")]
    Truncated,
    /// Another protocol version.
    #[error("another protocol version: {0}")]
    Version(u8),
    /// Not an advertisement.
    #[error("not an advertisement: type {0}")]
    Type(u8),
    /// VRID 0.
    #[error("virtual router identifier 0")]
    VridZero,
    /// No address.
    #[error("lists no address")]
    CountZero,
    /// Length and address count disagree.
    #[error("length {0} does not fit the address count")]
    Length(usize),
    /// None of the accepted checksums.
    #[error("bad checksum")]
    Checksum,
    /// Neither "none" nor PASS.
    #[error("unsupported authentication type {0}")]
    AuthType(u8),
    /// Interval 0.
    #[error("advertisement interval 0")]
    IntervalZero,
}

impl DecodeError {
    /// What this counts as.
    pub const fn counter(self) -> Counter {
        match self {
            Self::Truncated => Counter::DropTruncated,
            Self::Version(_) => Counter::DropVersion,
            Self::Type(_) => Counter::DropType,
            Self::VridZero => Counter::DropUnknownRouter,
            Self::CountZero => Counter::DropCount,
            Self::Length(_) => Counter::DropLength,
            Self::Checksum => Counter::DropChecksum,
            Self::AuthType(_) => Counter::DropAuthType,
            Self::IntervalZero => Counter::DropIntervalZero,
        }
    }
}

impl Advert {
    /// The message with its checksum. `form` matters for v3 over IPv4 only.
    pub fn encode(&self, form: ChecksumForm, src: IpAddr, dst: IpAddr) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.addresses.len() * 16 + AUTH_DATA);
        out.push((self.version.number() << 4) | TYPE_ADVERTISEMENT);
        out.push(self.vrid.value());
        out.push(self.priority.value());
        out.push(u8::try_from(self.addresses.len()).unwrap_or(u8::MAX));
        out.extend(self.interval_field());
        out.extend([0, 0]);
        for addr in self.addresses.iter().take(usize::from(u8::MAX)) {
            match addr {
                IpAddr::V4(a) => out.extend(a.octets()),
                IpAddr::V6(a) => out.extend(a.octets()),
            }
        }
        if self.version == Version::V2 {
            out.extend(match self.auth {
                Auth::None => [0; AUTH_DATA],
                Auth::Pass(AuthPass(password)) => password,
            });
        }
        let sum = match self.version {
            Version::V2 => checksum::plain(&out),
            Version::V3 => checksum::v3(&out, form, src, dst),
        };
        if let Some(field) = out.get_mut(CHECKSUM) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        out
    }

    /// Bytes 4 and 5. v2 (RFC 3768 §5.3.6–5.3.7): authentication type and seconds. v3 (RFC 9568 §5.2.6–5.2.7): four
    /// reserved bits, sent as zero, and twelve bits of centiseconds.
    fn interval_field(&self) -> [u8; 2] {
        match self.version {
            Version::V2 => {
                let kind = match self.auth {
                    Auth::None => AUTH_NONE,
                    Auth::Pass(_) => AUTH_PASS,
                };
                [kind, u8::try_from(self.interval.value() / 100).unwrap_or(u8::MAX)]
            }
            Version::V3 => self.interval.value().min(Centis::V3_MAX.value()).to_be_bytes(),
        }
    }

    /// Reads a message strictly: exact length, known version, type and authentication type, no zero where the
    /// protocol has none, and a checksum that is equal to one of those in use.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of the fields, the checksum before what it protects is used.
    pub fn decode(bytes: &[u8], envelope: &Envelope) -> Result<Decoded, DecodeError> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(DecodeError::Truncated)?;
        let [version_type, vrid, priority, count, fifth, sixth, _, _] = *header;
        if version_type >> 4 != envelope.version.number() {
            return Err(DecodeError::Version(version_type >> 4));
        }
        if version_type & 0x0f != TYPE_ADVERTISEMENT {
            return Err(DecodeError::Type(version_type & 0x0f));
        }
        let vrid = Vrid::new(vrid).ok_or(DecodeError::VridZero)?;
        // RFC 9568 §5.2.5: "If the received count is 0, the VRRP advertisement MUST be ignored."
        if count == 0 {
            return Err(DecodeError::CountZero);
        }
        let family = Family::of(envelope.src);
        let (addresses, auth_data) =
            split_body(rest, envelope.version, family, count).ok_or(DecodeError::Length(bytes.len()))?;
        let checksum = check_sum(bytes, envelope)?;
        let (auth, interval) = match envelope.version {
            Version::V2 => (v2_auth(fifth, auth_data)?, Centis::new(u16::from(sixth) * 100)),
            Version::V3 => (Auth::None, Centis::new(u16::from_be_bytes([fifth & 0x0f, sixth]))),
        };
        let interval = interval.ok_or(DecodeError::IntervalZero)?;
        let (version, priority) = (envelope.version, Priority::new(priority));
        let advert = Self { version, vrid, priority, interval, auth, addresses };
        Ok(Decoded { advert, checksum })
    }
}

/// The virtual router a message is for, readable before anything else is known of it.
pub fn peek_vrid(bytes: &[u8]) -> Result<Vrid, DecodeError> {
    let (header, _) = bytes.split_first_chunk::<HEADER>().ok_or(DecodeError::Truncated)?;
    Vrid::new(header[1]).ok_or(DecodeError::VridZero)
}

/// Addresses and v2 authentication data; `None` unless the length is exactly what `count` says.
fn split_body(
    rest: &[u8],
    version: Version,
    family: Family,
    count: u8,
) -> Option<(Vec<IpAddr>, [u8; AUTH_DATA])> {
    let (listed, auth) = match version {
        Version::V2 => rest.split_last_chunk::<AUTH_DATA>().map(|(listed, auth)| (listed, *auth))?,
        Version::V3 => (rest, [0; AUTH_DATA]),
    };
    let addresses: Vec<IpAddr> = match family {
        Family::V4 => exact_chunks::<4>(listed)?.map(IpAddr::from).collect(),
        Family::V6 => exact_chunks::<16>(listed)?.map(IpAddr::from).collect(),
    };
    (addresses.len() == usize::from(count)).then_some((addresses, auth))
}

fn exact_chunks<const N: usize>(bytes: &[u8]) -> Option<impl Iterator<Item = [u8; N]>> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    rest.is_empty().then(|| chunks.iter().copied())
}

/// Which of the checksums in use the message carries. Exact comparison against each: nothing is ever skipped.
fn check_sum(bytes: &[u8], envelope: &Envelope) -> Result<Option<ChecksumForm>, DecodeError> {
    let got = bytes.get(CHECKSUM).and_then(|f| <[u8; 2]>::try_from(f).ok()).map(u16::from_be_bytes);
    let Envelope { version, src, dst } = *envelope;
    match (version, Family::of(src)) {
        (Version::V2, _) => (got == Some(checksum::plain(bytes))).then_some(None),
        (Version::V3, Family::V6) => {
            (got == Some(checksum::v3(bytes, ChecksumForm::Rfc5798, src, dst))).then_some(None)
        }
        (Version::V3, Family::V4) => {
            FORMS.into_iter().find(|form| got == Some(checksum::v3(bytes, *form, src, dst))).map(Some)
        }
    }
    .ok_or(DecodeError::Checksum)
}

fn v2_auth(kind: u8, data: [u8; AUTH_DATA]) -> Result<Auth, DecodeError> {
    match kind {
        AUTH_NONE => Ok(Auth::None),
        AUTH_PASS => Ok(Auth::Pass(AuthPass(data))),
        other => Err(DecodeError::AuthType(other)),
    }
}

/// Compares passwords in a time that does not depend on where they differ.
pub fn same_password(a: &[u8; AUTH_DATA], b: &[u8; AUTH_DATA]) -> bool {
    let differing = a.iter().zip(b).fold(0, |acc, (x, y)| std::hint::black_box(acc | (x ^ y)));
    differing == 0
}

/// In the order of likelihood. With multicast the first and the last are the same sum.
const FORMS: [ChecksumForm; 3] = [ChecksumForm::Rfc5798, ChecksumForm::Rfc9568, ChecksumForm::OldUnicast];

const HEADER: usize = 8;
const CHECKSUM: std::ops::Range<usize> = 6..8;
const AUTH_DATA: usize = 8;
const TYPE_ADVERTISEMENT: u8 = 1;
const AUTH_NONE: u8 = 0;
const AUTH_PASS: u8 = 1;

#[cfg(test)]
pub(crate) mod tests;
