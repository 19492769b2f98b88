//! What a client's certificate says, in the words of HAProxy's `ssl_c_…`.

use std::fmt::Write as _;

use x509_parser::objects::oid2abbrev;
use x509_parser::oid_registry::OidRegistry;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// A verified certificate of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whom it is for.
    pub subject: DistinguishedName,
    /// Who signed it.
    pub issuer: DistinguishedName,
    /// Its number, as the certificate writes it, in capital hexadecimal digits.
    pub serial: String,
    /// The start of its validity, seconds since 1970.
    pub not_before: i64,
    /// The end of its validity, seconds since 1970.
    pub not_after: i64,
    /// The whole, in DER.
    pub der: Box<[u8]>,
}

/// A name of many parts, from the most general to the most special.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DistinguishedName(Vec<(String, String)>);

impl ClientCertificate {
    /// Reads a certificate. `None`: it cannot be understood, which a verified one always can.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let mut serial = String::new();
        for byte in parsed.raw_serial() {
            // Writing to a string does not fail.
            write!(serial, "{byte:02X}").ok()?;
        }
        Some(Self {
            subject: DistinguishedName::of(parsed.subject()),
            issuer: DistinguishedName::of(parsed.issuer()),
            serial,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            der: der.into(),
        })
    }
}

impl DistinguishedName {
    pub(super) fn of(name: &X509Name<'_>) -> Self {
        let registry = OidRegistry::default().with_x509();
        let part = |a: &x509_parser::x509::AttributeTypeAndValue<'_>| {
            let key = oid2abbrev(a.attr_type(), &registry);
            let key = key.map_or_else(|_| a.attr_type().to_id_string(), str::to_owned);
            let text =
                a.as_str().map_or_else(|_| String::from_utf8_lossy(a.as_slice()).into_owned(), str::to_owned);
            (key, text)
        };
        Self(name.iter_attributes().map(part).collect())
    }

    /// From how it is written on one line.
    #[cfg(test)]
    pub(crate) fn of_line(line: &str) -> Self {
        let parts = line.split('/').filter_map(|part| part.split_once('='));
        Self(parts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// One part: the first with that short name (`CN`, `O`, …).
    pub fn part(&self, short_name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(short_name)).map(|(_, value)| value.as_str())
    }

    /// The whole, as OpenSSL and HAProxy write it on one line: `/C=FR/O=Example/CN=client`.
    pub fn one_line(&self) -> String {
        self.0.iter().fold(String::new(), |line, (key, value)| line + "/" + key + "=" + value)
    }
}
