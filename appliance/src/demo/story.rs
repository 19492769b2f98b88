//! The acts: what the demo does to the pair, and what has to come of it.
use std::time::Duration;

use super::DemoError;
use super::cast::{App, CLIENT, Node, VIP};
use super::client::{PATIENCE, PROBE_INTERVAL};
use super::report::{self, Measured};
use super::sandbox::{Privilege, Sandbox};
use super::stage::Stage;

/// Says who plays.
///
/// # Errors
/// When nobody reads the output any more.
pub(super) fn introduce(stage: &mut Stage, sandbox: &Sandbox) -> Result<(), DemoError> {
    let rights = match sandbox.privilege {
        Privilege::Root => "made with root rights",
        Privilege::UserNamespace => "made in a user namespace, without root",
    };
    let [lb1, lb2] = Node::ALL.map(|node| format!("{node} {}", node.addr()));
    let [app1, app2] = App::ALL.map(|app| format!("{app} {}", app.addr()));
    let text = format!(
        "Two nodes run this binary, each in a network namespace of its own, {rights}.\n\n\
         \x20                       ┌─ {lb1} priority 150 ─┐  ┌─ {app1}\n\
         \x20 client {CLIENT} ──┤                              ├──┤\n\
         \x20 asks {VIP}       └─ {lb2} priority 100 ─┘  └─ {app2}\n\n\
         VRRPv3, adverts every 100 ms. The client opens a new connection to {VIP} every {} ms and\n\
         waits {} ms at most. Times are relative to the heading above them.",
        PROBE_INTERVAL.as_millis(),
        PATIENCE.as_millis(),
    );
    stage.screen.line(&text).map_err(DemoError::Output)
}

/// Plays all acts and prints the table.
///
/// # Errors
/// The first thing that did not happen.
pub(super) fn play(stage: &mut Stage) -> Result<(), DemoError> {
    open(stage)?;
    let rows = [
        crash(stage)?,
        come_back(stage, "lb1 is repaired and started again", "lb1 back after the crash")?,
        planned_stop(stage)?,
        come_back(stage, "lb1 is started again", "lb1 back after the stop")?,
        worker_crash(stage)?,
    ];
    let table = report::table(&rows);
    stage.screen.heading("Measured").and_then(|()| stage.screen.line(&table)).map_err(DemoError::Output)?;
    stage.screen.line(LEGEND).map_err(DemoError::Output)
}

/// Leaves the pair running until somebody ends the demo; a node that ends is started again.
///
/// # Errors
/// When a node cannot be started or the output is gone.
pub(super) fn keep(stage: &mut Stage, sandbox: &Sandbox) -> Result<(), DemoError> {
    stage.begin_act("Left running. Ctrl-C ends it and leaves nothing behind.")?;
    stage.stop_recording();
    let guide = guide(stage, sandbox);
    stage.screen.line(&guide).map_err(DemoError::Output)?;
    let mut to_start: Vec<(Node, Duration)> = Vec::new();
    loop {
        match stage.look() {
            Err(DemoError::Interrupted) => return Ok(()),
            other => other?,
        }
        if let Some((running, status)) = stage.fallen()? {
            let node = running.node();
            stage.exited(node, format!("{status}; it is started again in {} s", PAUSE.as_secs()))?;
            to_start.push((node, stage.now() + PAUSE));
        }
        let now = stage.now();
        if let Some(due) = to_start.iter().position(|(_, at)| *at <= now) {
            let (node, _) = to_start.swap_remove(due);
            stage.bury_orphans()?;
            stage.start_node(node)?;
        }
    }
}

/// The pair comes up and serves.
fn open(stage: &mut Stage) -> Result<(), DemoError> {
    stage.begin_act("The pair starts")?;
    for node in Node::ALL {
        stage.start_node(node)?;
    }
    let master = |stage: &mut Stage| Ok(stage.scene.is_master(Node::Lb1));
    stage.wait("lb1 becomes MASTER", START_LIMIT, master)?;
    stage.start_client()?;
    stage.wait("requests are served through lb1", SERVICE_LIMIT, |stage| {
        Ok(stage.scene.is_served_through(Node::Lb1))
    })?;
    stage.linger(REST)
}

/// The MASTER loses its power. Right after an advert is the worst moment: the backup has just begun to wait.
fn crash(stage: &mut Stage) -> Result<Measured, DemoError> {
    let heard = stage.scene.adverts();
    stage.wait("an advert of lb1", SERVICE_LIMIT, |stage| Ok(stage.scene.adverts() > heard))?;
    stage.begin_act("lb1 dies right after an advert: SIGKILL to its keeper, guard and worker at once")?;
    let victim = stage.take_node(Node::Lb1)?;
    let victims = victim.processes().map_err(DemoError::at("list the processes of lb1"))?;
    let names: Vec<String> =
        victims.iter().map(|process| format!("{} {}", process.name, process.pid)).collect();
    stage.did(format!("kill -9: {}", names.join(", ")))?;
    victim.cut_power().map_err(DemoError::at("kill lb1"))?;
    stage.exited(Node::Lb1, "killed".to_owned())?;
    expect_move_to(stage, Node::Lb2)?;
    stage.wait("the kernel of lb1 removes the VIP nobody refreshes", LEASE_LIMIT, |stage| {
        Ok(!*stage.scene.held().of(Node::Lb1))
    })?;
    stage.linger(REST)?;
    stage.end_act("lb1 killed")
}

/// The preferred node returns and takes the VIP back.
fn come_back(stage: &mut Stage, heading: &str, title: &'static str) -> Result<Measured, DemoError> {
    stage.begin_act(heading)?;
    stage.start_node(Node::Lb1)?;
    expect_move_to(stage, Node::Lb1)?;
    stage.linger(REST)?;
    stage.end_act(title)
}

/// The MASTER is asked to stop.
fn planned_stop(stage: &mut Stage) -> Result<Measured, DemoError> {
    stage.begin_act("lb1 is stopped for maintenance: SIGTERM")?;
    let mut leaving = stage.take_node(Node::Lb1)?;
    stage.did(format!("kill -TERM: keeper {}", leaving.pid()))?;
    leaving.terminate().map_err(DemoError::at("stop lb1"))?;
    expect_move_to(stage, Node::Lb2)?;
    let mut end = None;
    let outcome = stage.wait("lb1 ends after SIGTERM", STOP_LIMIT, |_| {
        end = leaving.ended().map_err(DemoError::at("tell how lb1 is"))?;
        Ok(end.is_some())
    });
    outcome.map_err(|error| error.with_log(&leaving))?;
    match end {
        Some(status) if status.success() => stage.exited(Node::Lb1, status.to_string())?,
        status => {
            let status = status.map_or_else(String::new, |status| status.to_string());
            return Err(DemoError::Fell { node: Node::Lb1.as_str(), status, log: leaving.log_tail() });
        }
    }
    stage.linger(REST)?;
    stage.end_act("lb1 stopped")
}

/// The process that serves the clients dies, the node does not.
fn worker_crash(stage: &mut Stage) -> Result<Measured, DemoError> {
    stage.begin_act("the worker of lb1 dies: SIGKILL")?;
    let none = || DemoError::NoWorker { node: Node::Lb1.as_str() };
    let find = DemoError::at("find the worker of lb1");
    let worker = stage.node(Node::Lb1)?.worker().map_err(find)?.ok_or_else(none)?;
    stage.did(format!("kill -9: {} {}", worker.name, worker.pid))?;
    worker.kill().map_err(DemoError::at("kill the worker of lb1"))?;
    let mut successor = None;
    stage.wait("lb1 replaces its worker", SERVICE_LIMIT, |stage| {
        let current = stage.node(Node::Lb1)?.worker().map_err(DemoError::at("find the worker of lb1"))?;
        successor = current.filter(|current| current.pid != worker.pid);
        Ok(successor.is_some())
    })?;
    if let Some(successor) = successor {
        let after = stage.act_time().as_millis();
        stage.did(format!(
            "sees the new worker {} {} (seen {after} ms after the kill)",
            successor.name, successor.pid
        ))?;
    }
    stage.scene.forget_requests();
    stage.wait("requests are served through lb1", SERVICE_LIMIT, |stage| {
        Ok(stage.scene.is_served_through(Node::Lb1))
    })?;
    stage.linger(REST)?;
    stage.end_act("worker of lb1 killed")
}

fn expect_move_to(stage: &mut Stage, node: Node) -> Result<(), DemoError> {
    stage.wait(&format!("{node} becomes MASTER"), MOVE_LIMIT, |stage| Ok(stage.scene.is_master(node)))?;
    stage.wait(&format!("requests are served through {node}"), SERVICE_LIMIT, |stage| {
        Ok(stage.scene.is_served_through(node))
    })
}

/// How to look around from another terminal.
fn guide(stage: &Stage, sandbox: &Sandbox) -> String {
    let pid = sandbox.host_pid;
    let root = format!("/proc/{pid}/root");
    let user = match sandbox.privilege {
        Privilege::Root => "",
        Privilege::UserNamespace => " --user --preserve-credentials",
    };
    let enter = |name: &str| {
        format!("nsenter --target {pid}{user} --net={root}{}", sandbox.dir.join("netns").join(name).display())
    };
    let binary = stage.launcher.binary.display();
    let mut text = String::from("From another terminal, as the same user:\n\n");
    let mut entry = |what: &str, command: String| {
        text.push_str(&format!("  {what}\n    {command}\n\n"));
    };
    entry("a request through the VIP", format!("{} curl -si http://{VIP}/", enter("client")));
    for node in Node::ALL {
        let dir = stage.launcher.runtime_dir(node);
        entry(
            &format!("the state of {node}"),
            format!("{binary} status --runtime-dir {root}{}", dir.display()),
        );
    }
    entry("the addresses of lb1", format!("{} ip -br address", enter("lb1")));
    entry(
        "a shell inside, where ps shows the processes to kill",
        format!("nsenter --target {pid}{user} --pid --mount --net"),
    );
    text.push_str("A node that ends is started again after a few seconds.");
    text
}

/// Starting two debug builds on a busy machine, plus one Master_Down_Interval.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Many times the 360 ms or so of a takeover, plus the start of a node.
const MOVE_LIMIT: Duration = Duration::from_secs(6);
/// Health checks at 500 ms have to find a backend, or a worker has to start.
const SERVICE_LIMIT: Duration = Duration::from_secs(5);
/// The VIP's lifetime in a kernel is a few seconds.
const LEASE_LIMIT: Duration = Duration::from_secs(6);
/// Connections of the demo last milliseconds, so there is nothing to drain for longer.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// After each act: longer than the client's patience, so that every request has come to its end.
const REST: Duration = Duration::from_millis(700);
/// Before a node that ended is started again.
const PAUSE: Duration = Duration::from_secs(5);

const LEGEND: &str = "no service: from the start of the first failed request to the start of the next good one.\n\
    VIP on both: both kernels had the address; after a kill of all processes the old one keeps it for the rest of\n\
    its lifetime, and the new MASTER's gratuitous ARP has told the network whom to talk to.";
