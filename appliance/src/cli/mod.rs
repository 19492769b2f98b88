//! The command line: what there is to say, and which room answers it. Help, man pages and shell completion all come
//! from these types.

mod check;
mod control;
mod docs;
mod reload;
mod run;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// One binary for the pair: it proxies, and it holds the virtual IP addresses.
///
/// Exit status: 0 done, 1 the configuration or the operation failed, 2 the command line was wrong.
#[derive(Debug, Parser)]
#[command(name = "evenkeel", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run this node in the foreground: the VRRP engine, the guard and the proxy
    Run(RunArgs),
    /// Check a configuration: every error at once, nothing touched
    Check(CheckArgs),
    /// Show this node: VRRP state and why, VIPs, peers, worker, listeners, servers
    Status(StatusArgs),
    /// Have the running node read its TLS files anew: certificates, keys, OCSP responses, authorities, revocation lists
    ///
    /// New handshakes use what was read; connections go on. If anything is wrong with the files every error is printed
    /// and nothing is replaced. Of the configuration itself nothing is read: a change of that takes a restart. SIGHUP
    /// does the same and reports to the log.
    Reload(ReloadArgs),
    /// Show a pair at work on this machine: traffic, failures, measured outages
    ///
    /// Builds two nodes, a client and two backends in network namespaces, sends traffic through the VIP, kills the
    /// MASTER and brings it back. Needs no configuration and no root, and leaves nothing behind.
    Demo(DemoArgs),
    /// Explain a configuration key, a section or an error code
    Explain {
        /// Such as `backend.balance`, `vrrp` or `vrrp-never-moves`
        topic: String,
    },
    /// Print the version
    Version(VersionArgs),
    /// Print a shell completion script
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages
    Man {
        /// Directory to write `evenkeel.1` and one page per command into; without it `evenkeel.1` is printed
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// The guard process; started by `run`
    #[command(hide = true)]
    Guard,
    /// The worker process; started by `run`
    #[command(hide = true)]
    Worker,
}

/// Which configuration, seen from which node.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Configuration file
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "EVENKEEL_CONFIG",
        default_value = "/etc/evenkeel/evenkeel.toml"
    )]
    pub config: PathBuf,
    /// Name of this node; the host name if not given
    #[arg(long, value_name = "NAME", env = "EVENKEEL_NODE")]
    pub node: Option<String>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Directory for the control socket, the lock and the lease state
    #[arg(long, value_name = "DIR", env = "EVENKEEL_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How diagnostics are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the line and a caret
    Human,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// Print the whole document as JSON
    #[arg(long)]
    json: bool,
    /// Directory of the running node
    #[arg(long, value_name = "DIR", env = "EVENKEEL_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

#[derive(Debug, Args)]
struct ReloadArgs {
    /// Directory of the running node
    #[arg(long, value_name = "DIR", env = "EVENKEEL_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Leave the pair running to play with, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Args)]
struct VersionArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl Cli {
    /// Does what was asked.
    pub fn dispatch(self) -> ExitCode {
        match self.command {
            Command::Run(args) => run::run(&args),
            Command::Check(args) => check::check(&args),
            Command::Status(args) => status::status(&args),
            Command::Reload(args) => reload::reload(&args),
            Command::Demo(args) => run::demo(args.keep),
            Command::Explain { topic } => docs::explain(&topic),
            Command::Version(args) => docs::version(args.json),
            Command::Completion { shell } => docs::completion(shell),
            Command::Man { dir } => docs::man(dir.as_deref()),
            Command::Guard => run::guard(),
            Command::Worker => run::worker(),
        }
    }
}

/// Prints an error and its causes the way every command does.
fn fail(error: &dyn std::error::Error) -> ExitCode {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    eprintln!("{text}");
    ExitCode::FAILURE
}

const RUNTIME_DIR: &str = "/run/evenkeel";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
