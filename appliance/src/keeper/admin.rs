//! Admin sockets: made here, because only the keeper may write where they are; served by the worker, and kept open while
//! there is none, so that clients wait for the next one.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Group, Uid, User, chown};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::model::AdminSocket;

/// Sockets that listen. Their files go with the last that has them.
#[derive(Debug, Default)]
pub(super) struct AdminSockets(Vec<Arc<Made>>);

#[derive(Debug)]
struct Made {
    path: PathBuf,
    socket: OwnedFd,
    /// Of the file that was made: another one in its place is somebody else's.
    inode: u64,
}

impl AdminSockets {
    /// Makes all of them, in the order of the configuration.
    ///
    /// # Errors
    /// The path of the first that cannot be made, and why.
    pub(super) fn make(wanted: &[AdminSocket]) -> Result<Self, (PathBuf, io::Error)> {
        Self::default().with(wanted)
    }

    /// For another configuration: those whose path stays are the same ones, so that whoever waits there is served.
    ///
    /// # Errors
    /// The path of the first that cannot be made, and why.
    pub(super) fn with(&self, wanted: &[AdminSocket]) -> Result<Self, (PathBuf, io::Error)> {
        let one = |w: &AdminSocket| match self.0.iter().find(|made| made.path == w.path && made.is_there()) {
            Some(made) => Ok(Arc::clone(made)),
            None => make(w).map(Arc::new).map_err(|e| (w.path.clone(), e)),
        };
        wanted.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Gives those that were there before the mode and the owner that they have now.
    pub(super) fn own(&self, wanted: &[AdminSocket]) {
        for wanted in wanted {
            let set = fs::set_permissions(&wanted.path, fs::Permissions::from_mode(wanted.mode));
            if let Err(err) = set.and_then(|()| own(wanted)) {
                tracing::error!(path = %wanted.path.display(), %err, "an admin socket keeps its mode and owner");
            }
        }
    }

    /// Those of the keeper before this one: path, inode, socket.
    pub(super) fn inherited(all: Vec<(PathBuf, u64, OwnedFd)>) -> Self {
        Self(all.into_iter().map(|(path, inode, socket)| Arc::new(Made { path, socket, inode })).collect())
    }

    /// The same, for the next keeper.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, u64, BorrowedFd<'_>)> {
        self.0.iter().map(|made| (made.path.as_path(), made.inode, made.socket.as_fd()))
    }

    /// All descriptors, for handing over.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|made| made.socket.as_fd())
    }
}

fn make(wanted: &AdminSocket) -> io::Result<Made> {
    make_way(&wanted.path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(&wanted.path)?)?;
    let inode = fs::symlink_metadata(&wanted.path)?.ino();
    let made = Made { path: wanted.path.clone(), socket: socket.into(), inode };
    // Before anybody can connect; and the mode first: the permissions of what is another's take one more capability.
    fs::set_permissions(&wanted.path, fs::Permissions::from_mode(wanted.mode))?;
    own(wanted)?;
    nix::sys::socket::listen(&made.socket, nix::sys::socket::Backlog::new(BACKLOG)?)?;
    Ok(made)
}

/// Takes away what an earlier life has left. What is no socket, or is listened on, stays.
fn make_way(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(there) if !there.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"))
        }
        Ok(_) if UnixStream::connect(path).is_ok() => Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => fs::remove_file(path),
    }
}

fn own(wanted: &AdminSocket) -> io::Result<()> {
    let missing =
        |what: &str, name: &str| io::Error::new(io::ErrorKind::NotFound, format!("no {what} {name}"));
    let user = wanted
        .user
        .as_deref()
        .map(|name| User::from_name(name).ok().flatten().map(|u| u.uid).ok_or_else(|| missing("user", name)));
    let group = wanted.group.as_deref().map(|name| {
        Group::from_name(name).ok().flatten().map(|g| g.gid).ok_or_else(|| missing("group", name))
    });
    let (user, group): (Option<Uid>, _) = (user.transpose()?, group.transpose()?);
    if user.is_some() || group.is_some() {
        chown(&wanted.path, user, group)?;
    }
    Ok(())
}

impl Made {
    /// Its file has neither gone nor been replaced.
    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|there| there.ino() == self.inode)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.is_there()
            && let Err(err) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %err, "the file of an admin socket stays");
        }
    }
}

/// Operators and their tools.
const BACKLOG: i32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str) -> AdminSocket {
        let path = std::env::temp_dir().join(format!("evenkeel-admin-{}-{name}", std::process::id()));
        AdminSocket {
            path,
            mode: 0o640,
            user: None,
            group: None,
            level: crate::admin::Level::User,
            timeout: std::time::Duration::from_secs(1),
        }
    }

    #[test]
    fn a_socket_comes_with_its_mode_and_goes_with_its_owner() {
        let wanted = wanted("mode");
        let made = AdminSockets::make(std::slice::from_ref(&wanted)).unwrap();
        assert_eq!(fs::metadata(&wanted.path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(made.descriptors().count(), 1);
        UnixStream::connect(&wanted.path).unwrap();
        let (path, error) = AdminSockets::make(std::slice::from_ref(&wanted)).unwrap_err();
        assert_eq!((path, error.kind()), (wanted.path.clone(), io::ErrorKind::AddrInUse));
        drop(made);
        assert!(!wanted.path.exists());
    }

    #[test]
    fn what_was_left_is_replaced_and_what_is_no_socket_is_not() {
        let wanted = wanted("left");
        drop(std::os::unix::net::UnixListener::bind(&wanted.path).unwrap());
        drop(AdminSockets::make(std::slice::from_ref(&wanted)).unwrap());
        fs::write(&wanted.path, "precious").unwrap();
        let (_, error) = AdminSockets::make(std::slice::from_ref(&wanted)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        fs::remove_file(&wanted.path).unwrap();
    }

    #[test]
    fn a_file_in_its_place_stays() {
        let wanted = wanted("other");
        let made = AdminSockets::make(std::slice::from_ref(&wanted)).unwrap();
        fs::remove_file(&wanted.path).unwrap();
        // The kernel may give the new file the old one's number: it is taken while the old one is gone.
        let keep = wanted.path.with_extension("keep");
        fs::write(&keep, "").unwrap();
        fs::write(&wanted.path, "precious").unwrap();
        drop(made);
        assert!(wanted.path.exists());
        fs::remove_file(&wanted.path).unwrap();
        fs::remove_file(&keep).unwrap();
    }
}
