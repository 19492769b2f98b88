//! PEM files to a certificate chain and its key: in any order, in one file or two, as HAProxy's `crt` takes them.

use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::described::Described;
use super::names::{self, Name};
use super::ocsp::Staple;
use super::own::OwnCertificate;

/// The content of the files of one certificate.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Certificates and, mostly, the key.
    pub pem: &'a [u8],
    /// The key, if it has a file of its own.
    pub key: Option<&'a [u8]>,
    /// A response of the authority's OCSP responder, in DER.
    pub ocsp: Option<&'a [u8]>,
}

/// A certificate with its chain and key, ready to be shown.
#[derive(Debug, Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    /// The same with the response of its authority.
    stapled: Option<(Arc<CertifiedKey>, Staple)>,
    names: Vec<Name>,
    not_after: i64,
    subject: String,
    own: Arc<OwnCertificate>,
    /// Where it is from; empty: nobody has said.
    file: Arc<str>,
}

/// Why files are no certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The text is not PEM.
    #[error("is broken PEM: {0}")]
    Pem(String),
    /// No certificate in it.
    #[error("has no certificate")]
    NoCertificate,
    /// No key in it or beside it.
    #[error("has no private key, and there is none beside it")]
    NoKey,
    /// The key has a passphrase.
    #[error("has an encrypted private key: nobody is there to type the passphrase")]
    EncryptedKey,
    /// More than one key.
    #[error("has several private keys")]
    SeveralKeys,
    /// A certificate cannot be understood.
    #[error("has a broken certificate: {0}")]
    Certificate(String),
    /// The key is of no kind that is supported.
    #[error("has a private key that cannot be used: {0}")]
    Key(String),
    /// No certificate in it has this key.
    #[error("has a private key that belongs to none of its certificates")]
    Mismatch,
    /// The OCSP response is not one.
    #[error("has no good OCSP response beside it: {0}")]
    Ocsp(&'static str),
}

impl Certificate {
    /// Reads and checks the files of one certificate.
    ///
    /// # Errors
    /// The first thing that is not as it must be.
    pub fn read(files: Files<'_>) -> Result<Self, BundleError> {
        let mut parts = Parts::default();
        parts.add(files.pem)?;
        if let Some(key) = files.key {
            parts.add(key)?;
        }
        let key = parts.keys.pop().ok_or(BundleError::NoKey)?;
        if !parts.keys.is_empty() {
            return Err(BundleError::SeveralKeys);
        }
        if parts.chain.is_empty() {
            return Err(BundleError::NoCertificate);
        }
        let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|e| BundleError::Key(e.to_string()))?;
        let first = parts
            .chain
            .iter()
            .position(|c| CertifiedKey::new(vec![c.clone()], Arc::clone(&signer)).keys_match().is_ok())
            .ok_or(BundleError::Mismatch)?;
        let leaf = parts.chain.remove(first);
        let parsed = parse(&leaf)?;
        let (names, subject) = (names::of(&parsed), parsed.subject().to_string());
        let not_after = parsed.validity().not_after.timestamp();
        let own = Arc::new(OwnCertificate::of(&parsed));
        let key = CertifiedKey::new(ordered(leaf.clone(), parts.chain)?, signer);
        let staple = |der: &[u8]| {
            let staple = Staple::read(der, parsed.raw_serial()).map_err(BundleError::Ocsp)?;
            Ok((Arc::new(CertifiedKey { ocsp: Some(der.to_vec()), ..key.clone() }), staple))
        };
        let stapled = files.ocsp.filter(|o| !o.is_empty()).map(staple).transpose()?;
        Ok(Self { key: Arc::new(key), stapled, names, not_after, subject, own, file: "".into() })
    }

    /// The same with the name of the file that it is from.
    #[must_use]
    pub fn named(self, file: &str) -> Self {
        Self { file: file.into(), ..self }
    }

    /// Which file it is from; empty: nobody has said.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What it says, in the words of OpenSSL.
    pub fn described(&self) -> Described {
        Described::of(&self.key.cert)
    }

    /// Whom it is for, as the certificate says.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The end of its validity, seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// What the response stapled to it says. `None`: there is none.
    pub fn staple(&self) -> Option<&Staple> {
        self.stapled.as_ref().map(|(_, staple)| staple)
    }

    pub(super) fn stapled(&self) -> Option<&(Arc<CertifiedKey>, Staple)> {
        self.stapled.as_ref()
    }

    pub(super) fn names(&self) -> &[Name] {
        &self.names
    }

    pub(super) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// What it is, in a word each.
    pub fn own(&self) -> &Arc<OwnCertificate> {
        &self.own
    }

    /// What is preferred if the client can do with either: less work for us first.
    pub(super) fn rank(&self) -> u8 {
        const ORDER: [SignatureAlgorithm; 3] =
            [SignatureAlgorithm::ECDSA, SignatureAlgorithm::ED25519, SignatureAlgorithm::RSA];
        let algorithm = self.key.key.algorithm();
        (0..).zip(ORDER).find(|(_, a)| *a == algorithm).map_or(u8::MAX, |(rank, _)| rank)
    }
}

/// All certificates of a PEM text, in its order; what else is in it is passed over.
///
/// # Errors
/// If the text is not PEM.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BundleError> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|e| BundleError::Pem(reason(&e)))
}

/// Whether a file holds a private key, so that it is nobody else's business.
pub fn holds_key(pem: &[u8]) -> bool {
    memchr::memmem::find(pem, b"PRIVATE KEY-----").is_some()
}

#[derive(Default)]
struct Parts {
    chain: Vec<CertificateDer<'static>>,
    keys: Vec<PrivateKeyDer<'static>>,
}

impl Parts {
    fn add(&mut self, pem: &[u8]) -> Result<(), BundleError> {
        // Said before the text is read: an old encrypted key is broken PEM as well.
        let encrypted = [&b"BEGIN ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"];
        if encrypted.iter().any(|mark| memchr::memmem::find(pem, mark).is_some()) {
            return Err(BundleError::EncryptedKey);
        }
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
            match section.map_err(|e| BundleError::Pem(reason(&e)))? {
                (SectionKind::Certificate, der) => self.chain.push(der.into()),
                (SectionKind::PrivateKey, der) => self.keys.push(PrivateKeyDer::Pkcs8(der.into())),
                (SectionKind::RsaPrivateKey, der) => self.keys.push(PrivateKeyDer::Pkcs1(der.into())),
                (SectionKind::EcPrivateKey, der) => self.keys.push(PrivateKeyDer::Sec1(der.into())),
                // Parameters, requests and the like may stand in such files.
                _ => {}
            }
        }
        Ok(())
    }
}

/// The library's words show the marker as numbers.
fn reason(error: &pem::Error) -> String {
    if let pem::Error::MissingSectionEnd { end_marker } = error {
        return format!("there is no end to a {}", String::from_utf8_lossy(end_marker));
    }
    error.to_string()
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, BundleError> {
    let parsed = X509Certificate::from_der(der).map_err(|e| BundleError::Certificate(e.to_string()))?;
    Ok(parsed.1)
}

/// The chain as clients read it (RFC 8446 §4.4.2): each certificate followed by its issuer. What is not on the way
/// follows in its order: it may be a second way.
fn ordered(
    leaf: CertificateDer<'static>,
    mut rest: Vec<CertificateDer<'static>>,
) -> Result<Vec<CertificateDer<'static>>, BundleError> {
    rest.retain(|c| *c != leaf);
    let mut chain = vec![leaf];
    while let Some(last) = chain.last() {
        let issuer = parse(last)?.issuer().as_raw().to_vec();
        let mut next = None;
        for (at, candidate) in rest.iter().enumerate() {
            if parse(candidate)?.subject().as_raw() == issuer {
                next = Some(at);
                break;
            }
        }
        match next {
            Some(at) => chain.push(rest.remove(at)),
            None => break,
        }
    }
    chain.append(&mut rest);
    Ok(chain)
}

#[cfg(test)]
mod tests;
