//! A message channel between the processes: length-prefixed JSON over a Unix stream socket, with descriptors
//! (SCM_RIGHTS) attached to the message they belong to.
//!
//! A frame is `len: u32 LE`, `descriptors: u32 LE`, then `len` bytes of JSON. Descriptors travel with the first byte of
//! the body, at most 200 per `sendmsg`, so a message with more is followed by single zero bytes that carry the
//! rest.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::sys::adopt_received;

/// The sending side.
#[derive(Debug)]
pub struct Sender {
    stream: Arc<UnixStream>,
}

/// The receiving side.
#[derive(Debug)]
pub struct Receiver {
    stream: Arc<UnixStream>,
    /// Bytes received and not yet used.
    buffer: Vec<u8>,
    /// Descriptors received and not yet claimed by a message.
    fds: VecDeque<OwnedFd>,
}

/// Both sides of one end of a connected socket.
///
/// # Errors
/// If the socket cannot be registered with the runtime.
pub fn channel(stream: std::os::unix::net::UnixStream) -> io::Result<(Sender, Receiver)> {
    stream.set_nonblocking(true)?;
    let stream = Arc::new(UnixStream::from_std(stream)?);
    let sender = Sender { stream: Arc::clone(&stream) };
    Ok((sender, Receiver { stream, buffer: Vec::new(), fds: VecDeque::new() }))
}

impl Sender {
    /// Sends one message with the descriptors that belong to it.
    ///
    /// # Errors
    /// If the other side is gone, or the message is over 256 MiB.
    ///
    /// # Cancel safety
    /// Not cancel safe: a dropped call may leave half a frame behind.
    pub async fn send<M: Serialize + Sync>(&self, message: &M, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let body = serde_json::to_vec(message)?;
        let (Ok(len), Ok(count)) = (u32::try_from(body.len()), u32::try_from(fds.len())) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "message too large"));
        };
        let mut frame = Vec::with_capacity(HEADER + body.len());
        frame.extend_from_slice(&len.to_le_bytes());
        frame.extend_from_slice(&count.to_le_bytes());
        frame.extend_from_slice(&body);
        self.send_bytes(&frame, &[]).await?;
        for chunk in fds.chunks(MAX_FDS) {
            self.send_bytes(&[0], chunk).await?;
        }
        Ok(())
    }

    async fn send_bytes(&self, mut bytes: &[u8], mut fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
            let fd = self.stream.as_raw_fd();
            let sent =
                self.stream.try_io(Interest::WRITABLE, || transmit(fd, bytes, &raw).map_err(io::Error::from));
            match sent {
                Ok(n) => {
                    bytes = bytes.get(n..).unwrap_or_default();
                    fds = &[];
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Receiver {
    /// Receives the next message and its descriptors; `None` when the other side has closed.
    ///
    /// # Errors
    /// On a socket error, or a frame that is not what the other side of this build sends.
    ///
    /// # Cancel safety
    /// Cancel safe: what has arrived stays in the channel.
    pub async fn recv<M: DeserializeOwned>(&mut self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        loop {
            if let Some(message) = self.take_frame()? {
                return Ok(Some(message));
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    fn take_frame<M: DeserializeOwned>(&mut self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let Some((len, count)) = self.header() else { return Ok(None) };
        if len > MAX_MESSAGE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too large"));
        }
        let carriers = count.div_ceil(MAX_FDS);
        let body_end = HEADER + len;
        if self.buffer.len() < body_end + carriers || self.fds.len() < count {
            return Ok(None);
        }
        let body = self.buffer.get(HEADER..body_end).unwrap_or_default();
        let message = serde_json::from_slice(body)?;
        self.buffer.drain(..body_end + carriers);
        Ok(Some((message, self.fds.drain(..count).collect())))
    }

    fn header(&self) -> Option<(usize, usize)> {
        let word = |at: usize| {
            let bytes = self.buffer.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(bytes)).ok()
        };
        Some((word(0)?, word(4)?))
    }

    async fn fill(&mut self) -> io::Result<usize> {
        loop {
            self.stream.readable().await?;
            let mut chunk = vec![0; CHUNK];
            let fd = self.stream.as_raw_fd();
            let received =
                self.stream.try_io(Interest::READABLE, || receive(fd, &mut chunk).map_err(io::Error::from));
            match received {
                Ok((n, fds)) => {
                    self.buffer.extend_from_slice(chunk.get(..n).unwrap_or_default());
                    self.fds.extend(fds);
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(0),
                Err(e) => return Err(e),
            }
        }
    }
}

fn transmit(fd: RawFd, bytes: &[u8], fds: &[RawFd]) -> Result<usize, Errno> {
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(fd, &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None)
}

fn receive(fd: RawFd, chunk: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), Errno> {
    let mut control = nix::cmsg_space!([RawFd; MAX_FDS]);
    let mut slices = [IoSliceMut::new(chunk)];
    let message = recvmsg::<()>(fd, &mut slices, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            fds.extend(received.into_iter().map(adopt_received));
        }
    }
    Ok((message.bytes, fds))
}

const HEADER: usize = 8;
/// The kernel takes 253 descriptors per message.
const MAX_FDS: usize = 200;
/// Configuration and blobs of a large site; more is a broken peer.
const MAX_MESSAGE: usize = 256 << 20;
const CHUNK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::fd::AsFd as _;

    fn pair() -> (Sender, Receiver) {
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        (channel(a).unwrap().0, channel(b).unwrap().1)
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn messages_keep_their_descriptors() {
        block_on(async {
            let (a, mut b) = pair();
            let files: Vec<_> = (0..450).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
            let fds: Vec<_> = files.iter().map(|f| f.as_fd()).collect();
            let big = "x".repeat(1 << 20);
            let sender = async {
                a.send(&"first", &[]).await.unwrap();
                a.send(&big, &fds).await.unwrap();
                a.send(&"last", &fds[..1]).await.unwrap();
            };
            let receiver = async {
                let (first, none): (String, _) = b.recv().await.unwrap().unwrap();
                assert_eq!((first.as_str(), none.len()), ("first", 0));
                let (body, all): (String, _) = b.recv().await.unwrap().unwrap();
                assert_eq!((body.len(), all.len()), (1 << 20, 450));
                let (last, one): (String, _) = b.recv().await.unwrap().unwrap();
                assert_eq!((last.as_str(), one.len()), ("last", 1));
            };
            tokio::join!(sender, receiver);
            drop(a);
            assert!(b.recv::<String>().await.unwrap().is_none());
        });
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused() {
        block_on(async {
            let (mut a, b) = std::os::unix::net::UnixStream::pair().unwrap();
            a.write_all(&[0xff; 8]).unwrap();
            let error = channel(b).unwrap().1.recv::<String>().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        });
    }
}
