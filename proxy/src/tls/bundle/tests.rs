use super::*;
use crate::tls::fixture::{Authority, Texts, ocsp};

fn read(pem: &str) -> Result<Certificate, BundleError> {
    Certificate::read(Files { pem: pem.as_bytes(), key: None, ocsp: None })
}

#[test]
fn any_order_comes_out_as_a_chain() {
    let root = Authority::new("root");
    let (middle, other) = (root.below("middle"), Authority::new("other"));
    let low = middle.below("low");
    let leaf = low.issue(&["www.example.com"]);
    let of = |pem: &str| certificates(pem.as_bytes()).unwrap().remove(0);
    let chain = [of(&leaf.cert), of(&low.pem), of(&middle.pem), of(&other.pem)];
    for order in [
        [&leaf.cert, &low.pem, &middle.pem, &other.pem, &leaf.key],
        [&leaf.key, &other.pem, &middle.pem, &low.pem, &leaf.cert],
        [&low.pem, &other.pem, &leaf.key, &leaf.cert, &middle.pem],
    ] {
        let pem = order.map(String::as_str).concat();
        assert_eq!(read(&pem).unwrap().key.cert, chain);
    }
    // A certificate said twice is shown once.
    let twice = [leaf.cert.as_str(), &leaf.cert, &leaf.key].concat();
    assert_eq!(read(&twice).unwrap().key.cert, chain[..1]);
}

#[test]
fn a_key_may_have_a_file_of_its_own() {
    let leaf = Authority::new("root").issue_rsa(&["a.example.com", "*.b.example.com"]);
    let files = Files { pem: leaf.cert.as_bytes(), key: Some(leaf.key.as_bytes()), ocsp: Some(b"") };
    let found = Certificate::read(files).unwrap();
    assert_eq!(found.names, [Name::Exact("a.example.com".into()), Name::Wildcard("b.example.com".into())]);
    assert_eq!(found.subject(), "CN=a.example.com, O=Example");
    assert_eq!((found.rank(), leaf.read().key().ocsp.as_ref()), (2, None));
    assert!(found.not_after() > 1_800_000_000);
}

#[test]
fn what_is_wrong_is_said() {
    let root = Authority::new("root");
    let (one, two) = (root.issue(&["one.example"]), root.issue(&["two.example"]));
    let encrypted = one.bundle().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old = one.bundle().replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n");
    let cut = one.bundle().replace("-----END PRIVATE KEY-----", "");
    let nonsense = format!("{}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", one.cert);
    for (pem, error) in [
        (one.cert.clone(), "has no private key, and there is none beside it"),
        (one.key.clone(), "has no certificate"),
        (String::new(), "has no private key, and there is none beside it"),
        (one.bundle() + &two.key, "has several private keys"),
        (one.cert.clone() + &two.key, "has a private key that belongs to none of its certificates"),
        (encrypted, "has an encrypted private key: nobody is there to type the passphrase"),
        (old, "has an encrypted private key: nobody is there to type the passphrase"),
        (cut, "is broken PEM: there is no end to a PRIVATE KEY"),
    ] {
        assert_eq!(read(&pem).unwrap_err().to_string(), error);
    }
    assert!(matches!(read(&nonsense), Err(BundleError::Key(_))));
    assert!(holds_key(one.bundle().as_bytes()) && !holds_key(one.cert.as_bytes()));
}

#[test]
fn a_staple_is_a_response_about_the_certificate() {
    let root = Authority::new("root");
    let (one, two) = (root.issue_numbered("one", 1), root.issue_numbered("two", 2));
    let read = |texts: &Texts, ocsp: &[u8]| {
        let pem = texts.bundle();
        Certificate::read(Files { pem: pem.as_bytes(), key: None, ocsp: Some(ocsp) })
    };
    let response = ocsp(&[1], 0, None);
    let found = read(&one, &response).unwrap();
    assert!(found.key().ocsp.is_none() && found.staple().is_some());
    assert_eq!(found.stapled().unwrap().0.ocsp.as_deref(), Some(&response[..]));
    let refused = read(&two, &response).unwrap_err();
    assert_eq!(refused.to_string(), "has no good OCSP response beside it: it is about another certificate");
}
