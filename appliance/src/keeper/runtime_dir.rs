//! The runtime directory and the lock that keeps a second keeper out of it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::RunError;

/// A claimed directory. The claim ends with the value, or with the process.
#[derive(Debug)]
pub(super) struct RuntimeDir {
    path: PathBuf,
    /// The kernel drops the lock with the descriptor.
    lock: Flock<File>,
}

impl RuntimeDir {
    /// Creates the directory if it is not there and takes the lock.
    pub(super) fn claim(path: &Path) -> Result<Self, RunError> {
        let error = |e| RunError::RuntimeDir(path.to_owned(), e);
        DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(error)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(error)?;
        match Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { path: path.to_owned(), lock }),
            Err((_, Errno::EAGAIN)) => Err(RunError::AlreadyRunning(path.to_owned())),
            Err((_, e)) => Err(error(io::Error::from(e))),
        }
    }

    /// The claim of the keeper before this one, which this process has already.
    ///
    /// # Errors
    /// If it is not the lock.
    pub(super) fn inherited(path: &Path, lock: OwnedFd) -> io::Result<Self> {
        // Taking a lock that this open file has already changes nothing.
        let lock = Flock::lock(File::from(lock), FlockArg::LockExclusiveNonblock).map_err(|(_, e)| e)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The lock, for the next keeper.
    pub(super) fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// A file in the directory.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

const LOCK: &str = "keeper.lock";
/// Name of the control socket in the runtime directory.
pub const CONTROL_SOCKET: &str = "control.sock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_keeper() {
        let path = std::env::temp_dir().join(format!("evenkeel-claim-{}", std::process::id()));
        let first = RuntimeDir::claim(&path).unwrap();
        assert!(matches!(RuntimeDir::claim(&path), Err(RunError::AlreadyRunning(_))));
        drop(first);
        assert!(RuntimeDir::claim(&path).is_ok());
        std::fs::remove_dir_all(&path).unwrap();
    }
}
