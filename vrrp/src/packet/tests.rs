use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// Bytes from hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("a hexadecimal digit");
    text.as_bytes().as_chunks::<2>().0.iter().map(|[a, b]| (digit(*a) * 16 + digit(*b)) as u8).collect()
}

struct Recorded {
    set: &'static str,
    envelope: Envelope,
    bytes: Vec<u8>,
}

fn recorded() -> Vec<Recorded> {
    let lines = include_str!("../../tests/fixtures/adverts.txt").lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|line| {
            let [set, src, dst, hex] = line.split(' ').collect::<Vec<_>>().try_into().expect("four columns");
            let bytes = unhex(hex);
            let version = if bytes[0] >> 4 == 2 { Version::V2 } else { Version::V3 };
            let envelope =
                Envelope { version, src: src.parse().expect("source"), dst: dst.parse().expect("dst") };
            Recorded { set, envelope, bytes }
        })
        .collect()
}

fn vrid(n: u8) -> Vrid {
    Vrid::new(n).expect("not 0")
}

fn addrs(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|a| a.parse().expect("address")).collect()
}

/// What each recorded set says, besides priority: version, interval, authentication, checksum form, addresses.
fn meaning(set: &str) -> (Version, u16, Auth, Option<ChecksumForm>, Vec<IpAddr>) {
    let v4 = || addrs(&["10.77.0.50"]);
    match set {
        "v2-pass" | "v2-vmac" | "243-v2-pass" => {
            (Version::V2, 100, Auth::Pass(AuthPass(*b"s3cr3t42")), None, v4())
        }
        "v2-noauth-2vips" => (Version::V2, 100, Auth::None, None, addrs(&["10.77.0.50", "10.77.0.51"])),
        "v3-ipv4" | "v3-vmac" | "v3-vmac-xmitbase" | "v3-unicast" => {
            (Version::V3, 50, Auth::None, Some(ChecksumForm::Rfc5798), v4())
        }
        "v3-unicast-oldcsum" => (Version::V3, 50, Auth::None, Some(ChecksumForm::OldUnicast), v4()),
        "v3-ipv6" | "v3-vmac-ipv6" => (Version::V3, 50, Auth::None, None, addrs(&["fe80::50", "fd77::50"])),
        other => panic!("unknown set {other}"),
    }
}

/// Every kind of advert recorded from keepalived is read as what it says and comes out as the same bytes again.
#[test]
fn recorded_adverts_decode_and_encode_to_the_same_bytes() {
    let mut sets = std::collections::BTreeSet::new();
    for Recorded { set, envelope, bytes } in recorded() {
        if set == "243-v3-unicast-hmac" {
            // The signature that keepalived 2.4 appends is no part of any RFC; the length check is exact.
            assert_eq!(Advert::decode(&bytes, &envelope), Err(DecodeError::Length(40)));
            continue;
        }
        let (version, centis, auth, checksum, addresses) = meaning(set);
        let (priority, interval) = (Priority::new(bytes[2]), Centis::new(centis).expect("in range"));
        assert!([0, 100, 101].contains(&bytes[2]), "{set} {priority}");
        let advert = Advert { version, vrid: vrid(51), priority, interval, auth, addresses };
        let decoded = Decoded { advert: advert.clone(), checksum };
        assert_eq!(Advert::decode(&bytes, &envelope), Ok(decoded), "{set}");
        let form = checksum.unwrap_or(ChecksumForm::Rfc5798);
        assert_eq!(advert.encode(form, envelope.src, envelope.dst), bytes, "{set}");
        sets.insert(set);
    }
    assert_eq!(sets.len(), 11, "{sets:?}");
}

/// `facts/vrrp.md` §1.4: one 12-byte message, three sums.
#[test]
fn v3_over_ipv4_is_accepted_with_any_of_the_three_checksums() {
    let (src, dst) = (addrs(&["10.77.0.2"])[0], addrs(&["10.77.0.1"])[0]);
    let envelope = Envelope { version: Version::V3, src, dst };
    let mut message = unhex("3133640100320000" /* sum */);
    message.extend([10, 77, 0, 50]);
    for (form, sum) in [
        (ChecksumForm::Rfc5798, 0x4b01_u16),
        (ChecksumForm::OldUnicast, 0x753c),
        (ChecksumForm::Rfc9568, 0x601a),
    ] {
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        let decoded = Advert::decode(&message, &envelope).expect("accepted");
        assert_eq!(decoded.checksum, Some(form));
        assert_eq!(decoded.advert.encode(form, src, dst), message);
        for wrong in [sum.wrapping_add(1), !sum, 0, 0xffff] {
            message[6..8].copy_from_slice(&wrong.to_be_bytes());
            assert_eq!(Advert::decode(&message, &envelope), Err(DecodeError::Checksum));
        }
    }
}

/// Rewrites bytes of a good message and repairs the checksum, so that only the change can be the reason to refuse it.
fn altered(good: &Recorded, change: impl FnOnce(&mut Vec<u8>)) -> Result<Decoded, DecodeError> {
    let mut bytes = good.bytes.clone();
    change(&mut bytes);
    let Envelope { version, src, dst } = good.envelope;
    let sum = match version {
        Version::V2 => checksum::plain(&bytes),
        Version::V3 => checksum::v3(&bytes, ChecksumForm::Rfc5798, src, dst),
    };
    if let Some(field) = bytes.get_mut(CHECKSUM) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    Advert::decode(&bytes, &good.envelope)
}

#[test]
fn each_malformation_is_refused_for_its_own_reason() {
    let all = recorded();
    let find = |set| all.iter().find(|r| r.set == set).expect("recorded");
    let (v2, v2_plain) = (find("v2-pass"), find("v2-noauth-2vips"));
    let (v3, v6) = (find("v3-ipv4"), find("v3-ipv6"));
    for good in [v2, v2_plain, v3, v6] {
        let length = good.bytes.len();
        let refused = |change: &dyn Fn(&mut Vec<u8>)| altered(good, change).expect_err(good.set);
        assert!(altered(good, |_| ()).is_ok(), "{} itself is fine", good.set);
        for short in 0..8 {
            assert_eq!(refused(&|b| b.truncate(short)), DecodeError::Truncated, "{short}");
        }
        for short in 8..length {
            assert_eq!(refused(&|b| b.truncate(short)), DecodeError::Length(short));
        }
        for more in 1..40 {
            assert_eq!(refused(&|b| b.resize(length + more, 0)), DecodeError::Length(length + more));
        }
        for version in (0..16).filter(|v| *v != good.bytes[0] >> 4) {
            assert_eq!(refused(&|b| b[0] = (version << 4) | 1), DecodeError::Version(version));
        }
        for kind in (0..16).filter(|k| *k != 1) {
            assert_eq!(refused(&|b| b[0] = (b[0] & 0xf0) | kind), DecodeError::Type(kind));
        }
        for count in (1..=255).filter(|c| *c != good.bytes[3]) {
            assert_eq!(refused(&|b| b[3] = count), DecodeError::Length(length));
        }
        assert_eq!(refused(&|b| b[1] = 0), DecodeError::VridZero);
        assert_eq!(refused(&|b| b[3] = 0), DecodeError::CountZero);
        assert_eq!(refused(&|b| b[5] = 0), DecodeError::IntervalZero);
    }
    for kind in 2..=255 {
        assert_eq!(altered(v2, |b| b[4] = kind), Err(DecodeError::AuthType(kind)));
    }
    // RFC 9568 §5.2.6: reserved, "MUST be ignored on reception".
    let reserved = altered(v3, |b| b[4] |= 0xf0).expect("accepted");
    assert_eq!(reserved.advert.interval, Centis::new(50).expect("in range"));
}

/// A flipped bit anywhere is noticed: the Internet checksum detects every single-bit error.
#[test]
fn any_flipped_bit_is_refused_or_changes_nothing_but_the_form() {
    for good in recorded().iter().filter(|r| r.set != "243-v3-unicast-hmac") {
        for bit in 0..good.bytes.len() * 8 {
            let mut bytes = good.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let error = Advert::decode(&bytes, &good.envelope).expect_err(good.set);
            assert_ne!(error.counter(), Counter::AdvertsReceived);
        }
    }
}

#[test]
fn every_reason_has_a_drop_counter() {
    use std::collections::BTreeSet;
    let errors = [
        DecodeError::Truncated,
        DecodeError::Version(4),
        DecodeError::Type(2),
        DecodeError::VridZero,
        DecodeError::CountZero,
        DecodeError::Length(9),
        DecodeError::Checksum,
        DecodeError::AuthType(2),
        DecodeError::IntervalZero,
    ];
    let counters: BTreeSet<_> = errors.iter().map(|e| e.counter()).collect();
    assert_eq!(counters.len(), errors.len());
    assert!(counters.iter().all(|c| c.as_str().starts_with("drop_")));
}

#[test]
fn vrid_is_readable_first() {
    assert_eq!(peek_vrid(&[0x21, 51, 0, 0, 0, 0, 0, 0]), Ok(vrid(51)));
    assert_eq!(peek_vrid(&[0x21, 0, 0, 0, 0, 0, 0, 0]), Err(DecodeError::VridZero));
    assert_eq!(peek_vrid(&[0x21, 51, 0, 0, 0, 0, 0]), Err(DecodeError::Truncated));
}

#[test]
fn passwords_differ_in_any_byte() {
    let password = *b"s3cr3t42";
    assert!(same_password(&password, &password));
    for i in 0..8 {
        let mut other = password;
        other[i] ^= 0x80;
        assert!(!same_password(&password, &other));
    }
}

prop_compose! {
    fn any_advert()(
        v2 in any::<bool>(), v6 in any::<bool>(),
        vrid in 1..=255_u8, priority: u8, seconds in 1..=255_u16, centis in 1..=4095_u16,
        password in proptest::option::of(any::<[u8; 8]>()),
        v4_list in proptest::collection::vec(any::<[u8; 4]>(), 1..20),
        v6_list in proptest::collection::vec(any::<[u8; 16]>(), 1..20),
    ) -> (Advert, bool) {
        let v6 = v6 && !v2;
        let (version, interval) = if v2 { (Version::V2, seconds * 100) } else { (Version::V3, centis) };
        let auth = if v2 { password.map_or(Auth::None, |p| Auth::Pass(AuthPass(p))) } else { Auth::None };
        let addresses: Vec<IpAddr> = if v6 {
            v6_list.into_iter().map(IpAddr::from).collect()
        } else {
            v4_list.into_iter().map(IpAddr::from).collect()
        };
        let advert = Advert {
            version, vrid: Vrid::new(vrid).expect("not 0"), priority: Priority::new(priority),
            interval: Centis::new(interval).expect("in range"), auth, addresses,
        };
        (advert, v6)
    }
}

proptest! {
    #[test]
    fn decode_reads_what_encode_wrote(
        (advert, v6) in any_advert(), unicast: bool,
        form in prop::sample::select(FORMS.to_vec()),
    ) {
        let (src, peer): (IpAddr, IpAddr) = if v6 {
            ("fe80::1".parse().expect("address"), "fe80::2".parse().expect("address"))
        } else {
            ("10.77.0.1".parse().expect("address"), "10.77.0.2".parse().expect("address"))
        };
        let dst = if unicast { peer } else { group(Family::of(src)) };
        let bytes = advert.encode(form, src, dst);
        let envelope = Envelope { version: advert.version, src, dst };
        let decoded = Advert::decode(&bytes, &envelope).expect("well formed");
        prop_assert_eq!(&decoded.advert, &advert);
        let forms = advert.version == Version::V3 && !v6;
        prop_assert_eq!(decoded.checksum.is_some(), forms);
        let again = decoded.checksum.unwrap_or(form);
        prop_assert_eq!(advert.encode(again, src, dst), bytes);
    }

    #[test]
    fn decode_never_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), v2: bool, v6: bool, repair: bool,
    ) {
        let src: IpAddr = if v6 { [0xfe; 16].into() } else { [10, 0, 0, 1].into() };
        let dst = group(Family::of(src));
        let version = if v2 { Version::V2 } else { Version::V3 };
        let mut bytes = bytes;
        if let (true, Some(first)) = (repair, bytes.first_mut()) {
            *first = (version.number() << 4) | 1;
        }
        if let Ok(decoded) = Advert::decode(&bytes, &Envelope { version, src, dst }) {
            prop_assert_eq!(decoded.advert.addresses.len(), usize::from(bytes[3]));
        }
    }
}
