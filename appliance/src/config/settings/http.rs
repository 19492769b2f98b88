//! What a proxy section says about HTTP.

use evenkeel_proxy::bandwidth::Bandwidth;
use evenkeel_proxy::plan::{ClientHttp, HttpReuse, MinRate, Retry, RetryOn, ServerHttp};

/// Keys of [`crate::config::keys`] about HTTP.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct HttpSettings {
    pub(in crate::config) min_request_rate: Option<u32>,
    pub(in crate::config) min_response_rate: Option<u32>,
    pub(in crate::config) retry_on: Option<RetryOn>,
    pub(in crate::config) retry_non_idempotent: Option<bool>,
    pub(in crate::config) retry_budget: Option<u16>,
    pub(in crate::config) abort_on_close: Option<bool>,
    pub(in crate::config) reuse: Option<HttpReuse>,
    pub(in crate::config) bandwidth: Option<Bandwidth>,
}

impl HttpSettings {
    /// What is said here, and what `base` says of the rest.
    pub(super) fn over(self, base: &Self) -> Self {
        Self {
            min_request_rate: self.min_request_rate.or(base.min_request_rate),
            min_response_rate: self.min_response_rate.or(base.min_response_rate),
            retry_on: self.retry_on.or(base.retry_on),
            retry_non_idempotent: self.retry_non_idempotent.or(base.retry_non_idempotent),
            retry_budget: self.retry_budget.or(base.retry_budget),
            abort_on_close: self.abort_on_close.or(base.abort_on_close),
            reuse: self.reuse.or(base.reuse),
            bandwidth: self.bandwidth.or(base.bandwidth),
        }
    }

    /// With clients.
    pub(in crate::config) fn of_client(&self) -> ClientHttp {
        let usual = MinRate::default();
        let min_rate = MinRate {
            request_body: self.min_request_rate.unwrap_or(usual.request_body),
            response: self.min_response_rate.unwrap_or(usual.response),
        };
        ClientHttp { min_rate }
    }

    /// With servers.
    pub(in crate::config) fn of_server(&self) -> ServerHttp {
        let usual = Retry::default();
        let retry = Retry {
            on: self.retry_on.unwrap_or(usual.on),
            non_idempotent: self.retry_non_idempotent.unwrap_or(usual.non_idempotent),
            budget_percent: self.retry_budget.unwrap_or(usual.budget_percent),
        };
        ServerHttp {
            retry,
            abort_on_close: self.abort_on_close.unwrap_or(false),
            reuse: self.reuse.unwrap_or_default(),
        }
    }
}
