//! Keys about how HTTP is spoken.

use evenkeel::config::lower;
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
