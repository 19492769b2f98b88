//! Packets of an attacker, written by hand: the product's own encoder could not make most of them.
#![expect(clippy::wildcard_enum_match_arm, reason = "each attack spoils one thing and leaves the rest")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use evenkeel_vrrp::packet::{GROUP_V4, GROUP_V6};
use evenkeel_vrrp::types::{Family, Version};

use super::faults::Attack;
use super::rng::Rng;
use super::schedule::{RouterPlan, Schedule};

/// A packet and what it amounts to (an attack that does not apply to a router becomes another one).
pub(crate) struct Forged {
    pub(crate) attack: Attack,
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) hop_limit: u8,
    pub(crate) bytes: Vec<u8>,
}

/// The fields of a message, each free to be wrong.
struct Message {
    version: u8,
    kind: u8,
    vrid: u8,
    priority: u8,
    count: u8,
    /// Bytes 4 and 5.
    interval: [u8; 2],
    addresses: Vec<IpAddr>,
    auth_data: Option<[u8; 8]>,
}

pub(crate) fn forge(plan: &Schedule, rng: &mut Rng, to: usize, r: usize, attack: Attack) -> Option<Forged> {
    let router = &plan.routers[r];
    let attack = applicable(router, attack);
    let mut message = honest(router, rng, to);
    let (mut src, dst) = envelope(plan, rng, to, router);
    let mut hop_limit = 255;
    spoil_message(&mut message, router, rng, attack);
    match attack {
        Attack::HopLimit => hop_limit = rng.pick(&[0, 1, 64, 254]),
        Attack::SourceUnspecified => src = unspecified(router.family),
        Attack::SourceMulticast => src = group(router.family),
        Attack::SourceOwn => src = router.source(to),
        Attack::UnknownPeer => src = stranger(router),
        _ => {}
    }
    let mut bytes = message.bytes(src, dst);
    match attack {
        Attack::BadChecksum => bytes[6] ^= 0x5a,
        Attack::Truncated => bytes.truncate(rng.index(bytes.len())),
        Attack::Trailing => bytes.extend([0; 4]),
        Attack::Noise => {
            let length = rng.index(64);
            bytes = (0..length).map(|_| (rng.next() & 0xff) as u8).collect();
        }
        _ => {}
    }
    Some(Forged { attack, src, dst, hop_limit, bytes })
}

fn applicable(router: &RouterPlan, attack: Attack) -> Attack {
    let v2 = router.version == Version::V2;
    let applies = match attack {
        Attack::WrongPassword => router.auth.is_some(),
        Attack::WrongAuthType | Attack::OtherInterval => v2,
        // A unicast advert may have been routed.
        Attack::HopLimit => !router.unicast,
        Attack::UnknownPeer => router.unicast && router.check_source,
        // Whoever does not know the password can only replay.
        Attack::Release | Attack::LowestPriority | Attack::HighestPriority => router.auth.is_none(),
        _ => true,
    };
    if applies { attack } else { Attack::BadChecksum }
}

/// What a node with the highest priority would send.
fn honest(router: &RouterPlan, rng: &mut Rng, to: usize) -> Message {
    let own = router.advert_int[to];
    let interval = match router.version {
        Version::V2 => [u8::from(router.auth.is_some()), u8::try_from(own / 100).unwrap_or(1)],
        Version::V3 => {
            let factor = u16::try_from(rng.between(1, 3)).unwrap_or(1);
            (own * factor).min(4095).to_be_bytes()
        }
    };
    Message {
        version: router.version.number(),
        kind: 1,
        vrid: router.vrid,
        priority: rng.pick(&[200, 254, 255]),
        count: u8::try_from(router.vips.len()).unwrap_or(1),
        interval,
        addresses: router.vips.iter().map(|v| v.addr).collect(),
        auth_data: (router.version == Version::V2).then(|| router.auth.unwrap_or([0; 8])),
    }
}

fn envelope(plan: &Schedule, rng: &mut Rng, to: usize, router: &RouterPlan) -> (IpAddr, IpAddr) {
    let others: Vec<usize> = (0..plan.nodes.len()).filter(|n| *n != to).collect();
    let spoofed = router.source(others[rng.index(others.len())]);
    let src = if router.check_source || rng.chance(50) { spoofed } else { stranger(router) };
    let dst = if router.unicast { router.source(to) } else { group(router.family) };
    (src, dst)
}

fn spoil_message(m: &mut Message, router: &RouterPlan, rng: &mut Rng, attack: Attack) {
    match attack {
        Attack::WrongPassword => m.auth_data = Some(*b"guessed!"),
        Attack::WrongAuthType => m.interval[0] ^= 1,
        Attack::IntervalZero if router.version == Version::V2 => m.interval[1] = 0,
        Attack::IntervalZero => m.interval = [0, 0],
        Attack::OtherInterval => m.interval[1] ^= 2,
        Attack::OtherVips => {
            if let Some(last) = m.addresses.last_mut() {
                *last = stranger(router);
            }
        }
        Attack::CountZero => {
            m.count = 0;
            m.addresses.clear();
        }
        Attack::WrongVersion => m.version = rng.pick(&[0, 1, 5 - m.version, 4, 15]),
        Attack::WrongType => m.kind = rng.pick(&[0, 2, 15]),
        Attack::OtherVrid => m.vrid = rng.pick(&[0, 1, 200]),
        Attack::Release => m.priority = 0,
        Attack::LowestPriority => m.priority = 1,
        _ => {}
    }
}

impl Message {
    fn bytes(&self, src: IpAddr, dst: IpAddr) -> Vec<u8> {
        let mut out = vec![self.version << 4 | self.kind, self.vrid, self.priority, self.count];
        out.extend(self.interval);
        out.extend([0, 0]);
        for addr in &self.addresses {
            match addr {
                IpAddr::V4(a) => out.extend(a.octets()),
                IpAddr::V6(a) => out.extend(a.octets()),
            }
        }
        out.extend(self.auth_data.iter().flatten());
        let sum = self.checksum(&out, src, dst);
        out[6..8].copy_from_slice(&sum.to_be_bytes());
        out
    }

    /// v2, and v3 over IPv4 by RFC 9568: the message alone. v3 over IPv6: with the pseudo-header (RFC 8200 §8.1).
    fn checksum(&self, message: &[u8], src: IpAddr, dst: IpAddr) -> u16 {
        let mut covered = Vec::new();
        if let (3, IpAddr::V6(src), IpAddr::V6(dst)) = (self.version, src, dst) {
            covered.extend(src.octets());
            covered.extend(dst.octets());
            covered.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
            covered.extend([0, 0, 0, 112]);
        }
        covered.extend(message);
        let pairs = covered.chunks(2).map(|p| u32::from(u16::from_be_bytes([p[0], *p.get(1).unwrap_or(&0)])));
        let mut sum: u32 = pairs.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap_or(0)
    }
}

fn stranger(router: &RouterPlan) -> IpAddr {
    match router.family {
        Family::V4 => Ipv4Addr::new(10, 0, u8::try_from(router.interface).unwrap_or(0), 66).into(),
        Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x66).into(),
    }
}

fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => GROUP_V4.into(),
        Family::V6 => GROUP_V6.into(),
    }
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}
