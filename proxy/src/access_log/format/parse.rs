//! From text to parts.

use super::field::Field;
use super::{Format, Part, RESPONSE_FIELD, Style};
use crate::access_log::escape::Place;
use crate::rules::template::{TemplateError, Variable};

/// Why a text is no line format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A `%` that begins nothing.
    #[error("has a `%` that begins no variable; a percent sign itself is `%%`")]
    Percent,
    /// HAProxy has no such letters, or they are not had here.
    #[error("has no variable `%{0}`")]
    Letters(String),
    /// A flag that nobody knows.
    #[error("has a flag `{0}`; there are `+Q`, `+E` and `+X`, and the same with `-`")]
    Flag(String),
    /// `%{` without `}`.
    #[error("has `%{{` without `}}`")]
    Flags,
    /// HAProxy's expressions. With the name of the variable that has the same, if there is one.
    #[error("has an expression `%[{expression}]`; expressions are not evaluated here")]
    Expression {
        /// Between the brackets.
        expression: String,
        /// What has the same.
        instead: Option<String>,
    },
    /// What is wrong with a `$`.
    #[error(transparent)]
    Variable(#[from] TemplateError),
}

impl Format {
    /// Reads a text.
    ///
    /// # Errors
    /// It has something that looks like a variable and is none.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut parser =
            Parser { plain: String::new(), in_quotes: false, flags: Flags::default(), format: Self::empty() };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            rest = match first {
                '%' => parser.percent(rest.get(1..).unwrap_or_default())?,
                '$' => parser.dollar(rest.get(1..).unwrap_or_default())?,
                ' ' => {
                    parser.end_text();
                    parser.format.parts.push(Part::Blank);
                    rest.trim_start_matches(' ')
                }
                other => {
                    parser.in_quotes ^= other == '"';
                    parser.plain.push(other);
                    rest.get(other.len_utf8()..).unwrap_or_default()
                }
            };
        }
        parser.end_text();
        Ok(parser.format)
    }

    fn empty() -> Self {
        Self { parts: Vec::new(), request: Vec::new(), response: Vec::new(), variables: Vec::new() }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    quoted: bool,
    escaped: bool,
    hex: bool,
}

impl Flags {
    /// With what `+Q,-E` says.
    fn with(mut self, said: &str) -> Result<Self, FormatError> {
        for flag in said.split(',').filter(|flag| !flag.is_empty()) {
            match flag {
                "+Q" => self.quoted = true,
                "-Q" => self.quoted = false,
                "+E" => self.escaped = true,
                "-E" => self.escaped = false,
                "+X" => self.hex = true,
                "-X" => self.hex = false,
                other => return Err(FormatError::Flag(other.to_owned())),
            }
        }
        Ok(self)
    }
}

struct Parser {
    /// Text that has not become a part yet.
    plain: String,
    /// An odd number of quotes stands before this.
    in_quotes: bool,
    /// What `%o` has said for all that follows.
    flags: Flags,
    format: Format,
}

impl Parser {
    fn end_text(&mut self) {
        if !self.plain.is_empty() {
            self.format.parts.push(Part::Text(std::mem::take(&mut self.plain).into()));
        }
    }

    /// Behind a `%`. What is left.
    fn percent<'a>(&mut self, rest: &'a str) -> Result<&'a str, FormatError> {
        if let Some(rest) = rest.strip_prefix('%') {
            self.plain.push('%');
            return Ok(rest);
        }
        let (flags, rest) = match rest.strip_prefix('{') {
            Some(said) => {
                let (said, rest) = said.split_once('}').ok_or(FormatError::Flags)?;
                (self.flags.with(said)?, rest)
            }
            None => (self.flags, rest),
        };
        if let Some(inside) = rest.strip_prefix('[') {
            let expression = inside.split_once(']').map_or(inside, |(inside, _)| inside).to_owned();
            let instead = instead_of(&expression);
            return Err(FormatError::Expression { expression, instead });
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (letters, rest) = rest.split_at(end);
        match letters {
            "" => return Err(FormatError::Percent),
            "o" => self.flags = flags,
            _ => {
                let field =
                    Field::by_letters(letters).ok_or_else(|| FormatError::Letters(letters.to_owned()))?;
                let style = Style { guarded: false, ..self.style(flags) };
                self.push(Part::Field(field, style));
            }
        }
        Ok(rest)
    }

    /// Behind a `$`. What is left.
    fn dollar<'a>(&mut self, rest: &'a str) -> Result<&'a str, FormatError> {
        if let Some(rest) = rest.strip_prefix('$') {
            self.plain.push('$');
            return Ok(rest);
        }
        let inside = rest.strip_prefix('{').ok_or(TemplateError::Dollar)?;
        let (name, rest) = inside.split_once('}').ok_or(TemplateError::Open)?;
        if let Some(field) = Field::by_name(name) {
            let style = self.style(self.flags);
            self.push(Part::Field(field, style));
        } else if let Some(of) = response_field(name)? {
            let at = position(&mut self.format.response, of);
            let style = self.style(self.flags);
            self.push(Part::Response(at, style));
        } else {
            let variable = Variable::parse(name)?;
            if let Variable::Set(name) = &variable
                && !self.format.variables.contains(name)
            {
                self.format.variables.push(name.clone());
            }
            if let Some(field) = variable.field() {
                position(&mut self.format.request, field);
            }
            let style = self.style(self.flags);
            self.push(Part::Variable(variable, style));
        }
        Ok(rest)
    }

    fn push(&mut self, part: Part) {
        self.end_text();
        self.format.parts.push(part);
    }

    fn style(&self, Flags { quoted, escaped, hex }: Flags) -> Style {
        let guarded = quoted || self.in_quotes;
        let place = if guarded { Place::Inner } else { Place::Bare };
        Style { quoted, escaped, hex, place, guarded }
    }
}

/// The name in `res_hdr(NAME)`.
fn response_field(text: &str) -> Result<Option<&str>, TemplateError> {
    let Some(rest) = text.strip_prefix(RESPONSE_FIELD) else { return Ok(None) };
    let name = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    match name.filter(|name| !name.is_empty() && name.trim() == *name) {
        Some(name) => Ok(Some(name)),
        None => Err(TemplateError::Nameless(RESPONSE_FIELD.to_owned())),
    }
}

/// Where a name is in a list, which gets it if it has not got it.
fn position(list: &mut Vec<Box<str>>, name: &str) -> usize {
    list.iter().position(|known| known.eq_ignore_ascii_case(name)).unwrap_or_else(|| {
        list.push(name.into());
        list.len() - 1
    })
}

/// The variable that has what one of HAProxy's expressions has.
fn instead_of(expression: &str) -> Option<String> {
    let whole = expression.split(',').next().unwrap_or_default().trim();
    let (fetch, argument) = match whole.split_once('(') {
        Some((fetch, argument)) => (fetch, argument.trim_end_matches(')').trim()),
        None => (whole, ""),
    };
    let of = |kind: &str| match argument.is_empty() || argument.contains(',') {
        true => format!("${{{kind}(NAME)}}"),
        false => format!("${{{kind}({argument})}}"),
    };
    match fetch {
        "hdr" | "fhdr" | "req.hdr" | "req.fhdr" | "req.hdr_last" => return Some(of("hdr")),
        "res.hdr" | "res.fhdr" | "shdr" => return Some(of(RESPONSE_FIELD)),
        "cook" | "req.cook" => return Some(of("cookie")),
        "url_param" | "urlp" => return Some(of("query")),
        "capture.req.hdr" => return Some("${hdr(NAME)}".to_owned()),
        "capture.res.hdr" => return Some(format!("${{{RESPONSE_FIELD}(NAME)}}")),
        _ => {}
    }
    let name = match fetch {
        "url" | "capture.req.uri" => "uri",
        "capture.req.method" => "method",
        "req.ver" | "capture.req.ver" => "version",
        "unique-id" => "unique_id",
        "src_port" => "client_port",
        "fe_name" => "frontend",
        "be_name" => "backend",
        "srv_name" => "server",
        other => other,
    };
    let known = Field::by_name(name).is_some() || Variable::parse(name).is_ok();
    known.then(|| format!("${{{name}}}"))
}
