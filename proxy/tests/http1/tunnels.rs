//! Connections after an upgrade: the timers of one that is closed on one side, and how one ends that breaks.

use std::time::{Duration, Instant};

use super::common::{Client, PATIENCE, Setup, TestProxy, await_signal, gist, scripted, signal, status};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome";

fn open(proxy: &TestProxy) -> Client {
    let mut client = proxy.client();
    client.send(ASK);
    assert_eq!(status(&client.head()), 101);
    assert_eq!(client.take(7), b"welcome");
    client
}

/// `timeout.client_fin` and `timeout.server_fin` replace `timeout.tunnel`, as in mode tcp.
#[test]
fn a_tunnel_that_is_closed_on_one_side_has_timers_of_its_own() {
    for (closes, flags) in [("server", "cD--"), ("client", "sD--")] {
        let (end, may_end) = signal();
        let server = scripted(move |served, _| {
            served.request();
            served.send(SWITCHED);
            if closes == "server" {
                served.client.shut();
            }
            await_signal(&may_end);
        });
        let fin = Duration::from_millis(200);
        let mut setup = Setup::new(&[server.addr]);
        setup.frontend.timeout.tunnel = Some(PATIENCE * 3);
        setup.frontend.timeout.client_fin = Some(fin);
        setup.backend.timeout.server_fin = Some(fin);
        let proxy = setup.start();
        let client = open(&proxy);
        let since = Instant::now();
        if closes == "client" {
            client.shut();
        }
        let record = gist(&proxy.record());
        assert_eq!(record, format!("front back/s1 101 {flags} 0 GET /chat HTTP/1.1"), "{closes}");
        assert!(since.elapsed() >= fin / 2, "{:?}", since.elapsed());
        end.send(()).unwrap();
    }
}

/// An end would say that all has been said.
#[test]
fn a_tunnel_that_breaks_is_reset() {
    let server = scripted(|served, _| {
        served.request();
        served.send(SWITCHED);
        assert_eq!(served.client.take(2), b"go");
        socket2::SockRef::from(&served.client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = open(&proxy);
    client.send("go");
    assert_eq!(client.rest_or_reset(), (Vec::new(), true), "reset");
    assert_eq!(gist(&proxy.record()), "front back/s1 101 SD-- 0 GET /chat HTTP/1.1");

    let (told, is_told) = std::sync::mpsc::channel();
    let server = scripted(move |served, _| {
        served.request();
        served.send(SWITCHED);
        told.send(served.client.rest_or_reset()).unwrap();
    });
    let proxy = Setup::new(&[server.addr]).start();
    let client = open(&proxy);
    socket2::SockRef::from(&client.stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(is_told.recv_timeout(PATIENCE).unwrap(), (Vec::new(), true), "reset");
    assert_eq!(gist(&proxy.record()), "front back/s1 101 CD-- 0 GET /chat HTTP/1.1");
}
