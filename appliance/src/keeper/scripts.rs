//! Programs and files outside this process tree: tracked scripts, tracked files, notify scripts. They run as an
//! unprivileged user and on the keeper's thread only as waiting futures; what they do cannot delay an advert.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use evenkeel_vrrp::config::{ScriptConfig, TrackConfig, TrackKind};
use evenkeel_vrrp::event::TrackReport;
use evenkeel_vrrp::types::TrackId;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout, timeout_at};

use crate::worker::privileges::Identity;

/// Results of tracked scripts and files.
pub(super) type Reports = mpsc::Sender<(TrackId, TrackReport)>;

/// Looks up the user a script runs as; `None` is the default script user.
pub(super) type Users<'a> = &'a dyn Fn(Option<&str>) -> io::Result<Identity>;

/// Starts following every tracked script and file. Dropping the set ends it, with the scripts that run.
///
/// # Errors
/// If a script's user does not exist.
pub(super) fn follow_tracks(
    tracks: &[TrackConfig],
    users: Users<'_>,
    reports: &Reports,
) -> io::Result<JoinSet<()>> {
    let mut set = JoinSet::new();
    for (id, track) in (0..).map(TrackId).zip(tracks) {
        match &track.kind {
            TrackKind::Script(script) => {
                let identity = users(script.user.as_deref())?;
                set.spawn(follow_script(id, track.name.clone(), script.clone(), identity, reports.clone()));
            }
            TrackKind::File { path } => {
                set.spawn(follow_file(id, path.clone(), reports.clone()));
            }
            TrackKind::DataPlane | TrackKind::Interface(_) => {}
        }
    }
    Ok(set)
}

/// Runs the script each interval. A run that lives when the next is due is waited for: the next one starts late, as
/// keepalived skips it.
async fn follow_script(
    id: TrackId,
    name: String,
    script: ScriptConfig,
    identity: Identity,
    reports: Reports,
) {
    let mut ticks = tokio::time::interval(script.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = None;
    loop {
        ticks.tick().await;
        let (ok, overrunning) = run_script(&name, &script, identity).await;
        if last.replace(ok) != Some(ok) {
            tracing::info!(script = %name, ok, "track script result changed");
        }
        if reports.send((id, TrackReport::Script(ok))).await.is_err() {
            return;
        }
        // The failure has counted; ending the program may take longer, or never succeed.
        if let Some(mut child) = overrunning {
            end(&mut child).await;
        }
    }
}

/// The result, and the process if it has outlived its time limit.
async fn run_script(name: &str, script: &ScriptConfig, identity: Identity) -> (bool, Option<Child>) {
    let mut child = match spawn(&script.command, identity) {
        Ok(child) => child,
        Err(err) => {
            tracing::warn!(script = %name, %err, "track script cannot be started");
            return (false, None);
        }
    };
    match timeout(script.timeout, child.wait()).await {
        Ok(Ok(status)) => (status.success(), None),
        Ok(Err(err)) => {
            tracing::warn!(script = %name, %err, "track script cannot be waited for");
            (false, None)
        }
        Err(_) => {
            tracing::warn!(script = %name, "track script timed out");
            (false, Some(child))
        }
    }
}

/// SIGTERM to the process group, SIGKILL after two seconds, then waits for the end.
async fn end(child: &mut Child) {
    signal_group(child, Signal::SIGTERM);
    if timeout_at(Instant::now() + KILL_AFTER, child.wait()).await.is_err() {
        signal_group(child, Signal::SIGKILL);
        if let Err(err) = child.wait().await {
            tracing::warn!(%err, "cannot wait for a killed script");
        }
    }
}

fn signal_group(child: &Child, signal: Signal) {
    let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) else { return };
    if let Err(err) = killpg(Pid::from_raw(pid), signal) {
        tracing::debug!(%err, "script was gone before the signal");
    }
}

fn spawn(command: &[String], identity: Identity) -> io::Result<Child> {
    let [program, arguments @ ..] = command else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "empty command"));
    };
    let mut spawned = Command::new(program);
    spawned
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    if nix::unistd::geteuid().is_root() && can_become(identity) {
        spawned.uid(identity.uid).gid(identity.gid);
    }
    spawned.spawn()
}

/// In a user namespace that maps only one user there is nobody else to become.
fn can_become(identity: Identity) -> bool {
    !crate::worker::privileges::is_unmapped(identity)
}

/// Reads the number in the file each half second. Missing counts as 0, as does what is no number.
async fn follow_file(id: TrackId, path: PathBuf, reports: Reports) {
    let mut ticks = tokio::time::interval(FILE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        ticks.tick().await;
        let value = read_number(&path).await;
        if last != Some(value) {
            last = Some(value);
            if reports.send((id, TrackReport::File(value))).await.is_err() {
                return;
            }
        }
    }
}

async fn read_number(path: &Path) -> i32 {
    match tokio::fs::read_to_string(path).await {
        Ok(text) => text.trim().parse().unwrap_or_else(|_| {
            tracing::warn!(path = %path.display(), "tracked file holds no number; taken as 0");
            0
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
        Err(err) => {
            tracing::warn!(path = %path.display(), %err, "tracked file cannot be read; taken as 0");
            0
        }
    }
}

/// A notify script to run.
#[derive(Debug)]
pub(super) struct Notice {
    /// Program and its own arguments; `INSTANCE`, the name, the state and the priority are added.
    pub command: Vec<String>,
    /// Instance name.
    pub instance: String,
    /// The new state.
    pub state: &'static str,
    /// Effective priority.
    pub priority: u8,
    /// Who runs it.
    pub identity: Identity,
}

/// Runs notify scripts one after the other, in the order of the transitions.
#[derive(Debug)]
pub(super) struct Notifier {
    queue: mpsc::Sender<Notice>,
    task: tokio::task::JoinHandle<()>,
}

impl Notifier {
    /// Starts the queue.
    pub(super) fn start() -> Self {
        let (queue, mut notices) = mpsc::channel::<Notice>(NOTICES);
        let task = tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                run_notice(notice).await;
            }
        });
        Self { queue, task }
    }

    /// Queues one; with a full queue it is dropped and logged.
    pub(super) fn notify(&self, notice: Notice) {
        if let Err(err) = self.queue.try_send(notice) {
            tracing::warn!(%err, "notify script dropped: earlier ones still run");
        }
    }

    /// Runs what is queued, for a bounded time.
    pub(super) async fn finish(self) {
        drop(self.queue);
        if timeout(NOTIFY_FLUSH, self.task).await.is_err() {
            tracing::warn!("notify scripts still running at the end");
        }
    }
}

async fn run_notice(notice: Notice) {
    let Notice { mut command, instance, state, priority, identity } = notice;
    command.extend(["INSTANCE".to_owned(), instance.clone(), state.to_owned(), priority.to_string()]);
    let mut child = match spawn(&command, identity) {
        Ok(child) => child,
        Err(err) => return tracing::warn!(%instance, %err, "notify script cannot be started"),
    };
    match timeout(NOTIFY_LIMIT, child.wait()).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => tracing::warn!(%instance, state, %status, "notify script failed"),
        Ok(Err(err)) => tracing::warn!(%instance, %err, "notify script cannot be waited for"),
        Err(_) => {
            tracing::warn!(%instance, state, "notify script timed out");
            end(&mut child).await;
        }
    }
}

const KILL_AFTER: Duration = Duration::from_secs(2);
const FILE_INTERVAL: Duration = Duration::from_millis(500);
/// Transitions whose scripts may wait; a pair that flaps more has other troubles.
const NOTICES: usize = 64;
const NOTIFY_LIMIT: Duration = Duration::from_secs(60);
const NOTIFY_FLUSH: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Identity {
        Identity { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() }
    }

    fn script(command: &[&str], limit_ms: u64) -> TrackConfig {
        let config = ScriptConfig {
            command: command.iter().map(ToString::to_string).collect(),
            interval: Duration::from_millis(20),
            timeout: Duration::from_millis(limit_ms),
            rise: 1,
            fall: 1,
            init_fail: false,
            user: None,
        };
        TrackConfig { name: command.join(" "), kind: TrackKind::Script(config) }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    async fn first_of_each(tracks: &[TrackConfig]) -> Vec<TrackReport> {
        let (reports, mut results) = mpsc::channel(8);
        let set = follow_tracks(tracks, &|_| Ok(me()), &reports).unwrap();
        let mut seen = vec![None; tracks.len()];
        while seen.iter().any(Option::is_none) {
            let (id, report) = timeout(Duration::from_secs(20), results.recv()).await.unwrap().unwrap();
            seen[usize::from(id.0)].get_or_insert(report);
        }
        drop(set);
        seen.into_iter().flatten().collect()
    }

    #[test]
    fn success_failure_signal_timeout_and_missing_program() {
        let tracks = [
            script(&["/bin/true"], 5_000),
            script(&["/bin/false"], 5_000),
            script(&["/bin/sh", "-c", "kill -9 $$"], 5_000),
            script(&["/bin/sleep", "600"], 50),
            script(&["/no/such/program"], 5_000),
        ];
        let expected = [true, false, false, false, false].map(TrackReport::Script);
        assert_eq!(block_on(first_of_each(&tracks)), expected);
    }

    #[test]
    fn a_file_counts_by_its_number() {
        let dir = std::env::temp_dir().join(format!("evenkeel-track-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("weight"), "-20\n").unwrap();
        std::fs::write(dir.join("word"), "many\n").unwrap();
        let file =
            |name: &str| TrackConfig { name: name.into(), kind: TrackKind::File { path: dir.join(name) } };
        let seen = block_on(first_of_each(&[file("weight"), file("word"), file("missing")]));
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(seen, [-20, 0, 0].map(TrackReport::File));
    }

    #[test]
    fn notify_scripts_get_keepalived_arguments_in_order() {
        let out = std::env::temp_dir().join(format!("evenkeel-notify-{}", std::process::id()));
        block_on(async {
            let notifier = Notifier::start();
            for state in ["MASTER", "BACKUP"] {
                let shell = format!("echo \"$@\" >> {}", out.display());
                notifier.notify(Notice {
                    command: ["/bin/sh", "-c", &shell, "notify"].map(str::to_owned).to_vec(),
                    instance: "VI_1".into(),
                    state,
                    priority: 100,
                    identity: me(),
                });
            }
            notifier.finish().await;
        });
        let text = std::fs::read_to_string(&out).unwrap();
        std::fs::remove_file(&out).unwrap();
        assert_eq!(text, "INSTANCE VI_1 MASTER 100\nINSTANCE VI_1 BACKUP 100\n");
    }
}
