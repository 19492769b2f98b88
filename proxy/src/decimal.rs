//! Short decimal numbers, and addresses made of them, straight into a buffer: they are in every request and every line.

use std::net::Ipv4Addr;

/// Appends `value` and the byte that follows it.
#[inline]
pub(crate) fn push_then(out: &mut Vec<u8>, value: u64, after: u8) {
    // Most numbers of a line have one digit.
    match u8::try_from(value) {
        Ok(digit @ 0..=9) => push_word(out, u64::from(u16::from_le_bytes([b'0' + digit, after])), 2),
        _ => push_several_then(out, value, after),
    }
}

/// Nearly all others have up to six.
#[inline(never)]
fn push_several_then(out: &mut Vec<u8>, value: u64, after: u8) {
    if let Some((digits, count)) = triple(value) {
        return push_word(out, digits | u64::from(after) << (8 * count), count + 1);
    }
    let (Some((high, count)), Some((low, shown))) = (triple(value / 1000), triple(value % 1000)) else {
        return push_long_then(out, value, after);
    };
    // The lower three with their zeros.
    let zeros = 8 * (3 - shown);
    let low = low << zeros | 0x30_30_30 & ((1 << zeros) - 1);
    let word = high | low << (8 * count) | u64::from(after) << (8 * (count + 3));
    push_word(out, word, count + 4);
}

/// The digits of a number of up to three, the first one lowest, and how many there are.
#[inline]
fn triple(value: u64) -> Option<(u64, usize)> {
    let entry = *TRIPLES.get(usize::try_from(value).ok()?)?;
    Some((u64::from(entry & 0xff_ff_ff), usize::from(entry.to_le_bytes()[3])))
}

/// Appends `value`, however large, and the byte that follows it.
#[cold]
fn push_long_then(out: &mut Vec<u8>, mut value: u64, after: u8) {
    let begin = out.len();
    out.push(after);
    loop {
        out.push(b'0' + u8::try_from(value % 10).unwrap_or(0));
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if let Some(written) = out.get_mut(begin..) {
        written.reverse();
    }
}

/// Appends an address.
#[inline]
pub(crate) fn push_ipv4(out: &mut Vec<u8>, address: Ipv4Addr) {
    push_ipv4_then(out, address, b'.');
    out.pop();
}

/// Appends an address and the byte that follows it.
#[inline]
pub(crate) fn push_ipv4_then(out: &mut Vec<u8>, address: Ipv4Addr, after: u8) {
    for octet in address.octets() {
        push_word(out, OCTETS[usize::from(octet)], octet_bytes(octet));
    }
    if let Some(last) = out.last_mut() {
        *last = after;
    }
}

/// Appends the low `bytes` bytes of `word`, at most 8, the lowest first. A whole word is written and its end taken back:
/// a copy of constant length is one store.
#[inline]
fn push_word(out: &mut Vec<u8>, word: u64, bytes: usize) {
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(out.len() + bytes - WORD);
}

/// For each octet its digits and a dot, the first one lowest.
static OCTETS: [u64; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < table.len() {
        let (mut word, mut rest) = (b'.' as u64, octet as u64);
        loop {
            word = word << 8 | (b'0' as u64 + rest % 10);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        table[octet] = word;
        octet += 1;
    }
    table
};

#[inline]
fn octet_bytes(octet: u8) -> usize {
    2 + usize::from(octet >= 10) + usize::from(octet >= 100)
}

const WORD: usize = size_of::<u64>();

/// For each number of up to three digits these, the first one lowest, and above them how many there are.
static TRIPLES: [u32; 1000] = {
    let mut table = [0; 1000];
    let mut number = 0;
    while number < table.len() {
        let (mut digits, mut count, mut rest) = (0_u32, 0, number as u32);
        loop {
            digits = digits << 8 | (b'0' as u32 + rest % 10);
            rest /= 10;
            count += 1;
            if rest == 0 {
                break;
            }
        }
        table[number] = digits | count << 24;
        number += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_std_writes_them(value in any::<u64>(), shift in 0_u32..64) {
            let value = value >> shift;
            let mut out = b"before".to_vec();
            push_then(&mut out, value, b'/');
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("before{value}/"));
        }

        #[test]
        fn addresses_are_written_as_std_writes_them(address in any::<Ipv4Addr>()) {
            let mut out = Vec::new();
            push_ipv4_then(&mut out, address, b':');
            push_ipv4(&mut out, address);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{address}:{address}"));
        }
    }

    #[test]
    fn numbers_at_the_edges() {
        for value in [0, 9, 10, 99, 100, 999, 1000, 1009, 9999, 10_000, 999_999, 1_000_000, u64::MAX] {
            let mut out = Vec::new();
            push_then(&mut out, value, b' ');
            assert_eq!(String::from_utf8(out).unwrap(), format!("{value} "));
        }
    }
}
