//! What a certificate of ours is, in a word each: servers may be told what their clients were shown.

use x509_parser::der_parser::asn1_rs::Oid;
use x509_parser::oid_registry::{
    OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA1WITHRSA, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA224, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384,
    OID_SIG_ECDSA_WITH_SHA512, OID_SIG_ED448, OID_SIG_ED25519,
};
use x509_parser::prelude::X509Certificate;
use x509_parser::public_key::PublicKey;

/// A certificate that clients are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnCertificate {
    /// The kind and bits of its key, as in `RSA2048` and `EC256` (HAProxy: `ssl_f_key_alg` and the bits). Absent: of a kind
    /// that HAProxy has no word for.
    pub key: Option<Box<str>>,
    /// How it is signed, by OpenSSL's short name (`ssl_f_sig_alg`).
    pub signature: Box<str>,
}

impl OwnCertificate {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let key = match certificate.public_key().parsed() {
            Ok(PublicKey::RSA(key)) => Some(format!("RSA{}", key.key_size())),
            Ok(PublicKey::EC(point)) => Some(format!("EC{}", bits_of_curve(point.key_size()))),
            Ok(_) | Err(_) => None,
        };
        let signature = signature_name(&certificate.signature_algorithm.algorithm);
        Self { key: key.map(String::into_boxed_str), signature: signature.into() }
    }
}

/// A point has whole bytes; the field of P-521 does not.
fn bits_of_curve(bits_of_point: usize) -> usize {
    if bits_of_point == 528 { 521 } else { bits_of_point }
}

/// OpenSSL's short name; what has none is known by its number.
fn signature_name(algorithm: &Oid<'_>) -> String {
    let known = SIGNATURES.into_iter().find(|(oid, _)| oid == algorithm);
    known.map_or_else(|| algorithm.to_id_string(), |(_, name)| name.to_owned())
}

const SIGNATURES: [(Oid<'static>, &str); 11] = [
    (OID_PKCS1_SHA256WITHRSA, "RSA-SHA256"),
    (OID_PKCS1_SHA384WITHRSA, "RSA-SHA384"),
    (OID_PKCS1_SHA512WITHRSA, "RSA-SHA512"),
    (OID_PKCS1_SHA1WITHRSA, "RSA-SHA1"),
    (OID_PKCS1_RSASSAPSS, "RSASSA-PSS"),
    (OID_SIG_ECDSA_WITH_SHA224, "ecdsa-with-SHA224"),
    (OID_SIG_ECDSA_WITH_SHA256, "ecdsa-with-SHA256"),
    (OID_SIG_ECDSA_WITH_SHA384, "ecdsa-with-SHA384"),
    (OID_SIG_ECDSA_WITH_SHA512, "ecdsa-with-SHA512"),
    (OID_SIG_ED25519, "ED25519"),
    (OID_SIG_ED448, "ED448"),
];

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer as _;

    use super::*;

    /// Words that OpenSSL has for such certificates, as HAProxy 2.6.12 uses them.
    #[test]
    fn kinds_of_certificates() {
        for (key, signer, expected) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256, (Some("EC256"), "RSA-SHA256")),
            (&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_RSA_SHA512, (Some("EC384"), "RSA-SHA512")),
            (&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256, (Some("RSA2048"), "ecdsa-with-SHA256")),
            (&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, (Some("RSA2048"), "ecdsa-with-SHA384")),
            (&rcgen::PKCS_ED25519, &rcgen::PKCS_ED25519, (None, "ED25519")),
        ] {
            let [key, signer] = [key, signer].map(|kind| rcgen::KeyPair::generate_for(kind).unwrap());
            let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let issuer = rcgen::Issuer::new(rcgen::CertificateParams::default(), signer);
            let der = params.signed_by(&key, &issuer).unwrap();
            let (_, parsed) = X509Certificate::from_der(der.der()).unwrap();
            let own = OwnCertificate::of(&parsed);
            assert_eq!((own.key.as_deref(), &*own.signature), expected);
        }
        assert_eq!((bits_of_curve(528), bits_of_curve(384)), (521, 384));
    }
}
