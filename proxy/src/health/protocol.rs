//! Protocols that checks speak: each a small dialogue of bytes heard and bytes said, without sockets or clock.

pub(super) mod agent;
mod ldap;
mod mysql;
mod pgsql;
mod redis;
mod smtp;
#[cfg(test)]
mod tests;
mod tls_hello;

use super::result::{CheckResult, CheckStatus};
use crate::plan::Protocol;

/// One dialogue while it goes on.
#[derive(Debug)]
pub(super) enum Dialogue {
    Mysql(mysql::Mysql),
    Redis,
    Pgsql,
    Smtp(smtp::Smtp),
    Ldap,
    Agent,
    SslHello,
}

/// What a dialogue makes of what it has heard and not yet answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Not enough yet.
    More,
    /// This is the answer to so many bytes of it.
    Say(Vec<u8>, usize),
    /// The verdict, and what to say before the connection is closed.
    Over(Box<CheckResult>, Vec<u8>),
}

impl Dialogue {
    /// Begins, with what is to be sent first; empty: the server speaks first.
    pub(super) fn begin(protocol: &Protocol) -> (Self, Vec<u8>) {
        match protocol {
            Protocol::Mysql(check) => (Self::Mysql(mysql::Mysql::new(check)), Vec::new()),
            Protocol::Redis => (Self::Redis, redis::PING.to_vec()),
            Protocol::Pgsql { user } => (Self::Pgsql, pgsql::startup(user)),
            Protocol::Smtp { hello } => (Self::Smtp(smtp::Smtp::new(hello)), Vec::new()),
            Protocol::Ldap => (Self::Ldap, ldap::BIND.to_vec()),
            Protocol::Agent { send } => (Self::Agent, send.clone()),
            Protocol::SslHello { sni } => (Self::SslHello, tls_hello::client_hello(sni.as_deref())),
        }
    }

    /// Takes in all that was received and not answered. `last`: nothing more will come.
    pub(super) fn hear(&mut self, received: &[u8], last: bool) -> Heard {
        match self {
            Self::Mysql(mysql) => mysql.hear(received),
            Self::Redis => redis::hear(received, last),
            Self::Pgsql => pgsql::hear(received),
            Self::Smtp(smtp) => smtp.hear(received, last),
            Self::Ldap => ldap::hear(received),
            Self::Agent => agent::hear(received, last),
            Self::SslHello => tls_hello::hear(received),
        }
    }

    /// Outcome when time runs out.
    pub(super) fn timeout_status(&self) -> CheckStatus {
        match self {
            Self::SslHello => CheckStatus::L6Timeout,
            Self::Mysql(_) | Self::Redis | Self::Pgsql | Self::Smtp(_) | Self::Ldap | Self::Agent => {
                CheckStatus::L7Timeout
            }
        }
    }

    /// Outcome when the server ends the dialogue half-way.
    pub(super) fn broken_status(&self) -> CheckStatus {
        match self {
            Self::SslHello => CheckStatus::L6Response,
            Self::Mysql(_) | Self::Redis | Self::Pgsql | Self::Smtp(_) | Self::Ldap | Self::Agent => {
                CheckStatus::L7Response
            }
        }
    }
}

fn over(status: CheckStatus, info: impl AsRef<[u8]>) -> Heard {
    Heard::Over(Box::new(CheckResult::new(status).with_info(info.as_ref())), Vec::new())
}

fn invalid(words: &str) -> Heard {
    over(CheckStatus::L7Response, words)
}
