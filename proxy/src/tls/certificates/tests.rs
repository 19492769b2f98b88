use super::*;
use crate::tls::fixture::Authority;

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
    let key = table.select(name, schemes)?;
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
