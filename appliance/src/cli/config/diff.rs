//! `evenkeel config diff`: what a configuration would change.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hyper::Method;

use super::super::control::{self, NoAnswer};
use super::super::docs::print;
use super::super::{RUNTIME_DIR, fail};
use crate::config::diff::{Difference, InUse, Live, routers_of};
use crate::config::lower;
use crate::keeper::CONTROL_SOCKET;
use crate::status::NodeStatus;

#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArgs {
    /// The configuration that would come into use; without it, the running node's file as it is now
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Compare with this configuration instead of with a running node
    #[arg(long, value_name = "OTHER", requires = "file")]
    with: Option<PathBuf>,
    /// Name of this node; the running node's if not given, with `--with` the host name
    #[arg(long, value_name = "NAME", env = "EVENKEEL_NODE")]
    node: Option<String>,
    /// Directory of the running node
    #[arg(long, value_name = "DIR", env = "EVENKEEL_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

/// `evenkeel config diff`: the difference goes to standard output, everything else to standard error.
pub(super) fn diff(args: &DiffArgs) -> ExitCode {
    match compared(args) {
        Ok(difference) if difference.changes.is_empty() => {
            print(b"nothing would change\n");
            ExitCode::SUCCESS
        }
        Ok(difference) => {
            print(difference.render().as_bytes());
            ExitCode::from(DIFFERS)
        }
        Err(()) => ExitCode::from(NO_GOOD),
    }
}

/// What is wrong has been printed.
fn compared(args: &DiffArgs) -> Result<Difference, ()> {
    let (old, live) = match &args.with {
        Some(other) => (of_file(other, args.node.as_deref())?, None),
        None => {
            let (old, live) = of_node(&args.runtime_dir)?;
            (old, Some(live))
        }
    };
    let file = match &args.file {
        Some(file) => file.clone(),
        None => its_file(&old)?,
    };
    let new = of_file(&file, Some(args.node.as_deref().unwrap_or(&old.node)))?;
    if old.passwords > 0 || new.passwords > 0 {
        eprintln!("note: passwords are not compared");
    }
    Ok(Difference::between(&old, &new, live.as_ref()))
}

fn of_file(file: &Path, node: Option<&str>) -> Result<InUse, ()> {
    let (loaded, node) = super::load(file, node).map_err(|_| ())?;
    let config = loaded.config.as_ref().ok_or(())?;
    let (proxy, vrrp) = (lower::proxy(config), lower::vrrp(config));
    Ok(InUse::of(&node, &loaded.sources, &proxy.plan, routers_of(&vrrp.engine)))
}

/// What the running node uses, and whom it serves.
fn of_node(runtime_dir: &Path) -> Result<(InUse, Live), ()> {
    let socket = runtime_dir.join(CONTROL_SOCKET);
    let told = |e: NoAnswer| {
        fail(&e);
        eprintln!("to compare with a file: evenkeel config diff FILE --with OTHER");
    };
    let answer = control::ask(&socket, Method::GET, "/config", LIMIT).map_err(told)?;
    if !answer.status.is_success() {
        fail(&answer.refusal());
        return Err(());
    }
    let in_use: InUse = serde_json::from_slice(&answer.body).map_err(|e| {
        fail(&e);
    })?;
    let answer = control::ask(&socket, Method::GET, "/status", LIMIT).map_err(told)?;
    let status: NodeStatus = serde_json::from_slice(&answer.body).map_err(|e| {
        fail(&e);
    })?;
    Ok((in_use, live(status)))
}

fn live(status: NodeStatus) -> Live {
    let Some(report) = status.proxy else { return Live::default() };
    let of_server = |s: crate::status::ServerReport| (format!("{}/{}", s.backend, s.name), s.sessions);
    Live {
        connections: report.frontends.into_iter().map(|f| (f.name, f.connections)).collect(),
        requests: report.servers.into_iter().map(of_server).collect(),
    }
}

/// The file that the node would read. One that it was given relative to its own directory is not known here.
fn its_file(in_use: &InUse) -> Result<PathBuf, ()> {
    let file = PathBuf::from(&in_use.file);
    if file.is_absolute() {
        return Ok(file);
    }
    eprintln!("error: the node was started with a relative path, {}: say which FILE", file.display());
    Err(())
}

const DIFFERS: u8 = 1;
const NO_GOOD: u8 = 2;

/// A large configuration takes the keeper a moment to put into words.
const LIMIT: Duration = Duration::from_secs(10);
