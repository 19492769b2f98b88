//! The certificates of a listener, by the name the client asks for (SNI, RFC 6066 §3).
//!
//! A name is looked up as it is, then with its first label replaced by `*`, as HAProxy does; what is found nowhere gets
//! the first certificate, unless `strict_sni`. Of several certificates for one name the client gets one it can verify,
//! ECDSA before RSA: an old client gets RSA and everybody else what is cheaper.

#[cfg(feature = "io")]
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;

use super::bundle::Certificate;
use super::names::Name;
use super::ocsp::Staple;
#[cfg(feature = "io")]
use super::own::OwnCertificate;

/// What to do with a client that asks for a name nobody has, or for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownName {
    /// It gets the first certificate.
    #[default]
    First,
    /// Its handshake fails (`strict_sni`).
    Refuse,
}

/// Certificates by name. Immutable.
#[derive(Debug, Clone)]
pub struct Certificates {
    exact: BTreeMap<Box<str>, Choice>,
    wildcard: BTreeMap<Box<str>, Choice>,
    /// `None`: whoever asks for none of the names is refused.
    fallback: Option<Choice>,
    /// All of them, as they were said.
    all: Box<[Certificate]>,
    unknown: UnknownName,
}

/// The certificates of one name, at most one of each kind of key, best first.
#[derive(Debug, Clone, Default)]
struct Choice(Vec<Ranked>);

#[derive(Debug, Clone)]
struct Ranked {
    rank: u8,
    key: Arc<CertifiedKey>,
    stapled: Option<(Arc<CertifiedKey>, Staple)>,
    #[cfg(feature = "io")]
    own: Arc<OwnCertificate>,
}

impl Ranked {
    /// What a client gets: with the staple, while that is good. The time, seconds since 1970, is asked for only then.
    fn shown(&self, now: impl FnOnce() -> Option<i64>) -> &Arc<CertifiedKey> {
        let good = self.stapled.as_ref().filter(|(_, staple)| now().is_some_and(|now| staple.is_good(now)));
        good.map_or(&self.key, |(stapled, _)| stapled)
    }
}

impl Choice {
    /// Adds a certificate unless there is an earlier one with the same kind of key: the first one said is the one.
    fn add(&mut self, certificate: &Certificate) {
        let rank = certificate.rank();
        let at = self.0.partition_point(|r| r.rank < rank);
        if self.0.get(at).is_none_or(|r| r.rank != rank) {
            self.0.insert(
                at,
                Ranked {
                    rank,
                    key: Arc::clone(certificate.key()),
                    stapled: certificate.stapled().cloned(),
                    #[cfg(feature = "io")]
                    own: Arc::clone(certificate.own()),
                },
            );
        }
    }

    /// The best one whose signatures the client can verify. If there is none, the first: the handshake then fails for
    /// the reason it has.
    fn pick(&self, schemes: &[SignatureScheme]) -> Option<&Ranked> {
        let fits = |r: &&Ranked| r.key.key.choose_scheme(schemes).is_some();
        self.0.iter().find(fits).or_else(|| self.0.first())
    }
}

impl Certificates {
    /// All of `certificates`; the first is the default.
    pub fn new(certificates: &[Certificate], unknown: UnknownName) -> Self {
        let (mut exact, mut wildcard) = (BTreeMap::<_, Choice>::new(), BTreeMap::<_, Choice>::new());
        let mut fallback = Choice::default();
        let first: &[Name] = certificates.first().map_or(&[], Certificate::names);
        for (number, certificate) in certificates.iter().enumerate() {
            for name in certificate.names() {
                let (table, name) = match name {
                    Name::Exact(name) => (&mut exact, name),
                    Name::Wildcard(name) => (&mut wildcard, name),
                };
                table.entry(name.clone()).or_default().add(certificate);
            }
            // The first one's twin with another kind of key is as good an answer.
            let twin = !first.is_empty() && first.iter().all(|n| certificate.names().contains(n));
            if number == 0 || twin {
                fallback.add(certificate);
            }
        }
        let fallback = (unknown == UnknownName::First).then_some(fallback);
        Self { exact, wildcard, fallback, all: certificates.into(), unknown }
    }

    /// All of them, in their order.
    pub fn all(&self) -> &[Certificate] {
        &self.all
    }

    /// The same with `certificate` in the place of those of its file. `None`: there are none.
    pub fn with(&self, certificate: &Certificate) -> Option<Self> {
        let is_old = |old: &Certificate| old.file() == certificate.file();
        if !self.all.iter().any(is_old) {
            return None;
        }
        let all = self.all.iter().map(|old| if is_old(old) { certificate } else { old }).cloned();
        Some(Self::new(&all.collect::<Vec<_>>(), self.unknown))
    }

    /// The certificate for a client that asks for `name`, in lower case, and can verify `schemes`, at `now`, seconds since
    /// 1970.
    pub fn select(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
        now: i64,
    ) -> Option<&Arc<CertifiedKey>> {
        self.find(name, schemes).map(|r| r.shown(|| Some(now)))
    }

    fn find(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Ranked> {
        let known = name.and_then(|name| {
            let parent = || self.wildcard.get(name.split_once('.')?.1);
            self.exact.get(name).or_else(parent)
        });
        known.or(self.fallback.as_ref())?.pick(schemes)
    }
}

/// Shows clients the certificate they ask for.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) certificates: Arc<Certificates>,
    /// Says until when staples are good.
    pub(super) clock: Arc<dyn TimeProvider>,
}

#[cfg(feature = "io")]
thread_local! {
    /// The client's hello that was looked at last.
    static HELLO: RefCell<Option<Hello>> = const { RefCell::new(None) };
}

/// What a client's hello came to.
#[cfg(feature = "io")]
#[derive(Debug, Default)]
pub(crate) struct Hello {
    /// The name it asked for.
    pub(crate) name: Option<Box<str>>,
    /// The certificate it gets.
    pub(crate) own: Option<Arc<OwnCertificate>>,
}

/// The hello that the handshake just gone on with has heard, if it came to that. A session of the library's unbuffered
/// kind does not tell: only its certificate resolver hears it, on the thread and during the call that handles it.
#[cfg(feature = "io")]
pub(crate) fn take_hello() -> Option<Hello> {
    HELLO.take()
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let found = self.certificates.find(name, hello.signature_schemes());
        #[cfg(feature = "io")]
        HELLO.set(Some(Hello { name: name.map(Box::from), own: found.map(|r| Arc::clone(&r.own)) }));
        let now = || i64::try_from(self.clock.current_time()?.as_secs()).ok();
        found.map(|r| Arc::clone(r.shown(now)))
    }
}

#[cfg(test)]
mod tests;
