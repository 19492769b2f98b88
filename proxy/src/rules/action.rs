//! Rules: a condition and what is done with a request for which it holds.

use std::sync::Arc;

use super::matcher::{Looked, Matcher, Request};
use super::template::Template;

/// A rule for requests (HAProxy: `http-request`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which requests.
    pub when: Matcher,
    /// What is done with them.
    pub action: Action,
}

/// What is done with a request. All of these end the rules: the request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is refused with this status (`deny`).
    Deny(u16),
    /// It is answered (`return`).
    Return(Reply),
    /// Its client is sent elsewhere (`redirect`).
    Redirect(Redirect),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Field lines, each with its line end; none of them about framing or the connection.
    pub fields: Box<[u8]>,
    /// Its content.
    pub content: Arc<[u8]>,
}

/// Where a client is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// To where.
    pub to: Location,
}

/// A place to be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// The same place by another scheme (`redirect scheme`).
    Scheme(Box<str>),
    /// Path and query as they are, behind this (`redirect prefix`).
    Prefix(Template),
    /// This (`redirect location`).
    Whole(Template),
}

/// The first rule that takes a request.
pub fn first<'a, R: Request>(rules: &'a [Rule], request: &Looked<'_, R>) -> Option<&'a Action> {
    rules.iter().find(|rule| rule.when.holds(request)).map(|rule| &rule.action)
}

impl Rule {
    /// Whether it looks at what the client has connected to, which has to be found out first.
    pub fn looks_at_destination(&self) -> bool {
        let of_action = match &self.action {
            Action::Redirect(Redirect { to: Location::Prefix(to) | Location::Whole(to), .. }) => {
                to.looks_at_destination()
            }
            Action::Redirect(_) | Action::Deny(_) | Action::Return(_) => false,
        };
        of_action || self.when.looks_at_destination()
    }
}

impl Redirect {
    /// Appends the value of `Location`.
    pub fn write<R: Request>(&self, out: &mut Vec<u8>, request: &Looked<'_, R>) {
        match &self.to {
            Location::Scheme(scheme) => {
                out.extend_from_slice(scheme.as_bytes());
                out.extend_from_slice(b"://");
                out.extend_from_slice(request.request().authority());
                write_target(out, request);
            }
            Location::Prefix(prefix) => {
                prefix.write(out, request);
                write_target(out, request);
            }
            Location::Whole(to) => to.write(out, request),
        }
    }

    /// Whether the answer may be kept by nobody, as HAProxy says it of those that do not last.
    pub const fn is_passing(&self) -> bool {
        matches!(self.status, 302 | 303 | 307)
    }
}

/// Path and query. With two slashes at its front a path would be taken for a host by clients.
fn write_target<R: Request>(out: &mut Vec<u8>, request: &Looked<'_, R>) {
    let target = request.request().target();
    let bare = out.is_empty();
    let slashes = target.iter().take_while(|b| matches!(b, b'/' | b'\\')).count();
    out.extend_from_slice(match target.get(slashes.saturating_sub(1)..) {
        Some(one) if bare => one,
        _ => target,
    });
}
