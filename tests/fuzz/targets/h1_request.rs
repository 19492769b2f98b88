//! Request heads: a verdict that does not depend on how the bytes arrive, and a forwarded head that means the same.
#![no_main]

use evenkeel_proxy::h1::conn::{self, Options};
use evenkeel_proxy::h1::forward::{self, ForwardedFor, ToServer};
use evenkeel_proxy::h1::framing::{self, BodyFraming};
use evenkeel_proxy::h1::head::{HeadIndex, Limits};
use evenkeel_proxy::h1::target::{self, Target};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { bytes: 16 << 10, fields: 101 };
/// The forwarded head has fields of our own.
const ROOMY: Limits = Limits { bytes: 64 << 10, fields: 400 };

fuzz_target!(|bytes: &[u8]| {
    let mut index = HeadIndex::default();
    let Ok(Some(request)) = index.parse_request(bytes, &LIMITS) else { return };
    for cut in [1, request.len / 2, request.len - 1] {
        let early = HeadIndex::default().parse_request(&bytes[..cut], &LIMITS);
        assert_eq!(early, Ok(None), "a good head is never refused for having come in parts");
    }
    let Ok(framing) = framing::of_request(&request, &index, bytes) else { return };
    if target::check_host(request.version, &index, bytes).is_err() {
        return;
    }
    let Ok(target) = Target::parse(request.method, request.target.of(bytes)) else { return };
    let options = Options::of(&index, bytes);
    let to = ToServer {
        target,
        options,
        framing,
        expectation: conn::expectation(request.version, framing, &index, bytes),
        upgrade: conn::wants_upgrade(request.version, options, &index, bytes),
        cookie: None,
        edits: None,
        forwarded_for: Some(ForwardedFor {
            header: "X-Forwarded-For",
            client: [192, 0, 2, 1].into(),
            if_none: bytes.len() % 2 == 0,
        }),
    };
    let mut out = Vec::new();
    forward::request(&mut out, &request, &index, bytes, &to);

    let mut index_again = HeadIndex::default();
    let again = index_again.parse_request(&out, &ROOMY).expect("a well-formed head").expect("a whole head");
    assert_eq!(again.len, out.len(), "nothing behind the head");
    assert_eq!(again.method_span.of(&out), request.method_span.of(bytes));
    let forwarded = if framing.is_reframed() { BodyFraming::Chunked } else { framing };
    assert_eq!(
        framing::of_request(&again, &index_again, &out),
        Ok(forwarded),
        "the server sees the same length"
    );
    assert!(target::check_host(again.version, &index_again, &out).is_ok(), "the server sees one good Host");
});
