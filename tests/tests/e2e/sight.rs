//! Operators' tools, as Debian and PyPI have them, at our admin socket and at a real HAProxy's with the same servers
//! behind it: they see the same, and what they do has the same effect.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use evenkeel_tests::lab::peer::Peer;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::topology::Host;
use evenkeel_tests::lab::wait::{SOON, until, until_true};
use evenkeel_tests::lab::{Backend, Lab, Node, Role};
use nix::sys::signal::Signal;

/// Both of them, on one machine.
pub(crate) struct Both {
    pub(crate) lab: Lab,
    node: Node,
    pub(crate) ours: PathBuf,
    pub(crate) theirs: PathBuf,
    _haproxy: Peer,
    _servers: [Backend; 2],
}

const OURS: &str = "[global]\nnbthread = 1\nmaxconn = 500\n\
     admin_socket = [{ path = \"@/admin.sock\", mode = \"600\", level = \"admin\", timeout = \"30s\" }]\n\
     [defaults]\ntimeout = { connect = \"2s\", client = \"30s\", server = \"30s\" }\n\
     [frontend.web]\nbind = [\"10.77.0.1:80\"]\nmaxconn = 100\ndefault_backend = \"app\"\n\
     http_request = [{ use_service = \"prometheus_exporter\", if = { path = \"/metrics\" } }]\n\
     [backend.app]\nbalance = \"roundrobin\"\nserver = [\n\
     { name = \"s1\", addr = \"10.77.0.11:8080\", check = true, inter = \"100ms\", weight = 50, maxconn = 20 },\n\
     { name = \"s2\", addr = \"10.77.0.12:8080\", check = true, inter = \"100ms\", weight = 50 },\n]\n";

const THEIRS: &str = "global\n nbthread 1\n maxconn 500\n stats socket @/sock level admin\n stats timeout 30s\n\
     defaults\n mode http\n timeout connect 2s\n timeout client 30s\n timeout server 30s\n\
     frontend web\n bind 10.77.0.1:81\n maxconn 100\n default_backend app\n\
     http-request use-service prometheus-exporter if { path /metrics }\n\
     backend app\n balance roundrobin\n fullconn 10\n\
     server s1 10.77.0.11:8080 check inter 100ms weight 50 maxconn 20\n server s2 10.77.0.12:8080 check inter 100ms weight 50\n";

impl Both {
    pub(crate) fn start() -> Self {
        Self::with(["", ""], |_| {})
    }

    /// With more sections, in which `@` is the directory of each, that has been prepared.
    pub(crate) fn with(sections: [&str; 2], prepare: impl Fn(&Scratch)) -> Self {
        let lab = Lab::new();
        let servers = Backend::pair(&lab.servers);
        let files = Arc::new(Scratch::new("sight"));
        let path = files.path().to_str().expect("a readable path").to_owned();
        prepare(&files);
        let config = format!("{OURS}{}", sections[0]);
        let node = Node::start_in(&lab.a, &config.replace('@', &path), &files);
        let theirs = |scratch: &Scratch| {
            let dir = scratch.path().to_str().expect("a readable path").to_owned();
            prepare(scratch);
            scratch.write("haproxy.cfg", &format!("{THEIRS}{}", sections[1]).replace('@', &dir));
        };
        let haproxy =
            Peer::start(&lab.a, "/usr/sbin/haproxy", "haproxy", &["-db", "-f", "@/haproxy.cfg"], theirs);
        let (ours, theirs) = (files.path().join("admin.sock"), haproxy.path().join("sock"));
        let both = Self { lab, node, ours, theirs, _haproxy: haproxy, _servers: servers };
        both.node.wait_fit();
        both.agree("UP,UP");
        both
    }

    /// The servers' states at one socket, as `UP,DOWN`.
    fn states(socket: &Path) -> Option<String> {
        let csv = ask(socket, "show stat app 4 -1")?;
        let rows = csv.lines().filter(|l| l.starts_with("app,"));
        Some(rows.filter_map(|l| l.split(',').nth(17)).collect::<Vec<_>>().join(","))
    }

    /// Waits until both think this of the servers.
    pub(crate) fn agree(&self, states: &str) {
        for socket in [&self.ours, &self.theirs] {
            until(&format!("{} says {states}", socket.display()), SOON, || {
                (Self::states(socket).as_deref() == Some(states)).then_some(())
            });
        }
    }

    /// Says it to both; they answer the same.
    fn say(&self, line: &str) -> String {
        let [ours, theirs] = [&self.ours, &self.theirs].map(|socket| ask(socket, line).expect("an answer"));
        assert_eq!(ours, theirs, "{line}");
        ours
    }

    /// Runs a program against both, `@` in its arguments being the socket; what it says and whether it was content.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> [(bool, String); 2] {
        [&self.ours, &self.theirs].map(|socket| run(&self.lab.a, program, args, socket))
    }
}

/// Says a line and hears the answer to its end.
pub(super) fn ask(socket: &Path, line: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(SOON)).ok()?;
    stream.write_all(format!("{line}\n").as_bytes()).ok()?;
    stream.shutdown(Shutdown::Write).unwrap_or_default();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

pub(super) fn run(host: &Host, program: &str, args: &[&str], socket: &Path) -> (bool, String) {
    let socket = socket.to_str().expect("a readable path");
    let args: Vec<String> = args.iter().map(|a| a.replace('@', socket)).collect();
    let program = program.to_owned();
    let out = host.ns.run(move || {
        Command::new(&program)
            .args(args)
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("{program}: {e}"))
    });
    let out = out.unwrap_or_else(|e| panic!("{e}: see tests/run for its package"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.success(), format!("{}{}", text(&out.stdout), text(&out.stderr)))
}

/// The tutorial's commands, and those of Ansible's module and of others, line by line.
#[test]
fn the_socket_answers_as_haproxys_does() {
    let both = Both::start();
    for line in [
        "disable server app/s1",
        "enable server app/s1",
        "get weight app/s1; enable server app/s1; enable agent app/s1; enable health app/s1; set weight app/s1 50",
        "get weight app/s1; disable server app/s1; shutdown sessions server app/s1",
        "set server app/s1 state ready",
        "set server app/s1 state bogus",
        "set server app/s1 weight 25%",
        "get weight app/s1",
        "set weight app/s1 50",
        "set weight app/s1 300",
        "set server app/s1 addr 10.77.0.11 port 8080",
        "disable server nope/s1",
        "disable server app/nope",
        "disable server s1",
        "disable frontend web",
        "disable frontend web",
        "enable frontend web",
        "enable frontend web",
        "set maxconn frontend web 90",
        "set maxconn server app/s1 10",
        "set maxconn global 400",
        "clear counters",
        "clear counters all",
        "set timeout cli 60",
        "show backend",
        "show table",
        "show map",
        "enable server app/s1\r",
    ] {
        both.say(line);
    }
    both.agree("UP,UP");
    let state = |line: &str| {
        // Without numbers of proxies, which depend on the version, and without times.
        let words: Vec<&str> = line.split(' ').collect();
        if words.len() < 20 { line.to_owned() } else { [&words[1..9], &words[10..]].concat().join(" ") }
    };
    for order in ["", "disable server app/s2", "set server app/s2 state drain", "enable server app/s2"] {
        if !order.is_empty() {
            both.say(order);
        }
        both.agree(if order.starts_with("disable") {
            "UP,MAINT"
        } else if order.contains("drain") {
            "UP,DRAIN"
        } else {
            "UP,UP"
        });
        let [ours, theirs] = [&both.ours, &both.theirs]
            .map(|socket| ask(socket, "show servers state").unwrap().lines().map(state).collect::<Vec<_>>());
        assert_eq!(ours, theirs, "after {order}");
    }
}

/// Columns that do not depend on when and how often somebody looks.
#[test]
fn statistics_are_haproxys_column_by_column() {
    let both = Both::start();
    for port in [80, 81] {
        for _ in 0..4 {
            let url = format!("http://10.77.0.1:{port}/");
            let (ok, said) = run(&both.lab.client, "curl", &["-sS", "--max-time", "5", &url], Path::new("/"));
            assert!(ok, "{said}");
        }
    }
    let table = |socket: &Path| {
        let csv = ask(socket, "show stat").unwrap();
        let header: Vec<String> = csv.lines().next().unwrap()[2..].split(',').map(str::to_owned).collect();
        let rows = csv.lines().skip(1).filter(|l| !l.is_empty());
        rows.map(|l| header.iter().cloned().zip(l.split(',').map(str::to_owned)).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let ours = table(&both.ours);
    let theirs = table(&both.theirs);
    assert_eq!(ours.len(), theirs.len());
    for (our, their) in ours.iter().zip(&theirs) {
        let row = &our[1].1;
        for (name, value) in our {
            if name == "-" {
                break;
            }
            let Some((_, expected)) = their.iter().find(|(n, _)| n == name) else { continue };
            let same = match name.as_str() {
                // Of Debian's version, of the moment, or of how heads are rewritten.
                "iid" | "rate" | "rate_max" | "req_rate" | "req_rate_max" | "conn_rate" | "conn_rate_max"
                | "bin" | "bout" | "lastchg" | "lastsess" | "check_duration" | "downtime" | "qtime"
                | "ctime" | "rtime" | "ttime" | "qtime_max" | "ctime_max" | "rtime_max" | "ttime_max"
                | "srv_icur" | "safe_conn_cur" | "idle_conn_cur" | "need_conn_est" | "used_conn_cur"
                | "src_ilim" | "slim" | "check_status" | "connect" | "reuse" => {
                    value.is_empty() == expected.is_empty()
                }
                _ => value == expected,
            };
            assert!(same, "{row}: {name} is {value:?}, HAProxy's {expected:?}");
        }
    }
}

/// monitoring-plugins-contrib.
#[test]
fn nagios_thinks_of_both_the_same() {
    let both = Both::start();
    let check = "/usr/lib/nagios/plugins/check_haproxy_stats";
    let agreed = |args: &[&str]| {
        // What it knows no word for is the result of a check while the next one is under way.
        let quiet = |(ok, said): (bool, String)| (ok, said.replace(" (check status: layer 4 check OK)", ""));
        let [ours, theirs] = both.run(check, args).map(quiet);
        assert_eq!(ours, theirs, "{args:?}");
        ours
    };
    assert!(agreed(&["-s", "@"]).0);
    both.say("disable server app/s1");
    both.agree("MAINT,UP");
    assert!(!agreed(&["-s", "@"]).0);
    assert!(agreed(&["-s", "@", "-m"]).0);
    both.say("set server app/s1 state drain");
    both.agree("DRAIN,UP");
    assert!(!agreed(&["-s", "@"]).0);
    assert!(agreed(&["-s", "@", "-n"]).0);
}

/// Debian's exporter for versions of HAProxy that have none.
#[test]
fn prometheus_exporter_exports_the_same_series() {
    let both = Both::start();
    let exported = |socket: &Path, port: u16| {
        let socket = socket.to_str().unwrap().to_owned();
        let args =
            [format!("--haproxy.scrape-uri=unix:{socket}"), format!("--web.listen-address=127.0.0.1:{port}")];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let _exporter = Peer::start(
            &both.lab.a,
            "/usr/bin/prometheus-haproxy-exporter",
            "prometheus-haproxy-exporter",
            &args,
            |_| {},
        );
        let url = format!("http://127.0.0.1:{port}/metrics");
        let text = until("the exporter answers", SOON, || {
            let (ok, text) = run(&both.lab.a, "curl", &["-sS", "--max-time", "5", &url], Path::new("/"));
            ok.then_some(text)
        });
        assert!(text.contains("\nhaproxy_up 1\n"), "{text}");
        assert!(text.contains("\nhaproxy_exporter_csv_parse_failures_total 0\n"), "{text}");
        let series =
            text.lines().filter(|l| l.starts_with("haproxy_") && !l.starts_with("haproxy_version_info"));
        series.filter_map(|l| Some(l.rsplit_once(' ')?.0.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(exported(&both.ours, 9101), exported(&both.theirs, 9102));
}

/// hatop, in a terminal: it looks, and a key of it takes a server out of service.
#[test]
fn hatop_shows_and_acts() {
    let both = Both::start();
    let [ours, theirs] = both.run("/usr/bin/python3", &["-c", HATOP, "@"]);
    assert_eq!(ours, theirs);
    assert!(ours.0 && ours.1.contains("app") && ours.1.contains("ended with 0"), "{}", ours.1);
}

/// Runs hatop in a terminal of its own until it has shown what it is to show; says what it has and how it ended.
const HATOP: &str = r#"
import os, pty, re, select, struct, fcntl, termios, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv('/usr/bin/hatop', ['hatop', '-i', '1', '-s', sys.argv[1]])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 50, 160, 0, 0))
seen, wanted = b'', [b'web', b'FRONTEND', b'app', b's1', b's2', b'BACKEND']
end = time.time() + 20
while time.time() < end and not all(w in seen for w in wanted):
    if select.select([fd], [], [], 0.1)[0]:
        try:
            seen += os.read(fd, 65536)
        except OSError:
            break
print('shows', ' '.join(w.decode() for w in wanted if w in seen))
os.write(fd, b'q')
while time.time() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        print('ended with', os.waitstatus_to_exitcode(status))
        break
    if select.select([fd], [], [], 0.1)[0]:
        try:
            os.read(fd, 65536)
        except OSError:
            pass
else:
    os.kill(pid, 9)
    print('did not end')
"#;

/// haproxyadmin of PyPI.
#[test]
fn haproxyadmin_sees_and_does_the_same() {
    let both = Both::start();
    // A star is before the result of a check while the next one is under way.
    let quiet = |(ok, text): (bool, String)| (ok, text.replace("* L4", "L4"));
    let [ours, theirs] = both.run("/usr/bin/python3", &["-c", HAPROXYADMIN, "@"]).map(quiet);
    assert_eq!(ours, theirs);
    assert!(ours.0, "{}", ours.1);
    both.agree("UP,UP");
}

const HAPROXYADMIN: &str = r"
import os, shutil, sys, tempfile
from haproxyadmin import haproxy, STATE_DISABLE, STATE_ENABLE
with tempfile.TemporaryDirectory() as d:
    os.symlink(sys.argv[1], os.path.join(d, 'one.sock'))
    h = haproxy.HAProxy(socket_dir=d)
    print([f.name for f in h.frontends()], [b.name for b in h.backends()])
    for s in sorted(h.servers(), key=lambda s: s.name):
        print(s.name, s.status, s.weight, s.address, s.port, s.check_status, s.metric('stot'), s.last_agent_check)
    one = h.server('s1', 'app')[0]
    print(one.setweight(20), one.weight)
    print(one.setweight(50), one.weight)
    for state in ['maint', 'drain', 'ready']:
        print(state, one.setstate(state), one.status.split()[0])
    web = h.frontend('web')
    print(web.status, web.maxconn, web.setmaxconn(80), web.maxconn, web.process_nb)
    print(web.disable(), web.status, web.enable(), web.status)
    print(h.setmaxconn(450), h.maxconn, h.clearcounters(), h.clearcounters(all=True))
    print(h.show_map(), h.command('show backend'), h.nodes if hasattr(h, 'nodes') else '')
    print(h.processids != [], h.totalrequests is not None, h.metric('CurrConns'))
";

/// The socket is the keeper's: it is there before, while and after a worker, and what operators want stays.
#[test]
fn the_socket_outlives_its_worker() {
    let both = Both::start();
    assert_eq!(
        ask(&both.ours, "set server app/s1 state drain; set weight app/s2 7").as_deref(),
        Some("\n\n")
    );
    // The keeper has it by then: changes are handed over in groups, milliseconds later.
    let uptime = || {
        let info = ask(&both.ours, "show info")?;
        info.lines().find_map(|l| l.strip_prefix("Uptime_sec: ")?.parse::<u64>().ok())
    };
    let then = uptime().expect("an uptime");
    until_true("two seconds have passed", SOON, || uptime().is_some_and(|now| now >= then + 2));
    both.node.signal(Role::Worker, Signal::SIGKILL);
    // Whoever comes now waits for the next worker.
    let states =
        until("the next worker answers", SOON, || Both::states(&both.ours).filter(|s| s.contains("DRAIN")));
    assert_eq!(states.split(',').next(), Some("DRAIN"));
    assert_eq!(ask(&both.ours, "get weight app/s2").as_deref(), Some("7 (initial 50)\n\n"));
    let path = both.ours.clone();
    let mut node = both.node;
    node.terminate();
    assert!(!path.exists(), "the file goes with the node");
}

/// `evenkeel server` is for those who have no socket.
#[test]
fn the_command_line_moves_servers_too() {
    let both = Both::start();
    let run_dir = both.node.scratch().path().join("run").to_str().unwrap().to_owned();
    let command = |args: &[&str]| {
        let args = [&["server"][..], args, &["--runtime-dir", &run_dir][..]].concat();
        evenkeel_tests::lab::node::run_to_end(&both.lab.a, &args)
    };
    let (code, out, _) = command(&["drain", "app/s1"]);
    assert_eq!((code, out.as_str()), (Some(0), "server app/s1  UP -> DRAIN, 0 running\n"));
    let (code, out, _) = command(&["maint", "app/s1", "--json"]);
    assert!(code == Some(0) && out.contains("\"to\": \"MAINT\""), "{out}");
    assert_eq!(Both::states(&both.ours).as_deref(), Some("MAINT,UP"));
    assert_eq!(command(&["ready", "app/s1"]).0, Some(0));
    for (wrong, why) in [("app/nope", "No such server."), ("nope/s1", "No such backend."), ("s1", "Require")]
    {
        let (code, _, err) = command(&["drain", wrong]);
        assert!(code == Some(1) && err.contains(why), "{wrong}: {code:?} {err}");
    }
    let (code, _, err) = evenkeel_tests::lab::node::run_to_end(
        &both.lab.a,
        &["server", "drain", "a/b", "--runtime-dir", "/nowhere"],
    );
    assert!(code == Some(1) && err.contains("no answer from a running evenkeel"), "{err}");
}

/// Prometheus' own view: what is served, beside HAProxy's exporter with the same servers.
#[test]
fn metrics_have_haproxys_names_and_more() {
    let both = Both::start();
    let scrape = |port: u16, query: &str| {
        let url = format!("http://10.77.0.1:{port}/metrics{query}");
        let (ok, text) = run(&both.lab.client, "curl", &["-sS", "--max-time", "5", &url], Path::new("/"));
        assert!(ok, "{text}");
        text
    };
    let types =
        |text: &str| text.lines().filter(|l| l.starts_with("# TYPE ")).map(str::to_owned).collect::<Vec<_>>();
    let documentation = include_str!("../../../docs/metrics.md");
    let ours = scrape(80, "");
    let theirs = scrape(81, "");
    let left_out =
        |line: &String| documentation.contains(&format!("| `{}` |", line.split(' ').nth(2).unwrap()));
    let is_new =
        |line: &str| line.contains("_pool_") || line.contains("listener") || line.contains("sticktable");
    for line in types(&theirs).iter().filter(|l| !is_new(l) && !left_out(l)) {
        assert!(types(&ours).contains(line), "{line}");
    }
    assert!(ours.contains("haproxy_server_status{proxy=\"app\",server=\"s1\",state=\"UP\"} 1\n"), "{ours}");
    until_true("requests are in the histograms", SOON, || {
        scrape(80, "?scope=evenkeel").lines().any(|l| {
            l.starts_with("evenkeel_frontend_request_duration_seconds_count{proxy=\"web\"}")
                && !l.ends_with(" 0")
        })
    });
    until_true("the keeper's part is there", SOON, || scrape(80, "").contains("\nevenkeel_worker_fit 1\n"));
    assert!(!scrape(80, "?scope=backend").contains("haproxy_frontend_"));
    let url = "http://10.77.0.1:80/metrics?scope=nothing";
    let (_, said) =
        run(&both.lab.client, "curl", &["-sS", "-o", "/dev/null", "-w", "%{http_code}", url], Path::new("/"));
    assert_eq!(said, "400");
}
