//! Keys about how HTTP is spoken.

use std::num::NonZeroU64;

use evenkeel::config::lower;
use evenkeel_proxy::compress::{Algo, Compression, MediaRange};
use evenkeel_proxy::plan::{MinRate, Retry, RetryEvent, RetryOn};

use super::{TIMEOUTS, codes, good, web};

fn retry(keys: &str) -> Retry {
    lower::proxy(&web(keys)).plan.backends()[0].http.retry
}

#[test]
fn requests_are_sent_again_after_what_is_said() {
    let conn = RetryOn::NONE.with(RetryEvent::ConnFailure);
    for (value, on) in [
        ("[]", RetryOn::NONE),
        ("[\"none\"]", RetryOn::NONE),
        ("[\"conn-failure\"]", conn),
        ("[\"conn-failure\", 503]", conn.with(RetryEvent::Status(503))),
        (
            "[\"empty-response\", 404]",
            RetryOn::NONE.with(RetryEvent::EmptyResponse).with(RetryEvent::Status(404)),
        ),
        ("[\"all-retryable-errors\"]", RetryOn::ALL_RETRYABLE_ERRORS),
        ("[\"all-retryable-errors\", 429]", RetryOn::ALL_RETRYABLE_ERRORS.with(RetryEvent::Status(429))),
    ] {
        assert_eq!(retry(&format!("retry_on = {value}")).on, on, "{value}");
    }
    let all = retry("retry_non_idempotent = true\nretry_budget = 5");
    assert_eq!((all.on, all.non_idempotent, all.budget_percent), (conn, true, 5));
}

#[test]
fn events_that_are_none_are_refused() {
    for (value, code) in [
        ("\"conn-failure\"", "wrong-type"),
        ("[200]", "bad-value"),
        ("[\"503\"]", "bad-value"),
        ("[\"empty\"]", "bad-value"),
        ("[\"0rtt-rejected\"]", "bad-value"),
    ] {
        let text = format!(
            "{TIMEOUTS}[listen.l]\nbind = \"*:80\"\nretry_on = {value}\n\
             server = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
        );
        assert_eq!(codes(&text), [code], "{value}");
    }
}

#[test]
fn clients_have_to_keep_up_unless_told_otherwise() {
    let rate = |keys: &str| {
        let text = format!(
            "{TIMEOUTS}[listen.l]\nbind = \"*:80\"\n{keys}\n\
             server = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
        );
        lower::proxy(&good(&text)).plan.frontends()[0].http.min_rate
    };
    assert_eq!(rate(""), MinRate { request_body: 240, response: 240 });
    let said = rate("min_request_rate = 0\nmin_response_rate = 1000");
    assert_eq!(said, MinRate { request_body: 0, response: 1000 });
}

/// What a listen or backend says goes before its frontend, and that before the defaults; `false` is said only where it
/// makes a difference.
#[test]
fn compression_is_of_both_sides() {
    let parts = |text: &str| lower::proxy(&good(&format!("{TIMEOUTS}{text}"))).plan.clone();
    let usual =
        Compression { algos: vec![Algo::Gzip], types: Vec::new(), min_size: 256, level: 2, offload: false };
    let server = "server = [{ name = \"s\", addr = \"10.0.0.1:80\" }]\n";
    let plan = parts(&format!(
        "compression = {{ algo = \"gzip\" }}\n[frontend.f]\nbind = \"*:80\"\ndefault_backend = \"a\"\n\
         [frontend.t]\nmode = \"tcp\"\nbind = \"*:81\"\ndefault_backend = \"t\"\n\
         [frontend.off]\ncompression = false\nbind = \"*:82\"\ndefault_backend = \"a\"\n\
         [backend.a]\n{server}[backend.t]\nmode = \"tcp\"\n{server}[backend.off]\ncompression = false\n{server}\
         [backend.own]\n{server}compression = {{ algo = [\"raw-deflate\", \"gzip\"], type = [\"text/*\", \
         \"Application/JSON\"], min_size = \"1KiB\", level = 6, offload = true }}\n"
    ));
    let of_frontend = |at: usize| plan.frontends()[at].http_response.compression();
    let of_backend = |at: usize| plan.backends()[at].http_response.compression();
    assert_eq!([of_frontend(0), of_frontend(1), of_frontend(2)], [Some(&usual), None, None]);
    assert_eq!((of_backend(0), of_backend(1)), (Some(&usual), None));
    assert!(of_backend(2).is_some_and(|off| off.algos.is_empty()), "its frontends compress");
    let own = Compression {
        algos: vec![Algo::RawDeflate, Algo::Gzip],
        types: ["text/*", "application/json"].map(|t| MediaRange::parse(t).unwrap()).into(),
        min_size: 1024,
        level: 6,
        offload: true,
    };
    assert_eq!(of_backend(3), Some(&own));

    let plan = parts(&format!("compression = false\n[listen.l]\nbind = \"*:80\"\n{server}"));
    assert_eq!(plan.frontends()[0].http_response.compression(), None);
    assert_eq!(plan.backends()[0].http_response.compression(), None);
}

#[test]
fn memory_bounds_compressors() {
    let compressors = |keys: &str| {
        let config = format!(
            "[global]\nnbthread = 4\n{keys}\n{TIMEOUTS}[listen.l]\nbind = \"*:80\"\n\
             server = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
        );
        let global = lower::proxy(&good(&config)).plan.global.clone();
        (global.compressors, global.compressors_of_thread())
    };
    assert_eq!(compressors(""), (409, 103));
    assert_eq!(compressors("tune = { bufsize = \"8KiB\" }"), (409, 103));
    assert_eq!(compressors("tune = { comp_max_memory = \"0B\" }"), (0, 0));
}

#[test]
fn bandwidth_is_limited_where_it_is_said() {
    let limits = |defaults: &str, keys: &str| {
        let plan = lower::proxy(&good(&format!(
            "{TIMEOUTS}{defaults}\n[listen.l]\nbind = \"*:80\"\n{keys}\n\
             server = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
        )))
        .plan
        .clone();
        let both =
            [plan.frontends()[0].http_response.bandwidth(), plan.backends()[0].http_response.bandwidth()];
        assert_eq!(both[0], both[1]);
        (both[0].download.map(NonZeroU64::get), both[0].upload.map(NonZeroU64::get))
    };
    let both = "bandwidth = { download = \"1MiB\", upload = \"512KiB\" }";
    assert_eq!(limits("", ""), (None, None));
    assert_eq!(limits(both, ""), (Some(1 << 20), Some(512 << 10)));
    assert_eq!(limits("", both), (Some(1 << 20), Some(512 << 10)));
    assert_eq!(limits(both, "bandwidth = { download = \"2KiB\" }"), (Some(2048), None));
    assert_eq!(limits(both, "bandwidth = false"), (None, None));
    assert_eq!(limits(both, "mode = \"tcp\""), (None, None));
}
