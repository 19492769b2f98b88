//! Hashes of keys, equal to HAProxy's, so that a key stays with its server when one is replaced by the other.

use crate::plan::HashFunction;

/// The hash of a key.
pub(super) fn of(function: HashFunction, key: &[u8]) -> u32 {
    match function {
        HashFunction::Sdbm => sdbm(key),
        HashFunction::Djb2 => djb2(key),
        HashFunction::Wt6 => wt6(key),
        HashFunction::Crc32 => crc32(key),
        HashFunction::None => number(key),
    }
}

/// Lets every bit of a hash depend on every other: one of Bob Jenkins' full avalanche functions, then a multiplication
/// that spreads neighbours over the whole range.
pub(super) fn avalanche(hash: u32) -> u32 {
    let mut a = hash;
    a = a.wrapping_add(0x7ed5_5d16).wrapping_add(a << 12);
    a = (a ^ 0xc761_c23c) ^ (a >> 19);
    a = a.wrapping_add(0x1656_67b1).wrapping_add(a << 5);
    a = a.wrapping_add(0xd3a2_646c) ^ (a << 9);
    a = a.wrapping_add(0xfd70_46c5).wrapping_add(a << 3);
    a = (a ^ 0xb55a_4f09) ^ (a >> 16);
    a.wrapping_mul(3_221_225_473)
}

/// An address as `balance source` sees it: its 32-bit words, combined by exclusive or.
pub(super) fn address(address: std::net::IpAddr) -> u32 {
    match address.to_canonical() {
        std::net::IpAddr::V4(v4) => v4.to_bits(),
        std::net::IpAddr::V6(v6) => {
            let words = v6.octets();
            words.chunks_exact(4).fold(0, |all, word| {
                all ^ word.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte))
            })
        }
    }
}

fn sdbm(key: &[u8]) -> u32 {
    key.iter().fold(0u32, |h, &byte| h.wrapping_mul(65_599).wrapping_add(byte.into()))
}

fn djb2(key: &[u8]) -> u32 {
    key.iter().fold(5381u32, |h, &byte| h.wrapping_mul(33).wrapping_add(byte.into()))
}

fn wt6(key: &[u8]) -> u32 {
    let (mut h0, mut h1) = (0xa53c_965a_u32, 0x5ca6_953a_u32);
    let (mut step0, mut step1) = (6, 18);
    for &byte in key {
        h0 = !(h0 ^ u32::from(byte));
        h1 = !h1.wrapping_add(byte.into());
        (h0, h1) = (h1.rotate_left(step0), h0.rotate_left(step1));
        let mix = ((h0 >> 16) ^ h1) & 0xffff;
        step0 = mix & 31;
        step1 = mix >> 11;
    }
    h0 ^ h1
}

fn crc32(key: &[u8]) -> u32 {
    let step = |crc: u32, &byte: &u8| {
        let index = (crc ^ u32::from(byte)) & 0xff;
        (crc >> 8) ^ CRC_TABLE.get(index as usize).copied().unwrap_or_default()
    };
    !key.iter().fold(u32::MAX, step)
}

/// A decimal number up to the first byte that is no digit, its low 32 bits.
fn number(key: &[u8]) -> u32 {
    let digits = key.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0u32, |n, digit| n.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')))
}

const CRC_TABLE: [u32; 256] = crc_table();

#[expect(clippy::cast_possible_truncation, reason = "n counts to 255")]
#[expect(clippy::indexing_slicing, reason = "n counts to 255 in a table of 256")]
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let check = b"123456789".as_slice();
        assert_eq!(of(HashFunction::Crc32, check), 0xcbf4_3926, "the check value of CRC-32");
        assert_eq!(of(HashFunction::Djb2, b""), 5381);
        assert_eq!(of(HashFunction::Djb2, b"a"), 5381 * 33 + 97);
        assert_eq!(of(HashFunction::Sdbm, b""), 0);
        assert_eq!(of(HashFunction::Sdbm, b"ab"), 97 * 65_599 + 98);
        assert_eq!(of(HashFunction::None, b"4294967299x"), 3);
        assert_eq!(of(HashFunction::None, b"x1"), 0);
    }

    #[test]
    fn addresses_are_words_combined() {
        for (text, hash) in [
            ("10.1.2.3", 0x0a01_0203),
            ("::ffff:10.1.2.3", 0x0a01_0203),
            ("2001:db8::1", 0x2001_0db8 ^ 1),
            ("1:2:3:4:5:6:7:8", 0x1_0002 ^ 0x3_0004 ^ 0x5_0006 ^ 0x7_0008),
        ] {
            assert_eq!(address(text.parse().unwrap()), hash, "{text}");
        }
    }

    /// No two hashes become one: else points of the ring could coincide.
    #[test]
    fn the_avalanche_loses_nothing() {
        let mut seen: Vec<u32> = (0..1 << 20).map(avalanche).collect();
        seen.sort_unstable();
        assert!(seen.windows(2).all(|w| w[0] != w[1]));
    }
}
