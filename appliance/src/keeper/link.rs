//! One worker process as the keeper sees it: its pid, its channel, its end.

use std::env;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::child::Process;
use super::supervisor::WorkerId;
use crate::ipc::{self, FromWorker, Start, ToWorker};

/// What a worker's link tells the keeper.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// A message from the worker.
    Message(FromWorker),
    /// Nothing more comes over this channel.
    Closed,
    /// The process has ended; how, in words.
    Exited(String),
}

/// A running worker. Dropping the link kills the process.
#[derive(Debug)]
pub(super) struct WorkerLink {
    /// Its number.
    pub id: WorkerId,
    /// Its process id.
    pub pid: u32,
    outbox: mpsc::Sender<(ToWorker, Vec<OwnedFd>)>,
    kill: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

impl WorkerLink {
    /// Starts a worker process of the program `exe` and hands it what it needs. News arrive on `events`.
    ///
    /// # Errors
    /// If the process cannot be created.
    pub(super) fn spawn(
        exe: &Path,
        id: WorkerId,
        start: Start,
        sockets: Vec<OwnedFd>,
        events: mpsc::Sender<(WorkerId, LinkEvent)>,
    ) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = spawn_role(exe, "worker", theirs.into())?;
        let pid = child.id().ok_or_else(|| io::Error::other("the worker ended before it began"))?;
        let first = Some((ToWorker::Start(Box::new(start)), sockets));
        Self::new(id, pid, Process::Started(child), ours, first, events)
    }

    /// One that was started before the upgrade, with its end of the channel that it has moved to.
    ///
    /// # Errors
    /// If its end cannot be listened for.
    pub(super) fn inherited(
        id: WorkerId,
        pid: u32,
        channel: UnixStream,
        events: mpsc::Sender<(WorkerId, LinkEvent)>,
    ) -> io::Result<Self> {
        Self::new(id, pid, Process::inherited(pid)?, channel, None, events)
    }

    fn new(
        id: WorkerId,
        pid: u32,
        process: Process,
        channel: UnixStream,
        first: Option<(ToWorker, Vec<OwnedFd>)>,
        events: mpsc::Sender<(WorkerId, LinkEvent)>,
    ) -> io::Result<Self> {
        let (sender, receiver) = ipc::channel(channel)?;
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let (kill, killed) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            let writer = tokio::spawn(write(sender, first, inbox));
            follow(id, process, receiver, killed, &events).await;
            writer.abort();
        });
        Ok(Self { id, pid, outbox, kill, task })
    }

    /// Queues a message. A worker that reads nothing any more loses it; its heartbeats tell.
    pub(super) fn send(&self, message: ToWorker) -> bool {
        self.outbox.try_send((message, Vec::new())).is_ok()
    }

    /// Has the worker go on over another channel; this end of that. [`LinkEvent::Closed`] tells that it has, and that all
    /// it has said before has been heard.
    ///
    /// # Errors
    /// If there is none to be had, or the worker reads nothing any more.
    pub(super) fn move_to_another(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        let queued = self.outbox.try_send((ToWorker::Move, vec![theirs.into()]));
        queued.map(|()| ours).map_err(|_| io::ErrorKind::WouldBlock.into())
    }

    /// SIGKILL. The end is reported as any other.
    pub(super) fn kill(&self) {
        // Full means that a kill is already on its way.
        self.kill.try_send(()).unwrap_or_default();
    }
}

impl Drop for WorkerLink {
    fn drop(&mut self) {
        // The process is killed when its task is dropped.
        self.task.abort();
    }
}

/// Starts a program of this kind, [`THIS`] or another version of it, in another role, with the socket as its standard
/// input.
///
/// # Errors
/// If the process cannot be created.
pub(super) fn spawn_role(exe: &Path, role: &str, socket: OwnedFd) -> io::Result<Child> {
    let mut command = Command::new(exe);
    if env::var_os(TUNABLES).is_none() {
        command.env(TUNABLES, KEEP_FREED);
    }
    command
        .arg0("evenkeel")
        .arg(role)
        .stdin(Stdio::from(socket))
        // A Ctrl-C on the terminal is for the keeper, which ends its processes in order.
        .process_group(0)
        .kill_on_drop(role == "worker")
        .spawn()
}

/// The binary that runs, even after a package upgrade has replaced the file.
pub(super) const THIS: &str = "/proc/self/exe";

/// What glibc's allocator is told, unless the administrator has told it something.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// How many freed pieces of a size each thread keeps at hand. Requests come in batches: ten streams of an HTTP/2
/// connection allocate, and then all of them free, which is more than the seven of the default.
const KEEP_FREED: &str = "glibc.malloc.tcache_count=200";

async fn write(
    sender: ipc::Sender,
    mut first: Option<(ToWorker, Vec<OwnedFd>)>,
    mut inbox: mpsc::Receiver<(ToWorker, Vec<OwnedFd>)>,
) -> io::Result<()> {
    loop {
        let next = match first.take() {
            Some(first) => Some(first),
            None => inbox.recv().await,
        };
        let Some((message, owned)) = next else { return Ok(()) };
        let fds: Vec<BorrowedFd<'_>> = owned.iter().map(AsFd::as_fd).collect();
        sender.send(&message, &fds).await?;
    }
}

/// Passes messages on until the process has ended.
async fn follow(
    id: WorkerId,
    mut process: Process,
    mut receiver: ipc::Receiver,
    mut killed: mpsc::Receiver<()>,
    events: &mpsc::Sender<(WorkerId, LinkEvent)>,
) {
    let mut open = true;
    let ended = loop {
        // All three arms are cancel safe: `recv` keeps what has arrived, `wait` may be called again.
        tokio::select! {
            how = process.ended() => break how,
            message = receiver.recv::<FromWorker>(), if open => match message {
                Ok(Some((message, _))) => pass(events, id, LinkEvent::Message(message)).await,
                Ok(None) => {
                    open = false;
                    pass(events, id, LinkEvent::Closed).await;
                }
                Err(err) => {
                    tracing::error!(worker = id.0, %err, "worker sent what cannot be read");
                    open = false;
                    kill(id, &mut process);
                }
            },
            Some(()) = killed.recv() => kill(id, &mut process),
        }
    };
    // Its last words are in the socket still.
    while open && let Ok(Ok(Some((message, _)))) = timeout(LAST_WORDS, receiver.recv::<FromWorker>()).await {
        pass(events, id, LinkEvent::Message(message)).await;
    }
    pass(events, id, LinkEvent::Exited(ended)).await;
}

fn kill(id: WorkerId, process: &mut Process) {
    if let Err(err) = process.start_kill() {
        tracing::error!(worker = id.0, %err, "cannot kill worker");
    }
}

async fn pass(events: &mpsc::Sender<(WorkerId, LinkEvent)>, id: WorkerId, event: LinkEvent) {
    // Waits while the keeper is busy; a closed channel means that the keeper itself is ending.
    events.send((id, event)).await.unwrap_or_default();
}

/// A socket whose other end has gone ends at once.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Messages waiting for a worker that does not read: more than it answers in a heartbeat timeout.
const OUTBOX: usize = 32;
