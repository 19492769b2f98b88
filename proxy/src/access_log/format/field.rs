//! What a line can show, by HAProxy's letters and by name.

/// Something that a line can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// An address.
    Address(Peer),
    /// A port.
    Port(Peer),
    /// A name of ours.
    Name(Name),
    /// A date.
    Date(Date),
    /// How long something took, in milliseconds.
    Timer(Timer),
    /// A number.
    Count(Count),
    /// Retries, behind `+` if it was moved to another server.
    Retries,
    /// Two letters: who ended it, and when.
    TerminationState,
    /// Four letters: also what became of cookies.
    Termination,
    /// The captured cookie.
    Cookie(Side),
    /// Captured fields, in braces.
    Captures(Side),
    /// Captured fields, one by one.
    CaptureList(Side),
    /// Of the request line.
    Request(RequestPart),
    /// Of the client's TLS session.
    Session(SessionPart),
    /// The request's identifier.
    UniqueId,
    /// A random UUID.
    Uuid,
    /// The number of the request in this process.
    Number,
    /// Identifier of the process.
    Pid,
}

/// Whose address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The client's.
    Client,
    /// What the client has connected to.
    Frontend,
    /// Where the connection to the server comes from.
    Source,
    /// Where it leads.
    Server,
}

/// Whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// The frontend's.
    Frontend,
    /// The frontend's, with `~` if the client speaks TLS.
    FrontendTransport,
    /// The backend's.
    Backend,
    /// The server's.
    Server,
    /// The machine's.
    Host,
}

/// Of what it is the date, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Date {
    /// When the wait for the request began.
    Accept,
    /// The same in UTC, with seconds only.
    AcceptGmt,
    /// The same in local time, with seconds only.
    AcceptLocal,
    /// When the first byte of the request came.
    Request,
    /// The same in UTC, with seconds only.
    RequestGmt,
    /// The same in local time, with seconds only.
    RequestLocal,
    /// The same as RFC 3339 has it.
    RequestRfc3339,
    /// When the wait for the request began, in seconds since 1970.
    Seconds,
    /// The milliseconds of that.
    Milliseconds,
}

/// What took so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// First byte to the end of the head.
    Head,
    /// Waiting for a server.
    Queue,
    /// Connecting to it.
    Connect,
    /// Waiting for its response.
    Response,
    /// First byte of the request to the end.
    Active,
    /// Content of the response, or of a connection.
    Data,
    /// Handshakes of the connection.
    Handshake,
    /// Waiting for the request.
    Idle,
    /// Handshakes, waiting for the request, and its head.
    Request,
    /// All of it.
    Total,
    /// All of it but the wait for the request.
    User,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// The status.
    Status,
    /// Bytes sent to the client.
    BytesOut,
    /// Bytes read from the client.
    BytesIn,
    /// Connections in the process.
    Process,
    /// Connections in the frontend.
    Frontend,
    /// Connections in the backend.
    Backend,
    /// Connections with the server.
    Server,
    /// Place in the server's queue.
    ServerQueue,
    /// Place in the backend's queue.
    BackendQueue,
}

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client's.
    Request,
    /// The server's.
    Response,
}

/// What of the request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestPart {
    /// All of it.
    Line,
    /// Its method.
    Method,
    /// Its target without the query.
    UriPath,
    /// Its path.
    Path,
    /// Its query, with the question mark.
    QueryString,
    /// Its target.
    Uri,
    /// Its version.
    Version,
}

/// What of the client's TLS session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionPart {
    /// Version of TLS.
    Version,
    /// Cipher suite.
    Cipher,
    /// Whether there is one: 0 or 1.
    Is,
    /// The protocol that was agreed on.
    Alpn,
    /// Whether it goes on with an earlier one: 0 or 1.
    Resumed,
    /// Whether the client has shown a certificate: 0 or 1.
    Certificate,
    /// Whom its certificate is for.
    Subject,
    /// Who has issued it.
    Issuer,
    /// Its serial number.
    Serial,
}

/// Fields with HAProxy's letters and their names; empty: there are none.
pub(super) const FIELDS: &[(Field, &str, &str)] = &[
    (Field::Address(Peer::Client), "ci", "client_ip"),
    (Field::Port(Peer::Client), "cp", "client_port"),
    (Field::Address(Peer::Frontend), "fi", "frontend_ip"),
    (Field::Port(Peer::Frontend), "fp", "frontend_port"),
    (Field::Address(Peer::Source), "bi", "backend_source_ip"),
    (Field::Port(Peer::Source), "bp", "backend_source_port"),
    (Field::Address(Peer::Server), "si", "server_ip"),
    (Field::Port(Peer::Server), "sp", "server_port"),
    (Field::Name(Name::Frontend), "f", "frontend"),
    (Field::Name(Name::FrontendTransport), "ft", "frontend_transport"),
    (Field::Name(Name::Backend), "b", "backend"),
    (Field::Name(Name::Server), "s", "server"),
    (Field::Name(Name::Host), "H", "hostname"),
    (Field::Date(Date::Accept), "t", "accept_date"),
    (Field::Date(Date::AcceptGmt), "T", "accept_date_gmt"),
    (Field::Date(Date::AcceptLocal), "Tl", "accept_date_local"),
    (Field::Date(Date::Request), "tr", "request_date"),
    (Field::Date(Date::RequestGmt), "trg", "request_date_gmt"),
    (Field::Date(Date::RequestLocal), "trl", "request_date_local"),
    (Field::Date(Date::RequestRfc3339), "", "time"),
    (Field::Date(Date::Seconds), "Ts", "timestamp"),
    (Field::Date(Date::Milliseconds), "ms", "milliseconds"),
    (Field::Timer(Timer::Head), "TR", "request_ms"),
    (Field::Timer(Timer::Queue), "Tw", "queue_ms"),
    (Field::Timer(Timer::Connect), "Tc", "connect_ms"),
    (Field::Timer(Timer::Response), "Tr", "response_ms"),
    (Field::Timer(Timer::Active), "Ta", "active_ms"),
    (Field::Timer(Timer::Data), "Td", "data_ms"),
    (Field::Timer(Timer::Handshake), "Th", "handshake_ms"),
    (Field::Timer(Timer::Idle), "Ti", "idle_ms"),
    (Field::Timer(Timer::Request), "Tq", "whole_request_ms"),
    (Field::Timer(Timer::Total), "Tt", "total_ms"),
    (Field::Timer(Timer::User), "Tu", "user_ms"),
    (Field::Count(Count::Status), "ST", "status"),
    (Field::Count(Count::BytesOut), "B", "bytes_out"),
    (Field::Count(Count::BytesIn), "U", "bytes_in"),
    (Field::Cookie(Side::Request), "CC", "request_cookie"),
    (Field::Cookie(Side::Response), "CS", "response_cookie"),
    (Field::TerminationState, "ts", "termination_state"),
    (Field::Termination, "tsc", "termination"),
    (Field::Count(Count::Process), "ac", "process_connections"),
    (Field::Count(Count::Frontend), "fc", "frontend_connections"),
    (Field::Count(Count::Backend), "bc", "backend_connections"),
    (Field::Count(Count::Server), "sc", "server_connections"),
    (Field::Retries, "rc", "retries"),
    (Field::Count(Count::ServerQueue), "sq", "server_queue"),
    (Field::Count(Count::BackendQueue), "bq", "backend_queue"),
    (Field::Captures(Side::Request), "hr", "request_captures"),
    (Field::Captures(Side::Response), "hs", "response_captures"),
    (Field::CaptureList(Side::Request), "hrl", "request_capture_list"),
    (Field::CaptureList(Side::Response), "hsl", "response_capture_list"),
    (Field::Request(RequestPart::Line), "r", "request_line"),
    (Field::Request(RequestPart::Method), "HM", ""),
    (Field::Request(RequestPart::UriPath), "HP", "uri_path"),
    (Field::Request(RequestPart::Path), "HPO", ""),
    (Field::Request(RequestPart::QueryString), "HQ", "query_string"),
    (Field::Request(RequestPart::Uri), "HU", "uri"),
    (Field::Request(RequestPart::Version), "HV", "version"),
    (Field::Session(SessionPart::Version), "sslv", "ssl_fc_protocol"),
    (Field::Session(SessionPart::Cipher), "sslc", "ssl_fc_cipher"),
    (Field::Session(SessionPart::Is), "", "ssl_fc"),
    (Field::Session(SessionPart::Alpn), "", "ssl_fc_alpn"),
    (Field::Session(SessionPart::Resumed), "", "ssl_fc_is_resumed"),
    (Field::Session(SessionPart::Certificate), "", "ssl_c_used"),
    (Field::Session(SessionPart::Subject), "", "ssl_c_s_dn"),
    (Field::Session(SessionPart::Issuer), "", "ssl_c_i_dn"),
    (Field::Session(SessionPart::Serial), "", "ssl_c_serial"),
    (Field::UniqueId, "ID", "unique_id"),
    (Field::Uuid, "", "uuid"),
    (Field::Number, "rt", "request_counter"),
    (Field::Pid, "pid", "pid"),
];

impl Field {
    /// Names of all that have one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FIELDS.iter().map(|(_, _, name)| *name).filter(|name| !name.is_empty())
    }

    /// HAProxy's letters of all that have some, with the name.
    pub fn letters() -> impl Iterator<Item = (&'static str, &'static str)> {
        FIELDS.iter().map(|(_, letters, name)| (*letters, *name)).filter(|(letters, _)| !letters.is_empty())
    }

    pub(super) fn by_letters(letters: &str) -> Option<Self> {
        FIELDS.iter().find(|(_, known, _)| !letters.is_empty() && *known == letters).map(|(field, ..)| *field)
    }

    pub(super) fn by_name(name: &str) -> Option<Self> {
        FIELDS.iter().find(|(_, _, known)| !name.is_empty() && *known == name).map(|(field, ..)| *field)
    }

    /// As it is asked for.
    pub(super) fn spelling(self) -> String {
        let known = FIELDS.iter().find(|(field, ..)| *field == self);
        known.map_or_else(String::new, |(_, letters, name)| match letters.is_empty() {
            true => format!("${{{name}}}"),
            false => format!("%{letters}"),
        })
    }

    /// Whether connections of mode tcp have none.
    pub(super) fn is_of_http(self) -> bool {
        match self {
            Self::Timer(timer) => {
                matches!(timer, Timer::Head | Timer::Response | Timer::Active | Timer::Idle | Timer::Request)
            }
            Self::Count(count) => count == Count::Status,
            Self::Date(date) => {
                matches!(date, Date::Request | Date::RequestGmt | Date::RequestLocal)
            }
            Self::Termination
            | Self::Cookie(_)
            | Self::Captures(_)
            | Self::CaptureList(_)
            | Self::Request(_)
            | Self::UniqueId => true,
            Self::Address(_)
            | Self::Port(_)
            | Self::Name(_)
            | Self::Retries
            | Self::TerminationState
            | Self::Session(_)
            | Self::Uuid
            | Self::Number
            | Self::Pid => false,
        }
    }

    /// Whether it is known when the head of a request is there.
    pub(super) fn is_known_at_once(self) -> bool {
        match self {
            Self::Address(peer) | Self::Port(peer) => matches!(peer, Peer::Client | Peer::Frontend),
            Self::Name(name) => matches!(name, Name::Frontend | Name::FrontendTransport | Name::Host),
            Self::Date(_) | Self::Request(_) | Self::Session(_) | Self::Uuid | Self::Number | Self::Pid => {
                true
            }
            Self::Timer(_)
            | Self::Count(_)
            | Self::Retries
            | Self::TerminationState
            | Self::Termination
            | Self::Cookie(_)
            | Self::Captures(_)
            | Self::CaptureList(_)
            | Self::UniqueId => false,
        }
    }

    /// Whether it leaves nothing, not even a blank, where there is nothing.
    pub(super) fn vanishes(self) -> bool {
        matches!(self, Self::Captures(_) | Self::CaptureList(_))
    }
}
