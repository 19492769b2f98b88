//! Whose connection it is: the client, and what servers are told of it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::session::Tracked;
use super::stream::Stream;
use crate::plan::{AnnounceOption, SendProxy};
use crate::proxy_protocol::{self, Announcement, Secured, Shown, Ssl, Version};
use crate::tls::SessionFacts;

/// A client as its connection, or the proxy it came through, says.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The client.
    pub(super) source: SocketAddr,
    /// What else servers are told; `None`: nobody has asked for it.
    pub(super) told: Option<Rc<Told>>,
    /// Its TLS session, if it speaks TLS.
    pub(super) tls: Option<Arc<SessionFacts>>,
}

/// What servers that want to know whose connection they get are told besides the client's address.
#[derive(Debug)]
pub(super) struct Told {
    /// What the client connected to; `None`: that is not known.
    pub(super) destination: Option<SocketAddr>,
    /// The name the client asked for, as the proxy it came through says.
    pub(super) authority: Option<Box<[u8]>>,
    /// How long it took until it could speak, in milliseconds.
    pub(super) handshake_ms: Cell<u32>,
    /// What it is counted in, if rules look at connections.
    pub(super) tracked: Option<Tracked>,
}

impl Caller {
    /// What it has connected to, if somebody has asked.
    pub(super) fn destination(&self) -> Option<SocketAddr> {
        self.told.as_ref()?.destination
    }

    /// What its connection is counted in, if rules look at connections.
    #[inline]
    pub(super) fn tracked(&self) -> Option<&Tracked> {
        self.told.as_ref()?.tracked.as_ref()
    }

    /// How long its handshakes took, if somebody has asked.
    pub(super) fn handshake_ms(&self) -> u32 {
        self.told.as_ref().map_or(0, |told| told.handshake_ms.get())
    }

    /// A client that is known by its address alone.
    pub(super) fn of(source: SocketAddr) -> Self {
        Self { source, told: None, tls: None }
    }

    /// The header that tells a server of this client.
    pub(super) fn announcement(&self, how: SendProxy) -> Vec<u8> {
        let mut out = Vec::new();
        let source = self.source;
        match (how.version, self.told.as_ref().and_then(|t| t.destination)) {
            (Version::V1, Some(destination)) => proxy_protocol::v1(&mut out, source, destination),
            (Version::V2, Some(destination)) => self.write_v2(&mut out, how, destination),
            (version, None) => unknown(&mut out, version),
        }
        out
    }

    fn write_v2(&self, out: &mut Vec<u8>, how: SendProxy, destination: SocketAddr) {
        let tls = self.tls.as_deref();
        let relayed = self.told.as_ref().and_then(|t| t.authority.as_deref());
        let asked = || tls.and_then(|s| s.server_name.as_deref()).map(str::as_bytes);
        let said = Announcement {
            source: self.source,
            destination,
            alpn: tls.and_then(|s| s.alpn.as_deref()),
            authority: relayed.or_else(asked).filter(|_| how.options.has(AnnounceOption::Authority)),
            unique_id: None,
            ssl: how.options.has(AnnounceOption::Ssl).then(|| ssl(tls, how)),
            crc32c: how.options.has(AnnounceOption::Crc32c),
        };
        proxy_protocol::v2(out, &said);
    }
}

/// What is said of the client's TLS session, or that it has none.
fn ssl(session: Option<&SessionFacts>, how: SendProxy) -> Ssl<'_> {
    let Some(session) = session else { return Ssl::Clear };
    let wanted = |option| how.options.has(option).then_some(());
    let own = session.own.as_deref();
    let client = session.client.as_ref();
    Ssl::Secured(Secured {
        version: session.version.as_str(),
        shown: match (client, session.resumed) {
            (None, _) => Shown::Never,
            (Some(_), true) => Shown::Before,
            (Some(_), false) => Shown::Now,
        },
        cn: wanted(AnnounceOption::CertCn).and_then(|()| client?.subject.part("CN")),
        key: wanted(AnnounceOption::CertKey).and_then(|()| own?.key.as_deref()),
        signature: wanted(AnnounceOption::CertSig).and_then(|()| Some(&*own?.signature)),
        cipher: wanted(AnnounceOption::SslCipher).map(|()| session.cipher),
    })
}

/// The header of a connection of our own, which relays nobody's. As HAProxy does it: version 1 names the addresses of
/// the connection, because not every server takes `UNKNOWN`.
pub(super) fn of_our_own(version: Version, stream: &Stream) -> Vec<u8> {
    let mut out = Vec::new();
    match (version, stream.addresses()) {
        (Version::V1, Some((own, server))) => proxy_protocol::v1(&mut out, own, server),
        (version, _) => unknown(&mut out, version),
    }
    out
}

fn unknown(out: &mut Vec<u8>, version: Version) {
    match version {
        Version::V1 => out.extend_from_slice(b"PROXY UNKNOWN\r\n"),
        Version::V2 => proxy_protocol::local(out),
    }
}
