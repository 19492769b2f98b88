//! Content and trailers out of chunks, for a protocol with frames of its own.
//!
//! The input is what [`crate::h1::chunked`] has checked and passed on, or what [`crate::h1::chunked::Chunker`] has
//! written: sizes without extensions, lines ended by CRLF, trailers that may be there.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// Progress through one chunked message.
#[derive(Debug, Default)]
pub struct Dechunker {
    at: At,
    /// A line of which the end is still to come.
    line: Vec<u8>,
    trailers: HeaderMap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// In a size line.
    #[default]
    Size,
    /// So many bytes before the end of the data.
    Data(u64),
    /// In the line end behind the data.
    DataEnd,
    /// In a trailer line or the empty line at the end.
    Trailer,
    Done,
}

/// Not the chunks they were meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("broken chunks")]
pub struct Broken;

/// What is at the front of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// So many bytes of content, at least 1, until they are [taken](Dechunker::take).
    Data(usize),
    /// Nothing: more input is needed.
    More,
    /// The end of the message. Any input left is not part of it.
    End,
}

impl Dechunker {
    /// Whether the message has ended.
    pub fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Skips what is not content at the front of `input`, and says what is there then.
    ///
    /// # Errors
    /// A size, a line end or a trailer that is none.
    pub fn advance(&mut self, input: &mut &[u8]) -> Result<Next, Broken> {
        loop {
            match self.at {
                At::Done => return Ok(Next::End),
                _ if input.is_empty() => return Ok(Next::More),
                At::Data(left) => {
                    return Ok(Next::Data(usize::try_from(left).unwrap_or(usize::MAX).min(input.len())));
                }
                At::Size | At::DataEnd | At::Trailer => {
                    if !self.read_line(input)? {
                        return Ok(Next::More);
                    }
                    self.handle_line()?;
                    self.line.clear();
                }
            }
        }
    }

    /// `bytes` of the content that was there have been used.
    pub fn take(&mut self, bytes: usize) {
        if let At::Data(left) = self.at {
            // A usize fits a u64 on every target this crate runs on.
            let left = left.saturating_sub(bytes as u64);
            self.at = if left == 0 { At::DataEnd } else { At::Data(left) };
        }
    }

    /// The trailers, once the message has ended.
    pub fn take_trailers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.trailers)
    }

    /// Moves a line into `line`, without its end. `false`: it is not all there.
    fn read_line(&mut self, input: &mut &[u8]) -> Result<bool, Broken> {
        let Some(lf) = memchr::memchr(b'\n', input) else {
            self.line.extend_from_slice(input);
            *input = &[];
            return if self.line.len() > LONGEST_LINE { Err(Broken) } else { Ok(false) };
        };
        let (line, rest) = input.split_at(lf + 1);
        self.line.extend_from_slice(&line[..lf]);
        *input = rest;
        if self.line.pop() == Some(b'\r') { Ok(true) } else { Err(Broken) }
    }

    fn handle_line(&mut self) -> Result<(), Broken> {
        self.at = match self.at {
            At::Size => match size(&self.line)? {
                0 => At::Trailer,
                size => At::Data(size),
            },
            At::DataEnd if self.line.is_empty() => At::Size,
            At::Trailer if self.line.is_empty() => At::Done,
            At::Trailer => {
                let (name, value) = trailer(&self.line).ok_or(Broken)?;
                self.trailers.try_append(name, value).map_err(|_| Broken)?;
                At::Trailer
            }
            At::DataEnd | At::Data(_) | At::Done => return Err(Broken),
        };
        Ok(())
    }
}

fn size(line: &[u8]) -> Result<u64, Broken> {
    if line.is_empty() || line.len() > 16 {
        return Err(Broken);
    }
    line.iter().try_fold(0_u64, |size, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(Broken)?;
        Ok(size << 4 | u64::from(digit))
    })
}

fn trailer(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = memchr::memchr(b':', line)?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
    Some((name, value))
}

/// Longer than any line the HTTP/1.1 path lets pass.
const LONGEST_LINE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything a message comes to, read in pieces of `step` bytes.
    fn read(message: &[u8], step: usize) -> Result<(Vec<u8>, Vec<String>, bool), Broken> {
        let mut chunks = Dechunker::default();
        let mut data = Vec::new();
        for mut input in message.chunks(step) {
            while let Next::Data(n) = chunks.advance(&mut input)? {
                data.extend_from_slice(&input[..n]);
                input = &input[n..];
                chunks.take(n);
            }
        }
        let trailers = chunks.take_trailers();
        let trailers = trailers.iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap())).collect();
        Ok((data, trailers, chunks.is_done()))
    }

    #[test]
    fn a_message_is_the_same_however_it_is_cut() {
        let message = b"4\r\nwiki\r\nB\r\npedia in \r\n\r\n0\r\nGrpc-Status: 0\r\nx: a b \r\n\r\n";
        for step in 1..message.len() {
            let (data, trailers, done) = read(message, step).unwrap();
            assert_eq!(data, b"wikipedia in \r\n", "{step}");
            assert_eq!(trailers, ["grpc-status=0", "x=a b"], "{step}");
            assert!(done);
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for message in [
            &b"\r\n"[..],
            b"g\r\n",
            b"1\nx",
            b"1\r\nxy\r\n",
            b"0\r\nnocolon\r\n\r\n",
            b"11111111111111111\r\n",
        ] {
            assert_eq!(read(message, 64), Err(Broken), "{}", message.escape_ascii());
        }
    }

    #[test]
    fn an_end_is_only_at_the_end() {
        for message in [&b""[..], b"1\r\n", b"1\r\nx\r\n", b"0\r\n"] {
            assert!(!read(message, 64).unwrap().2, "{}", message.escape_ascii());
        }
        assert!(read(b"0\r\n\r\n", 64).unwrap().2);
    }
}
