//! How HTTP is spoken: with the clients of a frontend, and with the servers of a backend.

/// HTTP towards the clients of a frontend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientHttp {
    /// What slow clients have to keep up with.
    pub min_rate: MinRate,
}

/// HTTP towards the servers of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerHttp {
    /// When requests are sent again.
    pub retry: Retry,
    /// A client that closes its side is taken to have gone (HAProxy: `option abortonclose`); in mode tcp too.
    pub abort_on_close: bool,
    /// Which connections requests of different clients share.
    pub reuse: HttpReuse,
}

/// Which HTTP/1.1 connections to servers requests of different clients share (HAProxy: `http-reuse`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpReuse {
    /// None: each belongs to one client's connection.
    Never,
    /// Any, for requests that can be sent again if the server closes just then; others get one that was in use a moment
    /// ago, or a new one.
    #[default]
    Safe,
    /// Any, for any request: one that meets the end of the connection is lost.
    Always,
}

/// The least that a client has to send or take while it is waited for, in bytes per second. 0: anything will do.
///
/// Inactivity timeouts do not end a client that sends or takes one byte now and then; this does. A client may fall
/// behind by `timeout.client`, and not by more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinRate {
    /// Of the content of a request.
    pub request_body: u32,
    /// Of a response.
    pub response: u32,
}

impl Default for MinRate {
    /// A tenth of the slowest modem there ever was: no line is slower, and attacks live from being much slower.
    fn default() -> Self {
        Self { request_body: 240, response: 240 }
    }
}

/// When a request is sent again, HAProxy's `retry-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// After which events.
    pub on: RetryOn,
    /// Also requests that could do something twice, such as POST.
    pub non_idempotent: bool,
    /// How many requests may be sent again, as a share of all of the backend's.
    pub budget_percent: u16,
}

impl Default for Retry {
    fn default() -> Self {
        Self { on: RetryOn::default(), non_idempotent: false, budget_percent: 20 }
    }
}

/// What may happen to a request after which it is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryEvent {
    /// No connection was made.
    ConnFailure,
    /// The server closed the connection without a word.
    EmptyResponse,
    /// What the server said is no response, or only a part of its head.
    JunkResponse,
    /// The server said nothing in time.
    ResponseTimeout,
    /// This status.
    Status(u16),
}

/// A set of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOn(u32);

impl RetryOn {
    /// Nothing is tried again.
    pub const NONE: Self = Self(0);

    /// The events that HAProxy's `all-retryable-errors` stands for.
    pub const ALL_RETRYABLE_ERRORS: Self = Self::NONE
        .with(RetryEvent::ConnFailure)
        .with(RetryEvent::EmptyResponse)
        .with(RetryEvent::JunkResponse)
        .with(RetryEvent::ResponseTimeout)
        .with(RetryEvent::Status(500))
        .with(RetryEvent::Status(502))
        .with(RetryEvent::Status(503))
        .with(RetryEvent::Status(504));

    /// Status codes that can be among the events.
    pub const STATUSES: [u16; 12] = [401, 403, 404, 408, 421, 425, 429, 500, 501, 502, 503, 504];

    /// The same and `event`. A status that is none of [`Self::STATUSES`] is never tried again.
    #[must_use]
    pub const fn with(self, event: RetryEvent) -> Self {
        Self(self.0 | bit(event))
    }

    /// The events of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without [`RetryEvent::ConnFailure`]: the events after which a server may have seen the request.
    #[must_use]
    pub const fn after_sending(self) -> Self {
        Self(self.0 & !bit(RetryEvent::ConnFailure))
    }

    /// Whether a request is sent again after `event`.
    #[inline]
    pub const fn has(self, event: RetryEvent) -> bool {
        self.0 & bit(event) != 0
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Default for RetryOn {
    fn default() -> Self {
        Self::NONE.with(RetryEvent::ConnFailure)
    }
}

const fn bit(event: RetryEvent) -> u32 {
    match event {
        RetryEvent::ConnFailure => 1,
        RetryEvent::EmptyResponse => 2,
        RetryEvent::JunkResponse => 4,
        RetryEvent::ResponseTimeout => 8,
        RetryEvent::Status(status) => {
            let mut at = 0;
            while at < RetryOn::STATUSES.len() {
                if RetryOn::STATUSES[at] == status {
                    return 16 << at;
                }
                at += 1;
            }
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart() {
        let events = [
            RetryEvent::ConnFailure,
            RetryEvent::EmptyResponse,
            RetryEvent::JunkResponse,
            RetryEvent::ResponseTimeout,
        ];
        let statuses = RetryOn::STATUSES.map(RetryEvent::Status);
        let all: Vec<_> = events.into_iter().chain(statuses).collect();
        for (at, event) in all.iter().enumerate() {
            let only = RetryOn::NONE.with(*event);
            for (other, event) in all.iter().enumerate() {
                assert_eq!(only.has(*event), at == other, "{event:?}");
            }
        }
    }

    /// HAProxy's configuration manual, `retry-on`.
    #[test]
    fn sets_are_haproxys() {
        assert!(RetryOn::default().has(RetryEvent::ConnFailure));
        assert!(RetryOn::default().after_sending().is_empty());
        let all = RetryOn::ALL_RETRYABLE_ERRORS;
        for status in RetryOn::STATUSES {
            assert_eq!(all.has(RetryEvent::Status(status)), matches!(status, 500 | 502 | 503 | 504));
        }
        assert!(!RetryOn::NONE.with(RetryEvent::Status(200)).has(RetryEvent::Status(200)));
    }
}
