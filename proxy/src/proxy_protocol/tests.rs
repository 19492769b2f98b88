//! Byte-exact headers, and everything that is none.

use super::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn relayed(source: &str, destination: &str) -> Origin {
    Origin::Relayed { source: addr(source), destination: addr(destination) }
}

/// A header of version 2 with this command, family and rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

const PLAIN: Announcement<'_> = Announcement {
    source: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 4660),
    destination: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 2)), 443),
    alpn: None,
    authority: None,
    unique_id: None,
    ssl: None,
    crc32c: false,
};

const V4_BYTES: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb];

#[test]
fn lines() {
    for (line, origin) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n", relayed("192.0.2.1:4660", "198.51.100.2:443")),
        ("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", relayed("255.255.255.255:65535", "0.0.0.0:0")),
        ("PROXY TCP6 2001:db8::1 ::1 1 2\r\n", relayed("[2001:db8::1]:1", "[::1]:2")),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", relayed("192.0.2.1:1", "192.0.2.2:2")),
        ("PROXY UNKNOWN\r\n", Origin::Own),
        ("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", Origin::Own),
    ] {
        let header = Header { len: line.len(), version: Version::V1, origin, tlvs: Tlvs::default() };
        let with_more = format!("{line}GET / HTTP/1.1\r\n\r\n");
        assert_eq!(parse(with_more.as_bytes()), Ok(Some(header)), "{line}");
        for end in 0..line.len() {
            assert_eq!(parse(&line.as_bytes()[..end]), Ok(None), "{}", &line[..end]);
        }
    }
}

#[test]
fn what_is_no_line() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert_eq!(long.len(), 108);
    for (bytes, error) in [
        ("GET / HTTP/1.1\r\n", HeaderError::Absent),
        ("PROXYTCP4", HeaderError::Absent),
        ("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", HeaderError::Absent),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", HeaderError::Line),
        ("PROXY\r\n", HeaderError::Absent),
        ("PROXY \r\n", HeaderError::Line),
        ("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", HeaderError::Line),
        ("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", HeaderError::Line),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", HeaderError::Line),
        ("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", HeaderError::Line),
        (long.as_str(), HeaderError::Line),
    ] {
        assert_eq!(parse(bytes.as_bytes()), Err(error), "{bytes}");
    }
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(parse(longest.as_bytes()).unwrap().map(|h| h.len), Some(107));
    assert_eq!(parse(&longest.as_bytes()[..106]), Ok(None));
}

#[test]
fn binary_headers() {
    let tlvs = [0x04, 0, 2, 7, 7, 0x02, 0, 3, b'a', b'.', b'b', 0x05, 0, 0];
    let v4 = binary(0x21, 0x11, &[&V4_BYTES[..], &tlvs].concat());
    let header = parse(&[&v4[..], b"after"].concat()).unwrap().map(|h| (h.len, h.version, h.origin));
    assert_eq!(header, Some((v4.len(), Version::V2, relayed("192.0.2.1:4660", "198.51.100.2:443"))));
    let said = parse(&v4).unwrap().unwrap().tlvs;
    assert_eq!(said.find(kind::AUTHORITY), Some(&b"a.b"[..]));
    assert_eq!((said.find(kind::UNIQUE_ID), said.find(kind::ALPN)), (Some(&[][..]), None));
    assert_eq!(said.iter().map(|t| (t.kind, t.at)).collect::<Vec<_>>(), [(4, 3), (2, 8), (5, 14)]);
    for end in 0..v4.len() {
        assert_eq!(parse(&v4[..end]), Ok(None), "{end} bytes");
    }
    let mut v6 = [0; 36];
    (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 3, 4);
    for (command, family, rest, origin) in [
        (0x21, 0x21, &v6[..], relayed("[::1]:3", "[::2]:4")),
        (0x20, 0x00, &[], Origin::Own),
        (0x20, 0x11, &V4_BYTES, Origin::Own),
        (0x20, 0x11, &[1, 2, 3], Origin::Own),
        (0x21, 0x00, &[], Origin::Own),
        (0x21, 0x00, &[9, 9, 9, 9, 9], Origin::Own),
        (0x21, 0x12, &V4_BYTES, Origin::Own),
        (0x21, 0x31, &[b'/'; 216], Origin::Own),
    ] {
        let bytes = binary(command, family, rest);
        let header = parse(&bytes).unwrap().unwrap();
        assert_eq!((header.len, header.origin), (bytes.len(), origin), "{command:x} {family:x}");
    }
}

#[test]
fn what_is_no_binary_header() {
    let long = [&V4_BYTES[..], &[4, 0x3f, 0xf0], &vec![0; 0x3ff0]].concat();
    for (command, family, rest, error) in [
        (0x11, 0x11, &V4_BYTES[..], HeaderError::Unknown),
        (0x22, 0x11, &V4_BYTES, HeaderError::Unknown),
        (0x21, 0x13, &V4_BYTES, HeaderError::Unknown),
        (0x21, 0x41, &V4_BYTES, HeaderError::Unknown),
        (0x21, 0x11, &V4_BYTES[..11], HeaderError::Length),
        (0x21, 0x21, &V4_BYTES, HeaderError::Length),
        (0x21, 0x11, &[&V4_BYTES[..], &[4, 0]].concat(), HeaderError::Tlv),
        (0x21, 0x11, &[&V4_BYTES[..], &[4, 0, 1]].concat(), HeaderError::Tlv),
        (0x21, 0x11, &[&V4_BYTES[..], &[3, 0, 3, 0, 0, 0]].concat(), HeaderError::Tlv),
        (0x21, 0x11, &[&V4_BYTES[..], &[3, 0, 4, 0, 0, 0, 0]].concat(), HeaderError::Checksum),
        (0x20, 0x00, &[3, 0, 4, 0, 0, 0, 0], HeaderError::Checksum),
        (0x21, 0x11, &long, HeaderError::Length),
    ] {
        let found = parse(&binary(command, family, rest)).map(|h| h.map(|h| h.len));
        assert_eq!(found, Err(error), "{command:x} {family:x}");
    }
    // As soon as it is known.
    assert_eq!(parse(&binary(0x22, 0x11, &[])), Err(HeaderError::Unknown));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIX"), Err(HeaderError::Absent));
}

#[test]
fn a_checksum_finds_any_flipped_bit() {
    let mut bytes = Vec::new();
    v2(&mut bytes, &Announcement { authority: Some(b"example.com"), crc32c: true, ..PLAIN });
    assert_eq!(parse(&bytes).unwrap().unwrap().origin, relayed("192.0.2.1:4660", "198.51.100.2:443"));
    for bit in 16 * 8..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let found = parse(&damaged);
        // Another type of TLV may hide the checksum itself.
        let hidden = (28 * 8..29 * 8).contains(&bit);
        assert!(found.is_err() || hidden, "bit {bit}: {found:?}");
    }
    let twice = [&V4_BYTES[..], &[3, 0, 4, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0]].concat();
    assert_eq!(parse(&binary(0x21, 0x11, &twice)), Err(HeaderError::Tlv));
}

#[test]
fn what_is_written() {
    let mut line = b"before".to_vec();
    v1(&mut line, PLAIN.source, PLAIN.destination);
    assert_eq!(line, b"beforePROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n");
    line.clear();
    v1(&mut line, addr("[::ffff:192.0.2.1]:1"), addr("192.0.2.2:2"));
    assert_eq!(line, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    line.clear();
    v1(&mut line, addr("192.0.2.1:1"), addr("[2001:db8::2]:2"));
    assert_eq!(line, b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n");

    let mut bytes = b"before".to_vec();
    v2(&mut bytes, &PLAIN);
    assert_eq!(&bytes[6..], binary(0x21, 0x11, &V4_BYTES));
    bytes.clear();
    local(&mut bytes);
    assert_eq!(bytes, binary(0x20, 0, &[]));
    bytes.clear();
    v2(&mut bytes, &Announcement { source: addr("[::1]:3"), destination: addr("[::2]:4"), ..PLAIN });
    assert_eq!(parse(&bytes).unwrap().unwrap().origin, relayed("[::1]:3", "[::2]:4"));
}

/// As HAProxy 2.6.12 wrote it for such clients, checksums and addresses aside, which are those of [`PLAIN`] here.
#[test]
fn what_else_is_written_is_what_haproxy_writes() {
    let secured = Secured {
        version: "TLSv1.3",
        shown: Shown::Now,
        cn: Some("alice"),
        key: Some("EC256"),
        signature: Some("ecdsa-with-SHA256"),
        cipher: Some("TLS_AES_256_GCM_SHA384"),
    };
    let with_tls = b"\x20\0\x4c\x07\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x05alice\x25\0\x05EC256\
        \x24\0\x11ecdsa-with-SHA256\x23\0\x16TLS_AES_256_GCM_SHA384";
    let resumed = b"\x20\0\x0f\x05\0\0\0\0\x21\0\x07TLSv1.2";
    let anonymous = b"\x20\0\x0f\x01\0\0\0\0\x21\0\x07TLSv1.2";
    let tls12 =
        |shown| Secured { version: "TLSv1.2", shown, cn: None, key: None, signature: None, cipher: None };
    let cases: [(Announcement<'_>, &[u8]); 7] = [
        (Announcement { alpn: Some(b"h2"), ..PLAIN }, b"\x01\0\x02h2"),
        (Announcement { authority: Some(b"www.example.com"), ..PLAIN }, b"\x02\0\x0fwww.example.com"),
        (Announcement { unique_id: Some(b""), ..PLAIN }, b"\x05\0\0"),
        (Announcement { ssl: Some(Ssl::Clear), ..PLAIN }, b"\x20\0\x05\0\0\0\0\0"),
        (Announcement { ssl: Some(Ssl::Secured(secured)), ..PLAIN }, with_tls),
        (Announcement { ssl: Some(Ssl::Secured(tls12(Shown::Before))), ..PLAIN }, resumed),
        (Announcement { ssl: Some(Ssl::Secured(tls12(Shown::Never))), ..PLAIN }, anonymous),
    ];
    for (said, tlvs) in cases {
        let mut bytes = Vec::new();
        v2(&mut bytes, &said);
        assert_eq!(bytes, binary(0x21, 0x11, &[&V4_BYTES[..], tlvs].concat()), "{said:?}");
    }
    let all = Announcement {
        alpn: Some(b"h2"),
        authority: Some(b"www.example.com"),
        unique_id: Some(b""),
        ssl: Some(Ssl::Secured(secured)),
        crc32c: true,
        ..PLAIN
    };
    let mut bytes = Vec::new();
    v2(&mut bytes, &all);
    let tlvs = parse(&bytes).unwrap().unwrap().tlvs.iter().map(|t| t.kind).collect::<Vec<_>>();
    assert_eq!(tlvs, [kind::CRC32C, kind::ALPN, kind::AUTHORITY, kind::UNIQUE_ID, kind::SSL]);
}

#[test]
fn what_is_too_long_is_not_said() {
    let endless = vec![b'x'; MOST_VALUE_BYTES + 1];
    let mut bytes = Vec::new();
    v2(&mut bytes, &Announcement { authority: Some(&endless), ..PLAIN });
    assert_eq!(bytes, binary(0x21, 0x11, &V4_BYTES));
}

#[test]
fn what_is_too_long_is_not_taken_either() {
    for (kind, most) in [(kind::AUTHORITY, 255), (kind::UNIQUE_ID, 128)] {
        for (len, good) in [(most, true), (most + 1, false)] {
            let tlv = [&[kind, (len >> 8) as u8, len as u8][..], &vec![b'x'; len]].concat();
            let found = parse(&binary(0x21, 0x11, &[&V4_BYTES[..], &tlv].concat())).map(|h| h.is_some());
            assert_eq!(found, if good { Ok(true) } else { Err(HeaderError::Tlv) }, "{kind} of {len} bytes");
        }
    }
    // Of two the last one holds.
    let twice = b"\x02\0\x01a\x02\0\x01b";
    let twice = binary(0x21, 0x11, &[&V4_BYTES[..], twice].concat());
    assert_eq!(parse(&twice).unwrap().unwrap().tlvs.find(kind::AUTHORITY), Some(&b"b"[..]));
}
