//! What is shown.

use std::fmt::Write as _;
use std::time::Instant;

use evenkeel_proxy::endpoint::Endpoint;
use evenkeel_proxy::health::{CheckStatus, Mutable, Operational, ServerReport, Verdict};
use evenkeel_proxy::metrics::{Numbers, Wanted, text};
use evenkeel_proxy::plan::{AdminState, BackendId, Plan, Server, ServerId};

use super::server::backend;
use super::{Call, Level, Outcome};

/// `show stat [<iid>|<name> <type> <sid>] [typed|json|up|no-maint|desc]*`.
pub(super) fn stat(call: Call<'_>) -> Outcome {
    let mut wanted = Wanted { legends: call.session.level >= Level::Operator, ..Wanted::ALL };
    let mut options = call.words.get(2..).unwrap_or_default();
    if let [proxy, kinds, sid, rest @ ..] = options
        && !OPTIONS.contains(proxy)
    {
        match filter(call.sight.plan(), [proxy, kinds, sid]) {
            Ok((iid, kinds, sid)) => wanted = Wanted { iid, kinds, sid, ..wanted },
            Err(said) => return said,
        }
        options = rest;
    }
    wanted.up = options.contains(&"up");
    wanted.no_maint = options.contains(&"no-maint");
    let rows = call.sight.rows(&wanted);
    let mut out = String::new();
    let form = options.iter().rev().find(|o| ["json", "typed"].contains(*o));
    match form {
        Some(&"json") => {
            text::json(&mut out, &rows);
            out.push('\n');
        }
        Some(_) => text::typed(&mut out, &rows),
        None => text::csv(&mut out, &rows),
    }
    Outcome::Shown(out)
}

const OPTIONS: [&str; 5] = ["typed", "json", "up", "no-maint", "desc"];

/// What HAProxy makes of the three numbers: -1 is any, and what is no number counts as 0.
fn filter(plan: &Plan, [proxy, kinds, sid]: [&str; 3]) -> Result<(Option<u32>, u32, Option<u32>), Outcome> {
    let number = |text: &str| text.parse::<i64>().unwrap_or(0);
    let any = |n: i64| u32::try_from(n).ok();
    let iid = match proxy.parse::<i64>() {
        Ok(iid) => any(iid),
        Err(_) => Some(iid_of(plan, proxy).ok_or_else(|| Outcome::from("No such proxy."))?),
    };
    let kinds = u32::try_from(number(kinds)).unwrap_or(u32::MAX);
    Ok((iid, kinds, any(number(sid))))
}

pub(super) fn iid_of(plan: &Plan, name: &str) -> Option<u32> {
    let numbers = Numbers::new(plan);
    let of_frontend = plan.frontends().iter().position(|f| f.name == name).map(|at| numbers.frontend(at));
    of_frontend.or_else(|| backend(plan, name).map(|id| numbers.backend(id)))
}

pub(super) fn info(call: Call<'_>) -> Outcome {
    let info = call.sight.info();
    let mut out = String::new();
    let options = call.words.get(2..).unwrap_or_default();
    match options.iter().rev().find(|o| ["json", "typed"].contains(*o)) {
        Some(&"json") => {
            text::info_json(&mut out, &info);
            out.push('\n');
        }
        Some(_) => text::info_typed(&mut out, &info),
        None => text::info(&mut out, &info),
    }
    Outcome::Shown(out)
}

pub(super) fn version(call: Call<'_>) -> Outcome {
    Outcome::Said(call.sight.product().version.clone())
}

pub(super) fn level(call: Call<'_>) -> Outcome {
    call.session.level.as_str().into()
}

pub(super) fn sockets(call: Call<'_>) -> Outcome {
    let (path, level) = &call.session.socket;
    Outcome::Said(format!("# socket lvl processes\nunix@{path} {} all", level.as_str()))
}

pub(super) fn backends(call: Call<'_>) -> Outcome {
    let names = call.sight.plan().backends().iter().fold(String::new(), |all, b| all + &b.name + "\n");
    Outcome::Shown(format!("# name\n{names}"))
}

pub(super) fn nothing(_: Call<'_>) -> Outcome {
    Outcome::Done
}

pub(super) fn environment(call: Call<'_>) -> Outcome {
    let name = call.word(2);
    if name.is_empty() {
        let all = std::env::vars_os().fold(String::new(), |all, (name, value)| {
            all + &format!("{}={}\n", name.to_string_lossy(), value.to_string_lossy())
        });
        return Outcome::Shown(all);
    }
    match std::env::var_os(name) {
        Some(value) => Outcome::Said(format!("{name}={}", value.to_string_lossy())),
        None => "Variable not found".into(),
    }
}

/// The backends that are asked for, all or one.
fn asked(call: &Call<'_>, at: usize) -> Result<Vec<(BackendId, u32)>, Outcome> {
    let plan = call.sight.plan();
    let numbers = Numbers::new(plan);
    let name = call.word(at);
    let ids = (0..).map(BackendId).take(plan.backends().len());
    let all = ids.map(|id| (id, numbers.backend(id)));
    if name.is_empty() {
        return Ok(all.collect());
    }
    match backend(plan, name) {
        Some(id) => Ok(vec![(id, numbers.backend(id))]),
        None => Err("Can't find backend.".into()),
    }
}

/// Calls `line` for each server of the backends, with their numbers.
fn each_server(
    call: &Call<'_>,
    out: &mut String,
    line: impl Fn(&mut String, (u32, &str), (u32, ServerId, &Server)),
) -> Option<Outcome> {
    let plan = call.sight.plan();
    let backends = match asked(call, 3) {
        Ok(backends) => backends,
        Err(said) => return Some(said),
    };
    for (id, iid) in backends {
        let Some(backend) = plan.backends().get(usize::from(id.0)) else { continue };
        for (sid, id) in (1..).zip(backend.servers.clone().map(ServerId)) {
            if let Some(server) = plan.servers().get(id.0 as usize) {
                line(out, (iid, &backend.name), (sid, id, server));
            }
        }
    }
    None
}

pub(super) fn servers_state(call: Call<'_>) -> Outcome {
    let mut out = format!("1\n{STATE_HEADER}\n");
    let reports = call.sight.operator().report();
    let line = |out: &mut String, of: (u32, &str), server: (u32, ServerId, &Server)| {
        if let Some(report) = reports.get(server.1.0 as usize) {
            state_line(&call, out, of, server, report);
        }
    };
    match each_server(&call, &mut out, line) {
        Some(said) => said,
        None => Outcome::Shown(out),
    }
}

fn state_line(
    call: &Call<'_>,
    out: &mut String,
    (iid, backend): (u32, &str),
    (sid, id, server): (u32, ServerId, &Server),
    report: &ServerReport,
) {
    let state = call.sight.state().server(id);
    let (ip, port) = place(call, id);
    let op_state = match report.operational {
        Operational::Down | Operational::Maint => 0,
        Operational::Up | Operational::Drain if state.is_some_and(|s| s.throttle.is_some()) => 1,
        Operational::Up | Operational::Drain => 2,
        Operational::Stopping => 3,
    };
    let wish = state.map_or(AdminState::Ready, |s| s.admin);
    let admin = match (wish, server.admin) {
        _ if report.rests_via.is_some() => 2,
        _ if report.is_lost => 0x20,
        (AdminState::Maint, AdminState::Maint) => 5,
        (AdminState::Maint, _) => 1,
        (AdminState::Drain, _) if report.operational != Operational::Stopping => 8,
        (AdminState::Drain | AdminState::Ready, _) => 0,
    };
    let (status, result) = check_numbers(server, report);
    let rests = report.operational == Operational::Maint;
    let health = if rests { 0 } else { report.health.map_or(DEFAULT_RISE, |h| h.value()) };
    let muted = |probe| call.sight.operator().is_muted(id, probe);
    let check_state = match (&server.check, muted(Mutable::Check), rests) {
        (None, ..) => 0,
        (Some(_), true, _) => 2,
        (Some(_), false, true) => 14,
        (Some(_), false, false) => 6,
    };
    let agent_state = match (&server.watch.agent, muted(Mutable::Agent)) {
        (None, _) => 0,
        (Some(_), true) => 18,
        (Some(_), false) => 22,
    };
    let since = Instant::now().saturating_duration_since(report.record.since).as_secs();
    let weight = state.map_or(0, |s| s.weight);
    let ssl = u8::from(server.tls.is_some());
    let name = match &server.addr {
        evenkeel_proxy::plan::ServerAddr::Named(name) => name.host.trim_end_matches('.').to_owned(),
        evenkeel_proxy::plan::ServerAddr::Fixed(_) => "-".to_owned(),
    };
    let check_port = server.check.as_ref().and_then(|c| c.port).unwrap_or(0);
    let agent_port = server.watch.agent.as_ref().and_then(|c| c.port).unwrap_or(0);
    put(
        out,
        format_args!(
            "{iid} {backend} {sid} {} {ip} {op_state} {admin} {weight} {} {since} {status} {result} {health} \
             {check_state} {agent_state} 0 0 {name} {port} - {ssl} {check_port} - - {agent_port}\n",
            server.name, server.weight
        ),
    );
}

/// HAProxy's numbers of the last check's status and of what it says.
fn check_numbers(server: &Server, report: &ServerReport) -> (u8, u8) {
    let Some(last) = &report.last else {
        return (u8::from(server.check.is_some() || server.watch.agent.is_some()), 0);
    };
    let status = match last.status {
        CheckStatus::Unknown => 0,
        CheckStatus::Initializing => 1,
        CheckStatus::Checked => 3,
        CheckStatus::HealthAnalyze => 4,
        CheckStatus::SocketError => 5,
        CheckStatus::L4Ok => 6,
        CheckStatus::L4Timeout => 7,
        CheckStatus::L4Connection => 8,
        CheckStatus::L6Ok => 9,
        CheckStatus::L6Timeout => 10,
        CheckStatus::L6Response => 11,
        CheckStatus::L7Timeout => 12,
        CheckStatus::L7Response => 13,
        CheckStatus::L7Ok => 15,
        CheckStatus::L7OkConditional => 16,
        CheckStatus::L7Status => 17,
    };
    let result = match last.status.verdict() {
        Verdict::Pass if last.status == CheckStatus::L7OkConditional => 4,
        Verdict::Pass => 3,
        Verdict::Fail => 2,
        Verdict::Inconclusive => 1,
    };
    (status, result)
}

/// Where a server is, in two words.
fn place(call: &Call<'_>, id: ServerId) -> (String, u16) {
    match call.sight.state().addresses().endpoint(id).as_deref() {
        Some(Endpoint::Ip(at)) => (at.ip().to_string(), at.port()),
        Some(other) => (other.to_string(), 0),
        None => ("-".to_owned(), 0),
    }
}

pub(super) fn servers_conn(call: Call<'_>) -> Outcome {
    let threads = call.sight.plan().global.threads;
    let mut out = format!("{CONN_HEADER}[{threads}]\n");
    let line =
        |out: &mut String, (iid, backend): (u32, &str), (sid, id, server): (u32, ServerId, &Server)| {
            let (ip, port) = place(&call, id);
            let (used, peak) = (call.sight.state().in_flight(id), call.sight.state().peaks(id).0);
            put(
                out,
                format_args!(
                    "{backend}/{} {iid}/{sid} {ip} {port} - 5000 {used} {peak} {} 0 0 -1 0",
                    server.name,
                    peak.min(used.max(1))
                ),
            );
            (0..threads).for_each(|_| out.push_str(" 0"));
            out.push('\n');
        };
    match each_server(&call, &mut out, line) {
        Some(said) => said,
        None => Outcome::Shown(out),
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

const STATE_HEADER: &str = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
                            srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state \
                            srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl \
                            srv_check_port srv_check_addr srv_agent_addr srv_agent_port";
const CONN_HEADER: &str = "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb \
                           idle_lim idle_cur idle_per_thr";
/// HAProxy's `rise`, which its servers without checks have too.
const DEFAULT_RISE: u32 = 2;
