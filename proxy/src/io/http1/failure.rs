//! What each kind of failure is called: the status the client gets, and the letters in the record.

use super::super::assign::Unassigned;
use super::super::upstream::DialError;
use crate::access_log::{Cause, Phase, Termination};
use crate::balance::Shutdown;
use crate::h1::reject::Reject;

/// Why an exchange does not run to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::io) enum Failure {
    /// The head is not a request, or one that is refused.
    Refused(Reject),
    /// The client ended, or broke, its side inside the head.
    HeadCutShort,
    /// The head did not arrive in time.
    HeadTimeout,
    /// No backend, or no usable server in it.
    NoServer,
    /// The only server that would do is full, and so is its queue.
    QueueFull,
    /// No server became free in time.
    QueueTimeout,
    /// No connection to a server.
    Dial(DialError),
    /// The client broke off.
    ClientAborted,
    /// The client was too slow to send or to receive.
    ClientTimeout,
    /// The client sent or took something, but less than it has to.
    ClientTooSlow,
    /// The content of the request is not in the framing it claims.
    BadRequestBody,
    /// The server closed before its response was complete.
    ServerClosed,
    /// The server was too slow.
    ServerTimeout,
    /// The response is not one that can be passed on.
    BadResponse,
    /// A rule does not let the response pass.
    Denied,
    /// A script has failed at the response.
    Script,
    /// Sessions with the server were ended.
    ShutDown(Shutdown),
}

/// How far the response was when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::io) enum Progress {
    /// Nothing final has been sent to the client: it can be told.
    Unanswered,
    /// The response has begun: all that can be done is to end it visibly.
    Answering,
}

impl From<Unassigned> for Failure {
    fn from(reason: Unassigned) -> Self {
        match reason {
            Unassigned::NoServer => Self::NoServer,
            Unassigned::QueueFull(_) => Self::QueueFull,
            Unassigned::QueueTimeout(_) => Self::QueueTimeout,
        }
    }
}

impl Failure {
    /// What the client is told, if it can be.
    pub(super) fn reject(self) -> Reject {
        match self {
            Self::Refused(reject) => reject,
            Self::HeadCutShort | Self::ClientAborted | Self::BadRequestBody => Reject::BadRequest,
            Self::HeadTimeout | Self::ClientTimeout | Self::ClientTooSlow => Reject::RequestTimeout,
            Self::NoServer | Self::QueueFull | Self::QueueTimeout | Self::Dial(_) => {
                Reject::ServiceUnavailable
            }
            Self::ServerClosed | Self::BadResponse | Self::Denied | Self::ShutDown(_) => Reject::BadGateway,
            Self::Script => Reject::InternalError,
            Self::ServerTimeout => Reject::GatewayTimeout,
        }
    }

    /// The letters of the record: HAProxy's for the same events.
    pub(in crate::io) fn termination(self, progress: Progress) -> Termination {
        let while_relaying = match progress {
            Progress::Unanswered => Phase::Headers,
            Progress::Answering => Phase::Data,
        };
        let (cause, phase) = match self {
            Self::Refused(_) => (Cause::Proxy, Phase::Request),
            Self::HeadCutShort => (Cause::Client, Phase::Request),
            Self::HeadTimeout => (Cause::ClientTimeout, Phase::Request),
            Self::NoServer | Self::Dial(DialError::Refused | DialError::Unassigned(Unassigned::NoServer)) => {
                (Cause::Server, Phase::Connect)
            }
            Self::QueueFull | Self::Dial(DialError::Unassigned(Unassigned::QueueFull(_))) => {
                (Cause::Server, Phase::Queue)
            }
            Self::QueueTimeout | Self::Dial(DialError::Unassigned(Unassigned::QueueTimeout(_))) => {
                (Cause::ServerTimeout, Phase::Queue)
            }
            Self::Dial(DialError::Timeout) => (Cause::ServerTimeout, Phase::Connect),
            Self::Dial(DialError::Resource) => (Cause::Resource, Phase::Connect),
            Self::ClientAborted => (Cause::Client, while_relaying),
            Self::ClientTimeout => (Cause::ClientTimeout, while_relaying),
            Self::ClientTooSlow => (Cause::ClientRate, while_relaying),
            Self::BadRequestBody | Self::BadResponse | Self::Denied | Self::Script => {
                (Cause::Proxy, while_relaying)
            }
            Self::ServerClosed => (Cause::Server, while_relaying),
            Self::ServerTimeout => (Cause::ServerTimeout, while_relaying),
            Self::ShutDown(Shutdown::Down) => (Cause::Down, while_relaying),
            Self::ShutDown(Shutdown::Up) => (Cause::Up, while_relaying),
            Self::ShutDown(Shutdown::Ordered) => (Cause::Killed, while_relaying),
        };
        Termination::new(cause, phase)
    }

    /// Whether it is the server's doing, or that of whoever has taken the server away.
    pub(in crate::io) fn is_of_server(self) -> bool {
        match self {
            Self::Dial(_)
            | Self::ServerClosed
            | Self::ServerTimeout
            | Self::BadResponse
            | Self::ShutDown(_) => true,
            Self::Refused(_)
            | Self::HeadCutShort
            | Self::HeadTimeout
            | Self::NoServer
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::ClientAborted
            | Self::ClientTimeout
            | Self::ClientTooSlow
            | Self::Denied
            | Self::Script
            | Self::BadRequestBody => false,
        }
    }

    /// Whether the client may have sent more than was read, so that closing at once would destroy the answer.
    pub(super) fn leaves_input(self) -> bool {
        match self {
            Self::HeadTimeout | Self::HeadCutShort | Self::ClientAborted => false,
            Self::Refused(_)
            | Self::NoServer
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::Dial(_)
            | Self::ClientTimeout
            | Self::ClientTooSlow
            | Self::BadRequestBody
            | Self::ServerClosed
            | Self::ServerTimeout
            | Self::BadResponse
            | Self::Denied
            | Self::Script
            | Self::ShutDown(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observed with HAProxy 2.6.12 for the same events, which has none for a client that is too slow.
    #[test]
    fn statuses_and_letters_are_haproxys() {
        for (failure, status, unanswered, answering) in [
            (Failure::Refused(Reject::BadRequest), 400, "PR--", "PR--"),
            (Failure::HeadCutShort, 400, "CR--", "CR--"),
            (Failure::HeadTimeout, 408, "cR--", "cR--"),
            (Failure::NoServer, 503, "SC--", "SC--"),
            (Failure::QueueFull, 503, "SQ--", "SQ--"),
            (Failure::QueueTimeout, 503, "sQ--", "sQ--"),
            (Failure::Dial(DialError::Refused), 503, "SC--", "SC--"),
            (Failure::Dial(DialError::Timeout), 503, "sC--", "sC--"),
            (Failure::Dial(DialError::Resource), 503, "RC--", "RC--"),
            (Failure::ClientAborted, 400, "CH--", "CD--"),
            (Failure::ClientTimeout, 408, "cH--", "cD--"),
            (Failure::ClientTooSlow, 408, "rH--", "rD--"),
            (Failure::BadRequestBody, 400, "PH--", "PD--"),
            (Failure::ServerClosed, 502, "SH--", "SD--"),
            (Failure::ServerTimeout, 504, "sH--", "sD--"),
            (Failure::BadResponse, 502, "PH--", "PD--"),
            (Failure::Denied, 502, "PH--", "PD--"),
            (Failure::Script, 500, "PH--", "PD--"),
            (Failure::ShutDown(Shutdown::Down), 502, "DH--", "DD--"),
            (Failure::ShutDown(Shutdown::Up), 502, "UH--", "UD--"),
            (Failure::ShutDown(Shutdown::Ordered), 502, "KH--", "KD--"),
        ] {
            assert_eq!(failure.reject().status(), status, "{failure:?}");
            for (progress, letters) in [(Progress::Unanswered, unanswered), (Progress::Answering, answering)]
            {
                assert_eq!(failure.termination(progress).letters(), letters.as_bytes(), "{failure:?}");
            }
        }
    }
}
