//! The messages between the VRRP thread and the guard: one per `SOCK_SEQPACKET` datagram, fixed fields, native byte
//! order (both ends are the same binary on the same host). Pure; decoding never panics.
//!
//! | byte | what |
//! |---|---|
//! | 0 | kind: 1 `Hold`, 2 `HoldMore`, 3 `Beat`, 4 `Release`, 5 `Ack`, 6 `Farewell` |
//! | 1 | count of addresses (`Hold`, `HoldMore`); 1 for the first, 0 for the others (`Farewell`) |
//! | 2–3 | router |
//! | 4–7 | sequence (`Beat`, `Ack`) |
//! | 8–15 | end of the lease in microseconds since boot (`Hold`, `Beat`) |
//! | 16– | addresses, 24 bytes each: interface index (4), family 4 or 6 (1), prefix length (1), zero (2), address (16) |
//! | 16– | `Farewell`: interface index (4), family 4 or 6 (1), zero (3), source (16), destination (16), VRRP message |
//!
//! The lease ends at a moment of `CLOCK_BOOTTIME`, which all processes share, so a message that is read late (the
//! guard was starved, the machine slept) grants no more time than was meant.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::event::AdvertCopy;
use crate::types::{IfIndex, RouterId};

/// An address the guard takes off when the lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GuardedAddress {
    pub(crate) ifindex: IfIndex,
    pub(crate) addr: IpAddr,
    pub(crate) prefix_len: u8,
}

/// One message. `until` is a span since boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GuardMessage {
    /// The router is about to have these addresses, until then. Replaces all that was told of it.
    Hold { router: RouterId, until: Duration, addresses: Vec<GuardedAddress> },
    /// More of the same; a message carries at most [`MAX_ADDRESSES`].
    HoldMore { router: RouterId, addresses: Vec<GuardedAddress> },
    /// An advert was really sent: the addresses may stay until then. Without effect after the lease ended.
    Beat { router: RouterId, until: Duration, sequence: u32 },
    /// The addresses are off.
    Release { router: RouterId },
    /// The guard has taken note of a beat.
    Ack { router: RouterId, sequence: u32 },
    /// What to send when the addresses are taken off; `first` replaces what was to be sent. A message carries at most
    /// [`MAX_ADVERT_BYTES`] of an advert.
    Farewell { router: RouterId, first: bool, copy: AdvertCopy },
}

impl GuardMessage {
    /// At most [`MAX_BYTES`] bytes. Addresses above [`MAX_ADDRESSES`] are left out.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hold { router, until, addresses } => with_addresses(HOLD, *router, *until, addresses),
            Self::HoldMore { router, addresses } => {
                with_addresses(HOLD_MORE, *router, Duration::ZERO, addresses)
            }
            Self::Beat { router, until, sequence } => header(BEAT, 0, *router, *sequence, *until),
            Self::Release { router } => header(RELEASE, 0, *router, 0, Duration::ZERO),
            Self::Ack { router, sequence } => header(ACK, 0, *router, *sequence, Duration::ZERO),
            Self::Farewell { router, first, copy } => with_copy(*router, *first, copy),
        }
    }

    /// `None` for anything that [`Self::encode`] does not produce.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let kind = *bytes.first()?;
        let count = usize::from(*bytes.get(1)?);
        let router = RouterId(u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?));
        let sequence = u32_at(bytes, 4)?;
        let until = Duration::from_micros(u64::from_ne_bytes(bytes.get(8..16)?.try_into().ok()?));
        let rest = bytes.get(HEADER_BYTES..)?;
        match (kind, rest.len()) {
            (HOLD, _) => Some(Self::Hold { router, until, addresses: addresses(rest, count)? }),
            (HOLD_MORE, _) => Some(Self::HoldMore { router, addresses: addresses(rest, count)? }),
            (BEAT, 0) => Some(Self::Beat { router, until, sequence }),
            (RELEASE, 0) => Some(Self::Release { router }),
            (ACK, 0) => Some(Self::Ack { router, sequence }),
            (FAREWELL, _) => Some(Self::Farewell { router, first: flag(count)?, copy: advert_copy(rest)? }),
            _ => None,
        }
    }
}

fn header(kind: u8, count: u8, router: RouterId, sequence: u32, until: Duration) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + usize::from(count) * ADDRESS_BYTES);
    out.extend([kind, count]);
    out.extend(router.0.to_ne_bytes());
    out.extend(sequence.to_ne_bytes());
    out.extend(u64::try_from(until.as_micros()).unwrap_or(u64::MAX).to_ne_bytes());
    out
}

fn with_addresses(kind: u8, router: RouterId, until: Duration, addresses: &[GuardedAddress]) -> Vec<u8> {
    let sent = addresses.iter().take(MAX_ADDRESSES);
    let mut out = header(kind, u8::try_from(sent.len()).unwrap_or(u8::MAX), router, 0, until);
    for a in sent {
        out.extend(a.ifindex.value().to_ne_bytes());
        let (family, octets) = octets(a.addr);
        out.extend([family, a.prefix_len, 0, 0]);
        out.extend(octets);
    }
    out
}

fn with_copy(router: RouterId, first: bool, copy: &AdvertCopy) -> Vec<u8> {
    let mut out = header(FAREWELL, u8::from(first), router, 0, Duration::ZERO);
    out.extend(copy.ifindex.value().to_ne_bytes());
    let (family, source) = octets(copy.src);
    out.extend([family, 0, 0, 0]);
    out.extend(source);
    out.extend(octets(copy.dst).1);
    out.extend(copy.bytes.iter().take(MAX_ADVERT_BYTES));
    out
}

/// Family and octets; IPv4 as mapped into IPv6.
fn octets(addr: IpAddr) -> (u8, [u8; 16]) {
    match addr {
        IpAddr::V4(v4) => (4, v4.to_ipv6_mapped().octets()),
        IpAddr::V6(v6) => (6, v6.octets()),
    }
}

const fn flag(count: usize) -> Option<bool> {
    match count {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn advert_copy(bytes: &[u8]) -> Option<AdvertCopy> {
    let ifindex = IfIndex::new(u32_at(bytes, 0)?)?;
    let [family, 0, 0, 0] = *bytes.get(4..8)? else { return None };
    let src = address_of(family, bytes.get(8..24)?)?;
    let dst = address_of(family, bytes.get(24..COPY_BYTES)?)?;
    let advert = bytes.get(COPY_BYTES..)?;
    let fits = (1..=MAX_ADVERT_BYTES).contains(&advert.len());
    fits.then(|| AdvertCopy { ifindex, src, dst, bytes: advert.to_vec() })
}

fn address_of(family: u8, octets: &[u8]) -> Option<IpAddr> {
    let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?);
    match family {
        4 => v6.to_ipv4_mapped().map(IpAddr::V4),
        6 => Some(v6.into()),
        _ => None,
    }
}

fn addresses(bytes: &[u8], count: usize) -> Option<Vec<GuardedAddress>> {
    if bytes.len() != count * ADDRESS_BYTES || count > MAX_ADDRESSES {
        return None;
    }
    bytes.chunks_exact(ADDRESS_BYTES).map(address).collect()
}

fn address(bytes: &[u8]) -> Option<GuardedAddress> {
    let ifindex = IfIndex::new(u32_at(bytes, 0)?)?;
    let addr = address_of(*bytes.get(4)?, bytes.get(8..24)?)?;
    let longest = if addr.is_ipv4() { 32 } else { 128 };
    let prefix_len = *bytes.get(5)?;
    (prefix_len <= longest).then_some(GuardedAddress { ifindex, addr, prefix_len })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// More go into [`GuardMessage::HoldMore`].
pub(crate) const MAX_ADDRESSES: usize = 64;
/// The longest message.
pub(crate) const MAX_BYTES: usize = HEADER_BYTES + MAX_ADDRESSES * ADDRESS_BYTES;
/// Far more than an advert of the 20 addresses a router can have.
pub(crate) const MAX_ADVERT_BYTES: usize = 1024;
const HEADER_BYTES: usize = 16;
const ADDRESS_BYTES: usize = 24;
/// Interface, family and addresses of a `Farewell`.
const COPY_BYTES: usize = 40;
const HOLD: u8 = 1;
const HOLD_MORE: u8 = 2;
const BEAT: u8 = 3;
const RELEASE: u8 = 4;
const ACK: u8 = 5;
const FAREWELL: u8 = 6;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use proptest::prelude::*;

    fn guarded() -> impl Strategy<Value = GuardedAddress> + Clone {
        (1u32.., any::<IpAddr>(), 0u8..=32).prop_map(|(index, addr, prefix_len)| GuardedAddress {
            ifindex: IfIndex::new(index).unwrap(),
            addr,
            prefix_len,
        })
    }

    fn copy() -> impl Strategy<Value = AdvertCopy> {
        let v4 = any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(a, b)| (IpAddr::V4(a), IpAddr::V4(b)));
        let v6 = any::<(Ipv6Addr, Ipv6Addr)>().prop_map(|(a, b)| (IpAddr::V6(a), IpAddr::V6(b)));
        let bytes = prop::collection::vec(any::<u8>(), 1..=MAX_ADVERT_BYTES);
        (1u32.., prop_oneof![v4, v6], bytes).prop_map(|(index, (src, dst), bytes)| AdvertCopy {
            ifindex: IfIndex::new(index).unwrap(),
            src,
            dst,
            bytes,
        })
    }

    fn message() -> impl Strategy<Value = GuardMessage> {
        let router = any::<u16>().prop_map(RouterId);
        let until = any::<u64>().prop_map(Duration::from_micros);
        let list = prop::collection::vec(guarded(), 0..=MAX_ADDRESSES);
        prop_oneof![
            (router.clone(), until.clone(), list.clone())
                .prop_map(|(router, until, addresses)| GuardMessage::Hold { router, until, addresses }),
            (router.clone(), list)
                .prop_map(|(router, addresses)| GuardMessage::HoldMore { router, addresses }),
            (router.clone(), until, any::<u32>()).prop_map(|(router, until, sequence)| GuardMessage::Beat {
                router,
                until,
                sequence
            }),
            router.clone().prop_map(|router| GuardMessage::Release { router }),
            (router.clone(), any::<u32>())
                .prop_map(|(router, sequence)| GuardMessage::Ack { router, sequence }),
            (router, any::<bool>(), copy()).prop_map(|(router, first, copy)| GuardMessage::Farewell {
                router,
                first,
                copy
            }),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(m in message()) {
            let bytes = m.encode();
            prop_assert!(bytes.len() <= MAX_BYTES);
            prop_assert_eq!(GuardMessage::decode(&bytes), Some(m));
        }

        #[test]
        fn any_truncation_is_refused(m in message(), cut in 1usize..200) {
            let bytes = m.encode();
            let end = bytes.len().saturating_sub(cut);
            // An advert has no length of its own: the datagram gives it.
            let whole = matches!(m, GuardMessage::Farewell { .. }) && end > HEADER_BYTES + COPY_BYTES;
            prop_assert_eq!(GuardMessage::decode(&bytes[..end]).is_some(), whole);
        }

        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(m) = GuardMessage::decode(&bytes) {
                prop_assert_eq!(GuardMessage::decode(&m.encode()), Some(m));
            }
        }
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        let hold = |index: u32, family: u8, prefix_len: u8| {
            let mut bytes = vec![HOLD, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes.extend(index.to_ne_bytes());
            bytes.extend([family, prefix_len, 0, 0]);
            bytes.extend(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().octets());
            GuardMessage::decode(&bytes)
        };
        assert!(hold(2, 4, 32).is_some());
        assert!(hold(0, 4, 32).is_none(), "interface 0");
        assert!(hold(2, 4, 33).is_none(), "prefix too long");
        assert!(hold(2, 5, 32).is_none(), "no such family");
        assert!(hold(2, 6, 128).is_some());
    }

    #[test]
    fn farewells_out_of_range_are_refused() {
        let farewell = |count: u8, index: u32, family: [u8; 4], advert: usize| {
            let mut bytes = vec![FAREWELL, count, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes.extend(index.to_ne_bytes());
            bytes.extend(family);
            bytes.extend(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().octets());
            bytes.extend(Ipv4Addr::new(224, 0, 0, 18).to_ipv6_mapped().octets());
            bytes.resize(bytes.len() + advert, 0x31);
            GuardMessage::decode(&bytes)
        };
        assert!(farewell(1, 2, [4, 0, 0, 0], 20).is_some());
        assert!(farewell(2, 2, [4, 0, 0, 0], 20).is_none(), "neither first nor another");
        assert!(farewell(1, 0, [4, 0, 0, 0], 20).is_none(), "interface 0");
        assert!(farewell(1, 2, [5, 0, 0, 0], 20).is_none(), "no such family");
        assert!(farewell(1, 2, [4, 0, 1, 0], 20).is_none(), "not zero");
        assert!(farewell(1, 2, [4, 0, 0, 0], 0).is_none(), "no advert");
        assert!(farewell(0, 2, [4, 0, 0, 0], MAX_ADVERT_BYTES).is_some());
        assert!(farewell(0, 2, [4, 0, 0, 0], MAX_ADVERT_BYTES + 1).is_none(), "no advert is that long");
    }
}
