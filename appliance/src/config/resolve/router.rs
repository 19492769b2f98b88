//! Virtual routers: the values of this node, checked against the protocol.

use std::time::Duration;

use evenkeel_vrrp::config::{Preempt, RouterConfig, Vip};
use evenkeel_vrrp::types::{Centis, Family, Priority, Version, Vrid};

use super::{priority, tracks};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{RouterDraft, ScriptDraft};
use crate::config::model::VirtualRouter;
use crate::config::read::{Reader, shown};
use crate::config::source::Spanned;
use crate::config::value;

mod peers;

/// The router on this node; `None` if it has errors that leave no router.
pub(super) fn router(
    cx: &mut Reader<'_>,
    r: &RouterDraft,
    scripts: &[ScriptDraft],
    serves: bool,
) -> Option<VirtualRouter> {
    let family = addresses(cx, r);
    let version = version(cx, r, family);
    let advert_int = advert_int(cx, r, version);
    let lease = advert_int.and_then(|a| lease(cx, r, a));
    let priority = priority::of_node(cx, r);
    let tracks = tracks::tracks(cx, r, scripts, serves);
    priority::check_weights(cx, r, &tracks);
    let (peers, source) = peers::peers(cx, r, family);
    Some(VirtualRouter {
        name: r.name.clone(),
        interface: r.interface.as_ref()?.of(&cx.node)?.value,
        family: family?,
        vrid: Spanned::new(Vrid::new(r.vrid?.value)?, r.vrid?.span),
        version,
        priority: priority?.map(Priority::new),
        advert_int: advert_int?,
        auth_pass: r.auth_pass.clone(),
        vips: r.vips.clone(),
        excluded: r.excluded.clone(),
        preempt: r.preempt.map_or(Preempt::Always, |p| p.value),
        peers,
        check_unicast_src: r.check_unicast_src,
        source,
        checksum: r.checksum,
        vip_mismatch: r.vip_mismatch,
        announce: r.announce,
        use_vmac: r.use_vmac,
        tracks,
        lease: lease?,
        down_timer_adverts: r.down_timer_adverts,
        notify: r.notify.clone(),
    })
}

/// What concerns several routers.
pub(super) fn check_together(cx: &mut Reader<'_>, routers: &[VirtualRouter]) {
    for (i, r) in routers.iter().enumerate() {
        for other in routers.iter().take(i) {
            if (&other.interface, other.family, other.vrid.value) == (&r.interface, r.family, r.vrid.value) {
                let message = format!(
                    "{} and {} have virtual_router_id {} on {}",
                    shown(&other.name.value),
                    shown(&r.name.value),
                    r.vrid.value,
                    r.interface
                );
                let d = Diagnostic::error(Code::VrrpDuplicateId, r.vrid.span, message);
                cx.push(d.related(other.vrid.span, "the other one"));
            }
            for vip in all(&r.vips, &r.excluded) {
                if let Some(first) =
                    all(&other.vips, &other.excluded).find(|v| v.value.addr == vip.value.addr)
                {
                    twice(cx, first, vip);
                }
            }
        }
    }
}

fn all<'a>(a: &'a [Spanned<Vip>], b: &'a [Spanned<Vip>]) -> impl Iterator<Item = &'a Spanned<Vip>> {
    a.iter().chain(b)
}

fn twice(cx: &mut Reader<'_>, first: &Spanned<Vip>, again: &Spanned<Vip>) {
    let message = format!("the virtual address {} stands twice", again.value.addr);
    let d = Diagnostic::error(Code::VrrpAddresses, again.span, message).label("again here");
    cx.push(d.related(first.span, "first here"));
}

/// The family, after the rules for address lists.
fn addresses(cx: &mut Reader<'_>, r: &RouterDraft) -> Option<Family> {
    let Some(first) = all(&r.vips, &r.excluded).next() else {
        let message = format!("virtual router {} has no address", shown(&r.name.value));
        let help = "virtual_ipaddress = [\"192.0.2.100/24\"]";
        cx.push_absence(Diagnostic::error(Code::VrrpNoAddress, r.name.span, message).help(help));
        return None;
    };
    let family = Family::of(first.value.addr);
    if let Some(foreign) = r.vips.iter().find(|v| Family::of(v.value.addr) != family) {
        let message =
            format!("an advert carries one family: {} after {}", foreign.value.addr, first.value.addr);
        let help = "put it into virtual_ipaddress_excluded, or into a second virtual router";
        cx.push(
            Diagnostic::error(Code::VrrpAddresses, foreign.span, message)
                .related(first.span, "the first one")
                .help(help),
        );
    }
    if let Some(beyond) = r.vips.get(MAX_VIPS) {
        let message = format!("{} addresses: an advert carries at most {MAX_VIPS}", r.vips.len());
        let help = "put the others into virtual_ipaddress_excluded";
        cx.push(Diagnostic::error(Code::VrrpAddresses, beyond.span, message).help(help));
    }
    let link_local =
        |v: &Spanned<Vip>| matches!(v.value.addr, std::net::IpAddr::V6(a) if a.is_unicast_link_local());
    if let Some(first) = r.vips.first()
        && family == Family::V6
        && !link_local(first)
    {
        let message = format!("the first IPv6 address must be link-local, not {}", first.value.addr);
        let help = "for instance \"fe80::100/64\", the router's address on its link";
        cx.push(Diagnostic::error(Code::VrrpAddresses, first.span, message).help(help));
    }
    let mut seen: Vec<&Spanned<Vip>> = Vec::new();
    for vip in all(&r.vips, &r.excluded) {
        match seen.iter().find(|v| v.value.addr == vip.value.addr) {
            Some(first) => twice(cx, first, vip),
            None => seen.push(vip),
        }
    }
    Some(family)
}

fn version(cx: &mut Reader<'_>, r: &RouterDraft, family: Option<Family>) -> Version {
    let usual = if family == Some(Family::V6) { Version::V3 } else { Version::V2 };
    let version = r.version.map_or(usual, |v| v.value);
    if let Some(said) = r.version
        && (said.value, family) == (Version::V2, Some(Family::V6))
    {
        let message = format!("{}: version 2 carries IPv4 only", r.name.value);
        cx.push(Diagnostic::error(Code::VrrpVersion, said.span, message).help("version = 3"));
    }
    if let Some(pass) = &r.auth_pass
        && version == Version::V3
    {
        let message = format!("{}: version 3 has no authentication", r.name.value);
        cx.push(
            Diagnostic::error(Code::VrrpVersion, pass.span, message)
                .help("leave `authentication` out, or use version = 2"),
        );
    }
    version
}

fn advert_int(cx: &mut Reader<'_>, r: &RouterDraft, version: Version) -> Option<Spanned<Centis>> {
    let Some(said) = r.advert_int else { return Some(Spanned::new(Centis::SECOND, r.name.span)) };
    let centis = Centis::from_duration(said.value);
    let fits = match version {
        Version::V2 => centis.filter(|c| c.value().is_multiple_of(100)),
        Version::V3 => centis.filter(|c| *c <= Centis::V3_MAX),
    };
    if fits.is_none() {
        let shown = value::show(said.value);
        let (range, help) = match version {
            Version::V2 => ("whole seconds", "version = 3 carries steps of 10 ms"),
            Version::V3 => ("steps of 10 ms up to 40.95 s", "for instance \"100ms\""),
        };
        let message =
            format!("advert_int {shown} cannot be sent: version {} carries {range}", version.number());
        cx.push(Diagnostic::error(Code::VrrpInterval, said.span, message).help(help));
    }
    fits.map(|c| Spanned::new(c, said.span))
}

fn lease(cx: &mut Reader<'_>, r: &RouterDraft, advert_int: Spanned<Centis>) -> Option<Spanned<Duration>> {
    let interval = advert_int.value.duration();
    let Some(said) = r.lease else {
        return Some(Spanned::new(
            RouterConfig::default_lease(advert_int.value, r.down_timer_adverts),
            r.name.span,
        ));
    };
    let patience = interval * u32::from(r.down_timer_adverts);
    let (lease, shown_int, shown_end) =
        (value::show(said.value), value::show(interval), value::show(patience));
    let why = if said.value >= patience {
        format!("lease {lease} outlives the peer's patience: it takes over after {shown_end} of silence")
    } else if said.value <= interval {
        format!("lease {lease} ends between two adverts, {shown_int} apart")
    } else {
        return Some(said);
    };
    let help = format!("more than {shown_int} and less than {shown_end}; not said, it is {}", {
        value::show(RouterConfig::default_lease(advert_int.value, r.down_timer_adverts))
    });
    cx.push(Diagnostic::error(Code::VrrpLease, said.span, why).help(help));
    None
}

/// Keepalived's limit for one advert, and the engine's.
const MAX_VIPS: usize = 20;
