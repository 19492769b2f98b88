//! The guard: a process of its own that takes the addresses off when the keeper dies or stops advertising.
//!
//! It does nothing else, so that nothing else can stop it: one thread, no file, no configuration. The VRRP thread tells
//! it what is held and, after every advert really sent, until when. The kernel's lifetime on each address stands
//! behind both (see [`super::netlink::Netlink::set_address`]).

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};

use super::clock::{WakeTimer, boot_time};
use super::guard_leases::Leases;
use super::guard_wire::{GuardMessage, GuardedAddress, MAX_BYTES};
use super::netlink::Netlink;
use super::realtime::{self, Refused};

/// How to run.
#[derive(Debug, Default)]
pub struct GuardOptions {
    /// A pidfd of the keeper: readable when it has died. Without it the end of the socket alone tells.
    pub keeper: Option<OwnedFd>,
    /// `SCHED_RR` priority (1–99), above the VRRP thread's; `None`: normal scheduling.
    pub realtime_priority: Option<u8>,
    /// Lock all memory.
    pub lock_memory: bool,
}

/// How the guard ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardReport {
    /// Addresses taken off at the end because the keeper had died holding them.
    pub removed: usize,
    /// Privileges the kernel did not grant.
    pub refused: Vec<Refused>,
}

/// Runs until the keeper is gone; then takes off what it held.
///
/// `socket` is one end of a `SOCK_SEQPACKET` pair; the keeper's VRRP thread has the other
/// ([`super::driver::DriverHandle::set_guard`]). Works in the network namespace of the calling thread.
///
/// # Errors
/// When the guard cannot start, or cannot take addresses off.
pub fn run(socket: OwnedFd, options: GuardOptions) -> io::Result<GuardReport> {
    let scheduled = options.realtime_priority.and_then(realtime::schedule);
    let locked = options.lock_memory.then(realtime::lock_memory).flatten();
    let mut guard = Guard {
        netlink: Netlink::open()?,
        timer: WakeTimer::new()?,
        leases: Leases::default(),
        socket,
        keeper: options.keeper,
    };
    let ended = guard.watch();
    // Whatever ended the watch, nothing may stay.
    let held = guard.leases.all();
    guard.take_off(&held)?;
    ended?;
    Ok(GuardReport { removed: held.len(), refused: scheduled.into_iter().chain(locked).collect() })
}

struct Guard {
    netlink: Netlink,
    timer: WakeTimer,
    leases: Leases,
    socket: OwnedFd,
    keeper: Option<OwnedFd>,
}

/// Whether the keeper lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    Alive,
    Gone,
}

impl Guard {
    fn watch(&mut self) -> io::Result<()> {
        loop {
            self.wait()?;
            // Messages first: a beat that waited here says itself until when it is good.
            let keeper = self.read_messages()?;
            self.timer.clear()?;
            let due = self.leases.end_due(boot_time()?);
            self.take_off(&due)?;
            if keeper == Keeper::Gone {
                return Ok(());
            }
        }
    }

    fn wait(&self) -> io::Result<()> {
        let now = boot_time()?;
        self.timer.set(self.leases.next_end().map(|end| end.saturating_sub(now)))?;
        let watched =
            [Some(self.timer.as_fd()), Some(self.socket.as_fd()), self.keeper.as_ref().map(AsFd::as_fd)];
        let mut fds: Vec<_> =
            watched.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Reads all that waits. A keeper that died says so by the end of its socket or by its pidfd, whichever is first:
    /// a descendant of it may still hold a copy of the socket.
    fn read_messages(&mut self) -> io::Result<Keeper> {
        let mut buffer = [0; MAX_BYTES];
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(Keeper::Gone),
                Ok(length) => self.handle(buffer.get(..length).unwrap_or_default()),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return self.keeper_by_pidfd(),
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn handle(&mut self, bytes: &[u8]) {
        let Some(message) = GuardMessage::decode(bytes) else { return };
        if let Some(answer) = self.leases.handle(message) {
            // Unsent when the keeper does not read; its driver counts the silence.
            match send(
                self.socket.as_raw_fd(),
                &answer.encode(),
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
            ) {
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn keeper_by_pidfd(&self) -> io::Result<Keeper> {
        let Some(pidfd) = &self.keeper else { return Ok(Keeper::Alive) };
        match poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) {
            Ok(0) | Err(Errno::EINTR) => Ok(Keeper::Alive),
            Ok(_) => Ok(Keeper::Gone),
            Err(e) => Err(e.into()),
        }
    }

    /// All are tried, a few times: the kernel can be out of memory for a moment.
    fn take_off(&mut self, addresses: &[GuardedAddress]) -> io::Result<()> {
        let mut left = addresses.to_vec();
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            left.retain(|a| match self.netlink.delete_address(a.ifindex, a.addr, a.prefix_len) {
                Ok(()) => false,
                Err(e) => {
                    failure = Some(e);
                    true
                }
            });
            if left.is_empty() {
                return Ok(());
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Each attempt waits for the kernel by itself.
const ATTEMPTS: u32 = 8;
