//! Takes the header of the PROXY protocol off a connection, and not a byte more.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use super::deadline::Alarm;
use super::idle::{Place, Rest};
use super::runtime::DataThread;
use super::stream::Stream;
use crate::plan::FrontendId;
use crate::proxy_protocol::{Header, HeaderError, MOST_BYTES, Origin, kind, parse};

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) origin: Origin,
    /// The name that the client asked for. Of what else is said of the client nothing is passed on, as with HAProxy.
    pub(super) authority: Option<Box<[u8]>>,
}

impl From<&Header<'_>> for Said {
    fn from(header: &Header<'_>) -> Self {
        Self { origin: header.origin, authority: header.tlvs.find(kind::AUTHORITY).map(Box::from) }
    }
}

/// Why there is no header.
#[derive(Debug)]
pub(super) enum NoHeader {
    /// It did not come in time. `heard`: some of it did.
    Timeout { heard: bool },
    /// Another connection needed the room.
    Unwanted { heard: bool },
    /// The sender closed.
    Closed { heard: bool },
    /// The connection broke.
    Broken(io::Error),
    /// What came is none.
    Bad(HeaderError),
}

/// Reads the header that a connection begins with.
///
/// # Errors
/// There is none: the connection is not to be used, for whose it is nobody knows.
///
/// # Cancel safety
/// None: what was read of the header is lost, and the connection with it.
pub(super) async fn read(
    thread: &Rc<DataThread>,
    stream: &Stream,
    frontend: FrontendId,
    arrived: Instant,
) -> Result<Said, NoHeader> {
    // Only sockets that were accepted come here.
    let Some(tcp) = stream.plain_tcp() else { return Err(NoHeader::Bad(HeaderError::Absent)) };
    let deadline = arrived + HEADER_TIMEOUT;
    let (mut held, mut alarm, mut place) = (Vec::new(), Alarm::default(), Place::default());
    let said = poll_fn(|cx| {
        let polled = poll_header(cx, tcp, &mut held);
        if polled.is_pending() {
            let now = Instant::now();
            if now >= deadline {
                return Poll::Ready(Err(NoHeader::Timeout { heard: !held.is_empty() }));
            }
            if thread.idle.sit(&mut place, frontend, arrived, cx) == Rest::Leave {
                return Poll::Ready(Err(NoHeader::Unwanted { heard: !held.is_empty() }));
            }
            alarm.set(&thread.deadlines, Some(deadline), cx, now);
        }
        polled
    });
    let said = said.await;
    thread.idle.leave(&mut place);
    said
}

/// Looks at what there is before it takes it: what follows the header is for others to read.
fn poll_header(cx: &mut Context<'_>, tcp: &TcpStream, held: &mut Vec<u8>) -> Poll<Result<Said, NoHeader>> {
    let mut room = [0; PEEK_BYTES];
    loop {
        let mut peeked = ReadBuf::new(&mut room);
        let n = ready!(tcp.poll_peek(cx, &mut peeked)).map_err(NoHeader::Broken)?;
        if n == 0 {
            return Poll::Ready(Err(NoHeader::Closed { heard: !held.is_empty() }));
        }
        let before = held.len();
        held.extend_from_slice(peeked.filled());
        let found = parse(held).map_err(NoHeader::Bad)?.map(|header| (header.len, Said::from(&header)));
        // All that was seen belongs to a header that is not complete.
        let whole = found.as_ref().map_or(held.len(), |(len, _)| *len);
        held.truncate(whole);
        take(tcp, &mut room, whole - before)?;
        if let Some((_, said)) = found {
            return Poll::Ready(Ok(said));
        }
        if held.len() >= MOST_BYTES {
            return Poll::Ready(Err(NoHeader::Bad(HeaderError::Length)));
        }
    }
}

/// Takes bytes that have been seen.
fn take(tcp: &TcpStream, room: &mut [u8], bytes: usize) -> Result<(), NoHeader> {
    let mut left = bytes;
    while left > 0 {
        let room = room.get_mut(..left).unwrap_or_default();
        match tcp.try_read(room) {
            Ok(0) => return Err(NoHeader::Closed { heard: true }),
            Ok(n) => left -= n,
            Err(error) => return Err(NoHeader::Broken(error)),
        }
    }
    Ok(())
}

/// Proxies send the header before anything else and at once: this much is two lost packets.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// More than all but the most talkative of headers.
const PEEK_BYTES: usize = 1024;
