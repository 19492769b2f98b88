//! Texts with `${variable}` in them.

use std::fmt;

use super::matcher::{Looked, Request};
use super::response::Response;
use super::script::{Call, FunctionId};
use crate::h1::forward::{write_address, write_number};

/// A text, parts of which a request fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    /// Of an expression.
    Group(u8),
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
    /// What a rule has set.
    Set(Box<str>),
    /// What a fetch of a script says.
    Lua(Call),
    /// Of responses: the status.
    Status,
    /// Of responses: the last field of this name, all of its value (HAProxy's `res.fhdr`).
    ResponseHeader(Box<str>),
}

/// Which fetch of a script has a name.
pub type Fetches<'a> = &'a dyn Fn(&str) -> Option<FunctionId>;

/// How a name between braces is understood.
type Parse<'a> = &'a dyn Fn(&str) -> Result<Variable, TemplateError>;

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
    /// No script has registered a fetch of that name.
    #[error("has `${{lua({0})}}`, and no script registers a fetch of that name")]
    NoFetch(String),
    /// The expression has fewer groups.
    #[error("has `\\{0}`, and the expression has no such group")]
    Group(u8),
    /// A `\` that begins no group.
    #[error("has a `\\` that is neither a group (`\\1`) nor `\\\\`")]
    Backslash,
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
    pub const OF_NAME: [&str; 4] = ["hdr", "query", "cookie", "var"];

    /// Those of responses only, as they are said.
    pub const OF_RESPONSES: [&str; 3] = ["status", "res_hdr(NAME)", "var(NAME)"];

    /// The same with fetches of scripts: the name of one, and behind commas what it is called with.
    fn parse_with(text: &str, fetches: Fetches<'_>) -> Result<Self, TemplateError> {
        let Some(call) = text.strip_prefix("lua(").and_then(|inside| inside.strip_suffix(')')) else {
            return Self::parse(text);
        };
        let call = Call::parse(call, fetches).map_err(|name| match name {
            "" => TemplateError::Nameless("lua".into()),
            name => TemplateError::NoFetch(name.to_owned()),
        });
        call.map(Self::Lua)
    }

    /// What is between the braces in the text of a rule for responses.
    fn parse_of_response(text: &str) -> Result<Self, TemplateError> {
        let name = text.strip_prefix("res_hdr(").and_then(|rest| rest.strip_suffix(')'));
        match (text, name) {
            ("status", _) => Ok(Self::Status),
            ("res_hdr", _) => Err(TemplateError::Nameless("res_hdr".to_owned())),
            (_, Some(name)) if !name.is_empty() && name.trim() == name => {
                Ok(Self::ResponseHeader(name.into()))
            }
            (_, Some(_)) => Err(TemplateError::Nameless("res_hdr".to_owned())),
            (text, None) => Self::parse(text),
        }
    }

    /// What is between the braces.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        if let Some((kind, name)) = text.strip_suffix(')').and_then(|inside| inside.split_once('(')) {
            let make = match kind {
                "hdr" => Self::Header,
                "query" => Self::Parameter,
                "cookie" => Self::Cookie,
                "var" => Self::Set,
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

    /// The field of a request that it is filled in from.
    pub(crate) fn field(&self) -> Option<&str> {
        if let Self::Header(name) = self {
            return Some(name);
        }
        let cookie = matches!(self, Self::Cookie(_)).then_some("cookie");
        cookie.or_else(|| matches!(self, Self::Host | Self::Authority).then_some("host"))
    }

    /// Whether connections have it that are not HTTP.
    pub(crate) fn is_of_connection(&self) -> bool {
        matches!(self, Self::Source | Self::Destination | Self::DestinationPort | Self::Sni)
    }

    /// Appends its value. Whether the request has it.
    pub(crate) fn write<R: Request>(&self, out: &mut Vec<u8>, looked: &Looked<'_, R>) -> bool {
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
            Self::Set(name) => request.variable(name).map(|value| out.extend_from_slice(value)).is_some(),
            Self::Status | Self::ResponseHeader(_) => false,
            Self::Cookie(name) => looked.cookies(name, &mut |value| {
                out.extend_from_slice(value);
                true
            }),
            Self::Lua(call) => request.fetched(call).map(|said| out.extend_from_slice(said.text())).is_some(),
        }
    }
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// It has something that looks like a variable and is none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::parse_with(text, &|_| None)
    }

    /// The same with fetches of scripts.
    ///
    /// # Errors
    /// The same.
    pub fn parse_with(text: &str, fetches: Fetches<'_>) -> Result<Self, TemplateError> {
        Self::read(text, None, &|name| Variable::parse_with(name, fetches))
    }

    /// Reads the text of a rule for responses, which may have variables of those.
    ///
    /// # Errors
    /// It has something that looks like a variable and is none.
    pub fn parse_of_response(text: &str) -> Result<Self, TemplateError> {
        Self::read(text, None, &Variable::parse_of_response)
    }

    /// Reads the text of a replacement, in which `\1` stands for what the first group of an expression has found, `\0` for
    /// all of that, and `\\` for a backslash.
    ///
    /// # Errors
    /// The same, and that the expression has no more than so many groups.
    pub fn parse_replacement(text: &str, groups: u8, fetches: Fetches<'_>) -> Result<Self, TemplateError> {
        Self::read(text, Some(groups), &|name| Variable::parse_with(name, fetches))
    }

    fn read(text: &str, groups: Option<u8>, parse: Parse<'_>) -> Result<Self, TemplateError> {
        let special = |c| c == '$' || (c == '\\' && groups.is_some());
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(special) {
            let (before, found) = rest.split_at(at);
            plain.push_str(before);
            let (part, after) = match (found.strip_prefix('\\'), groups) {
                (Some(after), Some(groups)) => group(after, groups)?,
                _ => variable(found.get(1..).unwrap_or_default(), parse)?,
            };
            rest = after;
            match part {
                Part::Text(text) => plain.push_str(&text),
                part @ (Part::Group(_) | Part::Variable(_)) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain).into()));
                    }
                    parts.push(part);
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Ok(Self { parts })
    }

    /// Whether no message has a part in it.
    pub fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether a request is needed to fill it in, and not only a response and what rules have set.
    pub fn needs_request(&self) -> bool {
        let of_others =
            |v: &Variable| matches!(v, Variable::Set(_) | Variable::Status | Variable::ResponseHeader(_));
        let of_request = |part: &Part| matches!(part, Part::Variable(v) if !of_others(v));
        self.parts.iter().any(of_request)
    }

    /// Whether something is needed to fill it in that connections do not have.
    pub fn needs_more_than_connection(&self) -> bool {
        let of_others = |part: &Part| matches!(part, Part::Variable(v) if !v.is_of_connection());
        self.parts.iter().any(of_others)
    }

    /// Whether it begins with this text, whatever is filled in.
    pub fn begins_with(&self, text: &str) -> bool {
        matches!(self.parts.first(), Some(Part::Text(first)) if first.starts_with(text))
    }

    /// Whether what the client has connected to has to be found out for it.
    pub fn looks_at_destination(&self) -> bool {
        let of_destination = |part: &Part| {
            matches!(
                part,
                Part::Variable(Variable::Destination | Variable::DestinationPort | Variable::Lua(_))
            )
        };
        self.parts.iter().any(of_destination)
    }

    /// Appends the text with groups and what a response fills in, and nothing of a request.
    pub fn write_of_response<'g>(
        &self,
        out: &mut Vec<u8>,
        response: &impl Response,
        group: &dyn Fn(u8) -> &'g [u8],
    ) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Group(number) => out.extend_from_slice(group(*number)),
                Part::Variable(Variable::Set(name)) => {
                    out.extend_from_slice(response.variable(name).unwrap_or_default());
                }
                Part::Variable(Variable::Status) => write_number(out, response.status().into()),
                Part::Variable(Variable::ResponseHeader(name)) => {
                    let start = out.len();
                    response.each(name, &mut |value| {
                        out.truncate(start);
                        out.extend_from_slice(value);
                    });
                }
                Part::Variable(_) => {}
            }
        }
    }

    /// Appends the text with what `request` fills in.
    pub fn write<R: Request>(&self, out: &mut Vec<u8>, request: &Looked<'_, R>) {
        self.fill(out, request);
    }

    /// The same. Whether the request has anything of what is to be filled in.
    pub fn fill<R: Request>(&self, out: &mut Vec<u8>, request: &Looked<'_, R>) -> bool {
        self.write_with(out, request, &|_| &[])
    }

    /// The same with what an expression's groups have found.
    pub fn write_with<'g, R: Request>(
        &self,
        out: &mut Vec<u8>,
        request: &Looked<'_, R>,
        group: &dyn Fn(u8) -> &'g [u8],
    ) -> bool {
        let mut found = false;
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Group(number) => out.extend_from_slice(group(*number)),
                Part::Variable(variable) => found |= variable.write(out, request),
            }
        }
        found
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(&text.replace('$', "$$"))?,
                Part::Group(number) => write!(f, "\\{number}")?,
                Part::Variable(variable) => write!(f, "${{{variable}}}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Header(name) => ("hdr", name),
            Self::Parameter(name) => ("query", name),
            Self::Cookie(name) => ("cookie", name),
            Self::Set(name) => ("var", name),
            Self::Lua(call) => return write!(f, "lua({call})"),
            Self::ResponseHeader(name) => ("res_hdr", name),
            Self::Status => return f.write_str("status"),
            Self::Host
            | Self::Authority
            | Self::Path
            | Self::Query
            | Self::PathQuery
            | Self::Method
            | Self::Source
            | Self::Destination
            | Self::DestinationPort
            | Self::Sni => {
                let named = Self::NAMES.into_iter().find(|(_, variable)| variable == self);
                return f.write_str(named.map_or("", |(name, _)| name));
            }
        };
        write!(f, "{kind}({name})")
    }
}

/// What stands behind a `$`, and what is behind that.
fn variable<'t>(text: &'t str, parse: Parse<'_>) -> Result<(Part, &'t str), TemplateError> {
    if let Some(after) = text.strip_prefix('$') {
        return Ok((Part::Text("$".into()), after));
    }
    let inside = text.strip_prefix('{').ok_or(TemplateError::Dollar)?;
    let (name, after) = inside.split_once('}').ok_or(TemplateError::Open)?;
    Ok((Part::Variable(parse(name)?), after))
}

/// What stands behind a `\`, and what is behind that.
fn group(text: &str, groups: u8) -> Result<(Part, &str), TemplateError> {
    let mut characters = text.chars();
    let part = match characters.next() {
        Some('\\') => Part::Text("\\".into()),
        Some(digit @ '0'..='9') => {
            let number = digit as u8 - b'0';
            if number > groups {
                return Err(TemplateError::Group(number));
            }
            Part::Group(number)
        }
        _ => return Err(TemplateError::Backslash),
    };
    Ok((part, characters.as_str()))
}
