//! The handshake of a WebSocket over HTTP/1.1 (RFC 6455 §4), for the side of an extended CONNECT (RFC 8441) that has none.

/// Appends the value of `Sec-WebSocket-Key` made of `nonce`.
pub fn write_key(out: &mut Vec<u8>, nonce: &[u8; 16]) {
    write_base64(out, nonce);
}

/// Appends the value of `Sec-WebSocket-Accept` that answers `key` (RFC 6455 §4.2.2).
pub fn write_accept(out: &mut Vec<u8>, key: &[u8]) {
    write_base64(out, &sha1(&[key, GUID].concat()));
}

/// RFC 4648 §4.
pub(crate) fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0_u32, |bits, (i, b)| bits | u32::from(*b) << (16 - 8 * i));
        for at in 0..4_u32 {
            let digit = BASE64[(bits >> (18 - 6 * at)) as usize & 63];
            out.push(if at as usize <= group.len() { digit } else { b'=' });
        }
    }
}

/// FIPS 180-4 §6.1. It proves here that the peer has read the key, and is what operators know certificates by; it protects
/// nothing.
pub(crate) fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() <= 8 {
        padded.resize(padded.len() + 64, 0);
    }
    let bits = message.len() as u64 * 8;
    let end = padded.len() - 8;
    padded[end..].copy_from_slice(&bits.to_be_bytes());
    let state = padded.chunks_exact(64).fold(START, round);
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn round(state: [u32; 5], block: &[u8]) -> [u32; 5] {
    let mut words = [0_u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    for at in 16..80 {
        words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = state;
    for (at, word) in words.iter().enumerate() {
        let (mixed, constant) = match at / 20 {
            0 => (b & c | !b & d, 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => (b & c | b & d | c & d, 0x8f1b_bcdc_u32),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next.wrapping_add(*word));
    }
    let ended = [a, b, c, d, e];
    std::array::from_fn(|i| state[i].wrapping_add(ended[i]))
}

/// FIPS 180-4 §5.3.1.
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// RFC 3174 §7.3, and the lengths around which the padding takes another block.
    #[test]
    fn digests_are_those_of_the_standard() {
        for (message, digest) in [
            (b"".to_vec(), "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc".to_vec(), "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
            ),
            (vec![b'a'; 1_000_000], "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
            (vec![b'a'; 55], "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
            (vec![b'a'; 56], "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
            (vec![b'a'; 63], "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
            (vec![b'a'; 64], "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
        ] {
            assert_eq!(hex(&sha1(&message)), digest, "{} bytes", message.len());
        }
    }

    /// RFC 6455 §1.3.
    #[test]
    fn an_answer_is_that_of_the_example() {
        let mut answer = Vec::new();
        write_accept(&mut answer, b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(answer.escape_ascii().to_string(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut key = Vec::new();
        write_key(&mut key, b"the sample nonce");
        assert_eq!(key.escape_ascii().to_string(), "dGhlIHNhbXBsZSBub25jZQ==");
    }
}
