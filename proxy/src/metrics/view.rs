//! From plan, state and counters to rows.

use std::time::{Duration, Instant};

use super::field::Column;
use super::history::History;
use super::row::{Kind, Row};
use crate::balance::State;
use crate::health::machine::{Health, Standing};
use crate::health::{CheckResult, Operational, Record, ServerReport};
use crate::plan::{Backend, BackendId, Balance, Frontend, HashKey, HashValue, Mode, Plan, Server, ServerId};
use crate::stats::{Snapshot, Spans, TimesTotals, Totals};

/// Everything rows are made from, all of the same plan.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// What is served.
    pub plan: &'a Plan,
    /// How servers are used.
    pub state: &'a State,
    /// What has been counted.
    pub snapshot: &'a Snapshot,
    /// How that has grown.
    pub history: &'a History,
    /// How servers are, by [`ServerId`].
    pub servers: &'a [ServerReport],
    /// How backends have been, by [`BackendId`].
    pub backends: &'a [Record],
    /// How frontends let connections in, by `FrontendId`.
    pub doors: &'a [Door],
    /// When.
    pub now: Instant,
}

/// How a frontend lets connections in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Door {
    /// Connections now.
    pub now: u32,
    /// The most there have been at once.
    pub peak: u32,
    /// The most there may be.
    pub most: u32,
    /// Nobody is let in for the time being.
    pub paused: bool,
}

/// Which rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Of this proxy; `None`: of all.
    pub iid: Option<u32>,
    /// Of these kinds: 1 frontends, 2 backends, 4 servers, 8 listeners.
    pub kinds: u32,
    /// Of this server or listener; `None`: of all.
    pub sid: Option<u32>,
    /// Only servers that are up.
    pub up: bool,
    /// No servers that are out of service.
    pub no_maint: bool,
    /// With what only operators are to know: addresses, cookies, algorithms.
    pub legends: bool,
}

impl Wanted {
    /// All there are.
    pub const ALL: Self =
        Self { iid: None, kinds: u32::MAX, sid: None, up: false, no_maint: false, legends: true };

    fn has(&self, kind: Kind) -> bool {
        let bit = match kind {
            Kind::Frontend => 1,
            Kind::Backend => 2,
            Kind::Server => 4,
            Kind::Listener => 8,
        };
        self.kinds & bit != 0
    }
}

/// Numbers of proxies, as HAProxy gives them: one for each name, frontends first. The two halves of a `listen` have one.
#[derive(Debug, Clone)]
pub struct Numbers {
    frontends: Vec<u32>,
    backends: Vec<u32>,
}

impl Numbers {
    /// Of the proxies of a plan.
    pub fn new(plan: &Plan) -> Self {
        let frontends: Vec<u32> = (FIRST..).take(plan.frontends().len()).collect();
        let mut next = FIRST + u32::try_from(frontends.len()).unwrap_or(0);
        let mut backend = |backend: &Backend| {
            let half = plan.frontends().iter().position(|f| f.name == backend.name);
            half.and_then(|at| frontends.get(at).copied()).unwrap_or_else(|| {
                next += 1;
                next - 1
            })
        };
        let backends = plan.backends().iter().map(&mut backend).collect();
        Self { frontends, backends }
    }

    /// Of a backend.
    pub fn backend(&self, id: BackendId) -> u32 {
        self.backends.get(usize::from(id.0)).copied().unwrap_or(0)
    }

    /// Of a frontend, by its position.
    pub fn frontend(&self, at: usize) -> u32 {
        self.frontends.get(at).copied().unwrap_or(0)
    }
}

impl Sources<'_> {
    /// The rows that are wanted, frontends first, a backend behind its servers.
    pub fn rows(&self, wanted: &Wanted) -> Vec<Row> {
        let numbers = Numbers::new(self.plan);
        let mut rows = Vec::new();
        let is_wanted = |iid: u32| wanted.iid.is_none_or(|w| w == iid);
        let backends = || (0..).map(BackendId).zip(self.plan.backends());
        for (at, frontend) in self.plan.frontends().iter().enumerate() {
            let iid = numbers.frontend(at);
            if !is_wanted(iid) {
                continue;
            }
            if wanted.has(Kind::Frontend) {
                rows.push(self.frontend(at, frontend, iid));
            }
            if let Some((id, other_half)) = backends().find(|(id, _)| numbers.backend(*id) == iid) {
                self.backend_rows(wanted, id, other_half, iid, &mut rows);
            }
        }
        for (id, backend) in backends() {
            let iid = numbers.backend(id);
            if is_wanted(iid) && !numbers.frontends.contains(&iid) {
                self.backend_rows(wanted, id, backend, iid, &mut rows);
            }
        }
        rows
    }

    fn backend_rows(&self, wanted: &Wanted, id: BackendId, backend: &Backend, iid: u32, rows: &mut Vec<Row>) {
        if wanted.has(Kind::Server) {
            for (sid, server) in (1..).zip(backend.servers.clone().map(ServerId)) {
                if wanted.sid.is_none_or(|w| w == sid) && self.is_shown(wanted, server) {
                    rows.extend(self.server(wanted, server, (iid, sid), backend));
                }
            }
        }
        if wanted.has(Kind::Backend) {
            rows.push(self.backend(wanted, id, backend, iid));
        }
    }

    fn is_shown(&self, wanted: &Wanted, id: ServerId) -> bool {
        let is = self.report(id).map(|r| r.operational);
        let out = is == Some(Operational::Maint);
        let down = out || is == Some(Operational::Down);
        !(wanted.no_maint && out || wanted.up && down)
    }

    fn report(&self, id: ServerId) -> Option<&ServerReport> {
        self.servers.get(id.0 as usize)
    }

    fn frontend(&self, at: usize, frontend: &Frontend, iid: u32) -> Row {
        let totals = self.snapshot.frontends.get(at).copied().unwrap_or_default();
        let past = self.history.frontend(at);
        let door = self.doors.get(at).copied().unwrap_or_default();
        let mut row = Row::new(Kind::Frontend, iid, 0);
        start(&mut row, &frontend.name, "FRONTEND");
        row.set(Column::Scur, door.now);
        row.set(Column::Smax, door.peak);
        row.set(Column::Slim, door.most);
        row.set(Column::Stot, totals.connections);
        traffic(&mut row, &totals);
        row.set(Column::Dreq, totals.denied);
        row.set(Column::Ereq, totals.request_errors + totals.proxy_refused);
        row.set(Column::Status, if door.paused { "PAUSED" } else { "OPEN" });
        row.set(Column::Rate, past.connections.now);
        row.set(Column::RateLim, 0);
        row.set(Column::RateMax, past.connections.most);
        row.set(Column::ConnRate, past.connections.now);
        row.set(Column::ConnRateMax, past.connections.most);
        row.set(Column::ConnTot, totals.connections);
        row.set(Column::Dcon, totals.denied_connections);
        row.set(Column::Dses, totals.denied_sessions);
        row.set(Column::Intercepted, totals.intercepted);
        row.set(Column::Mode, mode(frontend.mode));
        compression(&mut row, &totals);
        let (http2, http1) =
            (totals.http2_connections, totals.connections.saturating_sub(totals.http2_connections));
        let http = frontend.mode == Mode::Http;
        row.set(Column::SessOther, if http { 0 } else { totals.connections });
        row.set(Column::H1sess, if http { http1 } else { 0 });
        row.set(Column::H2sess, http2);
        row.set(Column::H3sess, 0_u64);
        row.set(Column::ReqOther, 0_u64);
        row.set(Column::H1req, if http { totals.requests.saturating_sub(totals.http2_requests) } else { 0 });
        row.set(Column::H2req, totals.http2_requests);
        row.set(Column::H3req, 0_u64);
        if http {
            responses(&mut row, &totals);
            row.set(Column::ReqRate, past.requests.now);
            row.set(Column::ReqRateMax, past.requests.most);
            row.set(Column::ReqTot, totals.requests);
            nothing(&mut row, &[Column::CacheLookups, Column::CacheHits]);
        }
        row
    }

    fn backend(&self, wanted: &Wanted, id: BackendId, backend: &Backend, iid: u32) -> Row {
        let at = usize::from(id.0);
        let totals = self.snapshot.backends.get(at).copied().unwrap_or_default();
        let past = self.history.backend(at);
        let (queued, queued_peak) = self.state.queued(id);
        let mut row = Row::new(Kind::Backend, iid, 0);
        start(&mut row, &backend.name, "BACKEND");
        row.set(Column::Qcur, queued);
        row.set(Column::Qmax, queued_peak);
        let present = u32::try_from(totals.current).unwrap_or(u32::MAX);
        row.set(Column::Scur, present);
        row.set(Column::Smax, u32::try_from(totals.peak).unwrap_or(u32::MAX).max(present));
        row.set(Column::Slim, backend.fullconn);
        row.set(Column::Stot, totals.requests + totals.current);
        traffic(&mut row, &totals);
        row.set(Column::Dreq, totals.denied);
        self.of_servers(&mut row, &totals);
        let usable = self.state.usable(id);
        let is_up = backend.servers.is_empty() || usable.active + usable.backup > 0;
        let status = if is_up { "UP" } else { "DOWN" };
        match wanted.up || wanted.no_maint {
            true => {
                let all = backend.servers.len();
                let up = backend.servers.clone().filter(|s| self.is_up(ServerId(*s))).count();
                row.set(Column::Status, format!("{status} ({up}/{all})"));
            }
            false => row.set(Column::Status, status),
        }
        let active = usable.active > 0;
        let (weight, user) = self.weights(backend, active);
        row.set(Column::Weight, weight);
        row.set(Column::Uweight, user);
        row.set(Column::Act, usable.active);
        row.set(Column::Bck, usable.backup);
        if let Some(record) = self.backends.get(at) {
            row.set(Column::Chkdown, record.downs);
            row.set(Column::Lastchg, seconds(self.now, record.since));
            if !backend.servers.is_empty() {
                row.set(Column::Downtime, whole(record.down_for(self.now)));
            }
        }
        let own = || (backend.servers.start as usize)..(backend.servers.end as usize);
        let balanced = self.snapshot.servers.get(own()).unwrap_or_default().iter();
        row.set(Column::Lbtot, balanced.map(|t| t.requests.saturating_sub(t.pinned)).sum::<u64>());
        row.set(Column::Rate, past.requests.now);
        row.set(Column::RateMax, past.requests.most);
        row.set(Column::Mode, mode(backend.mode));
        if wanted.legends {
            row.set_some(Column::Cookie, backend.cookie.as_ref().map(|c| c.name.clone()));
            row.set(Column::Algo, algorithm(&backend.balance));
        }
        compression(&mut row, &totals);
        row.set(Column::Lastsess, since(self.now, past.active));
        let times = self.snapshot.server_times.get(own()).unwrap_or_default();
        let times = times.iter().fold(TimesTotals::default(), |sum, t| sum.and(t));
        spans(&mut row, &self.history.means(backend.servers.clone()), &times.longest);
        for column in [Column::AggServerStatus, Column::AggServerCheckStatus, Column::AggCheckStatus] {
            row.set(column, 0);
        }
        row.servers = self.count_servers(backend);
        row.checks = self.count_checks(backend);
        if backend.mode == Mode::Http {
            responses(&mut row, &totals);
            row.set(Column::ReqTot, totals.requests);
            nothing(&mut row, &[Column::CacheLookups, Column::CacheHits]);
        }
        row
    }

    fn server(
        &self,
        wanted: &Wanted,
        id: ServerId,
        (iid, sid): (u32, u32),
        backend: &Backend,
    ) -> Option<Row> {
        let at = id.0 as usize;
        let server = self.plan.servers().get(at)?;
        let state = self.state.server(id)?;
        let totals = self.snapshot.servers.get(at).copied().unwrap_or_default();
        let past = self.history.server(at);
        let mut row = Row::new(Kind::Server, iid, sid);
        start(&mut row, &backend.name, &server.name);
        let (peak, queued_peak) = self.state.peaks(id);
        let running = self.state.in_flight(id);
        row.set(Column::Qcur, self.state.waiting(id));
        row.set(Column::Qmax, queued_peak);
        row.set(Column::Scur, running);
        row.set(Column::Smax, peak);
        row.set_some(Column::Slim, state.maxconn);
        row.set(Column::Stot, totals.requests + u64::from(running));
        traffic(&mut row, &totals);
        self.of_servers(&mut row, &totals);
        row.set(Column::Connect, totals.connections);
        row.set(Column::Reuse, totals.reused);
        row.set(Column::Status, self.status(server, id));
        row.set(Column::Weight, self.effective_weight(id));
        row.set(Column::Uweight, u32::from(state.weight));
        row.set(Column::Act, u32::from(!server.backup));
        row.set(Column::Bck, u32::from(server.backup));
        if let Some(report) = self.report(id) {
            self.health(&mut row, server, id, report);
        }
        row.set_some(Column::Qlimit, server.limits.maxqueue);
        row.set_some(Column::Throttle, state.throttle.map(u32::from));
        row.set(Column::Lbtot, totals.requests.saturating_sub(totals.pinned) + u64::from(running));
        row.set_some(Column::Tracked, server.watch.track.map(|leader| self.plan.name_of(leader)));
        row.set(Column::Rate, past.requests.now);
        row.set(Column::RateMax, past.requests.most);
        row.set(Column::Lastsess, since(self.now, past.active));
        let times = self.snapshot.server_times.get(at).copied().unwrap_or_default();
        spans(&mut row, &self.history.means(id.0..id.0 + 1), &times.longest);
        row.set(Column::Mode, mode(backend.mode));
        if wanted.legends {
            let address = self.state.addresses().endpoint(id).map(|at| at.to_string());
            row.set_some(Column::Addr, address);
            row.set_some(Column::Cookie, server.cookie.clone());
        }
        let idle = u32::try_from(totals.idle).unwrap_or(u32::MAX);
        row.set(Column::SrvIcur, idle);
        row.set(Column::IdleConnCur, 0);
        row.set(Column::SafeConnCur, idle);
        row.set(Column::UsedConnCur, running);
        row.set(Column::NeedConnEst, peak.min(running.max(1)));
        row.set(Column::Srid, 0);
        if backend.mode == Mode::Http {
            responses(&mut row, &totals);
            row.set(Column::ReqTot, totals.requests);
        }
        Some(row)
    }

    /// What the servers in use weigh together: by which they are balanced, and as it was set.
    fn weights(&self, backend: &Backend, active: bool) -> (u32, u32) {
        let ids = backend.servers.clone().map(ServerId);
        let is_in_use = |id: &ServerId| {
            let server = self.plan.servers().get(id.0 as usize);
            self.state.server(*id).is_some_and(|s| s.is_usable())
                && server.is_some_and(|s| s.backup != active)
        };
        // Of backups only the first is used, unless all are to be.
        let most = if active || backend.allbackups { usize::MAX } else { 1 };
        let weights = ids
            .filter(is_in_use)
            .take(most)
            .map(|id| (self.effective_weight(id), self.state.server(id).map_or(0, |s| u32::from(s.weight))));
        weights.fold((0, 0), |sum, weight| (sum.0 + weight.0, sum.1 + weight.1))
    }

    /// What servers and backends have in common.
    fn of_servers(&self, row: &mut Row, totals: &Totals) {
        row.set(Column::Econ, totals.connect_errors + totals.no_server);
        row.set(Column::Eresp, totals.response_errors.saturating_sub(totals.server_aborts));
        row.set(Column::Wretr, totals.retries);
        row.set(Column::Wredis, totals.redispatches);
        row.set(Column::CliAbrt, totals.client_aborts);
        row.set(Column::SrvAbrt, totals.server_aborts);
        row.set(Column::Connect, totals.connections);
        row.set(Column::Reuse, totals.reused);
    }

    fn health(&self, row: &mut Row, server: &Server, id: ServerId, report: &ServerReport) {
        let (leader, watched) = self.leader(id, server);
        let led = self.report(leader).unwrap_or(report);
        row.set(Column::Lastchg, seconds(self.now, report.record.since));
        if watched.check.is_some() {
            row.set(Column::Chkfail, led.failed_checks.unwrap_or(0));
            row.set(Column::Chkdown, report.record.downs);
            row.set(Column::Downtime, whole(report.record.down_for(self.now)));
        }
        let rests = report.operational == Operational::Maint;
        if let (Some(health), false) = (report.health, rests) {
            let columns = [
                Column::CheckStatus,
                Column::CheckCode,
                Column::CheckDuration,
                Column::LastChk,
                Column::CheckDesc,
            ];
            probe(row, columns, report.last.as_ref());
            counter(row, [Column::CheckRise, Column::CheckFall, Column::CheckHealth], health);
        }
        if let Some(health) = report.agent {
            let columns = [
                Column::AgentStatus,
                Column::AgentCode,
                Column::AgentDuration,
                Column::LastAgt,
                Column::AgentDesc,
            ];
            probe(row, columns, report.last_agent.as_ref());
            counter(row, [Column::AgentRise, Column::AgentFall, Column::AgentHealth], health);
        }
    }

    /// Whom a server follows in the end: itself, if nobody.
    fn leader<'p>(&'p self, id: ServerId, server: &'p Server) -> (ServerId, &'p Server) {
        let mut leader = (id, server);
        // No more steps than there are servers: the loader has seen to it that there is no circle.
        for _ in self.plan.servers() {
            let Some(next) = leader.1.watch.track else { break };
            let Some(server) = self.plan.servers().get(next.0 as usize) else { break };
            leader = (next, server);
        }
        leader
    }

    fn is_up(&self, id: ServerId) -> bool {
        self.report(id).is_some_and(|r| !matches!(r.operational, Operational::Down | Operational::Maint))
    }

    /// The weight by which a server is balanced: less than it was given while it starts slowly.
    fn effective_weight(&self, id: ServerId) -> u32 {
        let Some(state) = self.state.server(id) else { return 0 };
        let weight = u32::from(state.weight);
        match state.throttle {
            Some(percent) => (weight * u32::from(percent)).div_ceil(100),
            None => weight,
        }
    }

    /// HAProxy's words for what a server is: `UP`, or `UP 2/3` while checks fail, when two more of three take it down;
    /// `DOWN 1/2` while they pass; `no check` of a server that nothing but its requests can take down.
    pub fn status(&self, server: &Server, id: ServerId) -> String {
        let Some(known) = self.report(id) else { return "no check".to_owned() };
        if let Some(leader) = known.rests_via {
            return format!("MAINT (via {})", self.plan.name_of(leader));
        }
        if known.is_lost {
            return "MAINT (resolution)".to_owned();
        }
        let leader = self.report(self.leader(id, server).0).unwrap_or(known);
        words(known.operational, leader.health, leader.agent)
    }

    fn count_servers(&self, backend: &Backend) -> Vec<(&'static str, u32)> {
        let all = [
            Operational::Down,
            Operational::Up,
            Operational::Maint,
            Operational::Drain,
            Operational::Stopping,
        ];
        let is = |id: u32| self.report(ServerId(id)).map_or(Operational::Up, |r| r.operational);
        let count = |state| backend.servers.clone().filter(|id| is(*id) == state).count();
        all.into_iter()
            .map(|state| (state.as_str(), u32::try_from(count(state)).unwrap_or(u32::MAX)))
            .collect()
    }

    fn count_checks(&self, backend: &Backend) -> Vec<(&'static str, u32)> {
        let last =
            |id: u32| self.report(ServerId(id)).and_then(|r| r.last.as_ref().or(r.last_agent.as_ref()));
        let count = |name: &str| {
            backend.servers.clone().filter(|id| last(*id).is_some_and(|l| l.status.name() == name)).count()
        };
        CHECK_RESULTS.iter().map(|name| (*name, u32::try_from(count(name)).unwrap_or(u32::MAX))).collect()
    }
}

/// HAProxy's word for a server, with its place between up and down.
fn words(operational: Operational, check: Option<Health>, agent: Option<Health>) -> String {
    let falls = check.filter(|h| h.standing() == Standing::Falling);
    let name = match operational {
        Operational::Maint => return "MAINT".to_owned(),
        Operational::Down => return down(check, agent).unwrap_or_else(|| "DOWN".to_owned()),
        Operational::Drain if agent.is_some() => return "DRAIN (agent)".to_owned(),
        Operational::Up if check.is_none() => return "no check".to_owned(),
        Operational::Up | Operational::Stopping | Operational::Drain => operational.as_str(),
    };
    match falls {
        Some(health) => {
            format!("{name} {}/{}", health.value() - u32::from(health.rise()) + 1, health.fall())
        }
        None => name.to_owned(),
    }
}

fn down(check: Option<Health>, agent: Option<Health>) -> Option<String> {
    if agent.is_some_and(|h| h.value() == 0) {
        return Some("DOWN (agent)".to_owned());
    }
    check.filter(|h| h.standing() == Standing::Rising).map(|h| format!("DOWN {}/{}", h.value(), h.rise()))
}

fn start(row: &mut Row, proxy: &str, name: &str) {
    row.set(Column::Pxname, proxy.to_owned());
    row.set(Column::Svname, name.to_owned());
    row.set(Column::Pid, 1);
    row.set(Column::Iid, row.iid);
    row.set(Column::Sid, row.sid);
    row.set(Column::Type, row.kind.number());
}

fn traffic(row: &mut Row, totals: &Totals) {
    row.set(Column::Bin, totals.bytes_in);
    row.set(Column::Bout, totals.bytes_out);
    row.set(Column::Eint, totals.internal_errors);
    row.set(Column::Dresp, totals.denied_responses);
    nothing(row, &[Column::Wrew]);
}

/// Columns of what there is none of here.
fn nothing(row: &mut Row, columns: &[Column]) {
    columns.iter().for_each(|column| row.set(*column, 0_u64));
}

fn compression(row: &mut Row, totals: &Totals) {
    row.set(Column::CompIn, totals.comp_in);
    row.set(Column::CompOut, totals.comp_out);
    row.set(Column::CompByp, totals.comp_byp);
    row.set(Column::CompRsp, totals.comp_rsp);
}

fn responses(row: &mut Row, totals: &Totals) {
    let columns = [
        Column::Hrsp1xx,
        Column::Hrsp2xx,
        Column::Hrsp3xx,
        Column::Hrsp4xx,
        Column::Hrsp5xx,
        Column::HrspOther,
    ];
    columns.into_iter().zip(totals.responses).for_each(|(column, count)| row.set(column, count));
}

fn spans(row: &mut Row, means: &Spans, longest: &Spans) {
    let millis = |micros: u64| u32::try_from(micros / 1000).unwrap_or(u32::MAX);
    row.set(Column::Qtime, millis(means.queue));
    row.set(Column::Ctime, millis(means.connect));
    row.set(Column::Rtime, millis(means.response));
    row.set(Column::Ttime, millis(means.total));
    row.set(Column::QtimeMax, millis(longest.queue));
    row.set(Column::CtimeMax, millis(longest.connect));
    row.set(Column::RtimeMax, millis(longest.response));
    row.set(Column::TtimeMax, millis(longest.total));
}

/// The columns of a probe's result: status, code, duration, remark, description.
fn probe(row: &mut Row, columns: [Column; 5], result: Option<&CheckResult>) {
    let [status, code, duration, remark, description] = columns;
    let Some(result) = result else {
        row.set(status, "INI");
        row.set(remark, "");
        return row.set(description, "Initializing");
    };
    row.set(status, result.status.name());
    row.set_some(code, result.code.map(u32::from));
    row.set(duration, u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX));
    row.set(remark, result.info.as_ref().map_or_else(String::new, |i| i.as_str().to_owned()));
    row.set(description, result.status.description());
}

fn counter(row: &mut Row, [rise, fall, value]: [Column; 3], health: Health) {
    row.set(rise, u32::from(health.rise()));
    row.set(fall, u32::from(health.fall()));
    row.set(value, health.value());
}

fn whole(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn seconds(now: Instant, then: Instant) -> u32 {
    whole(now.saturating_duration_since(then))
}

/// Seconds since then; -1: it never was.
fn since(now: Instant, then: Option<Instant>) -> i32 {
    then.map_or(-1, |then| i32::try_from(seconds(now, then)).unwrap_or(i32::MAX))
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Http => "http",
        Mode::Tcp => "tcp",
    }
}

/// HAProxy's name of an algorithm.
fn algorithm(balance: &Balance) -> &'static str {
    match balance {
        Balance::RoundRobin => "roundrobin",
        Balance::StaticRr => "static-rr",
        Balance::LeastConn => "leastconn",
        Balance::First => "first",
        Balance::Random(_) => "random",
        Balance::Hash(hash) => match &hash.key {
            HashKey::Source | HashKey::Value(HashValue::Source) => "source",
            HashKey::Uri(_) => "uri",
            HashKey::Header { .. } => "hdr",
            HashKey::UrlParam(_) => "url_param",
            HashKey::Cookie(_) | HashKey::Value(_) | HashKey::Text(_) => "hash",
        },
    }
}

/// HAProxy's results of checks, in the order of its series.
pub(super) const CHECK_RESULTS: [&str; 16] = [
    "HANA", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT", "L6RSP", "L7TOUT", "L7RSP", "L7OK",
    "L7OKC", "L7STS", "PROCERR", "PROCTOUT", "PROCOK",
];

/// HAProxy's number of the first proxy of a configuration.
const FIRST: u32 = 2;

#[cfg(test)]
mod tests;
