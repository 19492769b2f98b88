//! Who is believed: authorities and their revocation lists.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::{TlsError, bundle};

/// Authorities whose certificates are believed.
#[derive(Debug, Clone)]
pub struct Authorities {
    pub(super) store: Arc<RootCertStore>,
    /// Their certificates as they are, if they were named one by one.
    pub(super) named: Arc<[CertificateDer<'static>]>,
}

impl Authorities {
    /// Those of a PEM file (`ca_file`).
    ///
    /// # Errors
    /// If there is none in it, or one cannot be used: who is missing would be found out by the refused.
    pub fn read(pem: &[u8]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        let named = bundle::certificates(pem).map_err(|e| TlsError::Authorities(e.to_string()))?;
        for der in &named {
            store
                .add(der.clone())
                .map_err(|e| TlsError::Authorities(format!("has a certificate that is no CA's: {e}")))?;
        }
        Self::checked(store, named.into())
    }

    /// Those of the system, in DER. It has some that nothing can be done with; they are left out.
    ///
    /// # Errors
    /// If none is left.
    pub fn of_system<'a>(ders: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(ders.into_iter().map(CertificateDer::from));
        Self::checked(store, Arc::default())
    }

    fn checked(store: RootCertStore, named: Arc<[CertificateDer<'static>]>) -> Result<Self, TlsError> {
        if store.is_empty() {
            return Err(TlsError::Authorities("has no certificate".to_owned()));
        }
        Ok(Self { store: Arc::new(store), named })
    }
}

/// Certificates that are believed no more (`crl_file`).
#[derive(Debug, Clone, Default)]
pub struct Revocations(pub(super) Vec<CertificateRevocationListDer<'static>>);

impl Revocations {
    /// Those of a PEM file.
    ///
    /// # Errors
    /// If there is no list in it.
    pub fn read(pem: &[u8]) -> Result<Self, TlsError> {
        let lists = CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let lists = lists.map_err(|e| TlsError::Revocations(format!("is broken PEM: {e}")))?;
        if lists.is_empty() {
            return Err(TlsError::Revocations("has no revocation list".to_owned()));
        }
        Ok(Self(lists))
    }

    /// Whether one of them is past its time at `now`, seconds since 1970: nobody of its authority is believed then.
    pub fn is_outdated(&self, now: i64) -> bool {
        self.0.iter().any(|list| {
            let parsed = CertificateRevocationList::from_der(list).ok();
            let next = parsed.and_then(|(_, list)| list.next_update().map(|at| at.timestamp()));
            next.is_some_and(|end| end <= now)
        })
    }
}
