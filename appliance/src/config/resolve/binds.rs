//! Listening addresses: those of virtual routers looked up, overlaps refused.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use evenkeel_proxy::plan::Mode;

use super::profiles::undefined;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{Bind, BindDraft, RouterDraft};
use crate::config::model::{Frontend, Listening};
use crate::config::read::{Reader, shown};
use crate::config::source::Spanned;

/// All addresses of the binds of one frontend.
pub(super) fn binds(
    cx: &mut Reader<'_>,
    binds: &[Spanned<BindDraft>],
    mode: Mode,
    routers: &[RouterDraft],
) -> Vec<Spanned<Listening>> {
    let mut all = Vec::new();
    for bind in binds {
        let addrs = match &bind.value.at {
            Bind::Addrs(addrs) => addrs.clone(),
            Bind::Router(name, port) => router_addrs(cx, name, *port, routers),
        };
        let tls = match &bind.value.tls {
            // What is spoken inside a tunnel nobody knows, and a client that offers something else would be refused.
            Some(tls) if mode == Mode::Tcp && !bind.value.alpn_said => {
                Some(Arc::new(tls.with_alpn(Vec::new())))
            }
            tls => tls.clone(),
        };
        let accept_proxy = &bind.value.accept_proxy;
        let listening = |addr| Listening { addr, tls: tls.clone(), accept_proxy: Arc::clone(accept_proxy) };
        all.extend(addrs.into_iter().map(|a| Spanned::new(listening(a), bind.span)));
    }
    all
}

fn router_addrs(
    cx: &mut Reader<'_>,
    name: &Spanned<String>,
    port: u16,
    routers: &[RouterDraft],
) -> Vec<SocketAddr> {
    let Some(router) = routers.iter().find(|r| r.name.value == name.value) else {
        cx.push(undefined("virtual router", name, routers.iter().map(|r| r.name.value.as_str())));
        return Vec::new();
    };
    // A link-local address is the router's on its link; clients elsewhere cannot reach it.
    let reachable = |ip: &IpAddr| !matches!(ip, IpAddr::V6(a) if a.is_unicast_link_local());
    let ips = router.vips.iter().chain(&router.excluded).map(|v| v.value.addr);
    let addrs: Vec<SocketAddr> = ips.filter(reachable).map(|ip| SocketAddr::new(ip, port)).collect();
    if addrs.is_empty() {
        let message = format!("{} has no address to listen on", shown(&name.value));
        cx.push_absence(Diagnostic::error(Code::BadAddress, name.span, message));
    }
    addrs
}

/// Refuses two binds that ask for the same address.
pub(super) fn check_overlaps(cx: &mut Reader<'_>, frontends: &[Frontend]) {
    let mut by_port: BTreeMap<u16, Vec<(&Frontend, Spanned<SocketAddr>)>> = BTreeMap::new();
    let mut reported = BTreeSet::new();
    for frontend in frontends {
        for bind in frontend.binds.iter().map(|b| Spanned::new(b.value.addr, b.span)) {
            let others = by_port.entry(bind.value.port()).or_default();
            let clash =
                others.iter().find(|(_, o)| o.span != bind.span && overlap(o.value.ip(), bind.value.ip()));
            if let Some((owner, other)) = clash {
                let (a, b) = (&frontend.name.value, &owner.name.value);
                let message = format!(
                    "bind {} of {} overlaps with {} of {}",
                    plain(bind.value),
                    shown(a),
                    plain(other.value),
                    shown(b)
                );
                let d = Diagnostic::error(Code::BindOverlap, bind.span, message).label("overlaps");
                // `*` overlaps once for each family.
                if reported.insert(bind.span) {
                    cx.push(d.related(other.span, "with this"));
                }
            }
            others.push((frontend, bind));
        }
    }
}

/// Whether two addresses on one port are in each other's way. IPv6 sockets here never take IPv4.
fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
}

fn plain(addr: SocketAddr) -> String {
    if addr.ip().is_unspecified() { format!("*:{}", addr.port()) } else { addr.to_string() }
}
