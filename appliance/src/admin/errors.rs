//! Messages that could not be read, as HAProxy shows them.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel_proxy::access_log::{Calendar, UnixMillis, UtcOffset};
use evenkeel_proxy::metrics::Numbers;
use evenkeel_proxy::plan::{BackendId, FrontendId, Plan};
use evenkeel_proxy::unreadable::{Event, MOST_KEPT, Unreadable};

use super::show::iid_of;
use super::{Call, Outcome};

/// `show errors [<iid>|<px>] [request|response]`.
pub(super) fn show(call: Call<'_>) -> Outcome {
    let plan = call.sight.plan();
    let mut words = call.words.get(2..).unwrap_or_default().iter().copied().peekable();
    let iid = match words.next_if(|word| !KINDS.contains(word)).map(|name| number(plan, name)) {
        Some(None) => return "No such proxy.".into(),
        Some(Some(iid)) => u32::try_from(iid).ok(),
        None => None,
    };
    let wanted = Wanted { iid, kind: words.find(|word| KINDS.contains(word)) };
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = UnixMillis(i64::try_from(millis).unwrap_or(i64::MAX));
    let unreadable = call.sight.unreadable();
    let mut out = String::new();
    let count = unreadable.map_or(0, Unreadable::events);
    put(&mut out, format_args!("Total events captured on [{}] : {count}\n", date(now)));
    if let Some(unreadable) = unreadable {
        wanted.list(&mut out, plan, unreadable);
    }
    Outcome::Shown(out)
}

const KINDS: [&str; 2] = ["request", "response"];

/// The number of a proxy that is named, or numbered; below 0: any.
fn number(plan: &Plan, name: &str) -> Option<i64> {
    let number = iid_of(plan, name).map(i64::from);
    number.or_else(|| name.parse().ok().filter(|number| *number != 0))
}

/// Which of them are shown.
struct Wanted<'a> {
    iid: Option<u32>,
    kind: Option<&'a str>,
}

impl Wanted<'_> {
    /// A message is one of the proxy that it was for, and of the one that it was from.
    fn has(&self, kind: &str, own: u32, other: Option<u32>) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind)
            && self.iid.is_none_or(|iid| iid == own || Some(iid) == other)
    }

    /// By the numbers of their proxies, requests first.
    fn list(&self, out: &mut String, plan: &Plan, unreadable: &Unreadable) {
        let numbers = Numbers::new(plan);
        let of_frontend = |id: FrontendId| numbers.frontend(usize::from(id.0));
        let mut found = Vec::new();
        for id in (0..).map(FrontendId).take(plan.frontends().len()) {
            if let Some(event) = unreadable.request(id)
                && self.has("request", of_frontend(id), event.about.backend.map(|id| numbers.backend(id)))
            {
                found.push(((of_frontend(id), 0), event));
            }
        }
        for id in (0..).map(BackendId).take(plan.backends().len()) {
            if let Some(event) = unreadable.response(id)
                && self.has("response", numbers.backend(id), Some(of_frontend(event.about.frontend)))
            {
                found.push(((numbers.backend(id), 1), event));
            }
        }
        found.sort_by_key(|(order, _)| *order);
        for ((_, kind), event) in found {
            write(out, plan, &numbers, KINDS.get(kind).copied().unwrap_or_default(), &event);
        }
    }
}

fn write(out: &mut String, plan: &Plan, numbers: &Numbers, kind: &str, event: &Event) {
    let about = &event.about;
    let frontend = plan.frontends().get(usize::from(about.frontend.0)).map_or(NONE, |f| f.name.as_str());
    let frontend = format!("frontend {frontend} (#{})", numbers.frontend(usize::from(about.frontend.0)));
    let backend = match about.backend.and_then(|id| Some((id, plan.backends().get(usize::from(id.0))?))) {
        Some((id, backend)) => format!("backend {} (#{})", backend.name, numbers.backend(id)),
        None => format!("backend {NONE} (#-1)"),
    };
    let (own, other) = if kind == "request" { (frontend, backend) } else { (backend, frontend) };
    let (size, free) = (event.bytes.len(), MOST_KEPT - event.bytes.len().min(MOST_KEPT));
    put(out, format_args!(" \n[{}] {own}: invalid {kind}\n", date(about.time)));
    put(
        out,
        format_args!(
            "  {other}, server {}, event #{}, src {}\n  buffer starts at {} (including 0 out), {free} free,\n  \
             len {size}, wraps at {MOST_KEPT}, error at position {}\n  H1 msg state {}({}), {} :\n  \n",
            server(plan, event),
            event.number,
            about.client,
            event.skipped,
            event.at,
            event.part.name(),
            event.part.number(),
            event.why
        ),
    );
    dump(out, &event.bytes);
}

/// Its name and its number in its backend.
fn server(plan: &Plan, event: &Event) -> String {
    let server = event.about.server.and_then(|id| {
        let server = plan.servers().get(id.0 as usize)?;
        let backend = plan.backends().get(usize::from(server.backend.0))?;
        Some(format!("{} (#{})", server.name, id.0.saturating_sub(backend.servers.start) + 1))
    });
    server.unwrap_or_else(|| format!("{NONE} (#-1)"))
}

/// Line by line, each with its offset; one that is too long goes on in the next, which has a `+`.
fn dump(out: &mut String, bytes: &[u8]) {
    let mut at = 0;
    let mut begins = true;
    while at < bytes.len() {
        let mut line = format!("  {at:05}{} ", if begins { ' ' } else { '+' });
        begins = false;
        while let Some(byte) = bytes.get(at) {
            let escaped = escape(*byte);
            if line.len() + escaped.len() > WIDTH {
                break;
            }
            line.push_str(&escaped);
            at += 1;
            if *byte == b'\n' {
                begins = true;
                break;
            }
        }
        put(out, format_args!("{line}\n"));
    }
}

/// As it can be shown on a line.
fn escape(byte: u8) -> String {
    match byte {
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        0x1b => "\\e".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        other => format!("\\x{other:02X}"),
    }
}

fn date(at: UnixMillis) -> String {
    Calendar::new(UtcOffset::default()).date(at)
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

const NONE: &str = "<NONE>";
/// HAProxy's lines.
const WIDTH: usize = 79;

#[cfg(test)]
mod tests {
    use super::*;

    /// HAProxy 2.6 shows these bytes in this way.
    #[test]
    fn bytes_are_shown_as_haproxy_shows_them() {
        let bytes =
            [&b"G\x00T / HTTP/1.1\r\nHost: \t\x80\xff\\"[..], &[b'y'; 200], b"\r\n\r\n\x1b[1mx"].concat();
        let mut out = String::new();
        dump(&mut out, &bytes);
        let (full, most) = ("y".repeat(70), "y".repeat(52));
        let expected = [
            "  00000  G\\x00T / HTTP/1.1\\r\\n".to_owned(),
            format!("  00016  Host: \\t\\x80\\xFF\\\\{most}"),
            format!("  00078+ {full}"),
            format!("  00148+ {full}"),
            "  00218+ yyyyyyyy\\r\\n".to_owned(),
            "  00228  \\r\\n".to_owned(),
            "  00230  \\e[1mx".to_owned(),
        ];
        assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    }
}
