//! The guard's voice: raw sockets that send the priority-0 adverts of any router of the node, and hear nothing.

use std::io;

use nix::errno::Errno;
use socket2::Socket;

use super::socket::{open_raw, send_on};
use crate::event::AdvertCopy;
use crate::types::Family;

/// Bound to no interface, since it is opened before any router has one. Opening takes `CAP_NET_RAW`, sending does not.
#[derive(Debug)]
pub struct Speaker {
    v4: Socket,
    /// `None`: the kernel has no IPv6.
    v6: Option<Socket>,
}

impl Speaker {
    /// Opens the sockets in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW`. A kernel without IPv6 is none: there is nothing to say over it.
    pub fn open() -> io::Result<Self> {
        let v6 = match open_raw(Family::V6, None, NOTHING_HEARD) {
            Ok(socket) => Some(socket),
            Err(e) if e.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32) => None,
            Err(e) => return Err(e),
        };
        Ok(Self { v4: open_raw(Family::V4, None, NOTHING_HEARD)?, v6 })
    }

    /// Sends one copy of an advert.
    pub(crate) fn send(&self, copy: &AdvertCopy) -> nix::Result<()> {
        let socket = match Family::of(copy.dst) {
            Family::V4 => &self.v4,
            Family::V6 => self.v6.as_ref().ok_or(Errno::EAFNOSUPPORT)?,
        };
        send_on(socket, copy.ifindex, (copy.src, copy.dst), &copy.bytes)
    }
}

/// The kernel makes the least of it that it allows. Adverts of unicast peers arrive here too; nobody reads them.
const NOTHING_HEARD: usize = 0;
