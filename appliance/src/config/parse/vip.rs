//! Virtual addresses, networks of peers and other lists of addresses.

use std::net::IpAddr;

use evenkeel_vrrp::config::Vip;
use evenkeel_vrrp::types::IfName;

use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::value::{self, Bad};

/// An array of virtual addresses, or one.
pub(super) fn vips(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Spanned<Vip>>> {
    Some(node.one_or_many().into_iter().filter_map(|n| vip(cx, key, n)).collect())
}

fn vip(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<Vip>> {
    let whole = |(addr, prefix_len)| Vip { addr, prefix_len, dev: None };
    if node.value.as_str().is_some() {
        return cx.address(key, node, host).map(|a| a.map(whole));
    }
    if node.value.as_table().is_none() {
        cx.wrong_type(key, node, Some("[\"192.0.2.100/24\"]".to_owned()));
        return None;
    }
    let mut t = Fields::of(cx, &keys::VIP, node.key, node)?;
    let addr = t.read(cx, "addr", |cx, key, node| cx.address(key, node, host));
    let dev = t.read(cx, "dev", interface);
    t.finish(cx);
    addr.map(|a| Spanned::new(Vip { dev: dev.map(|d| d.value), ..whole(a.value) }, a.span))
}

/// The name of an interface.
pub(super) fn interface(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<IfName>> {
    let bad = || Bad::new("is not an interface name of 1 to 15 characters");
    cx.parsed(key, node, |text| IfName::new(text).ok_or_else(bad))
}

/// An address a host can have.
pub(super) fn unicast(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<IpAddr>> {
    cx.address(key, node, |text| value::ip(text).and_then(usable))
}

/// An array of addresses, or one.
pub(super) fn unicasts(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
) -> Option<Vec<Spanned<IpAddr>>> {
    Some(node.one_or_many().into_iter().filter_map(|n| unicast(cx, key, n)).collect())
}

fn host(text: &str) -> Result<(IpAddr, u8), Bad> {
    let (addr, length) = value::cidr(text)?;
    usable(addr)?;
    let wide = if addr.is_ipv4() { length < 31 } else { length < 127 };
    if wide && value::masked(addr, length) == addr {
        return Err(Bad::new("is a network, not an address in it"));
    }
    Ok((addr, length))
}

fn usable(addr: IpAddr) -> Result<IpAddr, Bad> {
    let why = if addr.is_unspecified() {
        "is the unspecified address"
    } else if addr.is_loopback() {
        "is a loopback address"
    } else if addr.is_multicast() {
        "is a multicast address"
    } else if addr == IpAddr::V4(std::net::Ipv4Addr::BROADCAST) {
        "is the broadcast address"
    } else {
        return Ok(addr);
    };
    Err(Bad::new(why))
}
