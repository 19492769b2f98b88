//! Rules on what a client of mode tcp says first.

use std::time::Duration;

use evenkeel_proxy::plan::{BackendId, TcpAction, TcpRule, TcpRules};
use evenkeel_proxy::route::{Route, Routes};
use evenkeel_proxy::rules::{Matcher, Network, Range, Test};

use super::common::{PATIENCE, Setup};
use super::endings::setup;
use super::sni::{hello_of_openssl, named, telling};

fn rule(when: Matcher, action: TcpAction) -> TcpRule {
    TcpRule { when, action }
}

fn received(least: u64, most: u64) -> Matcher {
    Matcher::Test(Test::Received(Range { least, most }))
}

fn with(server: std::net::SocketAddr, inspect_delay: Duration, content: Vec<TcpRule>) -> Setup {
    let mut setup = setup(&[server]);
    setup.frontend.tcp_request = TcpRules { content, inspect_delay, ..TcpRules::default() };
    setup
}

#[test]
fn what_is_said_first_decides() {
    let server = telling("a: ");
    let rules = vec![
        rule(named("a.example"), TcpAction::Accept),
        rule(named("b.example"), TcpAction::Reject),
        rule(received(5, u64::MAX), TcpAction::Reject),
    ];
    let proxy = with(server.addr, PATIENCE, rules).start();
    let hello = hello_of_openssl();
    let mut client = proxy.client();
    client.send(hello);
    client.shut();
    assert_eq!(client.rest(), [b"a: ", hello].concat());
    assert!(proxy.record().starts_with("front back/s1 "));
    // It cannot become a hello any more, and is too long.
    let mut client = proxy.client();
    client.send("SSH-2.0-x\r\n");
    assert_eq!(client.rest_or_reset(), (Vec::new(), true));
    let record = proxy.record();
    assert!(record.starts_with("front front/<NOSRV> ") && record.contains(" 0 PR "), "{record}");
    // Nor can this, and it is short.
    let mut client = proxy.client();
    client.send("SSH-");
    client.shut();
    assert_eq!(client.rest(), b"a: SSH-");
    proxy.record();
    let totals = proxy.frontend_totals();
    assert_eq!((totals.denied, totals.request_errors, totals.hello_missing), (1, 0, 1));
}

#[test]
fn who_says_nothing_in_time_is_rejected() {
    let server = telling("a: ");
    let proxy =
        with(server.addr, Duration::from_millis(50), vec![rule(received(0, 0), TcpAction::Reject)]).start();
    assert_eq!(proxy.client().rest_or_reset(), (Vec::new(), true));
    assert!(proxy.record().contains(" 0 PR "));
    let mut client = proxy.client();
    client.send("x");
    client.shut();
    assert_eq!(client.rest(), b"a: x");
}

/// A server that speaks first is not kept waiting by rules that need nothing of its client.
#[test]
fn what_needs_nothing_of_the_client_does_not_wait() {
    let (welcoming, other) = (telling("welcome"), telling("other"));
    let mut setup = with(welcoming.addr, PATIENCE, Vec::new());
    setup.servers.push(evenkeel_proxy::plan::Server {
        backend: BackendId(1),
        addr: other.addr.into(),
        ..setup.servers[0].clone()
    });
    setup
        .more_backends
        .push(evenkeel_proxy::plan::Backend { servers: 1..2, ..super::endings::setup(&[]).backend });
    let here = [Network { address: [127, 0, 0, 0].into(), prefix: 8 }].into_iter().collect();
    let route = |when, to| Route { when, to: BackendId(to).into() };
    setup.frontend.routes =
        Routes::new(vec![route(Matcher::Test(Test::Source(here)), 1), route(named("a.example"), 0)]);
    let proxy = setup.start();
    assert_eq!(proxy.client().take(5), b"other");
    assert_eq!(proxy.frontend_totals().hello_missing, 1);
}
