//! The guard: a process of its own that takes the addresses off when the keeper dies or stops advertising.
//!
//! It does little else, so that nothing else can stop it: one thread, no file, no configuration. The VRRP thread tells
//! it what is held and, after every advert really sent, until when. The kernel's lifetime on each address stands
//! behind both (see [`super::netlink::Netlink::set_address`]).
//!
//! Whatever it takes off it then releases on the wire, in the keeper's place: a priority-0 advert, after which the BACKUP
//! waits for its Skew_Time instead of the whole Master_Down_Interval (RFC 9568 §6.4.2). The VRRP thread has told it the
//! bytes; it knows nothing of the protocol.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};

use super::clock::{WakeTimer, boot_time};
use super::guard_leases::{Ended, Leases};
use super::guard_wire::{GuardMessage, GuardedAddress, MAX_BYTES};
use super::netlink::Netlink;
use super::realtime::{self, Refused};
use super::speaker::Speaker;
use crate::event::AdvertCopy;

/// How to run.
#[derive(Debug, Default)]
pub struct GuardOptions {
    /// A pidfd of the keeper: readable when it has died. Without it the end of the socket alone tells.
    pub keeper: Option<OwnedFd>,
    /// `SCHED_RR` priority (1–99), above the VRRP thread's; `None`: normal scheduling.
    pub realtime_priority: Option<u8>,
    /// Lock all memory.
    pub lock_memory: bool,
    /// Sends the priority-0 adverts of what is taken off. Without it the peers wait for Master_Down.
    pub speaker: Option<Speaker>,
}

/// How the guard ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardReport {
    /// Addresses taken off at the end because the keeper had died holding them.
    pub removed: usize,
    /// Priority-0 adverts sent in the keeper's place, at the end or when a lease ended.
    pub farewells: usize,
    /// Those that could not be sent, and the last error.
    pub unsaid: usize,
    /// `errno` of the last of those.
    pub unsaid_errno: Option<i32>,
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
        speaker: options.speaker,
        report: GuardReport {
            refused: scheduled.into_iter().chain(locked).collect(),
            ..GuardReport::default()
        },
    };
    let ended = guard.watch();
    // Whatever ended the watch, nothing may stay. Without a clock nobody knows what is news: nothing is said.
    let held = guard.leases.all(boot_time().unwrap_or(Duration::MAX));
    guard.end(&held)?;
    ended?;
    guard.report.removed = held.addresses.len();
    Ok(guard.report)
}

struct Guard {
    netlink: Netlink,
    timer: WakeTimer,
    leases: Leases,
    socket: OwnedFd,
    keeper: Option<OwnedFd>,
    speaker: Option<Speaker>,
    report: GuardReport,
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
            self.end(&due)?;
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

    /// The addresses come off before it is said, so that nobody can have them twice.
    fn end(&mut self, ended: &Ended) -> io::Result<()> {
        self.take_off(&ended.addresses)?;
        self.say(&ended.farewells);
        Ok(())
    }

    fn say(&mut self, farewells: &[AdvertCopy]) {
        let Some(speaker) = &self.speaker else { return };
        for copy in farewells {
            match speaker.send(copy) {
                Ok(()) => self.report.farewells += 1,
                Err(e) => {
                    self.report.unsaid += 1;
                    self.report.unsaid_errno = Some(e as i32);
                }
            }
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
