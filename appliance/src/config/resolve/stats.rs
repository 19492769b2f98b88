//! Statistics pages: who may see them and change servers on them.

use std::sync::Arc;

use evenkeel_proxy::page::StatsPage;

use super::conditions::{Matchers, Stand, check_scope};
use super::profiles::undefined;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{Proxy, StatsDraft};
use crate::config::model::Listening;
use crate::config::read::{Reader, shown};
use crate::config::source::Spanned;

/// The page of a section, if it has one. `None` too: what is wrong has been reported.
pub(super) fn page(cx: &mut Reader<'_>, proxy: &Proxy, matchers: &Matchers<'_>) -> Option<StatsPage> {
    let draft = proxy.stats.as_ref()?;
    let admin_if = match &draft.admin_if {
        None => None,
        Some(condition) => {
            let when = matchers.resolve(cx, condition)?;
            if !check_scope(cx, &when, Stand::Request, draft.at) {
                return None;
            }
            Some(when)
        }
    };
    Some(StatsPage { admin_if, ..draft.page.clone() })
}

/// The page with the names of its proxies. Reports too whether it is safe where it listens, even if something else of it is
/// wrong.
pub(super) fn checked<'n>(
    cx: &mut Reader<'_>,
    proxy: &Proxy,
    page: Option<StatsPage>,
    binds: &[Spanned<Listening>],
    proxies: impl Iterator<Item = &'n str> + Clone,
) -> Option<Arc<StatsPage>> {
    let draft = proxy.stats.as_ref()?;
    check_access(cx, proxy, draft, binds);
    let mut scope = Vec::new();
    for name in &draft.scope {
        let named = if name.value == "." { proxy.name.value.as_str() } else { &name.value };
        if !proxies.clone().any(|known| known == named) {
            cx.push(undefined("proxy", name, proxies.clone()));
        }
        scope.push(named.to_owned());
    }
    Some(Arc::new(StatsPage { scope, ..page? }))
}

/// Refuses to show everything to everybody.
fn check_access(cx: &mut Reader<'_>, proxy: &Proxy, draft: &StatsDraft, binds: &[Spanned<Listening>]) {
    if !draft.page.users.is_empty() {
        return;
    }
    if let Some(open) = binds.iter().find(|b| !b.value.addr.ip().is_loopback()) {
        let message = format!(
            "{} {} would show its statistics page to everybody who can reach it",
            proxy.side.as_str(),
            shown(&proxy.name.value)
        );
        let help = "auth = { admin = \"file:/etc/evenkeel/stats.pass\" }, or a bind to 127.0.0.1";
        let d = Diagnostic::error(Code::OpenStats, draft.at, message).help(help);
        cx.push(d.related(open.span, "it listens here"));
    }
}
