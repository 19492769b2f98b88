//! The `evenkeel` command.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    evenkeel::cli::Cli::parse().dispatch()
}
