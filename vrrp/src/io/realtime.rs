//! Scheduling and memory for threads that must never be late: `SCHED_RR` and locked pages.
//!
//! Neither is demanded. A container or an unprivileged run may refuse both; what was refused is reported and the
//! thread goes on as a normal one.

use std::fmt;

use nix::errno::Errno;
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use thread_priority::{Error, ThreadPriority, ThreadPriorityValue};

/// A privilege that the kernel did not grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// What was asked for.
    pub what: Privilege,
    /// The kernel's reason.
    pub errno: i32,
}

/// What can be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    /// The `SCHED_RR` scheduling class.
    RealtimeScheduling,
    /// Memory that is never paged out.
    LockedMemory,
}

impl Privilege {
    /// `"realtime scheduling"` or `"locked memory"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RealtimeScheduling => "realtime scheduling",
            Self::LockedMemory => "locked memory",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what.as_str(), Errno::from_raw(self.errno).desc())
    }
}

/// Puts the calling thread into `SCHED_RR` at `priority` (1–99).
pub(crate) fn schedule(priority: u8) -> Option<Refused> {
    let refused = |errno| Some(Refused { what: Privilege::RealtimeScheduling, errno });
    let Ok(value) = ThreadPriorityValue::try_from(priority) else { return refused(Errno::EINVAL as i32) };
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    match set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), policy) {
        Ok(()) => None,
        Err(Error::OS(errno)) => refused(errno),
        Err(_) => refused(Errno::EINVAL as i32),
    }
}

/// Locks the pages of the whole process: those mapped already at once, later ones as they are touched.
///
/// Only with an unlimited `RLIMIT_MEMLOCK`: under a limit, an allocation that exceeds it would fail later, at a moment
/// that cannot be chosen.
pub(crate) fn lock_memory() -> Option<Refused> {
    match try_lock_memory() {
        Ok(()) => None,
        Err(e) => Some(Refused { what: Privilege::LockedMemory, errno: e as i32 }),
    }
}

fn try_lock_memory() -> nix::Result<()> {
    let (soft, _) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
    if soft != RLIM_INFINITY && !limit_is_waived() {
        setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY)?;
    }
    mlockall(MlockAllFlags::MCL_CURRENT)?;
    mlockall(
        MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | MlockAllFlags::from_bits_retain(MCL_ONFAULT),
    )
}

/// Whether this process has CAP_IPC_LOCK in the initial user namespace: the limit is not applied to it then, now or
/// later (`can_do_mlock`, mm/mlock.c).
fn limit_is_waived() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let Ok(map) = std::fs::read_to_string("/proc/self/uid_map") else { return false };
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let initial = map.split_ascii_whitespace().eq(["0", "0", "4294967295"]);
    initial && capabilities & (1 << CAP_IPC_LOCK) != 0
}

/// `linux/capability.h`.
const CAP_IPC_LOCK: u32 = 14;
/// `linux/mman.h`; without it every later thread stack would be made resident as a whole.
const MCL_ONFAULT: i32 = 4;
