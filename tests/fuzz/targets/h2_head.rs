//! Heads of HTTP/1.1 on their way into HTTP/2: whatever is passed on can be said there, and means the same when it is said
//! in HTTP/1.1 again; and content out of the chunks it came in.
#![no_main]

use evenkeel_proxy::h1::body::Body;
use evenkeel_proxy::h1::chunked::Output;
use evenkeel_proxy::h1::conn::{self, Options};
use evenkeel_proxy::h1::field::Known;
use evenkeel_proxy::h1::forward::{self, After, ToClient, ToServer};
use evenkeel_proxy::h1::framing::{self, BodyFraming};
use evenkeel_proxy::h1::head::{HeadIndex, Limits, Method, Version};
use evenkeel_proxy::h1::target::{self, Target};
use evenkeel_proxy::h2::dechunk::{Dechunker, Next};
use evenkeel_proxy::h2::request::{self, Protocol};
use evenkeel_proxy::h2::{Malformed, response};
use http::uri::Scheme;
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { bytes: 16 << 10, fields: 101 };
/// The forwarded head has fields of our own.
const ROOMY: Limits = Limits { bytes: 1 << 20, fields: 4096 };

// The first byte says what the others are: a request, a response, or chunks and how they are cut.
fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    match first % 3 {
        0 => request(bytes),
        1 => response(bytes),
        _ => chunks(bytes, usize::from(first / 3)),
    }
});

fn request(bytes: &[u8]) {
    let mut index = HeadIndex::default();
    let Ok(Some(head)) = index.parse_request(bytes, &LIMITS) else { return };
    let Ok(framing) = framing::of_request(&head, &index, bytes) else { return };
    if target::check_host(head.version, &index, bytes).is_err() {
        return;
    }
    let Ok(target) = Target::parse(head.method, head.target.of(bytes)) else { return };
    let options = Options::of(&index, bytes);
    let expectation = conn::expectation(head.version, framing, &index, bytes);
    let upgrade = framing == BodyFraming::None && conn::wants_upgrade(head.version, options, &index, bytes);
    let to = ToServer {
        target,
        options,
        framing,
        expectation,
        upgrade,
        cookie: None,
        forwarded_for: None,
        edits: None,
    };
    let mut forwarded = Vec::new();
    forward::request(&mut forwarded, &head, &index, bytes, &to);

    let head = index.parse_request(&forwarded, &ROOMY).expect("a well-formed head").expect("a whole head");
    let made = match request::from_head(&head, &index, &forwarded, Scheme::HTTP) {
        Ok(made) => made,
        Err(error) => {
            // A host with `%`, or with a port and no name, is none in a URI; and a target has its longest.
            let host = index.first(Known::Host).map(|f| f.value.of(&forwarded)).unwrap_or_default();
            let odd = host.contains(&b'%') || !host.first().is_some_and(u8::is_ascii_alphanumeric);
            assert!(error == Malformed::Head && odd, "{error}: {}", forwarded.escape_ascii());
            return;
        }
    };
    let websocket = made.websocket.is_some();
    assert!(framing == BodyFraming::None || !websocket, "a WebSocket has no content");
    let said = made.request.uri().path_and_query().map(|p| p.as_str()).unwrap_or_default();
    assert!(same_target(head.target.of(&forwarded), said.as_bytes()), "{said}");

    let (parts, ()) = made.request.into_parts();
    let protocol = websocket.then_some(Protocol { name: "websocket", nonce: [7; 16] });
    let mut out = Vec::new();
    let ends = made.framing == BodyFraming::None && !websocket;
    let written = request::write_head(&mut out, &parts, protocol, ends);
    written.expect("what is said in HTTP/2 is well-formed");
    let mut index_again = HeadIndex::default();
    let again = index_again.parse_request(&out, &ROOMY).expect("a well-formed head").expect("a whole head");
    assert_eq!(again.len, out.len(), "nothing behind the head");
    assert_eq!(again.method_span.of(&out), head.method_span.of(&forwarded));
    let framing_again = framing::of_request(&again, &index_again, &out).expect("a framing");
    if websocket || made.framing == BodyFraming::None {
        assert!(matches!(framing_again, BodyFraming::None | BodyFraming::Length(0)), "{framing_again:?}");
    } else {
        assert_eq!(framing_again, made.framing, "as long as before");
    }
}

/// Whether `said` is `target` with some bytes percent-encoded.
fn same_target(target: &[u8], said: &[u8]) -> bool {
    let mut rest = said;
    for byte in target {
        let encoded = format!("%{byte:02X}").into_bytes();
        rest = match rest {
            [first, rest @ ..] if first == byte => rest,
            _ => match rest.strip_prefix(&encoded[..]) {
                Some(rest) if !byte.is_ascii_alphanumeric() => rest,
                _ => return false,
            },
        };
    }
    rest.is_empty()
}

fn response(bytes: &[u8]) {
    let mut index = HeadIndex::default();
    let Ok(Some(head)) = index.parse_response(bytes, &LIMITS) else { return };
    let method = Method::Get;
    let Ok(framing) = framing::of_response(&head, method, &index, bytes) else { return };
    let to = ToClient {
        version: Version::Http11,
        method,
        framing,
        after: After::Persist,
        sticky: None,
        edits: &[],
    };
    let mut forwarded = Vec::new();
    forward::response(&mut forwarded, &head, &index, bytes, &to);

    let head = index.parse_response(&forwarded, &ROOMY).expect("a well-formed head").expect("a whole head");
    let made = response::from_head(&head, &index, &forwarded).expect("whatever is passed on can be said");
    let (parts, ()) = made.into_parts();
    let expected = if head.status == 101 { 200 } else { head.status };
    assert_eq!(parts.status.as_u16(), expected);
    let mut out = Vec::new();
    let ends = framing == BodyFraming::None;
    response::write_head(&mut out, &parts, method, ends).expect("what is said in HTTP/2 is well-formed");
    let mut index_again = HeadIndex::default();
    let again = index_again.parse_response(&out, &ROOMY).expect("a well-formed head").expect("a whole head");
    assert_eq!((again.len, again.status), (out.len(), expected));
    let framing_again = framing::of_response(&again, method, &index_again, &out).expect("a framing");
    match framing {
        BodyFraming::Length(length) => assert_eq!(framing_again, BodyFraming::Length(length)),
        BodyFraming::Chunked | BodyFraming::UntilClose => assert_eq!(framing_again, BodyFraming::Chunked),
        BodyFraming::None => {
            assert!(matches!(framing_again, BodyFraming::None | BodyFraming::Length(0)) || !ends);
        }
    }
}

/// What the HTTP/1.1 path lets pass is read alike, however it is cut.
fn chunks(bytes: &[u8], cut: usize) {
    let mut body = Body::new(BodyFraming::Chunked, Output::Chunks);
    let mut passed = bytes.to_vec();
    let Ok(taken) = body.take(&mut passed) else { return };
    passed.truncate(taken.kept);
    let whole = dechunk(&passed, passed.len()).expect("chunks that have been checked");
    let parts = dechunk(&passed, cut + 1).expect("the same chunks");
    assert_eq!(whole, parts);
    assert_eq!(whole.2, taken.done, "an end is where the body ends");
}

/// Content, trailers, and whether there was an end.
fn dechunk(
    bytes: &[u8],
    step: usize,
) -> Result<(Vec<u8>, http::HeaderMap, bool), evenkeel_proxy::h2::dechunk::Broken> {
    let (mut chunks, mut data) = (Dechunker::default(), Vec::new());
    for mut input in bytes.chunks(step.max(1)) {
        while let Next::Data(n) = chunks.advance(&mut input)? {
            data.extend_from_slice(&input[..n]);
            input = &input[n..];
            chunks.take(n);
        }
    }
    let trailers = chunks.take_trailers();
    Ok((data, trailers, chunks.is_done()))
}
