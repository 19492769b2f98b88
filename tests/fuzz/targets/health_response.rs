//! Answers to health checks: no panic, and a verdict that does not depend on how the bytes arrive.
#![no_main]

use evenkeel_proxy::health::Verdict;
use evenkeel_proxy::health::http::Evaluation;
use evenkeel_proxy::plan::{Expect, HttpCheck, HttpVersion};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((step, answer)) = bytes.split_first() else { return };
    for expect in [vec![], vec![Expect::Status(vec![200..=299])], vec![Expect::String(b"ok".to_vec())]] {
        let check = HttpCheck {
            method: "GET".into(),
            uri: "/".into(),
            version: HttpVersion::V1_1,
            headers: Vec::new(),
            body: Vec::new(),
            expect,
        };
        let whole = judge(&check, answer, answer.len().max(1));
        let cut = judge(&check, answer, usize::from(*step) + 1);
        assert_eq!(whole, cut, "cut into pieces of {step}");
    }
});

/// Whether the server is found healthy.
fn judge(check: &HttpCheck, answer: &[u8], step: usize) -> bool {
    let mut evaluation = Evaluation::new(check);
    let early = answer.chunks(step).find_map(|piece| evaluation.feed(piece));
    let result = early.unwrap_or_else(|| evaluation.end());
    result.status.verdict() == Verdict::Pass
}
