//! Macvlan interfaces that carry the virtual MAC address (RFC 9568 §7.3).

use std::io;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};
use nix::errno::Errno;

use super::Netlink;
use crate::types::{IfIndex, IfName, Mac};

impl Netlink {
    /// Creates a macvlan interface, down. *Private* mode: neither the parent nor other macvlans of it hear what it
    /// sends, so a node never receives its own adverts through it.
    ///
    /// # Errors
    /// The kernel's reason; `EEXIST` if the name is taken.
    pub fn create_macvlan(&mut self, parent: IfIndex, name: &IfName, mac: Mac) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.as_str().to_owned()),
            LinkAttribute::Link(parent.value()),
            LinkAttribute::Address(mac.0.to_vec()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::MacVlan),
                LinkInfo::Data(InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Private)])),
            ]),
        ];
        self.request(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Sets an interface up.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn set_link_up(&mut self, ifindex: IfIndex) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex.value();
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Deletes an interface. One that is gone counts as done.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn delete_link(&mut self, ifindex: IfIndex) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex.value();
        match self.request(RouteNetlinkMessage::DelLink(message), 0) {
            Err(e) if e.raw_os_error() == Some(Errno::ENODEV as i32) => Ok(()),
            other => other,
        }
    }
}
