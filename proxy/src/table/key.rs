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
    /// Numbers of 32 bits.
    Integer,
    /// Text, up to so many bytes; longer ones are cut, as HAProxy cuts them.
    String {
        /// At least 1.
        len: u16,
    },
    /// Any bytes, so many; longer ones are cut, and shorter ones are as if zeros followed.
    Binary {
        /// At least 1.
        len: u16,
    },
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// An address, its host bits cleared.
    Ip(IpAddr),
    /// A number.
    Integer(u32),
    /// Bytes.
    Bytes(Box<[u8]>),
}

impl KeyType {
    /// The key of an address. In a table of strings: as it is written. `None`: it is no number.
    pub fn of_address(self, address: IpAddr) -> Option<Key> {
        let address = address.to_canonical();
        match self {
            Self::Ip { ipv6_prefix } => Some(Key::Ip(match address {
                IpAddr::V4(_) => address,
                IpAddr::V6(v6) => {
                    let host = 128_u32.saturating_sub(ipv6_prefix.into());
                    let mask = u128::MAX.checked_shl(host).unwrap_or(0);
                    IpAddr::V6((v6.to_bits() & mask).into())
                }
            })),
            Self::Integer => None,
            Self::String { .. } => self.of_bytes(address.to_string().as_bytes()),
            Self::Binary { .. } => match address {
                IpAddr::V4(v4) => self.of_bytes(&v4.octets()),
                IpAddr::V6(v6) => self.of_bytes(&v6.octets()),
            },
        }
    }

    /// The key of bytes that were sent. `None`: empty, or not an address in a table of addresses.
    pub fn of_bytes(self, bytes: &[u8]) -> Option<Key> {
        let cut = |len: u16| bytes.get(..len.into()).unwrap_or(bytes);
        match self {
            _ if bytes.is_empty() => None,
            Self::Ip { .. } => self.of_address(std::str::from_utf8(bytes).ok()?.parse().ok()?),
            Self::Integer => Some(Key::Integer(leading_number(bytes))),
            Self::String { len } => Some(Key::Bytes(cut(len).into())),
            Self::Binary { len } => {
                let kept = cut(len);
                let zeros = kept.iter().rev().take_while(|b| **b == 0).count();
                Some(Key::Bytes(kept.get(..kept.len() - zeros).unwrap_or_default().into()))
            }
        }
    }
}

/// The number that bytes begin with, in as many bits as keys have; 0 without one. HAProxy reads texts so where a number is
/// expected: whoever sends something else shares a key with all who do.
fn leading_number(bytes: &[u8]) -> u32 {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    let number = digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0_u32, |number, digit| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')));
    if negative { number.wrapping_neg() } else { number }
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
            Self::Integer(number) => over(&number.to_ne_bytes()),
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
            assert_eq!(by_64.of_address(address.parse().unwrap()), Some(ip(key)), "{address}");
            assert_eq!(by_64.of_bytes(address.as_bytes()), Some(ip(key)));
        }
        let whole = KeyType::Ip { ipv6_prefix: 128 };
        assert_eq!(whole.of_address("2001:db8::1".parse().unwrap()), Some(ip("2001:db8::1")));
        assert_eq!((by_64.of_bytes(b"x"), by_64.of_bytes(b"")), (None, None));
    }

    #[test]
    fn strings_are_cut() {
        let short = KeyType::String { len: 3 };
        assert_eq!(short.of_bytes(b"abcd"), Some(Key::Bytes((*b"abc").into())));
        assert_eq!(short.of_bytes(b"ab"), Some(Key::Bytes((*b"ab").into())));
        assert_eq!(short.of_bytes(b""), None);
        let address = KeyType::String { len: 32 }.of_address("192.0.2.7".parse().unwrap());
        assert_eq!(address, Some(Key::Bytes((*b"192.0.2.7").into())));
    }

    #[test]
    fn bytes_are_cut_and_end_in_zeros() {
        let four = KeyType::Binary { len: 4 };
        for (bytes, key) in [
            (&b"abcde"[..], &b"abcd"[..]),
            (b"ab", b"ab"),
            (b"ab\0\0\0", b"ab"),
            (b"\0a\0", b"\0a"),
            (b"\0", b""),
        ] {
            assert_eq!(four.of_bytes(bytes), Some(Key::Bytes(key.into())), "{bytes:?}");
        }
        assert_eq!(four.of_bytes(b""), None);
        let address = four.of_address("192.0.2.7".parse().unwrap());
        assert_eq!(address, Some(Key::Bytes([192, 0, 2, 7].into())));
    }

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        for (text, number) in
            [("0", 0), ("42", 42), ("42x", 42), ("x", 0), ("-1", u32::MAX), ("4294967297", 1)]
        {
            assert_eq!(KeyType::Integer.of_bytes(text.as_bytes()), Some(Key::Integer(number)), "{text}");
        }
        assert_eq!(KeyType::Integer.of_bytes(b""), None);
        assert_eq!(KeyType::Integer.of_address("192.0.2.7".parse().unwrap()), None);
    }
}
