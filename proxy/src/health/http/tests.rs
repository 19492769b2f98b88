use super::*;
use crate::health::{CheckStatus, Verdict};
use crate::plan::{ErrorStatus, Expect, HeaderExpect, HttpExpect, Pattern, Says, TextMatch};

fn check(expect: Vec<Expect>) -> HttpCheck {
    HttpCheck {
        method: "GET".into(),
        uri: "/health".into(),
        version: HttpVersion::V1_0,
        headers: Vec::new(),
        body: Vec::new(),
        expect: expect.into_iter().map(Into::into).collect(),
    }
}

fn string(text: &str) -> Expect {
    Expect::String(text.as_bytes().to_vec())
}

fn not(expect: Expect) -> Expect {
    Expect::Not(Box::new(expect))
}

/// HAProxy's short name, with code and remark.
fn summary(result: &CheckResult) -> String {
    let code = result.code.map(|c| format!(" {c}")).unwrap_or_default();
    let info = result.info.as_ref().map(|i| format!(" {}", i.as_str())).unwrap_or_default();
    format!("{}{code}{info}", result.status.name())
}

/// Judges `response` and then the end of the connection, fed in pieces of `piece` bytes.
fn judge(check: &HttpCheck, response: &[u8], piece: usize) -> String {
    let mut evaluation = Evaluation::new(check);
    let judged = response.chunks(piece).find_map(|bytes| evaluation.feed(bytes));
    summary(&judged.unwrap_or_else(|| evaluation.end()))
}

#[test]
fn requests_are_exactly_what_is_configured() {
    let shorthand = check(Vec::new());
    assert_eq!(request(&shorthand, None), b"GET /health HTTP/1.0\r\n\r\n");
    let full = HttpCheck {
        method: "POST".into(),
        version: HttpVersion::V1_1,
        headers: vec![("Host".into(), "app.example".into()), ("X".into(), "1".into())],
        body: b"{}".to_vec(),
        ..check(Vec::new())
    };
    let expected = "POST /health HTTP/1.1\r\nHost: app.example\r\nX: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    assert_eq!(String::from_utf8(request(&full, None)).unwrap(), expected);
    let state = "UP; name=b/s";
    let told = String::from_utf8(request(&full, Some(state))).unwrap();
    assert_eq!(told, expected.replace("X: 1\r\n", "X: 1\r\nX-Haproxy-Server-State: UP; name=b/s\r\n"));
    let own =
        HttpCheck { headers: vec![("connection".into(), "keep-alive".into())], body: Vec::new(), ..full };
    assert_eq!(request(&own, None), b"POST /health HTTP/1.1\r\nconnection: keep-alive\r\n\r\n");
}

/// What it shows, what is expected, the response, the judgement.
type Case = (&'static str, Vec<Expect>, &'static str, &'static str);

fn check_all(cases: Vec<Case>) {
    for (name, expect, response, expected) in cases {
        let check = check(expect);
        for piece in [1, 2, 3, 7, 4096] {
            assert_eq!(
                judge(&check, response.as_bytes(), piece),
                expected,
                "{name}, {piece} bytes at a time"
            );
        }
    }
}

#[test]
fn heads_are_judged_as_haproxy_judges_them() {
    check_all(vec![
        ("2xx passes", vec![], "HTTP/1.0 200 OK\r\n\r\n", "L7OK 200"),
        ("3xx passes", vec![], "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "L7OK 302"),
        ("no reason", vec![], "HTTP/1.1 200\r\n\r\n", "L7OK 200"),
        ("bare LF", vec![], "HTTP/1.0 200 OK\n\n", "L7OK 200"),
        ("4xx fails", vec![], "HTTP/1.0 404 Not Found\r\n\r\n", "L7STS 404 Not Found"),
        ("5xx fails", vec![], "HTTP/1.0 500 Oops\r\n\r\n", "L7STS 500 Oops"),
        ("1xx comes before", vec![], "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", "L7OK 204"),
        (
            "1xx alone is no answer",
            vec![],
            "HTTP/1.1 103 Hints\r\n\r\n",
            "L7RSP connection closed without a response",
        ),
        ("switching is no 2xx", vec![], "HTTP/1.1 101 S\r\n\r\n", "L7STS 101 S"),
        ("head without end", vec![], "HTTP/1.0 200 OK\r\n", "L7RSP response head cut short"),
        ("line without end", vec![], "HTTP/1.0 200 OK", "L7RSP response head cut short"),
        ("nothing", vec![], "", "L7RSP connection closed without a response"),
        ("garbage", vec![], "garbage\r\n\r\n", "L7RSP response does not begin with HTTP/"),
        ("another protocol", vec![], "SSH-2.0-OpenSSH_9.2\r\n", "L7RSP response does not begin with HTTP/"),
        ("no code", vec![], "HTTP/1.1 \r\n\r\n", "L7RSP invalid status line"),
        ("code of four", vec![], "HTTP/1.1 2000 OK\r\n\r\n", "L7RSP invalid status line"),
        ("code below 100", vec![], "HTTP/1.1 099 OK\r\n\r\n", "L7RSP invalid status line"),
        ("long version", vec![], "HTTP/1.10 200 OK\r\n\r\n", "L7RSP invalid status line"),
        ("NUL in the reason", vec![], "HTTP/1.0 500 a\0\u{1b}\"b\r\n\r\n", "L7STS 500 a..'b"),
        (
            "bad length",
            vec![],
            "HTTP/1.0 200 OK\r\nContent-Length: 1x\r\n\r\n",
            "L7RSP invalid Content-Length",
        ),
        (
            "length overflow",
            vec![],
            "HTTP/1.0 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "L7RSP invalid Content-Length",
        ),
    ]);
}

#[test]
fn expectations_are_judged_as_haproxy_judges_them() {
    let status = |ranges: &[std::ops::RangeInclusive<u16>]| vec![Expect::Status(ranges.to_vec())];
    check_all(vec![
        ("status in range", status(&[200..=299, 401..=401]), "HTTP/1.0 401 No\r\n\r\n", "L7OK 401"),
        ("status out of range", status(&[200..=200, 204..=204]), "HTTP/1.0 201 C\r\n\r\n", "L7STS 201 C"),
        ("not a status", vec![not(Expect::Status(vec![500..=599]))], "HTTP/1.0 404 N\r\n\r\n", "L7OK 404"),
        (
            "not a status, but it is",
            vec![not(Expect::Status(vec![500..=599]))],
            "HTTP/1.0 503 N\r\n\r\n",
            "L7STS 503 N",
        ),
        ("text", vec![string("abc")], "HTTP/1.0 200 OK\r\n\r\nxabcx", "L7OK 200"),
        ("text on any status", vec![string("abc")], "HTTP/1.0 500 OK\r\n\r\nxabcx", "L7OK 500"),
        (
            "other text",
            vec![string("abc")],
            "HTTP/1.0 200 OK\r\n\r\nxabx",
            "L7RSP HTTP content check did not match",
        ),
        (
            "text of no body",
            vec![string("abc")],
            "HTTP/1.0 200 OK\r\n\r\n",
            "L7RSP HTTP content check could not find a response body",
        ),
        (
            "text in the head only",
            vec![string("abc")],
            "HTTP/1.0 200 abc\r\nX: abc\r\n\r\n-",
            "L7RSP HTTP content check did not match",
        ),
        ("not a text", vec![not(string("down"))], "HTTP/1.0 200 OK\r\n\r\nup", "L7OK 200"),
        (
            "not a text, but it is",
            vec![not(string("down"))],
            "HTTP/1.0 200 OK\r\n\r\ndown",
            "L7RSP HTTP check matched unwanted content",
        ),
        (
            "not a text of no body",
            vec![not(string("down"))],
            "HTTP/1.0 200 OK\r\n\r\n",
            "L7RSP HTTP content check could not find a response body",
        ),
        (
            "not a pattern of no body",
            vec![not(Expect::Regex(pattern("down")))],
            "HTTP/1.1 204 No\r\n\r\n",
            "L7RSP HTTP content check could not find a response body",
        ),
        (
            "a pattern that takes no body",
            vec![Expect::Regex(pattern("^"))],
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "L7RSP HTTP content check could not find a response body",
        ),
        ("not not", vec![not(not(string("up")))], "HTTP/1.0 200 OK\r\n\r\nup", "L7OK 200"),
        (
            "all must hold: first",
            vec![status(&[200..=200]).remove(0), string("up")],
            "HTTP/1.0 201 C\r\n\r\nup",
            "L7STS 201 C",
        ),
        (
            "all must hold: second",
            vec![status(&[200..=200]).remove(0), string("up")],
            "HTTP/1.0 200 C\r\n\r\n-",
            "L7RSP HTTP content check did not match",
        ),
        (
            "body ends with its length",
            vec![not(string("no"))],
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nyeno",
            "L7OK 200",
        ),
    ]);
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

fn header(name: TextMatch, value: Option<TextMatch>, full: bool) -> Vec<Expect> {
    vec![Expect::Header(HeaderExpect { name, value, full })]
}

#[test]
fn patterns_and_fields_are_judged() {
    let text = |t: &str| t.to_owned();
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nX-Tag: a, b\r\nX-Tag: c\r\nContent-Length: 9\r\n\r\nstatus=ok";
    let name = || TextMatch::Exact(text("x-tag"));
    let value = |v: &str| Some(TextMatch::Exact(text(v)));
    check_all(vec![
        ("rstatus", vec![Expect::StatusRegex(pattern("^2"))], page, "L7OK 200"),
        ("rstatus not", vec![Expect::StatusRegex(pattern("^[45]"))], page, "L7STS 200 OK"),
        ("rstring", vec![Expect::Regex(pattern("status=(ok|fine)$"))], page, "L7OK 200"),
        ("rstring not", vec![Expect::Regex(pattern("^ok"))], page, "L7RSP HTTP content check did not match"),
        (
            "no rstring",
            vec![not(Expect::Regex(pattern("o.")))],
            page,
            "L7RSP HTTP check matched unwanted content",
        ),
        ("a field of any value", header(name(), None, false), page, "L7OK 200"),
        ("no such field", header(TextMatch::Exact(text("X-Ta")), None, false), page, "L7STS 200 OK"),
        ("a value in a list", header(name(), value("b"), false), page, "L7OK 200"),
        ("a value in a later field", header(name(), value("c"), false), page, "L7OK 200"),
        ("no list when taken whole", header(name(), value("b"), true), page, "L7STS 200 OK"),
        ("whole", header(name(), value("a, b"), true), page, "L7OK 200"),
        ("values have case", header(name(), value("B"), false), page, "L7STS 200 OK"),
        (
            "beginnings",
            header(TextMatch::Begins(text("CONTENT-T")), Some(TextMatch::Begins(text("text/"))), true),
            page,
            "L7OK 200",
        ),
        (
            "ends",
            header(TextMatch::Ends(text("-type")), Some(TextMatch::Ends(text("utf-8"))), true),
            page,
            "L7OK 200",
        ),
        (
            "parts",
            header(TextMatch::Contains(text("nt-ty")), Some(TextMatch::Contains(text("html"))), true),
            page,
            "L7OK 200",
        ),
        (
            "patterns",
            header(TextMatch::Regex(pattern("^X-")), Some(TextMatch::Regex(pattern("^[cd]$"))), false),
            page,
            "L7OK 200",
        ),
    ]);
}

#[test]
fn operators_words_replace_the_usual_ones() {
    let says = Says {
        on_success: Some("fine".into()),
        on_error: Some("broken".into()),
        error_status: Some(ErrorStatus::L6Response),
        ..Says::default()
    };
    let expect = HttpExpect { says, comment: Some("why".into()), ..Expect::Status(vec![200..=200]).into() };
    let check = HttpCheck { expect: vec![expect], ..check(Vec::new()) };
    assert_eq!(judge(&check, b"HTTP/1.0 200 OK\r\n\r\n", 5), "L7OK 200 fine");
    assert_eq!(judge(&check, b"HTTP/1.0 500 No\r\n\r\n", 5), "L6RSP broken comment: why");
}

#[test]
fn a_404_can_mean_that_a_server_wants_no_more() {
    for (expect, status, judged) in [
        (vec![], "404 Not Found", "L7OKC 404"),
        (vec![Expect::Status(vec![200..=200])], "404 Not Found", "L7OKC 404"),
        (vec![string("here")], "404 Not Found", "L7OKC 404"),
        (vec![], "410 Gone", "L7STS 410 Gone"),
        (vec![], "200 OK", "L7OK 200"),
    ] {
        let check = check(expect);
        let mut evaluation = Evaluation::new(&check).taking_404(On404::Stop);
        let response = format!("HTTP/1.0 {status}\r\n\r\n");
        assert_eq!(summary(&evaluation.feed(response.as_bytes()).unwrap()), judged);
    }
}

#[test]
fn chunked_bodies_are_decoded() {
    check_all(vec![
        (
            "text over a chunk border",
            vec![string("status:ok")],
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7;x=y\r\nstatus:\r\n0002\r\nok\r\n0\r\nT: 1\r\n\r\n",
            "L7OK 200",
        ),
        (
            "malformed chunk",
            vec![string("ok")],
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "L7RSP invalid chunk in the body",
        ),
        (
            "chunk size overflow",
            vec![string("ok")],
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
            "L7RSP invalid chunk in the body",
        ),
        (
            "malformed chunk after all is settled",
            vec![string("ok")],
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n",
            "L7OK 200",
        ),
    ]);
}

#[test]
fn bodyless_responses_end_with_their_head() {
    let head = HttpCheck { method: "HEAD".into(), ..check(vec![not(string("x"))]) };
    let mut evaluation = Evaluation::new(&head);
    let result = evaluation.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let nothing = "L7RSP HTTP content check could not find a response body";
    assert_eq!(result.as_ref().map(summary).as_deref(), Some(nothing), "judged without waiting");
}

#[test]
fn judgement_does_not_wait_for_what_cannot_change_it() {
    let feed = |expect, response: &str| {
        let check = check(expect);
        Evaluation::new(&check).feed(response.as_bytes()).as_ref().map(summary)
    };
    let open = "HTTP/1.1 200 OK\r\n\r\nstill ";
    assert_eq!(feed(vec![], open).as_deref(), Some("L7OK 200"));
    assert_eq!(feed(vec![string("till")], open).as_deref(), Some("L7OK 200"));
    assert_eq!(
        feed(vec![not(string("till"))], open).as_deref(),
        Some("L7RSP HTTP check matched unwanted content")
    );
    assert_eq!(
        feed(vec![Expect::Status(vec![201..=201]), string("x")], open).as_deref(),
        Some("L7STS 200 OK")
    );
    let regex = |text: &str| Expect::Regex(pattern(text));
    assert_eq!(feed(vec![regex("^st.ll")], open).as_deref(), Some("L7OK 200"));
    assert_eq!(
        feed(vec![not(regex("^st.ll"))], open).as_deref(),
        Some("L7RSP HTTP check matched unwanted content")
    );
    assert_eq!(feed(vec![regex("still $")], open), None, "it may not be the end");
    assert_eq!(feed(vec![regex(r"still\b")], open), None, "nor of a word");
    assert_eq!(feed(vec![regex("")], "HTTP/1.1 200 OK\r\n\r\n"), None, "there is no body yet");
    assert_eq!(feed(vec![string("more")], open), None);
    assert_eq!(feed(vec![not(string("more"))], open), None);
    assert_eq!(feed(vec![string("x"), Expect::Status(vec![201..=201])], open), None, "in order");
}

/// A response without end is judged, one way or the other, within the bounds.
#[test]
fn endless_responses_are_cut_off() {
    let endless = |start: &str, filler: &[u8], expect: Vec<Expect>| {
        let check = check(expect);
        let mut evaluation = Evaluation::new(&check);
        let mut fed = start.len();
        let mut result = evaluation.feed(start.as_bytes());
        while result.is_none() {
            assert!(fed < HEAD_BYTES + RAW_BODY_BYTES + 1024, "still reading after {fed} bytes");
            fed += filler.len();
            result = evaluation.feed(filler);
        }
        summary(&result.unwrap())
    };
    let large = "L7RSP response head too large";
    assert_eq!(endless("HTTP/1.0 200 ", b"AAAAAAAA", vec![]), large, "status line");
    assert_eq!(endless("HTTP/1.0 200 OK\r\nX: ", b"\0", vec![]), large, "one field");
    assert_eq!(endless("HTTP/1.0 200 OK\r\n", b"X: y\r\n", vec![]), large, "many fields");
    assert_eq!(endless("HTTP/1.1 1", b"00 C\r\n\r\nHTTP/1.1 1", vec![]), large, "interim responses");
    assert_eq!(
        endless("HTTP/1.0 200 OK\r\n\r\n", b"AAA", vec![string("b")]),
        "L7RSP HTTP content check did not match"
    );
    assert_eq!(endless("HTTP/1.0 200 OK\r\n\r\n", b"AAA", vec![not(string("b"))]), "L7OK 200");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(endless(chunked, b"1\r\na\r\n", vec![not(string("b"))]), "L7OK 200");
    let extended = chunked.to_owned() + "1;x=";
    let nothing = "L7RSP HTTP content check could not find a response body";
    assert_eq!(endless(&extended, b"yyyyyy", vec![string("b")]), nothing, "one chunk extension");
    let beyond = "HTTP/1.0 200 OK\r\n\r\n".to_owned() + &"A".repeat(BODY_BYTES) + "b";
    assert_eq!(
        judge(&check(vec![string("b")]), beyond.as_bytes(), 1000),
        "L7RSP HTTP content check did not match"
    );
    let whole = "HTTP/1.0 200 OK\r\nX: ".to_owned() + &"A".repeat(HEAD_BYTES) + "\r\n\r\n";
    assert_eq!(judge(&check(vec![]), whole.as_bytes(), whole.len()), large, "a long head at once");
}

proptest::proptest! {
    /// No response makes the evaluation panic, and how it is cut into pieces does not matter.
    #[test]
    fn any_bytes_are_judged_alike_in_any_pieces(
        noise in proptest::collection::vec(proptest::sample::select(&b"HTP/1.0 2\r\n:;abcdef\0chunked"[..]), 0..200),
        head in proptest::sample::select(vec![
            "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        ]),
        piece in 1usize..50,
    ) {
        let check = check(vec![not(string("a:")), Expect::Status(vec![200..=200])]);
        let response = [head.as_bytes(), &noise].concat();
        let whole = judge(&check, &response, response.len().max(1));
        let pieces = judge(&check, &response, piece);
        proptest::prop_assert_eq!(whole, pieces);
    }
}

#[test]
fn outcomes_have_haproxys_names() {
    for status in CheckStatus::ALL {
        assert_eq!(CheckStatus::named(status.name()), Some(status));
        let passes = status.name().ends_with("OK") || status.name() == "L7OKC";
        let inconclusive = ["UNK", "INI", "CHECKED", "SOCKERR"].contains(&status.name());
        let expected = match (passes, inconclusive) {
            (true, _) => Verdict::Pass,
            (false, true) => Verdict::Inconclusive,
            (false, false) => Verdict::Fail,
        };
        assert_eq!(status.verdict(), expected, "{}", status.name());
    }
}
