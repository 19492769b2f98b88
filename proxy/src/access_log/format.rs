//! Line formats of an operator: HAProxy's own spelling (`%ci:%cp`) and names (`${client_ip}`), compiled once into parts.
//!
//! Bytes of strangers are escaped by where they stand: fields that HAProxy escapes as HAProxy does, those that only names
//! ask for so that they can neither leave a pair of quotes nor be taken for another word.

mod field;
mod parse;
mod write;

#[cfg(test)]
mod tests;

pub use field::{Count, Date, Field, Name, Peer, RequestPart, SessionPart, Side, Timer};
pub use parse::FormatError;

use super::capture::Captures;
use super::escape::Place;
use crate::rules::template::Variable;

/// A line format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    parts: Vec<Part>,
    /// Fields of requests and responses that are asked for by name.
    request: Vec<Box<str>>,
    response: Vec<Box<str>>,
    /// Variables that are asked for.
    variables: Vec<Box<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// What stands there, without blanks.
    Text(Box<str>),
    /// Blanks: one of them, and none behind another one.
    Blank,
    Field(Field, Style),
    /// What a request fills in, as in texts of rules.
    Variable(Variable, Style),
    /// A field of the response: its position among those that are kept.
    Response(usize, Style),
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style {
    /// HAProxy's `+Q`: in double quotes, and these alone if there is nothing.
    quoted: bool,
    /// HAProxy's `+E`: with backslashes.
    escaped: bool,
    /// HAProxy's `+X`: in hexadecimal digits.
    hex: bool,
    /// Where it stands.
    place: Place,
    /// It was asked for by name between quotes, where a backslash may have a meaning: HAProxy's letters let it pass.
    guarded: bool,
}

/// The process that writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Name of the machine.
    pub name: String,
    /// Identifier of the process.
    pub pid: u32,
}

impl Format {
    /// HAProxy's `option httplog`.
    pub const HTTPLOG: &str = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc \
                               %sq/%bq %hr %hs %{+Q}r";

    /// HAProxy's `option tcplog`.
    pub const TCPLOG: &str = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq";

    /// HAProxy's `option httplog clf`.
    pub const CLF: &str = "%{+Q}o %{-Q}ci - - [%trg] %r %ST %B \"\" \"\" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc %ac \
                           %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl";

    /// Adds what it asks for by name to what a frontend keeps for records.
    pub fn ask(&self, captures: &mut Captures) {
        for name in &self.request {
            if !captures.request_named.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                captures.request_named.push(name.clone());
            }
        }
        captures.response_named.clone_from(&self.response);
        captures.variables.clone_from(&self.variables);
    }

    /// Takes note of what is kept, which may be more than it has asked for.
    pub fn handle_captures(&mut self, captures: &Captures) {
        self.request.clone_from(&captures.request_named);
    }

    /// Whether it shows what is found out of a connection only for those who ask: what the client has connected to, and how
    /// long its handshakes took.
    pub fn looks_at_destination(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Field(field, _) => {
                let timers = [Timer::Handshake, Timer::Request, Timer::Total, Timer::User];
                let of_request = [Date::Request, Date::RequestGmt, Date::RequestLocal, Date::RequestRfc3339];
                let of_timer = matches!(field, Field::Timer(timer) if timers.contains(timer));
                let of_date = matches!(field, Field::Date(date) if !of_request.contains(date));
                let of_place = matches!(field, Field::Address(Peer::Frontend) | Field::Port(Peer::Frontend));
                of_timer || of_date || of_place
            }
            Part::Variable(variable, _) => {
                matches!(variable, Variable::Destination | Variable::DestinationPort)
            }
            Part::Text(_) | Part::Blank | Part::Response(..) => false,
        })
    }

    /// Whether it shows the addresses of the connection to the server.
    pub fn looks_at_server(&self) -> bool {
        let of = |peer| [Field::Address(peer), Field::Port(peer)];
        self.has(|field| [of(Peer::Source), of(Peer::Server)].as_flattened().contains(field))
    }

    /// Whether it shows the number of the request.
    pub fn counts_requests(&self) -> bool {
        self.has(|field| *field == Field::Number)
    }

    /// The first of its fields that only HTTP has, as it was spelled there.
    pub fn of_http(&self) -> Option<String> {
        self.parts.iter().find_map(|part| match part {
            Part::Field(field, _) if field.is_of_http() => Some(field.spelling()),
            Part::Variable(variable, _) if !variable.is_of_connection() => Some(spelling(variable)),
            Part::Response(at, _) => {
                self.response.get(*at).map(|name| format!("${{{RESPONSE_FIELD}({name})}}"))
            }
            Part::Field(..) | Part::Variable(..) | Part::Text(_) | Part::Blank => None,
        })
    }

    /// The first of its fields that is not known when a request begins, as it was spelled there.
    pub fn later(&self) -> Option<String> {
        self.parts.iter().find_map(|part| match part {
            Part::Field(field, _) if !field.is_known_at_once() => Some(field.spelling()),
            Part::Variable(variable @ Variable::Set(_), _) => Some(spelling(variable)),
            Part::Response(at, _) => {
                self.response.get(*at).map(|name| format!("${{{RESPONSE_FIELD}({name})}}"))
            }
            Part::Field(..) | Part::Variable(..) | Part::Text(_) | Part::Blank => None,
        })
    }

    /// Whether every line is the same.
    pub fn is_fixed(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_) | Part::Blank))
    }

    fn has(&self, what: impl Fn(&Field) -> bool) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Field(field, _) if what(field)))
    }
}

fn spelling(variable: &Variable) -> String {
    let known = Variable::NAMES.iter().find(|(_, known)| known == variable).map(|(name, _)| *name);
    match (known, variable.field()) {
        (Some(name), _) => format!("${{{name}}}"),
        (None, Some(field)) => format!("${{hdr({field})}}"),
        (None, None) => "a variable".to_owned(),
    }
}

/// What fields of a response are asked for with: `${res_hdr(NAME)}`.
const RESPONSE_FIELD: &str = "res_hdr";
