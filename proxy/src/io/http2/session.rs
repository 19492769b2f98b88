//! A connection to a server that speaks HTTP/2: the task that drives it, and what the pool and its streams know of it.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use h2::client::{Builder, Connection, SendRequest};
use http::uri::Scheme;

use super::super::deadline::Alarm;
use super::super::runtime::DataThread;
use super::super::stream::Stream;
use super::content;
use super::queue::{Kept, Piece};
use super::server::ServerStream;
use super::wire::{Line, Seen, Wire};
use crate::h1::head::HeadIndex;
use crate::h2::budget::Budget;
use crate::plan::Http2;

/// The pool's hold on a connection. When it is dropped no new streams are opened, and those that are open run to their
/// end.
#[derive(Debug)]
pub(in crate::io) struct Session {
    send: SendRequest<Piece>,
    shared: Arc<Shared>,
    /// Streams at once that we open, whatever the server allows.
    most: u32,
    /// When a stream was last seen open.
    used: Instant,
}

/// What the task, the pool and the streams share. All of them are on one thread, so that nobody ever waits for a lock.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) scheme: Scheme,
    pub(super) index: Mutex<HeadIndex>,
    pub(super) kept: Arc<Kept>,
    open: AtomicU32,
    opened: Instant,
    /// When the last frame of the server came, in milliseconds since it was opened.
    heard: AtomicU64,
    /// No new streams.
    retired: AtomicBool,
    /// The server's first SETTINGS have come.
    settled: AtomicBool,
    /// Streams that wait for them.
    waiting: Mutex<Vec<Waker>>,
}

impl Session {
    /// Speaks HTTP/2 over `stream`, which is connected.
    ///
    /// # Errors
    /// The preface was not taken.
    pub(in crate::io) fn open(
        thread: &Rc<DataThread>,
        stream: Stream,
        scheme: Scheme,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> io::Result<Self> {
        let settings = thread.plan.global.http2;
        let (wire, line) = Wire::to_server(stream, Budget::new(settings.glitches, now));
        let handshake = pin!(builder(&settings, thread.limits().bytes).handshake::<_, Piece>(wire));
        // What it writes is gathered, so it has nothing to wait for.
        let Poll::Ready(opened) = handshake.poll(cx) else { return Err(io::ErrorKind::WouldBlock.into()) };
        let (send, connection) = opened.map_err(content::broken)?;
        let shared = Arc::new(Shared {
            scheme,
            index: Mutex::default(),
            kept: Arc::default(),
            open: AtomicU32::new(0),
            opened: now,
            heard: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            settled: AtomicBool::new(false),
            waiting: Mutex::default(),
        });
        let drive = Drive {
            thread: Rc::clone(thread),
            connection,
            line,
            shared: Arc::clone(&shared),
            alarm: Alarm::default(),
            until: None,
        };
        // The thread owns its tasks: they end with it, and a panic in one ends that one only and is counted.
        drop(tokio::task::spawn_local(drive));
        Ok(Self { send, shared, most: settings.max_streams, used: now })
    }

    /// Whether another stream may be opened: only one before the server has said how many.
    fn has_room(&self) -> bool {
        let open = self.shared.open.load(Ordering::Relaxed);
        if self.shared.is_retired() || !self.shared.is_settled() {
            return !self.shared.is_retired() && open == 0;
        }
        let allowed = u32::try_from(self.send.current_max_send_streams()).unwrap_or(u32::MAX);
        open < self.most.min(allowed)
    }

    /// Whether the server's SETTINGS are still to come: a request may wait for them.
    pub(in crate::io) fn is_settling(&self, cx: &Context<'_>) -> bool {
        !self.shared.is_retired() && self.shared.poll_settled(cx).is_pending()
    }

    /// Opens a stream, if there is room.
    pub(in crate::io) fn stream(&mut self, now: Instant) -> Option<Stream> {
        if !self.has_room() {
            return None;
        }
        self.used = now;
        Some(ServerStream::new(self.send.clone(), Arc::clone(&self.shared), now).into())
    }

    /// Whether it is worth keeping: streams are open, or the last one has not ended for longer than `idle`.
    pub(in crate::io) fn is_of_use(&mut self, now: Instant, idle: Duration) -> bool {
        if self.shared.is_busy() {
            self.used = now;
        }
        !self.shared.is_retired() && now.saturating_duration_since(self.used) < idle
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.retire();
    }
}

impl Shared {
    /// Counts a stream in.
    pub(super) fn enter(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a stream out.
    pub(super) fn leave(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Somebody has waited in vain since then. If the server has been silent for most of that time nobody else is to ask
    /// it over this connection, which may be dead.
    pub(super) fn suspect(&self, since: Instant, now: Instant) {
        let heard = self.opened + Duration::from_millis(self.heard.load(Ordering::Relaxed));
        let (silent, waited) = (now.saturating_duration_since(heard), now.saturating_duration_since(since));
        if silent * 2 >= waited {
            self.retire();
        }
    }

    /// Allows no more streams.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Waits for the server's first SETTINGS, which say what it can do.
    pub(super) fn poll_settled(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_settled() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|w| w.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    fn handle_seen(&self, seen: Seen, now: Instant) {
        if seen.any {
            let at = now.saturating_duration_since(self.opened).as_millis();
            self.heard.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        if seen.goaway {
            self.retire();
        }
        if seen.settings {
            self.settle();
        }
    }

    fn settle(&self) {
        if !self.settled.swap(true, Ordering::Relaxed) {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(Waker::wake);
        }
    }
}

/// The task of the connection. As a future it ends when the connection is over.
struct Drive {
    thread: Rc<DataThread>,
    connection: Connection<Wire, Piece>,
    line: Line,
    shared: Arc<Shared>,
    alarm: Alarm,
    /// When it is closed whatever the server has still to say or to take.
    until: Option<Instant>,
}

impl Drive {
    /// Moves what can be moved. `true`: the connection is over.
    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        loop {
            let ended = Pin::new(&mut self.connection).poll(cx).is_ready();
            self.shared.kept.feed();
            self.shared.handle_seen(self.line.take_seen(), now);
            let broken = matches!(self.line.poll_flush(cx), Poll::Ready(Err(_)));
            if ended || broken || self.line.is_spent() {
                return true;
            }
            if !self.line.take_unblocked() {
                return false;
            }
        }
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let now = Instant::now();
        this.line.begin(now, &this.thread.http2_spare);
        if this.turn(cx, now) {
            return Poll::Ready(());
        }
        if this.line.has_more() {
            cx.waker().wake_by_ref();
        }
        this.line.end(&this.thread.http2_spare);
        if this.shared.is_retired() && !this.shared.is_busy() {
            let until = *this.until.get_or_insert(now + LINGER);
            if until <= now {
                return Poll::Ready(());
            }
            this.alarm.set(&this.thread.deadlines, Some(until), cx, now);
        }
        Poll::Pending
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        self.shared.retire();
        // Whoever waits for SETTINGS finds that there is no connection to wait for.
        self.shared.settle();
        if std::thread::panicking() {
            self.thread.control.count_panic();
        }
    }
}

/// What a server is told, and what h2 itself allows it.
fn builder(settings: &Http2, max_head_bytes: usize) -> Builder {
    // A client that does not read must not stop the responses of others on the same connection: so there is room for the
    // windows of all streams.
    let whole = settings.initial_window.saturating_mul(settings.max_streams).clamp(65_535, MOST_WINDOW);
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(settings.max_streams as usize)
        .initial_window_size(settings.initial_window)
        .initial_connection_window_size(whole)
        .max_frame_size(settings.max_frame)
        .max_send_buffer_size(content::MOST_AT_ONCE)
        .header_table_size(settings.header_table)
        .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_reset_streams(RESET_REMEMBERED)
        .max_local_error_reset_streams(Some(MOST_MADE_RESET));
    builder
}

/// RFC 9113 §6.9.1.
const MOST_WINDOW: u32 = (1 << 31) - 1;

/// Streams whose reset the server may not have seen; frames for them are ignored.
const RESET_REMEMBERED: usize = 64;

/// Streams the server has made us reset by breaking the protocol.
const MOST_MADE_RESET: usize = 200;

/// How long a server may take to read our last frames.
const LINGER: Duration = Duration::from_secs(1);
