//! What only some frontends show in their records: captured fields, identifiers, addresses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::runtime::DataThread;
use super::super::stream::Stream;
use super::exchange::Exchange;
use super::record::Party;
use super::view::Parsed;
use crate::access_log::capture::{Head, Look};
use crate::access_log::{
    AccessRecord, ConnectionCounts, Details, Format, Kept, QueuePositions, ServerName, Termination, Timers,
};
use crate::h1::field::Known;
use crate::h1::head::HeadIndex;
use crate::plan::{Frontend, FrontendId, LogFormat, Records};
use crate::rules::response::Response;
use crate::rules::{Change, Edits};
use crate::sticky::pairs;

/// What is noted of one exchange. Nothing but where it begins, unless the frontend asks for more.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// When the wait for the request began; unset: with the exchange.
    since: Option<Instant>,
    /// It is the first request of its connection.
    is_first: bool,
    pub(super) kept: Kept,
    /// Of the request, if that is shown.
    number: u32,
    /// Whose records show something of the response.
    keeps_response: Option<FrontendId>,
    /// Records show the addresses of the connection to the server.
    keeps_ends: bool,
    /// These: ours, and the server's.
    ends: Option<(SocketAddr, SocketAddr)>,
    is_used: bool,
}

/// A response, for captures.
struct Answer<'a> {
    index: &'a HeadIndex,
    bytes: &'a [u8],
}

impl Head for Answer<'_> {
    fn last(&self, name: &str) -> Option<&[u8]> {
        self.index.last(self.bytes, name)
    }

    fn cookies(&self, look: &mut Look<'_>) {
        let fields = self.index.all(Known::SetCookie).map(|f| f.value.of(self.bytes));
        // What follows the first pair are attributes of it (RFC 6265 §4.1.1).
        let _found = fields.filter_map(|field| pairs(field).next()).any(|pair| look(pair.name, pair.value));
    }
}

impl Notes {
    #[inline]
    pub(super) fn begin(&mut self, since: Instant, is_first: bool) {
        self.since = Some(since);
        self.is_first = is_first;
    }

    /// A connection to the server is there.
    #[inline]
    pub(super) fn handle_server(&mut self, stream: &Stream) {
        if self.keeps_ends {
            self.ends = stream.addresses();
        }
    }

    /// The final head of the response is there.
    #[inline]
    pub(super) fn handle_response(&mut self, thread: &DataThread, index: &HeadIndex, bytes: &[u8]) {
        if let Some(frontend) = self.keeps_response {
            self.keep_response(thread, frontend, &Answer { index, bytes });
        }
    }

    /// The rules for the final response have been asked.
    pub(super) fn handle_response_rules(&mut self, records: &Records, response: &impl Response) {
        if !records.captures.variables.is_empty() {
            let variable = |name: &str| response.variable(name);
            self.kept.handle_rules(&records.captures, std::iter::empty(), variable);
        }
    }

    #[cold]
    fn keep_response(&mut self, thread: &DataThread, frontend: FrontendId, answer: &Answer<'_>) {
        let frontend = thread.plan.frontends().get(usize::from(frontend.0));
        if let Some(records) = frontend.and_then(|f| f.records.as_ref()) {
            self.kept.handle_response(&records.captures, answer);
        }
    }

    /// What an operator's format shows. `steps`: when the request began, and when the response did.
    pub(super) fn details(
        &self,
        thread: &DataThread,
        party: &Party,
        (started, responded): (Option<Instant>, Option<Instant>),
        ended: Instant,
    ) -> Details {
        let started = started.unwrap_or(ended);
        let since = self.since.unwrap_or(started);
        let handshake = if self.is_first {
            Duration::from_millis(party.caller.handshake_ms().into())
        } else {
            Duration::ZERO
        };
        // What is waited for begins with the connection, as HAProxy counts.
        let accepted = since.checked_sub(handshake).unwrap_or(since);
        Details {
            accepted: thread.time_of_day.at(accepted),
            handshake,
            idle: started.saturating_duration_since(since),
            data: responded.map(|at| ended.saturating_duration_since(at)),
            frontend: party.caller.destination(),
            source: self.ends.map(|(own, _)| own),
            server: self.ends.map(|(_, server)| server),
            number: self.number,
            random: 0,
        }
    }

    pub(super) fn reset(&mut self) {
        (self.since, self.is_first) = (None, false);
        if std::mem::take(&mut self.is_used) {
            self.kept.clear();
            self.number = 0;
            (self.keeps_response, self.keeps_ends, self.ends) = (None, false, None);
        }
    }
}

/// Notes what the records show of what rules have made.
#[cold]
pub(super) fn handle_rules(exchange: &mut Exchange, records: &Records, edits: &Edits) {
    let kept = &mut exchange.notes.kept;
    kept.handle_rules(&records.captures, edits.captured(), |name| edits.variable(name));
}

/// Notes what the records of `frontend` show of a request.
#[cold]
pub(super) fn handle_request(
    exchange: &mut Exchange,
    thread: &DataThread,
    party: &Party,
    (frontend, records): (&Frontend, &Records),
    parsed: &Parsed<'_>,
) {
    let of_lines = match &frontend.log_format {
        LogFormat::Custom(format) => Some(&**format),
        LogFormat::Httplog | LogFormat::Tcplog | LogFormat::Json => None,
    };
    let of_id = records.unique_id.as_ref().map(|id| &id.format);
    let notes = &mut exchange.notes;
    notes.is_used = true;
    notes.kept.handle_request(&records.captures, parsed);
    notes.keeps_response = records.captures.of_responses().then_some(party.frontend);
    notes.keeps_ends = of_lines.is_some_and(Format::looks_at_server);
    if of_lines.into_iter().chain(of_id).any(Format::counts_requests) {
        notes.number = thread.logger.next_number();
    }
    let Some(format) = of_id else { return };
    let started = exchange.facts.started.unwrap_or_else(Instant::now);
    let details = exchange.notes.details(thread, party, (Some(started), None), started);
    let record = AccessRecord {
        client: party.caller.source,
        time: thread.time_of_day.at(started),
        frontend: &frontend.name,
        tls: party.caller.tls.as_deref(),
        backend: "",
        server: ServerName::None,
        timers: Timers::default(),
        status: None,
        bytes_out: 0,
        bytes_in: 0,
        termination: Termination::default(),
        counts: ConnectionCounts::default(),
        retries: 0,
        redispatched: false,
        queue: QueuePositions::default(),
        request: exchange.facts.request_line(),
        kept: &exchange.notes.kept,
        details: Some(&Details { random: random(), ..details }),
    };
    let mut id = Vec::new();
    thread.logger.write(&mut id, format, &record);
    exchange.notes.kept.handle_unique_id(|out| out.extend_from_slice(&id));
}

/// Lets the server know the identifier, and no other that the client may have sent in its place.
#[cold]
pub(super) fn tell(notes: &Notes, records: &Records, edits: &mut Edits) {
    let name = records.unique_id.as_ref().and_then(|id| id.tells.as_deref());
    if let (Some(name), Some(id)) = (name, notes.kept.unique_id()) {
        edits.apply(Change::Fields(name, vec![id.to_vec()]));
    }
}

/// Bits that tell identifiers apart and guard no secret.
fn random() -> u128 {
    use std::hash::{BuildHasher as _, RandomState};
    let half = || u128::from(RandomState::new().hash_one(0_u8));
    half() << 64 | half()
}
