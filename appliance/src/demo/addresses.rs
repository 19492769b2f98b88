//! A witness of who holds the VIP: the address changes a node's kernel announces, whatever its keeper believes.
use std::io;
use std::net::IpAddr;

use futures_util::StreamExt;
use futures_util::stream::Stream;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::{MulticastGroup, new_multicast_connection};

use super::cast::{Node, VIP};
use super::event::{Listening, Reporter, What};
use super::netns::NetNs;
use super::resident::{Resident, Stopped};

/// Starts watching the kernel of `node`.
///
/// # Errors
/// When netlink cannot be subscribed to.
pub(super) fn watch(node: Node, netns: &NetNs, reporter: Reporter) -> io::Result<Resident> {
    let subscribe = || new_multicast_connection(&[MulticastGroup::Ipv4Ifaddr]);
    Resident::settle(netns, "addresses", subscribe, async move |(connection, _handle, messages), stopped| {
        // Ends with the resident's runtime.
        tokio::spawn(connection);
        follow(node, &reporter, messages.map(|(message, _)| message), stopped).await;
        Ok(())
    })
}

/// Reports every change of the VIP. A refreshed lifetime is announced like a new address and is no change.
async fn follow(
    node: Node,
    reporter: &Reporter,
    mut messages: impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Unpin,
    mut stopped: Stopped,
) {
    let mut held = false;
    loop {
        let message = tokio::select! {
            // Cancel-safety: the stream keeps what it has not delivered.
            _ = &mut stopped => return,
            message = messages.next() => message,
        };
        let Some(message) = message else { return };
        let Some(now_held) = vip_held(&message.payload) else { continue };
        if now_held == held {
            continue;
        }
        held = now_held;
        if reporter.report(What::Address { node, held }) == Listening::No {
            return;
        }
    }
}

/// Whether the message says that the VIP is there or gone; `None` when it is about something else.
fn vip_held(payload: &NetlinkPayload<RouteNetlinkMessage>) -> Option<bool> {
    let NetlinkPayload::InnerMessage(message) = payload else { return None };
    #[expect(clippy::wildcard_enum_match_arm, reason = "RouteNetlinkMessage is foreign and non-exhaustive")]
    match message {
        RouteNetlinkMessage::NewAddress(address) => is_vip(address).then_some(true),
        RouteNetlinkMessage::DelAddress(address) => is_vip(address).then_some(false),
        _ => None,
    }
}

fn is_vip(address: &AddressMessage) -> bool {
    address.attributes.contains(&AddressAttribute::Local(IpAddr::V4(VIP)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(addr: IpAddr) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.attributes.push(AddressAttribute::Local(addr));
        message
    }

    #[test]
    fn only_the_vip_counts() {
        let vip = || address(IpAddr::V4(VIP));
        let own = address(IpAddr::V4(Node::Lb1.addr()));
        let says = |message| vip_held(&NetlinkPayload::InnerMessage(message));
        assert_eq!(says(RouteNetlinkMessage::NewAddress(vip())), Some(true));
        assert_eq!(says(RouteNetlinkMessage::DelAddress(vip())), Some(false));
        assert_eq!(says(RouteNetlinkMessage::NewAddress(own)), None);
        assert_eq!(says(RouteNetlinkMessage::GetAddress(vip())), None);
    }
}
