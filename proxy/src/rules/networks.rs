//! Sets of networks, asked whether an address is in one of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::list::{Form, Listed, Patterns};

/// Networks of IPv4 and IPv6. An address is found by halving, so that 100,000 networks cost little more than one; IPv4
/// addresses in IPv6 form (`::ffff:192.0.2.1`) are IPv4 addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    /// First and last addresses of ranges that neither touch nor overlap, in order.
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
    /// What is in files at present; then there is nothing else.
    list: Option<Arc<Listed<Self>>>,
}

/// A network: an address and how many of its first bits count. More than the address has are all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// One of its addresses.
    pub address: IpAddr,
    /// Bits that its addresses have in common.
    pub prefix: u8,
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let mut set = Self::default();
        for Network { address, prefix } in networks {
            match (address, address.to_canonical()) {
                (IpAddr::V6(_), IpAddr::V4(mapped)) if prefix >= MAPPED => {
                    set.v4.push(range_v4(mapped.to_bits(), prefix - MAPPED));
                }
                (IpAddr::V4(address), _) => set.v4.push(range_v4(address.to_bits(), prefix)),
                (IpAddr::V6(address), _) => {
                    let (first, last) = range_v6(address.to_bits(), prefix);
                    // A network that is as wide as to have all of IPv4 in it.
                    let (first_mapped, last_mapped) = (0xffff << 32, (0xffff << 32) + u128::from(u32::MAX));
                    if first <= first_mapped && last >= last_mapped {
                        set.v4.push((0, u32::MAX));
                    }
                    set.v6.push((first, last));
                }
            }
        }
        merge(&mut set.v4, u32::checked_add);
        merge(&mut set.v6, u128::checked_add);
        set
    }
}

impl Networks {
    /// Networks that an operator can change.
    pub fn listed(list: Arc<Listed<Self>>) -> Self {
        Self { v4: Vec::new(), v6: Vec::new(), list: Some(list) }
    }

    /// The files that they are in, if they can be changed, which has them as they are now.
    pub fn list(&self) -> Option<&Listed<Self>> {
        self.list.as_deref()
    }

    /// Whether there are none, and never will be.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty() && self.list.is_none()
    }

    /// First and last addresses of ranges that neither touch nor overlap, in order. None if they can be changed.
    pub fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> {
        let v4 = self.v4.iter().map(|(from, to)| (Ipv4Addr::from(*from).into(), Ipv4Addr::from(*to).into()));
        let v6 = self.v6.iter().map(|(from, to)| (Ipv6Addr::from(*from).into(), Ipv6Addr::from(*to).into()));
        v4.chain(v6)
    }

    /// Whether the address is in one of them.
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        if let Some(list) = &self.list {
            return list.used().contains(address);
        }
        match address.to_canonical() {
            IpAddr::V4(address) => is_in(&self.v4, address.to_bits()),
            IpAddr::V6(address) => is_in(&self.v6, address.to_bits()),
        }
    }
}

impl Patterns for Networks {
    fn find_in(&self, text: &[u8]) -> bool {
        let address = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        address.is_some_and(|address| self.contains(address))
    }

    fn form(&self) -> Form {
        Form { how: "ip", nocase: false }
    }
}

fn range_v4(address: u32, prefix: u8) -> (u32, u32) {
    let rest = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    (address & !rest, address | rest)
}

fn range_v6(address: u128, prefix: u8) -> (u128, u128) {
    let rest = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    (address & !rest, address | rest)
}

/// Sorts, and makes one range of those that touch or overlap.
fn merge<T: Ord + Copy + From<u8>>(ranges: &mut Vec<(T, T)>, add: fn(T, T) -> Option<T>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, before| {
        let touches = add(before.1, 1.into()).is_none_or(|after| next.0 <= after);
        if touches {
            before.1 = before.1.max(next.1);
        }
        touches
    });
    ranges.shrink_to_fit();
}

#[inline]
fn is_in<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last)
}

/// Bits before an IPv4 address in IPv6 form.
const MAPPED: u8 = 96;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::endpoint;

    fn network(text: &str) -> Network {
        let (address, prefix) = text.split_once('/').unwrap_or((text, "128"));
        Network { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }

    fn set(networks: &[&str]) -> Networks {
        networks.iter().map(|n| network(n)).collect()
    }

    #[test]
    fn addresses_are_found() {
        let set =
            set(&["10.0.0.0/8", "192.0.2.7", "192.0.2.8/31", "2001:db8::/32", "::ffff:198.51.100.0/120"]);
        for (address, is_in) in [
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("9.255.255.255", false),
            ("11.0.0.0", false),
            ("192.0.2.6", false),
            ("192.0.2.7", true),
            ("192.0.2.9", true),
            ("192.0.2.10", false),
            ("::ffff:10.1.2.3", true),
            ("::10.1.2.3", false),
            ("198.51.100.255", true),
            ("198.51.101.0", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(set.contains(address.parse().unwrap()), is_in, "{address}");
        }
        assert_eq!((set.v4.len(), set.v6.len()), (3, 1), "neighbours are one range");
    }

    #[test]
    fn everything_and_nothing() {
        let (all, none) = (set(&["0.0.0.0/0", "::/0"]), set(&[]));
        assert!(none.is_empty() && !all.is_empty());
        for address in ["0.0.0.0", "255.255.255.255", "::", "ffff:ffff::ffff", "::ffff:1.2.3.4"] {
            let address = address.parse().unwrap();
            assert!(all.contains(address) && !none.contains(address), "{address}");
        }
        assert!(set(&["::/0"]).contains([192, 0, 2, 1].into()), "all of IPv6 has IPv4 in it");
        assert!(!set(&["0.0.0.0/0"]).contains("2001:db8::1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn a_set_is_its_networks(
            networks in proptest::collection::vec((0_u32..4096, 20_u8..=32), 0..12),
            asked in 0_u32..4096,
        ) {
            let of = |bits: u32| IpAddr::V4((bits << 4).into());
            let set: Networks =
                networks.iter().map(|(a, p)| Network { address: of(*a), prefix: *p }).collect();
            let one = networks.iter().any(|(a, p)| endpoint::contains(of(*a), *p, of(asked)));
            prop_assert_eq!(set.contains(of(asked)), one);
        }
    }
}
