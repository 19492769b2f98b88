//! `evenkeel upgrade`: the running node goes on as the program that is now where its own was.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hyper::Method;

use super::control::{self, NoAnswer};
use super::{UpgradeArgs, fail};
use crate::status::{NodeStatus, UpgradeStatus};

/// `evenkeel upgrade`: what became of it goes to standard error.
pub(super) fn upgrade(args: &UpgradeArgs) -> ExitCode {
    let path = args.runtime_dir.join(crate::keeper::CONTROL_SOCKET);
    let before = match status(&path) {
        Ok(status) => status,
        Err(e) => return fail(&e),
    };
    // An answer is a refusal: a keeper that goes on as another program gives none.
    if let Ok(answer) = control::ask(&path, Method::POST, "/upgrade", LIMIT) {
        eprint!("{}", answer.text());
        eprintln!("nothing was replaced");
        return ExitCode::FAILURE;
    }
    match outcome(&path, before.upgrade.map_or(0, |upgrade| upgrade.number)) {
        Ok((version, UpgradeStatus { failed: None, from, .. })) => {
            eprintln!("version {from} goes on as version {version}");
            ExitCode::SUCCESS
        }
        Ok((version, UpgradeStatus { failed: Some(why), .. })) => {
            eprintln!("error: {why}\nversion {version} goes on");
            ExitCode::FAILURE
        }
        Err(e) => fail(&e),
    }
}

/// Waits for the keeper that goes on; its version.
fn outcome(path: &Path, number: u64) -> Result<(String, UpgradeStatus), NoAnswer> {
    let end = Instant::now() + SOON;
    loop {
        match status(path) {
            Ok(NodeStatus { version, upgrade: Some(upgrade), .. }) if upgrade.number > number => {
                return Ok((version, upgrade));
            }
            Err(e) if Instant::now() >= end => return Err(e),
            Ok(_) if Instant::now() >= end => {
                let lost = std::io::Error::other("the node that answers has not been upgraded");
                return Err(NoAnswer::new(path, lost));
            }
            Ok(_) | Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn status(path: &Path) -> Result<NodeStatus, NoAnswer> {
    let answer = control::ask(path, Method::GET, "/status", SOON)?;
    serde_json::from_slice(&answer.body).map_err(|e| NoAnswer::new(path, std::io::Error::other(e)))
}

/// The other program looks at what there is, and a worker of it has ten seconds to start.
const LIMIT: Duration = Duration::from_secs(60);
/// For a keeper to answer.
const SOON: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
