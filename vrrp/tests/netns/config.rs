//! Configurations for tests.

use std::net::IpAddr;

use evenkeel_vrrp::config::{
    AnnounceConfig, ChecksumForm, EngineConfig, Preempt, RouterConfig, Transport, Vip, VipMismatch,
};
use evenkeel_vrrp::types::{Centis, Family, IfName, Priority, Version, Vrid};

/// 100 ms adverts: Master_Down is at most 400 ms.
pub const FAST: u16 = 10;

/// One v3 router on `eth0`, VRID 51.
pub fn router(vips: &[&str], priority: u8, advert_cs: u16) -> RouterConfig {
    let vips: Vec<Vip> = vips.iter().map(|v| vip(v)).collect();
    let advert_int = Centis::new(advert_cs).unwrap();
    RouterConfig {
        name: "VI_1".to_owned(),
        interface: IfName::new("eth0").unwrap(),
        family: Family::of(vips[0].addr),
        vrid: Vrid::new(51).unwrap(),
        version: Version::V3,
        priority: Priority::new(priority),
        advert_int,
        auth_pass: None,
        vips,
        excluded: Vec::new(),
        preempt: Preempt::Always,
        transport: Transport::Multicast,
        source: None,
        checksum: ChecksumForm::Rfc5798,
        vip_mismatch: VipMismatch::Drop,
        announce: AnnounceConfig::default(),
        virtual_mac: false,
        tracks: Vec::new(),
        lease: RouterConfig::default_lease(advert_int, 3),
        down_timer_adverts: 3,
    }
}

/// A node with this router only.
pub fn engine(router: RouterConfig) -> EngineConfig {
    EngineConfig::new(vec![router], Vec::new(), Vec::new()).unwrap()
}

/// `192.0.2.50/32`.
pub fn vip(text: &str) -> Vip {
    let (addr, prefix_len) = text.split_once('/').unwrap();
    Vip { addr: addr.parse().unwrap(), prefix_len: prefix_len.parse().unwrap(), dev: None }
}

/// The address of `192.0.2.50/32`.
pub fn addr(text: &str) -> IpAddr {
    vip(text).addr
}
