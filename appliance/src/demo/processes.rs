//! What runs inside the sandbox, from its private `/proc`.
use std::{fs, io};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    /// Its pid, inside the sandbox.
    pub(super) pid: Pid,
    /// Its name, as `ps -e` shows it.
    pub(super) name: String,
    parent: Pid,
    group: Pid,
    state: char,
}

impl Process {
    /// Whether it waits for nothing but its parent's `wait`.
    pub(super) fn is_zombie(&self) -> bool {
        self.state == 'Z'
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// When it is gone already.
    pub(super) fn kill(&self) -> io::Result<()> {
        kill(self.pid, Signal::SIGKILL).map_err(io::Error::from)
    }
}

/// Collects dead processes that came to this one, pid 1 of the sandbox, when their parents died. Those in `owned`
/// are left to whoever started them.
///
/// # Errors
/// When `/proc` cannot be read.
pub(super) fn bury_orphans(owned: &[Pid]) -> io::Result<()> {
    for dead in all()?.iter().filter(|p| p.is_zombie() && p.parent == Pid::this() && !owned.contains(&p.pid))
    {
        match waitpid(dead.pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(_) | Err(Errno::ECHILD) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Every process of the sandbox at this moment.
///
/// # Errors
/// When `/proc` cannot be read; a process that ends meanwhile is left out.
pub(super) fn all() -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let is_process =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit));
        if is_process && let Ok(stat) = fs::read_to_string(path.join("stat")) {
            found.extend(parse_stat(&stat));
        }
    }
    Ok(found)
}

/// `leader`, whatever it started, and whatever those started: by parent and, for those whose parent is gone, by
/// process group.
pub(super) fn family(leader: Pid, all: &[Process]) -> Vec<Process> {
    let mut members: Vec<&Process> = Vec::new();
    loop {
        let is_kin =
            |p: &Process| p.pid == leader || p.group == leader || members.iter().any(|m| m.pid == p.parent);
        let found = all.iter().find(|p| is_kin(p) && !members.contains(p));
        match found {
            Some(process) => members.push(process),
            None => return members.into_iter().cloned().collect(),
        }
    }
}

/// proc_pid_stat(5): `pid (name) state ppid pgrp …`; the name may contain anything, parentheses included.
fn parse_stat(stat: &str) -> Option<Process> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let mut pid_field = || fields.next()?.parse().ok().map(Pid::from_raw);
    let (parent, group) = (pid_field()?, pid_field()?);
    Some(Process { pid: Pid::from_raw(pid.parse().ok()?), name: name.to_owned(), parent, group, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, group: i32) -> Process {
        let raw = Pid::from_raw;
        Process { pid: raw(pid), name: format!("p{pid}"), parent: raw(parent), group: raw(group), state: 'S' }
    }

    #[test]
    fn a_name_may_look_like_the_end_of_a_name() {
        let found = parse_stat("42 (a) S (b) Z 1 40 40 0 -1 4194560").unwrap();
        assert_eq!((found.pid.as_raw(), found.name.as_str()), (42, "a) S (b"));
        assert_eq!((found.parent.as_raw(), found.group.as_raw(), found.is_zombie()), (1, 40, true));
        assert_eq!(parse_stat("42 (cut"), None);
    }

    #[test]
    fn a_family_includes_grandchildren_and_orphans_of_the_group() {
        let all = [
            process(1, 0, 1),
            process(10, 1, 10),
            process(13, 12, 99),
            process(11, 10, 10),
            process(12, 10, 10),
            process(14, 1, 10),
            process(20, 1, 20),
            process(21, 20, 20),
        ];
        let mut pids: Vec<i32> = family(Pid::from_raw(10), &all).iter().map(|p| p.pid.as_raw()).collect();
        pids.sort_unstable();
        assert_eq!(pids, [10, 11, 12, 13, 14]);
    }
}
