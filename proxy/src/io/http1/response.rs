//! From the server's head to the client's, and what happens to both connections afterwards.

use std::borrow::Cow;
use std::time::Instant;

use super::super::persist;
use super::super::runtime::DataThread;
use super::counted;
use super::exchange::{Changes, Coding, Exchange, Persist, ResponseState};
use super::failure::Failure;
use super::flow::Flow;
use super::ours::Ours;
use super::scripted::Responding;
use crate::compress::filter::{Filter, Input};
use crate::compress::response::Outline;
use crate::compress::{self, Algo};
use crate::h1::body::Body;
use crate::h1::chunked::Chunker;
use crate::h1::conn::{Expectation, Options};
use crate::h1::forward::{self, After, ToClient};
use crate::h1::framing::{self, BodyFraming};
use crate::h1::head::{Field, HeadIndex, Method, Response, Version};
use crate::rules::response::{self, Edited, Fields, Instead};
use crate::rules::{Edits, ResponseAction, ResponseRules, Variables};

/// What a response head means for the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An interim response: the final one is still to come.
    Interim,
    /// The final response: its content follows.
    Final,
    /// Both sides speak another protocol from here on.
    Switched,
}

/// Why a response is not passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Withheld {
    /// It cannot be.
    Failed(Failure),
    /// A rule puts this in its place.
    Replaced(Box<Ours>),
}

impl From<Failure> for Withheld {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Appends the head the client gets and settles what follows.
///
/// # Errors
/// The response is not passed on.
pub(super) fn handle_head(
    exchange: &mut Exchange,
    response: &Response,
    index: &HeadIndex,
    bytes: &[u8],
    thread: &DataThread,
    now: Instant,
) -> Result<Verdict, Withheld> {
    let asked = exchange.asked;
    let framing =
        framing::of_response(response, asked.method, index, bytes).map_err(|_| Failure::BadResponse)?;
    let interim = matches!(response.status, 100 | 102..=199);
    let edits = match exchange.changes.take() {
        Some(mut changes) if !interim => {
            let outline =
                Outline { client: asked.version, server: response.version, status: response.status, framing };
            let made = edits(&mut changes, exchange, thread, (index, bytes), &outline, now);
            exchange.changes = Some(changes);
            made.inspect_err(|_| exchange.facts.of_server = Some(response.status))?
        }
        changes => {
            exchange.changes = changes;
            Vec::new()
        }
    };
    if let Some(level) = edits.iter().rev().find_map(|edits| edits.log_level()) {
        exchange.facts.log_level = Some(level);
    }
    let status = forward::told_status(response.status, &edits);
    if status != response.status {
        exchange.facts.of_server = Some(response.status);
    }
    let mut to = ToClient {
        version: asked.version,
        method: asked.method,
        framing,
        after: After::Persist,
        sticky: None,
        edits: &edits,
    };
    match response.status {
        101 => {
            // RFC 9110 §15.2.2: only what was asked for.
            if !asked.upgrade {
                return Err(Failure::BadResponse.into());
            }
            to.after = After::Switch;
            exchange.facts.status = Some(response.status);
            exchange.facts.responded = Some(now);
            exchange.notes.handle_response(thread, index, bytes);
            write(exchange, thread, response, index, bytes, &to, now);
            Ok(Verdict::Switched)
        }
        100..=199 => {
            // RFC 9110 §15.2: never to HTTP/1.0. And a 100 nobody waits for is what confuses clients.
            let wanted = response.status != 100 || asked.expectation == Expectation::Continue;
            exchange.held_back &= response.status != 100;
            if asked.version == Version::Http11 && wanted {
                to.edits = &[];
                forward::response(exchange.down.out.buffer(), response, index, bytes, &to);
            }
            Ok(Verdict::Interim)
        }
        _ => {
            if response.status >= 400 {
                counted::handle_error(exchange, thread, response.status, now);
                exchange.authenticates |=
                    matches!(response.status, 401 | 407) && authenticates_connections(index, bytes);
            }
            let until_close = to_client_needs_close(framing, asked.version);
            let server = response_persists(response, index, bytes, framing);
            // RFC 9112 §9.3, §9.6: whoever answers before it has read the request cannot keep the connection, because
            // the rest of the content would be taken for the next request.
            let stays = !until_close && !thread.is_leaving();
            let client = asked.persists && stays && exchange.up.body.is_done();
            to.after = if client { After::Persist } else { After::Close };
            exchange.notes.handle_response(thread, index, bytes);
            write(exchange, thread, response, index, bytes, &to, now);
            exchange.down.body = Body::new(framing, to.output());
            exchange.down.ends = !client;
            exchange.facts.status = Some(status);
            exchange.facts.responded = Some(now);
            let persist = |yes: bool| if yes { Persist::Yes } else { Persist::No };
            exchange.response =
                ResponseState::Relaying { client: persist(client), server: persist(server), until_close };
            Ok(Verdict::Final)
        }
    }
}

/// A response as it came.
struct Came<'a> {
    index: &'a HeadIndex,
    bytes: &'a [u8],
    status: u16,
    set: &'a Variables,
}

impl response::Response for Came<'_> {
    fn status(&self) -> u16 {
        self.status
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.set.value(name)
    }

    fn variables(&self) -> Variables {
        self.set.clone()
    }
}

impl Fields for Came<'_> {
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8])) {
        let named = |f: &&Field| f.name.of(self.bytes).eq_ignore_ascii_case(name.as_bytes());
        self.index.fields().iter().filter(named).for_each(|f| look(f.value.of(self.bytes)));
    }

    fn all(&self, look: &mut dyn FnMut(&[u8], &[u8])) {
        self.index.fields().iter().for_each(|f| look(f.name.of(self.bytes), f.value.of(self.bytes)));
    }
}

/// What changes in it: by rules of the backend, then by those of the frontend, and then because it is compressed.
///
/// # Errors
/// A rule puts another answer in its place.
#[cold]
fn edits<'t>(
    changes: &mut Changes,
    exchange: &mut Exchange,
    thread: &'t DataThread,
    (index, bytes): (&HeadIndex, &[u8]),
    outline: &Outline,
    now: Instant,
) -> Result<Vec<Cow<'t, Edits>>, Withheld> {
    let came = Came { index, bytes, status: outline.status, set: &changes.set };
    let backend = exchange.facts.backend.and_then(|b| thread.plan.backends().get(usize::from(b.0)));
    let frontend = thread.plan.frontends().get(usize::from(changes.frontend.0));
    let (of_backend, of_frontend) = (backend.map(|b| &b.http_response), frontend.map(|f| &f.http_response));
    let none = Edits::default();
    let log = frontend.map(|f| f.log.as_slice()).unwrap_or_default();
    let mut scripts = Responding::new(exchange, thread, log, outline.server, now);
    let down = &mut exchange.down;
    let by_backend = of_backend.map(|rules| rules.edits(changes.of_backend, &came, &mut scripts)).transpose();
    let by_backend = by_backend.map_err(|instead| withheld(instead, &came))?;
    let left = Edited { response: &came, edits: by_backend.as_deref().unwrap_or(&none) };
    let by_frontend = of_frontend.map(|rules| rules.edits(changes.holding, &left, &mut scripts)).transpose();
    let by_frontend = by_frontend.map_err(|instead| withheld(instead, &left))?;
    if let Some(records) = frontend.and_then(|f| f.records.as_ref()) {
        let left = Edited { response: &left, edits: by_frontend.as_deref().unwrap_or(&none) };
        exchange.notes.handle_response_rules(records, &left);
    }
    let mut coded = None;
    if let Coding::Wanted(algo) = changes.coding
        && let Some(by) = of_backend.into_iter().chain(of_frontend).find_map(ResponseRules::compression)
    {
        let left = Edited { response: &left, edits: by_frontend.as_deref().unwrap_or(&none) };
        coded = compress::response::edits(by, algo, outline, &left);
        if coded.is_some() && !engage(down, thread, (algo, by.level), outline.framing) {
            (coded, changes.coding) = (None, Coding::Bypassed);
        }
    }
    Ok(by_backend.into_iter().chain(by_frontend).chain(coded.map(Cow::Owned)).collect())
}

/// Why a response is withheld.
fn withheld(instead: Instead<'_, Failure>, response: &impl response::Response) -> Withheld {
    match instead {
        Instead::Refused(failure) => Withheld::Failed(failure),
        Instead::Answer(action) => replaced(action, response),
    }
}

/// What takes the place of a response.
fn replaced(action: &ResponseAction, response: &impl response::Response) -> Withheld {
    // Changes replace nothing.
    Ours::of_response(action, response)
        .map_or(Withheld::Failed(Failure::BadResponse), |ours| Withheld::Replaced(ours.into()))
}

/// Has content go through a compressor, if there is one left.
fn engage(down: &mut Flow, thread: &DataThread, (algo, level): (Algo, u8), framing: BodyFraming) -> bool {
    let Some(deflater) = thread.deflaters.take(algo, level) else { return false };
    let input = if framing == BodyFraming::Chunked { Input::Chunks } else { Input::Plain };
    down.filter = Some(Box::new(Filter::new(deflater, input)));
    down.chunker = Some(Chunker::First);
    true
}

/// Appends the head of a final response, with what persistence has to say in it.
#[inline]
fn write(
    exchange: &mut Exchange,
    thread: &DataThread,
    response: &Response,
    index: &HeadIndex,
    bytes: &[u8],
    to: &ToClient<'_>,
    now: Instant,
) {
    let out = exchange.down.out.buffer();
    let facts = &mut exchange.facts;
    let of_backend = |id| Some((id, persist::cookie_of(thread, id)?));
    if let (Some((backend, cookie)), Some(server)) = (facts.backend.and_then(of_backend), facts.server) {
        let post = exchange.asked.method == Method::Post;
        let action = facts.persistence.with_answer(thread, (backend, cookie), server, post, |answer| {
            forward::response(out, response, index, bytes, &ToClient { sticky: Some(answer), ..*to })
        });
        facts.persistence.handle_action(action);
    } else {
        forward::response(out, response, index, bytes, to);
    }
    if let Some(server) = facts.server {
        facts.persistence.handle_answer(thread, server, now);
    }
}

/// Whether the server takes whoever gets through for the user of the connection, not of the request: NTLM and Negotiate
/// do (RFC 4559 §6). HAProxy looks for the same beginnings.
#[cold]
fn authenticates_connections(index: &HeadIndex, bytes: &[u8]) -> bool {
    let begins = |value: &[u8], with: &[u8]| {
        value.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let challenge = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"www-authenticate") || name.eq_ignore_ascii_case(b"proxy-authenticate")
    };
    let mut challenges = index.fields().iter().filter(|f| challenge(f.name.of(bytes)));
    challenges.any(|f| {
        let value = f.value.of(bytes);
        begins(value, b"nego") || begins(value, b"ntlm")
    })
}

/// Whether only closing tells this client where the content ends.
fn to_client_needs_close(framing: BodyFraming, client: Version) -> bool {
    match framing {
        BodyFraming::UntilClose => true,
        BodyFraming::Chunked => client == Version::Http10,
        BodyFraming::None | BodyFraming::Length(_) => false,
    }
}

fn response_persists(response: &Response, index: &HeadIndex, bytes: &[u8], framing: BodyFraming) -> bool {
    framing != BodyFraming::UntilClose && Options::of(index, bytes).persists(response.version)
}
