//! Answers to health checks, of every kind: no panic, an end within bounds, and a verdict that does not depend on how
//! the bytes arrive.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use evenkeel_proxy::health::Verdict;
use evenkeel_proxy::health::agent::AgentLine;
use evenkeel_proxy::health::run::{Limits, Run, Want};
use evenkeel_proxy::plan::{
    Action, ByteExpect, ByteMatch, Expect, HeaderExpect, HttpCheck, HttpVersion, MysqlCheck, Pattern,
    Protocol, Says, Script, TextMatch,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((step, answer)) = bytes.split_first() else { return };
    let step = usize::from(*step) + 1;
    AgentLine::parse(answer);
    for script in INDEPENDENT.iter() {
        let whole = judge(script, answer, answer.len().max(1));
        let cut = judge(script, answer, step);
        assert_eq!(whole, cut, "{script:?} cut into pieces of {step}");
    }
    // What these find depends on how much has come: an absence is decided early, an end may not be the end.
    for script in DEPENDENT.iter() {
        judge(script, answer, step);
    }
});

static INDEPENDENT: LazyLock<Vec<Script>> = LazyLock::new(independent);
static DEPENDENT: LazyLock<Vec<Script>> = LazyLock::new(dependent);

/// Whose verdict does not depend on how an answer is cut.
fn independent() -> Vec<Script> {
    vec![
        http(vec![]),
        http(vec![Expect::Status(vec![200..=299])]),
        http(vec![Expect::String(b"ok".to_vec())]),
        http(vec![Expect::Header(HeaderExpect {
            name: TextMatch::Begins("x-".into()),
            value: Some(TextMatch::Exact("up".into())),
            full: false,
        })]),
        http(vec![Expect::StatusRegex(pattern("^[23]"))]),
        http(vec![Expect::Regex(pattern("o+k|up")), Expect::Status(vec![200..=200])]),
        http(vec![Expect::Regex(pattern("ok\r?\n?$"))]),
        http(vec![Expect::Not(Box::new(Expect::String(b"down".to_vec())))]),
        http(vec![Expect::Not(Box::new(Expect::Regex(pattern("(?i)err(or)?"))))]),
        expect(ByteMatch::Contains(b"+PONG".to_vec())),
        expect(ByteMatch::Binary(vec![0, 0xff])),
        expect(ByteMatch::Regex(pattern("(?m)^2[0-9]{2} "))),
        expect(ByteMatch::BinaryRegex(pattern("0A0D?"))),
        script(Action::Expect(ByteExpect { negate: true, ..bytes(ByteMatch::Contains(b"ERR".to_vec())) })),
        protocol(Protocol::Agent { send: b"hello\n".to_vec() }),
        protocol(Protocol::Mysql(MysqlCheck { user: Some("u".into()), login: None })),
        protocol(Protocol::Redis),
        protocol(Protocol::Pgsql { user: "u".into() }),
        protocol(Protocol::Smtp { hello: "EHLO a".into() }),
        protocol(Protocol::Ldap),
        protocol(Protocol::SslHello { sni: None }),
    ]
}

fn dependent() -> Vec<Script> {
    let at_least = |wanted| ByteExpect { min_recv: Some(4), ..bytes(wanted) };
    vec![
        script(Action::Expect(at_least(ByteMatch::Contains(b"220 ".to_vec())))),
        script(Action::Expect(ByteExpect { negate: true, ..at_least(ByteMatch::Regex(pattern("^5"))) })),
        expect(ByteMatch::Regex(pattern("ready$"))),
    ]
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).expect("a pattern")
}

fn bytes(wanted: ByteMatch) -> ByteExpect {
    ByteExpect { wanted, negate: false, min_recv: None, says: Says::default() }
}

fn expect(wanted: ByteMatch) -> Script {
    script(Action::Expect(bytes(wanted)))
}

fn http(expect: Vec<Expect>) -> Script {
    script(Action::Http(HttpCheck {
        method: "GET".into(),
        uri: "/".into(),
        version: HttpVersion::V1_1,
        headers: Vec::new(),
        body: Vec::new(),
        expect: expect.into_iter().map(Into::into).collect(),
    }))
}

fn protocol(protocol: Protocol) -> Script {
    script(Action::Protocol(protocol))
}

fn script(action: Action) -> Script {
    Script::of([action])
}

/// Whether the server is found healthy that sends these bytes, whatever it is told, and closes.
fn judge(script: &Script, answer: &[u8], step: usize) -> bool {
    let now = Instant::now();
    let limits = Limits { connect: Duration::from_secs(1), whole: Duration::from_secs(1) };
    let mut run = Run::new(script, limits, now);
    let mut pieces = answer.chunks(step);
    for _ in 0..2 * answer.len() + 16 {
        match run.poll(now) {
            Want::Connect(_) => run.handle_connected(),
            Want::Send(_) => run.handle_sent(now),
            Want::Receive => match pieces.next() {
                Some(piece) => run.handle_received(now, piece),
                None => run.handle_end(now),
            },
            Want::Done(result, _) => return result.status.verdict() == Verdict::Pass,
        }
    }
    panic!("{script:?} does not end");
}
