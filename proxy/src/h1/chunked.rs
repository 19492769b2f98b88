//! The chunked transfer coding (RFC 9112 §7.1), checked and relayed in the buffer it was read into.
//!
//! [`Chunked::filter`] moves what shall be passed on to the front of the buffer. In the usual case nothing moves: data and
//! chunk sizes stay where they are and go out in the same write. Chunk extensions are dropped (§7.1.1 lets a recipient
//! ignore them), and so are trailer fields that have no business there.

use super::class::{self, HEX, TCHAR, VALUE};
use super::field;

/// What is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Chunks and trailers, cleaned: to a recipient of HTTP/1.1.
    Chunks,
    /// The data alone: to a recipient of HTTP/1.0, which has no chunks, or to another framing.
    Data,
}

/// What became of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filtered {
    /// Bytes at the front of the buffer to pass on.
    pub kept: usize,
    /// Bytes of the input that are done with. The rest is the start of a line that has to be offered again with more
    /// behind it or, after `done`, does not belong to this message.
    pub consumed: usize,
    /// The last byte of the message was among them.
    pub done: bool,
}

/// Why bytes are not in the chunked coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A line ends in a bare LF, or data is not followed by CRLF.
    #[error("chunk line not ended by CRLF")]
    LineEnd,
    /// Not `1*HEXDIG`, or 2^32 and more.
    #[error("malformed chunk size")]
    Size,
    /// Malformed chunk extension.
    #[error("malformed chunk extension")]
    Extension,
    /// Malformed trailer field.
    #[error("malformed trailer")]
    Trailer,
    /// A line, or all extensions or trailers of a message together, are longer than anything real.
    #[error("chunk line or trailers too long")]
    TooLong,
}

/// Progress through one chunked message.
#[derive(Debug, Clone)]
pub struct Chunked {
    at: At,
    output: Output,
    /// Bytes of extensions and trailers this message may still carry.
    overhead_left: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The start of a size line.
    Size,
    /// Inside the data, so many bytes before its end; at least 1.
    Data(u64),
    /// The CRLF after the data.
    DataEnd,
    /// The start of a trailer line or of the empty line at the end.
    Trailer,
    Done,
}

/// A read and a write position in one buffer; what is kept moves down only once something was dropped.
struct Cursor<'a> {
    buf: &'a mut [u8],
    read: usize,
    kept: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &[u8] {
        self.buf.get(self.read..).unwrap_or_default()
    }

    fn keep(&mut self, n: usize) {
        if self.kept != self.read {
            self.buf.copy_within(self.read..self.read + n, self.kept);
        }
        self.kept += n;
        self.read += n;
    }

    fn skip(&mut self, n: usize) {
        self.read += n;
    }

    fn put(&mut self, n: usize, output: Output) {
        match output {
            Output::Chunks => self.keep(n),
            Output::Data => self.skip(n),
        }
    }

    /// The next line without its CRLF. `None`: not all there.
    fn line(&self) -> Result<Option<&[u8]>, ChunkError> {
        let rest = self.rest();
        match memchr::memchr(b'\n', rest.get(..LONGEST_LINE).unwrap_or(rest)) {
            Some(lf) => match rest[..lf] {
                [.., b'\r'] => Ok(Some(&rest[..lf - 1])),
                _ => Err(ChunkError::LineEnd),
            },
            None if rest.len() < LONGEST_LINE => Ok(None),
            None => Err(ChunkError::TooLong),
        }
    }
}

impl Chunked {
    /// At the start of a chunked message.
    pub const fn new(output: Output) -> Self {
        Self { at: At::Size, output, overhead_left: MOST_OVERHEAD }
    }

    /// Whether the whole message went through.
    pub fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Bytes to come that are data and nothing else, whatever they are.
    #[inline]
    pub const fn plain(&self) -> u64 {
        match self.at {
            At::Data(left) => left,
            At::Size | At::DataEnd | At::Trailer | At::Done => 0,
        }
    }

    /// Takes note of data that has passed unseen: at most [`Chunked::plain`].
    pub fn pass(&mut self, bytes: u64) {
        if let At::Data(left) = self.at {
            self.at = Self::after(left, bytes);
        }
    }

    /// Checks the next bytes of the message and moves what is passed on to the front of `buf`.
    ///
    /// # Errors
    /// The message is broken and its connection with it; what was kept before is lost.
    pub fn filter(&mut self, buf: &mut [u8]) -> Result<Filtered, ChunkError> {
        let mut cursor = Cursor { buf, read: 0, kept: 0 };
        while self.at != At::Done && self.step(&mut cursor)? {}
        Ok(Filtered { kept: cursor.kept, consumed: cursor.read, done: self.is_done() })
    }

    /// One element. `false`: more bytes are needed.
    fn step(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, ChunkError> {
        match self.at {
            At::Size => self.size_line(cursor),
            At::Data(left) => Ok(self.data(left, cursor)),
            At::DataEnd => self.data_end(cursor),
            At::Trailer => self.trailer_line(cursor),
            At::Done => Ok(false),
        }
    }

    /// RFC 9112 §7.1: `chunk-size [ chunk-ext ] CRLF`.
    fn size_line(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, ChunkError> {
        let Some(line) = cursor.line()? else {
            // What can never become a size line is refused before its end is in sight.
            return match cursor.rest() {
                [first, ..] if !class::is(*first, HEX) => Err(ChunkError::Size),
                _ => Ok(false),
            };
        };
        let digits = line.iter().position(|b| !class::is(*b, HEX)).unwrap_or(line.len());
        let size = chunk_size(&line[..digits])?;
        let extension = line.len() - digits;
        check_extension(&line[digits..])?;
        self.spend(extension)?;
        cursor.put(digits, self.output);
        cursor.skip(extension);
        cursor.put(2, self.output);
        self.at = if size == 0 { At::Trailer } else { At::Data(size) };
        Ok(true)
    }

    fn data(&mut self, left: u64, cursor: &mut Cursor<'_>) -> bool {
        let here = cursor.rest().len();
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(here);
        cursor.keep(n);
        // A usize is never wider than a u64 here.
        self.at = Self::after(left, n as u64);
        n > 0
    }

    /// Where `bytes` of the `left` bytes of data lead to.
    fn after(left: u64, bytes: u64) -> At {
        match left.saturating_sub(bytes) {
            0 => At::DataEnd,
            left => At::Data(left),
        }
    }

    fn data_end(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, ChunkError> {
        match cursor.rest() {
            [b'\r', b'\n', ..] => {
                cursor.put(2, self.output);
                self.at = At::Size;
                Ok(true)
            }
            [] | [b'\r'] => Ok(false),
            _ => Err(ChunkError::LineEnd),
        }
    }

    /// RFC 9112 §7.1.2: field lines, then an empty line.
    fn trailer_line(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, ChunkError> {
        let Some(line) = cursor.line()? else { return Ok(false) };
        let len = line.len() + 2;
        if line.is_empty() {
            cursor.put(len, self.output);
            self.at = At::Done;
            return Ok(true);
        }
        let colon = memchr::memchr(b':', line).ok_or(ChunkError::Trailer)?;
        let name = &line[..colon];
        if !class::is_token(name) || !class::is_field_value(&line[colon + 1..]) {
            return Err(ChunkError::Trailer);
        }
        let forbidden = field::is_forbidden_in_trailers(name);
        self.spend(len)?;
        if forbidden {
            cursor.skip(len)
        } else {
            cursor.put(len, self.output)
        }
        Ok(true)
    }

    fn spend(&mut self, n: usize) -> Result<(), ChunkError> {
        self.overhead_left = self.overhead_left.checked_sub(n).ok_or(ChunkError::TooLong)?;
        Ok(())
    }
}

/// Puts content into chunks that came without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunker {
    /// Nothing has been written.
    First,
    /// The data of a chunk has; its line end has not.
    Inside,
}

impl Chunker {
    /// Appends what goes before the next `bytes` bytes of data, at least 1.
    pub fn begin(&mut self, out: &mut Vec<u8>, bytes: usize) {
        if *self == Self::Inside {
            out.extend_from_slice(b"\r\n");
        }
        let digits = (usize::BITS - bytes.leading_zeros()).div_ceil(4);
        for at in (0..digits).rev() {
            let digit = (bytes >> (at * 4)) & 0xf;
            out.push(b"0123456789abcdef"[digit]);
        }
        out.extend_from_slice(b"\r\n");
        *self = Self::Inside;
    }

    /// Appends what goes after all data.
    pub fn end(self, out: &mut Vec<u8>) {
        if self == Self::Inside {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
    }
}

/// RFC 9112 §7.1: `1*HEXDIG`, and a recipient must expect large numerals. What does not fit 32 bits is refused: no sender
/// makes such chunks, and a server that counts in 32 bits would see a short one.
fn chunk_size(digits: &[u8]) -> Result<u64, ChunkError> {
    if digits.is_empty() || digits.len() > 16 {
        return Err(ChunkError::Size);
    }
    let value = digits.iter().fold(0_u64, |n, d| {
        let digit = if d.is_ascii_digit() { d - b'0' } else { (d | 0x20) - b'a' + 10 };
        (n << 4) | u64::from(digit)
    });
    u32::try_from(value).map(u64::from).map_err(|_| ChunkError::Size)
}

/// RFC 9112 §7.1.1: `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
fn check_extension(mut rest: &[u8]) -> Result<(), ChunkError> {
    while !rest.is_empty() {
        rest = skip_blanks(rest).strip_prefix(b";").ok_or(ChunkError::Extension)?;
        rest = skip_token(skip_blanks(rest))?;
        if let Some(value) = skip_blanks(rest).strip_prefix(b"=") {
            let value = skip_blanks(value);
            rest = match value {
                [b'"', quoted @ ..] => skip_quoted(quoted)?,
                _ => skip_token(value)?,
            };
        }
    }
    Ok(())
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let n = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    &bytes[n..]
}

fn skip_token(bytes: &[u8]) -> Result<&[u8], ChunkError> {
    match bytes.iter().take_while(|b| class::is(**b, TCHAR)).count() {
        0 => Err(ChunkError::Extension),
        n => Ok(&bytes[n..]),
    }
}

/// RFC 9110 §5.6.4, after the opening quote.
fn skip_quoted(mut bytes: &[u8]) -> Result<&[u8], ChunkError> {
    loop {
        bytes = match bytes {
            [b'"', rest @ ..] => return Ok(rest),
            [b'\\', escaped, rest @ ..] if class::is(*escaped, VALUE) => rest,
            [plain, rest @ ..] if *plain != b'\\' && class::is(*plain, VALUE) => rest,
            _ => return Err(ChunkError::Extension),
        };
    }
}

/// A size line with its extensions, or one trailer field. Nobody sends longer ones; an attacker would make us keep them.
const LONGEST_LINE: usize = 4096;

/// All extensions and trailers of one message together (RFC 9112 §7.1.1 asks for such a limit).
const MOST_OVERHEAD: usize = 16 * 1024;

#[cfg(test)]
mod tests;
