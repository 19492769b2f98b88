//! Answers to health checks, of every kind: no panic, an end within bounds, and a verdict that does not depend on how
//! the bytes arrive.
#![no_main]

use std::time::{Duration, Instant};

use evenkeel_proxy::health::Verdict;
use evenkeel_proxy::health::run::{Limits, Run, Want};
use evenkeel_proxy::plan::{
    Action, ByteExpect, ByteMatch, Expect, HeaderExpect, HttpCheck, HttpVersion, MysqlCheck, Protocol, Says,
    Script, TextMatch,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((step, answer)) = bytes.split_first() else { return };
    let scripts = [
        http(vec![]),
        http(vec![Expect::Status(vec![200..=299])]),
        http(vec![Expect::String(b"ok".to_vec())]),
        http(vec![Expect::Header(HeaderExpect {
            name: TextMatch::Begins("x-".into()),
            value: Some(TextMatch::Exact("up".into())),
            full: false,
        })]),
        script(Action::Expect(ByteExpect {
            wanted: ByteMatch::Contains(b"+PONG".to_vec()),
            negate: false,
            min_recv: None,
            says: Says::default(),
        })),
        protocol(Protocol::Mysql(MysqlCheck { user: Some("u".into()), login: None })),
        protocol(Protocol::Redis),
        protocol(Protocol::Pgsql { user: "u".into() }),
        protocol(Protocol::Smtp { hello: "EHLO a".into() }),
        protocol(Protocol::Ldap),
        protocol(Protocol::SslHello { sni: None }),
    ];
    for script in scripts {
        let whole = judge(&script, answer, answer.len().max(1));
        let cut = judge(&script, answer, usize::from(*step) + 1);
        assert_eq!(whole, cut, "{script:?} cut into pieces of {step}");
    }
});

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
