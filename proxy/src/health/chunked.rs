//! Decodes the body of a chunked response (RFC 9112 §7.1) for content checks. Forgiving where a check can be:
//! extensions and trailers are skipped, a bare LF ends a line.

/// Position in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Chunked {
    /// Before the first digit of a chunk's size.
    #[default]
    Start,
    /// In the digits of a chunk's size.
    Size(u64),
    /// In what follows the size on its line.
    Extension(u64),
    /// Bytes of the chunk still to come.
    Data(u64),
    /// At the line end after a chunk.
    AfterData,
    /// After the last chunk. Trailers are of no interest.
    Done,
}

/// The body is not chunked as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Chunked {
    /// Appends the decoded part of `input` to `out`, but no more than `room` bytes.
    pub(super) fn decode(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<(), Malformed> {
        let end = out.len().saturating_add(room);
        while let Some((&byte, rest)) = input.split_first() {
            if out.len() >= end {
                return Ok(());
            }
            *self = match *self {
                Self::Done => return Ok(()),
                Self::Data(left) => {
                    let take =
                        usize::try_from(left).unwrap_or(usize::MAX).min(input.len()).min(end - out.len());
                    let (data, rest) = input.split_at(take);
                    out.extend_from_slice(data);
                    input = rest;
                    let left = left - u64::try_from(take).unwrap_or(left);
                    *self = if left == 0 { Self::AfterData } else { Self::Data(left) };
                    continue;
                }
                at @ (Self::Start | Self::Size(_) | Self::Extension(_) | Self::AfterData) => at.step(byte)?,
            };
            input = rest;
        }
        Ok(())
    }

    fn step(self, byte: u8) -> Result<Self, Malformed> {
        match (self, byte) {
            (Self::Start, _) => Ok(Self::Size(hex(byte).ok_or(Malformed)?)),
            (Self::Size(size) | Self::Extension(size), b'\n') => {
                Ok(if size == 0 { Self::Done } else { Self::Data(size) })
            }
            (Self::Size(size), b';' | b' ' | b'\t' | b'\r') | (Self::Extension(size), _) => {
                Ok(Self::Extension(size))
            }
            (Self::Size(size), _) => {
                let digit = hex(byte).ok_or(Malformed)?;
                let size = size.checked_mul(16).ok_or(Malformed)?;
                Ok(Self::Size(size + digit))
            }
            (Self::AfterData, b'\r') => Ok(Self::AfterData),
            (Self::AfterData, b'\n') => Ok(Self::Start),
            (Self::AfterData, _) => Err(Malformed),
            (Self::Data(_) | Self::Done, _) => Ok(self),
        }
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}
