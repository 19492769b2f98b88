//! Where adverts go to and come from.

use std::net::IpAddr;

use evenkeel_vrrp::types::Family;

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::RouterDraft;
use crate::config::read::{PerNode, Reader};
use crate::config::source::{Span, Spanned};

/// The peers of this node (none: multicast) and the source address of its adverts.
pub(super) fn peers(
    cx: &mut Reader<'_>,
    r: &RouterDraft,
    family: Option<Family>,
) -> (Vec<Spanned<IpAddr>>, Option<Spanned<IpAddr>>) {
    let unicast = r.peers.is_some();
    let (fits, other, name) = if unicast {
        (&r.unicast_src_ip, &r.mcast_src_ip, "mcast_src_ip has no effect with unicast_peer")
    } else {
        (&r.mcast_src_ip, &r.unicast_src_ip, "unicast_src_ip has no effect without unicast_peer")
    };
    if let Some(span) = other.as_ref().and_then(span_of) {
        let help = if unicast { "unicast_src_ip" } else { "mcast_src_ip, or list the unicast_peer" };
        cx.push(Diagnostic::error(Code::VrrpSource, span, name).help(help));
    }
    let source = fits.as_ref().and_then(|s| s.of(&cx.node));
    if let (Some(source), Some(family)) = (source, family)
        && Family::of(source.value) != family
    {
        let message = format!("the source {} is not {}, as the addresses are", source.value, family.as_str());
        cx.push(Diagnostic::error(Code::VrrpSource, source.span, message));
    }
    let Some(peers) = r.peers.as_ref().and_then(|p| p.of(&cx.node)) else { return (Vec::new(), source) };
    if peers.value.is_empty() {
        cx.push(
            Diagnostic::error(Code::VrrpPeer, peers.span, "unicast_peer lists nobody")
                .help("leave it out for multicast"),
        );
    }
    check(cx, &peers.value, source, family);
    (peers.value, source)
}

fn check(
    cx: &mut Reader<'_>,
    peers: &[Spanned<IpAddr>],
    source: Option<Spanned<IpAddr>>,
    family: Option<Family>,
) {
    for (i, peer) in peers.iter().enumerate() {
        if let Some(family) = family
            && Family::of(peer.value) != family
        {
            let message = format!("the peer {} is not {}, as the addresses are", peer.value, family.as_str());
            cx.push(Diagnostic::error(Code::VrrpPeer, peer.span, message));
        }
        if let Some(source) = source
            && source.value == peer.value
        {
            let message = format!("the peer {} is this node itself", peer.value);
            let help = "give each node its own list: unicast_peer = { lb1 = [\"…\"], lb2 = [\"…\"] }";
            cx.push(
                Diagnostic::error(Code::VrrpPeer, peer.span, message)
                    .related(source.span, "its source address")
                    .help(help),
            );
        }
        if let Some(first) = peers.iter().take(i).find(|p| p.value == peer.value) {
            let message = format!("the peer {} stands twice", peer.value);
            cx.push(Diagnostic::error(Code::VrrpPeer, peer.span, message).related(first.span, "first here"));
        }
    }
}

fn span_of<T>(value: &PerNode<T>) -> Option<Span> {
    match value {
        PerNode::Same(v) => Some(v.span),
        PerNode::Each(_, span) => Some(*span),
    }
}
