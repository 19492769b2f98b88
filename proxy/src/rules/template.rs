//! Texts with `${variable}` in them.

use super::matcher::{Looked, Request};
use crate::h1::forward::{write_address, write_number};

/// A text, parts of which a request fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Variable(Variable),
}

/// What can be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// The host that is asked for, without its port, in lower case.
    Host,
    /// The host as it was asked for, with its port.
    Authority,
    /// The path as it was sent.
    Path,
    /// The query, without the question mark.
    Query,
    /// Path and query as they were sent.
    PathQuery,
    /// The method.
    Method,
    /// The client's address.
    Source,
    /// What the client has connected to.
    Destination,
    /// The port of that.
    DestinationPort,
    /// The name asked for in the TLS handshake.
    Sni,
    /// The last field of this name, all of its value (HAProxy's `req.fhdr`).
    Header(Box<str>),
    /// The first parameter of the query of this name, as it was sent.
    Parameter(Box<str>),
    /// The first cookie of this name.
    Cookie(Box<str>),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `${` without `}`.
    #[error("has `${{` without `}}`; a dollar sign itself is `$$`")]
    Open,
    /// A `$` that begins no variable.
    #[error("has a `$` that begins no variable; a dollar sign itself is `$$`")]
    Dollar,
    /// No variable has that name.
    #[error("has no variable `{0}` to be filled in")]
    Unknown(String),
    /// A variable of many, and no name of one of them.
    #[error("does not say which: `{0}(NAME)`")]
    Nameless(String),
}

impl Variable {
    /// All of them, by their names in texts.
    pub const NAMES: [(&str, Self); 10] = [
        ("host", Self::Host),
        ("authority", Self::Authority),
        ("path", Self::Path),
        ("query", Self::Query),
        ("pathq", Self::PathQuery),
        ("method", Self::Method),
        ("src", Self::Source),
        ("dst", Self::Destination),
        ("dst_port", Self::DestinationPort),
        ("ssl_fc_sni", Self::Sni),
    ];

    /// Those that a name is said with, as `hdr(User-Agent)`.
    pub const OF_NAME: [&str; 3] = ["hdr", "query", "cookie"];

    /// What is between the braces.
    fn parse(text: &str) -> Result<Self, TemplateError> {
        if let Some((kind, name)) = text.strip_suffix(')').and_then(|inside| inside.split_once('(')) {
            let make = match kind {
                "hdr" => Self::Header,
                "query" => Self::Parameter,
                "cookie" => Self::Cookie,
                _ => return Err(TemplateError::Unknown(text.to_owned())),
            };
            let is_named = !name.is_empty() && name.trim() == name;
            return if is_named {
                Ok(make(name.into()))
            } else {
                Err(TemplateError::Nameless(kind.to_owned()))
            };
        }
        let known = Self::NAMES.into_iter().find(|(known, _)| *known == text);
        let needs_name = Self::OF_NAME.contains(&text);
        known.map(|(_, variable)| variable).ok_or_else(|| match needs_name {
            true => TemplateError::Nameless(text.to_owned()),
            false => TemplateError::Unknown(text.to_owned()),
        })
    }

    /// Appends its value. Whether the request has it.
    fn write<R: Request>(&self, out: &mut Vec<u8>, looked: &Looked<'_, R>) -> bool {
        let request = looked.request();
        let mut put = |value: &[u8]| {
            out.extend_from_slice(value);
            !value.is_empty()
        };
        match self {
            Self::Host => put(looked.host()),
            Self::Authority => put(request.authority()),
            Self::Path => put(looked.raw_path()),
            Self::Query => put(looked.query()),
            Self::PathQuery => put(request.target()),
            Self::Method => put(request.method()),
            Self::Source => {
                write_address(out, request.source());
                true
            }
            Self::Destination => request.destination().inspect(|to| write_address(out, to.ip())).is_some(),
            Self::DestinationPort => {
                request.destination().inspect(|to| write_number(out, u64::from(to.port()))).is_some()
            }
            Self::Sni => {
                let name = request.tls().and_then(|t| t.server_name.as_deref());
                name.is_some_and(|name| put(name.as_bytes()))
            }
            Self::Header(name) => {
                let (start, mut found) = (out.len(), false);
                request.fields(name, &mut |value| {
                    out.truncate(start);
                    out.extend_from_slice(value);
                    found = true;
                    false
                });
                found
            }
            Self::Parameter(name) => looked.parameters(name, &mut |value| {
                out.extend_from_slice(value);
                true
            }),
            Self::Cookie(name) => looked.cookies(name, &mut |value| {
                out.extend_from_slice(value);
                true
            }),
        }
    }
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// It has something that looks like a variable and is none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                plain.push('$');
                rest = after;
                continue;
            }
            let inside = after.strip_prefix('{').ok_or(TemplateError::Dollar)?;
            let (name, after) = inside.split_once('}').ok_or(TemplateError::Open)?;
            let variable = Variable::parse(name)?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain).into()));
            }
            parts.push(Part::Variable(variable));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Ok(Self { parts })
    }

    /// Whether a request has a part in it.
    pub fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether it begins with this text, whatever is filled in.
    pub fn begins_with(&self, text: &str) -> bool {
        matches!(self.parts.first(), Some(Part::Text(first)) if first.starts_with(text))
    }

    /// Appends the text alone.
    pub fn write_fixed(&self, out: &mut Vec<u8>) {
        for part in &self.parts {
            if let Part::Text(text) = part {
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Whether what the client has connected to has to be found out for it.
    pub fn looks_at_destination(&self) -> bool {
        let of_destination =
            |part: &Part| matches!(part, Part::Variable(Variable::Destination | Variable::DestinationPort));
        self.parts.iter().any(of_destination)
    }

    /// Appends the text with what `request` fills in.
    pub fn write<R: Request>(&self, out: &mut Vec<u8>, request: &Looked<'_, R>) {
        self.fill(out, request);
    }

    /// The same. Whether the request has anything of what is to be filled in.
    pub fn fill<R: Request>(&self, out: &mut Vec<u8>, request: &Looked<'_, R>) -> bool {
        let mut found = false;
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(variable) => found |= variable.write(out, request),
            }
        }
        found
    }
}
