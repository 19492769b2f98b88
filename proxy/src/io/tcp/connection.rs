//! The task of one connection: which state it is in, what it waits for, and until when.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::super::assign::{Assign, Unassigned};
use super::super::caller::Caller;
use super::super::deadline::Alarm;
use super::super::http1::{Failure, Progress, SMALL, Timeouts, count_evicted, count_in, count_out};
use super::super::idle::{Place, Rest};
use super::super::passage::{Broken, Means, Passage};
use super::super::persist::{self, Persistence};
use super::super::runtime::{Balance, DataThread};
use super::super::session::{Seen, Verdict};
use super::super::sessions::Presence;
use super::super::stream::Stream;
use super::super::underway::Seat;
use super::super::upstream::Dial;
use super::record::Facts;
use crate::access_log::{Cause, Phase, Termination};
use crate::balance::{Lease, Subject, Wish, key_of};
use crate::hello;
use crate::plan::{BackendId, Frontend, FrontendId, LogFormat};
use crate::rules::template::Template;
use crate::rules::{Hello, Looked, Matcher, Received};
use crate::table::Event;

/// A client's connection. As a future it ends when the connection is over; dropping it, for whatever reason, counts and
/// logs it.
pub(in crate::io) struct Connection {
    thread: Rc<DataThread>,
    client: Stream,
    caller: Caller,
    facts: Facts,
    state: State,
    /// The connection to the server, once there is one.
    server: Option<Stream>,
    /// From the client to the server.
    up: Passage,
    /// From the server to the client.
    down: Passage,
    lease: Option<Lease<Balance>>,
    /// While it is with a server whose sessions may be ended.
    seat: Option<Seat>,
    persistence: Persistence,
    timeouts: Timeouts,
    /// When each side last said or took something.
    client_active: Instant,
    server_active: Instant,
    alarm: Alarm,
    /// While it has yet to say where it wants to go.
    place: Place,
    presence: Presence,
}

enum State {
    /// About to choose a backend.
    Routing,
    /// For the client to say something, until then; the rule of this number is asked next.
    Inspecting(Instant, usize),
    /// For a server to be free.
    Assigning(Assign),
    /// For the connection to it.
    Dialing(Dial),
    /// For either side of the tunnel.
    Relaying,
    /// Between states, or over.
    Moving,
}

/// What a state comes to.
enum Step {
    Next(State),
    /// Nothing to do until something happens, or until then.
    Wait(State, Option<Instant>),
    Over(Termination),
    Failed(Failure, Progress),
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let now = Instant::now();
        loop {
            // The state that lasts is not moved about.
            if matches!(this.state, State::Relaying) {
                return this.relay(cx, now).map(|ended| this.end(ended));
            }
            let state = std::mem::replace(&mut this.state, State::Moving);
            match this.step(state, cx, now) {
                Step::Next(state) => this.state = state,
                Step::Wait(state, deadline) => {
                    this.state = state;
                    let thread = &this.thread;
                    this.alarm.set(&thread.deadlines, deadline, cx, now);
                    return Poll::Pending;
                }
                Step::Over(termination) => {
                    this.facts.termination = Some(termination);
                    return Poll::Ready(());
                }
                Step::Failed(failure, progress) => {
                    this.fail(failure, progress);
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Connection {
    pub(in crate::io) fn new(
        thread: Rc<DataThread>,
        client: Stream,
        caller: Caller,
        frontend: FrontendId,
        presence: Presence,
        now: Instant,
    ) -> Self {
        count_in(&thread, frontend);
        Self {
            thread,
            client,
            facts: Facts::new(&caller, frontend, now),
            caller,
            state: State::Routing,
            server: None,
            up: Passage::default(),
            down: Passage::default(),
            lease: None,
            seat: None,
            persistence: Persistence::default(),
            timeouts: Timeouts::default(),
            client_active: now,
            server_active: now,
            alarm: Alarm::default(),
            place: Place::default(),
            presence,
        }
    }

    fn step(&mut self, state: State, cx: &mut Context<'_>, now: Instant) -> Step {
        match state {
            State::Routing => self.route(now),
            State::Inspecting(until, at) => self.inspect(until, at, cx, now),
            State::Assigning(assign) => self.assign(assign, cx, now),
            State::Dialing(dial) => self.dial(dial, cx, now),
            State::Relaying | State::Moving => Step::Failed(Failure::NoServer, Progress::Unanswered),
        }
    }

    fn fail(&mut self, failure: Failure, progress: Progress) {
        self.facts.failure = Some(failure);
        self.facts.termination = Some(failure.termination(progress));
    }

    /// The tunnel is over.
    fn end(&mut self, ended: Result<(), Failure>) {
        match ended {
            Ok(()) => self.facts.termination = Some(Termination::default()),
            Err(failure) => self.fail(failure, Progress::Answering),
        }
    }

    fn route(&mut self, now: Instant) -> Step {
        let plan = &self.thread.plan;
        let Some(frontend) = plan.frontends().get(usize::from(self.facts.frontend.0)) else {
            return Step::Failed(Failure::NoServer, Progress::Unanswered);
        };
        self.timeouts.client = frontend.timeout;
        if frontend.tcp_request.content.is_empty() && frontend.routes.is_empty() {
            return self.enter(frontend.default_backend, now);
        }
        Step::Next(State::Inspecting(now + frontend.tcp_request.inspect_delay, 0))
    }

    /// Asks the rules, and chooses the backend, by what the client says. What is read stays to be passed on.
    fn inspect(&mut self, until: Instant, mut at: usize, cx: &mut Context<'_>, now: Instant) -> Step {
        // What needs nothing of the client does not wait for it.
        if self.up.ahead().is_empty()
            && self.up.is_open()
            && let Some(step) = self.judge(&mut at, now < until, now)
        {
            return step;
        }
        let mut scratch = self.thread.scratch.borrow_mut();
        let seen = self.up.read_ahead(cx, &mut self.client, &mut scratch.bytes);
        drop(scratch);
        let silent = self.up.ahead().is_empty() && !self.up.is_open();
        if seen.is_err() || silent {
            return Step::Over(Termination::new(Cause::Client, Phase::Request));
        }
        let full = self.up.ahead().len() >= SMALL;
        if let Some(step) = self.judge(&mut at, self.up.is_open() && !full && now < until, now) {
            return step;
        }
        let (frontend, since) = (self.facts.frontend, self.client_active);
        if self.thread.idle.sit(&mut self.place, frontend, since, cx) == Rest::Leave {
            count_evicted(&self.thread, frontend);
            return Step::Over(Termination::new(Cause::Resource, Phase::Request));
        }
        Step::Wait(State::Inspecting(until, at), Some(until))
    }

    /// What rules make of what is there; `open`: there may be more to come. `None`: that may decide.
    fn judge(&mut self, at: &mut usize, open: bool, now: Instant) -> Option<Step> {
        let thread = Rc::clone(&self.thread);
        let frontend = thread.plan.frontends().get(usize::from(self.facts.frontend.0))?;
        let ahead = self.up.ahead();
        let parsed = hello::parse(ahead);
        let seen = Seen {
            caller: &self.caller,
            state: &thread.balance,
            hello: match &parsed {
                Ok(Some(hello)) => Hello::Said(hello),
                Ok(None) if open => Hello::Awaited,
                // As HAProxy does it: what cannot be read matches nothing.
                Ok(None) | Err(_) => Hello::None,
            },
            received: Received { bytes: ahead.len() as u64, open },
            now,
        };
        let verdict = seen.ask(&frontend.tcp_request.content, at)?;
        let to = match verdict {
            Verdict::Accept => frontend.routes.settled(&Looked::new(&seen))?,
            Verdict::Reject | Verdict::SilentDrop => None,
        };
        self.thread.idle.leave(&mut self.place);
        Some(match verdict {
            Verdict::Accept => {
                if !matches!(parsed, Ok(Some(_))) && looks_at_hello(frontend) {
                    thread.recorder.frontend(self.facts.frontend).hello_missing.add(1);
                }
                self.enter(to.or(frontend.default_backend), now)
            }
            Verdict::Reject => {
                // If the reset cannot be arranged the connection is gone.
                drop(self.client.reset_on_close());
                self.refuse()
            }
            Verdict::SilentDrop => {
                self.client.vanish_on_close();
                self.refuse()
            }
        })
    }

    fn refuse(&mut self) -> Step {
        self.facts.denied = true;
        Step::Over(Termination::new(Cause::Proxy, Phase::Request))
    }

    fn enter(&mut self, id: Option<BackendId>, now: Instant) -> Step {
        let found = id.and_then(|id| Some((id, self.thread.plan.backends().get(usize::from(id.0))?)));
        let Some((id, backend)) = found else {
            return Step::Failed(Failure::NoServer, Progress::Unanswered);
        };
        self.timeouts.server = backend.timeout;
        self.facts.backend = Some(id);
        self.presence.handle_backend(id);
        self.thread.recorder.backend(id).current.raise();
        let source = Source(self.facts.client);
        let key = key_of(&backend.balance, &source);
        let mut wish = Wish { key, ..Wish::default() };
        if persist::is_used(backend) {
            let from = self.facts.client.ip();
            self.persistence = Persistence::of_request(&self.thread, (id, backend), from, &source, now);
            wish.pinned = self.persistence.wish().pinned;
        }
        Step::Next(State::Assigning(Assign::new(id, wish)))
    }

    fn assign(&mut self, mut assign: Assign, cx: &mut Context<'_>, now: Instant) -> Step {
        let polled = assign.poll(cx, &self.thread, now);
        self.facts.queue = assign.positions();
        match polled {
            Poll::Pending => match self.watch_client(cx, Phase::Queue) {
                Some(over) => over,
                None => {
                    let deadline = assign.deadline();
                    Step::Wait(State::Assigning(assign), deadline)
                }
            },
            Poll::Ready(Err(reason)) => {
                self.facts.server = reason.server();
                if matches!(reason, Unassigned::QueueTimeout(_)) {
                    self.facts.assigned = Some(now);
                }
                Step::Failed(reason.into(), Progress::Unanswered)
            }
            Poll::Ready(Ok(assigned)) => {
                let server = assigned.server();
                self.facts.server = Some(server);
                self.presence.handle_server(server);
                self.facts.assigned = Some(now);
                self.lease = Some(assigned.lease);
                let dial = Dial::new(&self.thread, assign.backend(), server, self.caller.clone());
                Step::Next(State::Dialing(dial.by(assign.wish())))
            }
        }
    }

    fn dial(&mut self, mut dial: Dial, cx: &mut Context<'_>, now: Instant) -> Step {
        let polled = dial.poll(cx, &self.thread, &mut self.lease, now);
        self.facts.server = Some(dial.server);
        self.presence.handle_server(dial.server);
        self.facts.retries = dial.retries;
        self.facts.redispatched = dial.redispatched;
        match polled {
            Poll::Pending => match self.watch_client(cx, Phase::Connect) {
                Some(over) => over,
                None => {
                    let deadline = dial.deadline(&self.thread);
                    Step::Wait(State::Dialing(dial), deadline)
                }
            },
            Poll::Ready(Err(error)) => Step::Failed(Failure::Dial(error), Progress::Unanswered),
            Poll::Ready(Ok(server)) => {
                self.thread.recorder.server(dial.server).connections.add(1);
                self.facts.connected = Some(now);
                if self.logs_ends() {
                    self.facts.ends = server.addresses();
                }
                self.server_active = now;
                self.seat = self.thread.seat(dial.server, cx);
                self.persistence.handle_answer(&self.thread, dial.server, now);
                self.server = Some(server);
                self.alarm.forget();
                Step::Next(State::Relaying)
            }
        }
    }

    /// Whether the record shows both ends of the connection to the server.
    fn logs_ends(&self) -> bool {
        let frontend = self.thread.plan.frontends().get(usize::from(self.facts.frontend.0));
        matches!(frontend.map(|f| &f.log_format), Some(LogFormat::Custom(format)) if format.looks_at_server())
    }

    /// A client that has closed without a word is not worth a connection to a server; one that has said something may
    /// wait for the answer, unless `abortonclose` says that it does not.
    fn watch_client(&mut self, cx: &mut Context<'_>, phase: Phase) -> Option<Step> {
        let mut scratch = self.thread.scratch.borrow_mut();
        let seen = self.up.read_ahead(cx, &mut self.client, &mut scratch.bytes);
        drop(scratch);
        match seen {
            Ok(()) if self.up.is_open() || !(self.up.ahead().is_empty() || self.aborts_on_close()) => None,
            Ok(()) => Some(Step::Over(Termination::new(Cause::Client, phase))),
            Err(_) => Some(Step::Over(Termination::new(Cause::Client, Phase::Data))),
        }
    }

    fn aborts_on_close(&self) -> bool {
        let backend = self.facts.backend.and_then(|b| self.thread.plan.backends().get(usize::from(b.0)));
        backend.is_some_and(|b| b.http.abort_on_close)
    }

    /// Nothing to do until either side has something, or until the deadline.
    fn relay(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), Failure>> {
        let before = (self.up.read, self.up.written, self.down.read, self.down.written);
        let ended = match self.seat.as_ref().and_then(Seat::ended) {
            Some(why) => Poll::Ready(Err(Failure::ShutDown(why))),
            None => self.pass(cx),
        };
        if (self.up.read, self.down.written) != (before.0, before.3) {
            self.client_active = now;
        }
        if (self.up.written, self.down.read) != (before.1, before.2) {
            self.server_active = now;
        }
        if let Poll::Ready(how) = ended {
            if how.is_err() {
                // What was passed on is not all there was. If the reset cannot be arranged the connection is gone.
                drop(self.client.reset_on_close());
                drop(self.server.as_mut().map(Stream::reset_on_close));
            }
            return ended;
        }
        // While both sides are open what happens moves deadlines later, and later ones are looked at when the alarm rings.
        if self.up.is_open() && self.down.is_open() && self.alarm.is_ahead_of(now) {
            return Poll::Pending;
        }
        match self.deadline() {
            Some((at, failure)) if at <= now => Poll::Ready(Err(failure)),
            deadline => {
                self.alarm.set(&self.thread.deadlines, deadline.map(|(at, _)| at), cx, now);
                Poll::Pending
            }
        }
    }

    /// Moves what can be moved. Ready when both directions have ended, or one is broken.
    fn pass(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Self { thread, client, server: Some(server), up, down, .. } = self else {
            return Poll::Ready(Err(Failure::ServerClosed));
        };
        let mut scratch = thread.scratch.borrow_mut();
        let mut means = Means { scratch: &mut scratch.bytes, pipes: &thread.pipes };
        if !up.is_over()
            && let Poll::Ready(Err(broken)) = up.poll(cx, client, server, &mut means)
        {
            return Poll::Ready(Err(blame(broken, Failure::ClientAborted, Failure::ServerClosed)));
        }
        if !down.is_over()
            && let Poll::Ready(Err(broken)) = down.poll(cx, server, client, &mut means)
        {
            return Poll::Ready(Err(blame(broken, Failure::ServerClosed, Failure::ClientAborted)));
        }
        if up.is_over() && down.is_over() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// When whom is waited for has to have moved, and what it is called if it has not.
    fn deadline(&self) -> Option<(Instant, Failure)> {
        let Timeouts { client, server } = self.timeouts;
        let tunnel = shorter(client.tunnel, server.tunnel);
        let half = self.up.is_over() || self.down.is_over();
        let limit = |fin: Option<Duration>, usual| fin.filter(|_| half).or(tunnel).or(usual);
        let due = |waited_for: bool, since: Instant, limit: Option<Duration>| {
            limit.filter(|_| waited_for).map(|limit| since + limit)
        };
        let client_due = self.up.is_open() || self.down.is_waiting();
        let server_due = self.down.is_open() || self.up.is_waiting();
        let client = due(client_due, self.client_active, limit(client.client_fin, client.client));
        let server = due(server_due, self.server_active, limit(server.server_fin, server.server));
        match (client, server) {
            (Some(client), Some(server)) if server < client => Some((server, Failure::ServerTimeout)),
            (Some(client), _) => Some((client, Failure::ClientTimeout)),
            (None, Some(server)) => Some((server, Failure::ServerTimeout)),
            (None, None) => None,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.thread.idle.leave(&mut self.place);
        let recorder = &self.thread.recorder;
        // The server is done with it, whatever becomes of the client.
        self.lease = None;
        if let Some(backend) = self.facts.backend {
            recorder.backend(backend).current.lower();
        }
        self.facts.bytes_in = self.up.read;
        self.facts.bytes_out = self.down.written;
        self.facts.count(&self.thread);
        if let Some(tracked) = self.caller.tracked() {
            let now = Instant::now();
            tracked.count(Event::BytesIn, self.facts.bytes_in, now);
            tracked.count(Event::BytesOut, self.facts.bytes_out, now);
        }
        count_out(&self.thread, self.facts.frontend);
        // Last: whoever reads the record finds the counters as it says.
        self.facts.log(&self.thread);
        if std::thread::panicking() {
            self.thread.control.count_panic();
        }
    }
}

/// Whether its rules look at a ClientHello.
fn looks_at_hello(frontend: &Frontend) -> bool {
    let of_rules = frontend.tcp_request.content.iter().map(|rule| &rule.when);
    of_rules.chain(frontend.routes.rules().iter().map(|rule| &rule.when)).any(Matcher::looks_at_hello)
}

/// All that a balancer can know of a connection.
struct Source(SocketAddr);

impl Subject for Source {
    fn source(&self) -> IpAddr {
        self.0.ip()
    }

    fn target(&self) -> &[u8] {
        &[]
    }

    fn host(&self) -> &[u8] {
        &[]
    }

    fn field(&self, _name: &str) -> Option<&[u8]> {
        None
    }

    fn fields<'a>(&'a self, _name: &str, _look: &mut dyn FnMut(&'a [u8]) -> bool) {}

    fn fill(&self, _text: &Template, _out: &mut Vec<u8>) -> bool {
        false
    }
}

impl persist::Request for Source {
    fn cookies(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::empty()
    }

    fn header(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

/// The longest hello can be read ahead.
const _: () = assert!(hello::MOST_BYTES <= SMALL);

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn blame(broken: Broken, source: Failure, sink: Failure) -> Failure {
    match broken {
        Broken::Source => source,
        Broken::Sink => sink,
    }
}
