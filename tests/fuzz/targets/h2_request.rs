//! Header blocks of HTTP/2 requests: the head made of one is one head, with nothing behind it, and frames as it was said.
#![no_main]

use evenkeel_proxy::h1::field::Known;
use evenkeel_proxy::h1::framing::{self, BodyFraming};
use evenkeel_proxy::h1::head::{HeadIndex, Limits, Method};
use evenkeel_proxy::h2::Content;
use evenkeel_proxy::h2::request::{self, Protocol};
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::fuzz_target;

const ROOMY: Limits = Limits { bytes: 1 << 20, fields: 4096 };

// Lines: method, URI, protocol, then `name: value`. The first byte says whether anything follows the header block.
fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let ends = first % 2 == 0;
    let mut lines = bytes.split(|b| *b == b'\n');
    let (method, uri) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let protocol = std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let mut request = Request::builder().method(method).uri(uri);
    for line in lines {
        let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let (name, value) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.get(1..).unwrap_or_default()));
        if let (Ok(name), Ok(value)) = (name, value) {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(()) else { return };
    let (parts, ()) = request.into_parts();
    let protocol = (!protocol.is_empty()).then_some(Protocol { name: protocol, nonce: [7; 16] });
    let mut out = Vec::new();
    let Ok(content) = request::write_head(&mut out, &parts, protocol, ends) else { return };

    let mut index = HeadIndex::default();
    // What HTTP/1.1 would not take it refuses here as well.
    let Ok(Some(head)) = index.parse_request(&out, &ROOMY) else { return };
    assert_eq!(head.len, out.len(), "nothing behind the head");
    assert!(index.first(Known::Host).is_none() || index.fields()[0].known == Known::Host, "Host comes first");
    let Ok(framing) = framing::of_request(&head, &index, &out) else { return };
    match content {
        Content::Chunks => assert_eq!(framing, BodyFraming::Chunked),
        Content::Length => assert!(matches!(framing, BodyFraming::Length(_) | BodyFraming::None)),
        Content::None => assert!(framing == BodyFraming::None || head.method == Method::Connect),
        Content::Tunnel => {
            assert_eq!(framing, BodyFraming::None);
            assert!(index.first(Known::Upgrade).is_some() && head.method == Method::Get);
        }
    }
});
