//! What a certificate of ours says, as operators see it: in the words of OpenSSL and HAProxy.

use std::fmt::Write as _;
use std::net::IpAddr;

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::peer::DistinguishedName;
use crate::access_log::of_certificate;
use crate::h2::websocket::sha1;

/// A certificate with its chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Described {
    /// Its number, in capital hexadecimal digits.
    pub serial: String,
    /// The start of its validity: `Nov  2 21:16:00 2026 GMT`.
    pub not_before: String,
    /// Its end.
    pub not_after: String,
    /// Whom else it is for: `DNS:a.example`, `IP Address:192.0.2.1`.
    pub names: Vec<String>,
    /// SHA-1 of the whole, in capital hexadecimal digits.
    pub fingerprint: String,
    /// Whom it is for, on one line.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The same two of each certificate of its chain.
    pub chain: Vec<(String, String)>,
}

impl Described {
    /// Of a chain that begins with its certificate. What cannot be understood says nothing.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Self {
        let mut parsed = chain.iter().map(|der| X509Certificate::from_der(der).ok().map(|(_, c)| c));
        let Some(own) = parsed.next().flatten() else { return Self::default() };
        let number = own.raw_serial();
        let validity = own.validity();
        let alternatives = own.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|e| &e.value.general_names).filter_map(name);
        let (subject, issuer) = parties(&own);
        Self {
            // A number with its first bit set has a byte before it that says it is positive.
            serial: hex(number.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(number)),
            not_before: of_certificate(validity.not_before.timestamp()),
            not_after: of_certificate(validity.not_after.timestamp()),
            names: names.collect(),
            fingerprint: chain.first().map(|der| hex(&sha1(der))).unwrap_or_default(),
            subject,
            issuer,
            chain: parsed.flatten().map(|certificate| parties(&certificate)).collect(),
        }
    }
}

fn parties(certificate: &X509Certificate<'_>) -> (String, String) {
    let line = |name| DistinguishedName::of(name).one_line();
    (line(certificate.subject()), line(certificate.issuer()))
}

/// An alternative name, as OpenSSL writes it.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
        GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
        GeneralName::URI(name) => Some(format!("URI:{name}")),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok()?;
            Some(format!("IP Address:{address}"))
        }
        GeneralName::OtherName(..)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string does not fail.
        write!(out, "{byte:02X}").unwrap_or_default();
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::bundle::{Certificate, Files};

    /// Shown by HAProxy 2.6 and `openssl x509` in these words.
    #[test]
    fn certificates_are_described_as_haproxy_does() {
        let pem = include_bytes!("described/chain.pem");
        let certificate = Certificate::read(Files { pem, key: None, ocsp: None }).unwrap();
        let expected = Described {
            serial: "F00102030405".into(),
            not_before: "Nov 30 22:37:24 2026 GMT".into(),
            not_after: "Nov  6 22:37:24 2126 GMT".into(),
            names: ["DNS:a.example", "DNS:*.b.example", "IP Address:192.0.2.1", "email:x@a.example"]
                .map(str::to_owned)
                .into(),
            fingerprint: "074637F30A5221A627DE830AEC00F79DD0CCF7C4".into(),
            subject: "/C=CH/O=Acme/CN=a.example".into(),
            issuer: "/CN=Test CA".into(),
            chain: vec![("/CN=Test CA".into(), "/CN=Test CA".into())],
        };
        assert_eq!(certificate.described(), expected);
    }
}
