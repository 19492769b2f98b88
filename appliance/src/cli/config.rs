//! `evenkeel config`: a configuration as it is meant, what can be said in one, and what another one would change.

mod diff;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::docs::print;
use super::fail;
use crate::config::{self, Environment, Loaded, Tree, keys};
use crate::telemetry;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print a configuration as one TOML file, without secrets
    ///
    /// It must be valid. Included files are put together with the main file; passwords that stand in it are printed as
    /// `"***"`, references to them (`file:`, `env:`, `cred:`) as they are.
    Show(ShowArgs),
    /// Print every key with its default, as a commented TOML file
    Default {
        /// Only this section or key, such as `global.worker` or `server.inter`
        #[arg(value_name = "SECTION|KEY")]
        topic: Option<String>,
    },
    /// Print a JSON Schema (draft 2020-12) of the file, for editors and for what makes configurations
    ///
    /// It knows keys, types, ranges, words and defaults; `evenkeel check` knows besides what goes together.
    Schema,
    /// Say what a configuration would change if it came into use, and what that does to connections and virtual routers
    ///
    /// It is checked as `check` does, and compared with what the running node uses, whatever its file says meanwhile. Each
    /// change is told with how it comes into use; nothing is changed. Passwords are not compared: they are not told.
    ///
    /// Exit status: 0 nothing would change, 1 something would, 2 the configuration is no good or there is nothing to compare
    /// it with.
    Diff(diff::DiffArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Write out what is not said: the values of this node, what proxies take from `[defaults]` and profiles, and every
    /// default
    ///
    /// What comes out is a configuration that means the same on this node, beside the same main file.
    #[arg(long)]
    effective: bool,
    /// Say behind each value where it comes from: file and line, `[defaults]`, or `default`
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    file: FileArgs,
}

/// Which file, seen from which node.
#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// Configuration file
    #[arg(value_name = "FILE", env = "EVENKEEL_CONFIG", default_value = "/etc/evenkeel/evenkeel.toml")]
    file: PathBuf,
    /// Name of this node; the host name if not given
    #[arg(long, value_name = "NAME", env = "EVENKEEL_NODE")]
    node: Option<String>,
}

/// `evenkeel config …`.
pub(super) fn config(command: &ConfigCommand) -> ExitCode {
    match command {
        ConfigCommand::Show(args) => show(args),
        ConfigCommand::Schema => schema(),
        ConfigCommand::Diff(args) => diff::diff(args),
        ConfigCommand::Default { topic } => match config::template::template(topic.as_deref()) {
            Ok(text) => print(text.as_bytes()),
            Err(why) => {
                eprintln!("error: {why}");
                ExitCode::FAILURE
            }
        },
    }
}

/// As people read it.
fn schema() -> ExitCode {
    print(format!("{:#}\n", config::schema::schema()).as_bytes())
}

fn show(args: &ShowArgs) -> ExitCode {
    let (loaded, node) = match load(&args.file.file, args.file.node.as_deref()) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let mut tree = match args.effective {
        true => Tree::effective(&loaded.sources, &node),
        false => Tree::of_sources(&loaded.sources),
    };
    let hidden = tree.hide_secrets(&keys::TOP);
    let mut text = String::new();
    if args.effective {
        text.push_str(&format!("# {} as node {node} understands it.\n", args.file.file.display()));
    }
    match hidden {
        0 => {}
        1 => text.push_str("# One password is not shown: \"***\" stands for it.\n"),
        n => text.push_str(&format!("# {n} passwords are not shown: \"***\" stands for each.\n")),
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&tree.to_toml(args.origin.then_some(&loaded.sources)));
    print(text.as_bytes())
}

/// A valid configuration, and the node it was loaded for. What is wrong has been printed.
fn load(file: &Path, node: Option<&str>) -> Result<(Loaded, String), ExitCode> {
    let environment = Environment::of_process(node).map_err(|e| fail(&e))?;
    let loaded = config::load(file, &environment);
    if loaded.is_valid() {
        return Ok((loaded, environment.node));
    }
    let text = loaded.render_human(telemetry::colour());
    std::io::stderr().write_all(text.as_bytes()).unwrap_or_default();
    Err(ExitCode::FAILURE)
}
