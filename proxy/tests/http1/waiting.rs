//! Requests that wait for their content before they go on to a server, beside HAProxy's `wait-for-body`.

use std::net::TcpStream;
use std::num::NonZeroU32;
use std::time::Duration;

use evenkeel_proxy::rules::action::BodyWait;
use evenkeel_proxy::rules::{Action, Matcher, Rule};

use super::common::{Client, Setup, TestProxy, answering, gist, status};
use super::oracle::Haproxy;

fn waiting(time: Duration, at_least: Option<u32>) -> Rule {
    let wait = BodyWait { time, at_least: at_least.and_then(NonZeroU32::new) };
    Rule { when: Matcher::All(Vec::new()), action: Action::WaitForBody(wait) }
}

fn long() -> Duration {
    Duration::from_secs(30)
}

/// What waits, and a server that says how many connections it has got.
fn start(rule: Rule) -> (super::common::Scripted, TestProxy) {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_request = vec![rule];
    let proxy = setup.start();
    (server, proxy)
}

#[test]
fn no_server_waits_for_a_slow_client() {
    let (server, proxy) = start(waiting(long(), None));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n");
        for part in ["ab", "cd", "ef"] {
            // Whoever is asked for something else meanwhile has been through all that came before.
            let mut other = proxy.client();
            other.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(status(&other.response().0), 200);
            proxy.record();
            assert!(server.head().starts_with("GET "));
            client.send(part);
        }
        assert_eq!(status(&client.response().0), 200);
        assert!(server.head().starts_with("POST "));
        assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 POST / HTTP/1.1");
    }
}

#[test]
fn a_client_that_asks_is_told_to_go_on() {
    let (server, proxy) = start(waiting(long(), None));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 100 Continue");
    assert_eq!(server.count(), 0, "nobody has been asked yet");
    client.send("abc");
    assert_eq!(status(&client.response().0), 200);
    assert!(!server.head().to_ascii_lowercase().contains("expect"));
}

#[test]
fn what_is_enough_goes_on() {
    let (server, proxy) = start(waiting(long(), Some(5)));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n1234");
    let mut other = proxy.client();
    other.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    other.response();
    assert!(server.head().starts_with("GET "));
    client.send("5");
    assert!(server.head().starts_with("POST "), "it goes on before all is there");
    client.send(vec![b'x'; 99_995]);
    assert_eq!(status(&client.response().0), 200);

    // No more than a buffer has room for.
    let (server, proxy) = start(waiting(long(), None));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    client.send(vec![b'x'; 50_000]);
    assert!(server.head().starts_with("POST "));
    client.send(vec![b'x'; 50_000]);
    assert_eq!(status(&client.response().0), 200);
}

/// The same status and the same letters as HAProxy's.
#[test]
fn who_does_not_send_it_is_refused_as_haproxy_refuses() {
    let rule = waiting(Duration::from_millis(300), None);
    for end in ["wait", "close", "malformed"] {
        let (server, proxy) = start(rule.clone());
        let haproxy = Haproxy::start_whole(
            "",
            " http-request wait-for-body time 300ms\n",
            &format!(" server s1 {}\n", server.addr),
        );
        let ask = |client: &mut Client| {
            let framing =
                if end == "malformed" { "Transfer-Encoding: chunked" } else { "Content-Length: 10" };
            client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
            match end {
                "close" => client.shut(),
                "malformed" => client.send("zz\r\n"),
                _ => {}
            }
            let answer = client.rest_or_reset().0;
            String::from_utf8_lossy(&answer).split("\r\n").next().unwrap_or_default().to_owned()
        };
        let ours = ask(&mut proxy.client());
        let theirs = ask(&mut Client::over(TcpStream::connect(haproxy.addr).unwrap()));
        // HAProxy says nothing to who has closed its side, and so may still listen.
        if end != "close" {
            assert_eq!(ours.split(' ').nth(1), theirs.split(' ').nth(1), "{end}: {ours} {theirs}");
        }
        let (ours, theirs) = (proxy.record(), haproxy.record());
        let letters =
            |record: &str| record.split(' ').find(|w| w.len() == 4 && w.ends_with("--")).map(str::to_owned);
        assert_eq!(letters(&ours), letters(&theirs), "{end}: {ours} {theirs}");
        assert_eq!(server.count(), 0, "{end}: no server has heard of it");
    }
}
