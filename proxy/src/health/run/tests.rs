use super::*;
use crate::plan::{
    ByteExpect, ByteMatch, ErrorStatus, Expect, HttpCheck, HttpVersion, MysqlCheck, OkStatus, Pattern, Says,
    TimeoutStatus,
};

/// What a server does: its words on each connection, one before anything is said and one after each thing said.
#[derive(Clone)]
struct Server {
    connections: Vec<Vec<&'static [u8]>>,
    /// At the end of its words it closes; else it is silent.
    closes: bool,
}

/// A whole check in virtual time. Every piece of an answer takes a microsecond.
struct Played {
    result: CheckResult,
    said: Vec<Vec<u8>>,
    connects: Vec<Connect>,
    farewell: Vec<u8>,
}

const LIMITS: Limits = Limits { connect: Duration::from_millis(500), whole: Duration::from_secs(2) };

#[expect(clippy::disallowed_methods, reason = "an instant to count from; there is no other way to make one")]
fn play(script: &Script, server: &Server, piece: usize) -> Played {
    let begin = Instant::now();
    let mut now = begin;
    let mut run = Run::new(script, LIMITS, now);
    let mut connections = server.connections.iter();
    let mut words: Vec<u8> = Vec::new();
    let mut next = [].iter();
    let (mut said, mut connects) = (Vec::new(), Vec::new());
    for _ in 0..100_000 {
        match run.poll(now) {
            Want::Connect(how) => {
                connects.push(how);
                match connections.next() {
                    Some(answers) => {
                        next = answers.iter();
                        words = next.next().copied().unwrap_or_default().to_vec();
                        run.handle_connected();
                    }
                    None => run.handle_failure(now, &Failure { words: "Connection refused", ours: false }),
                }
            }
            Want::Send(bytes) => {
                said.push(bytes);
                words.extend_from_slice(next.next().copied().unwrap_or_default());
                run.handle_sent(now);
            }
            Want::Receive if words.is_empty() && server.closes => run.handle_end(now),
            Want::Receive if words.is_empty() => {
                now = run.poll_timeout();
                run.handle_timeout(now);
            }
            Want::Receive => {
                now += Duration::from_micros(1);
                let rest = words.split_off(piece.min(words.len()));
                let bytes = std::mem::replace(&mut words, rest);
                run.handle_received(now, &bytes);
            }
            Want::Done(result, farewell) => {
                assert!(now - begin <= LIMITS.whole);
                return Played { result: *result, said, connects, farewell };
            }
        }
    }
    panic!("the check does not end");
}

fn summary(result: &CheckResult) -> String {
    let code = result.code.map(|c| format!(" {c}")).unwrap_or_default();
    let info = result.info.as_ref().map(|i| format!(" {}", i.as_str())).unwrap_or_default();
    format!("{}{code}{info}", result.status.name())
}

/// The verdict, the same however the bytes are cut.
fn verdict(script: &Script, connections: &[&[&'static [u8]]], closes: bool) -> String {
    let server = Server { connections: connections.iter().map(|c| c.to_vec()).collect(), closes };
    let whole = summary(&play(script, &server, usize::MAX).result);
    for piece in [1, 2, 5] {
        assert_eq!(summary(&play(script, &server, piece).result), whole, "{piece} bytes at a time");
    }
    whole
}

fn send(text: &str) -> Action {
    Action::Send(text.as_bytes().to_vec())
}

fn wanted(wanted: ByteMatch) -> ByteExpect {
    ByteExpect { wanted, negate: false, min_recv: None, says: Says::default() }
}

fn expect(text: &str) -> Action {
    Action::Expect(wanted(ByteMatch::Contains(text.as_bytes().to_vec())))
}

fn http(uri: &str, expect: Vec<Expect>) -> Action {
    Action::Http(HttpCheck {
        method: "GET".into(),
        uri: uri.into(),
        version: HttpVersion::V1_0,
        headers: Vec::new(),
        body: Vec::new(),
        expect: expect.into_iter().map(Into::into).collect(),
    })
}

#[test]
fn connections_are_judged() {
    let nothing = Script::default();
    assert_eq!(verdict(&nothing, &[&[]], true), "L4OK");
    assert_eq!(verdict(&nothing, &[], true), "L4CON Connection refused");
    let explicit = Script::of([Action::Connect(Connect { port: Some(25), ..Connect::default() })]);
    assert_eq!(verdict(&explicit, &[&[]], true), "L4OK (tcp-check)");
    assert_eq!(
        verdict(&explicit, &[], true),
        "L4CON Connection refused at step 1 of tcp-check (connect port 25)"
    );
    assert_eq!(
        verdict(&Script::of([expect("x")]), &[], true),
        "L4CON Connection refused at initial connection step of tcp-check"
    );
}

#[test]
fn steps_follow_one_another() {
    let smtp = Script::of([
        Action::Connect(Connect::default()),
        expect("220"),
        send("EHLO haproxy\r\n"),
        expect("250"),
        send("QUIT\r\n"),
    ]);
    let server = Server { connections: vec![vec![b"220 hi\r\n", b"250 ok\r\n", b""]], closes: false };
    let played = play(&smtp, &server, 3);
    assert_eq!(summary(&played.result), "L7OK (tcp-check)");
    assert_eq!(played.said, [b"EHLO haproxy\r\n".to_vec(), b"QUIT\r\n".to_vec()]);

    let closes = [
        (vec![b"220" as &[u8], b"550 no\r\n"], "L7RSP TCPCHK did not match content '250' at step 4"),
        (vec![b"220", b""], "L7RSP TCPCHK got an empty response at step 4"),
        (vec![b""], "L7RSP TCPCHK got an empty response at step 2"),
    ];
    for (answers, outcome) in closes {
        assert_eq!(verdict(&smtp, &[&answers], true), outcome);
    }
    let silent = "L7TOUT at step 4 of tcp-check (expect string '250')";
    assert_eq!(verdict(&smtp, &[&[b"250 is not of this answer, 220", b""]], false), silent);
}

#[test]
fn every_kind_of_expectation_is_judged() {
    let pattern = |text: &str| Pattern::new(text).unwrap();
    let min = |n: usize, e: ByteExpect| ByteExpect { min_recv: Some(n), ..e };
    let not = |e: ByteExpect| ByteExpect { negate: true, ..e };
    let text = || wanted(ByteMatch::Contains(b"ok".to_vec()));
    let cases = [
        (wanted(ByteMatch::Binary(vec![0, 255])), "L7OK (tcp-check)"),
        (wanted(ByteMatch::Binary(vec![7])), "L7RSP TCPCHK did not match content (binary) at step 1"),
        (wanted(ByteMatch::Regex(pattern("o[jk]"))), "L7OK (tcp-check)"),
        (wanted(ByteMatch::Regex(pattern("^ok"))), "L7RSP TCPCHK did not match content (regex) at step 1"),
        (wanted(ByteMatch::BinaryRegex(pattern("^2B.*00FF$"))), "L7OK (tcp-check)"),
        (
            wanted(ByteMatch::BinaryRegex(pattern("^FF"))),
            "L7RSP TCPCHK did not match content (binary regex) at step 1",
        ),
        (not(text()), "L7RSP TCPCHK matched unwanted content 'ok' at step 1"),
        (not(wanted(ByteMatch::Contains(b"bad".to_vec()))), "L7OK (tcp-check)"),
        (min(100, text()), "L7OK (tcp-check)"),
        (
            min(3, wanted(ByteMatch::Contains(b"ko".to_vec()))),
            "L7RSP TCPCHK did not match content 'ko' at step 1",
        ),
        (
            ByteExpect {
                says: Says {
                    ok_status: Some(OkStatus::L6Ok),
                    on_success: Some("yes".into()),
                    ..Says::default()
                },
                ..text()
            },
            "L6OK yes",
        ),
        (
            ByteExpect {
                says: Says {
                    error_status: Some(ErrorStatus::L7Status),
                    on_error: Some("no".into()),
                    ..Says::default()
                },
                ..not(text())
            },
            "L7STS no",
        ),
    ];
    for (expect, outcome) in cases {
        let shown = format!("{expect:?}");
        let script = Script::of([Action::Expect(expect)]);
        assert_eq!(verdict(&script, &[&[b"+ok\0\xff"]], true), outcome, "{shown}");
    }
}

#[test]
fn waiting_for_nothing_ends_by_time() {
    let not = Script::of([Action::Expect(ByteExpect {
        negate: true,
        says: Says { tout_status: Some(TimeoutStatus::L6Timeout), ..Says::default() },
        ..wanted(ByteMatch::Contains(b"bad".to_vec()))
    })]);
    assert_eq!(verdict(&not, &[&[b"good"]], false), "L6TOUT at step 1 of tcp-check (expect string 'bad')");
    let mut settled = not.clone();
    if let Action::Expect(expect) = &mut settled.steps[0].action {
        expect.min_recv = Some(4);
    }
    assert_eq!(verdict(&settled, &[&[b"good"]], false), "L7OK (tcp-check)");
}

#[test]
fn a_comment_is_told_with_the_failure() {
    let mut script = Script::of([expect("x")]);
    script.steps[0].comment = Some("banner".into());
    let words = "L7RSP TCPCHK did not match content 'x' at step 1 comment: banner";
    assert_eq!(verdict(&script, &[&[b"y"]], true), words);
    let words = "L7TOUT at step 1 of tcp-check (expect string 'x') comment: 'banner'";
    assert_eq!(verdict(&script, &[&[b"y"]], false), words);
}

#[test]
fn an_endless_answer_is_judged_by_its_beginning() {
    static FLOOD: [u8; 3 * BUFFER_BYTES] = [b'a'; 3 * BUFFER_BYTES];
    let words = "L7RSP TCPCHK did not match content 'x' at step 1";
    assert_eq!(verdict(&Script::of([expect("x")]), &[&[&FLOOD]], false), words);
    let mysql = Script::of([Action::Protocol(Protocol::Mysql(MysqlCheck { user: None, login: None }))]);
    assert_eq!(verdict(&mysql, &[&[&FLOOD]], false), "L7RSP not a MySQL server");
}

#[test]
fn that_a_server_wants_no_new_work_settles_a_check() {
    let ok = Says { ok_status: Some(OkStatus::L7OkConditional), ..Says::default() };
    let error = Says { error_status: Some(ErrorStatus::L7OkConditional), ..Says::default() };
    let text = |says: &Says| {
        Action::Expect(ByteExpect { says: says.clone(), ..wanted(ByteMatch::Contains(b"up".to_vec())) })
    };
    let script = |says| Script::of([text(says), send("more"), expect("more")]);
    let no_more = "L7OKC TCPCHK did not match content 'up' at step 1";
    assert_eq!(verdict(&script(&error), &[&[b"down", b"less"]], true), no_more);
    assert_eq!(verdict(&script(&error), &[&[b"up", b"more"]], true), "L7OK (tcp-check)");
    assert_eq!(verdict(&script(&ok), &[&[b"up", b"less"]], true), "L7OKC (tcp-check)");
    let mut script = Script::of([http("/a", vec![Expect::Status(vec![200..=200])]), http("/b", vec![])]);
    if let Action::Http(check) = &mut script.steps[0].action {
        check.expect[0].says = error;
    }
    let gone: &[u8] = b"HTTP/1.0 410 Gone\r\n\r\n";
    assert_eq!(verdict(&script, &[&[b"", gone], &[b"", b"HTTP/1.0 500 No\r\n\r\n"]], true), "L7OKC 410 Gone");
}

#[test]
fn requests_of_one_check_each_have_a_connection() {
    let script = Script::of([http("/a", vec![]), http("/b", vec![Expect::String(b"up".to_vec())])]);
    let ok: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nup";
    let bad: &[u8] = b"HTTP/1.0 503 Busy\r\n\r\n";
    assert_eq!(verdict(&script, &[&[b"", ok], &[b"", ok]], false), "L7OK 200");
    assert_eq!(verdict(&script, &[&[b"", bad], &[b"", ok]], true), "L7STS 503 Busy");
    let server = Server { connections: vec![vec![b"", ok], vec![b"", ok]], closes: false };
    let played = play(&script, &server, 7);
    assert_eq!((played.connects.len(), played.said.len()), (2, 2));
    assert_eq!(verdict(&script, &[&[b"", ok]], false), "L4CON Connection refused", "the second one failed");
    assert_eq!(verdict(&script, &[&[b"", b"HTTP/1.0 200"]], false), "L7TOUT");
}

#[test]
fn what_could_not_be_sent_is_excused_by_an_answer() {
    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    let now = Instant::now();
    let broken = Failure { words: "Broken pipe", ours: false };
    let reset = Failure { words: "Connection reset by peer", ours: false };
    let script = Script::of([http("/", vec![])]);
    let begin = || {
        let mut run = Run::new(&script, LIMITS, now);
        assert!(matches!(run.poll(now), Want::Connect(_)));
        run.handle_connected();
        assert!(matches!(run.poll(now), Want::Send(_)));
        run.handle_unsent(now, broken.clone());
        assert_eq!(run.poll(now), Want::Receive);
        run
    };
    let outcome = |mut run: Run<'_>| match run.poll(now) {
        Want::Done(result, _) => summary(&result),
        Want::Connect(_) | Want::Send(_) | Want::Receive => panic!("not over"),
    };
    let mut answered = begin();
    answered.handle_received(now, b"HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!(outcome(answered), "L7OK 200");
    let mut silent = begin();
    silent.handle_failure(now, &reset);
    assert_eq!(outcome(silent), "L7RSP Broken pipe");
    let last = Script::of([send("QUIT\r\n")]);
    let mut run = Run::new(&last, LIMITS, now);
    run.poll(now);
    run.handle_connected();
    run.poll(now);
    run.handle_unsent(now, broken.clone());
    assert_eq!(outcome(run), "L7RSP Broken pipe at step 1 of tcp-check (send)");
}

#[test]
fn deadlines_are_those_of_the_stage() {
    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    let begin = Instant::now();
    let script = Script::of([expect("x"), Action::Connect(Connect::default())]);
    let mut run = Run::new(&script, LIMITS, begin);
    run.poll(begin);
    assert_eq!(run.poll_timeout(), begin + LIMITS.connect);
    run.handle_connected();
    run.poll(begin);
    assert_eq!(run.poll_timeout(), begin + LIMITS.whole);
    let later = begin + Duration::from_millis(1700);
    run.handle_received(later, b"x");
    assert!(matches!(run.poll(later), Want::Connect(_)));
    assert_eq!(run.poll_timeout(), begin + LIMITS.whole, "the whole check is bounded");
    run.handle_timeout(begin + LIMITS.whole);
    let Want::Done(result, _) = run.poll(later) else { panic!("over") };
    assert_eq!(summary(&result), "L4TOUT at step 2 of tcp-check (connect)");
    assert_eq!(result.duration, LIMITS.whole);
}

#[test]
fn a_lack_of_our_own_is_no_verdict() {
    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    let now = Instant::now();
    let script = Script::default();
    let mut run = Run::new(&script, LIMITS, now);
    run.poll(now);
    run.handle_failure(now, &Failure { words: "Too many open files", ours: true });
    let Want::Done(result, _) = run.poll(now) else { panic!("over") };
    assert_eq!(summary(&result), "SOCKERR Too many open files");
}

#[test]
fn protocols_take_their_leave() {
    let mysql = Script::of([Action::Protocol(Protocol::Mysql(MysqlCheck { user: None, login: None }))]);
    let server = Server { connections: vec![vec![]], closes: true };
    let played = play(&mysql, &server, 1);
    assert!(played.connects[0].linger && played.farewell.is_empty());
    assert_eq!(summary(&played.result), "L7RSP connection closed without an answer");
    let ldap = Script::of([Action::Protocol(Protocol::Ldap)]);
    let answer: &[u8] = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
    let server = Server { connections: vec![vec![b"", answer]], closes: false };
    let played = play(&ldap, &server, 4);
    assert_eq!((summary(&played.result), played.farewell.len()), ("L7OK 0 Success".into(), 7));
}

#[test]
fn tls_is_a_layer_of_its_own() {
    #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
    let now = Instant::now();
    let explicit = Script::of([Action::Connect(Connect::default())]);
    for (script, secured, passed, refused, late) in [
        (&Script::default(), false, "L4OK", "L4CON reset", "L4TOUT"),
        (&Script::default(), true, "L6OK", "L6RSP reset", "L6TOUT"),
        (
            &explicit,
            true,
            "L6OK (tcp-check)",
            "L6RSP reset at step 1 of tcp-check (connect)",
            "L6TOUT at step 1 of tcp-check (connect)",
        ),
    ] {
        let judged = |then: &dyn Fn(&mut Run<'_>)| {
            let mut run = Run::new(script, LIMITS, now);
            run.poll(now);
            if secured {
                run.handle_reached();
            }
            then(&mut run);
            let Want::Done(result, _) = run.poll(now) else { panic!("over") };
            summary(&result)
        };
        assert_eq!(judged(&|run| run.handle_connected()), passed);
        assert_eq!(judged(&|run| run.handle_failure(now, &Failure { words: "reset", ours: false })), refused);
        assert_eq!(judged(&|run| run.handle_timeout(now)), late);
    }
    let mut run = Run::new(&explicit, LIMITS, now);
    run.poll(now);
    run.handle_reached();
    run.handle_no_tls(now, "UnknownIssuer");
    let Want::Done(result, _) = run.poll(now) else { panic!("over") };
    assert_eq!(
        summary(&result),
        "L6RSP SSL handshake failure (UnknownIssuer) at step 1 of tcp-check (connect)"
    );
    // The hello of `ssl_hello` is not said inside TLS.
    let hello = Script::of([Action::Protocol(Protocol::SslHello { sni: None })]);
    let played = play(&hello, &Server { connections: vec![vec![]], closes: true }, 1);
    assert_eq!(played.connects[0].tls, Some(false));
}
