//! Headers of the PROXY protocol: whatever the bytes, a verdict; and what is written is read as it was meant.
#![no_main]

use evenkeel_proxy::proxy_protocol::{Announcement, Origin, kind, parse, v1, v2};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let found = parse(bytes);
    let Ok(Some(header)) = found else {
        // What is refused stays refused, and what is incomplete may not have been refused before.
        if found == Ok(None) {
            (0..bytes.len()).for_each(|end| assert_eq!(parse(&bytes[..end]), Ok(None)));
        }
        return;
    };
    assert!(header.len <= bytes.len());
    assert_eq!(parse(&bytes[..header.len]), Ok(Some(header)), "nothing behind it matters");
    assert!((0..header.len).all(|end| parse(&bytes[..end]) == Ok(None)), "no byte too early");
    for tlv in header.tlvs.iter() {
        assert_eq!(header.tlvs.bytes().get(tlv.at..tlv.at + tlv.value.len()), Some(tlv.value));
    }
    let Origin::Relayed { source, destination } = header.origin else { return };
    let mut out = Vec::new();
    v1(&mut out, source, destination);
    let again = parse(&out).ok().flatten().map(|h| (h.len, h.origin));
    assert_eq!(again, Some((out.len(), header.origin)));
    out.clear();
    let said = Announcement {
        source,
        destination,
        alpn: header.tlvs.find(kind::ALPN),
        authority: header.tlvs.find(kind::AUTHORITY),
        unique_id: header.tlvs.find(kind::UNIQUE_ID),
        ssl: None,
        crc32c: true,
    };
    v2(&mut out, &said);
    let again = parse(&out).ok().flatten().map(|h| (h.len, h.origin));
    assert_eq!(again, Some((out.len(), header.origin)));
});
