//! The commands that run processes: `run`, `demo`, and the hidden roles.

use std::process::ExitCode;

use super::{RunArgs, fail};
use crate::keeper::{self, Options};
use crate::{demo, worker};

/// `evenkeel run`.
pub(super) fn run(args: &RunArgs) -> ExitCode {
    let options = Options {
        config: args.config.config.clone(),
        node: args.config.node.clone(),
        runtime_dir: args.runtime_dir.clone(),
        resume: args.resume,
    };
    keeper::run(&options).unwrap_or_else(|e| fail(&e))
}

/// `evenkeel could-resume`, with a record as standard input.
pub(super) fn could_resume() -> ExitCode {
    match keeper::could_resume() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// `evenkeel demo`.
pub(super) fn demo(keep: bool) -> ExitCode {
    let options = demo::DemoOptions { keep, color: crate::telemetry::colour() };
    demo::run(options).unwrap_or_else(|e| fail(&e))
}

/// `evenkeel guard`, with the keeper's socket as standard input.
pub(super) fn guard() -> ExitCode {
    match crate::guard::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e),
    }
}

/// `evenkeel worker`, with the keeper's socket as standard input.
pub(super) fn worker() -> ExitCode {
    match worker::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e),
    }
}
