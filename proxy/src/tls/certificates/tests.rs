use super::*;
use crate::tls::bundle::Files;
use crate::tls::fixture::{Authority, ocsp};

const ECDSA: &[SignatureScheme] = &[SignatureScheme::ECDSA_NISTP256_SHA256];
const RSA: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_SHA256];
const BOTH: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256];

/// Position of the certificate that is selected.
fn selected(
    table: &Certificates,
    all: &[Certificate],
    name: Option<&str>,
    schemes: &[SignatureScheme],
) -> Option<usize> {
    let key = table.select(name, schemes, 0)?;
    all.iter().position(|c| Arc::ptr_eq(c.key(), key))
}

#[test]
fn exact_then_wildcard_then_the_first() {
    let ca = Authority::new("ca");
    let all: Vec<_> = [
        &["first.example"][..],
        &["www.example.com", "example.com"],
        &["*.example.com"],
        // Both names are taken.
        &["www.example.com", "*.example.com"],
        &["*.a.example.com"],
    ]
    .map(|names| ca.issue(names).read())
    .into();
    let table = Certificates::new(&all, UnknownName::First);
    let strict = Certificates::new(&all, UnknownName::Refuse);
    for (name, known) in [
        (Some("www.example.com"), Some(1)),
        (Some("example.com"), Some(1)),
        (Some("other.example.com"), Some(2)),
        (Some("b.a.example.com"), Some(4)),
        // One label, not two.
        (Some("c.b.a.example.com"), None),
        (Some("a.example.com"), Some(2)),
        (Some("com"), None),
        (Some("first.example"), Some(0)),
        (Some("unknown.example"), None),
        (None, None),
    ] {
        assert_eq!(selected(&table, &all, name, BOTH), known.or(Some(0)), "{name:?}");
        assert_eq!(selected(&strict, &all, name, BOTH), known, "strict {name:?}");
    }
}

#[test]
fn each_client_gets_what_it_can_verify() {
    let ca = Authority::new("ca");
    let all = [
        ca.issue_rsa(&["a.example"]).read(),
        ca.issue(&["a.example"]).read(),
        ca.issue(&["a.example"]).read(),
        ca.issue_rsa(&["b.example"]).read(),
    ];
    let table = Certificates::new(&all, UnknownName::First);
    for (name, schemes, at) in [
        (Some("a.example"), BOTH, 1),
        (Some("a.example"), ECDSA, 1),
        (Some("a.example"), RSA, 0),
        // Nothing fits: the handshake fails for that reason.
        (Some("b.example"), ECDSA, 3),
        (None, BOTH, 1),
        (None, RSA, 0),
    ] {
        assert_eq!(selected(&table, &all, name, schemes), Some(at), "{name:?} {schemes:?}");
    }
}

/// A staple that is past its time is not shown: clients that insist on one would refuse it.
#[test]
fn a_staple_is_shown_while_it_is_good() {
    let texts = Authority::new("ca").issue_numbered("one", 1);
    let pem = texts.bundle();
    let response = ocsp(&[1], 0, Some("20300101000000Z"));
    let files = Files { pem: pem.as_bytes(), key: None, ocsp: Some(&response) };
    let certificate = Certificate::read(files).unwrap();
    let table = Certificates::new(&[certificate], UnknownName::First);
    let stapled = |now| table.select(None, ECDSA, now).unwrap().ocsp.is_some();
    let end = 1_893_456_000;
    assert_eq!((stapled(end - 1), stapled(end)), (true, false));
    let clocked = |now: Option<i64>| table.find(None, ECDSA).unwrap().shown(|| now).ocsp.is_some();
    assert!(!clocked(None), "nobody knows what time it is");
}
