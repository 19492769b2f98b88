//! What a script sees of a request or response, and what it changes: a copy, so that it holds nothing of what is served.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use crate::h1::head::Version;
use crate::rules::line;
use crate::rules::{Change, Request, Variables, guard};
use crate::tls::SessionFacts;

/// Whether a script looks at a request or at a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// On its way to a server.
    Request,
    /// On its way to the client, with this status.
    Response(u16),
}

/// Whose request it is.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where it is.
    pub source: SocketAddr,
    /// What it has connected to, if that is known.
    pub destination: Option<SocketAddr>,
    /// Its TLS session, if it speaks TLS.
    pub tls: Option<Arc<SessionFacts>>,
}

/// A request or a response.
#[derive(Debug, Clone)]
pub struct Message {
    phase: Phase,
    client: Client,
    version: Version,
    method: Box<[u8]>,
    target: Vec<u8>,
    authority: Vec<u8>,
    bytes: Vec<u8>,
    /// Names and values in `bytes`.
    fields: Vec<(Range<usize>, Range<usize>)>,
    variables: Variables,
    changes: Vec<Made>,
    /// What the changes take up.
    size: usize,
}

/// One thing that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Made {
    Fields(Box<str>, Vec<Vec<u8>>),
    More(Box<str>, Vec<u8>),
    Method(Box<str>),
    Target(Vec<u8>),
    Status(u16),
    Variable(Box<str>, Option<Box<[u8]>>),
}

/// Why something is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Of a request in a response, or the other way round.
    #[error("{0} is for {1}s, and this is a {2}")]
    Phase(&'static str, &'static str, &'static str),
    /// It is none.
    #[error("{0:?} is not the name of a field")]
    Name(String),
    /// It is the proxy's.
    #[error("field {0} is about the connection, which is not the script's")]
    OfConnection(String),
    /// RFC 9112 §3.2.
    #[error("field host is there once in every request")]
    Host,
    /// It would end the line.
    #[error("the value of field {0} has control characters")]
    Value(String),
    /// It is none, or would make the response one that is misread.
    #[error("{0:?} is no method that a request can get")]
    Method(String),
    /// It is none, or one that changes where a response ends.
    #[error("{0} is no status that a response can get: 200 to 599, but 204, 205 and 304")]
    Status(i64),
    /// It is none.
    #[error("{0:?} is not the name of a variable")]
    Variable(String),
    /// There is too much of it.
    #[error("too many changes of one message")]
    TooMuch,
}

impl Message {
    /// A request.
    pub fn request(client: Client, version: Version, method: &[u8], target: &[u8], authority: &[u8]) -> Self {
        Self {
            phase: Phase::Request,
            client,
            version,
            method: method.into(),
            target: target.into(),
            authority: authority.into(),
            bytes: Vec::new(),
            fields: Vec::new(),
            variables: Variables::default(),
            changes: Vec::new(),
            size: 0,
        }
    }

    /// A response to a request that was made by this method.
    pub fn response(client: Client, version: Version, method: &[u8], status: u16) -> Self {
        Self { phase: Phase::Response(status), ..Self::request(client, version, method, b"", b"") }
    }

    /// With these variables.
    #[must_use]
    pub fn with_variables(self, variables: Variables) -> Self {
        Self { variables, ..self }
    }

    /// With one more field.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.fields.push((start..middle, middle..self.bytes.len()));
    }

    /// Names and values of all fields, in order.
    pub fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |at: &Range<usize>| self.bytes.get(at.clone()).unwrap_or_default();
        self.fields.iter().map(move |(name, value)| (part(name), part(value)))
    }

    /// Values of the fields of a name.
    pub fn values<'a>(&'a self, name: &'a [u8]) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        let part = |at: &Range<usize>| self.bytes.get(at.clone()).unwrap_or_default();
        let named = self.fields.iter().filter(move |(own, _)| part(own).eq_ignore_ascii_case(name));
        named.map(move |(_, value)| part(value))
    }

    /// Which of the two it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whose it is.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The version that it came in.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What it has changed, in order.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.changes.iter().map(|made| match made {
            Made::Fields(name, values) => Change::Fields(name, values.clone()),
            Made::More(name, value) => Change::More(name, value.clone()),
            Made::Method(method) => Change::Method(method),
            Made::Target(target) => Change::Target(target.clone()),
            Made::Status(status) => Change::Status(*status),
            Made::Variable(name, Some(value)) => Change::Variable(name, value.clone()),
            Made::Variable(name, None) => Change::NoVariable(name),
        })
    }

    /// There is one field of this name and no other.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let (name, value) = (self.name(name)?, checked(name, value)?);
        self.make(name.len() + value.len(), Made::Fields(name.clone(), vec![value.to_vec()]))?;
        self.take_away(name.as_bytes());
        self.push(name.as_bytes(), value);
        if name.eq_ignore_ascii_case("host") {
            self.authority = value.into();
        }
        Ok(())
    }

    /// There is one more.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let (name, value) = (self.many(name)?, checked(name, value)?);
        self.make(name.len() + value.len(), Made::More(name.clone(), value.to_vec()))?;
        self.push(name.as_bytes(), value);
        Ok(())
    }

    /// There is none.
    pub fn del(&mut self, name: &[u8]) -> Result<(), Refused> {
        let name = self.many(name)?;
        self.make(name.len(), Made::Fields(name.clone(), Vec::new()))?;
        self.take_away(name.as_bytes());
        Ok(())
    }

    /// Another method.
    pub fn set_method(&mut self, method: &[u8]) -> Result<(), Refused> {
        let text = String::from_utf8_lossy(method).into_owned();
        if !guard::is_token(method) || matches!(method, b"HEAD" | b"CONNECT") {
            return Err(Refused::Method(text));
        }
        // A response to HEAD has no content, so nothing becomes HEAD, and HEAD nothing else.
        if *self.method == *b"HEAD" {
            return Ok(());
        }
        self.method = method.into();
        self.make(text.len(), Made::Method(text.into()))
    }

    /// Another path.
    pub fn set_path(&mut self, path: &[u8]) -> Result<(), Refused> {
        self.retarget(line::with_path(&self.target, path))
    }

    /// Another query.
    pub fn set_query(&mut self, query: &[u8]) -> Result<(), Refused> {
        self.retarget(line::with_query(&self.target, query))
    }

    /// Another path and query.
    pub fn set_uri(&mut self, uri: &[u8]) -> Result<(), Refused> {
        self.retarget(line::spelled(uri))
    }

    /// Another status.
    pub fn set_status(&mut self, status: i64) -> Result<(), Refused> {
        let known = u16::try_from(status).ok().filter(|s| (200..600).contains(s) && !is_bare(*s));
        match (self.phase, known) {
            (Phase::Response(old), Some(new)) if !is_bare(old) => {
                self.phase = Phase::Response(new);
                self.make(3, Made::Status(new))
            }
            _ => Err(Refused::Status(status)),
        }
    }

    /// A variable gets a value, or is gone.
    pub fn set_variable(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<(), Refused> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let text = String::from_utf8_lossy(name).into_owned();
        // These would outlive the request with HAProxy.
        let lasts = ["sess.", "proc."].iter().any(|scope| text.starts_with(scope));
        if name.is_empty() || lasts || !name.iter().all(allowed) {
            return Err(Refused::Variable(text));
        }
        let value: Option<Box<[u8]>> = value.map(Into::into);
        match &value {
            Some(value) => self.variables.set(&text, value.clone()),
            None => self.variables.unset(&text),
        }
        self.make(text.len() + value.as_ref().map_or(0, |v| v.len()), Made::Variable(text.into(), value))
    }

    /// All variables, as it has left them.
    pub fn into_variables(self) -> Variables {
        self.variables
    }

    fn retarget(&mut self, target: Vec<u8>) -> Result<(), Refused> {
        if self.target == b"*" {
            return Ok(());
        }
        self.target.clone_from(&target);
        self.make(target.len(), Made::Target(target))
    }

    fn take_away(&mut self, name: &[u8]) {
        let bytes = &self.bytes;
        let is_other =
            |at: &Range<usize>| !bytes.get(at.clone()).is_some_and(|n| n.eq_ignore_ascii_case(name));
        self.fields.retain(|(own, _)| is_other(own));
    }

    fn make(&mut self, size: usize, made: Made) -> Result<(), Refused> {
        self.size += size + PER_CHANGE;
        if self.size > MOST {
            return Err(Refused::TooMuch);
        }
        self.changes.push(made);
        Ok(())
    }

    fn name(&self, name: &[u8]) -> Result<Box<str>, Refused> {
        let text = String::from_utf8_lossy(name).into_owned();
        if !guard::is_token(name) {
            return Err(Refused::Name(text));
        }
        if guard::is_of_connection(name) {
            return Err(Refused::OfConnection(text));
        }
        Ok(text.into())
    }

    /// Of a field that there may be none or several of.
    fn many(&self, name: &[u8]) -> Result<Box<str>, Refused> {
        if self.phase == Phase::Request && name.eq_ignore_ascii_case(b"host") {
            return Err(Refused::Host);
        }
        self.name(name)
    }
}

impl Request for Message {
    fn method(&self) -> &[u8] {
        &self.method
    }

    fn target(&self) -> &[u8] {
        &self.target
    }

    fn authority(&self) -> &[u8] {
        &self.authority
    }

    fn fields(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.values(name.as_bytes()).any(look)
    }

    fn source(&self) -> IpAddr {
        self.client.source.ip()
    }

    fn destination(&self) -> Option<SocketAddr> {
        self.client.destination
    }

    fn tls(&self) -> Option<&SessionFacts> {
        self.client.tls.as_deref()
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.variables.value(name)
    }
}

/// Whether a response of this status has no content by definition.
fn is_bare(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 205 | 304)
}

/// The value of a field, without blanks at its ends.
fn checked<'v>(name: &[u8], value: &'v [u8]) -> Result<&'v [u8], Refused> {
    if guard::is_value(value) {
        return Ok(value.trim_ascii());
    }
    Err(Refused::Value(String::from_utf8_lossy(name).into_owned()))
}

/// Bytes that the changes of one message may take up: more than any head may have.
const MOST: usize = 256 << 10;

/// What each of them takes besides.
const PER_CHANGE: usize = 64;

#[cfg(test)]
mod tests;
