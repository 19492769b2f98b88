//! The command line: what there is to say, and which room answers it. Help, man pages and shell completion all come
//! from these types.

mod check;
mod config;
mod control;
mod docs;
mod explain;
mod fmt;
mod logs;
mod reload;
mod run;
mod server;
mod status;
mod top;
mod upgrade;
mod vip;

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
    /// Show what a configuration means, and what can be said in one
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Bring configuration files into one form
    ///
    /// Blanks, line ends and the places of comments become the same everywhere; nothing else changes, and nothing is sorted.
    /// A file that would mean anything else afterwards is left alone, as is one that is not TOML. Names of the files that were
    /// changed are printed.
    Fmt(fmt::FmtArgs),
    /// Show this node: VRRP state and why, VIPs, peers, worker, listeners, servers
    Status(StatusArgs),
    /// Watch this node: virtual routers, frontends and servers, with what they do per second
    ///
    /// Keys: `q` quits, `s` sorts servers by their requests, arrows scroll.
    Top(TopArgs),
    /// Show what the running node has last said: states and failures of its own, and its lines about requests
    ///
    /// It is kept in memory, wherever lines go besides; requests are told of where `log` is configured for their
    /// frontend.
    Logs(LogsArgs),
    /// Have the running node read its configuration anew, with all files that it names
    ///
    /// Returns when the new configuration is in use. If anything is wrong every error is printed and nothing is replaced.
    /// Requests and connections that are under way are finished by the worker that has them; the health of servers and what
    /// operators have set goes on, where the configuration does not say otherwise now. If nothing has changed but certificates,
    /// keys, OCSP responses, authorities or revocation lists, the worker stays and uses them for new handshakes. Virtual
    /// routers go on in their states, with what is configured now; `config diff` tells beforehand which let go or begin.
    /// SIGHUP does the same and reports to the log.
    Reload(ReloadArgs),
    /// Have the running node go on as the program that is now where its own was
    ///
    /// For a newer version that has been installed over it. A worker of it takes over first; then the keeper becomes it,
    /// as the same process with the same sockets, and the virtual routers stay in their states. Requests and connections
    /// that are under way are finished by the worker that has them. If the other program cannot go on from here, or its
    /// worker is not ready in time, everything stays as it is and the reason is printed. The configuration is not read
    /// anew.
    Upgrade(UpgradeArgs),
    /// Have a server take work, finish what it has, or take nothing
    ///
    /// Acts on the running node at once, and holds until it is changed again or the node is restarted. Balancing, health
    /// checks and `status` follow.
    Server(ServerArgs),
    /// Virtual addresses of this machine, without a running node
    #[command(subcommand)]
    Vip(Vip),
    /// Show a pair at work on this machine: traffic, failures, measured outages
    ///
    /// Builds two nodes, a client and two backends in network namespaces, sends traffic through the VIP, kills the
    /// MASTER and brings it back. Needs no configuration and no root, and leaves nothing behind.
    Demo(DemoArgs),
    /// Explain a configuration key, a section, an error code, or what becomes of a request
    ///
    /// `explain request` asks the rules of the configuration about a request with these options, one after the other as
    /// they are asked when it is served, and tells why each holds or not, what changes, and where the request goes. No
    /// node needs to run.
    Explain(ExplainArgs),
    /// Print the version
    Version(VersionArgs),
    /// Print a shell completion script
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages
    Man {
        /// Directory to write `evenkeel.1`, one page per command and `evenkeel.toml.5` into; without it `evenkeel.1` is
        /// printed
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// The guard process; started by `run`
    #[command(hide = true)]
    Guard,
    /// Whether this program could go on from a record; started by `run` for an upgrade
    #[command(hide = true)]
    CouldResume,
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
    /// What the program before this one has left, in the same process
    #[arg(long, value_name = "DESCRIPTOR", hide = true)]
    pub resume: Option<i32>,
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
struct ExplainArgs {
    /// Such as `backend.balance`, `vrrp`, `vrrp-never-moves`, or `request`
    topic: String,
    #[command(flatten)]
    request: RequestArgs,
}

/// A request to be explained.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of `explain request`")]
struct RequestArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The frontend that it comes to; needed if there are several for HTTP
    #[arg(long, value_name = "NAME")]
    frontend: Option<String>,
    /// Its method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The host that it asks for
    #[arg(long, default_value = "localhost")]
    host: String,
    /// Path and query that it asks for
    #[arg(long, default_value = "/")]
    path: String,
    /// Another field, `NAME: VALUE`; may be given several times
    #[arg(long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// The address of its client
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    src: std::net::IpAddr,
    /// What the client has connected to, with the port
    #[arg(long, value_name = "ADDRESS:PORT")]
    dst: Option<std::net::SocketAddr>,
    /// The client speaks TLS, and has asked for this name
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
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
struct TopArgs {
    /// Seconds between two looks
    #[arg(short, long, value_name = "SECONDS", default_value_t = 1.0)]
    delay: f64,
    /// Look twice, print what there is as text, and end; so it does too where there is no terminal
    #[arg(long)]
    once: bool,
    /// Directory of the running node
    #[arg(long, value_name = "DIR", env = "EVENKEEL_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

#[derive(Debug, Args)]
struct LogsArgs {
    /// Go on with what comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many lines to begin with, at most 1000
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 50)]
    lines: usize,
    /// One JSON object per line
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
struct UpgradeArgs {
    /// Directory of the running node
    #[arg(long, value_name = "DIR", env = "EVENKEEL_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

#[derive(Debug, Args)]
struct ServerArgs {
    /// What it is to do
    #[arg(value_enum)]
    state: ServerState,
    /// Which server
    #[arg(value_name = "BACKEND/SERVER")]
    server: String,
    /// Print what came of it as JSON
    #[arg(long)]
    json: bool,
    /// Directory of the running node
    #[arg(long, value_name = "DIR", env = "EVENKEEL_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    runtime_dir: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ServerState {
    /// It gets no new requests; clients who belong to it by persistence still come, and checks go on
    Drain,
    /// It gets requests as its checks allow
    Ready,
    /// It gets nothing and is not checked
    Maint,
}

#[derive(Debug, Subcommand)]
enum Vip {
    /// Take off every virtual address that a node which is gone has left on this machine's interfaces
    ///
    /// The last step of the service unit, for a node whose keeper and guard were both killed. Needs no configuration and
    /// knows the addresses by their mark; others are not touched. While a node runs on the directory nothing is done,
    /// and that is an error. Nothing to take off is none.
    Release(VipReleaseArgs),
}

#[derive(Debug, Args)]
struct VipReleaseArgs {
    /// Directory of the node that was
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
            Command::Config(command) => config::config(&command),
            Command::Fmt(args) => fmt::fmt(&args),
            Command::Status(args) => status::status(&args),
            Command::Top(args) => top::top(&args),
            Command::Logs(args) => logs::logs(&args),
            Command::Reload(args) => reload::reload(&args),
            Command::Upgrade(args) => upgrade::upgrade(&args),
            Command::CouldResume => run::could_resume(),
            Command::Server(args) => server::server(&args),
            Command::Vip(Vip::Release(args)) => vip::release(&args),
            Command::Demo(args) => run::demo(args.keep),
            Command::Explain(args) if args.topic == "request" => explain::request(&args.request),
            Command::Explain(args) => docs::explain(&args.topic),
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
