//! Keys of tables.

use std::net::IpAddr;

/// What the keys of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// Addresses of both families; of an IPv6 address so many bits, because a client has a whole network of them.
    Ip {
        /// 1 to 128.
        ipv6_prefix: u8,
    },
    /// Bytes, up to so many; longer ones are cut, as HAProxy cuts them.
    String {
        /// At least 1.
        len: u16,
    },
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// An address, its host bits cleared.
    Ip(IpAddr),
    /// Bytes.
    Bytes(Box<[u8]>),
}

impl KeyType {
    /// The key of an address. In a table of strings: as it is written.
    pub fn of_address(self, address: IpAddr) -> Key {
        let address = address.to_canonical();
        match self {
            Self::Ip { ipv6_prefix } => Key::Ip(match address {
                IpAddr::V4(_) => address,
                IpAddr::V6(v6) => {
                    let host = 128_u32.saturating_sub(ipv6_prefix.into());
                    let mask = u128::MAX.checked_shl(host).unwrap_or(0);
                    IpAddr::V6((v6.to_bits() & mask).into())
                }
            }),
            Self::String { .. } => self.of_bytes(address.to_string().as_bytes()).unwrap_or(Key::Ip(address)),
        }
    }

    /// The key of bytes that were sent. `None`: empty, or not an address in a table of addresses.
    pub fn of_bytes(self, bytes: &[u8]) -> Option<Key> {
        match self {
            _ if bytes.is_empty() => None,
            Self::Ip { .. } => Some(self.of_address(std::str::from_utf8(bytes).ok()?.parse().ok()?)),
            Self::String { len } => Some(Key::Bytes(bytes.get(..len.into()).unwrap_or(bytes).into())),
        }
    }
}

impl Key {
    /// A number that spreads keys evenly (FNV-1a). Whoever chooses keys so that all meet in one shard makes that shard
    /// slow and small, no more.
    pub(super) fn spread(&self) -> u64 {
        let over = |bytes: &[u8]| {
            bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            })
        };
        let hash = match self {
            Self::Ip(IpAddr::V4(v4)) => over(&v4.octets()),
            Self::Ip(IpAddr::V6(v6)) => over(&v6.octets()),
            Self::Bytes(bytes) => over(bytes),
        };
        // The low bits of this hash are the weaker ones.
        hash ^ (hash >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Key {
        Key::Ip(text.parse().unwrap())
    }

    #[test]
    fn clients_are_told_apart_by_their_network() {
        let by_64 = KeyType::Ip { ipv6_prefix: 64 };
        for (address, key) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(by_64.of_address(address.parse().unwrap()), ip(key), "{address}");
            assert_eq!(by_64.of_bytes(address.as_bytes()), Some(ip(key)));
        }
        let whole = KeyType::Ip { ipv6_prefix: 128 };
        assert_eq!(whole.of_address("2001:db8::1".parse().unwrap()), ip("2001:db8::1"));
        assert_eq!((by_64.of_bytes(b"x"), by_64.of_bytes(b"")), (None, None));
    }

    #[test]
    fn strings_are_cut() {
        let short = KeyType::String { len: 3 };
        assert_eq!(short.of_bytes(b"abcd"), Some(Key::Bytes((*b"abc").into())));
        assert_eq!(short.of_bytes(b"ab"), Some(Key::Bytes((*b"ab").into())));
        assert_eq!(short.of_bytes(b""), None);
        let address = KeyType::String { len: 32 }.of_address("192.0.2.7".parse().unwrap());
        assert_eq!(address, Key::Bytes((*b"192.0.2.7").into()));
    }
}
