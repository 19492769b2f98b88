//! Parts to a line.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::field::{Count, Date, Field, Name, Peer, RequestPart, SessionPart, Side, Timer};
use super::{Format, Host, Part, Style};
use crate::access_log::capture::Values;
use crate::access_log::date::{Calendar, Civil, UnixMillis, UtcOffset};
use crate::access_log::escape::{self, Place};
use crate::access_log::httplog::LONGEST_TARGET;
use crate::access_log::number::{push_padded, push_unsigned, whole_millis};
use crate::access_log::record::{AccessRecord, Details, RequestLine, ServerName};
use crate::h1::forward::write_address;
use crate::rules;
use crate::rules::Looked;
use crate::tls::SessionFacts;

impl Format {
    /// Appends the line for `record`, without a line end.
    pub fn write(&self, out: &mut Vec<u8>, record: &AccessRecord<'_>, calendar: &mut Calendar, host: &Host) {
        out.reserve(256);
        let absent = Details::default();
        let details = record.details.unwrap_or(&absent);
        let seen = Seen { record, details, names: &self.request, variables: &self.variables };
        let looked = Looked::new(&seen);
        // A blank is written if something has been since the last one.
        let mut blank = true;
        for part in &self.parts {
            let begin = out.len();
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Blank if blank => {}
                Part::Blank => out.push(b' '),
                Part::Field(field, style) => {
                    let mut line = Line { out: &mut *out, style: *style };
                    line.field(*field, record, details, calendar, host);
                }
                Part::Variable(variable, style) => {
                    let mut value = Vec::new();
                    if !variable.write(&mut value, &looked) {
                        value.clear();
                    }
                    Line { out: &mut *out, style: *style }.text(&value, style.place);
                }
                Part::Response(at, style) => {
                    let value = record.kept.response_named().get(*at).unwrap_or_default();
                    Line { out: &mut *out, style: *style }.text(value, style.place);
                }
            }
            let vanishes = matches!(part, Part::Field(field, _) if field.vanishes());
            if *part == Part::Blank {
                blank = true;
            } else if out.len() > begin || !vanishes {
                blank = false;
            }
        }
    }
}

/// One field on its way into a line.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    style: Style,
}

impl Line<'_> {
    fn field(
        &mut self,
        field: Field,
        record: &AccessRecord<'_>,
        details: &Details,
        calendar: &mut Calendar,
        host: &Host,
    ) {
        match field {
            Field::Address(peer) => self.address(place_of(peer, record, details).map(|at| at.ip())),
            Field::Port(peer) => self.port(place_of(peer, record, details).map(|at| at.port())),
            Field::Name(name) => self.name(name, record, host),
            Field::Date(date) => self.date(date, record.time, details.accepted, calendar),
            Field::Timer(timer) => self.timer(timer, record, details),
            Field::Count(count) => self.count(count, record),
            Field::Retries => {
                if record.redispatched {
                    self.out.push(b'+');
                }
                push_unsigned(self.out, record.retries.into());
            }
            Field::TerminationState => {
                let [cause, phase, ..] = record.termination.letters();
                self.out.extend_from_slice(&[cause, phase]);
            }
            Field::Termination => self.out.extend_from_slice(&record.termination.letters()),
            Field::Cookie(Side::Request) => self.cookie(record.kept.request_cookie()),
            Field::Cookie(Side::Response) => self.cookie(record.kept.response_cookie()),
            Field::Captures(Side::Request) => self.captures(record.kept.request()),
            Field::Captures(Side::Response) => self.captures(record.kept.response()),
            Field::CaptureList(Side::Request) => self.list(record.kept.request()),
            Field::CaptureList(Side::Response) => self.list(record.kept.response()),
            Field::Request(part) => self.request(part, record.request),
            Field::Session(part) => self.session(part, record.tls),
            Field::UniqueId => self.text(record.kept.unique_id().unwrap_or_default(), self.style.place),
            Field::Uuid => self.uuid(details.random),
            Field::Number => self.number(details.number.into(), 4),
            Field::Pid => self.number(host.pid.into(), 4),
        }
    }

    fn name(&mut self, name: Name, record: &AccessRecord<'_>, host: &Host) {
        match name {
            Name::Frontend => self.own(record.frontend.as_bytes(), b""),
            Name::FrontendTransport => {
                self.own(record.frontend.as_bytes(), if record.tls.is_some() { b"~" } else { b"" });
            }
            Name::Backend => self.own(record.backend.as_bytes(), b""),
            Name::Server => match record.server {
                ServerName::Server(name) => self.own(name.as_bytes(), b""),
                ServerName::None => self.own(b"<NOSRV>", b""),
                ServerName::Stats => self.own(b"<STATS>", b""),
            },
            Name::Host => self.text(host.name.as_bytes(), self.style.place),
        }
    }

    /// Bytes of anybody. What is not there is a dash, or a pair of quotes.
    fn text(&mut self, bytes: &[u8], place: Place) {
        self.quote();
        if bytes.is_empty() && !self.style.quoted {
            self.out.push(b'-');
        }
        self.escape(bytes, place);
        self.quote();
    }

    fn escape(&mut self, bytes: &[u8], place: Place) {
        match (self.style.escaped, place) {
            (true, _) => escape::push_backslashed(self.out, bytes, place),
            (false, _) if self.style.guarded => escape::push_guarded(self.out, bytes, place),
            // Backslashes have a meaning there, and are among what is plain elsewhere.
            (false, Place::Inner | Place::Bare) => escape::push_with_escapes(self.out, bytes, place),
            (false, Place::Quoted | Place::Captured | Place::Word | Place::Free) => {
                escape::push_hash_escaped(self.out, bytes, place);
            }
        }
    }

    fn quote(&mut self) {
        if self.style.quoted {
            self.out.push(b'"');
        }
    }

    /// A name of ours, which needs no escapes.
    fn own(&mut self, name: &[u8], behind: &[u8]) {
        self.quote();
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(behind);
        self.quote();
    }

    fn cookie(&mut self, cookie: Option<&[u8]>) {
        let place = if self.style.place == Place::Inner { Place::Inner } else { Place::Word };
        self.text(cookie.unwrap_or_default(), place);
    }

    fn address(&mut self, address: Option<IpAddr>) {
        match address.map(|address| address.to_canonical()) {
            None => self.text(b"", Place::Bare),
            Some(IpAddr::V4(v4)) if self.style.hex => self.hex_bytes(&v4.octets()),
            Some(IpAddr::V6(v6)) if self.style.hex => self.hex_bytes(&v6.octets()),
            Some(address) => {
                self.quote();
                write_address(self.out, address);
                self.quote();
            }
        }
    }

    fn port(&mut self, port: Option<u16>) {
        match port {
            None => self.text(b"", Place::Bare),
            Some(port) => self.number(port.into(), 4),
        }
    }

    /// A number, or at least so many hexadecimal digits of it.
    fn number(&mut self, value: u64, digits: usize) {
        if !self.style.hex {
            return push_unsigned(self.out, value);
        }
        let bytes = value.to_be_bytes();
        let needed = bytes.len() - usize::try_from(value.leading_zeros() / 8).unwrap_or(0);
        let shown = needed.max(digits / 2);
        let begin = self.out.len();
        self.hex_bytes(bytes.get(bytes.len().saturating_sub(shown)..).unwrap_or_default());
        // Digits come in pairs, and a number may have an odd count of them.
        if self.out.len() - begin > digits && self.out.get(begin) == Some(&b'0') {
            self.out.remove(begin);
        }
    }

    fn hex_bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| escape::push_hex(self.out, *byte));
    }

    fn uuid(&mut self, random: u128) {
        // RFC 9562 §5.4: version 4, and the variant.
        let bytes = (random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62).to_be_bytes();
        self.quote();
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                self.out.push(b'-');
            }
            let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            self.out.extend_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
        self.quote();
    }

    fn captures(&mut self, values: Values<'_>) {
        if values.is_empty() {
            return;
        }
        self.quote();
        for (position, value) in values.iter().enumerate() {
            self.out.push(if position == 0 { b'{' } else { b'|' });
            self.escape(value.unwrap_or_default(), Place::Captured);
        }
        self.out.push(b'}');
        self.quote();
    }

    fn list(&mut self, values: Values<'_>) {
        for (position, value) in values.iter().enumerate() {
            if position > 0 {
                self.out.push(b' ');
            }
            self.quote();
            match value {
                Some(value) => self.escape(value, Place::Captured),
                None if self.style.quoted => {}
                None => self.out.push(b'-'),
            }
            self.quote();
        }
    }

    fn request(&mut self, part: RequestPart, request: RequestLine<'_>) {
        self.quote();
        match request {
            RequestLine::None | RequestLine::Bad => self.out.extend_from_slice(b"<BADREQ>"),
            RequestLine::Line { method, target, version } => {
                let target = target.get(..LONGEST_TARGET).unwrap_or(target);
                let query = memchr::memchr(b'?', target).unwrap_or(target.len());
                let (path, query) = target.split_at(query);
                match part {
                    RequestPart::Method => self.escape(method, Place::Quoted),
                    RequestPart::UriPath => self.escape(path, Place::Quoted),
                    // The server as a whole (RFC 9112 §3.2.4) has no path.
                    RequestPart::Path if path == b"*" => {}
                    RequestPart::Path => self.escape(without_origin(path), Place::Quoted),
                    RequestPart::QueryString => self.escape(query, Place::Quoted),
                    RequestPart::Uri => self.escape(target, Place::Quoted),
                    RequestPart::Version => self.escape(version, Place::Quoted),
                    RequestPart::Line => {
                        self.escape(method, Place::Quoted);
                        self.out.push(b' ');
                        self.escape(target, Place::Quoted);
                        self.out.push(b' ');
                        self.escape(version, Place::Quoted);
                    }
                }
            }
        }
        self.quote();
    }

    fn session(&mut self, part: SessionPart, session: Option<&SessionFacts>) {
        let client = session.and_then(|session| session.client.as_ref());
        let flag = |out: &mut Vec<u8>, is: bool| out.push(if is { b'1' } else { b'0' });
        let place = self.style.place;
        match part {
            SessionPart::Is => flag(self.out, session.is_some()),
            SessionPart::Resumed => flag(self.out, session.is_some_and(|s| s.resumed)),
            SessionPart::Certificate => flag(self.out, client.is_some()),
            SessionPart::Cipher => self.text(session.map_or(b"", |s| s.cipher.as_bytes()), place),
            SessionPart::Alpn => {
                self.text(session.and_then(|s| s.alpn.as_deref()).unwrap_or_default(), place)
            }
            SessionPart::Subject => {
                let subject = client.map(|c| c.subject.one_line());
                self.text(subject.as_deref().unwrap_or_default().as_bytes(), place);
            }
            SessionPart::Issuer => {
                let issuer = client.map(|c| c.issuer.one_line());
                self.text(issuer.as_deref().unwrap_or_default().as_bytes(), place);
            }
            SessionPart::Serial => self.text(client.map_or(b"", |c| c.serial.as_bytes()), place),
            SessionPart::Version => self.text(session.map_or(b"", |s| s.version.as_str().as_bytes()), place),
        }
    }

    fn date(&mut self, date: Date, asked: UnixMillis, accepted: UnixMillis, calendar: &mut Calendar) {
        let (local, gmt) = (calendar.offset(), UtcOffset(0));
        match date {
            Date::Accept => Civil::new(accepted, local).push_httplog(self.out),
            Date::AcceptGmt => Civil::new(accepted, gmt).push_zoned(self.out),
            Date::AcceptLocal => Civil::new(accepted, local).push_zoned(self.out),
            Date::RequestGmt => Civil::new(asked, gmt).push_zoned(self.out),
            Date::RequestLocal => Civil::new(asked, local).push_zoned(self.out),
            Date::RequestRfc3339 => Civil::new(asked, local).push_rfc3339(self.out),
            Date::Seconds => {
                self.number(u64::try_from(accepted.0.div_euclid(1000)).unwrap_or(0), 4);
            }
            Date::Milliseconds => {
                let milli = u64::try_from(accepted.0.rem_euclid(1000)).unwrap_or(0);
                if self.style.hex {
                    self.number(milli, 2);
                } else {
                    push_padded(self.out, milli, 3);
                }
            }
            Date::Request => calendar.push_date(self.out, asked),
        }
    }

    fn timer(&mut self, timer: Timer, record: &AccessRecord<'_>, details: &Details) {
        let timers = &record.timers;
        let before = details.handshake + details.idle;
        let value = match timer {
            Timer::Head => timers.request,
            Timer::Queue => timers.queue,
            Timer::Connect => timers.connect,
            Timer::Response => timers.response,
            Timer::Data => details.data,
            Timer::Handshake => Some(details.handshake),
            Timer::Idle => Some(details.idle),
            Timer::Request => timers.request.map(|head| head + before),
            Timer::Total => Some(timers.active + before),
            Timer::User => Some(timers.active + details.handshake),
            Timer::Active => Some(timers.active),
        };
        self.millis(value);
    }

    fn millis(&mut self, value: Option<Duration>) {
        match value {
            Some(value) => push_unsigned(self.out, whole_millis(value)),
            None => self.out.extend_from_slice(b"-1"),
        }
    }

    fn count(&mut self, count: Count, record: &AccessRecord<'_>) {
        let counts = &record.counts;
        let value = match count {
            Count::Status => match record.status {
                Some(status) => status.into(),
                None => return self.out.extend_from_slice(b"-1"),
            },
            Count::BytesOut => record.bytes_out,
            Count::BytesIn => record.bytes_in,
            Count::Process => counts.process.into(),
            Count::Frontend => counts.frontend.into(),
            Count::Backend => counts.backend.into(),
            Count::Server => counts.server.into(),
            Count::ServerQueue => record.queue.server.into(),
            Count::BackendQueue => record.queue.backend.into(),
        };
        push_unsigned(self.out, value);
    }
}

fn place_of(peer: Peer, record: &AccessRecord<'_>, details: &Details) -> Option<SocketAddr> {
    match peer {
        Peer::Client => Some(record.client),
        Peer::Frontend => details.frontend,
        Peer::Source => details.source,
        Peer::Server => details.server,
    }
}

/// A target without scheme and authority (RFC 9112 §3.2.2).
fn without_origin(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return target;
    }
    let Some(at) = memchr::memmem::find(target, b"://") else { return target };
    let rest = target.get(at + 3..).unwrap_or_default();
    memchr::memchr(b'/', rest).and_then(|path| rest.get(path..)).unwrap_or_default()
}

/// A request as its record knows it, for what texts of rules ask of one.
struct Seen<'a> {
    record: &'a AccessRecord<'a>,
    details: &'a Details,
    /// Names of the fields that are kept.
    names: &'a [Box<str>],
    /// Names of the variables that are.
    variables: &'a [Box<str>],
}

impl Seen<'_> {
    fn field(&self, name: &str) -> Option<&[u8]> {
        let at = self.names.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        self.record.kept.request_named().get(at)
    }
}

impl rules::Request for Seen<'_> {
    fn method(&self) -> &[u8] {
        match self.record.request {
            RequestLine::Line { method, .. } => method,
            RequestLine::None | RequestLine::Bad => b"",
        }
    }

    fn target(&self) -> &[u8] {
        match self.record.request {
            RequestLine::Line { target, .. } => without_origin(target),
            RequestLine::None | RequestLine::Bad => b"",
        }
    }

    fn authority(&self) -> &[u8] {
        let absolute = match self.record.request {
            RequestLine::Line { target, .. } if target.first() != Some(&b'/') => {
                memchr::memmem::find(target, b"://").and_then(|at| target.get(at + 3..))
            }
            RequestLine::Line { .. } | RequestLine::None | RequestLine::Bad => None,
        };
        match absolute {
            Some(rest) => rest.split(|b| matches!(b, b'/' | b'?')).next().unwrap_or_default(),
            None => self.field("host").unwrap_or_default(),
        }
    }

    fn fields(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.field(name).is_some_and(look)
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        let at = self.variables.iter().position(|known| **known == *name)?;
        self.record.kept.variables().get(at)
    }

    fn source(&self) -> IpAddr {
        self.record.client.ip()
    }

    fn destination(&self) -> Option<SocketAddr> {
        self.details.frontend
    }

    fn tls(&self) -> Option<&SessionFacts> {
        self.record.tls
    }
}
