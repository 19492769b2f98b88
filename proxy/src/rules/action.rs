//! Rules: a condition and what is done with a request for which it holds.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::counted::{Count, TrackKey};
use super::edits::{Edit, Value};
use super::matcher::{Looked, Matcher, Request};
use super::response::Response;
use super::script::Call;
use super::template::Template;
use crate::bandwidth::{Accounts, Bandwidth};
use crate::map::MapId;
use crate::table::{KeyType, TableId};

/// A rule for requests (HAProxy: `http-request`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which requests.
    pub when: Matcher,
    /// What is done with them.
    pub action: Action,
}

/// What is done with a request. All but changes, counting and waiting answer it, and no further rule is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A field is changed, for further rules and for the server (`set-header` and its kin).
    Edit(Edit),
    /// It is counted.
    Count(Count),
    /// It is kept back until its content is there (`wait-for-body`). A server does not wait for its client.
    WaitForBody(BodyWait),
    /// It, and the response to it, move no faster than this (`set-bandwidth-limit`).
    Limit(Arc<Limit>),
    /// A script does with it what it wants (`lua.NAME`): changes it, answers it, refuses it.
    Lua(Call),
    /// It is refused with this status (`deny`).
    Deny(u16),
    /// It is refused with this status, once its client has waited for it (`tarpit`).
    Tarpit(u16),
    /// Its client is left without an answer, and does not hear of the end of its connection (`silent-drop`).
    SilentDrop,
    /// It is answered (`return`).
    Return(Reply),
    /// It is answered with what is made when it comes (`use-service`).
    Serve(Service),
    /// Its client is sent elsewhere (`redirect`).
    Redirect(Redirect),
}

/// How a request waits for its content: for all of it, or as much as a buffer has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyWait {
    /// At most so long after its head.
    pub time: Duration,
    /// So many bytes are enough.
    pub at_least: Option<NonZeroU32>,
}

/// Limits of bandwidth: of each request by itself, or of all together that have the same key.
#[derive(Debug)]
pub struct Limit {
    /// What has a limit of its own, in the directions that have one.
    pub bandwidth: Bandwidth,
    /// Who has a limit together; then each has none of its own.
    pub keyed: Option<Keyed>,
}

/// A limit that requests have together.
#[derive(Debug)]
pub struct Keyed {
    /// Which do. A request that has no such thing has a limit of its own.
    pub key: TrackKey,
    /// How its bytes are told from others: addresses of clients by their networks.
    pub kind: KeyType,
    /// To the client.
    pub download: Option<Accounts>,
    /// From the client.
    pub upload: Option<Accounts>,
}

impl Keyed {
    /// With these limits.
    pub fn new(key: TrackKey, limits: Bandwidth) -> Self {
        let kind = match key {
            TrackKey::Source | TrackKey::Destination => KeyType::Ip { ipv6_prefix: 64 },
            TrackKey::Host | TrackKey::Path | TrackKey::Base | TrackKey::Text(_) => {
                KeyType::String { len: LONGEST_KEY }
            }
        };
        let accounts = |rate: Option<_>| rate.map(Accounts::new);
        Self { key, kind, download: accounts(limits.download), upload: accounts(limits.upload) }
    }
}

impl PartialEq for Limit {
    fn eq(&self, other: &Self) -> bool {
        let key = |limit: &Self| limit.keyed.as_ref().map(|keyed| keyed.key.clone());
        self.bandwidth == other.bandwidth && key(self) == key(other)
    }
}

impl Eq for Limit {}

/// Longer ones are cut.
const LONGEST_KEY: u16 = 256;

/// What makes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// What is counted, for Prometheus.
    Prometheus,
    /// The statistics page, to look at.
    Stats,
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

/// The first rule that takes a request, and those behind it.
pub fn first<'a, R: Request>(rules: &'a [Rule], request: &Looked<'_, R>) -> Option<(&'a Action, &'a [Rule])> {
    let at = rules.iter().position(|rule| rule.when.holds(request))?;
    let (rule, rest) = rules.get(at..)?.split_first()?;
    Some((&rule.action, rest))
}

impl Rule {
    /// Whether it answers every request that comes to it.
    pub fn answers_all(&self) -> bool {
        let answers = match &self.action {
            Action::Edit(_)
            | Action::Count(_)
            | Action::WaitForBody(_)
            | Action::Limit(_)
            | Action::Lua(_) => false,
            Action::Deny(_)
            | Action::Tarpit(_)
            | Action::SilentDrop
            | Action::Return(_)
            | Action::Serve(_)
            | Action::Redirect(_) => true,
        };
        answers && self.when == Matcher::All(Vec::new())
    }

    /// The map that it looks into.
    pub fn map(&self) -> Option<MapId> {
        let Action::Edit(Edit::Variable(_, Value::Mapped { map, .. })) = &self.action else { return None };
        Some(*map)
    }

    /// The last of the tables that it counts in or asks for numbers.
    pub fn last_table(&self) -> Option<TableId> {
        let counts_in = match &self.action {
            Action::Count(counting) => Some(counting.table()),
            Action::Edit(_)
            | Action::WaitForBody(_)
            | Action::Limit(_)
            | Action::Lua(_)
            | Action::Deny(_)
            | Action::Tarpit(_)
            | Action::SilentDrop
            | Action::Return(_)
            | Action::Serve(_)
            | Action::Redirect(_) => None,
        };
        counts_in.max(self.when.last_table())
    }

    /// Whether it looks at what the client has connected to, which has to be found out first.
    pub fn looks_at_destination(&self) -> bool {
        let of_action = match &self.action {
            Action::Redirect(Redirect { to: Location::Prefix(to) | Location::Whole(to), .. }) => {
                to.looks_at_destination()
            }
            Action::Edit(edit) => edit.text().is_some_and(Template::looks_at_destination),
            Action::Count(Count::Track(_, key)) => key.looks_at_destination(),
            Action::Limit(limit) => {
                limit.keyed.as_ref().is_some_and(|keyed| keyed.key.looks_at_destination())
            }
            // Scripts may ask for it.
            Action::Lua(_) => true,
            Action::Count(_)
            | Action::WaitForBody(_)
            | Action::Redirect(_)
            | Action::Deny(_)
            | Action::Return(_)
            | Action::Tarpit(_)
            | Action::SilentDrop
            | Action::Serve(_) => false,
        };
        of_action || self.when.looks_at_destination()
    }
}

impl Redirect {
    /// The value of `Location`.
    pub fn location<R: Request>(&self, request: &Looked<'_, R>) -> Vec<u8> {
        let (mut out, target) = (Vec::new(), request.request().target());
        match &self.to {
            Location::Scheme(scheme) => {
                for part in [scheme.as_bytes(), b"://", request.request().authority(), target] {
                    out.extend_from_slice(part);
                }
                return out;
            }
            Location::Prefix(prefix) => {
                prefix.write(&mut out, request);
                out.extend_from_slice(target);
            }
            Location::Whole(to) => to.write(&mut out, request),
        }
        self.within_host(out)
    }

    /// The same for the place of a response, of which the request has no part.
    pub fn location_of_response(&self, response: &impl Response) -> Vec<u8> {
        let mut out = Vec::new();
        if let Location::Whole(to) = &self.to {
            to.write_of_response(&mut out, response, &|_| &[]);
        }
        self.within_host(out)
    }

    /// A path that begins with two slashes would be taken for another host. Only the configuration may name one.
    fn within_host(&self, mut out: Vec<u8>) -> Vec<u8> {
        let (Location::Prefix(text) | Location::Whole(text)) = &self.to else { return out };
        let slashes = out.iter().take_while(|b| matches!(b, b'/' | b'\\')).count();
        if slashes > 1 && !text.begins_with("//") {
            out.drain(..slashes - 1);
            out[0] = b'/';
        }
        out
    }

    /// Whether the answer may be kept by nobody, as HAProxy says it of those that do not last.
    pub const fn is_passing(&self) -> bool {
        matches!(self.status, 302 | 303 | 307)
    }
}
