//! What is known of the process as a whole (HAProxy: `show info`).

use super::field::SeriesKind;
use super::history::Past;
use super::row::Value;
use crate::stats::Totals;

/// One item: HAProxy's name and letters for it, and its Prometheus series.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// HAProxy's name.
    pub name: &'static str,
    /// HAProxy's letters: origin, nature, scope.
    pub tags: &'static str,
    /// Name behind `haproxy_process_`, what sort of number it is, and what it counts, if it is a series.
    pub series: Option<(&'static str, SeriesKind, &'static str)>,
    of: Of,
}

/// What a process is, has and may have.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// Name of the product.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// When that was released, as `2026/06/26`.
    pub released: &'static str,
    /// Data threads.
    pub threads: u16,
    /// Process id.
    pub pid: u32,
    /// How long it has run, in seconds.
    pub uptime: u64,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// Descriptors it may have.
    pub descriptors: u64,
    /// Clients' connections there may be, as is in force and as the configuration says.
    pub maxconn: (u32, u32),
    /// Clients' connections, now.
    pub connections: u32,
    /// TLS connections of clients, now.
    pub tls_connections: u32,
    /// Listening addresses in use.
    pub listeners: u32,
    /// Access records that were lost.
    pub dropped_logs: u64,
    /// Name of the node.
    pub node: String,
    /// It is to end.
    pub stopping: bool,
    /// Processor time its threads have not used in the last second, in percent.
    pub idle_percent: u32,
    /// Memory it uses, in bytes.
    pub memory: u64,
}

/// The values.
#[derive(Debug, Clone)]
pub struct Info {
    values: Vec<Option<Value>>,
}

/// What items are made from.
struct Seen<'a> {
    process: &'a Process,
    totals: &'a Totals,
    past: &'a Past,
}

type Of = fn(&Seen<'_>) -> Option<Value>;

fn num(n: u32) -> Option<Value> {
    Some(Value::U32(n))
}

/// A number that HAProxy keeps in 32 bits.
fn wide(n: u64) -> Option<Value> {
    num(u32::try_from(n).unwrap_or(u32::MAX))
}

fn big(n: u64) -> Option<Value> {
    Some(Value::U64(n))
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned().into()))
}

impl Info {
    /// All that is known.
    pub fn new(process: &Process, totals: &Totals, past: &Past) -> Self {
        let seen = Seen { process, totals, past };
        Self { values: INFO.iter().map(|item| (item.of)(&seen)).collect() }
    }

    /// All items that hold something, with their positions.
    pub fn filled(&self) -> impl Iterator<Item = (usize, &'static Item, &Value)> {
        let all = INFO.iter().enumerate().zip(&self.values);
        all.filter_map(|((at, item), value)| Some((at, item, value.as_ref()?)))
    }
}

/// `0d 0h23m30s`.
fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3600, seconds % 3600 / 60);
    format!("{days}d {hours}h{minutes:02}m{:02}s", seconds % 60)
}

macro_rules! items {
    ($($name:literal $tags:literal $of:expr $(, [$series:literal $kind:ident, $help:literal])?;)*) => {
        /// All items. Their order is HAProxy's.
        pub static INFO: [Item; COUNT] = [
            $(Item { name: $name, tags: $tags, series: items!(@ $($series, $kind, $help)?), of: $of },)*
        ];

        /// How many there are.
        const COUNT: usize = [$($name,)*].len();
    };
    (@) => { None };
    (@ $series:literal, $kind:ident, $help:literal) => { Some(($series, SeriesKind::$kind, $help)) };
}

items! {
    "Name" "POS" |s| text(s.process.name);
    "Version" "POS" |s| text(&s.process.version);
    "Release_date" "POS" |s| text(s.process.released);
    "Nbthread" "CGS" |s| wide(s.process.threads.into()), ["nbthread" Gauge, "Data threads"];
    "Nbproc" "CGS" |_| num(1), ["nbproc" Gauge, "Worker processes: 1"];
    "Process_num" "KGP" |_| num(1), ["relative_process_id" Gauge, "Number of the worker process: 1"];
    "Pid" "SGP" |s| num(s.process.pid);
    "Uptime" "MDP" |s| text(&uptime(s.process.uptime));
    "Uptime_sec" "MDP" |s| wide(s.process.uptime), ["uptime_seconds" Gauge, "Seconds since the worker began"];
    "Memmax_MB" "CLP" |_| num(0);
    "PoolAlloc_MB" "MGP" |s| wide(s.process.memory >> 20);
    "PoolUsed_MB" "MGP" |s| wide(s.process.memory >> 20);
    "PoolFailed" "MCP" |_| num(0);
    "Ulimit-n" "CLP" |s| wide(s.process.descriptors), ["max_fds" Gauge, "Descriptors the worker may have"];
    "Maxsock" "CLP" |s| wide(s.process.descriptors), ["max_sockets" Gauge, "Sockets the worker may have"];
    "Maxconn" "CLP" |s| num(s.process.maxconn.0), ["max_connections" Gauge, "Connections of clients there may be"];
    "Hard_maxconn" "CLP" |s| num(s.process.maxconn.1),
        ["hard_max_connections" Gauge, "Connections of clients there may be by the configuration"];
    "CurrConns" "MGP" |s| num(s.process.connections), ["current_connections" Gauge, "Connections of clients now"];
    "CumConns" "MCP" |s| wide(s.totals.connections), ["connections_total" Counter, "Connections of clients"];
    "CumReq" "MCP" |s| wide(s.totals.requests), ["requests_total" Counter, "Requests"];
    "MaxSslConns" "MMP" |_| num(0),
        ["max_ssl_connections" Gauge, "TLS connections there may be; 0: no limit of their own"];
    "CurrSslConns" "MGP" |s| num(s.process.tls_connections),
        ["current_ssl_connections" Gauge, "TLS connections of clients now"];
    "CumSslConns" "MCP" |s| wide(s.totals.tls_handshakes),
        ["ssl_connections_total" Counter, "TLS handshakes with clients"];
    "Maxpipes" "CLP" |_| num(0);
    "PipesUsed" "MGP" |_| num(0);
    "PipesFree" "MGP" |_| num(0);
    "ConnRate" "MRP" |s| num(s.past.connections.now),
        ["current_connection_rate" Gauge, "Connections of clients in the last second"];
    "ConnRateLimit" "CLP" |_| num(0),
        ["limit_connection_rate" Gauge, "Connections per second there may be; 0: any number"];
    "MaxConnRate" "MMP" |s| num(s.past.connections.most),
        ["max_connection_rate" Gauge, "Most connections per second there have been"];
    "SessRate" "MRP" |s| num(s.past.connections.now), ["current_session_rate" Gauge, "Sessions in the last second"];
    "SessRateLimit" "CLP" |_| num(0),
        ["limit_session_rate" Gauge, "Sessions per second there may be; 0: any number"];
    "MaxSessRate" "MRP" |s| num(s.past.connections.most),
        ["max_session_rate" Gauge, "Most sessions per second there have been"];
    "SslRate" "MRP" |s| num(s.past.handshakes.now),
        ["current_ssl_rate" Gauge, "TLS handshakes with clients in the last second"];
    "SslRateLimit" "CLP" |_| num(0),
        ["limit_ssl_rate" Gauge, "TLS handshakes per second there may be; 0: any number"];
    "MaxSslRate" "MMP" |s| num(s.past.handshakes.most),
        ["max_ssl_rate" Gauge, "Most TLS handshakes per second there have been"];
    "SslFrontendKeyRate" "MGP" |s| num(s.past.handshakes.now),
        ["current_frontend_ssl_key_rate" Gauge, "TLS keys made with clients in the last second"];
    "SslFrontendMaxKeyRate" "MMP" |s| num(s.past.handshakes.most),
        ["max_frontend_ssl_key_rate" Gauge, "Most TLS keys per second made with clients"];
    "SslFrontendSessionReuse_pct" "MGP" |s| wide((s.totals.tls_resumed * 100).checked_div(s.totals.tls_handshakes).unwrap_or(0)),
        ["frontend_ssl_reuse" Gauge, "Percent of TLS handshakes that went on with a session"];
    "SslBackendKeyRate" "MRP" |_| num(0);
    "SslBackendMaxKeyRate" "MMP" |_| num(0);
    "SslCacheLookups" "MCP" |s| wide(s.totals.tls_resumed),
        ["ssl_cache_lookups_total" Counter, "TLS sessions that clients came back with"];
    "SslCacheMisses" "MCP" |_| num(0),
        ["ssl_cache_misses_total" Counter, "TLS sessions that were not known any more"];
    "CompressBpsIn" "MRP" |s| num(s.past.comp_in.now);
    "CompressBpsOut" "MRP" |s| num(s.past.comp_out.now);
    "CompressBpsRateLim" "CLP" |_| num(0),
        ["limit_http_comp" Gauge, "Bytes per second that compression may make; 0: any number"];
    "ZlibMemUsage" "MGP" |_| num(0);
    "MaxZlibMemUsage" "CLP" |_| num(0);
    "Tasks" "MGP" |s| num(s.process.connections),
        ["current_tasks" Gauge, "Tasks of the event loops: one for each connection"];
    "Run_queue" "MGP" |_| num(0);
    "Idle_pct" "MaP" |s| num(s.process.idle_percent),
        ["idle_time_percent" Gauge, "Percent of the last second in which data threads waited"];
    "node" "COS" |s| text(&s.process.node);
    "description" "COS" |_| None;
    "Stopping" "MGP" |s| num(s.process.stopping.into()), ["stopping" Gauge, "1: the worker is ending"];
    "Jobs" "MGP" |s| num(s.process.connections + s.process.listeners),
        ["jobs" Gauge, "Connections of clients, and listening addresses"];
    "Unstoppable Jobs" "MGP" |_| num(0),
        ["unstoppable_jobs" Gauge, "Those of them that do not end with the worker"];
    "Listeners" "MGP" |s| num(s.process.listeners), ["listeners" Gauge, "Listening addresses in use"];
    "ActivePeers" "MGP" |_| num(0), ["active_peers" Gauge, "Peers that talk to this one"];
    "ConnectedPeers" "MGP" |_| num(0), ["connected_peers" Gauge, "Peers that are connected"];
    "DroppedLogs" "MGP" |s| wide(s.process.dropped_logs),
        ["dropped_logs_total" Counter, "Log lines that were lost"];
    "BusyPolling" "MGP" |_| num(0), ["busy_polling_enabled" Gauge, "1: threads poll without waiting"];
    "FailedResolutions" "MGP" |_| num(0), ["failed_resolutions" Counter, "Names that could not be looked up"];
    "TotalBytesOut" "MGP" |s| big(s.totals.bytes_out), ["bytes_out_total" Counter, "Bytes sent to clients"];
    "TotalSplicedBytesOut" "MGP" |_| big(0),
        ["spliced_bytes_out_total" Counter, "Those of them that went through a pipe of the kernel"];
    "BytesOutRate" "MRP" |s| big(s.past.bytes_out.now.into()),
        ["bytes_out_rate" Gauge, "Bytes sent to clients in the last second"];
    "DebugCommandsIssued" "MGP" |_| num(0);
    "CumRecvLogs" "MCP" |_| num(0);
    "Build info" "POS" |s| text(&s.process.version), ["build_info" States, "The version that runs"];
    "Memmax_bytes" "CLP" |_| num(0), ["max_memory_bytes" Gauge, "Memory the worker may use; 0: any amount"];
    "PoolAlloc_bytes" "MGP" |s| big(s.process.memory), ["pool_allocated_bytes" Gauge, "Memory the worker has"];
    "PoolUsed_bytes" "MGP" |s| big(s.process.memory), ["pool_used_bytes" Gauge, "Memory the worker uses"];
    "Start_time_sec" "MDP" |s| wide(s.process.started),
        ["start_time_seconds" Gauge, "When the worker began, in seconds since 1970"];
    "Tainted" "SGP" |_| text("0");
    "TotalWarnings" "MCP" |_| num(0);
    "MaxconnReached" "MCP" |_| num(0);
    "BootTime_ms" "MDP" |_| num(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_where_haproxy_has_them() {
        let process = Process { name: "X", pid: 77, uptime: 90_061, maxconn: (5, 6), ..Process::default() };
        let totals = Totals { requests: 9, tls_handshakes: 4, tls_resumed: 1, ..Totals::default() };
        let info = Info::new(&process, &totals, &Past::default());
        let find = |name: &str| {
            let found = info.filled().find(|(_, item, _)| item.name == name);
            found.map(|(_, _, value)| value.to_string())
        };
        let expected = [
            ("Name", "X"),
            ("Pid", "77"),
            ("Uptime", "1d 1h01m01s"),
            ("Maxconn", "5"),
            ("Hard_maxconn", "6"),
            ("CumReq", "9"),
            ("SslFrontendSessionReuse_pct", "25"),
            ("Listeners", "0"),
        ];
        for (name, value) in expected {
            assert_eq!(find(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(find("description"), None);
        assert_eq!((INFO[50].name, INFO[74].name, INFO.len()), ("node", "BootTime_ms", 75));
    }
}
