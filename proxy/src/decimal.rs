//! Short decimal numbers, and addresses made of them, straight into a buffer: they are in every request and every line.

use std::net::Ipv4Addr;

/// Appends `value` and the byte that follows it.
#[inline]
pub(crate) fn push_then(out: &mut Vec<u8>, value: u64, after: u8) {
    let Some(mut rest) = u32::try_from(value).ok().filter(|v| *v < SHORT) else {
        return push_long_then(out, value, after);
    };
    // Built from the last byte on, so that the first one comes to stand lowest.
    let (mut word, mut bytes) = (u64::from(after), 1);
    loop {
        word = word << 8 | u64::from(b'0') | u64::from(rest % 10);
        rest /= 10;
        bytes += 1;
        if rest == 0 {
            break;
        }
    }
    push_word(out, word, bytes);
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

/// Numbers below this, and one byte more, fit a word.
const SHORT: u32 = 10_000_000;

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
        for value in [0, 9, 10, u64::from(SHORT) - 1, u64::from(SHORT), u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            push_then(&mut out, value, b' ');
            assert_eq!(String::from_utf8(out).unwrap(), format!("{value} "));
        }
    }
}
