//! Virtual routers, groups and tracks to an engine's configuration.

use evenkeel_vrrp::config::{
    ConfigError, EngineConfig, GroupConfig, RouterConfig, TrackConfig, TrackKind, TrackUse, Transport,
};
use evenkeel_vrrp::types::{AuthPass, RouterId, TrackId};

use crate::config::codes::Code;
use crate::config::diagnostic::{Diagnostic, Refusal};
use crate::config::model::{Track, Tracked, VirtualRouter, VrrpParts};
use crate::config::resolve::Resolved;
use crate::config::source::Spanned;

pub(super) fn parts(resolved: &Resolved) -> Result<VrrpParts, Vec<Diagnostic>> {
    let mut tracked: Vec<Tracked> = Vec::new();
    let mut routers = Vec::new();
    for r in &resolved.routers {
        routers.push(router(r, &mut tracked).map_err(|d| vec![*d])?);
    }
    let tracks = tracked.into_iter().filter_map(|t| track(t, resolved)).collect();
    let groups = resolved.groups.iter().map(|g| {
        let members = g.members.iter().filter_map(|m| router_id(&m.value, resolved)).collect();
        GroupConfig { name: g.name.value.clone(), members }
    });
    let engine = EngineConfig::new(routers, groups.collect(), tracks);
    let engine = engine.map_err(|errors| errors.iter().map(|e| refused(e, resolved)).collect::<Vec<_>>())?;
    Ok(VrrpParts { engine, notify: resolved.routers.iter().map(|r| r.notify.clone()).collect() })
}

fn router(r: &VirtualRouter, tracked: &mut Vec<Tracked>) -> Result<RouterConfig, Refusal> {
    let peers: Vec<_> = r.peers.iter().map(|p| p.value).collect();
    let transport = if peers.is_empty() {
        Transport::Multicast
    } else {
        Transport::Unicast { peers, check_source: r.check_unicast_src }
    };
    Ok(RouterConfig {
        name: r.name.value.clone(),
        interface: r.interface.clone(),
        family: r.family,
        vrid: r.vrid.value,
        version: r.version,
        priority: r.priority.value,
        advert_int: r.advert_int.value,
        auth_pass: r.auth_pass.as_ref().map(|p| padded(p.value.expose())),
        vips: r.vips.iter().map(|v| v.value.clone()).collect(),
        excluded: r.excluded.iter().map(|v| v.value.clone()).collect(),
        preempt: r.preempt,
        transport,
        source: r.source.map(|s| s.value),
        checksum: r.checksum,
        vip_mismatch: r.vip_mismatch,
        announce: r.announce,
        virtual_mac: r.use_vmac,
        tracks: r.tracks.iter().map(|t| track_use(t, tracked)).collect::<Result<_, _>>()?,
        lease: r.lease.value,
        down_timer_adverts: r.down_timer_adverts,
    })
}

/// RFC 2338 §5.3.6.2: padded with zeros.
fn padded(password: &[u8]) -> AuthPass {
    let mut field = [0; 8];
    for (to, from) in field.iter_mut().zip(password) {
        *to = *from;
    }
    AuthPass(field)
}

/// A thing that several routers track is one track of the engine.
fn track_use(track: &Spanned<Track>, tracked: &mut Vec<Tracked>) -> Result<TrackUse, Refusal> {
    let what = &track.value.what;
    let at = tracked.iter().position(|t| t == what).unwrap_or_else(|| {
        tracked.push(what.clone());
        tracked.len() - 1
    });
    let id = u16::try_from(at).map_err(|_| {
        Box::new(Diagnostic::error(Code::TooMany, track.span, "more than 65,535 tracked things"))
    })?;
    Ok(TrackUse { track: TrackId(id), weight: track.value.weight, reverse: track.value.reverse })
}

fn track(what: Tracked, resolved: &Resolved) -> Option<TrackConfig> {
    let (name, kind) = match what {
        Tracked::DataPlane => ("data_plane".to_owned(), TrackKind::DataPlane),
        Tracked::Script(name) => {
            let script = resolved.scripts.iter().find(|s| s.name.value == name)?;
            (name, TrackKind::Script(script.run.clone()))
        }
        Tracked::Interface(name) => (name.to_string(), TrackKind::Interface(name)),
        Tracked::File(path) => (path.display().to_string(), TrackKind::File { path }),
    };
    Some(TrackConfig { name, kind })
}

fn router_id(name: &str, resolved: &Resolved) -> Option<RouterId> {
    let at = resolved.routers.iter().position(|r| r.name.value == name)?;
    u16::try_from(at).ok().map(RouterId)
}

/// The engine's refusal, at the router or group it is about.
fn refused(error: &ConfigError, resolved: &Resolved) -> Diagnostic {
    let name = match error {
        ConfigError::DuplicateVrid(_, name)
        | ConfigError::V2WithIpv6(name)
        | ConfigError::V3WithAuth(name)
        | ConfigError::Interval(name, ..)
        | ConfigError::NoVip(name)
        | ConfigError::TooManyVips(name, _)
        | ConfigError::Family(name, _)
        | ConfigError::FirstNotLinkLocal(name, _)
        | ConfigError::PrefixLen(name, ..)
        | ConfigError::NoPeer(name)
        | ConfigError::Lease(name, ..)
        | ConfigError::Dangling(name)
        | ConfigError::Group(name)
        | ConfigError::PriorityZero(name) => name,
    };
    let routers = resolved.routers.iter().map(|r| &r.name);
    let place = routers.chain(resolved.groups.iter().map(|g| &g.name)).find(|n| n.value == *name);
    match place {
        Some(n) => Diagnostic::error(Code::Refused, n.span, error.to_string()),
        None => Diagnostic::nowhere(Code::Refused, error.to_string()),
    }
}
