//! Connections to admin sockets, on a thread of their own ("ek-admin"): a listing of thousands of servers takes its
//! time, which neither requests nor heartbeats have.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_proxy::io::sight::Sight;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::ssl::Ongoing;
use super::{Answer, Level, Session};

/// A socket that is to be served.
#[derive(Debug)]
pub struct Door {
    /// Bound and listening.
    pub socket: OwnedFd,
    /// Its path, as it is shown.
    pub path: String,
    /// What whoever comes there may do.
    pub level: Level,
    /// How long a client may be silent.
    pub timeout: Duration,
}

/// The thread that serves them, and takes note of what is counted every second. Dropping it ends it.
#[derive(Debug)]
pub struct Admin {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Begins to serve.
    ///
    /// # Errors
    /// The thread or its runtime cannot be made, or a socket is none that listens.
    pub fn start(doors: Vec<Door>, sight: Arc<Sight>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let doors = {
            // Sockets belong to the runtime they are registered with.
            let _inside = runtime.enter();
            let ongoing = Ongoing::default();
            doors.into_iter().map(|door| open(door, &ongoing)).collect::<io::Result<Vec<_>>>()?
        };
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("ek-admin".into())
            .spawn(move || runtime.block_on(run(doors, sight, stopped)))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended too.
            drop(thread.join());
        }
    }
}

struct Open {
    listener: UnixListener,
    session: Session,
}

fn open(door: Door, ongoing: &Ongoing) -> io::Result<Open> {
    let listener = std::os::unix::net::UnixListener::from(door.socket);
    listener.set_nonblocking(true)?;
    let session = Session::new(door.path, door.level, door.timeout).beside(ongoing);
    Ok(Open { listener: UnixListener::from_std(listener)?, session })
}

/// Until it is stopped. What still runs then is dropped with the set.
async fn run(doors: Vec<Open>, sight: Arc<Sight>, mut stopped: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    for door in doors {
        tasks.spawn(accept(door, Arc::clone(&sight)));
    }
    let mut seconds = tokio::time::interval(SECOND);
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Both arms are cancel safe: ticks and the order to stop stay.
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = seconds.tick() => sight.tick(),
        }
    }
}

async fn accept(door: Open, sight: Arc<Sight>) {
    // Connections end with this task: the set aborts what still runs when it is dropped.
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        match door.listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, door.session.clone(), Arc::clone(&sight)));
            }
            Err(err) => {
                tracing::warn!(%err, "admin socket cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(mut stream: UnixStream, mut session: Session, sight: Arc<Sight>) {
    let mut input = Vec::new();
    loop {
        while let Some(end) = input.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = input.drain(..=end).collect();
            if !answer(&mut stream, &mut session, &sight, &line).await {
                return;
            }
        }
        if input.len() > LONGEST_LINE {
            return;
        }
        match tokio::time::timeout(session.timeout(), stream.read_buf(&mut input)).await {
            // It has said all it has to say: a last line may lack its end.
            Ok(Ok(0)) => {
                let is_all = input.is_empty() || answer(&mut stream, &mut session, &sight, &input).await;
                if is_all && let Some(last) = session.handle_end() {
                    send(&mut stream, &session, &last).await;
                }
                return;
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

/// Whether the conversation goes on.
async fn answer(stream: &mut UnixStream, session: &mut Session, sight: &Sight, line: &[u8]) -> bool {
    let answer = session.handle_line(sight, &String::from_utf8_lossy(line));
    send(stream, session, &answer).await && !answer.close
}

/// Whether the client has taken it.
async fn send(stream: &mut UnixStream, session: &Session, answer: &Answer) -> bool {
    let written = tokio::time::timeout(session.timeout(), stream.write_all(answer.text.as_bytes())).await;
    matches!(written, Ok(Ok(())))
}

/// As many as HAProxy lets in at once; more wait.
const MAX_CONNECTIONS: usize = 10;
/// As HAProxy's buffer.
const LONGEST_LINE: usize = 16 << 10;
const SECOND: Duration = Duration::from_secs(1);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
