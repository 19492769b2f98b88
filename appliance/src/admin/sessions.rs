//! Connections of clients: shown, and ended.

use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_proxy::io::sessions::{ClientSession, Listing, SessionId, Speaks};
use evenkeel_proxy::metrics::Numbers;
use evenkeel_proxy::plan::{Mode, Plan};

use super::{Call, Outcome};

/// `show sess [<id>]`.
pub(super) fn show(call: Call<'_>) -> Outcome {
    let doors = call.sight.doors();
    let plan = call.sight.plan();
    let mut out = String::new();
    if ["", "all"].contains(&call.word(2)) {
        let listing = doors.sessions(None, MOST);
        listing.sessions.iter().for_each(|session| line(&mut out, plan, session));
        out.push_str(OWN);
        note(&mut out, &listing);
        return Outcome::Shown(out);
    }
    let Ok(id) = call.word(2).parse::<SessionId>() else { return UNKNOWN.into() };
    let listing = doors.sessions(Some(id), 1);
    match listing.sessions.first() {
        Some(session) => {
            details(&mut out, &call, session);
            Outcome::Shown(out)
        }
        None => UNKNOWN.into(),
    }
}

/// `shutdown session <id>`.
pub(super) fn shutdown(call: Call<'_>) -> Outcome {
    match call.word(2) {
        "" => "Session pointer expected (use 'show sess').".into(),
        id => match id.parse().is_ok_and(|id| call.sight.doors().end_session(id)) {
            true => Outcome::Done,
            false => "No such session (use 'show sess').".into(),
        },
    }
}

/// One line of the list: first what HAProxy says of a session, as far as it is known here.
fn line(out: &mut String, plan: &Plan, session: &ClientSession) {
    let names = Names::of(plan, session);
    put(
        out,
        format_args!(
            "{}: proto={} src={} fe={} be={} srv={} age={} ssl={} mux={} streams={}\n",
            session.id,
            proto(session),
            session.source,
            names.frontend,
            names.backend.unwrap_or("<NONE>"),
            names.server.unwrap_or("<none>"),
            age(session.age),
            u8::from(session.encrypted),
            mux(session.speaks),
            session.streams
        ),
    );
}

/// All that is known of one.
fn details(out: &mut String, call: &Call<'_>, session: &ClientSession) {
    let plan = call.sight.plan();
    let (names, numbers) = (Names::of(plan, session), Numbers::new(plan));
    let at = usize::from(session.frontend.0);
    let mode = plan.frontends().get(at).map_or(Mode::Http, |f| f.mode);
    put(
        out,
        format_args!(
            "{}: proto={} source={} age={} ssl={} mux={} streams={}\n",
            session.id,
            proto(session),
            session.source,
            age(session.age),
            u8::from(session.encrypted),
            mux(session.speaks),
            session.streams
        ),
    );
    put(
        out,
        format_args!("  frontend={} (id={} mode={})\n", names.frontend, numbers.frontend(at), word(mode)),
    );
    match session.backend.zip(names.backend) {
        Some((id, name)) => {
            put(out, format_args!("  backend={name} (id={} mode={})\n", numbers.backend(id), word(mode)));
        }
        None => put(out, format_args!("  backend=<NONE> (id=-1 mode=-)\n")),
    }
    match session.server.zip(names.server) {
        Some((id, name)) => {
            let first = session.backend.and_then(|b| plan.backends().get(usize::from(b.0)));
            let number = id.0.saturating_sub(first.map_or(0, |b| b.servers.start)) + 1;
            let endpoint = call.sight.state().addresses().endpoint(id);
            let place = endpoint.as_deref().map_or_else(|| "-".to_owned(), ToString::to_string);
            put(out, format_args!("  server={name} (id={number}) addr={place}\n"));
        }
        None => put(out, format_args!("  server=<NONE> (id=-1)\n")),
    }
}

/// What is not in the list.
fn note(out: &mut String, listing: &Listing) {
    if listing.more > 0 {
        put(out, format_args!("# and {} more\n", listing.more));
    }
    if listing.silent > 0 {
        put(out, format_args!("# {} threads have not answered in time\n", listing.silent));
    }
}

/// The names of its proxies.
struct Names<'a> {
    frontend: &'a str,
    backend: Option<&'a str>,
    server: Option<&'a str>,
}

impl<'a> Names<'a> {
    fn of(plan: &'a Plan, session: &ClientSession) -> Self {
        let backend = session.backend.and_then(|id| plan.backends().get(usize::from(id.0)));
        let server = session.server.and_then(|id| plan.servers().get(id.0 as usize));
        Self {
            frontend: plan.frontends().get(usize::from(session.frontend.0)).map_or("<NONE>", |f| &f.name),
            backend: backend.map(|b| b.name.as_str()),
            server: server.map(|s| s.name.as_str()),
        }
    }
}

fn proto(session: &ClientSession) -> &'static str {
    if session.source.is_ipv4() { "tcpv4" } else { "tcpv6" }
}

fn mux(speaks: Speaks) -> &'static str {
    match speaks {
        Speaks::Http1 => "H1",
        Speaks::Http2 => "H2",
        Speaks::Tcp => "PASS",
    }
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Http => "http",
        Mode::Tcp => "tcp",
    }
}

/// As HAProxy shows it: in the two largest units.
fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m{}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h{}m", minutes % 60),
        (days, hours, _) => format!("{days}d{}h", hours % 24),
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

/// As many as are shown at once.
const MOST: usize = 8192;
const UNKNOWN: &str = "Session not found.";
/// This very connection.
const OWN: &str = "0x1: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> age=0s\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_the_two_largest_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (61, "1m1s"), (3_725, "1h2m"), (90_000, "1d1h")] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
