//! Where servers are: those that have a name, and who is asked for it.

use evenkeel_proxy::names::{InitAddr, Name, Resolvers, ResolversId};
use evenkeel_proxy::plan::ServerAddr;

use super::profiles::undefined;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::read::Reader;
use crate::config::settings::PlaceSettings;
use crate::config::source::{Span, Spanned};
use crate::config::value::Place;

/// Where a server is. `None`: that cannot be told, and is reported.
pub(super) fn of(
    cx: &mut Reader<'_>,
    addr: &Spanned<Place>,
    how: PlaceSettings,
    resolvers: &[Spanned<Resolvers>],
) -> Option<ServerAddr> {
    let asked = match &how.resolvers {
        Some(asked) => Some(find(cx, asked, resolvers)?),
        None => (resolvers.len() == 1).then_some(0),
    };
    let (host, port) = match &addr.value {
        Place::At(at) => return Some(ServerAddr::Fixed(at.clone())),
        Place::Host(host, port) => (host, Some(*port)),
        Place::Service(service) => (service, None),
    };
    let Some(asked) = asked else {
        nobody_asked(cx, addr.span, host, resolvers);
        return None;
    };
    let init = match how.init {
        Some(init) => {
            check_init(cx, &init, port);
            init.value
        }
        None => [InitAddr::Last, InitAddr::None].into(),
    };
    Some(ServerAddr::Named(Name {
        // Names are the same in any case (RFC 4343 §2).
        host: host.to_ascii_lowercase().into(),
        port,
        resolvers: ResolversId(u16::try_from(asked).ok()?),
        prefer: how.prefer.unwrap_or_default(),
        init,
    }))
}

fn find(cx: &mut Reader<'_>, asked: &Spanned<String>, resolvers: &[Spanned<Resolvers>]) -> Option<usize> {
    let found = resolvers.iter().position(|r| r.value.name == asked.value);
    // What `default_server` says is said once, and not again for each server.
    if found.is_none() && cx.is_first(asked.span) {
        cx.push(undefined("resolvers", asked, resolvers.iter().map(|r| r.value.name.as_str())));
    }
    found
}

fn nobody_asked(cx: &mut Reader<'_>, at: Span, host: &str, resolvers: &[Spanned<Resolvers>]) {
    let message = format!("`{}` is a name, and nothing says who is asked for it", host.escape_debug());
    let help = match resolvers.first() {
        Some(first) => format!("resolvers = \"{}\"", first.value.name),
        None => "[resolvers.dns], with nameserver = [\"10.0.0.2:53\"]".to_owned(),
    };
    if cx.is_first(at) {
        cx.push_absence(Diagnostic::error(Code::MissingKey, at, message).help(help));
    }
}

/// An address alone says no port, and neither does a service before it is known.
fn check_init(cx: &mut Reader<'_>, init: &Spanned<std::sync::Arc<[InitAddr]>>, port: Option<u16>) {
    let has_ip = init.value.iter().any(|how| matches!(how, InitAddr::Ip(_)));
    if has_ip && port.is_none() && cx.is_first(init.span) {
        let message = "`init_addr` cannot say where a service is: its port is in its records";
        let help = "init_addr = [\"last\", \"none\"]";
        cx.push(Diagnostic::error(Code::BadCombination, init.span, message).help(help));
    }
}
