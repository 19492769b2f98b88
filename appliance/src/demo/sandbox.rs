//! The box the demo plays in: a process that is pid 1 of its own PID namespace, with private network, mounts and,
//! without root, a user namespace in which the caller is root.
//!
//! ```text
//! evenkeel demo            outer: makes the namespaces, forwards signals, passes the exit code on
//!  └─ evenkeel demo        inner: pid 1 inside; everything else is its descendant
//! ```
//! When the outer process dies, however it dies, the kernel kills the inner one (`PR_SET_PDEATHSIG`), and with a
//! PID namespace's pid 1 it kills everything in it. Files live on a tmpfs in the inner mount namespace, network
//! namespaces are held by the inner process, so both vanish with it: there is nothing left to clean up by hand.
use std::io::{self, BufRead};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{env, fs};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getegid, geteuid};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Neither root nor a user namespace can be had.
    #[error("this machine does not let {who} make namespaces: {reason}\n  try: {remedy}")]
    Forbidden {
        /// Who asked.
        who: &'static str,
        /// What the kernel's settings say about it.
        reason: String,
        /// What the operator can do.
        remedy: String,
    },
    /// The inner process could not be started or watched.
    #[error("cannot start the inner process of the demo")]
    Launch(#[source] io::Error),
    /// The inner process could not furnish its namespaces.
    #[error("cannot prepare the sandbox: {step}")]
    Furnish {
        /// The step that failed.
        step: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The marker of the inner process is in the environment of an ordinary one.
    #[error("{STAGE} is set, but this process is not pid 1 of a demo: unset it")]
    NotInside,
}

/// What the inner process knows about its box.
#[derive(Debug)]
pub(super) struct Sandbox {
    /// A private tmpfs.
    pub(super) dir: PathBuf,
    /// The pid of the inner process as the rest of the machine sees it.
    pub(super) host_pid: u32,
    /// Whether root of the box is root of the machine.
    pub(super) privilege: Privilege,
}

/// With what rights the namespaces were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privilege {
    /// The caller's root rights.
    Root,
    /// A user namespace.
    UserNamespace,
}

/// Whether this process is the inner one.
pub(super) fn is_inside() -> bool {
    env::var_os(STAGE).is_some()
}

/// Makes the namespaces, runs the inner process in them and returns its exit code.
///
/// The calling process must have one thread only: the kernel refuses a user namespace to any other.
///
/// # Errors
/// When the namespaces are forbidden or the inner process cannot be started.
pub(super) fn launch() -> Result<u8, SandboxError> {
    let privilege = make_namespaces()?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SandboxError::Launch)?;
    let status = runtime.block_on(run_inner(privilege)).map_err(SandboxError::Launch)?;
    Ok(exit_code(status))
}

/// Furnishes the namespaces from the inside. Called by the inner process before it has a second thread.
///
/// # Errors
/// The step that failed.
pub(super) fn furnish() -> Result<Sandbox, SandboxError> {
    if nix::unistd::getpid() != Pid::from_raw(1) {
        return Err(SandboxError::NotInside);
    }
    let at = |step| move |source: io::Error| SandboxError::Furnish { step, source };
    set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from).map_err(at("parent-death signal"))?;
    // The outer process tells the pid after it has started this one. If it died before the signal was set, its end
    // of the pipe is closed and there is nothing to read.
    let host_pid = read_host_pid().map_err(at("hello of the outer process"))?;
    let privilege = if env::var(STAGE).is_ok_and(|stage| stage == Privilege::Root.as_str()) {
        Privilege::Root
    } else {
        Privilege::UserNamespace
    };
    match unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET) {
        // AppArmor lets everybody have a user namespace and takes its rights away.
        Err(Errno::EPERM) if privilege == Privilege::UserNamespace => {
            return Err(forbidden_to_users(&Errno::EPERM.into()));
        }
        other => other.map_err(io::Error::from).map_err(at("mount and network namespaces"))?,
    }
    mount_over("none", Path::new("/"), None, MsFlags::MS_REC | MsFlags::MS_PRIVATE)
        .map_err(at("private mounts"))?;
    let no_exec = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount_over("proc", Path::new("/proc"), Some("proc"), no_exec)
        .map_err(at("a private /proc (a container that masks parts of /proc forbids it)"))?;
    let dir = tmpfs_place().map_err(at("a directory for the private tmpfs"))?;
    mount_over("tmpfs", &dir, Some("tmpfs"), no_exec).map_err(at("a private tmpfs"))?;
    Ok(Sandbox { dir, host_pid, privilege })
}

/// The variable that tells the inner process what it is. Programs started inside must not inherit it.
pub(super) const STAGE: &str = "EVENKEEL_DEMO_STAGE";

impl Privilege {
    fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::UserNamespace => "user-namespace",
        }
    }
}

fn make_namespaces() -> Result<Privilege, SandboxError> {
    let (uid, gid) = (geteuid(), getegid());
    if uid.is_root() && unshare(CloneFlags::CLONE_NEWPID).is_ok() {
        return Ok(Privilege::Root);
    }
    let become_root_inside = || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID)?;
        // user_namespaces(7): without this an unprivileged process may not write gid_map.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
    };
    match become_root_inside() {
        Ok(()) => Ok(Privilege::UserNamespace),
        Err(cause) if uid.is_root() => Err(SandboxError::Forbidden {
            who: "root without CAP_SYS_ADMIN",
            reason: explain(&cause, kernel_setting),
            remedy: "outside of the container, or with its privileges (docker run --privileged)".to_owned(),
        }),
        Err(cause) => Err(forbidden_to_users(&cause)),
    }
}

fn forbidden_to_users(cause: &io::Error) -> SandboxError {
    SandboxError::Forbidden {
        who: "an unprivileged user",
        reason: explain(cause, kernel_setting),
        remedy: format!("sudo {}", env::args().collect::<Vec<_>>().join(" ")),
    }
}

fn kernel_setting(key: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{key}")).ok()
}

/// Names the setting that forbids user namespaces, as far as settings tell.
fn explain(cause: &io::Error, sysctl: impl Fn(&str) -> Option<String>) -> String {
    let is = |key: &str, value: &str| sysctl(key).is_some_and(|found| found.trim() == value);
    let setting = if is("kernel/unprivileged_userns_clone", "0") {
        "kernel.unprivileged_userns_clone = 0 forbids user namespaces"
    } else if is("user/max_user_namespaces", "0") {
        "user.max_user_namespaces = 0 forbids user namespaces"
    } else if is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        "kernel.apparmor_restrict_unprivileged_userns = 1 (AppArmor) takes the rights from user namespaces"
    } else {
        "it looks like a container or a security module that forbids it"
    };
    format!("{setting} ({cause})")
}

/// Starts the inner process and waits for its end, which a signal to this one asks for.
async fn run_inner(privilege: Privilege) -> io::Result<ExitStatus> {
    let mut signals = Signals::new()?;
    let mut inner = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(STAGE, privilege.as_str())
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    // Held open until the inner process ends: it is the sign that this one lives.
    let _lifeline = introduce(&mut inner).await?;
    tokio::select! {
        // Cancel-safety: `wait` may be called again after it was dropped.
        status = inner.wait() => return status,
        () = signals.next() => {}
    }
    let patience = tokio::time::sleep(GRACE);
    tokio::pin!(patience);
    let mut reminders = tokio::time::interval(REMINDER);
    loop {
        tokio::select! {
            // Cancel-safety: as above; the others only say what time it is.
            status = inner.wait() => return status,
            () = signals.next() => break,
            () = &mut patience => break,
            // Pid 1 of a namespace ignores what it has no handler for: the first request may come too early.
            _ = reminders.tick() => ask_to_end(&inner)?,
        }
    }
    inner.kill().await?;
    inner.wait().await
}

/// Tells the inner process its pid and returns the pipe it was told through.
async fn introduce(inner: &mut Child) -> io::Result<ChildStdin> {
    let pid = inner.id().ok_or_else(|| io::Error::other("it ended at once"))?;
    let mut stdin = inner.stdin.take().ok_or_else(|| io::Error::other("it has no stdin"))?;
    match stdin.write_all(format!("{pid}\n").as_bytes()).await {
        // It ended before it read anything; its exit code says the rest.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
        other => other?,
    }
    Ok(stdin)
}

fn ask_to_end(inner: &Child) -> io::Result<()> {
    let Some(pid) = inner.id().and_then(|pid| i32::try_from(pid).ok()) else { return Ok(()) };
    match kill(Pid::from_raw(pid), Signal::SIGTERM) {
        // It is gone already: what was asked for.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// The signals that end a demo.
pub(super) struct Signals {
    streams: [SignalStream; 3],
}

impl Signals {
    /// Catches them from this moment on.
    ///
    /// # Errors
    /// When the kernel refuses a handler.
    pub(super) fn new() -> io::Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [int, term, hup] = kinds.map(signal);
        Ok(Self { streams: [int?, term?, hup?] })
    }

    /// Waits for the next one.
    ///
    /// # Cancel safety
    /// A signal that arrives while nobody waits is remembered.
    pub(super) async fn next(&mut self) {
        let [int, term, hup] = &mut self.streams;
        tokio::select! {
            // Cancel-safety: `SignalStream::recv` keeps what it has not delivered.
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hup.recv() => {}
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

fn read_host_pid() -> io::Result<u32> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    line.trim().parse().map_err(|_| io::Error::other("the outer process is gone"))
}

/// An existing directory to cover with a tmpfs: nothing has to be created, so nothing has to be removed. It must
/// not hide the running binary, which the nodes are started from.
fn tmpfs_place() -> io::Result<PathBuf> {
    let exe = env::current_exe()?;
    let candidates = ["/run", "/mnt", "/srv", "/media", "/opt"].map(PathBuf::from);
    let free = candidates.into_iter().find(|dir| dir.is_dir() && !exe.starts_with(dir));
    free.ok_or_else(|| io::Error::other("none of /run, /mnt, /srv, /media and /opt can be used"))
}

fn mount_over(source: &str, target: &Path, kind: Option<&str>, flags: MsFlags) -> io::Result<()> {
    mount(Some(source), target, kind, flags, None::<&str>).map_err(io::Error::from)
}

/// Long enough for the inner process to stop two nodes, short enough for whoever pressed Ctrl-C.
const GRACE: Duration = Duration::from_secs(3);
/// Between two requests to end.
const REMINDER: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_forbids_is_named() {
        let cause = io::Error::from_raw_os_error(nix::libc::EPERM);
        let cases = [
            ("kernel/unprivileged_userns_clone", "0\n", "kernel.unprivileged_userns_clone = 0"),
            ("user/max_user_namespaces", "0\n", "user.max_user_namespaces = 0"),
            ("kernel/apparmor_restrict_unprivileged_userns", "1\n", "AppArmor"),
            ("kernel/unprivileged_userns_clone", "1\n", "container"),
        ];
        for (key, value, expected) in cases {
            let text = explain(&cause, |asked| (asked == key).then(|| value.to_owned()));
            assert!(text.contains(expected), "{key}={value}: {text}");
            assert!(text.contains("not permitted"), "the cause is kept: {text}");
        }
    }

    #[test]
    fn a_killed_inner_process_is_not_a_success() {
        assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
        assert_eq!(exit_code(ExitStatus::from_raw(0)), 0);
        assert_eq!(exit_code(ExitStatus::from_raw(1 << 8)), 1);
    }
}
