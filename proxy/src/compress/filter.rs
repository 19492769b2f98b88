//! Content of a response in, chunks of compressed content out.

use http::HeaderMap;

use super::Deflater;
use super::deflater::Stuck;
use crate::h1::forward::write_field;
use crate::h2::dechunk::{Broken, Dechunker, Next};

/// A response on its way through a compressor.
#[derive(Debug)]
pub struct Filter {
    deflater: Deflater,
    /// Present if the content comes in chunks.
    dechunker: Option<Dechunker>,
    /// Something may be inside that has not come out.
    dirty: bool,
    taken: u64,
    given: u64,
}

/// Why content does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The chunks are broken.
    #[error(transparent)]
    Chunks(#[from] Broken),
    /// The compressor is.
    #[error(transparent)]
    Stuck(#[from] Stuck),
}

/// How content comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// As it is.
    Plain,
    /// In chunks, perhaps with trailers behind them.
    Chunks,
}

impl Filter {
    /// Content of one response goes through `deflater`, which is at the start of a stream.
    pub fn new(deflater: Deflater, input: Input) -> Self {
        let dechunker = (input == Input::Chunks).then(Dechunker::default);
        Self { deflater, dechunker, dirty: false, taken: 0, given: 0 }
    }

    /// Takes content in and appends what comes out of it. `whole`: there is no more.
    ///
    /// # Errors
    /// Nothing more can be made of the response.
    pub fn push(&mut self, content: &[u8], whole: bool, out: &mut Vec<u8>) -> Result<(), FilterError> {
        let mark = out.len();
        self.take(content, out)?;
        if whole {
            self.deflater.finish(out)?;
            self.dirty = false;
        }
        self.frame(out, mark);
        if whole {
            let trailers = self.dechunker.as_mut().map(Dechunker::take_trailers).unwrap_or_default();
            end(out, &trailers);
        }
        Ok(())
    }

    /// Appends what has gone in and not come out: the client shall not wait for it when the server does nothing.
    ///
    /// # Errors
    /// Nothing more can be made of the response.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), FilterError> {
        if self.dirty {
            let mark = out.len();
            self.deflater.flush(out)?;
            self.dirty = false;
            self.frame(out, mark);
        }
        Ok(())
    }

    /// Whether [`Filter::flush`] would have something.
    pub const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Bytes of content that have gone in, and bytes that have come out, without what frames them.
    pub const fn bytes(&self) -> (u64, u64) {
        (self.taken, self.given)
    }

    /// The compressor, for another response.
    pub fn into_deflater(self) -> Deflater {
        self.deflater
    }

    fn take(&mut self, mut content: &[u8], out: &mut Vec<u8>) -> Result<(), FilterError> {
        let Some(dechunker) = &mut self.dechunker else {
            self.taken += content.len() as u64;
            self.dirty |= !content.is_empty();
            return Ok(self.deflater.push(content, out)?);
        };
        while let Next::Data(n) = dechunker.advance(&mut content)? {
            let (data, rest) = content.split_at_checked(n).ok_or(Broken)?;
            self.deflater.push(data, out)?;
            dechunker.take(n);
            content = rest;
            self.taken += n as u64;
            self.dirty = true;
        }
        Ok(())
    }

    /// Makes a chunk of what is behind `mark`, with its line end: there are clients that wait for it.
    fn frame(&mut self, out: &mut Vec<u8>, mark: usize) {
        let bytes = out.len() - mark;
        if bytes == 0 {
            return;
        }
        self.given += bytes as u64;
        drop(out.splice(mark..mark, format!("{bytes:x}\r\n").into_bytes()));
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends what goes after all chunks.
fn end(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        write_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
    use proptest::prelude::*;

    use super::super::Algo;
    use super::*;

    /// What a client makes of the chunks: content that has been decompressed, trailers, and whether all is there.
    fn read(algo: Algo, chunks: &[u8]) -> (Vec<u8>, HeaderMap, bool) {
        let (mut dechunker, mut rest, mut compressed) = (Dechunker::default(), chunks, Vec::new());
        while let Next::Data(n) = dechunker.advance(&mut rest).unwrap() {
            compressed.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
            dechunker.take(n);
        }
        assert_eq!(rest, b"", "something behind the end");
        let mut content = vec![0; 1 << 22];
        let mut decoder: Box<dyn Read> = match algo {
            Algo::Gzip => Box::new(GzDecoder::new(&*compressed)),
            Algo::Deflate => Box::new(ZlibDecoder::new(&*compressed)),
            Algo::RawDeflate => Box::new(DeflateDecoder::new(&*compressed)),
        };
        let mut n = 0;
        let whole = loop {
            match decoder.read(&mut content[n..]) {
                Ok(0) => break true,
                Ok(more) => n += more,
                Err(_) => break false,
            }
        };
        content.truncate(n);
        (content, dechunker.take_trailers(), whole && dechunker.is_done())
    }

    /// Content as chunks of these sizes, with a trailer.
    fn chunked(content: &[u8], size: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in content.chunks(size) {
            out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\nGrpc-Status: 0\r\n\r\n");
        out
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        let words = proptest::collection::vec(prop_oneof!["[a-c]{1,9}", "[ -~]{0,40}"], 0..400);
        prop_oneof![
            words.prop_map(|w| w.concat().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..40_000),
            (0..200_000usize).prop_map(|n| vec![b'x'; n]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// However content comes in and whenever it is flushed, the client gets the same.
        #[test]
        fn content_is_the_same_however_it_is_cut(
            content in content(),
            cuts in proptest::collection::vec((1..9000usize, any::<bool>()), 1..12),
            algo in prop_oneof![Just(Algo::Gzip), Just(Algo::Deflate), Just(Algo::RawDeflate)],
            level in 1..=9u8,
            chunk in proptest::option::of(1..5000usize),
        ) {
            let (input, how) = match chunk {
                Some(size) => (chunked(&content, size), Input::Chunks),
                None => (content.clone(), Input::Plain),
            };
            let mut filter = Filter::new(Deflater::new(algo, level), how);
            let (mut out, mut rest) = (Vec::new(), &*input);
            for (cut, flushed) in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                filter.push(now, later.is_empty(), &mut out).unwrap();
                rest = later;
                if rest.is_empty() {
                    break;
                }
                if *flushed {
                    filter.flush(&mut out).unwrap();
                    prop_assert!(!filter.is_dirty());
                }
            }
            let (got, trailers, whole) = read(algo, &out);
            prop_assert!(whole);
            prop_assert_eq!(&got, &content);
            prop_assert_eq!(trailers.len(), usize::from(how == Input::Chunks));
            prop_assert_eq!(filter.bytes().0, content.len() as u64);
        }

        /// What was flushed can be read without anything that comes later.
        #[test]
        fn what_is_flushed_can_be_read(content in content(), level in 1..=9u8) {
            let mut filter = Filter::new(Deflater::new(Algo::Gzip, level), Input::Plain);
            let mut out = Vec::new();
            filter.push(&content, false, &mut out).unwrap();
            filter.flush(&mut out).unwrap();
            prop_assert_eq!(read(Algo::Gzip, &out).0, content);
            let n = out.len();
            filter.flush(&mut out).unwrap();
            prop_assert_eq!(out.len(), n, "nothing more to flush");
        }
    }

    #[test]
    fn framing_is_plain() {
        let mut filter = Filter::new(Deflater::new(Algo::RawDeflate, 1), Input::Chunks);
        let mut out = b"head".to_vec();
        filter.push(b"3\r\nabc\r\n", false, &mut out).unwrap();
        filter.push(b"0\r\nA: b\r\n\r\n", true, &mut out).unwrap();
        assert_eq!(out, b"head5\r\nKLJ\x06\0\r\n0\r\na: b\r\n\r\n");
        assert_eq!(filter.bytes(), (3, 5));

        let mut filter = Filter::new(Deflater::new(Algo::Gzip, 1), Input::Chunks);
        let mut out = Vec::new();
        filter.push(b"0\r\n\r\n", true, &mut out).unwrap();
        assert!(
            out.starts_with(b"14\r\n\x1f\x8b") && out.ends_with(b"\r\n0\r\n\r\n"),
            "{}",
            out.escape_ascii()
        );
    }

    #[test]
    fn broken_chunks_end_it() {
        let mut filter = Filter::new(Deflater::new(Algo::Gzip, 1), Input::Chunks);
        assert_eq!(filter.push(b"x\r\n", false, &mut Vec::new()), Err(FilterError::Chunks(Broken)));
    }
}
