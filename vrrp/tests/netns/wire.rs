//! Listening on the wire.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};

use super::Node;

/// A packet socket that hears everything on all interfaces of a node.
pub struct Tap(OwnedFd);

impl Tap {
    pub fn new(node: &Node) -> Self {
        node.run(|| {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            Self(socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap())
        })
    }

    /// The frames heard since the last call.
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut buffer = [0; 2048];
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => found.push(buffer[..length].to_vec()),
                Err(Errno::EAGAIN) => return found,
                Err(e) => panic!("tap: {e}"),
            }
        }
    }

    /// The IPv4 adverts among them.
    pub fn adverts_v4(&self) -> Vec<Vec<u8>> {
        self.frames()
            .into_iter()
            .filter(|f| f.get(12..14) == Some(&[8, 0]) && f.get(23) == Some(&112))
            .collect()
    }
}
