//! Which connections to servers clients share, and which belong to one of them.

use super::common::{Scripted, Setup, TestProxy, gist, scripted, status};
use evenkeel_proxy::plan::HttpReuse;

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

/// A server whose responses say which of its connections they came over.
fn numbering() -> Scripted {
    scripted(|served, number| {
        while served.request().is_some() {
            served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
        }
    })
}

/// A server that wants to know the user of each connection, once, as Windows servers do.
fn authenticating(scheme: &'static str) -> Scripted {
    scripted(move |served, number| {
        let mut known = false;
        while let Some(head) = served.request() {
            if known || head.starts_with("GET /free ") {
                served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
            } else {
                let challenge = format!("WWW-Authenticate: Basic\r\nWWW-Authenticate: {scheme}");
                served.send(format!("HTTP/1.1 401 Who\r\n{challenge}\r\nContent-Length: 1\r\n\r\n{number}"));
                known = true;
            }
        }
    })
}

/// Status and content of the answers to these requests of one client each: `(client, request)`.
fn answers(proxy: &TestProxy, requests: &[(usize, &str)]) -> Vec<(u16, String)> {
    let mut clients: Vec<_> = (0..3).map(|_| proxy.client()).collect();
    let mut ask = |(client, request): &(usize, &str)| {
        clients[*client].send(request);
        let (head, body) = clients[*client].response();
        (status(&head), String::from_utf8(body).unwrap())
    };
    requests.iter().map(&mut ask).collect()
}

fn over(status: u16, connection: &str) -> (u16, String) {
    (status, connection.to_owned())
}

#[test]
fn a_connection_that_knows_its_user_is_not_shared() {
    for scheme in ["NTLM", "negotiate abc", "Negotiate"] {
        let server = authenticating(scheme);
        let proxy = Setup::new(&[server.addr]).start();
        let found = answers(&proxy, &[(0, GET), (0, GET), (1, GET), (0, GET), (1, GET), (2, GET)]);
        let expected =
            [over(401, "0"), over(200, "0"), over(401, "1"), over(200, "0"), over(200, "1"), over(401, "2")];
        assert_eq!(found, expected, "{scheme}");
    }
}

#[test]
fn a_connection_is_shared_after_any_other_challenge() {
    let server = authenticating("Bearer realm=\"NTLM\"");
    let proxy = Setup::new(&[server.addr]).start();
    assert_eq!(answers(&proxy, &[(0, GET), (1, GET)]), [over(401, "0"), over(200, "0")]);
}

#[test]
fn who_is_known_by_its_connection_goes_back_to_its_server() {
    let (first, second) = (authenticating("NTLM"), authenticating("NTLM"));
    let proxy = Setup::new(&[first.addr, second.addr]).start();
    let found = answers(&proxy, &[(0, GET), (0, GET), (0, GET), (1, GET), (0, GET), (1, GET)]);
    assert_eq!(found.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [401, 200, 200, 401, 200, 200]);
    let servers = ["back/s1", "back/s1", "back/s1", "back/s2", "back/s1", "back/s2"];
    for server in servers {
        let record = gist(&proxy.record());
        assert!(record.contains(server), "{record}");
    }
    assert_eq!((first.count(), second.count()), (1, 1));
}

/// The first request of another client finds it in the pool; what was asked for before is nobody's.
#[test]
fn a_connection_is_shared_until_it_knows_its_user() {
    let server = authenticating("NTLM");
    let proxy = Setup::new(&[server.addr]).start();
    let free = "GET /free HTTP/1.1\r\nHost: h\r\n\r\n";
    let found = answers(&proxy, &[(0, free), (1, free), (1, GET), (0, free), (1, GET)]);
    assert_eq!(found, [over(200, "0"), over(200, "0"), over(401, "0"), over(200, "1"), over(200, "0")]);
}

#[test]
fn none_is_shared_if_none_may_be() {
    let server = numbering();
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.http.reuse = HttpReuse::Never;
    let proxy = setup.start();
    let found = answers(&proxy, &[(0, GET), (1, GET), (0, GET), (1, GET)]);
    assert_eq!(found, [over(200, "0"), over(200, "1"), over(200, "0"), over(200, "1")]);
}

#[test]
fn a_private_connection_that_the_server_closes_is_made_anew() {
    let server = scripted(|served, number| {
        served.request();
        served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.http.reuse = HttpReuse::Never;
    let proxy = setup.start();
    assert_eq!(answers(&proxy, &[(0, GET), (0, GET)]), [over(200, "0"), over(200, "1")]);
}
