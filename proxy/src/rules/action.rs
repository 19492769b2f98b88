//! Rules: a condition and what is done with a request for which it holds.

use std::borrow::Cow;
use std::sync::Arc;

use super::counted::Count;
use super::edits::{Edit, Edits, Seen, Value, Variables};
use super::matcher::{Looked, Matcher, Request};
use super::script::Call;
use super::template::Template;
use crate::bandwidth::Bandwidth;
use crate::compress::Compression;
use crate::map::MapId;
use crate::table::TableId;

/// A rule for requests (HAProxy: `http-request`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which requests.
    pub when: Matcher,
    /// What is done with them.
    pub action: Action,
}

/// What is done with a request. All but a change and counting answer it, and no further rule is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A field is changed, for further rules and for the server (`set-header` and its kin).
    Edit(Edit),
    /// It is counted.
    Count(Count),
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

/// What makes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// What is counted, for Prometheus.
    Prometheus,
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

/// A rule for responses (HAProxy: `http-response`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseRule {
    /// Responses to which requests.
    pub when: Matcher,
    /// What changes in them.
    pub action: ResponseAction,
}

/// What is done with a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseAction {
    /// A field is changed. A request has a part in its text by what rules have set only.
    Edit(Edit),
    /// A script does with it what it wants.
    Lua(Call),
}

impl From<Edit> for ResponseAction {
    fn from(edit: Edit) -> Self {
        Self::Edit(edit)
    }
}

impl ResponseAction {
    fn is_constant(&self) -> bool {
        matches!(self, Self::Edit(edit) if edit.is_constant())
    }
}

/// Lets scripts do with responses what they want.
pub trait Scripts<F> {
    /// Why one refuses a response.
    type Refusal;

    /// Calls an action for a response with such fields, as rules before it have left them.
    ///
    /// # Errors
    /// The response is not to be passed on.
    fn act(&mut self, call: &Call, response: &Edited<'_, F>) -> Result<Acted, Self::Refusal>;
}

/// None: what they would do is not done.
#[derive(Debug, Clone, Copy)]
pub struct NoScripts;

impl<F> Scripts<F> for NoScripts {
    type Refusal = std::convert::Infallible;

    fn act(&mut self, _: &Call, response: &Edited<'_, F>) -> Result<Acted, Self::Refusal> {
        Ok(Acted { edits: response.edits.clone(), variables: response.set.clone(), stops: false })
    }
}

/// What a script has done with a response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acted {
    /// What it has changed.
    pub edits: Edits,
    /// All variables as it has left them.
    pub variables: Variables,
    /// No further rule of the section is asked.
    pub stops: bool,
}

/// The rules for responses of one section, and what else changes in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseRules {
    rules: Vec<ResponseRule>,
    /// What they come to, if none of them has a condition.
    fixed: Option<Edits>,
    compression: Option<Arc<Compression>>,
    bandwidth: Bandwidth,
    /// There is something of these.
    any: bool,
}

/// Which of the rules of a section hold for one request: a bit for each.
pub type Holding = u64;

impl ResponseRules {
    /// At most this many stand in one section.
    pub const MOST: usize = Holding::BITS as usize;

    /// Makes them ready to be asked. Those beyond [`Self::MOST`] are left out.
    pub fn new(mut rules: Vec<ResponseRule>) -> Self {
        rules.truncate(Self::MOST);
        let always = Matcher::All(Vec::new());
        let constant = rules.iter().all(|rule| rule.when == always && rule.action.is_constant());
        let fixed = constant.then(|| {
            let mut fixed = Edits::default();
            for rule in &rules {
                if let ResponseAction::Edit(edit) = &rule.action {
                    let (edits, set) = (&Edits::default(), &Variables::default());
                    fixed.apply(edit.change(&Edited { fields: &(), edits, set }));
                }
            }
            fixed
        });
        let any = !rules.is_empty();
        Self { rules, fixed, compression: None, bandwidth: Bandwidth::default(), any }
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

    /// Which of them hold for a request.
    pub fn holding<R: Request>(&self, request: &Looked<'_, R>) -> Holding {
        if self.fixed.is_some() {
            return Holding::MAX;
        }
        let rules = self.rules.iter().enumerate();
        rules.fold(0, |bits, (at, rule)| bits | Holding::from(rule.when.holds(request)) << at)
    }

    /// What those that hold come to, for a response with such fields. Each sees what those before it have changed.
    ///
    /// # Errors
    /// A script refuses the response.
    pub fn edits<F: Fields, S: Scripts<F>>(
        &self,
        holding: Holding,
        response: &F,
        set: &mut Variables,
        scripts: &mut S,
    ) -> Result<Cow<'_, Edits>, S::Refusal> {
        if let Some(fixed) = &self.fixed {
            return Ok(Cow::Borrowed(fixed));
        }
        let mut edits = Edits::default();
        for (at, rule) in self.rules.iter().enumerate() {
            if holding >> at & 1 == 0 {
                continue;
            }
            let seen = Edited { fields: response, edits: &edits, set };
            match &rule.action {
                ResponseAction::Edit(edit) => {
                    let change = edit.change(&seen);
                    edits.apply(change);
                }
                ResponseAction::Lua(call) => {
                    let acted = scripts.act(call, &seen)?;
                    (edits, *set) = (acted.edits, acted.variables);
                    if acted.stops {
                        break;
                    }
                }
            }
        }
        Ok(Cow::Owned(edits))
    }
}

/// The fields of a response.
pub trait Fields {
    /// Hands the values of all fields of this name, in any case, to `look`.
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8]));

    /// Hands the names and values of all fields to `look`.
    fn all(&self, look: &mut dyn FnMut(&[u8], &[u8]));
}

/// Fields as rules have left them so far.
pub struct Edited<'a, F> {
    /// Those that came.
    pub fields: &'a F,
    /// What has been done to them.
    pub edits: &'a Edits,
    /// What rules for the request have set.
    pub set: &'a Variables,
}

impl<F: Fields> Fields for Edited<'_, F> {
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8])) {
        if !self.edits.is_gone(name.as_bytes()) {
            self.fields.each(name, look);
        }
        self.edits.added(name).for_each(look);
    }

    fn all(&self, look: &mut dyn FnMut(&[u8], &[u8])) {
        self.fields.all(&mut |name, value| {
            if !self.edits.is_gone(name) {
                look(name, value);
            }
        });
        self.edits.all_added().for_each(|(name, value)| look(name, value));
    }
}

impl<F: Fields> Seen for Edited<'_, F> {
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8])) {
        Fields::each(self, name, look);
    }

    fn fill<'g>(&self, text: &Template, out: &mut Vec<u8>, group: &dyn Fn(u8) -> &'g [u8]) {
        text.write_without(out, group, &|name| self.set.value(name));
    }

    fn mapped(&self, _map: MapId, _key: &[u8]) -> Option<Box<[u8]>> {
        None
    }

    fn target(&self) -> &[u8] {
        b"*"
    }
}

/// No fields, for changes that are the same for every message.
impl Fields for () {
    fn each(&self, _name: &str, _look: &mut dyn FnMut(&[u8])) {}

    fn all(&self, _look: &mut dyn FnMut(&[u8], &[u8])) {}
}

impl Rule {
    /// Whether it answers every request that comes to it.
    pub fn answers_all(&self) -> bool {
        let answers = match &self.action {
            Action::Edit(_) | Action::Count(_) | Action::Lua(_) => false,
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
            // Scripts may ask for it.
            Action::Lua(_) => true,
            Action::Count(_)
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
        // A path that begins with two slashes would be taken for another host. Only the configuration may name one.
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
