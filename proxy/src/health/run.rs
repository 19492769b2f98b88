//! One check as a machine: what its driver has to do next, what came of it, and the verdict.
//!
//! A [`Run`] walks the steps of a [`Script`]. Its driver asks [`Run::poll`] what is wanted, does it, and tells the
//! outcome by one of the `handle_` methods, until [`Want::Done`]. What the server sends is hostile until judged: at most
//! [`BUFFER_BYTES`] are kept, and nothing in it moves the deadline, which [`Run::poll_timeout`] names.

mod expect;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::agent::AgentLine;
use super::http::{self, Evaluation, On404};
use super::protocol::{Dialogue, Heard};
use super::result::{CheckResult, CheckStatus};
use crate::plan::{Action, CheckConfig, Connect, HttpCheck, Protocol, Script, Step};

/// One check while it is made.
#[derive(Debug)]
pub struct Run<'a> {
    script: &'a Script,
    limits: Limits,
    whom: Whom,
    begun: Instant,
    /// Position of the step that is under way, or of the next one.
    at: usize,
    stage: Stage<'a>,
    /// What was received since something was last sent, as far as it is kept.
    received: Vec<u8>,
    /// The server has closed its side.
    ended: bool,
    connected: bool,
    /// The connection is there and speaks TLS, or is about to.
    secured: bool,
    /// Why not everything could be sent: told if no answer explains it better.
    unsent: Option<Failure>,
    /// Outcome of the last step that has one, for the end of the script.
    last: Option<CheckResult>,
}

/// What the driver does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// Open a connection; close the one there is. Answered by [`Run::handle_connected`] or [`Run::handle_failure`]; if
    /// it speaks TLS by [`Run::handle_reached`] before, and perhaps [`Run::handle_no_tls`].
    Connect(Connect),
    /// Send this. Answered by [`Run::handle_sent`] or [`Run::handle_unsent`].
    Send(Vec<u8>),
    /// Receive something. Answered by [`Run::handle_received`], [`Run::handle_end`] or [`Run::handle_failure`].
    Receive,
    /// Send this if it goes at once, close the connection: the check is over.
    Done(Box<CheckResult>, Vec<u8>),
}

/// Why the driver could not do what was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The system's words.
    pub words: &'static str,
    /// This machine has run out of something: that says nothing about the server.
    pub ours: bool,
}

/// How long a check may take, from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until connected.
    pub connect: Duration,
    /// Until judged.
    pub whole: Duration,
}

/// What a check needs to know of the server it is of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whom {
    /// What HTTP requests tell the server of itself.
    pub state: Option<String>,
    /// What a 404 of it means.
    pub on_404: On404,
}

/// What is going on.
#[derive(Debug)]
enum Stage<'a> {
    /// The step at `at` has not begun.
    Next,
    /// Waiting for a connection since then.
    Connecting(Connect, Instant),
    /// Waiting until these are sent.
    Sending(Vec<u8>, After<'a>),
    /// Waiting for what an expectation can be judged by.
    Expecting,
    /// Waiting for a response.
    Asking(Evaluation<'a>),
    /// Speaking a protocol.
    Speaking(Dialogue),
    Over(Box<CheckResult>, Vec<u8>),
}

/// What follows when everything is sent.
#[derive(Debug)]
enum After<'a> {
    Next,
    Asking(Evaluation<'a>),
    Speaking(Dialogue),
}

impl Limits {
    /// Without a timeout of their own, checks take at most their interval, and connecting no longer than requests
    /// may take to connect.
    pub fn new(config: &CheckConfig, connect: Option<Duration>) -> Self {
        let whole = config.timeout.unwrap_or(config.inter);
        Self { connect: connect.map_or(whole, |limit| limit.min(whole)).min(config.inter), whole }
    }
}

impl<'a> Run<'a> {
    /// Begins a check at `now`.
    pub fn new(script: &'a Script, limits: Limits, now: Instant) -> Self {
        Self {
            script,
            limits,
            whom: Whom::default(),
            begun: now,
            at: 0,
            stage: Stage::Next,
            received: Vec::new(),
            ended: false,
            connected: false,
            secured: false,
            unsent: None,
            last: None,
        }
    }

    /// Begun with what is known of the server.
    #[must_use]
    pub fn of(self, whom: Whom) -> Self {
        Self { whom, ..self }
    }

    /// What is to be done at `now`. Asked again before it is answered, it says the same.
    pub fn poll(&mut self, now: Instant) -> Want {
        loop {
            match &self.stage {
                Stage::Next => self.begin(now),
                Stage::Connecting(connect, _) => return Want::Connect(connect.clone()),
                Stage::Sending(bytes, _) => return Want::Send(bytes.clone()),
                Stage::Expecting | Stage::Asking(_) | Stage::Speaking(_) => return Want::Receive,
                Stage::Over(result, farewell) => return Want::Done(result.clone(), farewell.clone()),
            }
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        let end = self.begun + self.limits.whole;
        match &self.stage {
            Stage::Connecting(_, since) => end.min(*since + self.limits.connect),
            Stage::Next
            | Stage::Sending(..)
            | Stage::Expecting
            | Stage::Asking(_)
            | Stage::Speaking(_)
            | Stage::Over(..) => end,
        }
    }

    /// The server has been reached; now TLS is to be agreed on.
    pub fn handle_reached(&mut self) {
        self.secured = true;
    }

    /// TLS could not be agreed on.
    pub fn handle_no_tls(&mut self, now: Instant, why: &str) {
        let info = format!("SSL handshake failure ({why}){}", self.place());
        self.finish(now, CheckResult::new(CheckStatus::L6Response).with_info(info.as_bytes()), Vec::new());
    }

    /// The connection is open.
    pub fn handle_connected(&mut self) {
        if let Stage::Connecting(..) = self.stage {
            self.connected = true;
            self.stage = Stage::Next;
            self.last = Some(self.connected_result());
            if self.is_explicit_connect() {
                self.at += 1;
            }
        }
    }

    /// Everything that was wanted is sent.
    pub fn handle_sent(&mut self, now: Instant) {
        if let Stage::Sending(..) = self.stage {
            let Stage::Sending(_, after) = std::mem::replace(&mut self.stage, Stage::Next) else { return };
            match after {
                After::Next => self.at += 1,
                After::Asking(evaluation) => self.stage = Stage::Asking(evaluation),
                After::Speaking(dialogue) => {
                    self.stage = Stage::Speaking(dialogue);
                    // The answer may have come before the question.
                    if !self.received.is_empty() || self.ended {
                        self.look(now);
                    }
                }
            }
        }
    }

    /// Not everything could be sent. A server may answer and close before it has read everything: its answer counts.
    pub fn handle_unsent(&mut self, now: Instant, failure: Failure) {
        let Stage::Sending(_, after) = &self.stage else { return };
        let next = self.script.steps.get(self.at + 1).map(|s| &s.action);
        let listens = !matches!(after, After::Next) || matches!(next, Some(Action::Expect(_)));
        if listens {
            self.unsent = Some(failure);
            self.handle_sent(now);
        } else {
            self.handle_failure(now, &failure);
        }
    }

    /// The server sent something.
    pub fn handle_received(&mut self, now: Instant, bytes: &[u8]) {
        let judged = match &mut self.stage {
            Stage::Asking(evaluation) => evaluation.feed(bytes),
            Stage::Next
            | Stage::Connecting(..)
            | Stage::Sending(..)
            | Stage::Expecting
            | Stage::Speaking(_)
            | Stage::Over(..) => {
                let room = BUFFER_BYTES.saturating_sub(self.received.len());
                self.received.extend(bytes.iter().take(room));
                None
            }
        };
        match judged {
            Some(result) => self.answered(now, result),
            None => self.look(now),
        }
    }

    /// The server has closed its side.
    pub fn handle_end(&mut self, now: Instant) {
        self.ended = true;
        if let Stage::Asking(evaluation) = &self.stage {
            let result = evaluation.end();
            self.answered(now, result);
        } else {
            self.look(now);
        }
    }

    /// What was wanted could not be done.
    pub fn handle_failure(&mut self, now: Instant, failure: &Failure) {
        let failure = self.unsent.as_ref().unwrap_or(failure);
        let status = match &self.stage {
            Stage::Over(..) => return,
            _ if failure.ours => CheckStatus::SocketError,
            Stage::Connecting(..) if self.secured => CheckStatus::L6Response,
            Stage::Connecting(..) => CheckStatus::L4Connection,
            Stage::Next | Stage::Sending(..) | Stage::Expecting | Stage::Asking(_) | Stage::Speaking(_) => {
                CheckStatus::L7Response
            }
        };
        let info = format!("{}{}", failure.words, self.place());
        self.finish(now, CheckResult::new(status).with_info(info.as_bytes()), Vec::new());
    }

    /// The time that [`Self::poll_timeout`] named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let status = match &self.stage {
            Stage::Over(..) => return,
            Stage::Connecting(..) if self.secured => CheckStatus::L6Timeout,
            Stage::Connecting(..) => CheckStatus::L4Timeout,
            Stage::Next | Stage::Sending(..) => CheckStatus::L7Timeout,
            Stage::Expecting => self.tout_status().unwrap_or(CheckStatus::L7Timeout),
            Stage::Asking(evaluation) => {
                let says = evaluation.undecided().and_then(|e| e.says.tout_status);
                says.map_or(CheckStatus::L7Timeout, CheckStatus::from)
            }
            Stage::Speaking(dialogue) => dialogue.timeout_status(),
        };
        let place = self.place();
        self.finish(now, CheckResult::new(status).with_info(place.as_bytes()), Vec::new());
    }
}

/// What else a driver may want to know.
impl<'a> Run<'a> {
    /// The HTTP request that is to be sent, and what it tells the server of itself. `None`: something else is.
    pub fn request(&self) -> Option<(&'a HttpCheck, Option<&str>)> {
        match (&self.stage, &self.script.steps.get(self.at)?.action) {
            (Stage::Sending(_, After::Asking(_)), Action::Http(check)) => {
                Some((check, self.whom.state.as_deref()))
            }
            _ => None,
        }
    }

    /// The line that an agent has said.
    pub fn agent_line(&self) -> Option<AgentLine> {
        super::protocol::agent::line(&self.received).map(AgentLine::parse)
    }
}

/// Step by step.
impl<'a> Run<'a> {
    fn begin(&mut self, now: Instant) {
        let step = self.script.steps.get(self.at);
        if !self.connected && !matches!(step.map(|s| &s.action), Some(Action::Connect(_))) {
            let linger = matches!(step.map(|s| &s.action), Some(Action::Protocol(p)) if takes_leave(p));
            self.secured = false;
            // It is about the hello itself.
            let hello = matches!(step.map(|s| &s.action), Some(Action::Protocol(Protocol::SslHello { .. })));
            let tls = hello.then_some(false);
            self.stage = Stage::Connecting(Connect { linger, tls, ..Connect::default() }, now);
            return;
        }
        let Some(step) = step else { return self.complete(now) };
        match &step.action {
            Action::Connect(connect) => {
                self.forget();
                self.secured = false;
                self.stage = Stage::Connecting(connect.clone(), now);
            }
            Action::Send(bytes) => {
                self.forget();
                self.last = Some(passed_script());
                self.stage = Stage::Sending(bytes.clone(), After::Next);
            }
            Action::Expect(_) => {
                self.stage = Stage::Expecting;
                self.look(now);
            }
            Action::Http(check) => {
                self.forget();
                let request = http::request(check, self.whom.state.as_deref());
                let evaluation = Evaluation::new(check).taking_404(self.whom.on_404);
                self.stage = Stage::Sending(request, After::Asking(evaluation));
            }
            Action::Protocol(protocol) => {
                self.forget();
                let (dialogue, opening) = Dialogue::begin(protocol);
                self.stage = if opening.is_empty() {
                    Stage::Speaking(dialogue)
                } else {
                    Stage::Sending(opening, After::Speaking(dialogue))
                };
            }
        }
    }

    /// Judges what is there, if something waits for it.
    fn look(&mut self, now: Instant) {
        let last = self.ended || self.received.len() >= BUFFER_BYTES;
        match &mut self.stage {
            Stage::Expecting => {
                if let Some(Step { action: Action::Expect(expect), number, comment }) =
                    self.script.steps.get(self.at)
                {
                    match expect::judge(expect, *number, comment.as_deref(), &self.received, last) {
                        None => {}
                        Some(result) if goes_on(&result) => {
                            self.last = Some(result);
                            self.at += 1;
                            self.stage = Stage::Next;
                        }
                        Some(result) => self.finish(now, result, Vec::new()),
                    }
                }
            }
            Stage::Speaking(dialogue) => match dialogue.hear(&self.received, last) {
                Heard::More if last => {
                    let silent = self.received.is_empty();
                    let words =
                        if silent { "connection closed without an answer" } else { "answer cut short" };
                    let status = dialogue.broken_status();
                    self.finish(now, CheckResult::new(status).with_info(words.as_bytes()), Vec::new());
                }
                Heard::More => {}
                Heard::Say(bytes, heard) => {
                    let Stage::Speaking(dialogue) = std::mem::replace(&mut self.stage, Stage::Next) else {
                        return;
                    };
                    self.received.drain(..heard.min(self.received.len()));
                    self.stage = Stage::Sending(bytes, After::Speaking(dialogue));
                }
                Heard::Over(result, farewell) => self.stepped(now, *result, farewell),
            },
            Stage::Next | Stage::Connecting(..) | Stage::Sending(..) | Stage::Asking(_) | Stage::Over(..) => {
            }
        }
    }

    /// A response has been judged. What follows it begins on a connection of its own.
    fn answered(&mut self, now: Instant, result: CheckResult) {
        self.connected = false;
        self.stepped(now, result, Vec::new());
    }

    /// A step that has a verdict of its own is over.
    fn stepped(&mut self, now: Instant, result: CheckResult, farewell: Vec<u8>) {
        if goes_on(&result) && self.at + 1 < self.script.steps.len() {
            self.last = Some(result);
            self.at += 1;
            self.connected = false;
            self.stage = Stage::Next;
        } else {
            self.finish(now, result, farewell);
        }
    }

    /// All steps have passed.
    fn complete(&mut self, now: Instant) {
        let result = self.last.take().unwrap_or_else(|| CheckResult::new(CheckStatus::L4Ok));
        self.finish(now, result, Vec::new());
    }

    fn finish(&mut self, now: Instant, result: CheckResult, farewell: Vec<u8>) {
        let result = result.taking(now.saturating_duration_since(self.begun));
        self.stage = Stage::Over(Box::new(result), farewell);
    }

    fn forget(&mut self) {
        self.received.clear();
        self.ended = false;
        self.unsent = None;
    }

    fn connected_result(&self) -> CheckResult {
        let result = CheckResult::new(if self.secured { CheckStatus::L6Ok } else { CheckStatus::L4Ok });
        if self.script.steps.is_empty() { result } else { result.with_info(SCRIPT) }
    }

    fn is_explicit_connect(&self) -> bool {
        matches!(self.script.steps.get(self.at), Some(Step { action: Action::Connect(_), .. }))
    }

    fn tout_status(&self) -> Option<CheckStatus> {
        match &self.script.steps.get(self.at)?.action {
            Action::Expect(expect) => expect.says.tout_status.map(CheckStatus::from),
            Action::Connect(_) | Action::Send(_) | Action::Http(_) | Action::Protocol(_) => None,
        }
    }

    /// Where in the steps of a script that is the operator's own something went wrong, in HAProxy's words.
    fn place(&self) -> String {
        let Some(step) = self.script.steps.get(self.at) else { return String::new() };
        if !self.is_byte_script() {
            return String::new();
        }
        let comment = step.comment.as_ref().map(|c| format!(" comment: '{c}'")).unwrap_or_default();
        let what = match &step.action {
            Action::Connect(Connect { port: Some(port), .. }) => format!(" (connect port {port})"),
            Action::Connect(_) => " (connect)".to_owned(),
            _ if matches!(self.stage, Stage::Connecting(..)) => {
                return " at initial connection step of tcp-check".to_owned();
            }
            Action::Send(_) => " (send)".to_owned(),
            Action::Expect(expect) => expect::named(expect),
            Action::Http(_) | Action::Protocol(_) => String::new(),
        };
        format!(" at step {} of tcp-check{what}{comment}", step.number)
    }

    fn is_byte_script(&self) -> bool {
        !self.script.steps.iter().any(|s| matches!(s.action, Action::Http(_) | Action::Protocol(_)))
    }
}

/// Whether the next step follows. That a server wants no new work settles a check, whatever else would be asked.
fn goes_on(result: &CheckResult) -> bool {
    result.status.verdict() == super::Verdict::Pass && result.status != CheckStatus::L7OkConditional
}

fn passed_script() -> CheckResult {
    CheckResult::new(CheckStatus::L7Ok).with_info(SCRIPT)
}

/// Protocols whose servers complain of connections that end without a farewell.
fn takes_leave(protocol: &Protocol) -> bool {
    match protocol {
        Protocol::Mysql(_) | Protocol::Pgsql { .. } | Protocol::Smtp { .. } | Protocol::Ldap => true,
        Protocol::Redis | Protocol::Agent { .. } | Protocol::SslHello { .. } => false,
    }
}

/// What HAProxy says of a script that has passed.
const SCRIPT: &[u8] = b"(tcp-check)";

/// Most bytes of an answer that are kept, as HAProxy's buffer.
pub const BUFFER_BYTES: usize = 16 * 1024;
