//! What scripts see of requests and responses, and what comes of what they do.

use std::time::Instant;

use super::super::runtime::DataThread;
use super::super::scripts::Scripting;
use super::exchange::Exchange;
use super::failure::Failure;
use super::ours::Ours;
use super::view::Given;
use crate::h1::head::{Method, Version};
use crate::lua::{Client, Message, Outcome};
use crate::plan::LogTargetId;
use crate::rules::response::{Acted, Edited, Fields as _, Response, Scripts};
use crate::rules::{Call, Edits};

/// What becomes of a request after a script.
pub(super) enum Then {
    /// The next rule is asked.
    GoOn,
    /// No further rule of the section is.
    Stop,
    /// It is answered, or refused.
    Answer(Ours),
}

/// A request as rules have left it. `line`: its method, its target and its authority.
pub(super) fn message(
    given: Given<'_>,
    edits: &Edits,
    (method, target, authority): (&[u8], &[u8], &[u8]),
) -> Message {
    let parsed = given.parsed;
    let client = Client {
        source: given.caller.source,
        destination: given.caller.destination(),
        tls: given.caller.tls.clone(),
    };
    let mut message = Message::request(client, parsed.request.version, method, target, authority);
    for field in parsed.index.fields() {
        let name = field.name.of(parsed.bytes);
        if !edits.is_gone(name) {
            message.push(name, field.value.of(parsed.bytes));
        }
    }
    edits.all_added().for_each(|(name, value)| message.push(name, value));
    message.with_variables(edits.variables())
}

/// Lets a script do with a request what it does.
pub(super) fn act(call: &Call, scripting: Scripting<'_>, message: Message, edits: &mut Edits) -> Then {
    let (outcome, message) = scripting.act(call, message);
    // What it has changed before it failed stays changed, as with HAProxy.
    if let Some(message) = message {
        message.changes().for_each(|change| edits.apply(change));
    }
    if scripting.has_failed() {
        return Then::Answer(Ours::Denial(500));
    }
    match outcome {
        None | Some(Outcome::Continue) => Then::GoOn,
        Some(Outcome::Stop) => Then::Stop,
        Some(Outcome::Deny) => Then::Answer(Ours::Denial(403)),
        Some(Outcome::Invalid) => Then::Answer(Ours::Denial(400)),
        Some(Outcome::Error) => Then::Answer(Ours::Denial(500)),
        Some(Outcome::Abort) => Then::Answer(Ours::Close),
        Some(Outcome::Reply(reply)) => Then::Answer(Ours::Reply(reply)),
    }
}

/// Scripts that are asked about one response.
pub(super) struct Responding<'a> {
    scripting: Option<Scripting<'a>>,
    client: Option<Client>,
    method: Method,
    version: Version,
}

impl<'a> Responding<'a> {
    /// For a response of this version. `log`: who hears of what scripts have to say.
    pub(super) fn new(
        exchange: &Exchange,
        thread: &'a DataThread,
        log: &'a [LogTargetId],
        version: Version,
        now: Instant,
    ) -> Self {
        let scripting = thread.scripts.as_ref().map(|scripts| Scripting { thread, scripts, log, now });
        let caller = exchange.owner.as_ref().filter(|_| scripting.is_some()).map(|owner| owner.caller());
        let client = caller.map(|caller| Client {
            source: caller.source,
            destination: caller.destination(),
            tls: caller.tls.clone(),
        });
        Self { scripting, client, method: exchange.asked.method, version }
    }
}

impl Scripts for Responding<'_> {
    type Refusal = Failure;

    fn act<R: Response>(&mut self, call: &Call, response: &Edited<'_, R>) -> Result<Acted, Failure> {
        let (Some(scripting), Some(client)) = (self.scripting, self.client.clone()) else {
            return Err(Failure::Script);
        };
        let method = self.method.as_str().as_bytes();
        let mut message = Message::response(client, self.version, method, response.status());
        response.all(&mut |name, value| message.push(name, value));
        let (outcome, message) = scripting.act(call, message.with_variables(response.variables()));
        let mut acted = Acted { edits: response.edits.clone(), stops: false };
        if let Some(message) = message {
            message.changes().for_each(|change| acted.edits.apply(change));
        }
        if scripting.has_failed() {
            return Err(Failure::Script);
        }
        match outcome {
            None | Some(Outcome::Continue) => Ok(acted),
            Some(Outcome::Stop) => Ok(Acted { stops: true, ..acted }),
            Some(Outcome::Deny | Outcome::Invalid | Outcome::Reply(_)) => Err(Failure::Denied),
            Some(Outcome::Error | Outcome::Abort) => Err(Failure::Script),
        }
    }
}
