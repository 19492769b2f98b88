//! Byte classes of the HTTP grammar, as one table, and by many bytes at once where they are many.

use wide::u8x16;

/// RFC 9110 §5.6.2: `tchar`, the bytes of methods, field names and other tokens.
pub(super) const TCHAR: u8 = 1;
/// Bytes of a request target: visible ASCII without `#`, which starts a fragment and is never sent (RFC 9112 §3.2).
pub(super) const TARGET: u8 = 2;
/// Bytes of a registered name or IPv4 address in `Host` (RFC 3986 §3.2.2): unreserved, sub-delims, `%`.
pub(super) const REG_NAME: u8 = 4;
/// RFC 9110 §5.5: bytes of a field value, including the blanks inside it.
pub(super) const VALUE: u8 = 8;
/// Hexadecimal digits.
pub(super) const HEX: u8 = 16;

/// Whether `byte` belongs to one of `classes`.
#[inline]
pub(super) const fn is(byte: u8, classes: u8) -> bool {
    TABLE[byte as usize] & classes != 0
}

/// Whether every byte belongs to one of `classes`.
#[inline]
pub(super) fn all(bytes: &[u8], classes: u8) -> bool {
    bytes.iter().all(|b| is(*b, classes))
}

/// Where the text of a field value that starts at `at` ends: at the first byte that may not stand in one (RFC 9110 §5.5:
/// a control byte other than HTAB, or DEL), or at the end of `bytes`.
///
/// Sixteen bytes at a time: values are most of a head, and all but a few hold no control byte before their CR.
#[inline]
pub(super) fn text_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let controls = look(bytes, at, controls);
        if controls == 0 {
            at += LANES;
            continue;
        }
        at += controls.trailing_zeros() as usize;
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// Whether `bytes` may stand in a field value.
#[inline]
pub(super) fn is_field_value(bytes: &[u8]) -> bool {
    if bytes.len() < LANES { all(bytes, VALUE) } else { text_end(bytes, 0) == bytes.len() }
}

/// Whether `token`, of which every byte is a `tchar`, is `lower` in any case. `lower` has at least four bytes, or two.
///
/// Setting one bit makes a letter lower case and leaves `-` and digits alone; what else it would make into one of these
/// is no `tchar`.
#[inline]
pub(super) fn is_spelled(token: &[u8], lower: &[u8]) -> bool {
    if token.len() != lower.len() {
        return false;
    }
    let same4 = |a: &[u8; 4], b: &[u8; 4]| u32::from_ne_bytes(*a) | 0x2020_2020 == u32::from_ne_bytes(*b);
    let (Some(token_end), Some(lower_end)) = (token.last_chunk(), lower.last_chunk()) else {
        return token.eq_ignore_ascii_case(lower);
    };
    // The last four bytes overlap those before them.
    let words = token.as_chunks().0.iter().zip(lower.as_chunks().0);
    same4(token_end, lower_end) && words.into_iter().all(|(a, b)| same4(a, b))
}

/// How many bytes at the front belong to `classes`.
#[inline]
pub(super) fn run(bytes: &[u8], classes: u8) -> usize {
    let mut n = 0;
    while n < bytes.len() && is(bytes[n], classes) {
        n += 1;
    }
    n
}

/// How many bytes at the front are `tchar`, as [`run`] says, but sixteen letters or `-` at a time, which is what names are
/// made of.
#[inline]
pub(super) fn token_run(bytes: &[u8]) -> usize {
    let mut n = 0;
    loop {
        let others = look(bytes, n, others);
        if others == 0 {
            n += LANES;
            continue;
        }
        n += others.trailing_zeros() as usize;
        return n + run(bytes.get(n..).unwrap_or_default(), TCHAR);
    }
}

/// A token that is not empty (RFC 9110 §5.6.2).
#[inline]
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, TCHAR)
}

/// `bytes` without the blanks around it: OWS of RFC 9110 §5.6.3, which is SP and HTAB and nothing else.
#[inline]
pub(super) fn trim_ows(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// How many bytes are looked at at once.
const LANES: usize = 16;

/// What `test` says of the bytes from `at` on, and a bit for every place behind the last.
#[inline]
fn look(bytes: &[u8], at: usize, test: impl Fn(u8x16) -> u32) -> u32 {
    let rest = bytes.get(at..).unwrap_or_default();
    if let Some(chunk) = rest.first_chunk() {
        return test(u8x16::new(*chunk));
    }
    let behind = u32::MAX << rest.len();
    match bytes.last_chunk() {
        Some(end) => behind | test(u8x16::new(*end)) >> (LANES - rest.len()),
        None => {
            let mut padded = [0; LANES];
            padded[..rest.len()].copy_from_slice(rest);
            behind | test(u8x16::new(padded))
        }
    }
}

/// A bit for every byte that is below 0x20 or 0x7f, the lowest for the first.
#[inline]
fn controls(bytes: u8x16) -> u32 {
    let below_space = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
    (below_space | bytes.simd_eq(u8x16::splat(0x7f))).to_bitmask()
}

/// A bit for every byte that is neither an ASCII letter nor `-`, the lowest for the first.
#[inline]
fn others(bytes: u8x16) -> u32 {
    let letter = (bytes | u8x16::splat(0x20)) - u8x16::splat(b'a');
    let is_letter = letter.min(u8x16::splat(b'z' - b'a')).simd_eq(letter);
    !(is_letter | bytes.simd_eq(u8x16::splat(b'-'))).to_bitmask() & 0xffff
}

const TABLE: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = classes_of(b as u8);
        b += 1;
    }
    table
};

const fn classes_of(b: u8) -> u8 {
    let mut classes = 0;
    let alnum = b.is_ascii_alphanumeric();
    if alnum
        || matches!(b, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
        || matches!(b, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
    {
        classes |= TCHAR;
    }
    if b.is_ascii_graphic() && b != b'#' {
        classes |= TARGET;
    }
    if alnum
        || matches!(b, b'-' | b'.' | b'_' | b'~' | b'%')
        || matches!(b, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
    {
        classes |= REG_NAME;
    }
    if b == b'\t' || (b >= 0x20 && b != 0x7f) {
        classes |= VALUE;
    }
    if b.is_ascii_hexdigit() {
        classes |= HEX;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_of_many_agrees_with_the_table_for_every_byte_at_every_place() {
        for b in 0..=255_u8 {
            for at in 0..35 {
                let mut line = *b"a value of more bytes than twice 16";
                line[at] = b;
                assert_eq!(is_field_value(&line), is(b, VALUE), "byte {b:#04x} at {at}");
                assert_eq!(text_end(&line, 0), if is(b, VALUE) { line.len() } else { at });
            }
        }
    }

    #[test]
    fn tokens_end_alike_by_many_and_by_one() {
        for b in 0..=255_u8 {
            for at in 0..35 {
                let mut name = *b"A-Field-Name-Of-More-Than-Twice-16-";
                name[at] = b;
                assert_eq!(token_run(&name), run(&name, TCHAR), "byte {b:#04x} at {at}");
            }
        }
    }

    #[test]
    fn spelling_ignores_case_and_nothing_else() {
        for lower in ["te", "host", "expect", "upgrade", "connection", "http2-settings", "transfer-encoding"]
        {
            let token = lower.to_ascii_uppercase().into_bytes();
            assert!(is_spelled(&token, lower.as_bytes()) && is_spelled(lower.as_bytes(), lower.as_bytes()));
            assert!(!is_spelled(&token[1..], lower.as_bytes()));
            for at in 0..token.len() {
                for b in (0..=255).filter(|b| is(*b, TCHAR)) {
                    let mut other = token.clone();
                    other[at] = b;
                    let same = b.eq_ignore_ascii_case(&token[at]);
                    assert_eq!(is_spelled(&other, lower.as_bytes()), same, "{lower} with {b:#04x} at {at}");
                }
            }
        }
    }

    #[test]
    fn only_space_and_tab_are_blanks() {
        for (raw, trimmed) in
            [(&b" \t a b \t"[..], &b"a b"[..]), (b"\x0ba\x0c", b"\x0ba\x0c"), (b" ", b""), (b"", b"")]
        {
            assert_eq!(trim_ows(raw), trimmed);
        }
    }
}
