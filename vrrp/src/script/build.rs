//! Configurations for scripts.

use std::time::Duration;

use super::{ip, ms};
use crate::config::{
    AnnounceConfig, ChecksumForm, Preempt, RouterConfig, ScriptConfig, TrackConfig, TrackKind, TrackUse,
    Transport, Vip, VipMismatch,
};
use crate::types::{AuthPass, Centis, Family, IfName, Priority, TrackId, Version, Vrid};

/// v2, VRID 51, 1 s, PASS, one address: the tutorial's router, with a single announcement per round.
pub(crate) fn tutorial(priority: u8) -> RouterConfig {
    RouterConfig {
        name: "VI_1".into(),
        interface: IfName::new("eth0").expect("a name"),
        family: Family::V4,
        vrid: Vrid::new(51).expect("not 0"),
        version: Version::V2,
        priority: Priority::new(priority),
        advert_int: Centis::SECOND,
        auth_pass: Some(AuthPass(*b"s3cr3t42")),
        vips: vec![Vip { addr: ip("10.77.0.50"), prefix_len: 32, dev: None }],
        excluded: vec![],
        preempt: Preempt::Always,
        transport: Transport::Multicast,
        source: None,
        checksum: ChecksumForm::Rfc5798,
        vip_mismatch: VipMismatch::Drop,
        announce: AnnounceConfig {
            repeat: 1,
            delay: Duration::ZERO,
            refresh_repeat: 1,
            refresh: Duration::ZERO,
            lower_prio_repeat: 1,
        },
        virtual_mac: false,
        tracks: vec![],
        lease: ms(2500),
        down_timer_adverts: 3,
    }
}

/// The same with v3, without authentication.
pub(crate) fn v3(priority: u8, centis: u16) -> RouterConfig {
    let advert_int = Centis::new(centis).expect("in range");
    RouterConfig {
        version: Version::V3,
        auth_pass: None,
        advert_int,
        lease: RouterConfig::default_lease(advert_int, 3),
        ..tutorial(priority)
    }
}

/// v3 over IPv6.
pub(crate) fn v6(priority: u8) -> RouterConfig {
    let vip = |a: &str| Vip { addr: ip(a), prefix_len: 128, dev: None };
    RouterConfig {
        name: "VI_6".into(),
        family: Family::V6,
        vips: vec![vip("fe80::50"), vip("fd77::50")],
        ..v3(priority, 100)
    }
}

/// Adds a track to a router.
pub(crate) fn tracking(mut router: RouterConfig, track: u16, weight: Option<i16>) -> RouterConfig {
    router.tracks.push(TrackUse { track: TrackId(track), weight, reverse: false });
    router
}

pub(crate) fn script_track() -> TrackConfig {
    let config = ScriptConfig {
        command: vec!["/bin/true".into()],
        interval: ms(1000),
        timeout: ms(1000),
        rise: 1,
        fall: 1,
        init_fail: false,
        user: None,
    };
    TrackConfig { name: "check".into(), kind: TrackKind::Script(config) }
}

pub(crate) fn data_plane() -> TrackConfig {
    TrackConfig { name: "worker".into(), kind: TrackKind::DataPlane }
}

pub(crate) fn interface_track(name: &str) -> TrackConfig {
    TrackConfig { name: name.into(), kind: TrackKind::Interface(IfName::new(name).expect("a name")) }
}
