//! The one table of statistics: every column that HAProxy has for frontends, listeners, servers and backends, in its
//! order, with what monitoring knows it by. CSV, typed and JSON listings and Prometheus text all come from it.

use super::row::Kind;

/// What is known about a column, whatever row it is in.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// HAProxy's name of the column.
    pub name: &'static str,
    /// HAProxy's letters for it: origin, nature, scope.
    tags: &'static str,
    /// The series it is in Prometheus text, if it is one.
    pub series: Option<Series>,
}

/// A family of Prometheus series.
#[derive(Debug, Clone, Copy)]
pub struct Series {
    /// Its name behind `haproxy_frontend_` and its like.
    pub name: &'static str,
    /// What sort of number it is.
    pub kind: SeriesKind,
    /// Whose rows have it: letters of [`Kind::letter`].
    of: &'static str,
    /// What it counts, for a person.
    pub help: &'static str,
}

/// What sort of number a series has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesKind {
    /// It goes up and down.
    Gauge,
    /// It only grows.
    Counter,
    /// Milliseconds that go up and down; Prometheus has seconds.
    Millis,
    /// One series per state, of which one is 1.
    States,
    /// One series per class of status; further columns are its further classes.
    Classes(&'static str),
    /// How many servers are in which state, one series each.
    ServerStates,
    /// How many servers had which check result, one series each.
    CheckStates,
}

impl SeriesKind {
    /// As `# TYPE` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter | Self::Classes(_) => "counter",
            Self::Gauge | Self::Millis | Self::States | Self::ServerStates | Self::CheckStates => "gauge",
        }
    }
}

impl Series {
    /// Whether rows of this kind have it.
    pub fn is_of(&self, kind: Kind) -> bool {
        self.of.contains(kind.letter())
    }
}

impl Field {
    /// HAProxy's three letters for the column in rows of this kind.
    pub fn tags(&self, kind: Kind) -> &'static str {
        let (usual, others) = self.tags.split_once(',').unwrap_or((self.tags, ""));
        let own = others.split(',').find_map(|other| other.strip_prefix(kind.letter()));
        own.unwrap_or(usual)
    }
}

macro_rules! fields {
    ($($column:ident $name:literal $tags:literal $([$series:literal $kind:expr, $of:literal, $help:literal])?;)*) => {
        /// A column. Its number is HAProxy's position.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "they are HAProxy's words, explained in its management guide")]
        pub enum Column {
            $($column,)*
        }

        /// All columns, in their order.
        pub const COLUMNS: [Column; COUNT] = [$(Column::$column,)*];

        /// What is known of each of them.
        pub static FIELDS: [Field; COUNT] = [
            $(Field {
                name: $name,
                tags: $tags,
                series: fields!(@ $($series, $kind, $of, $help)?),
            },)*
        ];

        /// How many there are.
        pub const COUNT: usize = [$(Column::$column,)*].len();
    };
    (@) => { None };
    (@ $series:literal, $kind:expr, $of:literal, $help:literal) => {
        Some(Series { name: $series, kind: $kind, of: $of, help: $help })
    };
}

impl Column {
    /// Its position, from 0.
    pub const fn position(self) -> usize {
        self as usize
    }

    /// What is known of it.
    pub fn field(self) -> &'static Field {
        &FIELDS[self.position()]
    }
}

use SeriesKind::{CheckStates, Classes, Counter, Gauge, Millis, ServerStates, States};

fields! {
    Pxname "pxname" "KNS";
    Svname "svname" "KNS";
    Qcur "qcur" "MGP" ["current_queue" Gauge, "BS", "Requests that wait for a server"];
    Qmax "qmax" "MMP" ["max_queue" Gauge, "BS", "Most requests that have waited at once"];
    Scur "scur" "MGP" ["current_sessions" Gauge, "FLBS", "Sessions now"];
    Smax "smax" "MMP" ["max_sessions" Gauge, "FLBS", "Most sessions there have been at once"];
    Slim "slim" "CLP"
        ["limit_sessions" Gauge, "FLBS", "Most sessions there may be: maxconn, of a backend fullconn"];
    Stot "stot" "MCP" ["sessions_total" Counter, "FLBS", "Sessions there have been"];
    Bin "bin" "MCP" ["bytes_in_total" Counter, "FLBS", "Bytes of requests"];
    Bout "bout" "MCP" ["bytes_out_total" Counter, "FLBS", "Bytes of responses"];
    Dreq "dreq" "MCP" ["requests_denied_total" Counter, "FLB", "Requests that a rule has refused"];
    Dresp "dresp" "MCP" ["responses_denied_total" Counter, "FLBS", "Responses that a rule has refused"];
    Ereq "ereq" "MCP" ["request_errors_total" Counter, "FL", "Requests that could not be read"];
    Econ "econ" "MCP" ["connection_errors_total" Counter, "BS", "Connections to servers that failed"];
    Eresp "eresp" "MCP" ["response_errors_total" Counter, "BS", "Responses that could not be read"];
    Wretr "wretr" "MCP" ["retry_warnings_total" Counter, "BS", "Connections tried again at the same server"];
    Wredis "wredis" "MCP" ["redispatch_warnings_total" Counter, "BS", "Connections tried again at another server"];
    Status "status" "SGP" ["status" States, "FLBS", "Present state: 1 for the one that holds"];
    Weight "weight" "MaP" ["weight" Gauge, "BS", "Weight in force, of a backend that of its active servers"];
    Act "act" "MGP,SSGP" ["active_servers" Gauge, "B", "Usable servers that are not backups"];
    Bck "bck" "MGP,SSGP" ["backup_servers" Gauge, "B", "Usable backup servers"];
    Chkfail "chkfail" "MCP" ["check_failures_total" Counter, "S", "Checks that failed while the server was up"];
    Chkdown "chkdown" "MCP" ["check_up_down_total" Counter, "BS", "Times it has gone down"];
    Lastchg "lastchg" "MAP" ["check_last_change_seconds" Gauge, "BS", "Seconds since it last went up or down"];
    Downtime "downtime" "MCP" ["downtime_seconds_total" Counter, "BS", "Seconds it has been down"];
    Qlimit "qlimit" "CLS" ["queue_limit" Gauge, "S", "Most requests that may wait for this server: maxqueue"];
    Pid "pid" "KGP";
    Iid "iid" "KGS";
    Sid "sid" "KGS";
    Throttle "throttle" "MaP"
        ["current_throttle" Gauge, "S", "Percent of its weight that a server in slow start has"];
    Lbtot "lbtot" "MCP" ["loadbalanced_total" Counter, "BS", "Requests for which balancing chose the server"];
    Tracked "tracked" "CNS";
    Type "type" "CGS";
    Rate "rate" "MRP,BMGP";
    RateLim "rate_lim" "CLP" ["limit_session_rate" Gauge, "F", "Most sessions per second there may be"];
    RateMax "rate_max" "MMP,BMGP" ["max_session_rate" Gauge, "FBS", "Most sessions per second there have been"];
    CheckStatus "check_status" "MOP"
        ["check_status" States, "S", "Result of the last check: 1 for the one that holds"];
    CheckCode "check_code" "MOP" ["check_code" Gauge, "S", "Status code in the answer to the last check"];
    CheckDuration "check_duration" "MDP" ["check_duration_seconds" Millis, "S", "How long the last check took"];
    Hrsp1xx "hrsp_1xx" "MCP" ["http_responses_total" Classes("1xx"), "FBS", "Responses, by class of their status"];
    Hrsp2xx "hrsp_2xx" "MCP" ["http_responses_total" Classes("2xx"), "FBS", ""];
    Hrsp3xx "hrsp_3xx" "MCP" ["http_responses_total" Classes("3xx"), "FBS", ""];
    Hrsp4xx "hrsp_4xx" "MCP" ["http_responses_total" Classes("4xx"), "FBS", ""];
    Hrsp5xx "hrsp_5xx" "MCP" ["http_responses_total" Classes("5xx"), "FBS", ""];
    HrspOther "hrsp_other" "MCP" ["http_responses_total" Classes("other"), "FBS", ""];
    Hanafail "hanafail" "SGP";
    ReqRate "req_rate" "MRP";
    ReqRateMax "req_rate_max" "MMP"
        ["http_requests_rate_max" Gauge, "F", "Most requests per second there have been"];
    ReqTot "req_tot" "MCP" ["http_requests_total" Counter, "FB", "Requests"];
    CliAbrt "cli_abrt" "MCP" ["client_aborts_total" Counter, "BS", "Transfers that the client broke off"];
    SrvAbrt "srv_abrt" "MCP" ["server_aborts_total" Counter, "BS", "Transfers that the server broke off"];
    CompIn "comp_in" "MCP" ["http_comp_bytes_in_total" Counter, "FB", "Bytes given to compression"];
    CompOut "comp_out" "MCP" ["http_comp_bytes_out_total" Counter, "FB", "Bytes that compression made of them"];
    CompByp "comp_byp" "MCP"
        ["http_comp_bytes_bypassed_total" Counter, "FB", "Bytes that went past compression for want of means"];
    CompRsp "comp_rsp" "MCP" ["http_comp_responses_total" Counter, "FB", "Responses that were compressed"];
    Lastsess "lastsess" "MAP" ["last_session_seconds" Gauge, "BS", "Seconds since there was a session; -1: never"];
    LastChk "last_chk" "MOP";
    LastAgt "last_agt" "MOP";
    Qtime "qtime" "MaP"
        ["queue_time_average_seconds" Millis, "BS", "Mean wait for a server of the last 1024 requests"];
    Ctime "ctime" "MaP"
        ["connect_time_average_seconds" Millis, "BS", "Mean time to connect of the last 1024 requests"];
    Rtime "rtime" "MaP"
        ["response_time_average_seconds" Millis, "BS", "Mean time to a response head of the last 1024 requests"];
    Ttime "ttime" "MaP" ["total_time_average_seconds" Millis, "BS", "Mean time of the last 1024 requests"];
    AgentStatus "agent_status" "MOP";
    AgentCode "agent_code" "MOP";
    AgentDuration "agent_duration" "MDP";
    CheckDesc "check_desc" "MOP";
    AgentDesc "agent_desc" "MOP";
    CheckRise "check_rise" "CGS";
    CheckFall "check_fall" "CGS";
    CheckHealth "check_health" "CGS";
    AgentRise "agent_rise" "CGS";
    AgentFall "agent_fall" "CGS";
    AgentHealth "agent_health" "CGS";
    Addr "addr" "CGS";
    Cookie "cookie" "CNS";
    Mode "mode" "CGS";
    Algo "algo" "CGS";
    ConnRate "conn_rate" "MRP";
    ConnRateMax "conn_rate_max" "MMP"
        ["connections_rate_max" Gauge, "F", "Most connections per second there have been"];
    ConnTot "conn_tot" "MCP" ["connections_total" Counter, "F", "Connections of clients"];
    Intercepted "intercepted" "MCP"
        ["intercepted_requests_total" Counter, "F", "Requests that a rule or service has answered"];
    Dcon "dcon" "MCP" ["denied_connections_total" Counter, "FL", "Connections that a rule has refused"];
    Dses "dses" "MCP" ["denied_sessions_total" Counter, "FL", "Sessions that a rule has refused"];
    Wrew "wrew" "MCP"
        ["failed_header_rewriting_total" Counter, "FLBS", "Heads that had no room for a rule's change"];
    Connect "connect" "MCP" ["connection_attempts_total" Counter, "BS", "Connections made to servers"];
    Reuse "reuse" "MCP" ["connection_reuses_total" Counter, "BS", "Requests over a connection that there was"];
    CacheLookups "cache_lookups" "MCP" ["http_cache_lookups_total" Counter, "FB", "Requests looked for in a cache"];
    CacheHits "cache_hits" "MCP" ["http_cache_hits_total" Counter, "FB", "Requests found in a cache"];
    SrvIcur "srv_icur" "MGP" ["idle_connections_current" Gauge, "S", "Connections that wait for a request"];
    SrcIlim "src_ilim" "CLP" ["idle_connections_limit" Gauge, "S", "Most connections that may wait for a request"];
    QtimeMax "qtime_max" "MMP" ["max_queue_time_seconds" Millis, "BS", "Longest wait for a server"];
    CtimeMax "ctime_max" "MMP" ["max_connect_time_seconds" Millis, "BS", "Longest time to connect"];
    RtimeMax "rtime_max" "MMP" ["max_response_time_seconds" Millis, "BS", "Longest time to a response head"];
    TtimeMax "ttime_max" "MMP" ["max_total_time_seconds" Millis, "BS", "Longest time of a request"];
    Eint "eint" "MCP" ["internal_errors_total" Counter, "FLBS", "Requests lost by a fault of the proxy's own"];
    IdleConnCur "idle_conn_cur" "MGP"
        ["unsafe_idle_connections_current" Gauge, "S", "Of the connections that wait, those only some requests may use"];
    SafeConnCur "safe_conn_cur" "MGP"
        ["safe_idle_connections_current" Gauge, "S", "Of the connections that wait, those any request may use"];
    UsedConnCur "used_conn_cur" "MGP" ["used_connections_current" Gauge, "S", "Connections in use"];
    NeedConnEst "need_conn_est" "MGP"
        ["need_connections_current" Gauge, "S", "Connections that are thought to be needed"];
    Uweight "uweight" "MaP"
        ["uweight" Gauge, "BS", "Weight as it was set, of a backend that of its active servers"];
    AggServerStatus "agg_server_status" "MGP" ["agg_server_status" ServerStates, "B", "Servers by their state"];
    AggServerCheckStatus "agg_server_check_status" "MGP"
        ["agg_server_check_status" ServerStates, "B", "Servers by their state; the old name"];
    AggCheckStatus "agg_check_status" "MGP"
        ["agg_check_status" CheckStates, "B", "Servers by the result of their last check"];
    Srid "srid" "MCP";
    SessOther "sess_other" "MCP";
    H1sess "h1sess" "MCP";
    H2sess "h2sess" "MCP";
    H3sess "h3sess" "MCP";
    ReqOther "req_other" "MCP";
    H1req "h1req" "MCP";
    H2req "h2req" "MCP";
    H3req "h3req" "MCP";
    Proto "proto" "SGP";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_where_haproxy_has_them() {
        assert_eq!(COUNT, 113);
        for (at, column) in COLUMNS.into_iter().enumerate() {
            assert_eq!(column.position(), at);
        }
        let places =
            [(Column::Status, 17), (Column::CheckStatus, 36), (Column::Lastsess, 55), (Column::Addr, 73)];
        for (column, at) in places {
            assert_eq!(column.position(), at);
        }
    }

    #[test]
    fn tags_may_differ_by_row() {
        assert_eq!(Column::Act.field().tags(Kind::Server), "SGP");
        assert_eq!(Column::Act.field().tags(Kind::Backend), "MGP");
        assert_eq!(Column::Rate.field().tags(Kind::Frontend), "MRP");
        assert_eq!(Column::Rate.field().tags(Kind::Backend), "MGP");
    }

    #[test]
    fn every_family_says_what_it_counts() {
        let mut last = "";
        for series in FIELDS.iter().filter_map(|f| f.series) {
            assert!(!series.help.is_empty() || series.name == last, "{}", series.name);
            last = series.name;
        }
    }
}
