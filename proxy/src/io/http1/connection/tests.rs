use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Waker;

use super::super::super::runtime::tests::{gate, thread};
use super::*;
use crate::access_log::Spools;

fn party() -> Party {
    Party {
        caller: Caller::of(SocketAddr::from(([127, 0, 0, 1], 4711))),
        frontend: FrontendId(0),
        http2: false,
    }
}

fn spools() -> Arc<Spools> {
    Arc::new(Spools::new(1 << 16, Waker::noop().clone()))
}

/// Flags and request of every line there is.
fn lines(spools: &Spools) -> Vec<String> {
    let mut lines = Vec::new();
    spools.drain(&mut Vec::new(), |batch| {
        for entry in batch.entries() {
            let line = String::from_utf8_lossy(entry.line);
            let words: Vec<&str> = line.split(' ').collect();
            lines.push(format!("{} {}", words[9], words.last().unwrap()));
        }
    });
    lines
}

#[test]
fn an_exchange_is_recorded_once_however_it_is_dropped() {
    let spools = spools();
    let thread = thread(&spools);
    let now = Instant::now();
    drop(Open::new(&thread, &party(), now));
    assert_eq!(lines(&spools), ["K--- \"<BADREQ>\""]);

    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let _open = Open::new(&thread, &party(), now);
        panic!("in the middle of an exchange");
    }));
    assert!(panicked.is_err());
    assert_eq!(lines(&spools), ["I--- \"<BADREQ>\""]);

    let mut open = Open::new(&thread, &party(), now);
    open.facts.termination = Some(Termination::default());
    drop(open);
    assert_eq!(lines(&spools), ["---- \"<BADREQ>\""]);
    let totals = thread.recorder.stats().snapshot();
    assert_eq!((totals.frontends[0].requests, totals.process.requests), (3, 3));
}

/// The task ends, is counted and gives everything back; the thread goes on.
#[test]
fn a_panic_in_a_connection_is_contained() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    runtime.block_on(async {
        let spools = spools();
        let thread = thread(&spools);
        let gate = gate(&thread);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (tcp, client) = listener.accept().await.unwrap();
        let permit = gate.enter(FrontendId(0)).unwrap();
        let presence = thread.sessions.enter(permit, FrontendId(0), client, Instant::now());
        let stream = Stream::new(tcp).unwrap();
        let caller = Caller::of(client);
        let mut connection =
            Connection::new(Rc::clone(&thread), stream, caller, FrontendId(0), presence, Instant::now());
        connection.state = State::Forwarding(Open::new(&thread, &party(), Instant::now()));
        let task = tokio::task::spawn_local(async move {
            let _connection = connection;
            panic!("in the middle of a connection");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!((thread.control.panics(), gate.connections()), (1, 0));
        assert_eq!(thread.recorder.stats().process_current(), 0);
        assert_eq!(lines(&spools), ["I--- \"<BADREQ>\""]);
    });
}

/// The runtime adds some 96 bytes and rounds up to pairs of cache lines: two of them as long as this holds.
#[test]
fn a_connection_is_small() {
    assert!(size_of::<Connection>() <= 160, "{}", size_of::<Connection>());
    // What the allocator has left over beside each of them.
    assert!(size_of::<Whose>() <= 96, "{}", size_of::<Whose>());
}
