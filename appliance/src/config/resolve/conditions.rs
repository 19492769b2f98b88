//! Names of matchers looked up, in the frontend first, then at the top of the file, then among those that are always there.

use std::collections::BTreeMap;

use evenkeel_proxy::rules::{How, Matcher, Network, Test, Texts};

use super::profiles::undefined;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{Condition, NamedCondition};
use crate::config::model::When;
use crate::config::read::{Reader, shown};
use crate::config::source::{Span, Spanned};

/// Matchers that have a name. Those of a frontend lie over those of the file.
#[derive(Debug, Default)]
pub(super) struct Matchers<'a> {
    outer: Option<&'a Self>,
    /// `None`: what it says has been reported.
    known: BTreeMap<&'a str, Option<When>>,
}

/// Matchers being looked up, one for the other.
struct Looking<'a> {
    named: BTreeMap<&'a str, &'a Condition>,
    matchers: Matchers<'a>,
    underway: Vec<&'a str>,
}

impl<'a> Matchers<'a> {
    /// Looks up what is in `named`, and reports what is not there.
    pub(super) fn new(cx: &mut Reader<'_>, named: &'a [NamedCondition], outer: Option<&'a Self>) -> Self {
        let by_name = named.iter().map(|(name, condition)| (name.value.as_str(), condition)).collect();
        let matchers = Matchers { outer, known: BTreeMap::new() };
        let mut looking = Looking { named: by_name, matchers, underway: Vec::new() };
        for (name, _) in named {
            looking.define(cx, &name.value, name.span);
        }
        looking.matchers
    }

    /// A condition with all names looked up. `None`: what is wrong has been reported.
    pub(super) fn resolve(&self, cx: &mut Reader<'_>, condition: &Condition, at: Span) -> Option<When> {
        resolve(cx, condition, at, &mut |cx, name| self.find(cx, name))
    }

    fn find(&self, cx: &mut Reader<'_>, name: &Spanned<String>) -> Option<When> {
        if let Some(known) = self.known.get(name.value.as_str()) {
            return known.clone();
        }
        if let Some(outer) = self.outer {
            // What is not there is reported with all names that are.
            return if outer.has(&name.value) { outer.find(cx, name) } else { self.report(cx, name) };
        }
        predefined(&name.value).map(When::Request).or_else(|| self.report(cx, name))
    }

    fn has(&self, name: &str) -> bool {
        let there = self.known.contains_key(name) || self.outer.is_some_and(|o| o.has(name));
        there || predefined(name).is_some()
    }

    fn report(&self, cx: &mut Reader<'_>, name: &Spanned<String>) -> Option<When> {
        let outer = self.outer.into_iter().flat_map(|o| o.known.keys());
        let there = self.known.keys().chain(outer).copied().chain(ALWAYS);
        cx.push(undefined("matcher", name, there));
        None
    }
}

impl<'a> Looking<'a> {
    /// Looks up what a matcher says. What is reported of it is reported once, where it stands.
    fn define(&mut self, cx: &mut Reader<'_>, name: &'a str, at: Span) -> Option<When> {
        if let Some(known) = self.matchers.known.get(name) {
            return known.clone();
        }
        let condition = *self.named.get(name)?;
        self.underway.push(name);
        let when = resolve(cx, condition, at, &mut |cx, other| self.look_up(cx, other));
        self.underway.pop();
        self.matchers.known.insert(name, when.clone());
        when
    }

    fn look_up(&mut self, cx: &mut Reader<'_>, name: &Spanned<String>) -> Option<When> {
        let Some((own, _)) = self.named.get_key_value(name.value.as_str()) else {
            return match self.matchers.outer {
                Some(outer) if outer.has(&name.value) => outer.find(cx, name),
                _ => self.missing(cx, name),
            };
        };
        if self.underway.contains(own) {
            let message = format!("matcher {} refers to itself", shown(&name.value));
            cx.push(Diagnostic::error(Code::BadCombination, name.span, message));
            return None;
        }
        self.define(cx, own, name.span)
    }

    fn missing(&self, cx: &mut Reader<'_>, name: &Spanned<String>) -> Option<When> {
        if let Some(always) = predefined(&name.value) {
            return Some(When::Request(always));
        }
        let outer = self.matchers.outer.into_iter().flat_map(|o| o.known.keys());
        let there = self.named.keys().chain(outer).copied().chain(ALWAYS);
        cx.push(undefined("matcher", name, there));
        None
    }
}

/// Looks names up and puts together what they stand for.
fn resolve<'e>(
    cx: &mut Reader<'e>,
    condition: &Condition,
    at: Span,
    find: &mut dyn FnMut(&mut Reader<'e>, &Spanned<String>) -> Option<When>,
) -> Option<When> {
    let mut all = |cx: &mut Reader<'e>, parts: &[Condition]| -> Option<Vec<When>> {
        let read: Vec<_> = parts.iter().map(|part| resolve(cx, part, at, find)).collect();
        read.into_iter().collect()
    };
    match condition {
        Condition::Named(name) => find(cx, name),
        Condition::Test(test) => Some(When::Request(Matcher::Test(test.clone()))),
        Condition::Hello(hello) => Some(When::Hello(hello.clone())),
        Condition::Not(part) => {
            let part = all(cx, std::slice::from_ref(&**part))?;
            let part = of_requests(cx, part, at)?.pop()?;
            Some(When::Request(Matcher::Not(Box::new(part))))
        }
        Condition::All(parts) => {
            let mut parts = all(cx, parts)?;
            if parts.len() == 1 {
                return parts.pop();
            }
            of_requests(cx, parts, at).map(|parts| When::Request(Matcher::All(parts)))
        }
        Condition::Any(parts) => {
            let parts = all(cx, parts)?;
            of_requests(cx, parts, at).map(|parts| When::Request(Matcher::Any(parts)))
        }
    }
}

/// Refuses to combine what looks at TLS that is passed on.
fn of_requests(cx: &mut Reader<'_>, parts: Vec<When>, at: Span) -> Option<Vec<Matcher>> {
    let mut matchers = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            When::Request(matcher) => matchers.push(matcher),
            When::Hello(_) => {
                let message = "what looks at TLS that is passed on (`req_…`) cannot be combined";
                cx.push(
                    Diagnostic::error(Code::BadCombination, at, message)
                        .help("several rules of `use_backend`"),
                );
                return None;
            }
        }
    }
    Some(matchers)
}

/// Matchers that are always there, by HAProxy's names.
fn predefined(name: &str) -> Option<Matcher> {
    let methods = |methods: &[&str]| {
        let methods = methods.iter().map(|&m| m.into()).collect();
        Texts::new(How::Exact, false, methods).ok().map(|texts| Matcher::Test(Test::Method(texts)))
    };
    match name {
        "TRUE" => Some(Matcher::All(Vec::new())),
        "FALSE" => Some(Matcher::Any(Vec::new())),
        "LOCALHOST" => {
            let local = [([127, 0, 0, 0].into(), 8), (std::net::Ipv6Addr::LOCALHOST.into(), 128)];
            let networks = local.into_iter().map(|(address, prefix)| Network { address, prefix });
            Some(Matcher::Test(Test::Source(networks.collect())))
        }
        "METH_GET" => methods(&["GET", "HEAD"]),
        _ => {
            let method = name.strip_prefix("METH_").filter(|_| ALWAYS.contains(&name))?;
            methods(&[method])
        }
    }
}

const ALWAYS: [&str; 10] = [
    "TRUE",
    "FALSE",
    "LOCALHOST",
    "METH_GET",
    "METH_HEAD",
    "METH_POST",
    "METH_PUT",
    "METH_DELETE",
    "METH_OPTIONS",
    "METH_TRACE",
];
