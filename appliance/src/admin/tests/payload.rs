//! Commands with lines of their own.

use super::{Bench, Level};

const MAP: &str = "[map.hosts]\nentries = { \"a.example\" = \"one\" }\n";

/// As HAProxy does it, but for what it says of a payload that has no end: nothing.
#[test]
fn a_payload_goes_on_to_its_end() {
    let mut bench = Bench::with(Level::Admin, MAP);
    for (line, answer) in [
        ("add map hosts <<", ""),
        ("b.example  two words", ""),
        ("  c.example\tthree\r\n", ""),
        ("\r\n", "\n"),
        ("show map hosts", "0x0 a.example one\n0x1 b.example two words\n0x2 c.example three\n\n"),
        ("show version; add map #0 <<END", ""),
        ("d.example four", ""),
        ("", ""),
        ("END", "1.2.3\n\nMissing value for key ''.\n\n"),
        (
            "get map hosts d.example",
            "type=str, case=sensitive, found=yes, key=\"d.example\", value=\"four\", type=\"str\"\n\n",
        ),
        ("add map hosts <<", ""),
        ("e.example", ""),
        ("", "Missing value for key 'e.example'.\n\n"),
        ("add map nope <<", ""),
        ("a b", ""),
        ("", "Unknown map identifier. Please use #<id> or <file>.\n\n"),
        ("add map hosts k v <<", ""),
        ("", "'add map' expects a map identifier before a payload, and nothing else.\n\n"),
        ("prepare map hosts", "New version created: 1\n\n"),
        ("add map @1 hosts <<", ""),
        ("z.example nine", ""),
        ("", "\n"),
        ("commit map @1 hosts", "\n"),
        ("show map hosts", "0x0 z.example nine\n\n"),
        ("show version <<", ""),
        ("whatever", ""),
        ("", "1.2.3\n\n"),
        ("add map hosts a.example \\<<", "\n"),
        ("show map hosts", "0x0 z.example nine\n0x1 a.example <<\n\n"),
    ] {
        assert_eq!(bench.say(line), answer, "{line}");
    }
    assert_eq!(bench.session.handle_end(), None);
}

#[test]
fn a_prompt_says_that_more_is_expected() {
    let mut bench = Bench::with(Level::Admin, MAP);
    for (line, answer) in
        [("prompt", "\n> "), ("add map hosts <<", "+ "), ("b.example two", "+ "), ("", "\n> "), ("quit", "")]
    {
        assert_eq!(bench.say(line), answer, "{line}");
    }
}

#[test]
fn what_has_no_end_or_is_too_large_does_nothing() {
    let mut bench = Bench::with(Level::Admin, MAP);
    bench.say("add map hosts <<");
    bench.say("b.example two");
    let end = bench.session.handle_end().expect("something to say");
    assert_eq!(end.text, "The payload has no end: an empty line is expected. Nothing was done.\n\n");
    assert!(end.close);
    bench.say("add map hosts <<EOF");
    let end = bench.session.handle_end().expect("something to say");
    assert_eq!(end.text, "The payload has no end: a line `EOF` is expected. Nothing was done.\n\n");
    bench.say("add map hosts <<");
    let line = format!("k {}", "x".repeat(1 << 16));
    let refusal = (0..20).map(|_| bench.session.handle_line(&bench.sight, &line)).find(|answer| answer.close);
    let refusal = refusal.expect("a bound");
    assert_eq!(refusal.text, "The payload is larger than 1024 KiB. Nothing was done.\n\n");
    assert_eq!(bench.say("show map hosts"), "0x0 a.example one\n\n");
}

/// Nothing of a payload is taken for a command, and nobody may more by it.
#[test]
fn who_may_not_may_not_with_a_payload() {
    let mut bench = Bench::with(Level::Operator, MAP);
    bench.say("add map hosts <<");
    assert_eq!(bench.say("show version"), "");
    assert_eq!(bench.say(""), "Permission denied\n\n");
}
