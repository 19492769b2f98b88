//! Conditions on a request: what is asked of it, and whether that holds.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use super::accept;
use super::counted::{Number, Range};
use super::gauge::{DayTime, Gauge, Hours, Zone};
use super::networks::Networks;
use super::path;
use super::response::Answered;
use super::scope::{Hello, Received};
use super::script::{Call, Said};
use super::texts::{How, Texts};
use crate::h1::target::split_query;
use crate::hello::ClientHello;
use crate::map::MapId;
use crate::sticky::pairs;
use crate::table::TableId;
use crate::tls::SessionFacts;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matcher {
    /// Every one of them holds; none: always.
    All(Vec<Self>),
    /// One of them holds; none: never.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// Something that is asked of the request.
    Test(Test),
}

/// What can be asked of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Its host: without a port, in lower case, without the dot of a fully qualified name.
    Host(Texts),
    /// Its path in [normal form](path::normal).
    Path(Texts),
    /// Its path as it was sent.
    RawPath(Texts),
    /// Its method as it was sent.
    Method(Texts),
    /// An element of a list that fields of this name are, as HAProxy takes them apart at commas (`hdr`).
    Header(Box<str>, Texts),
    /// Whether there is a field of this name.
    HasHeader(Box<str>),
    /// A value of a parameter of the query, decoded.
    Query(Box<str>, Texts),
    /// Whether there is such a parameter.
    HasQuery(Box<str>),
    /// The value of a cookie.
    Cookie(Box<str>, Texts),
    /// Whether there is such a cookie.
    HasCookie(Box<str>),
    /// A variable that a rule has set.
    Variable(Box<str>, Texts),
    /// Whether a rule has set such a variable.
    HasVariable(Box<str>),
    /// Whether the client takes content of this type (RFC 9110 §12.5.1): the field, a type and a subtype in lower case.
    Accepts(accept::MediaType),
    /// The client's address.
    Source(Networks),
    /// The address that the client has connected to.
    Destination(Networks),
    /// The port that the client has connected to: from, and up to.
    DestinationPort(u16, u16),
    /// Whether the client speaks TLS (`ssl_fc`).
    Tls(bool),
    /// The name that the client has asked for in its TLS handshake (`ssl_fc_sni`).
    Sni(Texts),
    /// The protocol that was agreed on in it (`ssl_fc_alpn`).
    Alpn(Texts),
    /// Whether the client has shown a certificate (`ssl_c_used`), which has then been verified.
    Certificate(bool),
    /// Whom its certificate is for, as OpenSSL writes it on one line (`ssl_c_s_dn`).
    Subject(Texts),
    /// The common name in it (`ssl_c_s_dn(CN)`).
    CommonName(Texts),
    /// A number of a table. What has none is in no range.
    Counted(Number, Range),
    /// What a fetch of a script says.
    Fetched(Call, Texts),
    /// Whether it says anything but no.
    IsFetched(Call),
    /// How many elements the lists have that fields of this name are (`hdr_cnt`).
    HeaderCount(Box<str>, Range),
    /// How long its target is as it was sent, in bytes (`url_len`).
    TargetLength(Range),
    /// The version of HTTP that the client speaks, as `1.1` (`req.ver`).
    Version(Texts),
    /// The client's port: from, and up to.
    SourcePort(u16, u16),
    /// The name that a ClientHello asks for which is passed on (`req.ssl_sni`).
    HelloName(Texts),
    /// A protocol that it offers (`req.ssl_alpn`).
    HelloAlpn(Texts),
    /// How much a client has said, in bytes (`req.len`).
    Received(Range),
    /// The version of TLS that was agreed on, as `TLSv1.3` (`ssl_fc_protocol`).
    TlsVersion(Texts),
    /// The cipher suite that was, by OpenSSL's name (`ssl_fc_cipher`).
    TlsCipher(Texts),
    /// Something that is asked of the response.
    Response(Answered),
    /// A number of a backend or of a server.
    Gauge(Gauge, Range),
    /// The time of day.
    Hours(Hours),
    /// A number below the first one, another one each time (`rand`).
    Chance(NonZeroU32, Range),
}

/// A request, to be looked at.
pub trait Request {
    /// The method as it was sent.
    fn method(&self) -> &[u8];

    /// Path and query as they were sent: what is forwarded if nothing changes it.
    fn target(&self) -> &[u8];

    /// The authority that is asked for: what the request line says, else `Host`.
    fn authority(&self) -> &[u8];

    /// Hands the values of all fields of this name, in any case, to `look` until it says `true`. Whether it did.
    fn fields(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool;

    /// Where the client is.
    fn source(&self) -> IpAddr;

    /// What it has connected to, if that is an address.
    fn destination(&self) -> Option<SocketAddr>;

    /// Its TLS session, if it speaks TLS.
    fn tls(&self) -> Option<&SessionFacts>;

    /// A variable that a rule has set. A request by itself has none.
    fn variable(&self, _name: &str) -> Option<&[u8]> {
        None
    }

    /// What a map has for a key. A request by itself knows no maps.
    fn mapped(&self, _map: MapId, _key: &[u8]) -> Option<Box<[u8]>> {
        None
    }

    /// What a fetch of a script says of it. A request by itself knows no scripts.
    fn fetched(&self, _: &Call) -> Option<Said> {
        None
    }

    /// What a converter of a script makes of a text.
    fn converted(&self, _: &Call, _text: &[u8]) -> Option<Said> {
        None
    }

    /// A number that a table has of it. `None`: it has none.
    fn counted(&self, _: &Number) -> Option<u64> {
        None
    }

    /// The version of HTTP that the client speaks.
    fn version(&self) -> &'static str {
        "1.1"
    }

    /// The client's port.
    fn source_port(&self) -> u16 {
        0
    }

    /// A number of a backend or of a server. A request by itself knows none.
    fn gauge(&self, _: Gauge) -> Option<u64> {
        None
    }

    /// The time of day. A request by itself has no clock.
    fn day_time(&self, _: Zone) -> Option<DayTime> {
        None
    }

    /// The ClientHello that its client begins with, if that is looked for.
    fn hello(&self) -> Hello<'_> {
        Hello::None
    }

    /// How much its client has said, if that is looked at.
    fn received(&self) -> Received {
        Received { bytes: 0, open: false }
    }

    /// Any number, to be left to chance.
    fn random(&self) -> u32 {
        0
    }
}

/// A request that several matchers look at: what has to be worked out is worked out once.
pub struct Looked<'a, R> {
    request: &'a R,
    path: OnceCell<Cow<'a, [u8]>>,
    host: OnceCell<Cow<'a, [u8]>>,
}

impl<'a, R: Request> Looked<'a, R> {
    /// Nothing has been looked at yet.
    pub fn new(request: &'a R) -> Self {
        Self { request, path: OnceCell::new(), host: OnceCell::new() }
    }

    /// The request itself.
    pub fn request(&self) -> &'a R {
        self.request
    }

    /// Its path in normal form.
    pub fn path(&self) -> &[u8] {
        self.path.get_or_init(|| path::normal(self.raw_path()))
    }

    /// Its path as it was sent.
    pub fn raw_path(&self) -> &'a [u8] {
        split_query(self.request.target()).0
    }

    /// Its query, without the question mark.
    pub fn query(&self) -> &'a [u8] {
        split_query(self.request.target()).1.unwrap_or_default()
    }

    /// Its host as rules compare it.
    pub fn host(&self) -> &[u8] {
        self.host.get_or_init(|| lower_case(host_of(self.request.authority())))
    }

    fn header(&self, name: &str, texts: &Texts) -> bool {
        self.request.fields(name, &mut |value| elements(value).any(|element| texts.matches(element)))
    }

    /// Elements of the lists that fields of this name are.
    pub(super) fn count(&self, name: &str) -> u64 {
        let mut count = 0;
        self.request.fields(name, &mut |value| {
            count += elements(value).count() as u64;
            false
        });
        count
    }

    /// Values of a parameter, as they were sent, until `look` says `true`. It may be there more than once.
    pub(super) fn parameters(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let pairs = self.query().split(|b| *b == b'&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| split(pair, b'='))
            .any(|(key, value)| decoded(key) == name.as_bytes() && look(value.unwrap_or_default()))
    }

    /// Values of a cookie, until `look` says `true`. It may be there more than once.
    pub(super) fn cookies(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.request.fields("cookie", &mut |field| {
            let mut named = pairs(field).filter(|pair| pair.name == name.as_bytes());
            named.any(|pair| look(pair.value.unwrap_or_default()))
        })
    }
}

impl Matcher {
    /// Whether it holds.
    pub fn holds<R: Request>(&self, request: &Looked<'_, R>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|matcher| matcher.holds(request)),
            Self::Any(any) => any.iter().any(|matcher| matcher.holds(request)),
            Self::Not(matcher) => !matcher.holds(request),
            Self::Test(test) => test.holds(request),
        }
    }

    /// Whether it looks at what the client has connected to, which has to be found out first.
    pub fn looks_at_destination(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::looks_at_destination),
            Self::Not(part) => part.looks_at_destination(),
            // Scripts may ask for it.
            Self::Test(test) => matches!(
                test,
                Test::Destination(_) | Test::DestinationPort(..) | Test::Fetched(..) | Test::IsFetched(_)
            ),
        }
    }

    /// Whether it looks at the response.
    pub fn looks_at_response(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::looks_at_response),
            Self::Not(part) => part.looks_at_response(),
            Self::Test(test) => matches!(test, Test::Response(_)),
        }
    }

    /// The last of the tables that it asks for numbers.
    pub fn last_table(&self) -> Option<TableId> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().filter_map(Self::last_table).max(),
            Self::Not(part) => part.last_table(),
            Self::Test(Test::Counted(number, _)) => Some(number.of.table()),
            Self::Test(_) => None,
        }
    }

    /// Whether it holds for every request for one of its [`hosts`](Self::hosts).
    pub fn asks_for_hosts_alone(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => match parts.as_slice() {
                [only] => only.asks_for_hosts_alone(),
                _ => false,
            },
            Self::Test(Test::Host(texts)) => texts.how() == How::Exact,
            Self::Not(_) | Self::Test(_) => false,
        }
    }

    /// The hosts without one of which it does not hold, if it is known which these are. So rules can be found by the host.
    pub fn hosts(&self) -> Option<&[Box<str>]> {
        match self {
            Self::All(all) => all.iter().filter_map(Self::hosts).min_by_key(|hosts| hosts.len()),
            Self::Any(any) => match any.as_slice() {
                [only] => only.hosts(),
                _ => None,
            },
            Self::Test(Test::Host(texts)) if texts.how() == How::Exact && texts.list().is_none() => {
                Some(texts.patterns())
            }
            Self::Not(_) | Self::Test(_) => None,
        }
    }
}

impl Test {
    fn holds<R: Request>(&self, looked: &Looked<'_, R>) -> bool {
        let request = looked.request;
        let tls = request.tls();
        let certificate = tls.and_then(|t| t.client.as_ref());
        match self {
            Self::Host(texts) => texts.matches(looked.host()),
            Self::Path(texts) => texts.matches(looked.path()),
            Self::RawPath(texts) => texts.matches(looked.raw_path()),
            Self::Method(texts) => texts.matches(request.method()),
            Self::Header(name, texts) => looked.header(name, texts),
            Self::HasHeader(name) => request.fields(name, &mut |_| true),
            Self::Query(name, texts) => looked.parameters(name, &mut |value| texts.matches(&decoded(value))),
            Self::HasQuery(name) => looked.parameters(name, &mut |_| true),
            Self::Cookie(name, texts) => looked.cookies(name, &mut |value| texts.matches(value)),
            Self::HasCookie(name) => looked.cookies(name, &mut |_| true),
            Self::Variable(name, texts) => request.variable(name).is_some_and(|value| texts.matches(value)),
            Self::HasVariable(name) => request.variable(name).is_some(),
            Self::Accepts(wanted) => wanted.is_accepted_by(request),
            Self::Source(networks) => networks.contains(request.source()),
            Self::Destination(networks) => request.destination().is_some_and(|to| networks.contains(to.ip())),
            Self::DestinationPort(from, to) => {
                request.destination().is_some_and(|at| (*from..=*to).contains(&at.port()))
            }
            Self::Tls(wanted) => *wanted == tls.is_some(),
            Self::Sni(texts) => {
                tls.and_then(|t| t.server_name.as_deref()).is_some_and(|name| texts.matches(name.as_bytes()))
            }
            Self::Alpn(texts) => tls.and_then(|t| t.alpn.as_deref()).is_some_and(|name| texts.matches(name)),
            Self::Certificate(wanted) => *wanted == certificate.is_some(),
            Self::Subject(texts) => {
                certificate.is_some_and(|c| texts.matches(c.subject.one_line().as_bytes()))
            }
            Self::CommonName(texts) => {
                certificate.and_then(|c| c.subject.part("CN")).is_some_and(|cn| texts.matches(cn.as_bytes()))
            }
            Self::Counted(number, range) => request.counted(number).is_some_and(|n| range.contains(n)),
            Self::Fetched(call, texts) => {
                request.fetched(call).is_some_and(|said| texts.matches(said.text()))
            }
            Self::IsFetched(call) => request.fetched(call).is_some_and(|said| said.is_true()),
            Self::HeaderCount(name, range) => range.contains(looked.count(name)),
            Self::TargetLength(range) => range.contains(request.target().len() as u64),
            Self::Version(texts) => texts.matches(request.version().as_bytes()),
            Self::SourcePort(from, to) => (*from..=*to).contains(&request.source_port()),
            Self::HelloName(texts) => said(request).is_some_and(|hello| {
                hello.server_name.as_deref().is_some_and(|name| texts.matches(name.as_bytes()))
            }),
            Self::HelloAlpn(texts) => {
                said(request).is_some_and(|hello| hello.protocols.iter().any(|name| texts.matches(name)))
            }
            Self::Received(range) => range.contains(request.received().bytes),
            Self::TlsVersion(texts) => tls.is_some_and(|t| texts.matches(t.version.as_str().as_bytes())),
            Self::TlsCipher(texts) => tls.is_some_and(|t| texts.matches(t.cipher.as_bytes())),
            // Only the response can tell.
            Self::Response(_) => false,
            Self::Gauge(gauge, range) => request.gauge(*gauge).is_some_and(|n| range.contains(n)),
            Self::Hours(hours) => request.day_time(hours.zone).is_some_and(|at| hours.hold(at)),
            Self::Chance(of, range) => range.contains((request.random() % of.get()).into()),
        }
    }
}

/// The ClientHello that there is.
pub(super) fn said<R: Request>(request: &R) -> Option<&ClientHello> {
    match request.hello() {
        Hello::Said(hello) => Some(hello),
        Hello::Awaited | Hello::None => None,
    }
}

/// The host of an authority: without its port (RFC 3986 §3.2.2) and the dot of a fully qualified name.
fn host_of(authority: &[u8]) -> &[u8] {
    // An IPv6 address is in brackets: its colons have none but digits behind them only up to there.
    let digits = authority.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let host = match authority.get(..authority.len() - digits) {
        Some([host @ .., b':']) => host,
        _ => authority,
    };
    host.strip_suffix(b".").unwrap_or(host)
}

/// Clients write hosts in lower case nearly always.
fn lower_case(text: &[u8]) -> Cow<'_, [u8]> {
    match has_upper_case(text) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

/// Eight letters at a time, the last eight once more with those before them.
fn has_upper_case(text: &[u8]) -> bool {
    // No way out of this loop, so that it becomes three instructions on eight bytes.
    let any = |word: &[u8; 8]| word.iter().fold(false, |any, b| any | b.is_ascii_uppercase());
    match text.last_chunk() {
        Some(end) => any(end) || text.as_chunks().0.iter().any(any),
        None => text.iter().any(u8::is_ascii_uppercase),
    }
}

fn split(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, text) {
        Some(position) => (&text[..position], text.get(position + 1..)),
        None => (text, None),
    }
}

/// The elements of a list (RFC 9110 §5.6.1). A comma inside quotes separates nothing.
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |byte| {
            let separates = *byte == b',' && !quoted;
            quoted ^= *byte == b'"' && !escaped;
            escaped = quoted && *byte == b'\\' && !escaped;
            separates
        })
        .map(<[u8]>::trim_ascii)
}

/// As forms are encoded: `+` is a blank.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let two = after.first_chunk::<2>().and_then(|two| std::str::from_utf8(two).ok());
        let byte = two.filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        match (first, byte.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                out.push(b' ');
                rest = after;
            }
            (byte, _) => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
