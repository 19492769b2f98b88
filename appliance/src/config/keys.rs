//! The one table of keys: what may be said in each section, of which type, with which default. The reader checks
//! values against it, and the reference, `evenkeel explain`, the manual page and the suggestions are made from it.

use std::fmt;

mod balance;
mod check;
mod compression;
mod cookie;
mod counted;
mod gauge;
mod global;
mod http;
mod log;
mod lua;
mod map;
mod matcher;
mod proxy;
mod resolvers;
mod route;
mod rule;
mod server;
mod stats;
mod stick;
mod tcp;
mod tls;
mod top;
mod vrrp;

pub use balance::{BALANCE_BY, BALANCE_URI, BALANCE_WORD};
pub use check::{CHECK_STEP, CONNECT, EXPECT, HEADER, MYSQL, PGSQL, SEND, SMTP, SSL_HELLO};
pub use compression::COMPRESSION;
pub use cookie::COOKIE;
pub use counted::{SC, SC_COUNTED, SC_SET, SRC_COUNTED, TABLE_STORE, TRACK_KEY};
pub use gauge::{COMPARED, HOURS, OF_BACKEND, OF_SERVER, RAND};
pub use global::{ADMIN_SOCKET, GLOBAL, TUNE, WORKER};
pub use http::{BANDWIDTH, SET_BANDWIDTH_LIMIT};
pub use log::{CAPTURE, CAPTURE_COOKIE, CAPTURE_FIELD, LOG_TARGET, UNIQUE_ID};
pub use lua::LUA;
pub use map::MAP;
pub use matcher::MATCHER;
pub use proxy::{BACKEND, BIND, DEFAULTS, FORWARDFOR, FRONTEND, LISTEN, OF_HTTP, PROFILE};
pub use proxy::{TIMEOUT, TIMEOUT_BACKEND, TIMEOUT_FRONTEND};
pub use resolvers::{HOLD, RESOLVERS, RESOLVERS_TIMEOUT};
pub use route::USE_BACKEND;
pub use rule::{
    HTTP_REQUEST, HTTP_RESPONSE, LOOK_UP, REDIRECT, REPLACE, REPLACE_LINE, RESPONSE_REDIRECT, RETURN,
    RULE_CAPTURE, WAIT_FOR_BODY,
};
pub use server::{DEFAULT_SERVER, EJECTION, SERVER, SERVER_TEMPLATE};
pub use stats::STATS;
pub use stick::{STICK, STICK_FIELD, TABLE};
pub use tcp::TCP_REQUEST;
pub use tls::{BIND_TLS, SERVER_POLICY, TLS};
pub use top::TOP;
pub use vrrp::{AUTHENTICATION, PREEMPT, SYNC_GROUP, TRACK, VIP, VRRP, VRRP_SCRIPT};

/// A table of the configuration file and the keys it may have.
#[derive(Debug)]
pub struct Section {
    /// Where it stands, as in `backend.NAME`.
    pub path: &'static str,
    /// What it is called in messages, as in "a server".
    pub called: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys, in the order of the reference.
    pub keys: &'static [Key],
    /// Words of HAProxy and Keepalived that are said differently here, and how.
    pub hints: &'static [(&'static str, &'static str)],
}

impl Section {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name in the file.
    pub name: &'static str,
    /// What its value may be.
    pub ty: Type,
    /// What holds when it is not said.
    pub default: Default,
    /// May be a table from node names to values.
    pub per_node: bool,
    /// One or two sentences.
    pub doc: &'static str,
}

impl Key {
    /// A key without default.
    pub const fn new(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Self { name, ty, default: Default::None, per_node: false, doc }
    }

    /// With a default, as it would be written in the file.
    #[must_use]
    pub const fn default(self, value: &'static str) -> Self {
        Self { default: Default::Value(value), ..self }
    }

    /// With a default that depends on something else.
    #[must_use]
    pub const fn default_is(self, words: &'static str) -> Self {
        Self { default: Default::Words(words), ..self }
    }

    /// Must be said.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { default: Default::Required, ..self }
    }

    /// May differ per node.
    #[must_use]
    pub const fn per_node(self) -> Self {
        Self { per_node: true, ..self }
    }
}

/// What holds when a key is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Nothing: the feature is off or unlimited, as the doc says.
    None,
    /// It must be said.
    Required,
    /// A value, as it would be written in the file.
    Value(&'static str),
    /// Something that depends on other keys.
    Words(&'static str),
}

/// What a value may be. Numbers carry their range, durations in milliseconds and sizes in bytes.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int {
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// A number with a unit of time: `"3s"`.
    Duration {
        /// Least, in milliseconds.
        min_ms: u64,
        /// Greatest, in milliseconds.
        max_ms: u64,
    },
    /// A number with a unit of size: `"16KiB"`.
    Size {
        /// Least, in bytes.
        min: u64,
        /// Greatest, in bytes.
        max: u64,
    },
    /// One of a few words.
    Word(&'static [&'static str]),
    /// Any text; what it says.
    Text(&'static str),
    /// A secret: the text itself, or `file:PATH`, `env:NAME`, `cred:NAME`.
    Secret,
    /// A table of names with secrets.
    Passwords,
    /// A table with its own keys.
    Table(&'static Section),
    /// Tables by name, each with these keys.
    Named(&'static Section),
    /// An array of tables with these keys.
    Tables(&'static Section),
    /// Several forms; described in words, with the keys of the table form if there is one.
    Forms(&'static str, Option<&'static Section>),
}

impl Type {
    /// The section whose keys the value has, if it can be a table.
    pub const fn section(&self) -> Option<&'static Section> {
        match self {
            Self::Table(s) | Self::Named(s) | Self::Tables(s) => Some(s),
            Self::Forms(_, s) => *s,
            Self::Bool
            | Self::Int { .. }
            | Self::Duration { .. }
            | Self::Size { .. }
            | Self::Word(_)
            | Self::Text(_)
            | Self::Secret
            | Self::Passwords => None,
        }
    }
}

/// As it reads after "must be".
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Int { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Duration { min_ms, max_ms } => {
                let (min, max) = (super::value::show_ms(*min_ms), super::value::show_ms(*max_ms));
                write!(f, "a duration from \"{min}\" to \"{max}\"")
            }
            Self::Size { min, max } => {
                write!(
                    f,
                    "a size from \"{}\" to \"{}\"",
                    super::value::show_bytes(*min),
                    super::value::show_bytes(*max)
                )
            }
            Self::Word(words) => write_words(f, words),
            Self::Text(what) | Self::Forms(what, _) => f.write_str(what),
            Self::Secret => {
                f.write_str("a secret: the text itself, \"file:PATH\", \"env:NAME\" or \"cred:NAME\"")
            }
            Self::Passwords => f.write_str(
                "a table of names, each with a secret: the text itself, \"file:PATH\", \"env:NAME\" or \"cred:NAME\"",
            ),
            Self::Table(_) => f.write_str("a table"),
            Self::Named(_) => f.write_str("tables by name"),
            Self::Tables(_) => f.write_str("an array of tables"),
        }
    }
}

fn write_words(f: &mut fmt::Formatter<'_>, words: &[&str]) -> fmt::Result {
    for (i, w) in words.iter().enumerate() {
        let separator = match i {
            0 => "",
            _ if i + 1 == words.len() => " or ",
            _ => ", ",
        };
        write!(f, "{separator}\"{w}\"")?;
    }
    Ok(())
}

/// All sections, in the order of the reference.
pub static SECTIONS: &[&Section] = &[
    &TOP,
    &GLOBAL,
    &LOG_TARGET,
    &ADMIN_SOCKET,
    &WORKER,
    &TUNE,
    &TLS,
    &DEFAULTS,
    &PROFILE,
    &FRONTEND,
    &BACKEND,
    &LISTEN,
    &STATS,
    &BALANCE_BY,
    &BALANCE_URI,
    &BIND,
    &CAPTURE,
    &CAPTURE_FIELD,
    &CAPTURE_COOKIE,
    &UNIQUE_ID,
    &TCP_REQUEST,
    &HTTP_REQUEST,
    &WAIT_FOR_BODY,
    &SET_BANDWIDTH_LIMIT,
    &RULE_CAPTURE,
    &RETURN,
    &LOOK_UP,
    &REPLACE,
    &REPLACE_LINE,
    &REDIRECT,
    &TRACK_KEY,
    &SC,
    &SC_SET,
    &HTTP_RESPONSE,
    &RESPONSE_REDIRECT,
    &USE_BACKEND,
    &MATCHER,
    &SC_COUNTED,
    &SRC_COUNTED,
    &COMPARED,
    &OF_BACKEND,
    &OF_SERVER,
    &HOURS,
    &RAND,
    &TIMEOUT,
    &TIMEOUT_FRONTEND,
    &TIMEOUT_BACKEND,
    &FORWARDFOR,
    &COMPRESSION,
    &BANDWIDTH,
    &COOKIE,
    &STICK,
    &STICK_FIELD,
    &TABLE,
    &MAP,
    &TABLE_STORE,
    &RESOLVERS,
    &HOLD,
    &RESOLVERS_TIMEOUT,
    &SERVER,
    &SERVER_TEMPLATE,
    &DEFAULT_SERVER,
    &EJECTION,
    &CHECK_STEP,
    &CONNECT,
    &SEND,
    &EXPECT,
    &HEADER,
    &MYSQL,
    &PGSQL,
    &SMTP,
    &SSL_HELLO,
    &LUA,
    &VRRP,
    &AUTHENTICATION,
    &PREEMPT,
    &VIP,
    &TRACK,
    &VRRP_SCRIPT,
    &SYNC_GROUP,
];

const fn ms(min_ms: u64, max_ms: u64) -> Type {
    Type::Duration { min_ms, max_ms }
}

const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_snake_case() {
        for s in SECTIONS {
            let mut seen = std::collections::BTreeSet::new();
            for k in s.keys {
                assert!(seen.insert(k.name), "{}.{} twice", s.path, k.name);
                assert!(
                    k.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
                    "{}",
                    k.name
                );
                assert!(k.doc.ends_with('.') && k.doc.len() > 5, "{}.{}: {}", s.path, k.name, k.doc);
            }
            for (word, _) in s.hints {
                assert!(s.key(word).is_none(), "{}.{word} is a key and a hint", s.path);
            }
        }
    }

    #[test]
    fn every_section_a_key_leads_to_is_listed() {
        for s in SECTIONS {
            for sub in s.keys.iter().filter_map(|k| k.ty.section()) {
                assert!(SECTIONS.iter().any(|x| std::ptr::eq(*x, sub)), "{} leads to {}", s.path, sub.path);
            }
        }
    }

    #[test]
    fn types_read_well() {
        for (ty, text) in [
            (Type::Int { min: 0, max: 256 }, "a whole number from 0 to 256"),
            (ms(10, HOUR), "a duration from \"10ms\" to \"1h\""),
            (Type::Size { min: 1024, max: 1 << 20 }, "a size from \"1KiB\" to \"1MiB\""),
            (Type::Word(&["a"]), "\"a\""),
            (Type::Word(&["a", "b", "c"]), "\"a\", \"b\" or \"c\""),
        ] {
            assert_eq!(ty.to_string(), text);
        }
    }
}
