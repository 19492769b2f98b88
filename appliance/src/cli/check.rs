//! `evenkeel check`: every error of a configuration at once, without touching anything.

use std::io::Write as _;
use std::process::ExitCode;

use super::{CheckArgs, Format};
use evenkeel_proxy::lua::Kind;

use crate::config::{self, Config, Environment, lower};
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
            loaded.config.as_ref().and_then(registered).into_iter().for_each(|line| eprintln!("{line}"));
        }
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What scripts register, if there are any.
fn registered(config: &Config) -> Option<String> {
    let plan = lower::proxy(config).plan;
    let program = plan.lua()?;
    let of = |kind: Kind, word: &str| {
        let names: Vec<&str> = program.names(kind).collect();
        (!names.is_empty()).then(|| format!("{word} {}", names.join(", ")))
    };
    let all = [of(Kind::Action, "actions"), of(Kind::Fetch, "fetches"), of(Kind::Converter, "converters")];
    let all: Vec<String> = all.into_iter().flatten().collect();
    Some(format!("lua registers {}", if all.is_empty() { "nothing".to_owned() } else { all.join("; ") }))
}
