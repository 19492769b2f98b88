//! Certificates: shown, and replaced while the worker runs.
//!
//! A certificate is set first, in one part or two, and used when that is committed. There is one transaction at a time, as with
//! HAProxy; it is everybody's. What it holds is checked when it is set, as far as it is there, and as a whole before it is used:
//! a listener never shows what would not have been taken from a file.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evenkeel_proxy::io::sight::Sight;
use evenkeel_proxy::tls::acceptor::Acceptor;
use evenkeel_proxy::tls::bundle::{BundleError, Certificate, Files, certificates, holds_key};

use super::{Call, Outcome};

/// What all connections know of what is being put together.
pub(super) type Ongoing = Arc<Mutex<Option<Transaction>>>;

/// A certificate that is being put together.
#[derive(Default)]
pub(super) struct Transaction {
    /// As the configuration names it.
    file: String,
    /// Certificates and, mostly, the key.
    pem: Option<String>,
    /// The key, if it came by itself.
    key: Option<String>,
}

/// Keys are not for logs.
impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Transaction {
    /// The whole. `None`: something is still to come.
    fn certificate(&self) -> Result<Option<Certificate>, BundleError> {
        let Some(pem) = &self.pem else { return Ok(None) };
        let files = Files { pem: pem.as_bytes(), key: self.key.as_deref().map(str::as_bytes), ocsp: None };
        match Certificate::read(files) {
            Ok(certificate) => Ok(Some(certificate.named(&self.file))),
            Err(BundleError::NoKey) if !certificates(pem.as_bytes())?.is_empty() => Ok(None),
            Err(BundleError::NoKey) => Err(BundleError::NoCertificate),
            Err(error) => Err(error),
        }
    }
}

/// `show ssl cert [[*]<file>]`.
pub(super) fn show(call: Call<'_>) -> Outcome {
    let ongoing = locked(&call.session.ongoing);
    let name = call.word(3);
    if name.is_empty() {
        let mut out = String::new();
        if let Some(transaction) = &*ongoing {
            put(&mut out, format_args!("# transaction\n*{}\n", transaction.file));
        }
        out.push_str("# filename\n");
        files(call.sight).iter().for_each(|file| put(&mut out, format_args!("{file}\n")));
        return Outcome::Shown(out);
    }
    let prepared = name.strip_prefix('*').and_then(|name| ongoing.as_ref().filter(|t| t.file == name));
    let found = match prepared {
        Some(transaction) => match transaction.certificate() {
            Ok(None) => {
                return Outcome::Shown(format!("Filename: {name}\nStatus: Empty\n"));
            }
            Ok(found) => found.map(|certificate| ("Unused", certificate)),
            Err(error) => return Outcome::Said(format!("'{name}' {error}.")),
        },
        None => in_use(call.sight, name).map(|certificate| ("Used", certificate)),
    };
    match found {
        Some((status, certificate)) => Outcome::Shown(described(name, status, &certificate)),
        None => "Can't display the certificate: Not found or the certificate is a bundle!".into(),
    }
}

/// `set ssl cert <file> <payload>`.
pub(super) fn set(call: Call<'_>) -> Outcome {
    let (name, Some(payload)) = (call.word(3), call.payload.filter(|_| !call.word(3).is_empty())) else {
        return "'set ssl cert' expects a filename and a certificate as a payload.".into();
    };
    let refused = |why: &str| Outcome::Said(format!("{why}\nCan't update {name}!\n"));
    let known = files(call.sight);
    let (file, is_key) = match name.strip_suffix(".key") {
        Some(file) if !known.contains(name) => (file, true),
        Some(_) | None => (name, false),
    };
    if !known.contains(file) {
        return refused("Can't replace a certificate which is not referenced by the configuration!");
    }
    let mut ongoing = locked(&call.session.ongoing);
    if let Some(other) = ongoing.as_ref().filter(|t| t.file != file) {
        let about = &other.file;
        return refused(&format!(
            "The ongoing transaction is about '{about}' but you are trying to set '{file}'"
        ));
    }
    let before = ongoing.as_ref();
    let mut next = Transaction { file: file.to_owned(), ..Transaction::default() };
    if is_key {
        if !holds_key(payload.as_bytes()) {
            return refused(&format!("'{name}' has no private key."));
        }
        next.pem = before.and_then(|t| t.pem.clone());
        next.key = Some(payload.to_owned());
    } else {
        next.pem = Some(payload.to_owned());
        // A key that came by itself counts for certificates that have none.
        next.key = before.and_then(|t| t.key.clone()).filter(|_| !holds_key(payload.as_bytes()));
    }
    if let Err(error) = next.certificate() {
        return refused(&format!("'{name}' {error}."));
    }
    let done = if ongoing.is_some() { "updated" } else { "created" };
    *ongoing = Some(next);
    Outcome::Said(format!("Transaction {done} for certificate {file}!"))
}

/// `commit ssl cert <file>`.
pub(super) fn commit(call: Call<'_>) -> Outcome {
    let file = call.word(3);
    if file.is_empty() {
        return "'commit ssl cert' expects a filename.".into();
    }
    let refused = |why: &str| Outcome::Said(format!("{why}\nCan't commit {file}!\n"));
    let mut ongoing = locked(&call.session.ongoing);
    let Some(transaction) = ongoing.as_ref() else { return refused("No ongoing transaction!") };
    if transaction.file != file {
        let about = &transaction.file;
        return refused(&format!(
            "The ongoing transaction is about '{about}' but you are trying to set '{file}'"
        ));
    }
    let certificate = match transaction.certificate() {
        Ok(Some(certificate)) => certificate,
        Ok(None) => return refused("The transaction must contain at least a certificate and a private key!"),
        Err(error) => return refused(&format!("'{file}' {error}.")),
    };
    let shown = acceptors(call.sight).filter(|acceptor| acceptor.replace(&certificate)).count();
    *ongoing = None;
    tracing::info!(file, shown, until = certificate.not_after(), "certificate replaced by the admin socket");
    Outcome::Said(format!("Committing {file}{}\nSuccess!\n", ".".repeat(shown)))
}

/// `abort ssl cert <file>`.
pub(super) fn abort(call: Call<'_>) -> Outcome {
    let file = call.word(3);
    if file.is_empty() {
        return "'abort ssl cert' expects a filename".into();
    }
    let mut ongoing = locked(&call.session.ongoing);
    match ongoing.as_ref() {
        None => "No ongoing transaction!".into(),
        Some(transaction) if transaction.file != file => Outcome::Said(format!(
            "The ongoing transaction is about '{}' but you are trying to abort a transaction for '{file}'",
            transaction.file
        )),
        Some(_) => {
            *ongoing = None;
            Outcome::Said(format!("Transaction aborted for certificate '{file}'!"))
        }
    }
}

fn acceptors(sight: &Sight) -> impl Iterator<Item = &Arc<Acceptor>> {
    sight.plan().listeners().iter().filter_map(|listener| listener.tls.as_ref())
}

/// The names of all certificates that clients are shown.
fn files(sight: &Sight) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for acceptor in acceptors(sight) {
        let certificates = acceptor.certificates();
        files.extend(certificates.all().iter().map(|certificate| certificate.file().to_owned()));
    }
    files
}

/// What clients are shown by that name.
fn in_use(sight: &Sight, file: &str) -> Option<Certificate> {
    acceptors(sight)
        .find_map(|acceptor| acceptor.certificates().all().iter().find(|c| c.file() == file).cloned())
}

fn described(name: &str, status: &str, certificate: &Certificate) -> String {
    let said = certificate.described();
    let mut out = format!("Filename: {name}\nStatus: {status}\nSerial: {}\n", said.serial);
    put(&mut out, format_args!("notBefore: {}\nnotAfter: {}\n", said.not_before, said.not_after));
    put(&mut out, format_args!("Subject Alternative Name: {}\n", said.names.join(", ")));
    put(&mut out, format_args!("Algorithm: {}\n", certificate.own().key.as_deref().unwrap_or("-")));
    put(&mut out, format_args!("SHA1 FingerPrint: {}\n", said.fingerprint));
    put(&mut out, format_args!("Subject: {}\nIssuer: {}\n", said.subject, said.issuer));
    for (subject, issuer) in &said.chain {
        put(&mut out, format_args!("Chain Subject: {subject}\nChain Issuer: {issuer}\n"));
    }
    out
}

/// A panic of another holder leaves what it was before.
fn locked(ongoing: &Ongoing) -> MutexGuard<'_, Option<Transaction>> {
    ongoing.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}
