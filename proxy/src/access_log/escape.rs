//! Bytes of strangers in log lines: nothing a client or server sends can end a line, leave its quotes, or hide text.

/// Where the bytes are put, which decides what has a meaning there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between double quotes: the request line.
    Quoted,
    /// Between braces and bars: captured fields.
    Captured,
    /// Between spaces: names, cookies.
    Word,
    /// To the end of the line: text of our own with parts of others in it.
    Free,
    /// Between the double quotes of a format, whatever reads it.
    Inner,
    /// Anywhere else in a format.
    Bare,
}

/// Appends `bytes`; what has a meaning in `place` and all that is not printable ASCII becomes `#XX`, as HAProxy
/// writes it. `#` itself is escaped, so the line can be read back without doubt.
#[inline]
pub(super) fn push_hash_escaped(out: &mut Vec<u8>, bytes: &[u8], place: Place) {
    if is_plain(bytes) { out.extend_from_slice(bytes) } else { push_with_escapes(out, bytes, place) }
}

pub(super) fn push_with_escapes(out: &mut Vec<u8>, bytes: &[u8], place: Place) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&b| needs_hash(b, place)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&special, tail)) = tail.split_first() else { return };
        out.push(b'#');
        push_hex(out, special);
        rest = tail;
    }
    out.extend_from_slice(rest);
}

/// The same, and a backslash becomes `#5C` wherever it stands.
pub(super) fn push_guarded(out: &mut Vec<u8>, bytes: &[u8], place: Place) {
    for &byte in bytes {
        if needs_hash(byte, place) || byte == b'\\' {
            out.push(b'#');
            push_hex(out, byte);
        } else {
            out.push(byte);
        }
    }
}

/// The same as [`push_hash_escaped`] with HAProxy's flag `+E`: `"`, `\` and `]` that are not escaped like that get a backslash (RFC 5424 §6.3.3).
pub(super) fn push_backslashed(out: &mut Vec<u8>, bytes: &[u8], place: Place) {
    for &byte in bytes {
        if needs_hash(byte, place) {
            out.push(b'#');
            push_hex(out, byte);
        } else {
            if matches!(byte, b'"' | b'\\' | b']') {
                out.push(b'\\');
            }
            out.push(byte);
        }
    }
}

/// Appends `bytes` as the inside of a JSON string (RFC 8259 §7). What is not UTF-8 becomes U+FFFD.
pub(super) fn push_json_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let plain = |b: &u8| (b' '..=b'~').contains(b) && *b != b'"' && *b != b'\\';
    if bytes.iter().all(plain) {
        return out.extend_from_slice(bytes);
    }
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_json_char(out, c);
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn push_json_char(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        ' '..='~' => out.push(u8::try_from(c).unwrap_or(b'?')),
        // Control characters of both blocks, and the separators that some readers take for the end of a line.
        '\0'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {
            out.extend_from_slice(b"\\u");
            let code = u32::from(c);
            push_hex(out, u8::try_from(code >> 8).unwrap_or(0));
            push_hex(out, u8::try_from(code & 0xff).unwrap_or(0));
        }
        _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Whether a name stands for itself in every kind of line.
pub(crate) fn is_loggable(name: &[u8]) -> bool {
    is_plain(name)
}

/// Whether all of `bytes` stand for themselves wherever they are put: `$` to `z`, which is nearly everything. Eight at a
/// time; the last eight overlap those before them.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let Some(end) = bytes.last_chunk::<8>() else { return bytes.iter().all(|b| PLAIN.contains(b)) };
    let words = bytes.as_chunks::<8>().0.iter().chain([end]);
    words.into_iter().fold(0, |others, word| others | others_than_plain(u64::from_le_bytes(*word))) == 0
}

/// Not 0 if a byte of `word` is not plain. A subtraction that borrows from the next byte does so because there is one.
#[inline]
const fn others_than_plain(word: u64) -> u64 {
    let below = word.wrapping_sub(splat(*PLAIN.start())) & !word;
    let above = ((word & splat(0x7f)) + splat(0x7f - *PLAIN.end())) | word;
    (below | above) & splat(0x80)
}

const fn splat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const PLAIN: std::ops::RangeInclusive<u8> = b'$'..=b'z';

fn needs_hash(byte: u8, place: Place) -> bool {
    SPECIAL.get(usize::from(byte)).is_none_or(|places| places & (1 << place as u8) != 0)
}

/// For each byte the places, as bits, where it has to be escaped. A table, because lines are long and most bytes plain.
const SPECIAL: [u8; 256] = {
    let formats = 1 << Place::Inner as u8 | 1 << Place::Bare as u8;
    let all = 1 << Place::Quoted as u8
        | 1 << Place::Captured as u8
        | 1 << Place::Word as u8
        | 1 << Place::Free as u8
        | formats;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        if byte < 0x20 || byte >= 0x7f {
            table[byte] = all;
        }
        byte += 1;
    }
    table[b'#' as usize] = all & !(1 << Place::Free as u8);
    table[b'"' as usize] = 1 << Place::Quoted as u8 | 1 << Place::Captured as u8 | formats;
    table[b'\\' as usize] = formats;
    table[b' ' as usize] = 1 << Place::Word as u8 | 1 << Place::Bare as u8;
    table[b'{' as usize] = 1 << Place::Captured as u8 | 1 << Place::Bare as u8;
    table[b'|' as usize] = 1 << Place::Captured as u8 | 1 << Place::Bare as u8;
    table[b'}' as usize] = 1 << Place::Captured as u8 | 1 << Place::Bare as u8;
    table
};

pub(super) fn push_hex(out: &mut Vec<u8>, byte: u8) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
    out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
}
