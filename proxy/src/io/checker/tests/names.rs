//! Servers that have a name, against a real name server: Debian's dnsmasq on loopback.

use std::net::{IpAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::health::Cause;
use crate::names::{Hold, InitAddr, Name, Prefer, Resolvers, ResolversId, Unresolved};

/// A running dnsmasq that knows `test` and nothing else; ended when dropped.
struct Dnsmasq {
    at: SocketAddr,
    hosts: PathBuf,
    process: Child,
}

impl Dnsmasq {
    /// Begins with these lines of a hosts file.
    fn start(hosts: &str) -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let file =
            std::env::temp_dir().join(format!("evenkeel-hosts-{}-{}", std::process::id(), free.port()));
        std::fs::write(&file, hosts).unwrap();
        let process = Command::new("dnsmasq")
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root"])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts"])
            .arg("--local=/test/")
            .arg(format!("--port={}", free.port()))
            .arg(format!("--addn-hosts={}", file.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = process.expect("dnsmasq is installed (apt-get install dnsmasq-base)");
        Self { at: free, hosts: file, process }
    }

    fn turn(&self, hosts: &str) {
        std::fs::write(&self.hosts, hosts).unwrap();
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), Signal::SIGHUP).unwrap();
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        // What has ended already needs no killing.
        self.process.kill().unwrap_or_default();
        drop(self.process.wait());
        std::fs::remove_file(&self.hosts).unwrap_or_default();
    }
}

fn named(count: usize, port: u16, nameserver: SocketAddr, config: Option<&CheckConfig>) -> Plan {
    known_to(vec![nameserver], count, port, config)
}

pub(super) fn known_to(
    nameservers: Vec<SocketAddr>,
    count: usize,
    port: u16,
    config: Option<&CheckConfig>,
) -> Plan {
    let (port, init) = (Some(port), [InitAddr::Last].into());
    let name = Name { host: "app.test".into(), port, resolvers: ResolversId(0), prefer: Prefer::V4, init };
    let one = || Server { addr: ServerAddr::Named(name.clone()), check: config.cloned(), ..server(1) };
    let hold = Hold { nx: Duration::ZERO, ..Hold::default() };
    let resolvers = Resolvers {
        name: "dns".into(),
        nameservers,
        hold,
        retries: 1,
        answer_within: Duration::from_millis(500),
        every: Duration::from_millis(20),
        payload_bytes: 1232,
    };
    plan((0..count).map(|_| one()).collect()).with_resolvers(vec![resolvers]).unwrap()
}

/// Waits for it, whatever comes before.
pub(super) async fn until(events: &mut mpsc::Receiver<Event>, wanted: impl Fn(&Turn) -> bool) -> Turn {
    loop {
        let turn = next(events).await;
        if wanted(&turn) {
            return turn;
        }
    }
}

pub(super) fn endpoint(ip: &str, port: u16) -> Endpoint {
    SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port).into()
}

#[tokio::test]
async fn a_server_follows_its_name() {
    let here = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = here.local_addr().unwrap().port();
    let dns = Dnsmasq::start("127.0.0.2 app.test\n");
    let slow = CheckConfig { inter: PATIENCE * 6, fall: 1, ..quick(Script::default()) };
    let plan = named(1, port, dns.at, Some(&slow));
    let (checker, state, mut events) = start(plan, 1024);
    assert_eq!(until(&mut events, |t| !matches!(t, Turn::Unresolved(_))).await, Turn::Resolved);
    let at = |state: &State| state.addresses().endpoint(ServerId(0)).as_deref().cloned();
    assert_eq!(at(&state), Some(endpoint("127.0.0.2", port)));
    timeout(PATIENCE, checker.first_round().wait_for(|done| *done)).await.unwrap().unwrap();
    assert!(pick(&state, Wish::default()).is_some(), "checked where it is");

    dns.turn("127.0.0.3 app.test\n");
    let (from, to) = (endpoint("127.0.0.2", port), endpoint("127.0.0.3", port));
    assert_eq!(next(&mut events).await, Turn::Moved(from, to.clone()));
    assert_eq!(at(&state), Some(to));
    assert!(matches!(next(&mut events).await, Turn::Down(_)), "checked there at once, where nobody is");

    dns.turn("127.0.0.2 other.test\n");
    assert_eq!(next(&mut events).await, Turn::Unresolved(Unresolved::Nx));
    assert_eq!((at(&state), pick(&state, Wish::default())), (None, None));
    let report = &checker.report()[0];
    assert_eq!((report.operational, report.is_lost), (Operational::Maint, true));
    assert_eq!(report.unresolved, Some(Unresolved::Nx));
    assert_eq!(report.history.last().unwrap().cause, Cause::Unresolved(Unresolved::Nx));

    checker.set_admin(ServerId(0), AdminState::Maint);
    checker.set_admin(ServerId(0), AdminState::Ready);
    assert_eq!(pick(&state, Wish::default()), None, "leaving maintenance does not say where it is");

    dns.turn("127.0.0.2 app.test\n");
    until(&mut events, |t| matches!(t, Turn::Resolved)).await;
    assert!(pick(&state, Wish::default()).is_some());
}

#[tokio::test]
async fn servers_of_one_name_get_an_address_each() {
    let dns = Dnsmasq::start("127.0.0.2 app.test\n127.0.0.3 app.test\n");
    let (_checker, state, mut events) = start(named(3, 80, dns.at, None), 1024);
    until(&mut events, |t| *t == Turn::Unresolved(Unresolved::NoneLeft)).await;
    let all = || (0..3).filter_map(|id| state.addresses().endpoint(ServerId(id)));
    let mut found: Vec<String> = all().map(|at| at.to_string()).collect();
    found.sort();
    assert_eq!(found, ["127.0.0.2:80", "127.0.0.3:80"]);
}

#[tokio::test]
async fn a_replacement_knows_where_servers_were() {
    let dns = Dnsmasq::start("127.0.0.2 app.test\n");
    let (checker, _, mut events) = start(named(1, 80, dns.at, None), 1024);
    until(&mut events, |t| *t == Turn::Resolved).await;
    let snapshot = checker.snapshot();
    drop(checker);

    let plan = Arc::new(named(1, 80, nobody().await, None));
    let state = Arc::new(State::new(&plan));
    let (sender, _events) = mpsc::channel(16);
    let _checker = Checker::start(plan, Arc::clone(&state), 2, Some(&snapshot), sender).unwrap();
    assert_eq!(state.addresses().endpoint(ServerId(0)).as_deref(), Some(&endpoint("127.0.0.2", 80)));
    assert!(pick(&state, Wish::default()).is_some(), "while name servers are silent");
}
