//! Network namespaces without names on the machine: a descriptor holds each, threads step into it.
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace that lives as long as this value, its processes, or the sandbox's mount of it.
#[derive(Debug)]
pub(super) struct NetNs {
    name: String,
    handle: File,
}

impl NetNs {
    /// Makes a new, empty namespace. It is also mounted at `dir/name`, which only the sandbox sees, so that
    /// `nsenter` and `ip netns` can find it.
    ///
    /// # Errors
    /// What the kernel says when it makes or mounts the namespace.
    pub(super) fn new(name: &str, dir: &Path) -> io::Result<Self> {
        let mount_point = dir.join(name);
        let handle = on_thread(name, || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            let handle = File::open(OWN_NETNS)?;
            publish(&mount_point)?;
            Ok(handle)
        })?;
        Ok(Self { name: name.to_owned(), handle })
    }

    /// The host's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The descriptor netlink wants when it puts an interface here.
    pub(super) fn raw_fd(&self) -> RawFd {
        self.handle.as_raw_fd()
    }

    /// Runs `work` on a thread inside the namespace and waits for it.
    ///
    /// # Errors
    /// What `work` returns, or why the namespace could not be entered.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_thread(&self.name, || {
            setns(self.handle.as_fd(), CloneFlags::CLONE_NEWNET)?;
            work()
        })
    }

    /// Starts a thread that lives inside the namespace.
    ///
    /// # Errors
    /// When the thread cannot be started. That it could not enter the namespace is returned by the thread itself.
    pub(super) fn spawn(
        &self,
        role: &str,
        work: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<thread::JoinHandle<io::Result<()>>> {
        let handle = self.handle.try_clone()?;
        thread::Builder::new().name(format!("{role}-{}", self.name)).spawn(move || {
            setns(handle.as_fd(), CloneFlags::CLONE_NEWNET)?;
            work()
        })
    }
}

/// Mounts the calling thread's network namespace at `mount_point`.
fn publish(mount_point: &PathBuf) -> io::Result<()> {
    File::create(mount_point)?;
    mount(Some(OWN_NETNS), mount_point, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(())
}

/// A namespace belongs to a thread: stepping into one must not move the caller, so a thread of its own does it.
fn on_thread<T: Send>(name: &str, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(format!("in-{name}")).spawn_scoped(scope, work)?;
        thread.join().map_err(|_| io::Error::other("a namespace thread panicked"))?
    })
}

const OWN_NETNS: &str = "/proc/thread-self/ns/net";
