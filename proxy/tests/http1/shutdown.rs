//! Requests that end because their server has been marked down, or is a backup whose place is taken again.

use evenkeel_proxy::plan::{AdminState, OnMarked, RetryEvent, RetryOn, ServerId};

use super::common::{
    Scripted, Served, Setup, TestProxy, answering, await_signal, gist, scripted, signal, status, until,
};

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const UPGRADE: &str = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";

/// Says something, and then nothing until the proxy closes.
fn stuck(says: &'static str) -> Scripted {
    scripted(move |served: &mut Served, _| {
        if served.request().is_some() {
            served.send(says);
            served.client.rest_or_reset();
        }
    })
}

/// A proxy whose servers' sessions end when they go down.
fn proxy(servers: &[&Scripted], change: impl FnOnce(&mut Setup)) -> TestProxy {
    let addresses: Vec<_> = servers.iter().map(|s| s.addr).collect();
    let mut setup = Setup::new(&addresses);
    for server in &mut setup.servers {
        server.watch.on_marked_down = OnMarked::Shutdown;
    }
    change(&mut setup);
    setup.start()
}

fn running(proxy: &TestProxy, server: u32) {
    until("the server to have the request", || {
        proxy.balance.in_flight(ServerId(server)) == 1
            && proxy.stats.snapshot().servers[server as usize].connections > 0
    });
}

#[test]
fn whatever_is_under_way_ends_with_its_server() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    for (request, says, seen, letters) in
        [(GET, "", 502, "DH--"), (GET, half, 200, "DD--"), (UPGRADE, switching, 101, "DD--")]
    {
        let server = stuck(says);
        let proxy = proxy(&[&server], |_| {});
        let checker = proxy.checker();
        let mut client = proxy.client();
        client.send(request);
        running(&proxy, 0);
        let mut head = (!says.is_empty()).then(|| client.head());
        checker.set_admin(ServerId(0), AdminState::Maint);
        let head = head.take().unwrap_or_else(|| client.head());
        assert_eq!(status(&head), seen, "{letters}");
        client.rest_or_reset();
        assert_eq!(gist(&proxy.record()), format!("front back/s1 {seen} {letters} 0 GET /a HTTP/1.1"));
        until("the server to be free", || proxy.balance.in_flight(ServerId(0)) == 0);
    }
}

#[test]
fn another_server_gets_a_request_that_may_be_sent_again() {
    let (bad, good) = (stuck(""), answering());
    let proxy = proxy(&[&bad, &good], |setup| {
        setup.backend.retries = 1;
        setup.backend.http.retry.on = RetryOn::NONE.with(RetryEvent::EmptyResponse);
    });
    let checker = proxy.checker();
    let mut client = proxy.client();
    client.send(GET);
    running(&proxy, 0);
    checker.set_admin(ServerId(0), AdminState::Maint);
    assert_eq!(status(&client.response().0), 200);
    assert_eq!(gist(&proxy.record()), "front back/s2 200 ---- +1 GET /a HTTP/1.1");
}

#[test]
fn a_server_that_drains_or_is_left_alone_finishes() {
    for (on_marked_down, admin) in
        [(OnMarked::Leave, AdminState::Maint), (OnMarked::Shutdown, AdminState::Drain)]
    {
        let (go, wait) = signal();
        let server = scripted(move |served, _| {
            served.request();
            await_signal(&wait);
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            served.request();
        });
        let proxy = proxy(&[&server], |s| s.servers[0].watch.on_marked_down = on_marked_down);
        let checker = proxy.checker();
        let mut client = proxy.client();
        client.send(GET);
        running(&proxy, 0);
        checker.set_admin(ServerId(0), admin);
        // Were it to end, it would have when the thread has answered twice.
        heeded(&proxy);
        go.send(()).unwrap();
        assert_eq!(client.response().1, b"ok", "{admin:?}");
    }
}

/// Waits until every data thread has looked at its orders.
fn heeded(proxy: &TestProxy) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..2 {
        runtime.block_on(proxy.proxy().heartbeat());
    }
}

#[test]
fn backups_lose_what_they_have_when_a_server_comes_back() {
    let (main, backup) = (answering(), stuck(""));
    let proxy = proxy(&[&main, &backup], |setup| {
        setup.servers[0].watch.on_marked_up = OnMarked::Shutdown;
        setup.servers[1].backup = true;
        setup.servers[1].watch.on_marked_down = OnMarked::Leave;
    });
    let checker = proxy.checker();
    checker.set_admin(ServerId(0), AdminState::Maint);
    let mut client = proxy.client();
    client.send(GET);
    running(&proxy, 1);
    checker.set_admin(ServerId(0), AdminState::Ready);
    assert_eq!(status(&client.head()), 502);
    assert_eq!(gist(&proxy.record()), "front back/s2 502 UH-- 0 GET /a HTTP/1.1");
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.response().0), 200);
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /a HTTP/1.1");
}
