//! Requests for a statistics page.

use super::exchange::Exchange;
use super::view::{Given, View, values};
use crate::page::StatsPage;
use crate::page::visit::{Asked, Visit};
use crate::rules::{Edits, Looked, Request as _};

/// What becomes of a request. `None`: it is for something else.
pub(super) fn visit(page: &StatsPage, exchange: &Exchange, given: Given<'_>, edits: &Edits) -> Option<Visit> {
    let view = View::of(given, edits).with(exchange);
    let rest = page.rest(view.target())?;
    let field = |name| values(given.parsed, edits, name).next();
    Some(page.visit(&Asked {
        method: given.parsed.request.method,
        rest,
        authority: view.authority(),
        is_admin: page.admin_if.as_ref().is_some_and(|when| when.holds(&Looked::new(&view))),
        authorization: field("authorization"),
        origin: field("origin"),
        referer: field("referer"),
        fetch_site: field("sec-fetch-site"),
        content_type: field("content-type"),
    }))
}
