//! Byte classes of the HTTP grammar, as one table.

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

/// Whether `bytes` may stand in a field value: no control byte but HTAB, no DEL (RFC 9110 §5.5).
///
/// Eight bytes at a time: values are most of a head, and all but a few hold neither.
#[inline]
pub(super) fn is_field_value(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else { return all(bytes, VALUE) };
    let (words, _) = bytes.as_chunks::<8>();
    for word in words {
        if has_control(u64::from_ne_bytes(*word)) && !all(word, VALUE) {
            return false;
        }
    }
    // The last word overlaps the one before it, which is cheaper than looking at single bytes.
    !has_control(u64::from_ne_bytes(*last)) || all(last, VALUE)
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

/// Whether one of the eight bytes is below 0x20 or 0x7f: subtracting borrows into the top bit of such a byte only.
#[inline]
const fn has_control(word: u64) -> bool {
    let below_space = word.wrapping_sub(splat(0x20)) & !word;
    let del = word ^ splat(0x7f);
    let del = del.wrapping_sub(splat(0x01)) & !del;
    (below_space | del) & splat(0x80) != 0
}

const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
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
    fn the_word_test_agrees_with_the_table_for_every_byte_at_every_place() {
        for b in 0..=255_u8 {
            for at in 0..19 {
                let mut line = *b"a value of 19 bytes";
                line[at] = b;
                assert_eq!(is_field_value(&line), is(b, VALUE), "byte {b:#04x} at {at}");
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
