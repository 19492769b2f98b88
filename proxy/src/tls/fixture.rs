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
pub(crate) struct Texts {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Texts {
    pub(crate) fn bundle(&self) -> String {
        format!("{}{}", self.cert, self.key)
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
            next_update: rcgen::date_time_ymd(2090, 1, 1),
            crl_number: 1u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}
