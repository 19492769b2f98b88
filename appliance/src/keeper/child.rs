//! A process of this node, whether this very program has started it or the one that was here before an upgrade: the kernel
//! knows it as this process's child either way.

use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal as Kill, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The process. Dropping it kills a worker that was started here (`kill_on_drop`), and whatever was inherited.
#[derive(Debug)]
pub(super) enum Process {
    /// Started here.
    Started(Child),
    /// Started before the upgrade.
    Inherited(Inherited),
}

/// One that was started before the upgrade.
#[derive(Debug)]
pub(super) struct Inherited {
    pid: Pid,
    /// Tells that some child has ended.
    ends: Signal,
    ended: Option<String>,
}

impl Process {
    /// One that was started before the upgrade.
    ///
    /// # Errors
    /// If its end cannot be listened for.
    pub(super) fn inherited(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        let ends = signal(SignalKind::child())?;
        Ok(Self::Inherited(Inherited { pid: Pid::from_raw(pid), ends, ended: None }))
    }

    /// Its process id while it lives.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Started(child) => child.id(),
            Self::Inherited(inherited) if inherited.ended.is_some() => None,
            Self::Inherited(inherited) => u32::try_from(inherited.pid.as_raw()).ok(),
        }
    }

    /// Waits for its end; how, in words.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn ended(&mut self) -> String {
        match self {
            Self::Started(child) => match child.wait().await {
                Ok(status) => status.to_string(),
                Err(e) => e.to_string(),
            },
            Self::Inherited(inherited) => inherited.ended().await,
        }
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn start_kill(&mut self) -> io::Result<()> {
        match self {
            Self::Started(child) => child.start_kill(),
            // Its number is its own until it has been waited for.
            Self::Inherited(inherited) if inherited.ended.is_none() => {
                kill(inherited.pid, Kill::SIGKILL).map_err(io::Error::from)
            }
            Self::Inherited(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // It may have ended just now.
            kill(self.pid, Kill::SIGKILL).unwrap_or_default();
        }
    }
}

impl Inherited {
    async fn ended(&mut self) -> String {
        loop {
            if let Some(how) = &self.ended {
                return how.clone();
            }
            match waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => self.ended = Some(format!("exit status: {code}")),
                Ok(WaitStatus::Signaled(_, signal, _)) => self.ended = Some(format!("signal: {signal}")),
                Ok(_) | Err(Errno::EINTR) => {
                    // Cancel safe: a signal that has arrived stays pending, and the next look comes first.
                    self.ends.recv().await;
                }
                Err(errno) => self.ended = Some(errno.to_string()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[tokio::test]
    async fn a_child_of_the_process_before_is_waited_for_and_killed() {
        let start = |seconds: &str| Command::new("sleep").arg(seconds).spawn().unwrap().id();
        let mut short = Process::inherited(start("0.01")).unwrap();
        assert_eq!(short.ended().await, "exit status: 0");
        assert_eq!(short.pid(), None);
        assert!(short.start_kill().is_err());
        let mut long = Process::inherited(start("60")).unwrap();
        assert!(long.pid().is_some());
        long.start_kill().unwrap();
        assert_eq!(long.ended().await, "signal: SIGKILL");
    }
}
