//! Another configuration while the node runs: a second worker takes over from the first, and nobody notices.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use evenkeel_tests::lab::node::run_to_end;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::topology::Host;
use evenkeel_tests::lab::wait::{SOON, until, until_true};
use evenkeel_tests::lab::{Backend, Lab, Node, Role};

use super::sight::{ask, run};

/// A node that is alone, and holds a virtual address. `@` is its directory.
const CONFIG: &str = "[global]\nnbthread = 2\n\
     admin_socket = [{ path = \"@/admin.sock\", mode = \"600\", level = \"admin\" }]\n\
     [defaults]\ntimeout = { connect = \"2s\", client = \"30s\", server = \"30s\" }\n\
     [frontend.web]\nbind = [\"10.77.0.1:80\"]\ndefault_backend = \"app\"\n\
     [frontend.raw]\nmode = \"tcp\"\nbind = [\"10.77.0.1:81\"]\ndefault_backend = \"raw\"\n\
     [frontend.old]\nbind = [\"10.77.0.1:83\"]\ndefault_backend = \"app\"\n\
     [table.clients]\ntype = \"ip\"\nsize = 1000\nexpire = \"10m\"\nstore = { http_req_cnt = true }\n\
     [backend.app]\nhttp_request = [{ track = { key = \"src\", table = \"clients\" } }]\nhttpchk = \"/health\"\ndefault_server = { inter = \"200ms\", check = true }\nserver = [\n\
     { name = \"s1\", addr = \"10.77.0.11:8080\", weight = 100 },\n{ name = \"s2\", addr = \"10.77.0.12:8080\", weight = 100 },\n]\n\
     [backend.raw]\nmode = \"tcp\"\nserver = [{ name = \"s1\", addr = \"10.77.0.11:8080\" }]\n\
     [vrrp.VI_1]\ninterface = \"eth0\"\nversion = 3\nvirtual_router_id = 51\npriority = 100\nadvert_int = \"100ms\"\n\
     virtual_ipaddress = [\"10.77.0.50/32\"]\n";

/// The same with one address more and one less, and a rule.
fn other(config: &str) -> String {
    config
        .replace("[frontend.old]\nbind = [\"10.77.0.1:83\"]", "[frontend.new]\nbind = [\"10.77.0.1:82\"]")
        .replace(
            "[frontend.web]\n",
            "[frontend.web]\nhttp_request = [{ return = { status = 403 }, if = { path = \"/new\" } }]\n",
        )
}

pub(super) struct Rig {
    pub(super) node: Node,
    pub(super) lab: Lab,
    pub(super) files: Arc<Scratch>,
    pub(super) config: String,
    _servers: [Backend; 2],
}

impl Rig {
    pub(super) fn start(name: &str) -> Self {
        Self::start_in(Arc::new(Scratch::new(name)))
    }

    pub(super) fn start_in(files: Arc<Scratch>) -> Self {
        Self::start_with(files, |config| config)
    }

    pub(super) fn start_with(files: Arc<Scratch>, change: impl Fn(String) -> String) -> Self {
        let lab = Lab::new();
        let servers = Backend::pair(&lab.servers);
        let config = change(CONFIG.replace('@', files.path().to_str().expect("a readable path")));
        let node = Node::start_in(&lab.a, &config, &files);
        node.wait_fit();
        node.wait_state("VI_1", "MASTER", SOON);
        Self { node, lab, files, config, _servers: servers }
    }

    /// Has the node read this.
    pub(super) fn reload(&self, config: &str) -> (Option<i32>, String) {
        self.files.write("evenkeel.toml", config);
        let directory = self.files.path().join("run").display().to_string();
        let (code, _, told) = run_to_end(&self.lab.a, &["reload", "--runtime-dir", &directory]);
        (code, told)
    }

    pub(super) fn status(&self, url: &str) -> String {
        let url = format!("http://10.77.0.1{url}");
        let args = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", &url];
        run(&self.lab.client, "curl", &args, Path::new("/")).1
    }

    /// A column of `show stat`.
    pub(super) fn counted(&self, proxy: &str, server: &str, column: &str) -> Option<u64> {
        let all = ask(&self.files.path().join("admin.sock"), "show stat")?;
        let mut lines = all.trim_start_matches("# ").lines();
        let at = lines.next()?.split(',').position(|name| name == column)?;
        let row = lines.find(|line| line.starts_with(&format!("{proxy},{server},")))?;
        row.split(',').nth(at)?.parse().ok()
    }

    /// Requests of the client, as the table has them.
    pub(super) fn tracked(&self) -> Option<u64> {
        let shown = ask(&self.files.path().join("admin.sock"), "show table clients")?;
        shown.split_once("http_req_cnt=")?.1.trim_end().parse().ok()
    }

    pub(super) fn transitions(&self) -> usize {
        self.node.transitions().len()
    }
}

/// Clients that ask one request after the other over connections that stay as long as the node lets them.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Result<(), String>>>,
}

impl Load {
    pub(super) fn start(host: &Host, clients: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |_| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            host.ns.spawn("client", move || {
                while !stop.load(Ordering::Relaxed) {
                    converse(&stop, &answered).map_err(|e| e.to_string())?;
                }
                Ok(())
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, answered, clients }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more have been answered.
    pub(super) fn wait(&self, more: u64) {
        let goal = self.answered() + more;
        until_true("requests are answered", SOON, || self.answered() >= goal || self.has_failed());
    }

    fn has_failed(&self) -> bool {
        self.clients.iter().any(JoinHandle::is_finished)
    }

    /// How many were answered; all of them were.
    pub(super) fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("no panic").expect("every request is answered");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

/// Requests over one connection, until the node says that it closes it.
fn converse(stop: &AtomicBool, answered: &AtomicU64) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(SocketAddr::from(([10, 77, 0, 1], 80)))?;
    stream.set_read_timeout(Some(SOON))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")?;
        let (status, closes) = answer(&mut answers)?;
        if status != "HTTP/1.1 200 OK" {
            return Err(std::io::Error::other(status));
        }
        answered.fetch_add(1, Ordering::Relaxed);
        if closes {
            break;
        }
    }
    Ok(())
}

/// Reads an answer. Its status line, and whether the connection is closed behind it.
fn answer(answers: &mut BufReader<TcpStream>) -> std::io::Result<(String, bool)> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        return Err(std::io::Error::other("closed without an answer"));
    }
    let status = line.trim_end().to_owned();
    let (mut closes, mut length) = (false, 0);
    loop {
        line.clear();
        answers.read_line(&mut line)?;
        let field = line.trim_end().to_ascii_lowercase();
        if field.is_empty() {
            break;
        }
        closes |= field == "connection: close";
        if let Some(text) = field.strip_prefix("content-length: ") {
            length = text.parse().map_err(std::io::Error::other)?;
        }
    }
    answers.read_exact(&mut vec![0; length])?;
    Ok((status, closes))
}

/// A connection of mode tcp, over which the server is asked.
pub(super) struct Tunnel {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
}

impl Tunnel {
    pub(super) fn open(host: &Host) -> Self {
        let at = SocketAddr::from(([10, 77, 0, 1], 81));
        let stream = host.ns.run(move || TcpStream::connect(at)).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a time limit");
        let answers = BufReader::new(stream.try_clone().expect("a descriptor"));
        Self { stream, answers }
    }

    pub(super) fn ask(&mut self) -> String {
        self.stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("it takes a request");
        answer(&mut self.answers).expect("an answer").0
    }
}

#[test]
fn another_configuration_comes_into_use_and_nobody_notices() {
    let rig = Rig::start("takeover");
    let socket = rig.files.path().join("admin.sock");
    let drained = || ask(&socket, "show servers state app").unwrap_or_default();
    let is_drained =
        |text: &str| text.lines().any(|l| l.contains(" s2 ") && l.split(' ').nth(6) == Some("8"));
    assert_eq!(ask(&socket, "set server app/s2 state drain").as_deref(), Some("\n"));
    assert_eq!(ask(&socket, "set weight app/s1 50%").as_deref(), Some("\n"));
    assert!(is_drained(&drained()), "{}", drained());
    let mut tunnel = Tunnel::open(&rig.lab.client);
    assert_eq!(tunnel.ask(), "HTTP/1.1 200 OK");
    assert_eq!((rig.status("/new"), rig.status(":83/")), ("200".into(), "200".into()));
    let (before, transitions) = (rig.node.pid(Role::Worker), rig.transitions());
    let tracked = rig.tracked().expect("a count");
    assert!(tracked >= 2, "{tracked}");
    let (code, told) = rig.reload(&rig.config.replace("nbthread = 2", "nbthread = 1"));
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert_eq!(rig.tracked(), Some(tracked), "the second worker has the table");
    let load = Load::start(&rig.lab.client, 4);
    load.wait(50);

    let (code, told) = rig.reload(&other(&rig.config));
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert_eq!((rig.status("/new"), rig.status(":82/")), ("403".into(), "200".into()), "it is in use");
    until_true("the address is given up", SOON, || rig.status(":83/") == "000");
    load.wait(50);
    assert!(load.stop() >= 100);
    // What operators want goes on, and what is connected lives on.
    assert!(is_drained(&drained()), "{}", drained());
    assert!(
        drained().lines().any(|l| l.contains(" s1 ") && l.split(' ').nth(7) == Some("50")),
        "{}",
        drained()
    );
    assert_eq!(tunnel.ask(), "HTTP/1.1 200 OK");
    let workers: BTreeSet<_> = rig.node.pids(Role::Worker).into_iter().collect();
    assert!(workers.len() == 2 && workers.contains(&before), "the first one has the tunnel: {workers:?}");
    drop(tunnel);
    until("the first worker ends", SOON, || (!rig.node.pids(Role::Worker).contains(&before)).then_some(()));
    assert_eq!(rig.transitions(), transitions, "the routers have seen nothing");
    assert_eq!(rig.node.status_at("/worker/lost"), 0);
    assert_eq!(rig.status("/"), "200");
}

#[test]
fn a_configuration_that_is_no_good_changes_nothing() {
    let rig = Rig::start("no-takeover");
    let taken = rig.lab.a.ns.run(|| TcpListener::bind("10.77.0.1:84")).expect("an address");
    let worker = rig.node.pid(Role::Worker);
    for (from, to, why) in [
        ("default_backend = \"app\"", "default_backend = \"ap\"", "evenkeel.toml:8:"),
        ("virtual_router_id", "script_user = \"nobody-here\"\nvirtual_router_id", "script_user"),
        ("10.77.0.1:83", "10.77.0.1:84", "cannot listen on 10.77.0.1:84"),
    ] {
        let (code, told) = rig.reload(&rig.config.replace(from, to));
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(why) && told.contains("nothing was replaced"), "{told}");
        assert_eq!((rig.status("/"), rig.status(":83/")), ("200".into(), "200".into()));
    }
    drop(taken);
    let (code, told) = rig.reload(&rig.config);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert_eq!(rig.node.pids(Role::Worker), [worker], "nothing is new");
    assert_eq!(rig.reload(&other(&rig.config)).0, Some(0));
    assert_eq!(rig.status("/new"), "403");
}

#[test]
fn virtual_routers_and_admin_sockets_change_while_the_address_stays() {
    // A busy machine may not come back within the 250 ms that 100 ms between adverts allow.
    let files = Arc::new(Scratch::new("other-routers"));
    let rig =
        Rig::start_with(files, |config| config.replace("advert_int = \"100ms\"", "advert_int = \"1s\""));
    let transitions = rig.transitions();
    let vip =
        || run(&rig.lab.client, "curl", &["-s", "--max-time", "5", "http://10.77.0.50/"], Path::new("/"));
    let holds = |addr: &str| rig.lab.a.has(addr.parse().expect("an address"));
    let has_moved = || rig.node.transitions()[transitions..].iter().any(|t| t.instance == "VI_1");
    // Another priority, another interval, a script, one address more; another router; another level of the socket.
    let mut config = rig.config.replace("level = \"admin\"", "level = \"operator\"");
    config = config.replace(
        "priority = 100\nadvert_int = \"1s\"",
        "priority = 90\nadvert_int = \"2s\"\ntrack = [\"data_plane\", \"true\"]",
    );
    config = config.replace("bind = [\"10.77.0.1:80\"]", "bind = [\"10.77.0.1:80\", \"10.77.0.50:80\"]");
    config = config.replace(
        "virtual_ipaddress = [\"10.77.0.50/32\"]",
        "virtual_ipaddress = [\"10.77.0.50/32\", \"10.77.0.51/32\"]",
    );
    let fewer = config.clone();
    config.push_str(
        "[vrrp_script.true]\nscript = \"/bin/true\"\n[vrrp.VI_2]\ninterface = \"eth0\"\nversion = 3\n\
         virtual_router_id = 52\npriority = 100\nadvert_int = \"100ms\"\nvirtual_ipaddress = [\"10.77.0.52/32\"]\n",
    );
    let (code, told) = rig.reload(&config);
    assert_eq!((code, told.as_str()), (Some(0), "virtual router VI_2 (eth0, VRID 52) begins\n"));
    let status = |pointer: &str| rig.node.status_at(pointer);
    assert_eq!((status("/vrrp/0/state"), status("/vrrp/0/effective_priority")), ("MASTER".into(), 90.into()));
    until_true("the other address", SOON, || holds("10.77.0.51"));
    assert!(vip().0);
    until_true("the other router", SOON, || holds("10.77.0.52"));
    assert!(!has_moved(), "{:?}", rig.node.transitions());
    let socket = rig.files.path().join("admin.sock");
    let refused = ask(&socket, "set weight app/s1 50%").unwrap_or_default();
    assert!(refused.contains("Permission denied"), "{refused}");

    // And back: the second router lets go.
    let fewer = fewer.replace("track = [\"data_plane\", \"true\"]", "");
    let (code, told) = rig.reload(&fewer);
    assert_eq!(
        (code, told.as_str()),
        (Some(0), "virtual router VI_2 (eth0, VRID 52) lets go of its addresses\n")
    );
    until_true("it has let go", SOON, || !holds("10.77.0.52"));
    assert!(holds("10.77.0.50") && holds("10.77.0.51"));
    assert!(!has_moved(), "{:?}", rig.node.transitions());
    assert!(vip().0);
}

/// `EVENKEEL_RELOADS=1000` for as many as a release has to bear.
#[test]
fn one_reload_after_the_other_loses_no_request() {
    let rig = Rig::start("takeovers");
    let count = std::env::var("EVENKEEL_RELOADS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let transitions = rig.transitions();
    let mut tunnel = Tunnel::open(&rig.lab.client);
    let load = Load::start(&rig.lab.client, 4);
    let configs = [other(&rig.config), rig.config.clone()];
    for number in 0..count {
        let (code, told) = rig.reload(&configs[number % 2]);
        assert_eq!((code, told.as_str()), (Some(0), ""), "reload {number}");
        let is_new = rig.status("/new");
        assert_eq!(is_new, if number % 2 == 0 { "403" } else { "200" }, "reload {number}");
        assert_eq!(tunnel.ask(), "HTTP/1.1 200 OK");
        load.wait(1);
    }
    let answered = load.stop();
    assert!(answered > count as u64, "{answered}");
    assert_eq!(rig.transitions(), transitions);
    assert_eq!(rig.node.status_at("/worker/lost"), 0);
    // Every worker has counted some of them.
    let all = answered + count as u64;
    until_true("all are counted", SOON, || rig.counted("web", "FRONTEND", "req_tot") >= Some(all));
    assert_eq!(rig.counted("web", "FRONTEND", "req_tot"), Some(all));
    assert_eq!(rig.counted("web", "FRONTEND", "hrsp_5xx"), Some(0));
    drop(tunnel);
    until_true("one worker is left", SOON, || rig.node.pids(Role::Worker).len() == 1);
}
