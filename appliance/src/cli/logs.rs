//! `evenkeel logs`: what the running node has last said.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use hyper::Method;

use super::control;
use super::{LogsArgs, fail};
use crate::logs::{Cursor, MOST, Page};

/// `evenkeel logs [--follow] [--lines N] [--json]`.
pub(super) fn logs(args: &LogsArgs) -> ExitCode {
    let path = args.runtime_dir.join(crate::keeper::CONTROL_SOCKET);
    let (mut after, mut most) = (None::<Cursor>, args.lines);
    // Whoever follows stays while the node is started anew; whoever is there when nothing runs hears that.
    let mut is_away = false;
    loop {
        let after_this = after.map(|cursor| format!("&after={cursor}")).unwrap_or_default();
        let page = control::ask(&path, Method::GET, &format!("/logs?most={most}{after_this}"), LIMIT);
        match page {
            Ok(answer) if answer.status.is_success() => {
                let page: Page = match serde_json::from_slice(&answer.body) {
                    Ok(page) => page,
                    Err(e) => return fail(&e),
                };
                is_away = false;
                match show(&page, args.json) {
                    Ok(()) => {}
                    // Whoever read has read enough.
                    Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
                    Err(e) => return fail(&e),
                }
                (after, most) = (Some(page.cursor), MOST);
            }
            Ok(answer) => return fail(&answer.refusal()),
            Err(e) if !args.follow || after.is_none() => return fail(&e),
            Err(_) => {
                if !std::mem::replace(&mut is_away, true) {
                    eprintln!("the node has ended; waiting for it");
                }
                // Another keeper counts from the beginning.
                after = Some(Cursor::default());
            }
        }
        if !args.follow {
            return ExitCode::SUCCESS;
        }
        thread::sleep(PAUSE);
    }
}

fn show(page: &Page, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if page.missed > 0 {
        eprintln!("{} lines came and went before they could be shown", page.missed);
    }
    for line in &page.lines {
        if json {
            serde_json::to_writer(&mut out, line)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}

/// The keeper waits for its worker for two seconds.
const LIMIT: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
