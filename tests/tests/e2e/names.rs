//! Servers that have a name, while its records change under traffic. The name server is Debian's dnsmasq.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use evenkeel_tests::lab::backend::Backend;
use evenkeel_tests::lab::peer::Peer;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{Lab, Node, Prober};
use nix::sys::signal::Signal;

/// dnsmasq on the node's loopback, which knows these hosts and these records of services.
fn dnsmasq(lab: &Lab, hosts: &str, services: &[&str]) -> Peer {
    let services: Vec<String> = services.iter().map(|s| format!("--srv-host={s}")).collect();
    let mut args = vec![
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--pid-file=",
        "--user=root",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--no-resolv",
        "--no-hosts",
        "--local=/test/",
        "--local-ttl=1",
        "--addn-hosts=@/hosts",
    ];
    args.extend(services.iter().map(String::as_str));
    Peer::start(&lab.a, "/usr/sbin/dnsmasq", "dnsmasq-base", &args, |scratch| {
        scratch.write("hosts", hosts);
    })
}

fn turn(dns: &Peer, hosts: &str) {
    std::fs::write(dns.path().join("hosts"), hosts).unwrap();
    dns.signal(Signal::SIGHUP);
}

fn config(servers: &str) -> String {
    format!(
        "[defaults]\ntimeout = {{ connect = \"2s\", client = \"5s\", server = \"5s\" }}\n\
         [resolvers.dns]\nnameserver = \"127.0.0.1:53\"\nresolve_retries = 1\n\
         hold = {{ valid = \"1h\", nx = \"0s\", timeout = \"1h\" }}\n\
         timeout = {{ resolve = \"100ms\", retry = \"200ms\" }}\n\
         [listen.web]\nbind = \"*:80\"\n{servers}\n"
    )
}

/// State, weight and reason of all servers.
fn servers(node: &Node) -> Vec<String> {
    let all = node.status_at("/proxy/servers");
    let word = |server: &serde_json::Value, key: &str| server[key].to_string().replace('"', "");
    let one =
        |s: &serde_json::Value| format!("{} {} {}", word(s, "state"), word(s, "weight"), word(s, "check"));
    all.as_array().map(|all| all.iter().map(|s| one(s).trim_end().to_owned()).collect()).unwrap_or_default()
}

fn become_so(node: &Node, wanted: &[&str]) {
    wait::until_true(&format!("servers are {wanted:?}"), SOON, || servers(node) == wanted);
}

fn web() -> SocketAddr {
    SocketAddr::from(([10, 77, 0, 1], 80))
}

/// Nothing fails from now until `happens` has, and then for a while.
fn unharmed(prober: &Prober, happens: impl FnOnce()) {
    let begin = Instant::now();
    happens();
    prober.run_for(Duration::from_millis(300));
    let report = prober.report().since(begin);
    assert!(report.served() > 10 && report.failed() == 0, "{report}");
}

const NONE: &str = "MAINT (resolution) 1 No IP for server";

#[test]
fn servers_follow_the_addresses_of_their_name() {
    let lab = Lab::new();
    let [one, two] = Backend::pair(&lab.servers);
    let port = one.address.port();
    let dns = dnsmasq(&lab, "10.77.0.11 app.test\n", &[]);
    let template =
        format!("server_template = [{{ prefix = \"web\", range = \"3\", addr = \"app.test:{port}\" }}]");
    let node = Node::start(&lab.a, &config(&template));
    let prober = Prober::start(&lab.client, web());
    prober.wait_answer(SOON);
    become_so(&node, &["no check 1", NONE, NONE]);
    unharmed(&prober, || {
        turn(&dns, "10.77.0.11 app.test\n10.77.0.12 app.test\n");
        become_so(&node, &["no check 1", "no check 1", NONE]);
        wait::until_true("the second one is used", SOON, || two.requests() > 10);
    });
    unharmed(&prober, || {
        turn(&dns, "10.77.0.12 app.test\n");
        become_so(&node, &[NONE, "no check 1", NONE]);
    });
    // What was under way has ended by then.
    prober.run_for(Duration::from_millis(100));
    let left = one.requests();
    prober.run_for(Duration::from_millis(300));
    assert_eq!(one.requests(), left, "nobody goes where the name does not lead any more");
    unharmed(&prober, || {
        turn(&dns, "10.77.0.12 app.test\n10.77.0.11 app.test\n");
        become_so(&node, &["no check 1", "no check 1", NONE]);
    });

    // A name server that dies takes nobody with it.
    unharmed(&prober, || {
        dns.signal(Signal::SIGKILL);
        wait::holds("servers stay", Duration::from_secs(2), || {
            servers(&node) == ["no check 1", "no check 1", NONE]
        });
    });
    drop(dns);

    // It is back, and knows the name no more.
    let _dns = dnsmasq(&lab, "10.77.0.11 other.test\n", &[]);
    let gone = "MAINT (resolution) 1 DNS NX status";
    become_so(&node, &[gone, gone, NONE]);
}

#[test]
fn nothing_waits_for_a_name_server() {
    let lab = Lab::new();
    let [one, _two] = Backend::pair(&lab.servers);
    let port = one.address.port();
    let config = config(&format!(
        "server = [\n {{ name = \"named\", addr = \"app.test:{port}\" }},\n \
         {{ name = \"placed\", addr = \"other.test:{port}\", init_addr = \"10.77.0.11\" }},\n]"
    ));
    let node = Node::start(&lab.a, &config);
    let prober = Prober::start(&lab.client, web());
    prober.wait_answer(SOON);
    // Nobody answers on port 53: that is told at once, and where the other one begins holds.
    become_so(&node, &["MAINT (resolution) 1 DNS timeout status", "no check 1"]);
    unharmed(&prober, || {
        let _dns = dnsmasq(&lab, "10.77.0.12 app.test\n10.77.0.11 other.test\n", &[]);
        become_so(&node, &["no check 1", "no check 1"]);
    });
}

#[test]
fn servers_follow_the_records_of_a_service() {
    let lab = Lab::new();
    let [one, two] = Backend::pair(&lab.servers);
    let port = one.address.port();
    let hosts = "10.77.0.11 one.test\n10.77.0.12 two.test\n";
    let record = |host: &str, weight: u16| format!("_http._tcp.app.test,{host}.test,{port},10,{weight}");
    let (first, second, heavier) = (record("one", 10), record("two", 30), record("two", 90));
    let dns = dnsmasq(&lab, hosts, &[&first]);
    let node = Node::start(
        &lab.a,
        &config("server_template = [{ prefix = \"web\", range = \"1-2\", addr = \"_http._tcp.app.test\" }]"),
    );
    let prober = Prober::start(&lab.client, web());
    prober.wait_answer(SOON);
    become_so(&node, &["no check 10", NONE]);
    let at: IpAddr = one.address.ip();
    assert_eq!(node.status_at("/proxy/servers/0/address"), format!("{at}:{port}"));

    // dnsmasq reads its records of services when it starts: in between nobody answers.
    drop(dns);
    let dns = dnsmasq(&lab, hosts, &[&first, &second]);
    unharmed(&prober, || {
        become_so(&node, &["no check 10", "no check 30"]);
        wait::until_true("the second one is used", SOON, || two.requests() > 10);
    });
    drop(dns);
    let dns = dnsmasq(&lab, hosts, &[&first, &heavier]);
    unharmed(&prober, || become_so(&node, &["no check 10", "no check 90"]));
    drop(dns);
    let _dns = dnsmasq(&lab, hosts, &[&heavier]);
    let removed = "MAINT (resolution) 10 entry removed from SRV record";
    unharmed(&prober, || become_so(&node, &[removed, "no check 90"]));
}
