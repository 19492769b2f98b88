//! Rules for responses: what is asked of them and of what they answer, and what is done with them.
//!
//! A condition may look at the request and at the response. What it asks of the request is asked while that is there, and
//! remembered as a bit; the rest when the response comes.

use std::borrow::Cow;
use std::sync::Arc;

use super::action::{Redirect, Reply};
use super::counted::Range;
use super::edits::{Edit, Edits, Seen, Variables};
use super::matcher::{Looked, Matcher, Request, Test, elements};
use super::script::Call;
use super::template::Template;
use super::texts::Texts;
use crate::bandwidth::Bandwidth;
use crate::compress::Compression;
use crate::map::MapId;
use crate::table::TableId;

/// A rule for responses (HAProxy: `http-response`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseRule {
    /// Which responses, to which requests.
    pub when: Matcher,
    /// What is done with them. A request has a part in its text by what rules have set only.
    pub action: ResponseAction,
}

/// What is done with a response. All but changes put another answer in its place, and no further rule is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseAction {
    /// A field is changed, or a variable set.
    Edit(Edit),
    /// Its client is told another status (`set-status`).
    SetStatus(u16),
    /// It is withheld: its client is told this status (`deny`).
    Deny(u16),
    /// Another answer takes its place (`return`).
    Return(Reply),
    /// Its client is sent elsewhere (`redirect location`).
    Redirect(Redirect),
    /// A script does with it what it wants.
    Lua(Call),
}

/// Lets scripts do with responses what they want.
pub trait Scripts {
    /// Why one refuses a response.
    type Refusal;

    /// Calls an action for a response as rules before it have left it.
    ///
    /// # Errors
    /// The response is not to be passed on.
    fn act<R: Response>(&mut self, call: &Call, response: &Edited<'_, R>) -> Result<Acted, Self::Refusal>;
}

/// None: what they would do is not done.
#[derive(Debug, Clone, Copy)]
pub struct NoScripts;

impl Scripts for NoScripts {
    type Refusal = std::convert::Infallible;

    fn act<R: Response>(&mut self, _: &Call, response: &Edited<'_, R>) -> Result<Acted, Self::Refusal> {
        Ok(Acted { edits: response.edits.clone(), stops: false })
    }
}

/// What a script has done with a response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acted {
    /// What is changed, with what it has changed.
    pub edits: Edits,
    /// No further rule of the section is asked.
    pub stops: bool,
}

/// What comes in the place of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead<'a, E> {
    /// The answer of this rule.
    Answer(&'a ResponseAction),
    /// Nothing: a script refuses it.
    Refused(E),
}

/// What can be asked of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// Its status is in one of these ranges (`status`).
    Status(Vec<Range>),
    /// An element of a list that fields of this name are (`res.hdr`).
    Header(Box<str>, Texts),
    /// Whether there is a field of this name.
    HasHeader(Box<str>),
    /// How many elements the lists have that fields of this name are (`res.hdr_cnt`).
    HeaderCount(Box<str>, Range),
}

impl Answered {
    fn holds(&self, response: &impl Response) -> bool {
        match self {
            Self::Status(ranges) => ranges.iter().any(|range| range.contains(response.status().into())),
            Self::Header(name, texts) => {
                let mut found = false;
                response.each(name, &mut |value| found |= elements(value).any(|one| texts.matches(one)));
                found
            }
            Self::HasHeader(name) => {
                let mut found = false;
                response.each(name, &mut |_| found = true);
                found
            }
            Self::HeaderCount(name, range) => {
                let mut count = 0;
                response.each(name, &mut |value| count += elements(value).count() as u64);
                range.contains(count)
            }
        }
    }
}

/// What is left of a condition once the request has been asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Later {
    /// It holds if this bit is set.
    Asked(u8),
    /// If the response is like this.
    Response(Answered),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

impl Later {
    /// Takes out what is asked of the request, which gets the next bits.
    fn new(matcher: &Matcher, asked: &mut Vec<Matcher>) -> Self {
        let all = |parts: &[Matcher], asked: &mut Vec<Matcher>| {
            parts.iter().map(|part| Self::new(part, asked)).collect()
        };
        match matcher {
            Matcher::Test(Test::Response(answered)) => Self::Response(answered.clone()),
            Matcher::All(parts) if parts.is_empty() => Self::All(Vec::new()),
            Matcher::All(parts) if matcher.looks_at_response() => Self::All(all(parts, asked)),
            Matcher::Any(parts) if matcher.looks_at_response() => Self::Any(all(parts, asked)),
            Matcher::Not(part) if part.looks_at_response() => Self::Not(Self::new(part, asked).into()),
            Matcher::All(_) | Matcher::Any(_) | Matcher::Not(_) | Matcher::Test(_) => {
                let known = asked.iter().position(|other| other == matcher);
                let at = known.unwrap_or_else(|| {
                    asked.push(matcher.clone());
                    asked.len() - 1
                });
                Self::Asked(u8::try_from(at).unwrap_or(u8::MAX))
            }
        }
    }

    fn holds(&self, holding: Holding, response: &impl Response) -> bool {
        match self {
            Self::Asked(bit) => holding.checked_shr((*bit).into()).is_some_and(|bits| bits & 1 == 1),
            Self::Response(answered) => answered.holds(response),
            Self::All(parts) => parts.iter().all(|part| part.holds(holding, response)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(holding, response)),
            Self::Not(part) => !part.holds(holding, response),
        }
    }
}

/// The rules for responses of one section, and what else changes in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseRules {
    rules: Vec<ResponseRule>,
    /// Their conditions, as far as the request does not settle them.
    later: Vec<Later>,
    /// What is asked of the request.
    asked: Vec<Matcher>,
    /// What they come to, if none of them has a condition.
    fixed: Option<Edits>,
    compression: Option<Arc<Compression>>,
    bandwidth: Bandwidth,
    /// There is something of these.
    any: bool,
}

/// What of what is asked of a request holds: a bit for each.
pub type Holding = u64;

impl ResponseRules {
    /// At most this many rules stand in one section, and at most so many different conditions on requests.
    pub const MOST: usize = Holding::BITS as usize;

    /// Makes them ready to be asked. Those beyond [`Self::MOST`] are left out.
    pub fn new(mut rules: Vec<ResponseRule>) -> Self {
        rules.truncate(Self::MOST);
        let mut asked = Vec::new();
        let later = rules.iter().map(|rule| Later::new(&rule.when, &mut asked)).collect();
        let any = !rules.is_empty();
        Self { fixed: fixed(&rules), rules, later, asked, any, ..Self::default() }
    }

    /// How many different conditions on requests are in these rules.
    pub fn conditions(rules: &[ResponseRule]) -> usize {
        let mut asked = Vec::new();
        rules.iter().for_each(|rule| drop(Later::new(&rule.when, &mut asked)));
        asked.len()
    }

    /// The same, and responses are compressed.
    #[must_use]
    pub fn with_compression(self, compression: Option<Arc<Compression>>) -> Self {
        Self { any: self.any || compression.is_some(), compression, ..self }
    }

    /// How responses are compressed. `None`: nothing is said of it.
    pub fn compression(&self) -> Option<&Compression> {
        self.compression.as_deref()
    }

    /// The same, and messages have these limits.
    #[must_use]
    pub fn with_bandwidth(self, bandwidth: Bandwidth) -> Self {
        Self { any: self.any || !bandwidth.is_none(), bandwidth, ..self }
    }

    /// Limits of requests and responses.
    pub fn bandwidth(&self) -> Bandwidth {
        self.bandwidth
    }

    /// Whether nothing changes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// The last of the tables that they ask for numbers.
    pub fn last_table(&self) -> Option<TableId> {
        self.rules.iter().filter_map(|rule| rule.when.last_table()).max()
    }

    /// Whether one of them looks at what the client has connected to.
    pub fn look_at_destination(&self) -> bool {
        self.rules.iter().any(|rule| rule.when.looks_at_destination())
    }

    /// The rules themselves.
    pub fn rules(&self) -> &[ResponseRule] {
        &self.rules
    }

    /// What of what they ask of a request holds.
    pub fn holding<R: Request>(&self, request: &Looked<'_, R>) -> Holding {
        let asked = self.asked.iter().enumerate();
        asked.fold(0, |bits, (at, when)| bits | Holding::from(when.holds(request)) << at)
    }

    /// What those that hold come to, for such a response. Each sees what those before it have changed.
    ///
    /// # Errors
    /// Another answer takes its place, or none because of a script.
    pub fn edits<S: Scripts>(
        &self,
        holding: Holding,
        response: &impl Response,
        scripts: &mut S,
    ) -> Result<Cow<'_, Edits>, Instead<'_, S::Refusal>> {
        if let Some(fixed) = &self.fixed {
            return Ok(Cow::Borrowed(fixed));
        }
        let mut edits = Edits::default();
        for (rule, later) in self.rules.iter().zip(&self.later) {
            let left = Edited { response, edits: &edits };
            if !later.holds(holding, &left) {
                continue;
            }
            match &rule.action {
                ResponseAction::Edit(edit) => {
                    let change = edit.change(&left);
                    edits.apply(change);
                }
                ResponseAction::SetStatus(status) => edits.set_status(*status),
                ResponseAction::Lua(call) => {
                    let acted = scripts.act(call, &left).map_err(Instead::Refused)?;
                    edits = acted.edits;
                    if acted.stops {
                        break;
                    }
                }
                answer @ (ResponseAction::Deny(_)
                | ResponseAction::Return(_)
                | ResponseAction::Redirect(_)) => {
                    return Err(Instead::Answer(answer));
                }
            }
        }
        Ok(Cow::Owned(edits))
    }
}

/// What rules without conditions come to, if it is the same for every response.
fn fixed(rules: &[ResponseRule]) -> Option<Edits> {
    let always = Matcher::All(Vec::new());
    let mut fixed = Edits::default();
    for rule in rules {
        let ResponseAction::Edit(edit) = &rule.action else { return None };
        if rule.when != always || !edit.is_constant() {
            return None;
        }
        fixed.apply(edit.change(&Edited { response: &(), edits: &Edits::default() }));
    }
    Some(fixed)
}

/// The fields of a response.
pub trait Fields {
    /// Hands the values of all fields of this name, in any case, to `look`.
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8]));

    /// Hands the names and values of all fields to `look`.
    fn all(&self, look: &mut dyn FnMut(&[u8], &[u8]));
}

/// A response, to be looked at.
pub trait Response: Fields {
    /// Its status.
    fn status(&self) -> u16;

    /// A variable that a rule has set.
    fn variable(&self, name: &str) -> Option<&[u8]>;

    /// All of them.
    fn variables(&self) -> Variables;
}

/// A response as rules have left it so far.
pub struct Edited<'a, R> {
    /// As it came.
    pub response: &'a R,
    /// What has been done to it.
    pub edits: &'a Edits,
}

impl<R: Response> Fields for Edited<'_, R> {
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8])) {
        if !self.edits.is_gone(name.as_bytes()) {
            self.response.each(name, look);
        }
        self.edits.added(name).for_each(look);
    }

    fn all(&self, look: &mut dyn FnMut(&[u8], &[u8])) {
        self.response.all(&mut |name, value| {
            if !self.edits.is_gone(name) {
                look(name, value);
            }
        });
        self.edits.all_added().for_each(|(name, value)| look(name, value));
    }
}

impl<R: Response> Response for Edited<'_, R> {
    fn status(&self) -> u16 {
        self.edits.status().unwrap_or_else(|| self.response.status())
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        let before = || self.response.variable(name).filter(|_| !self.edits.has_unset(name));
        self.edits.variable(name).or_else(before)
    }

    fn variables(&self) -> Variables {
        self.edits.over(self.response.variables())
    }
}

impl<R: Response> Seen for Edited<'_, R> {
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8])) {
        Fields::each(self, name, look);
    }

    fn fill<'g>(&self, text: &Template, out: &mut Vec<u8>, group: &dyn Fn(u8) -> &'g [u8]) {
        text.write_of_response(out, self, group);
    }

    fn mapped(&self, _map: MapId, _key: &[u8]) -> Option<Box<[u8]>> {
        None
    }

    fn target(&self) -> &[u8] {
        b"*"
    }
}

/// None in particular, for changes that are the same for every response.
impl Response for () {
    fn status(&self) -> u16 {
        200
    }

    fn variable(&self, _name: &str) -> Option<&[u8]> {
        None
    }

    fn variables(&self) -> Variables {
        Variables::default()
    }
}

impl Fields for () {
    fn each(&self, _name: &str, _look: &mut dyn FnMut(&[u8])) {}

    fn all(&self, _look: &mut dyn FnMut(&[u8], &[u8])) {}
}

#[cfg(test)]
mod tests;
