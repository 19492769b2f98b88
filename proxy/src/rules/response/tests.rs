use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::rules::{Change, FunctionId, How, Value};
use crate::tls::SessionFacts;

/// A request for a path.
struct For(&'static str);

impl Request for For {
    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn target(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn authority(&self) -> &[u8] {
        b"www.example"
    }

    fn fields(&self, _name: &str, _look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn source(&self) -> IpAddr {
        [192, 0, 2, 1].into()
    }

    fn destination(&self) -> Option<SocketAddr> {
        None
    }

    fn tls(&self) -> Option<&SessionFacts> {
        None
    }
}

/// A response with a status and fields.
struct With(u16, &'static [(&'static str, &'static str)]);

impl Fields for With {
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8])) {
        self.1.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).for_each(|(_, v)| look(v.as_bytes()));
    }

    fn all(&self, look: &mut dyn FnMut(&[u8], &[u8])) {
        self.1.iter().for_each(|(name, value)| look(name.as_bytes(), value.as_bytes()));
    }
}

impl Response for With {
    fn status(&self) -> u16 {
        self.0
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        (name == "of_request").then_some(b"kept")
    }

    fn variables(&self) -> Variables {
        let mut variables = Variables::default();
        variables.set("of_request", b"kept"[..].into());
        variables
    }
}

fn path(path: &str) -> Matcher {
    Matcher::Test(Test::Path(Texts::new(How::Exact, false, vec![path.into()]).unwrap()))
}

fn is(answered: Answered) -> Matcher {
    Matcher::Test(Test::Response(answered))
}

fn status(least: u64, most: u64) -> Matcher {
    is(Answered::Status(vec![Range { least, most }]))
}

fn set(name: &str, value: &str) -> ResponseAction {
    ResponseAction::Edit(Edit::Set(name.into(), Template::parse_of_response(value).unwrap()))
}

fn rule(when: Matcher, action: ResponseAction) -> ResponseRule {
    ResponseRule { when, action }
}

/// Whether a condition holds for a request and its response.
fn holds(when: Matcher, target: &'static str, response: &With) -> bool {
    let rules = ResponseRules::new(vec![rule(when, ResponseAction::Deny(502))]);
    let holding = rules.holding(&Looked::new(&For(target)));
    rules.edits(holding, response, &mut NoScripts).is_err()
}

#[test]
fn conditions_look_at_both_sides() {
    let texts = |how, text: &str| Texts::new(how, false, vec![text.into()]).unwrap();
    let header = |how, text: &str| is(Answered::Header("Via".into(), texts(how, text)));
    let count = |least, most| is(Answered::HeaderCount("via".into(), Range { least, most }));
    let via = With(404, &[("Via", "a, b"), ("via", "c")]);
    for (when, of_page, of_other) in [
        (status(404, 404), true, true),
        (status(400, 403), false, false),
        (
            is(Answered::Status(vec![Range { least: 200, most: 299 }, Range { least: 404, most: 404 }])),
            true,
            true,
        ),
        (Matcher::All(vec![path("/page"), status(400, 499)]), true, false),
        (Matcher::Any(vec![path("/page"), status(500, 599)]), true, false),
        (Matcher::All(vec![Matcher::Not(path("/page").into()), status(400, 499)]), false, true),
        (Matcher::Not(Matcher::All(vec![path("/page"), status(400, 499)]).into()), false, true),
        (Matcher::Not(Matcher::Any(vec![path("/page"), status(500, 599)]).into()), false, true),
        (header(How::Exact, "b"), true, true),
        (header(How::Exact, "a, b"), false, false),
        (header(How::Substring, "c"), true, true),
        (is(Answered::HasHeader("VIA".into())), true, true),
        (is(Answered::HasHeader("Server".into())), false, false),
        (count(3, 3), true, true),
        (count(4, u64::MAX), false, false),
        (Matcher::All(Vec::new()), true, true),
        (Matcher::Any(Vec::new()), false, false),
    ] {
        let found = (holds(when.clone(), "/page", &via), holds(when.clone(), "/", &via));
        assert_eq!(found, (of_page, of_other), "{when:?}");
    }
}

#[test]
fn rules_see_what_those_before_them_have_left() {
    let variable = Edit::Variable(
        "seen".into(),
        Value::Text(Template::parse_of_response("${status} ${res_hdr(A)}").unwrap()),
    );
    let rules = ResponseRules::new(vec![
        rule(status(500, 500), ResponseAction::SetStatus(429)),
        rule(status(429, 429), set("A", "two")),
        rule(Matcher::All(Vec::new()), ResponseAction::Edit(variable)),
        rule(Matcher::All(Vec::new()), set("B", "${var(seen)}, ${var(of_request)}")),
        rule(status(500, 500), set("C", "never")),
    ]);
    let edits = rules.edits(0, &With(500, &[("A", "one")]), &mut NoScripts).unwrap();
    assert_eq!(edits.status(), Some(429));
    let mut lines = Vec::new();
    edits.write(&mut lines);
    assert_eq!(lines, b"A: two\r\nB: 429 two, kept\r\n");
    let edits = rules.edits(0, &With(200, &[("A", "one")]), &mut NoScripts).unwrap();
    assert_eq!((edits.status(), edits.variable("seen")), (None, Some(&b"200 one"[..])));
}

#[test]
fn what_is_the_same_for_all_is_made_once() {
    let always = || Matcher::All(Vec::new());
    let fixed = ResponseRules::new(vec![rule(always(), set("A", "b"))]);
    let mut expected = Edits::default();
    expected.apply(Change::Fields("A", vec![b"b".to_vec()]));
    assert!(
        matches!(fixed.edits(0, &With(200, &[]), &mut NoScripts), Ok(Cow::Borrowed(edits)) if *edits == expected)
    );
    for other in [set("A", "${status}"), ResponseAction::SetStatus(404), ResponseAction::Deny(502)] {
        let rules = ResponseRules::new(vec![rule(always(), set("A", "b")), rule(always(), other)]);
        assert!(rules.fixed.is_none());
    }
}

#[test]
fn equal_conditions_on_requests_are_asked_once() {
    let both = || Matcher::All(vec![path("/a"), status(404, 404), path("/b")]);
    let rules: Vec<_> = [path("/a"), both(), both(), path("/b"), status(200, 200), Matcher::All(Vec::new())]
        .map(|when| rule(when, ResponseAction::Deny(502)))
        .into();
    assert_eq!(ResponseRules::conditions(&rules), 2);
}

/// A script that unsets a variable of the request, sets another, and stops.
struct Setting;

impl Scripts for Setting {
    type Refusal = ();

    fn act<R: Response>(&mut self, _: &Call, response: &Edited<'_, R>) -> Result<Acted, ()> {
        if response.variable("of_request").is_none() {
            return Err(());
        }
        let mut edits = response.edits.clone();
        edits.apply(Change::NoVariable("of_request"));
        edits.apply(Change::Variable("own", b"new"[..].into()));
        Ok(Acted { edits, stops: false })
    }
}

#[test]
fn what_scripts_unset_stays_unset() {
    let call = Call::parse("act", &|_| Some(FunctionId(0))).unwrap();
    let always = || Matcher::All(Vec::new());
    let text = Edit::Set("X".into(), Template::parse("[${var(of_request)}${var(own)}]").unwrap());
    let lua = || rule(always(), ResponseAction::Lua(call.clone()));
    let rules = ResponseRules::new(vec![lua(), rule(always(), ResponseAction::Edit(text))]);
    let response = With(200, &[]);
    let edits = rules.edits(0, &response, &mut Setting).unwrap();
    assert_eq!(edits.added("x").collect::<Vec<_>>(), [b"[new]"]);
    let left = Edited { response: &response, edits: &edits };
    assert_eq!(
        (left.variables().value("of_request"), left.variables().value("own")),
        (None, Some(&b"new"[..]))
    );
    let twice = ResponseRules::new(vec![lua(), lua()]);
    assert_eq!(twice.edits(0, &response, &mut Setting), Err(Instead::Refused(())));
}
