//! `evenkeel reload`: the running node reads its configuration anew.

use std::process::ExitCode;
use std::time::Duration;

use hyper::Method;

use super::control;
use super::{ReloadArgs, fail};

/// `evenkeel reload`: warnings and errors go to standard error.
pub(super) fn reload(args: &ReloadArgs) -> ExitCode {
    let path = args.runtime_dir.join(crate::keeper::CONTROL_SOCKET);
    match control::ask(&path, Method::POST, "/reload", LIMIT) {
        Ok(answer) => {
            eprint!("{}", answer.text());
            if answer.status.is_success() {
                return ExitCode::SUCCESS;
            }
            eprintln!("nothing was replaced");
            ExitCode::FAILURE
        }
        Err(e) => fail(&e),
    }
}

/// Thousands of keys take seconds to check, and a worker has ten to start; the keeper answers in any case.
const LIMIT: Duration = Duration::from_secs(60);
