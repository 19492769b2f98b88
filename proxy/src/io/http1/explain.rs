//! What becomes of a request, told instead of done: by the rules and looks that decide about requests.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::super::caller::{Caller, Told};
use super::exchange::Exchange;
use super::page;
use super::request::check;
use super::view::{Asking, Given, Parsed, View, ask};
use crate::balance::{Outcome, State, Wish, key_of};
use crate::h1::head::{HeadIndex, Limits};
use crate::h1::reject::Reject;
use crate::h1::target::Target;
use crate::page::StatsPage;
use crate::plan::{BackendId, Frontend, FrontendId, Plan, ServerId};
use crate::route::To;
use crate::rules::explain::Finding;
use crate::rules::{Edits, Looked, ResponseRule, ResponseRules, Rule};
use crate::tls::SessionFacts;

/// A request, and whose it is.
#[derive(Debug, Clone)]
pub struct Supposed<'a> {
    /// Its head, up to and with the empty line.
    pub head: &'a [u8],
    /// Where its client is.
    pub source: SocketAddr,
    /// What it has connected to.
    pub destination: Option<SocketAddr>,
    /// Its TLS session, if it speaks TLS.
    pub tls: Option<SessionFacts>,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The rules that it is asked by, in order.
    pub steps: Vec<Step>,
    /// What comes of them.
    pub fate: Fate,
    /// What rules have changed: the method, the target, fields that are taken away, lines that are added.
    pub changes: Changed,
}

/// One rule, and what it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// Its number there, from 1.
    pub number: usize,
    /// What it does.
    pub action: String,
    /// Its condition, and why it holds or not.
    pub finding: Finding,
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `http_request` of the frontend.
    Frontend(FrontendId),
    /// `use_backend`.
    Route(FrontendId),
    /// `http_request` of the backend.
    Backend(BackendId),
    /// `http_response` of the backend.
    BackendResponse(BackendId),
    /// `http_response` of the frontend.
    FrontendResponse(FrontendId),
    /// `stats` of the frontend.
    Stats(FrontendId),
}

/// What a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is no request, and refused with this status.
    Malformed(u16),
    /// A rule answers it, with this status if there is an answer.
    Answered(Option<u16>),
    /// Nothing says where it goes.
    Nowhere,
    /// It goes to a backend.
    Forwarded {
        /// Which.
        backend: BackendId,
        /// No rule has said so.
        by_default: bool,
        /// The hash that chooses the server, if one does.
        key: Option<u32>,
        /// The server it would get if all were up and idle, and it came first.
        server: Option<ServerId>,
    },
}

/// What rules have changed in a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changed {
    /// Another method.
    pub method: Option<String>,
    /// Another path and query.
    pub target: Option<String>,
    /// Lines of fields that are added, instead of those of the same name if a rule says so.
    pub lines: Vec<String>,
}

/// Tells what becomes of a request to a frontend, with all servers up and idle.
pub fn explain(plan: &Plan, frontend: FrontendId, supposed: &Supposed<'_>) -> Explained {
    let mut index = HeadIndex::default();
    let global = &plan.global;
    let limits = Limits { bytes: global.max_head_bytes, fields: global.max_headers };
    let request = match index.parse_request(supposed.head, &limits) {
        Ok(Some(request)) => request,
        Ok(None) => return malformed(Reject::BadRequest),
        Err(error) => return malformed(error.into()),
    };
    let parsed = Parsed { request, index: &index, bytes: supposed.head };
    let target = match check(&parsed) {
        Ok((_, target)) => target,
        Err(reject) => return malformed(reject),
    };
    let caller = Caller {
        source: supposed.source,
        told: Some(Rc::new(Told {
            destination: supposed.destination,
            authority: None,
            handshake_ms: Cell::new(0),
            tracked: None,
        })),
        tls: supposed.tls.clone().map(Arc::new),
    };
    let edits = Edits::default();
    let state = State::new(plan);
    let mut teller =
        Teller { plan, state: &state, parsed: &parsed, target, caller: &caller, edits, steps: Vec::new() };
    let fate = teller.tell(frontend);
    Explained { steps: teller.steps, fate, changes: changed(&teller.edits) }
}

struct Teller<'a> {
    plan: &'a Plan,
    state: &'a State,
    parsed: &'a Parsed<'a>,
    target: Target<'a>,
    caller: &'a Caller,
    edits: Edits,
    steps: Vec<Step>,
}

impl Teller<'_> {
    fn tell(&mut self, frontend: FrontendId) -> Fate {
        let plan = self.plan;
        let Some(front) = plan.frontends().get(usize::from(frontend.0)) else { return Fate::Nowhere };
        if let Some(fate) = self.ask(Place::Frontend(frontend), &front.http_request) {
            return fate;
        }
        if let Some(fate) = front.stats.as_deref().and_then(|stats| self.visit(frontend, stats)) {
            return fate;
        }
        let of_rules = self.route(frontend, front);
        let of_frontend = self.responses(Place::FrontendResponse(frontend), &front.http_response);
        let found = of_rules.or(front.default_backend);
        let Some((id, backend)) = found.and_then(|id| Some((id, plan.backends().get(usize::from(id.0))?)))
        else {
            return Fate::Nowhere;
        };
        if let Some(fate) = self.ask(Place::Backend(id), &backend.http_request) {
            return fate;
        }
        let of_backend = self.responses(Place::BackendResponse(id), &backend.http_response);
        self.steps.extend(of_backend.into_iter().chain(of_frontend));
        let key = key_of(&backend.balance, &Asking { given: self.given(), edits: &self.edits });
        let server = match self.state.assign(id, &Wish { key, ..Wish::default() }) {
            Outcome::Assigned(server) => Some(server),
            Outcome::Full(_) | Outcome::QueueFull(_) | Outcome::NoServer => None,
        };
        Fate::Forwarded { backend: id, by_default: of_rules.is_none(), key, server }
    }

    /// Asks rules one by one, and does what they say.
    fn ask(&mut self, place: Place, rules: &[Rule]) -> Option<Fate> {
        for (number, rule) in (1..).zip(rules) {
            let finding = self.look(|looked| rule.when.explain(looked));
            self.steps.push(Step { place, number, action: rule.action.to_string(), finding });
            // Nobody's: nothing is counted in it.
            let mut exchange = Exchange::default();
            let rule = std::slice::from_ref(rule);
            let Self { parsed, target, caller, edits, state, .. } = self;
            let given = Given { parsed, target, caller, state, scripting: None };
            if let Some(ours) = ask(rule, &mut exchange, given, edits) {
                return Some(Fate::Answered(ours.status()));
            }
        }
        None
    }

    /// Whether it is for the statistics page, and what it gets there.
    fn visit(&mut self, frontend: FrontendId, stats: &StatsPage) -> Option<Fate> {
        let visit = page::visit(stats, &Exchange::default(), self.given(), &self.edits);
        let asked = format!("path is {:?}", stats.uri);
        let finding = Finding { asked, found: None, holds: Some(visit.is_some()), parts: Vec::new() };
        let action = "answer with the statistics page".to_owned();
        self.steps.push(Step { place: Place::Stats(frontend), number: 1, action, finding });
        visit.map(|visit| Fate::Answered(Some(visit.turn.status())))
    }

    fn route(&mut self, id: FrontendId, frontend: &Frontend) -> Option<BackendId> {
        for (number, rule) in (1..).zip(frontend.routes.rules()) {
            let finding = self.look(|looked| rule.when.explain(looked));
            let to = self.look(|looked| frontend.routes.destination(rule, looked));
            let backend = to.and_then(|id| self.plan.backends().get(usize::from(id.0)));
            let action = match (&rule.to, backend) {
                (To::Mapped { key, .. }, None) => format!("use_backend by a map, which has none for {key}"),
                (To::Mapped { key, .. }, Some(backend)) => {
                    format!("use_backend {} by a map for {key}", backend.name)
                }
                (To::Backend(_), backend) => format!("use_backend {}", backend.map_or("?", |b| &b.name)),
            };
            let holds = finding.holds == Some(true) && to.is_some();
            self.steps.push(Step { place: Place::Route(id), number, action, finding });
            if holds {
                break;
            }
        }
        self.look(|looked| frontend.routes.backend(looked))
    }

    fn responses(&self, place: Place, rules: &ResponseRules) -> Vec<Step> {
        let step = |(number, rule): (usize, &ResponseRule)| {
            let finding = self.look(|looked| rule.when.explain(looked));
            Step { place, number, action: rule.action.to_string(), finding }
        };
        (1..).zip(rules.rules()).map(step).collect()
    }

    fn look<T>(&self, look: impl FnOnce(&Looked<'_, View<'_>>) -> T) -> T {
        look(&Looked::new(&View::of(self.given(), &self.edits)))
    }

    fn given(&self) -> Given<'_> {
        Given {
            parsed: self.parsed,
            target: &self.target,
            caller: self.caller,
            state: self.state,
            scripting: None,
        }
    }
}

fn malformed(reject: Reject) -> Explained {
    Explained { steps: Vec::new(), fate: Fate::Malformed(reject.status()), changes: Changed::default() }
}

fn changed(edits: &Edits) -> Changed {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let mut lines = Vec::new();
    edits.write(&mut lines);
    let lines = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    Changed {
        method: edits.method().map(text),
        target: edits.target().map(text),
        lines: lines.map(|line| text(line.trim_ascii_end())).collect(),
    }
}
