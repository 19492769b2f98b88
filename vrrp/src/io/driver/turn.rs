//! The loop of the VRRP thread: wait, read the clock once, hand on what has come, do what the engine asks.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::handle::{Input, Shared};
use super::report::{Failing, PUBLISH_EVERY};
use super::sockets::{FIRST_SOCKET_TOKEN, Sockets};
use super::status::{DriverEvent, DriverStatus};
use super::{DriverOptions, Handed};
use crate::config::RouterConfig;
use crate::engine::Engine;
use crate::event::Command;
use crate::io::clock::{BootClock, WakeTimer};
use crate::io::frames::FrameSender;
use crate::io::guard_link::GuardLink;
use crate::io::leftovers::{self, HeldAddress, StateFile};
use crate::io::netlink::Netlink;
use crate::io::realtime::{self, Refused};
use crate::io::socket::Received;
use crate::io::virtual_mac::VirtualMacs;
use crate::io::watch::Watch;
use crate::types::RouterId;

/// The engine and everything it acts on.
pub(super) struct Driver {
    pub(super) engine: Engine,
    pub(super) clock: BootClock,
    pub(super) netlink: Netlink,
    pub(super) watch: Watch,
    pub(super) sockets: Sockets,
    pub(super) frames: FrameSender,
    pub(super) guard: GuardLink,
    pub(super) virtual_macs: VirtualMacs,
    pub(super) status: DriverStatus,
    /// Routers whose last frame could not be sent.
    pub(super) frames_failing: BTreeSet<RouterId>,
    /// Something readers should see at once has changed.
    pub(super) changed: bool,
    /// The set of held addresses has changed since it was last written.
    pub(super) held_changed: bool,
    /// What failed last, per router and kind; at most a few entries per router.
    pub(super) failing: BTreeSet<(RouterId, Failing)>,
    options: DriverOptions,
    pub(super) shared: Arc<Shared>,
    epoll: Epoll,
    timer: WakeTimer,
    pub(super) state_file: Option<StateFile>,
    pub(super) state_file_failing: bool,
    pub(super) published_at: Instant,
    /// The last turn left actions or events over.
    unsettled: bool,
    /// Anything was handed to the engine since the last publication.
    pub(super) stale: bool,
    buffer: Vec<u8>,
    stopping: bool,
    /// Another thread goes on: nothing is released.
    pub(super) suspended: bool,
}

impl Driver {
    /// Opens everything and takes off what an earlier run left, before the engine can send a first advert.
    pub(super) fn new(
        engine: Engine,
        clock: BootClock,
        mut options: DriverOptions,
        refused: Option<Refused>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let now = clock.now();
        let mut netlink = Netlink::open()?;
        let state_file = options.state_file.take().map(StateFile::new);
        let stays = |held: &HeldAddress| engine.goes_on_holding(&held.interface, held.addr, held.prefix_len);
        let leftovers = leftovers::remove(&mut netlink, state_file.as_ref(), stays)?;
        let macvlans = engine.macvlans_that_go_on();
        leftovers::remove_macvlans(&mut netlink, engine.config().routers(), &macvlans)?;
        let watch = Watch::open(&mut netlink)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = WakeTimer::new()?;
        epoll.add(&timer, readable(TIMER))?;
        epoll.add(&watch, readable(WATCH))?;
        epoll.add(&shared.inbox, readable(INBOX))?;
        let mut driver = Self {
            engine,
            clock,
            netlink,
            watch,
            sockets: Sockets::default(),
            frames: FrameSender::open()?,
            guard: GuardLink::default(),
            virtual_macs: VirtualMacs::default(),
            status: DriverStatus::default(),
            frames_failing: BTreeSet::new(),
            changed: false,
            held_changed: false,
            failing: BTreeSet::new(),
            options,
            shared,
            epoll,
            timer,
            state_file,
            state_file_failing: false,
            published_at: now,
            unsettled: true,
            stale: true,
            buffer: vec![0; MESSAGE_BYTES],
            stopping: false,
            suspended: false,
        };
        driver.note_refused(refused);
        if leftovers > 0 {
            driver.tell(DriverEvent::LeftoversRemoved(leftovers));
        }
        if let Some(handed) = driver.options.handed.take() {
            driver.take_handed(handed);
        }
        if let Some(guard) = driver.options.guard.take() {
            driver.attach_guard(guard);
        }
        driver.publish(now);
        Ok(driver)
    }

    /// Runs until it is told to stop, or cannot go on; then releases everything. When it is suspended, what its successor
    /// goes on with.
    pub(super) fn run(mut self) -> io::Result<Option<Handed>> {
        let ended = self.turns();
        if self.suspended && ended.is_ok() {
            return self.hand_over();
        }
        if ended.is_err() {
            let now = self.clock.now();
            self.engine.handle_command(now, Command::Shutdown);
            self.settle(now);
        }
        let released = self.release_all();
        self.write_state_file();
        self.publish_last();
        self.tell(DriverEvent::Stopped);
        ended.and(released).map(|()| None)
    }

    fn note_refused(&mut self, refused: Option<Refused>) {
        if let Some(refused) = refused {
            self.status.refused.push(refused);
            self.tell(DriverEvent::Refused(refused));
        }
    }

    fn turns(&mut self) -> io::Result<()> {
        let mut now = self.clock.now();
        self.settle(now);
        // After what is urgent: it takes its time in a process that is large.
        let refused = self.options.lock_memory.then(realtime::lock_memory).flatten();
        self.note_refused(refused);
        while !self.stopping || self.unsettled {
            let tokens = self.wait()?;
            now = self.clock.now();
            self.turn(&tokens, now)?;
        }
        Ok(())
    }

    fn turn(&mut self, tokens: &[u64], now: Instant) -> io::Result<()> {
        self.notice_suspend();
        if tokens.contains(&TIMER) {
            self.timer.clear()?;
        }
        if tokens.contains(&WATCH) {
            self.drain_watch();
        }
        // Left over from a turn that took too long. Only the leases: whether a MASTER is silent is decided below, after
        // its adverts have been read.
        self.engine.expire_leases(now);
        self.settle(now);
        // Adverts before time: a thread that was late must not take a MASTER for dead whose adverts wait here.
        for token in tokens.iter().filter(|t| **t >= FIRST_SOCKET_TOKEN) {
            self.read_adverts(*token, now);
        }
        self.pass_time(now);
        if tokens.contains(&INBOX) {
            self.read_inbox(now);
        }
        if tokens.contains(&GUARD) && self.guard.read_answers(now) {
            self.tell(DriverEvent::GuardLost);
            self.changed = true;
        }
        if self.sockets.retry_at().is_some_and(|at| at <= now) {
            self.settle_sockets(now);
        }
        self.write_state_file();
        self.publish_if_due(now);
        Ok(())
    }

    /// Waits for a descriptor or the next deadline; which descriptors are ready.
    fn wait(&self) -> io::Result<Vec<u64>> {
        // The turn may have taken a while; the time it began at would make this one late.
        let now = self.clock.now();
        let engine = self.engine.poll_timeout().map(|(at, _)| at);
        let publish = self.stale.then(|| self.published_at + PUBLISH_EVERY);
        let next = [engine, publish, self.sockets.retry_at()].into_iter().flatten().min();
        let delay = next.map(|at| at.saturating_duration_since(now));
        self.timer.set(if self.unsettled { Some(Duration::ZERO) } else { delay })?;
        let mut ready = [EpollEvent::empty(); READY_AT_ONCE];
        let count = match self.epoll.wait(&mut ready, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(e) => return Err(e.into()),
        };
        Ok(ready.iter().take(count).map(EpollEvent::data).collect())
    }

    fn notice_suspend(&mut self) {
        let suspended = self.clock.suspended();
        let more = suspended.saturating_sub(self.status.suspended);
        if more >= SUSPEND_NOTICED {
            self.status.suspended = suspended;
            self.tell(DriverEvent::Suspended(more));
        }
    }

    fn pass_time(&mut self, now: Instant) {
        if let Some((at, _)) = self.engine.poll_timeout()
            && at <= now
            && !self.unsettled
        {
            self.status.latest_wake = self.status.latest_wake.max(now.saturating_duration_since(at));
            self.engine.handle_timeout(now);
            self.settle(now);
        }
    }

    /// A bounded batch; epoll tells again if more waits. What has arrived must not be read as if it were still the time
    /// of a turn that is over: it would be old at once.
    fn read_adverts(&mut self, token: u64, now: Instant) {
        for _ in 0..ADVERTS_AT_ONCE {
            if self.unsettled {
                return;
            }
            let Some(socket) = self.sockets.by_token(token) else { return };
            match socket.receive(&mut self.buffer) {
                Ok(Received::Message(meta, place)) => {
                    let message = self.buffer.get(place).unwrap_or_default();
                    self.engine.handle_advert(now, &meta, message);
                    self.settle(now);
                }
                Ok(Received::Unusable) => self.status.received_unusable += 1,
                Ok(Received::Empty) => return,
                Err(Errno::EINTR) => {}
                Err(_) => {
                    self.status.received_unusable += 1;
                    return;
                }
            }
        }
    }

    fn read_inbox(&mut self, now: Instant) {
        let shared = Arc::clone(&self.shared);
        for input in shared.inbox.take() {
            match input {
                Input::Track(track, report) => self.engine.handle_track(now, track, report),
                Input::Command(command) => {
                    self.stopping |= command == Command::Shutdown;
                    self.engine.handle_command(now, command);
                }
                Input::Guard(socket) => self.attach_guard(socket),
                Input::Suspend(heirs) => {
                    self.stopping = true;
                    self.suspend(now, &heirs);
                }
                Input::Publish => self.changed = true,
            }
            self.settle(now);
        }
    }

    /// A guard that cannot be heard is as good as none, and told as lost.
    pub(super) fn attach_guard(&mut self, socket: OwnedFd) {
        self.guard.attach(socket);
        self.changed = true;
        let added = self.guard.socket().map(|socket| self.epoll.add(socket, readable(GUARD)));
        if added.is_some_and(|added| added.is_err()) {
            self.guard.detach();
            self.tell(DriverEvent::GuardLost);
        }
    }

    /// Reads what the kernel has told of links and addresses.
    pub(super) fn drain_watch(&mut self) {
        if self.watch.drain(&mut self.netlink).is_err() {
            self.status.netlink_failed += 1;
        }
    }

    /// Hands network changes on and does what the engine asks, until both are quiet.
    ///
    /// What is asked was decided for the time `now`. When that is past (the process was stopped right here, or there
    /// is too much to do), the rest waits for the next turn, which tells the engine the time first.
    fn settle(&mut self, now: Instant) {
        self.stale = true;
        loop {
            if self.clock.now().saturating_duration_since(now) > TURN_AT_MOST {
                self.unsettled = true;
                return;
            }
            // Actions first: adverts do not wait for a thousand network changes.
            if let Some(action) = self.engine.poll_action() {
                if let Some(result) = self.execute(action, now) {
                    self.note_result(result);
                    self.engine.handle_action_result(now, result);
                }
            } else if let Some(event) = self.watch.poll_event() {
                self.engine.handle_net(now, event);
            } else {
                self.unsettled = false;
                return;
            }
        }
    }

    pub(super) fn settle_sockets(&mut self, now: Instant) {
        for (ifindex, errno) in self.sockets.settle(&self.epoll, self.watch.network(), now) {
            self.tell(DriverEvent::ListenFailed { ifindex, errno });
        }
    }

    /// The configuration of a router.
    pub(super) fn config(&self, router: RouterId) -> Option<&RouterConfig> {
        self.engine.config().routers().get(usize::from(router.0))
    }

    /// Whatever the engine has not released, because it or the loop failed.
    fn release_all(&mut self) -> io::Result<()> {
        let held: Vec<_> = self.guard.held().copied().collect();
        let mut result = Ok(());
        for a in held {
            let deleted = self.netlink.delete_address(a.ifindex, a.addr, a.prefix_len);
            result = result.and(deleted);
            self.held_changed = true;
        }
        if result.is_ok() {
            self.guard.release_all();
        }
        let deleted = self.virtual_macs.delete_all(&mut self.netlink);
        result.and(deleted)
    }
}

fn readable(token: u64) -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN, token)
}

const TIMER: u64 = 0;
const WATCH: u64 = 1;
const INBOX: u64 = 2;
const GUARD: u64 = 3;
const READY_AT_ONCE: usize = 32;
/// A flood on one interface must not keep the thread from its own adverts.
const ADVERTS_AT_ONCE: u32 = 64;
/// Many times what a take-over of many addresses needs, and a fraction of any lease.
const TURN_AT_MOST: Duration = Duration::from_millis(20);
/// Below this it is the difference between reading two clocks.
const SUSPEND_NOTICED: Duration = Duration::from_millis(100);
/// Longer than any VRRP message with its IP header; longer datagrams are unusable.
const MESSAGE_BYTES: usize = 2048;
