//! How connections end, and what their record says. The lines are those of HAProxy 2.6.12 for the same events.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::access_log::Format;
use evenkeel_proxy::io::sessions::Speaks;
use evenkeel_proxy::plan::{AdminState, BackendId, LogFormat, Mode, OnMarked, Redispatch, ServerId};

use super::common::{Client, Scripted, Setup, TestProxy, await_signal, closed_port, scripted, signal, until};

/// A proxy of mode tcp before these servers.
pub(crate) fn setup(servers: &[SocketAddr]) -> Setup {
    let mut setup = Setup::new(servers);
    setup.frontend.mode = Mode::Tcp;
    setup.frontend.log_format = LogFormat::Tcplog;
    setup.backend.mode = Mode::Tcp;
    setup
}

/// Sends back what it gets, and the end.
fn echoing() -> Scripted {
    scripted(|served, _| {
        let mut stream = served.client.stream.try_clone().unwrap();
        // The proxy may have closed; what it makes of that is tested, not this.
        std::io::copy(&mut served.client.stream, &mut stream).unwrap_or_default();
        stream.shutdown(std::net::Shutdown::Write).unwrap_or_default();
    })
}

/// A record without its timers.
fn gist(proxy: &TestProxy) -> String {
    let record = proxy.record();
    let words: Vec<&str> = record.split(' ').collect();
    let [frontend, target, timers, rest @ ..] = &words[..] else { panic!("not a record: {record}") };
    assert_eq!(timers.split('/').count(), 3, "Tw/Tc/Tt");
    format!("{frontend} {target} {}", rest.join(" "))
}

fn timers(record: &str) -> Vec<i64> {
    record.split(' ').nth(2).unwrap().split('/').map(|t| t.parse().unwrap()).collect()
}

fn reset(client: Client) {
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

#[test]
fn a_client_that_ends_first_still_gets_its_answer() {
    let server = scripted(|served, _| {
        let asked = served.client.rest();
        served.send([b"you said ", &asked[..]].concat());
    });
    let proxy = setup(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("hello");
    client.shut();
    assert_eq!(client.rest(), b"you said hello");
    assert_eq!(gist(&proxy), "front back/s1 14 -- 1/1/0/0/0 0/0");
    let totals = proxy.stats.snapshot();
    assert_eq!((totals.frontends[0].bytes_in, totals.frontends[0].bytes_out), (5, 14));
    assert_eq!(
        (totals.backends[0].requests, totals.servers[0].connections, totals.process.current),
        (1, 1, 0)
    );
}

#[test]
fn a_server_that_ends_first_is_still_heard_out() {
    let (said, heard) = signal();
    let server = scripted(move |served, _| {
        served.send("220 ready\r\n");
        served.client.shut();
        assert_eq!(served.client.rest(), b"QUIT");
        said.send(()).unwrap();
    });
    let proxy = setup(&[server.addr]).start();
    let mut client = proxy.client();
    assert_eq!(client.rest(), b"220 ready\r\n", "it speaks first, and its end is passed on");
    client.send("QUIT");
    client.shut();
    await_signal(&heard);
    assert_eq!(gist(&proxy), "front back/s1 11 -- 1/1/0/0/0 0/0");
}

#[test]
fn resets_go_through_and_are_told_apart() {
    let server = scripted(|served, number| {
        assert_eq!(served.client.take(1), b"x");
        if number == 0 {
            socket2::SockRef::from(&served.client.stream).set_linger(Some(Duration::ZERO)).unwrap();
            return;
        }
        let (_, reset) = served.client.rest_or_reset();
        assert!(reset);
    });
    let proxy = setup(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("x");
    assert!(client.rest_or_reset().1, "a reset, not an end");
    assert_eq!(gist(&proxy), "front back/s1 0 SD 1/1/0/0/0 0/0");
    let mut client = proxy.client();
    client.send("x");
    until("the server has the connection", || server.count() == 2);
    reset(client);
    assert_eq!(gist(&proxy), "front back/s1 0 CD 1/1/0/0/0 0/0");
}

#[test]
fn a_server_that_refuses_is_retried_then_given_up() {
    let mut setup = setup(&[closed_port()]);
    setup.backend.retries = 1;
    setup.backend.timeout.connect = Some(Duration::from_millis(40));
    let proxy = setup.start();
    let mut client = proxy.client();
    assert_eq!(client.rest(), b"");
    let record = proxy.record();
    assert!(record.starts_with("front back/s1 0/-1/"), "{record}");
    assert!(record.ends_with(" 0 SC 1/1/0/0/1 0/0"), "{record}");
    assert!(timers(&record)[2] >= 40, "the pause: {record}");
}

#[test]
fn the_last_attempt_goes_to_another_server() {
    let server = echoing();
    let mut setup = setup(&[closed_port(), server.addr]);
    setup.backend.retries = 1;
    setup.backend.redispatch = Redispatch::LAST;
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("hello");
    assert_eq!(client.take(5), b"hello");
    client.shut();
    assert_eq!(client.rest(), b"");
    assert_eq!(gist(&proxy), "front back/s2 5 -- 1/1/0/0/+1 0/0");
}

#[test]
fn without_a_server_the_connection_is_closed() {
    let proxy = setup(&[]).start();
    assert_eq!(proxy.client().rest(), b"");
    let record = proxy.record();
    assert!(record.starts_with("front back/<NOSRV> -1/-1/0 0 SC 1/1/0/0/0 0/0"), "{record}");
}

#[test]
fn a_silent_client_that_leaves_while_connecting_is_not_waited_for() {
    let mut setup = setup(&[closed_port()]);
    setup.backend.retries = 100;
    let proxy = setup.start();
    drop(proxy.client());
    let record = proxy.record();
    assert!(record.starts_with("front back/s1 0/-1/"), "{record}");
    // Whether the first attempt has failed by then is a matter of chance; the rest of the hundred is not made.
    assert!(
        [" 0 CC 1/1/0/0/0 0/0", " 0 CC 1/1/0/0/1 0/0"].iter().any(|end| record.ends_with(end)),
        "{record}"
    );
}

#[test]
fn each_timeout_has_its_letters() {
    let server = echoing();
    let short = Some(Duration::from_millis(120));
    let run = |change: &dyn Fn(&mut Setup), bytes: &str| {
        let mut setup = setup(&[server.addr]);
        change(&mut setup);
        let proxy = setup.start();
        let mut client = proxy.client();
        client.send(bytes);
        assert_eq!(client.take(bytes.len()), bytes.as_bytes());
        assert_eq!(client.rest(), b"", "an end, not a reset");
        let record = proxy.record();
        assert!(timers(&record)[2] >= 120, "{record}");
        record.split(' ').skip(3).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(run(&|s| s.frontend.timeout.client = short, "x"), "1 cD 1/1/0/0/0 0/0");
    assert_eq!(run(&|s| s.backend.timeout.server = short, "x"), "1 sD 1/1/0/0/0 0/0");
    assert_eq!(run(&|s| s.backend.timeout.tunnel = short, "x"), "1 cD 1/1/0/0/0 0/0");
    let both = |s: &mut Setup| (s.frontend.timeout.client, s.backend.timeout.server) = (short, short);
    assert_eq!(run(&both, ""), "0 cD 1/1/0/0/0 0/0");
}

/// One that has sent its end and gets nothing back for a while, after the other side has ended too or not.
#[test]
fn half_closed_connections_have_their_own_timeouts() {
    let (hold, held) = signal();
    let silent = scripted(move |served, _| {
        assert_eq!(served.client.rest(), b"x");
        await_signal(&held);
    });
    let mut config = setup(&[silent.addr]);
    config.backend.timeout.server_fin = Some(Duration::from_millis(60));
    let proxy = config.start();
    let mut client = proxy.client();
    client.send("x");
    client.shut();
    assert_eq!(client.rest(), b"");
    assert_eq!(gist(&proxy), "front back/s1 0 sD 1/1/0/0/0 0/0");
    hold.send(()).unwrap();

    let leaving = scripted(|served, _| served.client.shut());
    let mut config = setup(&[leaving.addr]);
    config.frontend.timeout.client_fin = Some(Duration::from_millis(60));
    let proxy = config.start();
    let mut client = proxy.client();
    assert_eq!(client.rest(), b"");
    assert_eq!(gist(&proxy), "front back/s1 0 cD 1/1/0/0/0 0/0");
    drop(client);
}

#[test]
fn activity_in_either_direction_keeps_a_connection() {
    let server = echoing();
    let mut config = setup(&[server.addr]);
    config.backend.timeout.tunnel = Some(Duration::from_millis(300));
    let proxy = config.start();
    let mut client = proxy.client();
    let begin = std::time::Instant::now();
    while begin.elapsed() < Duration::from_millis(700) {
        client.send("x");
        assert_eq!(client.take(1), b"x");
    }
    client.shut();
    assert_eq!(client.rest(), b"");
    assert!(gist(&proxy).contains(" -- "));
}

#[test]
fn connections_beyond_maxconn_wait() {
    let server = echoing();
    let mut config = setup(&[server.addr]);
    config.frontend.maxconn = Some(1);
    let proxy = config.start();
    let (mut first, mut second) = (proxy.client(), proxy.client());
    first.send("1");
    assert_eq!(first.take(1), b"1");
    second.stream.write_all(b"2").unwrap();
    first.shut();
    assert_eq!(first.rest(), b"");
    assert_eq!(second.take(1), b"2");
    assert_eq!(server.count(), 2);
}

#[test]
fn a_client_that_closes_leaves_the_queue_if_it_is_to() {
    let server = echoing();
    let mut setup = setup(&[server.addr]);
    setup.servers[0].limits.maxconn = Some(1);
    setup.backend.http.abort_on_close = true;
    let proxy = setup.start();
    let (mut first, mut second) = (proxy.client(), proxy.client());
    first.send("1");
    assert_eq!(first.take(1), b"1");
    second.send("2");
    second.shut();
    assert_eq!(second.rest_or_reset().0, b"");
    assert!(gist(&proxy).contains(" CQ "));
    assert_eq!(server.count(), 1);
}

#[test]
fn a_connection_ends_with_its_server_if_it_is_to() {
    let server = echoing();
    let mut setup = setup(&[server.addr]);
    setup.servers[0].watch.on_marked_down = OnMarked::Shutdown;
    let proxy = setup.start();
    let checker = proxy.checker();
    let mut client = proxy.client();
    client.send("hello");
    assert_eq!(client.take(5), b"hello");
    checker.set_admin(ServerId(0), AdminState::Maint);
    assert_eq!(client.rest_or_reset(), (Vec::new(), true));
    assert_eq!(gist(&proxy), "front back/s1 5 DD 1/1/0/0/0 0/0");
}

#[test]
fn a_format_of_an_operator_shows_connections_too() {
    let server = echoing();
    let mut setup = setup(&[server.addr]);
    let format =
        Format::parse("<%ci|%fi|%bi|%si:%sp|%f|%b/%s|%Th|%B|%U|%ts|%rc|${src}|${dst_port}>").unwrap();
    setup.frontend.log_format = LogFormat::Custom(Arc::new(format));
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("hello");
    client.shut();
    assert_eq!(client.rest(), b"hello");
    let line = proxy.line();
    let local = "127.0.0.1";
    let expected = format!(
        "<{local}|{local}|{local}|{}|front|back/s1|0|5|5|--|0|{local}|{}>",
        server.addr,
        proxy.addr.port()
    );
    assert!(line.ends_with(&expected), "{line}: {expected}");
}

#[test]
fn a_connection_is_listed_and_can_be_ended() {
    let server = echoing();
    let proxy = setup(&[server.addr]).start();
    let doors = proxy.proxy().doors();
    let mut client = proxy.client();
    client.send("a");
    assert_eq!(client.take(1), b"a");
    let [session] = &doors.sessions(None, 9).sessions[..] else { panic!("one connection") };
    assert_eq!((session.speaks, session.streams), (Speaks::Tcp, 1));
    assert_eq!((session.backend, session.server), (Some(BackendId(0)), Some(ServerId(0))));
    assert!(doors.end_session(session.id));
    client.rest_or_reset();
    assert_eq!(doors.sessions(None, 9).sessions, []);
    let record = gist(&proxy);
    assert!(record.starts_with("front back/s1 1 KD "), "{record}");
}
