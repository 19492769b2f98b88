//! `evenkeel check`: every error of a configuration at once, without touching anything.

use std::io::Write as _;
use std::process::ExitCode;

use super::{CheckArgs, Format};
use crate::config::{self, Environment};
use crate::telemetry;

/// `evenkeel check`: diagnostics go to standard error, the verdict too.
pub(super) fn check(args: &CheckArgs) -> ExitCode {
    let environment = match Environment::of_process(args.config.node.as_deref()) {
        Ok(environment) => environment,
        Err(e) => return super::fail(&e),
    };
    let loaded = config::load(&args.config.config, &environment);
    let text = match args.format {
        Format::Human => loaded.render_human(telemetry::colour()),
        Format::Json => loaded.render_json(),
    };
    // If standard error is closed there is nobody to tell; the exit status still tells.
    std::io::stderr().write_all(text.as_bytes()).unwrap_or_default();
    if loaded.is_valid() {
        if args.format == Format::Human {
            eprintln!(
                "{}: configuration is valid for node {}",
                args.config.config.display(),
                environment.node
            );
        }
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
