//! Response heads, as answers to several methods: the forwarded head means the same to the client.
#![no_main]

use evenkeel_proxy::h1::forward::{self, After, ToClient};
use evenkeel_proxy::h1::framing;
use evenkeel_proxy::h1::head::{HeadIndex, Limits, Method, Version};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { bytes: 16 << 10, fields: 101 };
const ROOMY: Limits = Limits { bytes: 64 << 10, fields: 400 };

fuzz_target!(|bytes: &[u8]| {
    let mut index = HeadIndex::default();
    let Ok(Some(response)) = index.parse_response(bytes, &LIMITS) else { return };
    for cut in [1, response.len / 2, response.len - 1] {
        let early = HeadIndex::default().parse_response(&bytes[..cut], &LIMITS);
        assert_eq!(early, Ok(None), "a good head is never refused for having come in parts");
    }
    for method in [Method::Get, Method::Head, Method::Connect] {
        let Ok(framing) = framing::of_response(&response, method, &index, bytes) else { continue };
        for after in [After::Persist, After::Close] {
            let to = ToClient { version: Version::Http11, method, framing, after, sticky: None, edits: &[] };
            let mut out = Vec::new();
            forward::response(&mut out, &response, &index, bytes, &to);
            let mut index_again = HeadIndex::default();
            let again =
                index_again.parse_response(&out, &ROOMY).expect("a well-formed head").expect("a whole head");
            assert_eq!((again.len, again.status), (out.len(), response.status));
            let framing_again = framing::of_response(&again, method, &index_again, &out);
            assert_eq!(framing_again, Ok(framing), "the client sees the same length");
        }
    }
});
