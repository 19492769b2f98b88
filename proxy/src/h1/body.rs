//! Progress through the content of one message, whatever delimits it.

use super::chunked::{ChunkError, Chunked, Filtered, Output};
use super::framing::BodyFraming;

/// The content of one message on its way through.
#[derive(Debug, Clone)]
pub enum Body {
    /// All of it has passed.
    Done,
    /// So many bytes are to come, at least 1.
    Length(u64),
    /// Chunks are to come.
    Chunked(Chunked),
    /// Everything to come, up to the end of the connection.
    UntilClose,
}

/// The connection ended inside the content (RFC 9112 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("content cut short")]
pub struct Truncated;

impl Body {
    /// At the start of content that is passed on as `output`, which makes a difference to chunks only.
    pub const fn new(framing: BodyFraming, output: Output) -> Self {
        match framing {
            BodyFraming::None => Self::Done,
            BodyFraming::Length(bytes) => Self::Length(bytes),
            BodyFraming::Chunked => Self::Chunked(Chunked::new(output)),
            BodyFraming::UntilClose => Self::UntilClose,
        }
    }

    /// Whether all of it has passed.
    #[inline]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Takes the content that is in `buf` and moves what is passed on to its front, as [`Chunked::filter`] does.
    ///
    /// # Errors
    /// The chunks are broken.
    #[inline]
    pub fn take(&mut self, buf: &mut [u8]) -> Result<Filtered, ChunkError> {
        let filtered = match self {
            Self::Done => Filtered { kept: 0, consumed: 0, done: true },
            Self::Length(left) => take_length(left, buf.len()),
            Self::Chunked(chunked) => chunked.filter(buf)?,
            Self::UntilClose => Filtered { kept: buf.len(), consumed: buf.len(), done: false },
        };
        if filtered.done {
            *self = Self::Done;
        }
        Ok(filtered)
    }

    /// Bytes to come that are content and nothing else, so that nobody has to look at them.
    #[inline]
    pub const fn plain(&self) -> u64 {
        match self {
            Self::Done => 0,
            Self::Length(left) => *left,
            Self::Chunked(chunked) => chunked.plain(),
            Self::UntilClose => u64::MAX,
        }
    }

    /// Whether only the end of the connection ends it.
    #[inline]
    pub const fn needs_close(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// Takes note of content that has passed unseen: at most [`Body::plain`].
    pub fn pass(&mut self, bytes: u64) {
        match self {
            Self::Length(left) if *left > bytes => *left -= bytes,
            Self::Length(_) => *self = Self::Done,
            Self::Chunked(chunked) => chunked.pass(bytes),
            Self::Done | Self::UntilClose => {}
        }
    }

    /// The connection has ended: so has the content, if that is what delimits it.
    ///
    /// # Errors
    /// There should have been more.
    pub fn end(&mut self) -> Result<(), Truncated> {
        match self {
            Self::Done | Self::UntilClose => {
                *self = Self::Done;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(Truncated),
        }
    }
}

fn take_length(left: &mut u64, here: usize) -> Filtered {
    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(here);
    // A usize fits a u64 on every target this crate runs on, and n is at most `left`.
    *left = left.saturating_sub(n as u64);
    Filtered { kept: n, consumed: n, done: *left == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ends_where_its_framing_says() {
        for (framing, first, second) in [
            (BodyFraming::None, (0, 0, true), (0, 0, true)),
            (BodyFraming::Length(4), (4, 4, true), (0, 0, true)),
            (BodyFraming::Length(9), (6, 6, false), (3, 3, true)),
            (BodyFraming::UntilClose, (6, 6, false), (6, 6, false)),
        ] {
            let mut body = Body::new(framing, Output::Chunks);
            for (kept, consumed, done) in [first, second] {
                assert_eq!(body.take(&mut [0; 6]), Ok(Filtered { kept, consumed, done }), "{framing:?}");
                assert_eq!(body.is_done(), done);
            }
        }
    }

    /// What passes unseen counts like what is taken.
    #[test]
    fn content_may_pass_unseen() {
        let mut body = Body::Length(9);
        assert_eq!(body.plain(), 9);
        body.pass(4);
        assert_eq!((body.plain(), body.take(&mut [0; 2]).map(|f| f.kept)), (5, Ok(2)));
        body.pass(3);
        assert!(body.is_done());
        assert_eq!(body.plain(), 0);

        let mut body = Body::new(BodyFraming::Chunked, Output::Chunks);
        assert_eq!(body.plain(), 0, "a line is to be read first");
        assert_eq!(body.take(&mut b"a;x\r\n12".to_owned()).map(|f| (f.kept, f.done)), Ok((5, false)));
        assert_eq!(body.plain(), 8);
        body.pass(7);
        assert_eq!(body.plain(), 1);
        body.pass(1);
        assert_eq!((body.plain(), body.is_done()), (0, false), "a line is to be read next");
        let mut end = b"\r\n0\r\n\r\n".to_owned();
        assert_eq!(body.take(&mut end).map(|f| (f.kept, f.done)), Ok((7, true)));

        let mut body = Body::UntilClose;
        body.pass(1 << 40);
        assert_eq!((body.plain(), body.is_done()), (u64::MAX, false));
    }

    /// RFC 9112 §8.
    #[test]
    fn an_early_end_is_only_an_end_without_framing() {
        for (framing, ended) in [
            (BodyFraming::None, Ok(())),
            (BodyFraming::UntilClose, Ok(())),
            (BodyFraming::Length(1), Err(Truncated)),
            (BodyFraming::Chunked, Err(Truncated)),
        ] {
            assert_eq!(Body::new(framing, Output::Chunks).end(), ended, "{framing:?}");
        }
    }
}
