//! Where frames begin in a stream of bytes (RFC 9113 §4.1), without looking at what is in them.

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// Bytes behind the head.
    pub len: u32,
    /// What it is.
    pub kind: Kind,
    /// Flags, whose meaning depends on the kind.
    pub flags: u8,
}

/// What a frame is (RFC 9113 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// §6.1.
    Data,
    /// §6.2.
    Headers,
    /// §6.3.
    Priority,
    /// §6.4.
    RstStream,
    /// §6.5.
    Settings,
    /// §6.7.
    Ping,
    /// §6.8.
    GoAway,
    /// §6.9.
    WindowUpdate,
    /// §6.10.
    Continuation,
    /// PUSH_PROMISE, and whatever extensions define.
    Other,
}

impl Kind {
    const fn of(code: u8) -> Self {
        match code {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::RstStream,
            4 => Self::Settings,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            _ => Self::Other,
        }
    }
}

impl FrameHead {
    /// END_STREAM of DATA and HEADERS, ACK of SETTINGS and PING.
    pub const fn has_first_flag(self) -> bool {
        self.flags & 1 != 0
    }
}

/// Follows one direction of a connection.
#[derive(Debug, Clone)]
pub struct Scanner {
    head: [u8; HEAD],
    /// Bytes of `head` that are there.
    have: usize,
    /// Bytes before the next head.
    skip: usize,
}

impl Scanner {
    /// At a place `skip` bytes before the first frame.
    pub const fn new(skip: usize) -> Self {
        Self { head: [0; HEAD], have: 0, skip }
    }

    /// Takes the next bytes. `each` is called for every frame that begins in them.
    #[inline]
    pub fn scan(&mut self, mut bytes: &[u8], mut each: impl FnMut(FrameHead)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            let taken = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have < HEAD {
                return;
            }
            let [a, b, c, kind, flags, ..] = self.head;
            let len = u32::from_be_bytes([0, a, b, c]);
            (self.have, self.skip) = (0, len as usize);
            each(FrameHead { len, kind: Kind::of(kind), flags });
        }
    }
}

/// RFC 9113 §4.1.
const HEAD: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_the_bytes_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend_from_slice(b"\0\0\0\x04\0\0\0\0\0");
        bytes.extend_from_slice(b"\0\0\x03\0\x01\0\0\0\x01abc");
        bytes.extend_from_slice(b"\0\0\x01\xfa\0\0\0\0\0x");
        bytes.extend_from_slice(b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08");
        let head = |len, kind, flags| FrameHead { len, kind, flags };
        let expected = [
            head(0, Kind::Settings, 0),
            head(3, Kind::Data, 1),
            head(1, Kind::Other, 0),
            head(4, Kind::RstStream, 0),
        ];
        for step in 1..bytes.len() {
            let (mut scanner, mut found) = (Scanner::new(24), Vec::new());
            for piece in bytes.chunks(step) {
                scanner.scan(piece, |frame| found.push(frame));
            }
            assert_eq!(found, expected, "{step}");
        }
    }
}
