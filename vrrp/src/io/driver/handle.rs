//! The rest of the process's grip on the VRRP thread.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;

use super::handed::Handed;
use super::queue::{Events, Queue};
use super::status::DriverStatus;
use crate::config::EngineConfig;
use crate::continuation::Identity;
use crate::event::{Command, TrackReport};
use crate::snapshot::Snapshot;
use crate::types::TrackId;

/// Owns the VRRP thread. Dropping it releases everything and waits for the thread, as [`DriverHandle::shutdown`]
/// does.
#[derive(Debug)]
pub struct DriverHandle {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<io::Result<Option<Handed>>>>,
}

/// Why the VRRP thread did not take something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It has not read its queue for long; the process is in trouble.
    #[error("the VRRP thread does not read its queue")]
    Full,
    /// It has ended.
    #[error("the VRRP thread has ended")]
    Stopped,
}

/// What the thread and its handle share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) inbox: Queue<Input>,
    pub(super) events: Arc<Events>,
    published: Mutex<Published>,
}

#[derive(Debug, Clone)]
struct Published {
    snapshot: Arc<Snapshot>,
    status: Arc<DriverStatus>,
}

/// What the rest of the process sends.
#[derive(Debug)]
pub(super) enum Input {
    Track(TrackId, TrackReport),
    Command(Command),
    Guard(OwnedFd),
    /// Hand over to a thread that has these routers.
    Suspend(Vec<Identity>),
    /// Somebody is about to read the snapshot.
    Publish,
}

impl DriverHandle {
    pub(super) fn new(shared: Arc<Shared>, thread: JoinHandle<io::Result<Option<Handed>>>) -> Self {
        Self { shared, thread: Some(thread) }
    }

    /// Hands news of a tracked thing to the engine.
    ///
    /// # Errors
    /// When the thread does not take it; the news is lost.
    pub fn send_track(&self, track: TrackId, report: TrackReport) -> Result<(), SendError> {
        self.send(Input::Track(track, report))
    }

    /// Hands a command to the engine. After [`Command::Shutdown`] the thread releases everything and ends with
    /// [`super::DriverEvent::Stopped`].
    ///
    /// # Errors
    /// When the thread does not take it.
    pub fn command(&self, command: Command) -> Result<(), SendError> {
        self.send(Input::Command(command))
    }

    /// Attaches a guard by this process's end of its `SOCK_SEQPACKET` pair, in place of one that has ended. It is told
    /// at once what is held.
    ///
    /// # Errors
    /// When the thread does not take it.
    pub fn set_guard(&self, socket: OwnedFd) -> Result<(), SendError> {
        self.send(Input::Guard(socket))
    }

    /// Has the thread publish a fresh snapshot with its next turn, microseconds from now.
    ///
    /// # Errors
    /// When the thread does not take it.
    pub fn refresh(&self) -> Result<(), SendError> {
        self.send(Input::Publish)
    }

    /// The engine's state after its last transition; while adverts come and go, at most about a second old.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.published().snapshot
    }

    /// The thread's own figures, as old as the snapshot.
    pub fn status(&self) -> Arc<DriverStatus> {
        self.shared.published().status
    }

    /// The queue of events. One consumer sees each event.
    pub fn events(&self) -> Arc<Events> {
        Arc::clone(&self.shared.events)
    }

    /// Whether the thread has ended, by command or by failure.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Releases everything (priority-0 adverts, addresses off) and waits for the thread. Takes milliseconds.
    ///
    /// # Errors
    /// What ended the thread earlier, if something did, or what could not be released.
    pub fn shutdown(mut self) -> io::Result<()> {
        self.end(Input::Command(Command::Shutdown)).map(drop)
    }

    /// Ends the thread without releasing anything that its successor goes on with: routers which are the same in
    /// `successor`. The others are released. Takes milliseconds; the successor has to begin before the leases end.
    /// `None`: the thread had ended before, and has released everything.
    ///
    /// # Errors
    /// What ended the thread earlier, if something did.
    pub fn suspend(&mut self, successor: &EngineConfig) -> io::Result<Option<Handed>> {
        self.end(Input::Suspend(successor.routers().iter().map(Identity::of).collect()))
    }

    fn send(&self, input: Input) -> Result<(), SendError> {
        if self.is_finished() {
            return Err(SendError::Stopped);
        }
        self.shared.inbox.push(input).map_err(|_| SendError::Full)
    }

    fn end(&mut self, mut command: Input) -> io::Result<Option<Handed>> {
        let Some(thread) = self.thread.take() else { return Ok(None) };
        // The thread empties a full queue within a turn.
        while let Err(back) = self.shared.inbox.push(command)
            && !thread.is_finished()
        {
            command = back;
            std::thread::yield_now();
        }
        // The thread cannot panic and leave this one alive.
        thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    }
}

impl Drop for DriverHandle {
    fn drop(&mut self) {
        // Nobody is left to be told; the guard and the kernel's lifetimes take off what could not be released.
        match self.end(Input::Command(Command::Shutdown)) {
            Ok(_) | Err(_) => {}
        }
    }
}

impl Shared {
    pub(super) fn new(snapshot: Snapshot) -> io::Result<Self> {
        Ok(Self {
            inbox: Queue::new(INBOX_CAPACITY)?,
            events: Arc::new(Events(Queue::new(EVENTS_CAPACITY)?)),
            published: Mutex::new(Published::new(snapshot, DriverStatus::default())),
        })
    }

    /// Replaces what readers see. `false` when a reader is at it just now; the thread tries again later rather than
    /// wait for a reader that may not be running.
    pub(super) fn publish(&self, snapshot: Snapshot, status: DriverStatus) -> bool {
        let new = Published::new(snapshot, status);
        let before = match self.published.try_lock() {
            Ok(mut published) => std::mem::replace(&mut *published, new),
            Err(TryLockError::Poisoned(published)) => std::mem::replace(&mut *published.into_inner(), new),
            Err(TryLockError::WouldBlock) => return false,
        };
        // The old ones are freed outside the lock.
        drop(before);
        true
    }

    /// As [`Self::publish`], at the end of the thread, when there is no later.
    pub(super) fn publish_last(&self, snapshot: Snapshot, status: DriverStatus) {
        let new = Published::new(snapshot, status);
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = new;
    }

    fn published(&self) -> Published {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Published {
    fn new(snapshot: Snapshot, status: DriverStatus) -> Self {
        Self { snapshot: Arc::new(snapshot), status: Arc::new(status) }
    }
}

/// Reports come a few a second; the thread reads them within microseconds.
const INBOX_CAPACITY: usize = 1024;
/// Room for a flapping network of many routers until the supervisor looks.
const EVENTS_CAPACITY: usize = 1024;
