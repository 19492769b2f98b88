//! One request and its response, in flight.

use std::time::Instant;

use super::super::assign::Assign;
use super::super::runtime::Balance;
use super::super::stream::Stream;
use super::super::underway::Seat;
use super::super::upstream::Dial;
use super::demands::Demands;
use super::failure::{Failure, Progress};
use super::flow::Flow;
use super::notes::Notes;
use super::record::{Facts, Owner};
use super::repeat::Repeat;
use crate::balance::Lease;
use crate::compress::Algo;
use crate::h1::conn::Expectation;
use crate::h1::head::{Method, Version};
use crate::names::Epoch;
use crate::pace::{Pace, Turn};
use crate::plan::{ClientTimeouts, FrontendId, HttpReuse, MinRate, ServerTimeouts};
use crate::rules::Variables;
use crate::rules::response::Holding;
use crate::table::Tracking;

/// Everything about a request between its first byte and its record. Recycled, so that a request allocates nothing.
#[derive(Default)]
pub(in crate::io) struct Exchange {
    /// While it is under way.
    pub(super) owner: Option<Owner>,
    pub(super) facts: Facts,
    pub(super) notes: Notes,
    pub(super) asked: Asked,
    /// From the client to the server: the forwarded head, then the content.
    pub(in crate::io) up: Flow,
    /// From the server to the client.
    pub(in crate::io) down: Flow,
    /// The server being waited for.
    pub(super) assign: Option<Assign>,
    /// The connection being made.
    pub(super) dial: Option<Dial>,
    /// The connection to the server.
    pub(in crate::io) server: Option<ServerSide>,
    pub(super) lease: Option<Lease<Balance>>,
    /// While it is with a server whose sessions may be ended.
    pub(super) seat: Option<Seat>,
    /// The server knows the client by the connection from here on.
    pub(super) authenticates: bool,
    /// The client waits to be told to go on (100) before it sends content.
    pub(super) held_back: bool,
    /// What the server sent behind its response: nothing it may send.
    pub(super) surplus: Vec<u8>,
    pub(in crate::io) timeouts: Timeouts,
    pub(in crate::io) activity: Activity,
    pub(super) response: ResponseState,
    pub(super) repeat: Repeat,
    pub(super) paces: Paces,
    /// What rules change in the response; `None`: nothing.
    pub(super) changes: Option<Box<Changes>>,
    /// What rules ask of its way to a server; `None`: nothing.
    pub(super) demands: Option<Box<Demands>>,
    /// What it is counted in.
    pub(super) tracking: Tracking,
}

/// Which rules for responses hold for a request, and what its client takes.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) frontend: FrontendId,
    pub(super) holding: Holding,
    pub(super) of_backend: Holding,
    pub(super) set: Variables,
    pub(super) coding: Coding,
}

impl Changes {
    pub(super) fn new(frontend: FrontendId, holding: Holding, of_backend: Holding, coding: Coding) -> Self {
        Self { frontend, holding, of_backend, set: Variables::default(), coding }
    }
}

/// How far the compression of a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// It is none of that, or the client takes none.
    None,
    /// By this, if the response turns out to be one for it.
    Wanted(Algo),
    /// It would be compressed, but there were no compressors left.
    Bypassed,
}

/// How the client keeps up: sending content, and taking the response.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Paces {
    sends: Pace,
    takes: Pace,
    /// When it will be too far behind in one of them.
    late: Option<Instant>,
}

/// What of the request still matters once its head is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) version: Version,
    /// The client lets its connection persist.
    pub(super) persists: bool,
    pub(super) expectation: Expectation,
    pub(super) upgrade: bool,
    /// A client that closes its side has gone.
    pub(super) abort_on_close: bool,
    pub(super) reuse: HttpReuse,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            method: Method::Get,
            version: Version::Http11,
            persists: false,
            expectation: Expectation::None,
            upgrade: false,
            abort_on_close: false,
            reuse: HttpReuse::default(),
        }
    }
}

/// A connection to a server, in use.
pub(in crate::io) struct ServerSide {
    pub(in crate::io) stream: Stream,
    /// It has carried a request before.
    pub(super) reused: bool,
    /// No other client's request may go over it.
    pub(super) private: bool,
    /// It takes no more of the request; what it has to say is still read.
    pub(super) deaf: bool,
    /// When the server was where this leads.
    pub(super) epoch: Epoch,
}

/// How far the response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ResponseState {
    /// Its head is awaited, or an interim one has passed.
    #[default]
    Awaited,
    /// Its head has been sent on; the content follows.
    Relaying {
        /// The connection to the client goes on afterwards.
        client: Persist,
        /// The connection to the server goes on afterwards.
        server: Persist,
        /// Only the end of the connection ends it.
        until_close: bool,
    },
}

/// What a connection does after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persist {
    Yes,
    No,
}

/// Timers in force.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::io) struct Timeouts {
    pub(in crate::io) client: ClientTimeouts,
    pub(in crate::io) server: ServerTimeouts,
}

/// When each side was last heard of, or took something. Absent: not in play.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::io) struct Activity {
    pub(in crate::io) client: Option<Instant>,
    pub(in crate::io) server: Option<Instant>,
}

impl Exchange {
    /// Whether its client speaks HTTP/2.
    pub(super) fn is_of_http2(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.party().http2)
    }

    /// Whether the client can still be told about a failure.
    pub(super) fn progress(&self) -> Progress {
        match self.response {
            ResponseState::Awaited => Progress::Unanswered,
            ResponseState::Relaying { .. } => Progress::Answering,
        }
    }

    /// Whether its response is under way, and only the end of the connection ends it.
    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self.response, ResponseState::Relaying { until_close: true, .. })
    }

    /// When whom is waited for has to have moved, and what it is called if it has not.
    pub(super) fn deadline(&self) -> Option<(Instant, Failure)> {
        let response_due = !self.down.is_waiting() && self.request_is_out();
        // A client that expects 100 (Continue) waits for the server, whatever it owes.
        let held_back = self.is_held_back();
        let owes = !self.up.body.is_done() && !self.up.is_waiting();
        let client_due = self.down.is_waiting() || (owes && !held_back);
        let server_due = self.up.is_waiting() || response_due || held_back;
        let after = |due: bool, since: Option<Instant>, limit: Option<std::time::Duration>| {
            if due { Some(since? + limit?) } else { None }
        };
        let client = after(client_due, self.activity.client, self.timeouts.client.client);
        let server = after(server_due, self.activity.server, self.timeouts.server.server);
        let due = match (client, server) {
            (Some(client), Some(server)) if client < server => Some((client, Failure::ClientTimeout)),
            (_, Some(server)) => Some((server, Failure::ServerTimeout)),
            (Some(client), None) => Some((client, Failure::ClientTimeout)),
            (None, None) => None,
        };
        match self.paces.late {
            Some(late) if due.is_none_or(|(due, _)| late < due) => Some((late, Failure::ClientTooSlow)),
            _ => due,
        }
    }

    /// There is a server: from here on either side may be waited for. What the client had to say was not read before.
    pub(super) fn start_clocks(&mut self, now: Instant) {
        self.activity = Activity { client: Some(now), server: Some(now) };
    }

    /// Whether the client waits to be told to go on, or that there is no need to.
    fn is_held_back(&self) -> bool {
        self.held_back && self.response == ResponseState::Awaited
    }

    /// Takes note of whether the client is waited for, and of how it keeps up with `rate`.
    #[inline]
    pub(super) fn keep_pace(&mut self, rate: MinRate, now: Instant) {
        let sends = !self.request_is_out() && !self.up.is_waiting() && !self.is_held_back();
        let takes = self.down.is_waiting();
        if sends || takes || !self.paces.sends.rests() || !self.paces.takes.rests() {
            self.settle(sends, takes, rate, now);
        }
    }

    fn settle(&mut self, sends: bool, takes: bool, rate: MinRate, now: Instant) {
        // A client that may be idle for ever may be slow for ever.
        let Some(allowance) = self.timeouts.client.client else { return };
        let turn = |due: bool| if due { Turn::Client } else { Turn::Other };
        let Paces { sends: sending, takes: taking, late } = &mut self.paces;
        let sent = sending.handle_turn(turn(sends), self.up.read, rate.request_body, allowance, now);
        let written = self.down.out.written();
        let taken = taking.handle_turn(turn(takes), written, rate.response, allowance, now);
        *late = sent.into_iter().chain(taken).min();
    }

    /// The server has all of the request it will get.
    pub(super) fn request_is_out(&self) -> bool {
        self.up.is_done() || self.server.as_ref().is_some_and(|s| s.deaf)
    }

    /// Whether a rule has it wait for its content.
    #[inline]
    pub(super) fn waits_for_content(&self) -> bool {
        self.demands.as_ref().is_some_and(|demands| demands.wait.is_some())
    }

    /// What the server is asked about content that is to come: nothing, if that is waited for, and the client told to go on.
    #[inline]
    pub(super) fn settle_expectation(&mut self, expectation: Expectation) -> Expectation {
        if !self.waits_for_content() {
            return expectation;
        }
        self.asked.expectation = Expectation::None;
        Expectation::None
    }

    /// Empties it for another request; buffers stay, within bounds.
    pub(in crate::io) fn reset(&mut self) {
        self.owner = None;
        self.facts.reset();
        self.notes.reset();
        self.asked = Asked::default();
        self.up.reset();
        self.down.reset();
        self.assign = None;
        self.dial = None;
        self.server = None;
        self.lease = None;
        self.seat = None;
        self.authenticates = false;
        self.held_back = false;
        self.surplus = Vec::new();
        self.timeouts = Timeouts::default();
        self.activity = Activity::default();
        self.response = ResponseState::Awaited;
        self.repeat = Repeat::default();
        self.paces = Paces::default();
        self.changes = None;
        self.demands = None;
    }
}
