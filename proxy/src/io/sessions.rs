//! Who is there: the connections of clients of one thread, for operators to see and to end.
//!
//! Each has a card from when it is taken in to its end. A request that has got its backend or its server notes that on the
//! card of its connection, which is a store; everything else is done when somebody asks, by the thread that has the cards.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, JoinHandle};

use super::runtime::Permit;
use crate::plan::{BackendId, FrontendId, ServerId};

/// A connection of a client, as it was when somebody asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSession {
    /// Which one.
    pub id: SessionId,
    /// The client.
    pub source: SocketAddr,
    /// Where it came in.
    pub frontend: FrontendId,
    /// Where its request is bound for; `None`: it has none, or speaks HTTP/2.
    pub backend: Option<BackendId>,
    /// The same.
    pub server: Option<ServerId>,
    /// How long it has been there.
    pub age: Duration,
    /// What it speaks.
    pub speaks: Speaks,
    /// It does so inside TLS.
    pub encrypted: bool,
    /// Requests of it that are under way, or 1: a connection of TCP.
    pub streams: u32,
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Anything, which is passed on.
    Tcp,
}

/// The number of a connection. No two of a process have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// By the thread that has it, from 0, and the number of those before it.
    fn new(thread: u16, before: u64) -> Self {
        Self(((u64::from(thread) + 1) << THREAD_AT) | (before & ((1 << THREAD_AT) - 1)))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// As it is shown, or without `0x`.
impl FromStr for SessionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).map(Self)
    }
}

/// Some of the connections that there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// As many as were asked for.
    pub sessions: Vec<ClientSession>,
    /// How many there are besides.
    pub more: usize,
    /// Threads that have not said anything in time.
    pub silent: usize,
}

/// The cards of one thread.
#[derive(Debug)]
pub(super) struct Sessions {
    thread: u16,
    /// When the first one came.
    began: OnceCell<Instant>,
    cards: RefCell<Cards>,
}

#[derive(Debug, Default)]
struct Cards {
    all: Vec<Option<Rc<Card>>>,
    free: Vec<u32>,
    /// How many there have been.
    entered: u64,
}

/// What is known of one connection, in little room: most of those who have one do nothing.
pub(super) struct Card {
    id: SessionId,
    place: u32,
    frontend: FrontendId,
    /// When it came, in tenths of a second after the first one.
    since: u32,
    source: Cell<Source>,
    speaks: Cell<Speaks>,
    encrypted: Cell<bool>,
    backend: Cell<Option<BackendId>>,
    server: Cell<Option<ServerId>>,
    streams: Cell<u32>,
    task: Cell<Option<AbortHandle>>,
    sessions: Rc<Sessions>,
    _permit: Permit,
}

/// An address in half the room of a [`SocketAddr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Source {
    /// Of IPv6, or of IPv4 in its form.
    address: [u8; 16],
    port: u16,
}

impl From<SocketAddr> for Source {
    fn from(at: SocketAddr) -> Self {
        let address = match at.ip() {
            std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            std::net::IpAddr::V6(v6) => v6,
        };
        Self { address: address.octets(), port: at.port() }
    }
}

impl From<Source> for SocketAddr {
    fn from(source: Source) -> Self {
        Self::new(Ipv6Addr::from(source.address).to_canonical(), source.port)
    }
}

/// That a connection is there: its permit and its card, both given back on drop.
#[derive(Debug)]
pub(super) struct Presence(Rc<Card>);

impl Sessions {
    /// Of the thread of this number, from 0.
    pub(super) fn new(thread: u16) -> Self {
        Self { thread, began: OnceCell::new(), cards: RefCell::default() }
    }

    /// A connection has come in.
    pub(super) fn enter(
        self: &Rc<Self>,
        permit: Permit,
        frontend: FrontendId,
        source: SocketAddr,
        now: Instant,
    ) -> Presence {
        let mut cards = self.cards.borrow_mut();
        let place = cards.free.pop().unwrap_or_else(|| u32::try_from(cards.all.len()).unwrap_or(u32::MAX));
        let card = Rc::new(Card {
            id: SessionId::new(self.thread, cards.entered),
            place,
            frontend,
            since: self.tenths(now),
            source: Cell::new(source.into()),
            speaks: Cell::new(Speaks::Http1),
            encrypted: Cell::new(false),
            backend: Cell::new(None),
            server: Cell::new(None),
            streams: Cell::new(0),
            task: Cell::default(),
            sessions: Rc::clone(self),
            _permit: permit,
        });
        cards.entered += 1;
        match cards.all.get_mut(place as usize) {
            Some(free) => *free = Some(Rc::clone(&card)),
            None => cards.all.push(Some(Rc::clone(&card))),
        }
        Presence(card)
    }

    fn tenths(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(*self.began.get_or_init(|| now));
        u32::try_from(since.as_millis() / 100).unwrap_or(u32::MAX)
    }

    fn leave(&self, place: u32) {
        let mut cards = self.cards.borrow_mut();
        if let Some(taken) = cards.all.get_mut(place as usize) {
            *taken = None;
            cards.free.push(place);
        }
    }

    /// Those that are wanted: one, or all, the oldest first; `most` of them.
    pub(super) fn list(&self, wanted: Option<SessionId>, most: usize, now: Instant) -> Listing {
        let cards = self.cards.borrow();
        let all = cards.all.iter().flatten().filter(|card| wanted.is_none_or(|id| id == card.id));
        let mut found: Vec<&Rc<Card>> = all.collect();
        let more = found.len().saturating_sub(most);
        if more > 0 {
            found.select_nth_unstable_by_key(most, |card| card.id);
            found.truncate(most);
        }
        found.sort_unstable_by_key(|card| card.id);
        Listing { sessions: found.into_iter().map(|card| card.look(now)).collect(), more, silent: 0 }
    }

    /// Ends one. `false`: it is not of this thread, or has ended.
    pub(super) fn end(&self, id: SessionId) -> bool {
        let cards = self.cards.borrow();
        let Some(card) = cards.all.iter().flatten().find(|card| card.id == id) else { return false };
        let task = card.task.take();
        // It is dropped when it is its turn, not now: it gives its card back.
        task.iter().for_each(AbortHandle::abort);
        let is_run = task.is_some();
        card.task.set(task);
        is_run
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card").field("id", &self.id).field("frontend", &self.frontend).finish_non_exhaustive()
    }
}

impl Card {
    /// It is in the hands of this task from now on.
    pub(super) fn handle_task(&self, task: &JoinHandle<()>) {
        self.task.set(Some(task.abort_handle()));
    }

    fn look(&self, now: Instant) -> ClientSession {
        let backend = self.backend.get();
        let speaks = self.speaks.get();
        ClientSession {
            id: self.id,
            source: self.source.get().into(),
            frontend: self.frontend,
            backend,
            server: backend.and_then(|_| self.server.get()),
            age: Duration::from_millis(u64::from(self.sessions.tenths(now).saturating_sub(self.since)) * 100),
            speaks,
            encrypted: self.encrypted.get(),
            streams: match speaks {
                Speaks::Http1 => u32::from(backend.is_some()),
                Speaks::Http2 => self.streams.get(),
                Speaks::Tcp => 1,
            },
        }
    }
}

impl Presence {
    /// Its card.
    pub(super) fn card(&self) -> Rc<Card> {
        Rc::clone(&self.0)
    }

    /// Another proxy says whose connection it is.
    pub(super) fn set_source(&self, source: SocketAddr) {
        self.0.source.set(source.into());
    }

    /// What is spoken, and whether inside TLS.
    pub(super) fn set_protocol(&self, speaks: Speaks, encrypted: bool) {
        self.0.speaks.set(speaks);
        self.0.encrypted.set(encrypted);
    }

    /// The client has changed over to HTTP/2.
    pub(super) fn handle_http2(&self) {
        self.0.speaks.set(Speaks::Http2);
    }

    /// So many streams are open.
    pub(super) fn set_streams(&self, streams: u32) {
        self.0.streams.set(streams);
    }

    /// Its request, or what it sends, is bound for this backend.
    #[inline]
    pub(super) fn handle_backend(&self, backend: BackendId) {
        self.0.backend.set(Some(backend));
        self.0.server.set(None);
    }

    /// And for this server.
    #[inline]
    pub(super) fn handle_server(&self, server: ServerId) {
        self.0.server.set(Some(server));
    }

    /// Its request is over.
    #[inline]
    pub(super) fn rest(&self) {
        self.0.backend.set(None);
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.sessions.leave(self.0.place);
    }
}

/// Where the number of the thread begins: no thread ever has that many connections.
const THREAD_AT: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::runtime::Gate;
    use crate::io::runtime::tests::plan;
    use crate::plan::Listener;
    use std::sync::Arc;

    #[test]
    fn who_is_there_is_listed_until_it_has_gone() {
        let client = |port: u16| SocketAddr::from(([192, 0, 2, 1], port));
        let gate = Arc::new(Gate::new(&plan(vec![Listener::new(FrontendId(0), client(80))])));
        let sessions = Rc::new(Sessions::new(1));
        let start = Instant::now();
        let enter = |port, since| {
            let permit = gate.enter(FrontendId(0)).unwrap();
            sessions.enter(permit, FrontendId(0), client(port), start + Duration::from_secs(since))
        };
        let [one, two, three] = [(1, 0), (2, 1), (3, 2)].map(|(port, since)| enter(port, since));
        assert_eq!(gate.connections(), 3);
        let now = start + Duration::from_secs(10);
        let ports = |most| {
            let listing = sessions.list(None, most, now);
            (listing.sessions.iter().map(|s| s.source.port()).collect::<Vec<_>>(), listing.more)
        };
        assert_eq!(ports(9), (vec![1, 2, 3], 0));
        assert_eq!(ports(2), (vec![1, 2], 1), "the oldest");
        two.handle_backend(BackendId(4));
        two.handle_server(ServerId(5));
        two.set_source(client(9));
        let seen = sessions.list(Some(two.0.id), 9, now).sessions.remove(0);
        assert_eq!((seen.backend, seen.server, seen.streams), (Some(BackendId(4)), Some(ServerId(5)), 1));
        assert_eq!((seen.source, seen.age), (client(9), Duration::from_secs(9)));
        assert_eq!(seen.id.to_string().parse(), Ok(seen.id));
        two.rest();
        let seen = sessions.list(Some(two.0.id), 9, now).sessions.remove(0);
        assert_eq!((seen.backend, seen.server, seen.streams), (None, None, 0));
        two.set_protocol(Speaks::Http2, true);
        two.set_streams(7);
        let seen = sessions.list(Some(two.0.id), 9, now).sessions.remove(0);
        assert_eq!((seen.speaks, seen.encrypted, seen.streams), (Speaks::Http2, true, 7));
        let id = two.0.id;
        drop(two);
        assert_eq!(gate.connections(), 2);
        assert_eq!(ports(9), (vec![1, 3], 0));
        assert!(!sessions.end(id), "it has gone");
        assert!(!sessions.end(one.0.id), "nobody runs it");
        let four = enter(4, 3);
        assert!(four.0.id > three.0.id, "places are used again, and numbers are not");
        assert_eq!((ports(9), sessions.cards.borrow().all.len()), ((vec![1, 3, 4], 0), 3));
        drop((one, three, four));
        assert_eq!((ports(9), gate.connections()), ((vec![], 0), 0));
    }

    /// Whoever runs a connection is stopped, and its card is back when that is done.
    #[test]
    fn one_is_ended() {
        let runtime = tokio::runtime::Builder::new_current_thread().build_local(Default::default()).unwrap();
        runtime.block_on(async {
            let at = SocketAddr::from(([192, 0, 2, 1], 80));
            let gate = Arc::new(Gate::new(&plan(vec![Listener::new(FrontendId(0), at)])));
            let sessions = Rc::new(Sessions::new(0));
            let permit = gate.enter(FrontendId(0)).unwrap();
            let presence = sessions.enter(permit, FrontendId(0), at, Instant::now());
            let (id, card) = (presence.0.id, presence.card());
            let task = tokio::task::spawn_local(async move {
                let _presence = presence;
                std::future::pending::<()>().await;
            });
            card.handle_task(&task);
            drop(card);
            assert!(sessions.end(id));
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!((gate.connections(), sessions.end(id)), (0, false));
        });
    }
}
