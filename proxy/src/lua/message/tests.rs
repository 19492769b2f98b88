use super::*;

fn client() -> Client {
    Client { source: ([192, 0, 2, 1], 4000).into(), destination: None, tls: None }
}

fn request() -> Message {
    let mut message = Message::request(client(), Version::Http11, b"GET", b"/a/b?c=d", b"h.ex");
    message.push(b"Host", b"h.ex");
    message.push(b"X-A", b"one");
    message.push(b"x-a", b"two");
    message
}

fn values(message: &Message, name: &str) -> Vec<String> {
    message.values(name.as_bytes()).map(|v| String::from_utf8_lossy(v).into_owned()).collect()
}

#[test]
fn a_change_is_seen_and_told() {
    let mut m = request();
    m.add(b"X-A", b" three ").unwrap();
    assert_eq!(values(&m, "x-A"), ["one", "two", "three"]);
    m.set(b"X-A", b"four").unwrap();
    assert_eq!(values(&m, "x-A"), ["four"]);
    m.del(b"x-a").unwrap();
    assert_eq!(values(&m, "x-A"), [""; 0]);
    m.set(b"Host", b"other").unwrap();
    assert_eq!((m.authority(), values(&m, "host")), (&b"other"[..], vec!["other".to_owned()]));
    m.set_method(b"PUT").unwrap();
    m.set_path(b"/n m").unwrap();
    m.set_query(b"x=1").unwrap();
    assert_eq!((m.method(), m.target()), (&b"PUT"[..], &b"/n%20m?x=1"[..]));
    m.set_uri(b"/u?v").unwrap();
    m.set_variable(b"txn.v", Some(b"1")).unwrap();
    m.set_variable(b"txn.w", None).unwrap();
    assert_eq!((m.variable("txn.v"), m.variable("txn.w")), (Some(&b"1"[..]), None));
    let made: Vec<Change<'_>> = m.changes().collect();
    assert_eq!(
        made,
        [
            Change::More("X-A", b"three".to_vec()),
            Change::Fields("X-A", vec![b"four".to_vec()]),
            Change::Fields("x-a", Vec::new()),
            Change::Fields("Host", vec![b"other".to_vec()]),
            Change::Method("PUT"),
            Change::Target(b"/n%20m?c=d".to_vec()),
            Change::Target(b"/n%20m?x=1".to_vec()),
            Change::Target(b"/u?v".to_vec()),
            Change::Variable("txn.v", b"1".as_slice().into()),
            Change::NoVariable("txn.w"),
        ]
    );
}

#[test]
fn what_would_break_a_message_is_refused() {
    let mut m = request();
    let before = m.changes().count();
    for (refused, why) in [
        (
            m.set(b"Content-Length", b"3"),
            "field Content-Length is about the connection, which is not the script's",
        ),
        (
            m.add(b"transfer-encoding", b"chunked"),
            "field transfer-encoding is about the connection, which is not the script's",
        ),
        (m.del(b"Connection"), "field Connection is about the connection, which is not the script's"),
        (m.add(b"Host", b"b"), "field host is there once in every request"),
        (m.del(b"host"), "field host is there once in every request"),
        (m.set(b"a b", b"c"), "\"a b\" is not the name of a field"),
        (m.set(b"a", b"b\r\nc: d"), "the value of field a has control characters"),
        (m.set_method(b"HEAD"), "\"HEAD\" is no method that a request can get"),
        (m.set_method(b"A B"), "\"A B\" is no method that a request can get"),
        (m.set_status(200), "200 is no status that a response can get: 200 to 599, but 204, 205 and 304"),
        (m.set_variable(b"sess.x", Some(b"1")), "\"sess.x\" is not the name of a variable"),
        (m.set_variable(b"a b", Some(b"1")), "\"a b\" is not the name of a variable"),
    ] {
        assert_eq!(refused.unwrap_err().to_string(), why);
    }
    assert_eq!(m.changes().count(), before);
    let mut head = Message::request(client(), Version::Http11, b"HEAD", b"*", b"");
    head.set_method(b"GET").unwrap();
    head.set_path(b"/x").unwrap();
    assert_eq!((head.method(), head.target(), head.changes().count()), (&b"HEAD"[..], &b"*"[..], 0));
}

#[test]
fn a_response_gets_a_status_that_changes_nothing_of_its_content() {
    for (from, to, good) in [
        (200, 503, true),
        (404, 200, true),
        (200, 204, false),
        (204, 200, false),
        (304, 200, false),
        (200, 199, false),
        (200, 600, false),
    ] {
        let mut m = Message::response(client(), Version::Http11, b"GET", from);
        assert_eq!(m.set_status(to).is_ok(), good, "{from} {to}");
    }
}

#[test]
fn changes_are_bounded() {
    let mut m = request();
    let added = (0..1_000_000).take_while(|_| m.add(b"x", b"y").is_ok()).count();
    assert!((1000..10_000).contains(&added), "{added}");
    let mut m = request();
    assert_eq!(m.add(b"x", &vec![b'y'; MOST]), Err(Refused::TooMuch));
}
