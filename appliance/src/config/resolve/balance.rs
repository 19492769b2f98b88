//! How a backend balances, and whether its servers go with that.

use evenkeel_proxy::plan::{Balance, HashBalance, HashFunction, HashLayout, Mode};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::model::Server;
use crate::config::read::{Reader, shown};
use crate::config::settings::{Hashing, HowBalanced};
use crate::config::source::Spanned;

/// The algorithm. As with HAProxy, consistent hashing mixes hashes once more unless a function is chosen.
pub(super) fn of(how: Option<&HowBalanced>, hashing: Hashing) -> Balance {
    let key = match how {
        None => return Balance::RoundRobin,
        Some(HowBalanced::By(balance)) => return balance.clone(),
        Some(HowBalanced::Hash(key)) => key.clone(),
    };
    let layout = hashing.layout.unwrap_or(HashLayout::MapBased);
    let mixed = layout == HashLayout::Consistent && hashing.function.is_none();
    Balance::Hash(HashBalance {
        key,
        layout,
        function: hashing.function.unwrap_or(HashFunction::Sdbm),
        avalanche: hashing.avalanche.unwrap_or(mixed),
        factor: hashing.factor.filter(|_| layout == HashLayout::Consistent),
    })
}

/// Refuses what the mode has nothing to choose by, and servers whose limits mean nothing, or something else than they
/// seem to.
pub(super) fn check(
    cx: &mut Reader<'_>,
    name: &Spanned<String>,
    mode: Mode,
    (balance, hashing): (&Balance, Hashing),
    servers: &[Server],
) {
    let fixed = matches!(balance, Balance::Hash(by) if by.layout == HashLayout::MapBased);
    if fixed && hashing.factor.is_some() {
        let message = "`hash_balance_factor` has no meaning for a map: there is no next server on it";
        let d = Diagnostic::error(Code::BadCombination, name.span, message);
        cx.push(d.help("hash_type = \"consistent\""));
    }
    if mode == Mode::Tcp && balance.needs_http() {
        let message = format!("`balance` looks into requests, and {} is of mode tcp", shown(&name.value));
        let d = Diagnostic::error(Code::Mode, name.span, message);
        cx.push(d.help(
            "a connection can be balanced by the client's address, by load, by turn, in order or by chance",
        ));
    }
    for server in servers {
        check_limits(cx, balance, server);
    }
    if *balance == Balance::First {
        let mut actives = servers.iter().filter(|s| !s.backup);
        actives.next_back();
        for endless in actives.filter(|s| s.limits.maxconn.is_none()) {
            let name = shown(&endless.name.value);
            let message = format!(
                "with balance = \"first\" {name} needs a `maxconn`: else it is never full, and no server after it gets a request"
            );
            cx.push(Diagnostic::error(Code::BadCombination, endless.name.span, message));
        }
    }
}

fn check_limits(cx: &mut Reader<'_>, balance: &Balance, server: &Server) {
    let (name, limits) = (shown(&server.name.value), &server.limits);
    if limits.slowstart.is_some() && !balance.is_dynamic() {
        let message =
            format!("{name} cannot have a `slowstart`: the algorithm of its backend has fixed weights");
        cx.push(
            Diagnostic::error(Code::BadCombination, server.name.span, message)
                .help("roundrobin, leastconn, random and consistent hashing have weights that can grow"),
        );
    }
    let problem = match (limits.minconn, limits.maxconn) {
        (Some(_), None) => "has a `minconn` but no `maxconn` to grow to",
        (Some(min), Some(max)) if min > max => "has a `minconn` above its `maxconn`",
        _ => return,
    };
    cx.push(Diagnostic::error(Code::BadCombination, server.name.span, format!("{name} {problem}")));
}
