//! The VRRP decoder, every version, family and destination: no panic, and what it takes in it can say again.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use evenkeel_vrrp::packet::{Advert, Envelope, GROUP_V4, GROUP_V6};
use evenkeel_vrrp::types::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let v4 = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
    let v6 = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));
    let peer = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
    let envelopes = [
        (Version::V2, v4, IpAddr::V4(GROUP_V4)),
        (Version::V3, v4, IpAddr::V4(GROUP_V4)),
        (Version::V3, v4, peer),
        (Version::V3, v6, IpAddr::V6(GROUP_V6)),
    ];
    for (version, src, dst) in envelopes {
        let envelope = Envelope { version, src, dst };
        let Ok(decoded) = Advert::decode(bytes, &envelope) else { continue };
        let advert = decoded.advert;
        assert!(!advert.addresses.is_empty() && advert.interval.value() > 0);
        let form = decoded.checksum.unwrap_or(evenkeel_vrrp::config::ChecksumForm::Rfc5798);
        let again = advert.encode(form, src, dst);
        let redecoded = Advert::decode(&again, &envelope).expect("what was encoded is well formed");
        assert_eq!(redecoded.advert, advert);
    }
});
