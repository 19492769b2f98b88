//! A request socket to rtnetlink: addresses and links are changed and dumped synchronously.
//!
//! The kernel handles a request inside `send`, so the answer is there when `send` returns; waiting for it is bounded
//! all the same. What cannot be bounded is the kernel's own lock on network configuration, which every configuration
//! tool of the host shares.

mod address;
pub(crate) mod decode;
mod macvlan;

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST};
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};

pub use self::address::ADDRESS_PROTOCOL;
pub use self::decode::AddressRecord;
use self::decode::{Message, Messages};
use crate::event::LinkState;

/// The request socket. Not shared: one request is under way at a time.
#[derive(Debug)]
pub struct Netlink {
    socket: netlink_sys::Socket,
    sequence: u32,
    buffer: Vec<u8>,
    /// Whether the kernel takes `IFA_PROTO`.
    tags: bool,
}

impl Netlink {
    /// Opens a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel refuses the socket.
    pub fn open() -> io::Result<Self> {
        let mut socket = netlink_sys::Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER_BYTES], tags: true })
    }

    /// All interfaces.
    ///
    /// # Errors
    /// When the kernel refuses or does not answer in time.
    pub fn links(&mut self) -> io::Result<Vec<LinkState>> {
        self.dump(&RouteNetlinkMessage::GetLink(LinkMessage::default()), RTM_NEWLINK, decode::link)
    }

    /// All addresses of all interfaces.
    ///
    /// # Errors
    /// When the kernel refuses or does not answer in time.
    pub fn addresses(&mut self) -> io::Result<Vec<AddressRecord>> {
        self.dump(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), RTM_NEWADDR, decode::address)
    }

    /// Sends a request and waits for the acknowledgement.
    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.transact(message, NLM_F_REQUEST | NLM_F_ACK | flags, |_| {})
    }

    /// A dump that changed under way is taken again.
    fn dump<T>(
        &mut self,
        message: &RouteNetlinkMessage,
        kind: u16,
        decode: fn(&[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut found = Vec::new();
            let mut torn = false;
            self.transact(message.clone(), NLM_F_REQUEST | NLM_F_DUMP, |m| {
                torn |= m.flags & NLM_F_DUMP_INTR != 0;
                found.extend((m.kind == kind).then(|| decode(m.payload)).flatten());
            })?;
            if !torn {
                return Ok(found);
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    fn transact(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        mut each: impl FnMut(Message<'_>),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.send(message, flags)?;
        loop {
            let length = self.receive()?;
            let datagram = self.buffer.get(..length).ok_or(io::ErrorKind::InvalidData)?;
            for m in Messages(datagram).filter(|m| m.sequence == self.sequence) {
                match m.kind {
                    NLMSG_ERROR => return acknowledged(m.payload),
                    NLMSG_DONE => return Ok(()),
                    _ => each(m),
                }
            }
        }
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
        packet.finalize();
        let buffer = self.buffer.get_mut(..packet.buffer_len()).ok_or(io::ErrorKind::InvalidInput)?;
        packet.serialize(buffer);
        self.socket.send(buffer, 0).map(|_| ())
    }

    /// One datagram, waited for no longer than [`ANSWER_TIMEOUT_MS`].
    fn receive(&mut self) -> io::Result<usize> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => return Ok(length),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait()?,
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn wait(&self) -> io::Result<()> {
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(ANSWER_TIMEOUT_MS)) {
            Ok(0) => Err(io::ErrorKind::TimedOut.into()),
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

fn acknowledged(payload: &[u8]) -> io::Result<()> {
    match decode::error_code(payload) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The errno of an error, for [`crate::event::ActionResult`]. Errors that did not come from the kernel are `EIO`.
pub(crate) fn errno(error: &io::Error) -> i32 {
    let timed_out = error.kind() == io::ErrorKind::TimedOut;
    let other = if timed_out { Errno::ETIMEDOUT } else { Errno::EIO };
    error.raw_os_error().unwrap_or(other as i32)
}

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The kernel fills dump datagrams up to 32 KiB.
const BUFFER_BYTES: usize = 64 * 1024;
/// An answer that is this late is an error of its own; the requests here are answered within microseconds.
const ANSWER_TIMEOUT_MS: u16 = 250;
const DUMP_ATTEMPTS: u32 = 5;
