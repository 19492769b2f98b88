//! `evenkeel fmt`: configuration files in one form.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::config::{self, RealFiles, format};
use crate::replace::replace_file;
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct FmtArgs {
    /// Write nothing: name the files that are not in this form, and end with 1 if there are any
    #[arg(long)]
    check: bool,
    /// Configuration file; those that it includes are taken along
    #[arg(value_name = "FILE", env = "EVENKEEL_CONFIG", default_value = "/etc/evenkeel/evenkeel.toml")]
    file: PathBuf,
}

/// `evenkeel fmt [--check] [FILE]`: names of changed files go to standard output.
pub(super) fn fmt(args: &FmtArgs) -> ExitCode {
    let loaded = config::syntax_of(&args.file, &RealFiles);
    if loaded.diagnostics.iter().any(config::Diagnostic::is_error) {
        let text = loaded.render_human(telemetry::colour());
        io::stderr().write_all(text.as_bytes()).unwrap_or_default();
        return ExitCode::FAILURE;
    }
    let (mut differs, mut failed) = (false, false);
    for file in &loaded.sources.files {
        match in_form(&file.text) {
            Ok(text) if text == file.text => {}
            Ok(_) if args.check => {
                differs = true;
                println!("{}", file.name);
            }
            Ok(_) => match write(Path::new(&file.name), &file.text) {
                Ok(()) => println!("{}", file.name),
                Err(e) => {
                    failed = true;
                    eprintln!("error: {}: {e}", file.name);
                }
            },
            Err(e) => {
                failed = true;
                eprintln!("error: {}: {e}", file.name);
            }
        }
    }
    if differs || failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn in_form(text: &str) -> io::Result<String> {
    format::format(text)
        .ok_or_else(|| io::Error::other("it cannot be formatted without changing what it says"))
}

/// Writes the file as it is now, unless somebody has written it meanwhile.
fn write(path: &Path, read: &str) -> io::Result<()> {
    replace_file(path, |now| {
        if now != read {
            return Err(io::Error::other("it has just been changed by somebody else"));
        }
        in_form(now)
    })
}
