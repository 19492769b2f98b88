//! What one keeper leaves to the next when it goes on as another program: `execve` keeps the process, its children and its
//! open files. What belongs to which is written down in a file in memory whose descriptor is told on the command line.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_vrrp::io::driver;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};

use super::Options;
use super::supervisor::Memory;
use crate::config::Sources;
use crate::ipc::{Counts, ServerHealth, ServersReport};
use crate::status::UpgradeStatus;
use crate::sys::adopt_inherited;

/// Everything. Descriptors are numbers of open files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// [`Record::FORMAT`] of whoever wrote it.
    pub(super) format: u32,
    /// Name of the node.
    pub(super) node: String,
    /// The configuration as it was read, and with what operators have changed in files. Without secrets.
    pub(super) as_read: Sources,
    pub(super) in_use: Sources,
    pub(super) touched: BTreeSet<String>,
    /// Passwords of virtual routers, by their names.
    pub(super) passwords: Vec<(String, Vec<u8>)>,
    pub(super) lock: RawFd,
    pub(super) control: Option<RawFd>,
    pub(super) listeners: Vec<(SocketAddr, Vec<RawFd>)>,
    pub(super) admin: Vec<(PathBuf, u64, RawFd)>,
    pub(super) guard: Option<u32>,
    pub(super) guard_socket: Option<RawFd>,
    pub(super) worker: Option<Worker>,
    pub(super) leaving: Vec<Worker>,
    pub(super) supervisor: Memory,
    /// `None` while it is only looked at.
    pub(super) vrrp: Option<driver::Record>,
    pub(super) servers: ServersReport,
    pub(super) health: Vec<ServerHealth>,
    pub(super) counts_due: Vec<Counts>,
    pub(super) last_loss: Option<String>,
    pub(super) reloads: (u64, u64),
    pub(super) uptime: Duration,
    pub(super) upgrade: UpgradeStatus,
    /// The program that wrote this, to go back to.
    pub(super) before: Option<RawFd>,
}

/// A worker that lives.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Worker {
    pub(super) id: u64,
    pub(super) pid: u32,
    pub(super) channel: RawFd,
}

/// Descriptors that the next program is to have, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Baggage(Vec<OwnedFd>);

impl Baggage {
    /// A copy goes along.
    pub(super) fn copy(&mut self, fd: BorrowedFd<'_>) -> io::Result<RawFd> {
        Ok(self.take(fd.try_clone_to_owned()?))
    }

    /// It goes along itself.
    pub(super) fn take(&mut self, fd: OwnedFd) -> RawFd {
        let number = fd.as_raw_fd();
        self.0.push(fd);
        number
    }
}

impl Record {
    /// Of this version of the program. Changes when what is written cannot be read by the versions before.
    pub(super) const FORMAT: u32 = 1;

    /// With the program that runs as the one to go back to.
    pub(super) fn add_way_back(&mut self, baggage: &mut Baggage) -> io::Result<()> {
        self.before = Some(baggage.take(File::open(super::link::THIS)?.into()));
        Ok(())
    }

    /// Whether this program can go on from it.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn read(from: impl io::Read) -> Result<Self, String> {
        let record: Self = serde_json::from_reader(from).map_err(|e| e.to_string())?;
        match record.format == Self::FORMAT {
            true => Ok(record),
            false => {
                Err(format!("it is of format {}, and this version reads {}", record.format, Self::FORMAT))
            }
        }
    }

    /// Of the program before this one, from the descriptor that it has named.
    pub(super) fn inherited(fd: RawFd) -> Result<Self, String> {
        let mut file = File::from(adopt_inherited(fd));
        file.rewind().map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        Self::read(bytes.as_slice())
    }

    /// The program before this one goes on, and says why.
    ///
    /// # Errors
    /// If it does not; then nothing is left but to end.
    pub(super) fn go_back(mut self, options: &Options, why: String) -> io::Error {
        let Some(before) = self.before else { return io::Error::other(why) };
        self.upgrade.failed = Some(why);
        let program = format!("/proc/self/fd/{before}");
        // Nothing has been taken over yet: all of it is open, by its number.
        match self.written() {
            Ok(file) => execute(Path::new(&program), options, &file),
            Err(err) => err,
        }
    }

    fn written(&self) -> io::Result<File> {
        let mut file = File::from(memfd_create("evenkeel-handover", MFdFlags::MFD_CLOEXEC)?);
        serde_json::to_writer(&mut file, self)?;
        file.flush()?;
        file.rewind()?;
        Ok(file)
    }

    /// The file in memory, for the next program to look at.
    pub(super) fn to_look_at(&self) -> io::Result<File> {
        self.written()
    }

    /// Goes on as this program. Returns if it cannot; everything is as it was then.
    pub(super) fn go_on_as(&self, program: &Path, options: &Options, baggage: &Baggage) -> io::Error {
        let left_open = baggage.0.iter().try_for_each(|fd| leave_open(fd.as_fd()));
        match left_open.and_then(|()| self.written()) {
            Ok(file) => execute(program, options, &file),
            Err(err) => err,
        }
    }
}

/// Takes a descriptor that the record names.
pub(super) fn take(fd: RawFd) -> io::Result<OwnedFd> {
    let fd = adopt_inherited(fd);
    // Programs that are started from here on do not get it.
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(fd)
}

fn leave_open(fd: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}

/// `execve`. Signals that ask for something wait until the next program listens.
fn execute(program: &Path, options: &Options, record: &File) -> io::Error {
    let prepared = (|| {
        leave_open(record.as_fd())?;
        let words = options.command_line(record.as_raw_fd());
        let words = words.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let variables = std::env::vars_os()
            .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok::<_, io::Error>((CString::new(program.as_os_str().as_bytes())?, words, variables))
    })();
    let (program, words, variables) = match prepared {
        Ok(prepared) => prepared,
        Err(err) => return err,
    };
    let waiting = waiting();
    if let Err(errno) = waiting.thread_block() {
        return errno.into();
    }
    let failed = match nix::unistd::execve(&program, &words, &variables) {
        Err(errno) => errno.into(),
        Ok(never) => match never {},
    };
    match waiting.thread_unblock() {
        Ok(()) => failed,
        Err(errno) => errno.into(),
    }
}

fn waiting() -> SigSet {
    let mut signals = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().for_each(|s| signals.add(s));
    signals
}

/// Somebody listens for signals again.
pub(super) fn listen_again() -> io::Result<()> {
    Ok(waiting().thread_unblock()?)
}
