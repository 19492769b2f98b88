//! The language, on a data plane that runs but has no clients.

mod certificates;
mod errors;
mod payload;
mod sessions;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::balance::State;
use evenkeel_proxy::io::checker::Checker;
use evenkeel_proxy::io::runtime::{self, Proxy, Shared};
use evenkeel_proxy::io::sight::{Parts, Product, Sight};
use evenkeel_proxy::stats::Stats;
use evenkeel_proxy::table::{Event, KeyType, TableId};

use super::socket::{Admin, Door};
use super::{Level, Session};
use crate::config::{Sources, load_from_sources, lower};

/// A data plane, and somebody who talks to it.
struct Bench {
    sight: Arc<Sight>,
    session: Session,
    _checker: Checker,
    _proxy: Proxy,
}

impl Bench {
    fn new(level: Level) -> Self {
        Self::with(level, "")
    }

    /// With more sections.
    fn with(level: Level, sections: &str) -> Self {
        Self::with_files(level, sections, &[])
    }

    /// And with files that they name.
    fn with_files(level: Level, sections: &str, files: &[(&str, &str)]) -> Self {
        let text = "[global]\nnbthread = 1\nmaxconn = 500\n\
                    [defaults]\ntimeout = { connect = \"1s\", client = \"1s\", server = \"1s\" }\n\
                    [frontend.fe]\nbind = [\"127.0.0.1:1\"]\ndefault_backend = \"be\"\n\
                    [backend.be]\nserver = [\n\
                    { name = \"s1\", addr = \"127.0.0.1:2\", weight = 50, maxconn = 20 },\n\
                    { name = \"s2\", addr = \"127.0.0.1:3\", backup = true },\n]\n";
        let text = format!("{text}{sections}");
        let mut sources = Sources::of_text("test.toml", &text);
        for (name, content) in FILES {
            sources.blobs.insert(Sources::name_of_file(name), content.as_bytes().to_vec());
        }
        sources
            .blobs
            .extend(files.iter().map(|(name, text)| (format!("tls:{name}"), text.as_bytes().to_vec())));
        let loaded = load_from_sources(&sources, "n");
        let plan = lower::proxy(&loaded.config.expect("a good configuration")).plan;
        let state = Arc::new(State::new(&plan));
        let stats = Arc::new(Stats::with_times(&plan, 1));
        let (events, _) = tokio::sync::mpsc::channel(64);
        let checker = Checker::start(Arc::clone(&plan), Arc::clone(&state), 1, None, events).unwrap();
        let shared = Shared::without_log(Arc::clone(&state), Arc::clone(&stats));
        let proxy = runtime::start(Arc::clone(&plan), Vec::new(), shared).unwrap();
        let sight = Arc::new(Sight::new(Parts {
            plan,
            state,
            stats,
            doors: proxy.doors(),
            operator: checker.operator(),
            product: Product { name: "Evenkeel", version: "1.2.3".into(), released: "2026/01/01" },
            dropped_logs: Box::new(|| 0),
        }));
        let session = Session::new("/run/admin.sock".into(), level, Duration::from_secs(10));
        Self { sight, session, _checker: checker, _proxy: proxy }
    }

    fn say(&mut self, line: &str) -> String {
        self.session.handle_line(&self.sight, line).text
    }

    /// The cells of a server's row in `show stat`.
    fn row(&mut self, server: &str) -> Vec<String> {
        let all = self.say("show stat");
        let row = all.lines().find(|l| l.split(',').nth(1) == Some(server)).expect("a row").to_owned();
        row.split(',').map(str::to_owned).collect()
    }
}

/// Files of patterns that are there.
const FILES: [(&str, &str); 2] =
    [("bad.txt", "# Not welcome.\n192.0.2.0/24\n2001:db8::1\n"), ("ends.txt", ".php\n")];

/// Recorded from HAProxy 2.8.25 with the same backend.
const ANSWERS: &[(&str, &str)] = &[
    ("show version", "1.2.3\n\n"),
    ("", "\n"),
    ("get weight be/s1", "50 (initial 50)\n\n"),
    ("get weight be", "Require 'backend/server'.\n\n"),
    ("get weight nope/s1", "No such backend.\n\n"),
    ("get weight be/nope", "No such server.\n\n"),
    ("set weight be/s1", "Require <weight> or <weight%>.\n\n"),
    ("set weight be/s1 abc", "Empty weight string empty or preceded by garbage\n\n"),
    ("set weight be/s1 50%", "\n"),
    ("get weight be/s1", "25 (initial 50)\n\n"),
    ("set weight be/s1 -1", "Absolute weight can only be between 0 and 256 inclusive.\n\n"),
    ("set weight be/s1 300", "Absolute weight can only be between 0 and 256 inclusive.\n\n"),
    ("set server be/s1 weight 10", "\n"),
    ("get weight be/s1; get weight be/s2", "10 (initial 50)\n\n1 (initial 1)\n\n"),
    ("disable server be/nope", "No such server.\n\n"),
    ("set server be/s1 state bogus", "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n\n"),
    ("set server be/s1 health", "'set server <srv> health' expects 'up', 'stopping', or 'down'.\n\n"),
    ("set server be/s1 agent up", "agent checks are not enabled on this server.\n\n"),
    ("set server be/s1 agent x", "'set server <srv> agent' expects 'up' or 'down'.\n\n"),
    ("set server be/s1 addr", "set server <b>/<s> addr requires an address and optionally a port.\n\n"),
    ("set server be/s1 addr bogus", "Invalid addr 'bogus' by 'stats socket command'\n\n"),
    (
        "set server be/s1 addr 127.0.0.1 port 2",
        "no need to change the addr, no need to change the port by 'stats socket command'\n\n",
    ),
    (
        "set server be/s1 addr 127.0.0.9 port 4",
        "IP changed from '127.0.0.1' to '127.0.0.9', port changed from '2' to '4' by 'stats socket command'\n\n",
    ),
    ("enable health be/s1", "Health check was not configured on this server, cannot enable.\n\n"),
    ("disable health be/s1", "\n"),
    ("enable agent be/s1", "Agent was not configured on this server, cannot enable.\n\n"),
    ("disable frontend", "A frontend name is expected.\n\n"),
    ("disable frontend nope", "No such frontend.\n\n"),
    ("disable frontend fe", "\n"),
    ("disable frontend fe", "All sockets are already disabled.\n\n"),
    ("enable frontend fe", "\n"),
    ("enable frontend fe", "All sockets are already enabled.\n\n"),
    ("set maxconn frontend", "A frontend name is expected.\n\n"),
    ("set maxconn frontend fe", "Integer value expected.\n\n"),
    ("set maxconn frontend fe -1", "Value out of range.\n\n"),
    ("set maxconn frontend fe 7", "\n"),
    ("set maxconn global", "Expects an integer value.\n\n"),
    ("set maxconn global 999999", "Value out of range.\n\n"),
    ("set maxconn global 100", "\n"),
    ("set maxconn server be/s1", "Require <maxconn>.\n\n"),
    ("set maxconn server be/s1 5", "\n"),
    ("shutdown sessions server be", "Require 'backend/server'.\n\n"),
    ("shutdown sessions server be/s1", "\n"),
    ("clear counters", "\n"),
    ("clear counters all", "\n"),
    ("show map", "# id (file) description\n\n"),
    ("show map x", "Unknown map identifier. Please use #<id> or <file>.\n\n"),
    ("show table", "\n"),
    ("show table x", "No such table\n\n"),
    ("show backend", "# name\nbe\n\n"),
    ("show servers state nope", "Can't find backend.\n\n"),
    ("show stat nope 7 -1", "No such proxy.\n\n"),
    ("show cli level", "admin\n\n"),
    ("show cli sockets", "# socket lvl processes\nunix@/run/admin.sock admin all\n\n"),
    ("set timeout", "'set timeout' only supports 'cli'.\n\n"),
    ("set timeout cli", "Expects an integer value.\n\n"),
    ("set timeout cli x", "Invalid timeout value.\n\n"),
    ("set timeout cli 60", "\n"),
];

#[test]
fn answers_are_haproxys() {
    let mut bench = Bench::new(Level::Admin);
    for (line, answer) in ANSWERS {
        assert_eq!(bench.say(line), *answer, "{line}");
    }
    assert_eq!(bench.session.timeout(), Duration::from_secs(60));
    let errors = bench.say("show errors");
    assert!(errors.starts_with("Total events captured on [") && errors.ends_with("] : 0\n\n"), "{errors}");
}

#[test]
fn what_is_said_is_done() {
    let mut bench = Bench::new(Level::Admin);
    assert_eq!(bench.row("s1")[17], "no check");
    for (line, status) in [
        ("set server be/s1 state drain", "DRAIN"),
        ("disable server be/s1", "MAINT"),
        ("enable server be/s1", "no check"),
        ("set server be/s1 health down", "DOWN"),
        ("set server be/s1 health stopping", "NOLB"),
        ("set server be/s1 health up", "no check"),
    ] {
        assert_eq!(bench.say(line), "\n", "{line}");
        assert_eq!(bench.row("s1")[17], status, "{line}");
    }
    bench.say("set maxconn server be/s1 5; set weight be/s1 7; set server be/s1 addr 127.0.0.2; set maxconn frontend fe 9");
    let row = bench.row("s1");
    assert_eq!((row[6].as_str(), row[18].as_str(), row[73].as_str()), ("5", "7", "127.0.0.2:2"));
    assert_eq!(bench.row("FRONTEND")[6], "9");
    bench.say("disable frontend fe");
    assert_eq!(bench.row("FRONTEND")[17], "PAUSED");
    let state = bench.say("show servers state");
    let expected = "3 be 1 s1 127.0.0.2 2 0 7 50 0 0 0 2 0 0 0 0 - 2 - 0 0 - - 0";
    assert!(state.starts_with("1\n# be_id be_name srv_id "), "{state}");
    assert!(state.lines().any(|l| l == expected), "{state}");
    assert!(bench.say("show servers conn").contains("\nbe/s1 3/1 127.0.0.2 2 - 5000 0 0 0 0 0 -1 0 0\n"));
}

#[test]
fn every_level_may_what_it_may() {
    for (level, line, denied) in [
        (Level::User, "show stat", false),
        (Level::User, "get weight be/s1", false),
        (Level::User, "show errors", true),
        (Level::User, "clear counters", true),
        (Level::User, "disable server be/s1", true),
        (Level::Operator, "show errors", false),
        (Level::Operator, "clear counters", false),
        (Level::Operator, "clear counters all", true),
        (Level::Operator, "set weight be/s1 1", true),
        (Level::Operator, "set maxconn global 5", true),
        (Level::Operator, "show env", true),
        (Level::Admin, "show env", false),
    ] {
        let said = Bench::new(level).say(line);
        assert_eq!(said == "Permission denied\n\n", denied, "{level:?}: {line}");
    }
    let mut bench = Bench::new(Level::Admin);
    bench.say("operator");
    assert_eq!(bench.say("show cli level"), "operator\n\n");
    assert_eq!(bench.say("user; disable server be/s1"), "\nPermission denied\n\n");
    bench.say("operator");
    assert_eq!(bench.say("show cli level"), "user\n\n", "nobody rises");
    assert!(!bench.say("show stat").contains("127.0.0.1:2"), "addresses are not for everybody");
    assert!(!bench.say("help").contains("disable server"));
}

#[test]
fn a_prompt_stays() {
    let mut bench = Bench::new(Level::Admin);
    let mut say = |line: &str| {
        let answer = bench.session.handle_line(&bench.sight, line);
        (answer.text, answer.close)
    };
    assert_eq!(say("show version"), ("1.2.3\n\n".into(), true));
    assert_eq!(say("prompt"), ("\n> ".into(), false));
    assert_eq!(say(""), ("\n> ".into(), false));
    assert_eq!(say("show version; show version\r\n"), ("1.2.3\n\n> 1.2.3\n\n> ".into(), false));
    assert_eq!(say("get weight be/s1"), ("50 (initial 50)\n\n> ".into(), false));
    assert_eq!(say("prompt"), ("\n".into(), false));
    assert_eq!(say("quit"), (String::new(), true));
}

/// One line without `prompt`, any number with it; the last one may lack its end; who says nothing goes.
#[test]
fn connections_end_when_all_is_said() {
    let bench = Bench::new(Level::Admin);
    let path = std::env::temp_dir().join(format!("evenkeel-converse-{}", std::process::id()));
    let socket = UnixListener::bind(&path).unwrap().into();
    let door = |socket, timeout| Door { socket, path: "/s".into(), level: Level::Admin, timeout };
    let admin =
        Admin::start(vec![door(socket, Duration::from_millis(200))], Arc::clone(&bench.sight)).unwrap();
    let converse = |said: &str, ends: bool| {
        let mut client = UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        client.write_all(said.as_bytes()).unwrap();
        if ends {
            client.shutdown(Shutdown::Write).unwrap();
        }
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        heard
    };
    assert_eq!(converse("show version\n", false), "1.2.3\n\n");
    assert_eq!(converse("prompt\nshow version\nquit\n", false), "\n> 1.2.3\n\n> ");
    assert_eq!(converse("show version", true), "1.2.3\n\n");
    assert_eq!(converse("prompt\nshow ver", false), "\n> ", "it has been silent for too long");
    assert_eq!(converse("", false), "");
    drop(admin);
    assert!(UnixStream::connect(&path).is_err(), "nobody listens any more");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn who_is_lost_is_helped() {
    let mut bench = Bench::new(Level::Admin);
    let said = bench.say("enable bogus");
    assert!(
        said.starts_with(
            "Unknown command: 'enable', but maybe one of the following ones is a better match:\n"
        )
    );
    assert!(said.contains("\n  enable frontend <frontend>              : "), "{said}");
    assert!(!said.contains("disable") && said.contains("\n  quit  "), "{said}");
    assert!(
        bench
            .say("bogus")
            .starts_with("Unknown command: 'bogus'. Please enter one of the following commands only:\n")
    );
    assert!(bench.say("help set maxconn").lines().count() == 5);
}

#[test]
fn listings_have_their_forms() {
    let mut bench = Bench::new(Level::Admin);
    let names =
        |text: &str| text.lines().filter_map(|l| l.split(',').nth(1)).map(str::to_owned).collect::<Vec<_>>();
    let all = bench.say("show stat");
    assert_eq!(names(&all), ["svname", "FRONTEND", "s1", "s2", "BACKEND"]);
    assert!(all.ends_with(",\n\n"));
    assert_eq!(names(&bench.say("show stat -1 4 1")), ["svname", "s1"]);
    assert_eq!(names(&bench.say("show stat be 2 -1")), ["svname", "BACKEND"]);
    assert_eq!(names(&bench.say("show stat 2 x y")), ["svname"]);
    bench.say("disable server be/s1");
    assert_eq!(names(&bench.say("show stat no-maint")), ["svname", "FRONTEND", "s2", "BACKEND"]);
    assert!(bench.say("show stat typed").starts_with("F.2.0.0.pxname.1:KNS:str:fe\n"));
    assert!(bench.say("show stat json").starts_with("[[{\"objType\":\"Frontend\",\"proxyId\":2,"));
    let info = bench.say("show info");
    assert!(
        info.starts_with("Name: Evenkeel\nVersion: 1.2.3\nRelease_date: 2026/01/01\nNbthread: 1\n"),
        "{info}"
    );
    assert!(info.lines().filter(|l| !l.is_empty()).all(|l| l.matches(": ").count() == 1), "{info}");
    assert!(info.contains("\nMaxconn: 500\n") && info.contains("\nnode: n\n"), "{info}");
    assert!(bench.say("show info typed").contains("\n15.Maxconn.1:CLP:u32:500\n"));
    assert!(bench.say("show info json").starts_with("[{\"field\":{\"pos\":0,\"name\":\"Name\"},"));
}

/// Recorded from HAProxy 2.8 with the same map, but for how entries are named and what a map is described as.
#[test]
fn maps_are_shown_and_changed_as_haproxys() {
    let sections = "[map.hosts]\nentries = { \"a.example\" = \"one\", \"b.example\" = \"two words\" }\n";
    let mut bench = Bench::with(Level::Admin, sections);
    for (line, answer) in [
        ("show map", "# id (file) description\n0 (hosts) map of the configuration. entry_cnt=2\n\n"),
        ("show map hosts", "0x0 a.example one\n0x1 b.example two words\n\n"),
        ("show map #0", "0x0 a.example one\n0x1 b.example two words\n\n"),
        ("show map nope", "Unknown map identifier. Please use #<id> or <file>.\n\n"),
        (
            "get map hosts a.example",
            "type=str, case=sensitive, found=yes, key=\"a.example\", value=\"one\", type=\"str\"\n\n",
        ),
        ("get map hosts zzz", "type=str, case=sensitive, found=no\n\n"),
        ("set map hosts b.example new", "\n"),
        ("set map hosts zz new", "entry not found.\n\n"),
        ("add map hosts a.example three", "\n"),
        ("add map hosts c.example four five", "\n"),
        (
            "show map hosts",
            "0x0 a.example one\n0x1 b.example new\n0x2 a.example three\n0x3 c.example four\n\n",
        ),
        ("del map hosts a.example", "\n"),
        ("del map hosts zz", "Key not found.\n\n"),
        ("set map hosts #0x1 newer", "\n"),
        ("del map hosts #0x3", "\n"),
        ("show map hosts", "0x1 b.example newer\n\n"),
        ("prepare map hosts", "New version created: 1\n\n"),
        ("add map @1 hosts x y", "\n"),
        ("show map @1 hosts", "0x0 x y\n\n"),
        ("show map hosts", "0x1 b.example newer\n\n"),
        ("commit map @1 hosts", "\n"),
        ("show map hosts", "0x0 x y\n\n"),
        ("commit map @9 hosts", "Version number out of range.\n\n"),
        ("commit map", "Missing version number.\n\n"),
        ("clear map hosts", "\n"),
        ("show map hosts", "\n"),
    ] {
        assert_eq!(bench.say(line), answer, "{line}");
    }
    let mut user = Bench::with(Level::User, sections);
    assert_eq!(user.say("add map hosts a b"), "Permission denied\n\n");
}

/// As HAProxy 2.8 does it, but for how entries are named and what a list is described as.
#[test]
fn lists_are_shown_and_changed_as_haproxys() {
    let sections = "[frontend.other]\nbind = [\"127.0.0.1:4\"]\ndefault_backend = \"be\"\n\
                    http_request = [{ deny = 403, if = { src_file = \"bad.txt\" } }, \
                    { deny = 403, if = { path_end_file = \"ends.txt\", nocase = true } }]\n";
    let mut bench = Bench::with(Level::Admin, sections);
    for (line, answer) in [
        (
            "show acl",
            "# id (file) description\n\
             0 (bad.txt) patterns of a file, compared as ip. entry_cnt=2\n\
             1 (ends.txt) patterns of a file, compared as end. entry_cnt=1\n\n",
        ),
        ("show acl #0", "0x0 192.0.2.0/24\n0x1 2001:db8::1\n\n"),
        ("show acl ends.txt", "0x0 .php\n\n"),
        ("show acl nope", "Unknown ACL identifier. Please use #<id> or <file>.\n\n"),
        ("get acl #0 192.0.2.7", "type=ip, case=sensitive, match=yes, pattern=\"192.0.2.0/24\"\n\n"),
        ("get acl #0 192.0.3.7", "type=ip, case=sensitive, match=no\n\n"),
        ("get acl #1 /x.PHP", "type=end, case=insensitive, match=yes, pattern=\".php\"\n\n"),
        ("add acl #0 10.0.0.0/8", "\n"),
        ("add acl #0 10.0.0.300", "`10.0.0.300` is not an IP address.\n\n"),
        ("add acl #0", "'add acl' expects two parameters: ACL identifier and pattern.\n\n"),
        ("get acl #0 10.1.1.1", "type=ip, case=sensitive, match=yes, pattern=\"10.0.0.0/8\"\n\n"),
        ("del acl #0 2001:db8::1", "\n"),
        ("del acl #0 2001:db8::1", "Key not found.\n\n"),
        ("del acl #0 #0x0", "\n"),
        ("show acl #0", "0x2 10.0.0.0/8\n\n"),
        ("prepare acl #0", "New version created: 1\n\n"),
        ("add acl @1 #0 192.0.2.9", "\n"),
        ("show acl @1 #0", "0x3 192.0.2.9\n\n"),
        ("get acl #0 192.0.2.9", "type=ip, case=sensitive, match=no\n\n"),
        ("commit acl @1 #0", "\n"),
        ("show acl #0", "0x3 192.0.2.9\n\n"),
        ("commit acl @7 #0", "Version number out of range.\n\n"),
        ("commit acl #0", "Missing version number.\n\n"),
        ("clear acl #0", "\n"),
        ("show acl #0", "\n"),
    ] {
        assert_eq!(bench.say(line), answer, "{line}");
    }
    for line in ["add acl #0 <<", "10.1.0.0/16", " 10.2.0.0/16"] {
        assert_eq!(bench.say(line), "", "{line}");
    }
    assert_eq!(bench.say(""), "\n");
    assert_eq!(bench.say("show acl #0"), "0x4 10.1.0.0/16\n0x5 10.2.0.0/16\n\n");
    for line in ["add acl #0 <<", "10.3.0.0/16", "nothing"] {
        bench.say(line);
    }
    assert_eq!(bench.say(""), "`nothing` is a name, not an IP address.\n\n", "and none of them is put in");
    assert_eq!(bench.say("get acl #0 10.3.0.1"), "type=ip, case=sensitive, match=no\n\n");
    let mut user = Bench::with(Level::User, sections);
    assert_eq!(user.say("add acl #0 10.0.0.1"), "Permission denied\n\n");
    assert!(user.say("show acl #1").contains(".php"));
}

/// As HAProxy 2.8 shows them, but for where entries are in memory.
#[test]
fn tables_are_shown_and_emptied_as_haproxys() {
    let sections = "[table.per_ip]\ntype = \"ip\"\nsize = 100\nstore = { gpc0 = true, http_req_cnt = true }\n\
                    [table.names]\ntype = \"string\"\nsize = 10\nstore = { gpc0 = true }\n";
    let mut bench = Bench::with(Level::Admin, sections);
    let now = std::time::Instant::now();
    let count = |bench: &Bench, table: u16, key: &[u8], times: u64| {
        let table = bench.sight.state().counters().table(TableId(table)).unwrap();
        let key = match table.key_type() {
            KeyType::Ip { .. } => {
                table.key_type().of_address(std::str::from_utf8(key).unwrap().parse().unwrap())
            }
            KeyType::Integer | KeyType::String { .. } | KeyType::Binary { .. } => {
                table.key_type().of_bytes(key)
            }
        };
        let held = table.track(key.unwrap(), &[], now).unwrap();
        table.count(&held, Event::Request, times, now);
        held
    };
    for (key, times) in [("192.0.2.1", 3), ("192.0.2.2", 7)] {
        let held = count(&bench, 0, key.as_bytes(), times);
        bench.sight.state().counters().table(TableId(0)).unwrap().release(held, &[], now);
    }
    let held = count(&bench, 1, b"a b", 1);
    let first = "0x0: key=192.0.2.1 use=0 exp=0 shard=0 http_req_cnt=3 gpc0=0\n";
    let second = "0x0: key=192.0.2.2 use=0 exp=0 shard=0 http_req_cnt=7 gpc0=0\n";
    let head = |used| format!("# table: per_ip, type: ip, size:100, used:{used}\n");
    let names = "# table: names, type: string, size:10, used:1\n";
    for (line, answer) in [
        ("show table", format!("{}{names}\n", head(2))),
        ("show table per_ip key 192.0.2.2", format!("{}{second}\n", head(2))),
        ("show table per_ip data.http_req_cnt gt 5", format!("{}{second}\n", head(2))),
        ("show table per_ip data.http_req_cnt le 3", format!("{}{first}\n", head(2))),
        ("show table per_ip data.conn_cur gt 5", "Data type not stored in this table\n\n".into()),
        ("show table names", format!("{names}0x0: key=a b use=1 exp=0 shard=0 gpc0=0\n\n")),
        ("clear table names key a\\ b", "Entry currently in use, cannot remove\n\n".into()),
        ("clear table per_ip key 192.0.2.2", "\n".into()),
        ("show table per_ip", format!("{}{first}\n", head(1))),
        ("clear table per_ip", "\n".into()),
        ("show table per_ip", format!("{}\n", head(0))),
        ("show table nope", "No such table\n\n".into()),
        ("clear table nope", "No such table\n\n".into()),
    ] {
        assert_eq!(bench.say(line), answer, "{line}");
    }
    bench.sight.state().counters().table(TableId(1)).unwrap().release(held, &[], now);
}
