//! Responses that are compressed on their way.

use std::io::Read;
use std::sync::Arc;

use evenkeel_proxy::compress::{Algo, Compression, MediaRange};
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{Edit, Matcher, ResponseAction, ResponseRule, ResponseRules};
use flate2::read::{DeflateDecoder, GzDecoder};

use super::common::{
    Client, Scripted, Setup, TestProxy, await_signal, field, gist, scripted, signal, status, until,
};
use super::oracle::Haproxy;

fn gzip() -> Compression {
    Compression { algos: vec![Algo::Gzip], types: Vec::new(), min_size: 0, level: 1, offload: false }
}

fn rules(by: Compression) -> ResponseRules {
    ResponseRules::default().with_compression(Some(Arc::new(by)))
}

/// A proxy that compresses what this server answers.
fn before(server: &Scripted, by: Compression) -> TestProxy {
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_response = rules(by);
    setup.start()
}

/// A server that gives each request this.
fn giving(response: impl Into<Vec<u8>>) -> Scripted {
    let response = response.into();
    scripted(move |served, _| {
        while served.request().is_some() {
            served.send(&response);
        }
    })
}

fn with_length(fields: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", content.len());
    [head.as_bytes(), content].concat()
}

/// The content of a response in chunks, and its trailers.
fn chunks(client: &mut Client) -> (Vec<u8>, Vec<u8>) {
    let line = |client: &mut Client| {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(client.take(1));
        }
        line.truncate(line.len() - 2);
        line
    };
    let mut content = Vec::new();
    loop {
        let size = usize::from_str_radix(&String::from_utf8(line(client)).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        content.extend(client.take(size));
        assert_eq!(client.take(2), b"\r\n");
    }
    let mut trailers = Vec::new();
    loop {
        match line(client) {
            end if end.is_empty() => return (content, trailers),
            trailer => trailers.extend([trailer, b"\n".to_vec()].concat()),
        }
    }
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut content).unwrap();
    content
}

const ASK: &str = "GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br, gzip\r\n\r\n";

#[test]
fn heads_say_that_content_is_compressed() {
    let server = giving(with_length(
        "Content-Type: text/plain\r\nETag: \"1\"\r\nAccept-Ranges: bytes\r\nVary: Origin\r\n",
        b"hello",
    ));
    let proxy = before(&server, gzip());
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send(ASK);
        assert_eq!(
            client.head(),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nVary: Origin\r\ntransfer-encoding: chunked\r\n\
             etag: W/\"1\"\r\nvary: accept-encoding\r\ncontent-encoding: gzip"
        );
        let (content, trailers) = chunks(&mut client);
        assert_eq!((gunzip(&content), trailers.len()), (b"hello".to_vec(), 0));
        assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET / HTTP/1.1");
    }
    // Who does not take it gets what the server has sent.
    client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip;q=0\r\n\r\n");
    let head = client.head();
    assert!(head.ends_with("\r\nVary: Origin\r\nContent-Length: 5"), "{head}");
    assert_eq!(client.take(5), b"hello");
    assert_eq!(server.count(), 1, "connections go on");
    let totals = proxy.stats.snapshot();
    for totals in [totals.frontends[0], totals.backends[0]] {
        assert_eq!((totals.comp_rsp, totals.comp_in, totals.comp_byp), (3, 15, 0));
        assert_eq!(totals.comp_out, 3 * 25);
    }
    assert_eq!(totals.servers[0].comp_rsp, 0);
}

/// Sizes around what is read at once and what would be spliced, however they are framed.
#[test]
fn content_comes_whole() {
    let text = |bytes: usize| {
        let lines =
            (0u32..).map(|n| format!("{} is what line {n} says\n", n.wrapping_mul(2_654_435_761) % 1000));
        let mut all = Vec::new();
        for line in lines {
            all.extend_from_slice(line.as_bytes());
            if all.len() >= bytes {
                all.truncate(bytes);
                return all;
            }
        }
        all
    };
    let server = scripted(move |served, _| {
        while let Some(head) = served.request() {
            let mut path = head.split(' ').nth(1).unwrap().trim_start_matches('/').split('/');
            let content = text(path.next().unwrap().parse().unwrap());
            match path.next().unwrap().parse::<usize>().unwrap() {
                0 => served.send(with_length("", &content)),
                size => {
                    served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    for chunk in content.chunks(size) {
                        let size = format!("{:x};ext=1\r\n", chunk.len());
                        served.send([size.as_bytes(), chunk, b"\r\n"].concat());
                    }
                    served.send("0\r\nGrpc-Status: 0\r\nX: y\r\n\r\n");
                }
            }
        }
    });
    let proxy = before(&server, gzip());
    let mut client = proxy.client();
    for bytes in [1, 5000, 65_535, 70_000, 300_000, 3_000_000] {
        for size in [0, 7000, 100_000] {
            client.send(format!("GET /{bytes}/{size} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n"));
            assert_eq!(field(&client.head(), "content-encoding"), Some("gzip"));
            let (content, trailers) = chunks(&mut client);
            assert!(gunzip(&content) == text(bytes), "{bytes} in {size}");
            assert!(content.len() < bytes / 2 + 40, "{bytes} became {}", content.len());
            let expected = if size == 0 { "" } else { "grpc-status: 0\nx: y\n" };
            assert_eq!(String::from_utf8(trailers).unwrap(), expected);
        }
    }
}

/// What a server sends and then thinks is not kept from its client.
#[test]
fn what_drips_is_passed_on() {
    let (got, has_got) = signal();
    let server = scripted(move |served, _| {
        served.request();
        served
            .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for n in 0..20 {
            let event = format!("data: {n}\n\n");
            served.send(format!("{:x}\r\n{event}\r\n", event.len()));
            await_signal(&has_got);
        }
        served.send("0\r\n\r\n");
        served.request();
    });
    let proxy = before(&server, Compression { level: 6, ..gzip() });
    let mut client = proxy.client();
    client.send(ASK);
    assert_eq!(field(&client.head(), "content-encoding"), Some("gzip"));
    let (mut compressed, mut events) = (Vec::new(), 0);
    while events < 20 {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(client.take(1));
        }
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        compressed.extend(client.take(size));
        client.take(2);
        // As much as can be read without what is to come.
        let (mut text, mut byte) = (Vec::new(), [0]);
        let mut decoder = GzDecoder::new(&*compressed);
        while let Ok(1) = decoder.read(&mut byte) {
            text.extend(byte);
        }
        let whole = String::from_utf8(text).unwrap().matches("\n\n").count();
        assert!(whole <= events + 1);
        if whole > events {
            events = whole;
            got.send(()).unwrap();
        }
    }
    compressed.extend(chunks(&mut client).0);
    assert!(gunzip(&compressed).ends_with(b"data: 19\n\n"));
}

/// A server that ends too early must not look as if it had not.
#[test]
fn content_cut_short_has_no_end() {
    let server = scripted(|served, _| {
        served.request();
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    });
    let proxy = before(&server, gzip());
    let mut client = proxy.client();
    client.send(ASK);
    client.head();
    let (rest, _) = client.rest_or_reset();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{}", rest.escape_ascii());
    assert_eq!(gist(&proxy.record()), "front back/s1 200 SD-- 0 GET / HTTP/1.1");
}

#[test]
fn without_a_compressor_left_responses_go_out_as_they_came() {
    let server = giving(with_length("", b"hello"));
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_response = rules(gzip());
    setup.global.compressors = 0;
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send(ASK);
    assert_eq!(client.response().0, "HTTP/1.1 200 OK\r\nContent-Length: 5");
    until("it is counted", || proxy.frontend_totals().requests == 1);
    let totals = proxy.frontend_totals();
    assert_eq!((totals.comp_rsp, totals.comp_byp), (0, 43));
}

/// However many connections end in the middle of a response, compressors come back.
#[test]
fn compressors_come_back() {
    let server = scripted(|served, _| {
        if served.request().is_some() {
            served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
            // Until the proxy has given it up.
            served.request();
        }
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_response = rules(gzip());
    setup.global.compressors = 1;
    setup.backend.http.abort_on_close = true;
    let proxy = setup.start();
    for n in 1..=5 {
        let mut client = proxy.client();
        client.send(ASK);
        assert_eq!(field(&client.head(), "content-encoding"), Some("gzip"), "{n}");
        drop(client);
        until("it is over", || proxy.frontend_totals().requests == n);
    }
}

#[test]
fn a_backend_goes_before_its_frontend() {
    let server = giving(with_length("", b"hello"));
    let off = Compression { algos: Vec::new(), ..gzip() };
    let deflate = Compression { algos: vec![Algo::RawDeflate], ..gzip() };
    for (of_backend, coding) in [(off, None), (deflate, Some("deflate"))] {
        let mut setup = Setup::new(&[server.addr]);
        setup.frontend.http_response = rules(gzip());
        setup.backend.http_response = rules(of_backend);
        let proxy = setup.start();
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip, deflate\r\n\r\n");
        let head = client.head();
        assert_eq!(field(&head, "content-encoding"), coding);
        if coding.is_some() {
            let mut content = Vec::new();
            DeflateDecoder::new(&*chunks(&mut client).0).read_to_end(&mut content).unwrap();
            assert_eq!(content, b"hello");
        }
    }
}

/// What rules make of a response decides, as in HAProxy.
#[test]
fn rules_come_first() {
    let server =
        giving(with_length("Content-Type: image/png\r\nContent-Encoding: br\r\nETag: \"a\"\r\n", b"hello"));
    let rule = |edit| ResponseRule { when: Matcher::All(Vec::new()), action: ResponseAction::Edit(edit) };
    let text = |text: &str| Template::parse(text).unwrap();
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.http_response = ResponseRules::new(vec![
        rule(Edit::Set("Content-Type".into(), text("text/html"))),
        rule(Edit::Set("ETag".into(), text("\"b\""))),
        rule(Edit::Set("Cache-Control".into(), text("no-transform"))),
    ]);
    setup.frontend.http_response = ResponseRules::new(vec![
        rule(Edit::Del("content-encoding".into())),
        rule(Edit::Set("cache-control".into(), text("public"))),
    ])
    .with_compression(Some(Arc::new(Compression {
        types: vec![MediaRange::parse("text/html").unwrap()],
        ..gzip()
    })));
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send(ASK);
    assert_eq!(
        client.head(),
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\ncache-control: public\r\ntransfer-encoding: chunked\r\n\
         etag: W/\"b\"\r\nvary: accept-encoding\r\ncontent-encoding: gzip"
    );
    assert_eq!(gunzip(&chunks(&mut client).0), b"hello");
}

#[test]
fn servers_can_be_kept_from_compressing() {
    let server = giving(with_length("", b"hello"));
    let proxy = before(&server, Compression { offload: true, ..gzip() });
    let mut client = proxy.client();
    client.send(ASK);
    client.head();
    chunks(&mut client);
    assert_eq!(server.head(), "GET / HTTP/1.1\r\nHost: h");
    client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br\r\n\r\n");
    assert_eq!(client.response().1, b"hello");
    assert_eq!(server.head(), "GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br");
}

/// What both make of a response: lines of the head that say something of the content, and the content.
fn gist_of_content(client: &mut Client, bodiless: bool) -> (Vec<String>, Vec<u8>) {
    let head = client.head();
    let concerned = |line: &str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        ["content-type", "etag", "vary", "content-encoding", "transfer-encoding", "content-length", "trailer"]
            .contains(&name.as_str())
    };
    // Ours says less often what has been said.
    let mut lines: Vec<_> = head.lines().filter(|l| concerned(l)).map(str::to_ascii_lowercase).collect();
    lines.sort();
    lines.dedup();
    let mut content = Vec::new();
    if !bodiless && !matches!(status(&head), 204 | 304) {
        content = match field(&head, "transfer-encoding") {
            Some(_) => chunks(client).0,
            None => client.rest(),
        };
    }
    if field(&head, "content-encoding") == Some("gzip") {
        content = gunzip(&content);
    }
    (lines, content)
}

/// Which responses are compressed, and what their heads say then.
#[test]
fn haproxy_compresses_the_same() {
    let text = "Content-Type: text/html; charset=utf-8\r\n";
    let mut cases = vec![("200 OK", text.to_owned(), "gzip")];
    for more in [
        "ETag: \"abc\"",
        "ETag: W/\"abc\"",
        "ETag: abc",
        "ETag: \"a\"\r\nETag: \"b\"",
        "Vary: Origin",
        "Vary: Accept-Encoding",
        "Content-Encoding: br",
        "Content-Encoding: identity",
        "Cache-Control: no-transform",
        "Cache-Control: public, no-transform",
        "Cache-Control: public",
    ] {
        cases.push(("200 OK", format!("{text}{more}\r\n"), "gzip"));
    }
    for kind in
        ["", "Content-Type: text/css\r\n", "Content-Type: TEXT/HTML\r\n", "Content-Type: multipart/x\r\n"]
    {
        cases.push(("200 OK", kind.to_owned(), "gzip"));
    }
    for status in ["201 X", "202 X", "203 X", "204 X", "205 X", "206 X", "226 X", "304 X", "404 X", "500 X"] {
        cases.push((status, text.to_owned(), "gzip"));
    }
    for accepted in ["*", "gzip;q=0", "*;q=0", "x-gzip", "GZIP", "br", "", "gzip;q=0.3", "deflate, gzip"] {
        cases.push(("200 OK", text.to_owned(), accepted));
    }
    let responses = cases.clone();
    let server = scripted(move |served, _| {
        let Some(head) = served.request() else { return };
        let case: usize = head.split(' ').nth(1).unwrap()[1..].parse().unwrap();
        let (status, fields, _) = &responses[case / 2];
        let bodiless = ["204", "205", "304"].contains(&&status[..3]);
        let content = if bodiless { "" } else { "hello hello hello" };
        let head = format!("HTTP/1.1 {status}\r\n{fields}Connection: close\r\n");
        served.send(match case % 2 {
            _ if bodiless => format!("{head}Content-Length: 0\r\n\r\n"),
            0 => format!("{head}Content-Length: {}\r\n\r\n{content}", content.len()),
            _ => format!("{head}Transfer-Encoding: chunked\r\n\r\n11\r\n{content}\r\n0\r\n\r\n"),
        });
    });
    let ours =
        before(&server, Compression { types: vec![MediaRange::parse("text/html").unwrap()], ..gzip() });
    let theirs = Haproxy::start_with(
        "compression algo gzip\n compression type text/html\n",
        &format!(" server s1 {}\n", server.addr),
    );
    let over = |addr| {
        let stream = std::net::TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(super::common::PATIENCE)).unwrap();
        Client::over(stream)
    };
    for (case, (status, fields, accepted)) in cases.iter().enumerate() {
        for (method, version, at) in
            [("GET", "1.1", 0), ("GET", "1.1", 1), ("HEAD", "1.1", 0), ("GET", "1.0", 0)]
        {
            let request = format!(
                "{method} /{} HTTP/{version}\r\nHost: h\r\nAccept-Encoding: {accepted}\r\nConnection: close\r\n\r\n",
                case * 2 + at
            );
            let [ours, theirs] = [ours.addr, theirs.addr].map(|addr| {
                let mut client = over(addr);
                client.send(&request);
                gist_of_content(&mut client, method == "HEAD")
            });
            assert_eq!(ours, theirs, "{request}{status}\r\n{fields}");
        }
    }
}
