use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// What rustls says first.
fn of_rustls(name: &'static str, alpn: &[&str]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn vec8(content: &[u8]) -> Vec<u8> {
    [&[u8::try_from(content.len()).unwrap()], content].concat()
}

fn vec16(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), vec16(content)].concat()
}

fn sni(name: &[u8]) -> Vec<u8> {
    extension(SERVER_NAME, &vec16(&[&[HOST_NAME][..], &vec16(name)].concat()))
}

fn message_of(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[CLIENT_HELLO], &len[1..], body].concat()
}

/// A message in records of so many bytes.
fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|c| [&[HANDSHAKE, 3, 1][..], &vec16(c)].concat()).collect()
}

fn until_extensions() -> Vec<u8> {
    [&[3, 3][..], &[7; 32], &vec8(&[9; 32]), &vec16(&[0x1A, 0x1A, 0x13, 1]), &vec8(&[0])].concat()
}

fn body(extensions: &[Vec<u8>]) -> Vec<u8> {
    [until_extensions(), vec16(&extensions.concat())].concat()
}

fn with(extensions: &[Vec<u8>]) -> Result<Option<ClientHello>, HelloError> {
    parse(&in_records(&message_of(&body(extensions)), 1 << 14))
}

fn name_of(name: &[u8]) -> Result<Option<Box<str>>, HelloError> {
    with(&[sni(name)]).map(|found| found.unwrap().server_name)
}

#[test]
fn what_rustls_says_is_read() {
    let bytes = of_rustls("WWW.Example.com", &["h2", "http/1.1"]);
    let found = parse(&bytes).unwrap().unwrap();
    assert_eq!(found.server_name.as_deref(), Some("www.example.com"));
    assert_eq!(found.protocols, [Box::from(&b"h2"[..]), Box::from(&b"http/1.1"[..])]);
    assert_eq!(found.versions, [0x0304, 0x0303]);
    let to_an_address = parse(&of_rustls("192.0.2.1", &[])).unwrap().unwrap();
    assert_eq!((to_an_address.server_name, to_an_address.protocols), (None, Vec::new()));
}

#[test]
fn no_byte_too_early_none_too_late_and_any_number_of_records() {
    let bytes = of_rustls("a.example", &["h2"]);
    let found = parse(&bytes).unwrap();
    assert!(found.is_some());
    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes[..end]), Ok(None), "{end} bytes");
    }
    let message = &bytes[5..];
    for size in [1, 2, 3, 4, 5, 100, message.len() - 1] {
        let spread = in_records(message, size);
        assert_eq!(parse(&spread), Ok(found.clone()), "records of {size} bytes");
        assert_eq!(parse(&spread[..spread.len() - 1]), Ok(None), "records of {size} bytes");
        assert_eq!(parse(&[&spread[..], b"\x17\x03\x03 and junk"].concat()), Ok(found.clone()));
    }
}

#[test]
fn what_is_there_to_be_ignored_is_ignored() {
    let grease = [0x0A0A, 0xFAFA].map(|kind| extension(kind, b"?"));
    let names = extension(ALPN, &vec16(&[vec8(&[0x8A, 0x8A]), vec8(b"h2")].concat()));
    let versions = extension(SUPPORTED_VERSIONS, &vec8(&[0x5A, 0x5A, 3, 4, 3, 3]));
    let [first, last] = grease;
    let found = with(&[first, sni(b"a.example"), names, versions, last]).unwrap().unwrap();
    assert_eq!(found.server_name.as_deref(), Some("a.example"));
    assert_eq!(found.protocols, [Box::from(&b"h2"[..])]);
    assert_eq!(found.versions, [0x0304, 0x0303]);
    assert!(!is_grease(0x0A1A) && !is_grease(0x0303) && is_grease(0xFAFA));
    // Another kind of name, which nobody knows, before the one of a host.
    let list = [&[7][..], &vec16(b"?"), &[HOST_NAME], &vec16(b"a.example")].concat();
    let found = with(&[extension(SERVER_NAME, &vec16(&list))]).unwrap().unwrap();
    assert_eq!(found.server_name.as_deref(), Some("a.example"));
}

#[test]
fn a_hello_of_old_needs_no_extensions() {
    let found = parse(&in_records(&message_of(&until_extensions()), 4096)).unwrap();
    assert_eq!(found, Some(ClientHello { versions: vec![0x0303], ..ClientHello::default() }));
    assert_eq!(with(&[]).unwrap(), found);
}

#[test]
fn names() {
    assert_eq!(name_of(b"A.Example.").unwrap().as_deref(), Some("a.example"));
    assert_eq!(name_of(&[b'a'; 255]).unwrap().map(|n| n.len()), Some(255));
    for bad in [&b""[..], b".", b"a b", b"a\0b", b"\xC3\xA4", &[b'a'; 256]] {
        assert_eq!(name_of(bad), Err(HelloError::Malformed), "{}", bad.escape_ascii());
    }
}

#[test]
fn what_is_malformed_is_refused() {
    let cut = |mut bytes: Vec<u8>, by: usize| {
        bytes.truncate(bytes.len() - by);
        bytes
    };
    let name = sni(b"a.example");
    let two_hosts = [&[0][..], &vec16(b"a"), &[0], &vec16(b"b")].concat();
    let versions = |list: &[u8]| body(&[extension(SUPPORTED_VERSIONS, &vec8(list))]);
    let alpn = |list: &[u8]| body(&[extension(ALPN, &vec16(list))]);
    let bodies = [
        ("a body that is too short", until_extensions()[..34].to_vec()),
        ("version 2", [&[2, 0][..], &until_extensions()[2..]].concat()),
        ("half a cipher", [&[3, 3][..], &[7; 32], &vec8(&[]), &vec16(&[1]), &vec8(&[0])].concat()),
        ("no cipher", [&[3, 3][..], &[7; 32], &vec8(&[]), &vec16(&[]), &vec8(&[0])].concat()),
        ("no compression", [&[3, 3][..], &[7; 32], &vec8(&[]), &vec16(&[1, 2]), &vec8(&[])].concat()),
        ("a long session", [&[3, 3][..], &[7; 32], &vec8(&[1; 33]), &vec16(&[1, 2]), &vec8(&[0])].concat()),
        ("an extension cut short", [until_extensions(), vec16(&cut(name.clone(), 1))].concat()),
        ("bytes behind the extensions", [body(&[]), vec![0]].concat()),
        ("the name twice", body(&[name.clone(), name])),
        ("two hosts", body(&[extension(SERVER_NAME, &vec16(&two_hosts))])),
        ("no name", body(&[extension(SERVER_NAME, &vec16(&[]))])),
        ("nothing", body(&[extension(SERVER_NAME, &[])])),
        ("a name of another kind alone", body(&[extension(SERVER_NAME, &vec16(b"\x07\0\0"))])),
        ("bytes behind the names", body(&[extension(SERVER_NAME, &[vec16(b"\0\0\x01a"), vec![0]].concat())])),
        ("half a version", versions(&[3, 4, 3])),
        ("no version", versions(&[])),
        ("an empty protocol", alpn(&[0])),
        ("a protocol cut short", alpn(b"\x03h2")),
    ];
    for (what, body) in bodies {
        assert_eq!(parse(&in_records(&message_of(&body), 4096)), Err(HelloError::Malformed), "{what}");
    }
}

#[test]
fn what_is_no_hello_is_refused_at_once() {
    let other_message = in_records(&[2, 0, 0, 4], 16);
    for (bytes, error) in [
        (&b"GET / HTTP/1.1\r\n"[..], HelloError::Record),
        (b"SSH-2.0-OpenSSH_9.2\r\n", HelloError::Record),
        (b"\x80\x2E\x01\x00\x02", HelloError::Record),
        (b"\x15\x03\x01\x00\x02", HelloError::Record),
        (b"\x16\x02", HelloError::Record),
        (b"\x16\x03\x01\x00\x00", HelloError::Record),
        (b"\x16\x03\x01\x40\x01", HelloError::Record),
        // An alert between the parts of a message.
        (b"\x16\x03\x01\x00\x01\x01\x15\x03\x01", HelloError::Record),
        (&other_message, HelloError::Message),
        (b"\x16\x03\x01\x40\x00\x01\x00\x40\x00", HelloError::Length),
        (b"\x16\x03\x01\x40\x00\x01\xFF\xFF\xFF", HelloError::Length),
    ] {
        assert_eq!(parse(bytes), Err(error), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_hello_is_waited_for_up_to_a_bound() {
    // The headers of the records count as well.
    let message = message_of(&body(&[extension(0x1234, &[0; 8000])]));
    let spread = in_records(&message, 4);
    assert!(message.len() < MOST_BYTES && spread.len() > MOST_BYTES);
    assert_eq!(parse(&spread[..MOST_BYTES - 1]), Ok(None));
    assert_eq!(parse(&spread[..MOST_BYTES]), Err(HelloError::Length));
    assert_eq!(parse(&spread), Err(HelloError::Length));
    assert!(parse(&in_records(&message, 64)).unwrap().is_some());
}
