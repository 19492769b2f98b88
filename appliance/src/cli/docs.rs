//! What the command line says of itself: version, completion, man pages.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;

use super::{Cli, fail};

/// `evenkeel version`.
pub(super) fn version(json: bool) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    let text = if json {
        serde_json::json!({ "name": "evenkeel", "version": version, "architecture": std::env::consts::ARCH })
            .to_string()
    } else {
        format!("evenkeel {version}")
    };
    print(format!("{text}\n").as_bytes())
}

/// `evenkeel explain TOPIC`.
pub(super) fn explain(topic: &str) -> ExitCode {
    match crate::config::explain::explain(topic) {
        Ok(text) => print(format!("{}\n", text.trim_end()).as_bytes()),
        Err(text) => {
            eprintln!("error: {}", text.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// `evenkeel completion SHELL`.
pub(super) fn completion(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "evenkeel", &mut script);
    print(&script)
}

/// `evenkeel man [--dir DIR]`.
pub(super) fn man(dir: Option<&Path>) -> ExitCode {
    let command = Cli::command();
    match dir {
        Some(dir) => match write_pages(command, dir) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => fail(&e),
        },
        None => {
            let mut page = Vec::new();
            match clap_mangen::Man::new(command).render(&mut page) {
                Ok(()) => print(&page),
                Err(e) => fail(&e),
            }
        }
    }
}

fn write_pages(command: clap::Command, dir: &Path) -> io::Result<()> {
    clap_mangen::generate_to(command, dir)?;
    std::fs::write(dir.join("evenkeel.toml.5"), crate::config::manual::page())
}

/// A reader that closed early, such as `head`, is not an error.
pub(super) fn print(bytes: &[u8]) -> ExitCode {
    match io::stdout().lock().write_all(bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => fail(&e),
    }
}
