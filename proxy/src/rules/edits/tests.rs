use super::fixture::Fixed;
use super::*;

fn text(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn by(expression: &str, with: &str) -> Replacement {
    Replacement::new(expression, false, with).unwrap()
}

/// What changes come to, one after the other: names that are gone, and the lines that are added.
fn made(edits: &[Edit]) -> (Vec<String>, String) {
    let mut all = Edits::default();
    edits.iter().for_each(|edit| all.apply(edit.change(&Fixed)));
    let mut lines = Vec::new();
    all.write(&mut lines);
    let gone = ["X-A", "Cookie", "X-New"].into_iter().filter(|name| all.is_gone(name.as_bytes()));
    (gone.map(str::to_owned).collect(), String::from_utf8(lines).unwrap())
}

#[test]
fn fields_change() {
    for (edits, gone, lines) in [
        (vec![Edit::Set("X-New".into(), text("1"))], vec!["X-New"], "X-New: 1\r\n"),
        (vec![Edit::Add("X-New".into(), text("1"))], vec![], "X-New: 1\r\n"),
        (
            vec![Edit::Add("x-new".into(), text("1")), Edit::Set("X-New".into(), text("2"))],
            vec!["X-New"],
            "X-New: 2\r\n",
        ),
        (vec![Edit::Add("X-A".into(), text("1")), Edit::Del("x-a".into())], vec!["X-A"], ""),
        (vec![Edit::Replace("X-B".into(), by(".*", "no"))], vec![], ""),
        (vec![Edit::Replace("X-A".into(), by("four", "no"))], vec![], ""),
        (
            vec![Edit::Replace("X-A".into(), by("^(t.*)$", r"<\1>"))],
            vec!["X-A"],
            "X-A: one, two\r\nX-A: <three>\r\n",
        ),
        (
            vec![Edit::ReplaceElements("X-A".into(), by("^(t.*)$", r"<\1>"))],
            vec!["X-A"],
            "X-A: one, <two>\r\nX-A: <three>\r\n",
        ),
        (
            vec![Edit::Replace("cookie".into(), by(r"^a=(\d); (.*)", r" \2 \\\0 "))],
            vec!["Cookie"],
            "cookie: b=2 \\a=1; b=2\r\n",
        ),
    ] {
        assert_eq!(
            made(&edits),
            (gone.into_iter().map(str::to_owned).collect(), lines.to_owned()),
            "{edits:?}"
        );
    }
}

#[test]
fn request_lines_change() {
    let mut all = Edits::default();
    assert_eq!((all.method(), all.target()), (None, None));
    all.apply(Edit::Line(LineEdit::Method("PUT".into())).change(&Fixed));
    all.apply(Edit::Line(LineEdit::Path(text("/x"))).change(&Fixed));
    assert_eq!((all.method(), all.target()), (Some(&b"PUT"[..]), Some(&b"/x?c=d"[..])));
}

#[test]
fn variables_are_set() {
    let mapped = |key: &str, default: Option<&str>| Value::Mapped {
        map: MapId(0),
        key: text(key),
        default: default.map(Into::into),
    };
    let mut all = Edits::default();
    for (name, value, expected) in [
        ("a", Value::Text(text("1")), Some("1")),
        ("a", Value::Text(text("")), Some("")),
        ("b", mapped("known", None), Some("value")),
        ("b", mapped("unknown", None), Some("value")),
        ("c", mapped("unknown", None), None),
        ("c", mapped("unknown", Some("none")), Some("none")),
    ] {
        all.apply(Edit::Variable(name.into(), value).change(&Fixed));
        assert_eq!(all.variable(name), expected.map(str::as_bytes), "{name}");
    }
    let variables = all.variables();
    assert_eq!((variables.value("a"), variables.value("d")), (Some(&b""[..]), None));
}

#[test]
fn groups_are_those_of_the_expression() {
    for (expression, with, error) in [
        ("(a", "x", Some("is no regular expression: unclosed group")),
        ("(a)", r"\2", Some(r"has `\2`, and the expression has no such group")),
        ("(a)", "${b}", Some("has no variable `b` to be filled in")),
        ("(a)", r"\0\1\\$$", None),
        ("(a)", r"\x", Some(r"has a `\` that is neither a group (`\1`) nor `\\`")),
    ] {
        let found = Replacement::new(expression, false, with).map_err(|e| e.to_string());
        assert_eq!(found.err().as_deref(), error, "{expression} {with}");
    }
}
