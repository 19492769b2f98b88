//! Certificates made for tests.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};

use super::bundle::{Certificate, Files};
use super::peer::{ClientCertificate, DistinguishedName};
use super::session::SessionFacts;
use super::suites::Version;

/// The session of a client with a certificate for `subject`; empty: without one.
pub(crate) fn session_of(subject: &str) -> SessionFacts {
    let certificate = ClientCertificate {
        subject: DistinguishedName::of_line(subject),
        issuer: DistinguishedName::default(),
        serial: "01".into(),
        not_before: 0,
        not_after: 0,
        der: Box::default(),
    };
    SessionFacts {
        version: Version::Tls13,
        cipher: "TLS_AES_128_GCM_SHA256",
        server_name: None,
        alpn: None,
        resumed: false,
        own: None,
        client: (!subject.is_empty()).then_some(certificate),
    }
}

/// An authority and its key.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate's texts.
#[derive(Clone)]
pub(crate) struct Texts {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Texts {
    pub(crate) fn bundle(&self) -> String {
        format!("{}{}", self.cert, self.key)
    }

    /// A certificate that vouches for itself, as an authority.
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap();
        Self { cert: cert.pem(), key: key.serialize_pem() }
    }

    pub(crate) fn read(&self) -> Certificate {
        let pem = self.bundle();
        Certificate::read(Files { pem: pem.as_bytes(), key: None, ocsp: None }).unwrap()
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::made(name, None)
    }

    /// One that another vouches for.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self::made(name, Some(self))
    }

    fn made(name: &str, above: Option<&Self>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = match above {
            None => params.self_signed(&key),
            Some(above) => params.signed_by(&key, &above.issuer),
        };
        let pem = cert.unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `names`, the first of them its common name.
    pub(crate) fn issue(&self, names: &[&str]) -> Texts {
        self.issue_as(names, &PKCS_ECDSA_P256_SHA256)
    }

    pub(crate) fn issue_rsa(&self, names: &[&str]) -> Texts {
        self.issue_as(names, &PKCS_RSA_SHA256)
    }

    /// A certificate of a person, with a number.
    pub(crate) fn issue_numbered(&self, name: &str, number: u64) -> Texts {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.serial_number = Some(number.into());
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Texts { cert: cert.pem(), key: key.serialize_pem() }
    }

    fn issue_as(&self, names: &[&str], algorithm: &'static SignatureAlgorithm) -> Texts {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, *names.first().unwrap());
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Texts { cert: cert.pem(), key: key.serialize_pem() }
    }

    /// A list of what it believes no more.
    pub(crate) fn revoke(&self, texts: &Texts) -> String {
        self.revoke_until(texts, 2090)
    }

    /// The same, good until a year begins.
    pub(crate) fn revoke_until(&self, texts: &Texts, year: i32) -> String {
        use x509_parser::prelude::FromDer as _;
        let der = super::bundle::certificates(texts.cert.as_bytes()).unwrap();
        let (_, parsed) = x509_parser::prelude::X509Certificate::from_der(&der[0]).unwrap();
        let revoked = rcgen::RevokedCertParams {
            serial_number: parsed.raw_serial().to_vec().into(),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(year, 1, 1),
            crl_number: 1u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// A response of an OCSP responder about the certificate with this serial number: 0 good, 1 revoked, 2 unknown.
pub(crate) fn ocsp(serial: &[u8], status: u8, next_update: Option<&str>) -> Vec<u8> {
    let time = |text: &str| der(0x18, &[text.as_bytes()]);
    let hash = || der(0x04, &[&[0xaa; 20]]);
    let sha1 = der(0x30, &[&der(0x06, &[&[0x2b, 0x0e, 0x03, 0x02, 0x1a]]), &der(0x05, &[])]);
    let about = der(0x30, &[&sha1, &hash(), &hash(), &der(0x02, &[serial])]);
    let status = match status {
        1 => der(0xa1, &[&time("20240101000000Z")]),
        other => der(0x80 | other, &[]),
    };
    let next = next_update.map(|at| der(0xa0, &[&time(at)])).unwrap_or_default();
    let answer = der(0x30, &[&about, &status, &time("20240101000000Z"), &next]);
    let responder = der(0xa2, &[&hash()]);
    let data = der(0x30, &[&responder, &time("20240101000000Z"), &der(0x30, &[&answer])]);
    let basic = der(0x30, &[&data, &sha1, &der(0x03, &[&[0; 64]])]);
    let kind = der(0x06, &[&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01]]);
    let bytes = der(0xa0, &[&der(0x30, &[&kind, &der(0x04, &[&basic])])]);
    der(0x30, &[&der(0x0a, &[&[0]]), &bytes])
}

/// One element of DER with these parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match u8::try_from(content.len()) {
        Ok(short @ ..0x80) => vec![short],
        Ok(long) => vec![0x81, long],
        Err(_) => [&[0x82][..], &u16::try_from(content.len()).unwrap().to_be_bytes()].concat(),
    };
    [&[tag][..], &length, &content].concat()
}
