//! What agents say and what requests show, to HAProxy and to us at once: both think the same of the server.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evenkeel_tests::lab::peer::{Oracle, Standing};
use evenkeel_tests::lab::topology::Host;
use evenkeel_tests::lab::wait::{SOON, until};
use evenkeel_tests::lab::{Lab, Node};

/// Answers every connection, once it has said what it is to say, and closes it.
struct Answering {
    host: Host,
    at: SocketAddr,
    told: Arc<Told>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Told {
    stop: AtomicBool,
    answered: AtomicU64,
    line: Mutex<String>,
}

impl Answering {
    fn start(host: &Host, port: u16, answer: impl Fn(&mut TcpStream, &str) + Send + 'static) -> Self {
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = host.ns.run(move || TcpListener::bind(at)).expect("bind");
        let told = Arc::new(Told::default());
        let of_thread = Arc::clone(&told);
        let serve = move || {
            while let Ok((mut stream, _)) = listener.accept() {
                if of_thread.stop.load(Ordering::Relaxed) {
                    return;
                }
                stream.set_read_timeout(Some(SOON)).expect("set a timeout");
                let line = of_thread.line.lock().unwrap().clone();
                answer(&mut stream, &line);
                of_thread.answered.fetch_add(1, Ordering::Relaxed);
            }
        };
        Self { host: host.clone(), at, told, thread: Some(std::thread::spawn(serve)) }
    }

    /// An agent, which says one line to whoever asks.
    fn agent(host: &Host, port: u16) -> Self {
        // Whoever asks may have gone before the answer.
        Self::start(host, port, |stream, line| stream.write_all(line.as_bytes()).unwrap_or_default())
    }

    /// A web server whose status is the path that is asked for.
    fn site(host: &Host, port: u16) -> Self {
        Self::start(host, port, |stream, _| {
            let mut head = Vec::new();
            let mut byte = [0];
            // A check connects and says nothing.
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            if let Some(status) = head.split([' ', '/']).nth(2) {
                let answer =
                    format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap_or_default();
            }
        })
    }

    /// A web server whose status is what it is told to say, and whose ears are `heard`.
    fn moody_site(host: &Host, port: u16, heard: Arc<Mutex<BTreeSet<String>>>) -> Self {
        Self::start(host, port, move |stream, line| {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            heard.lock().unwrap().extend(head.lines().map(ToOwned::to_owned));
            let answer = format!("HTTP/1.0 {} So\r\nContent-Length: 0\r\n\r\n", line.trim());
            stream.write_all(answer.as_bytes()).unwrap_or_default();
        })
    }

    /// Says this from now on; returns when two have heard it.
    fn say(&self, line: &str) {
        *self.told.line.lock().unwrap() = format!("{line}\n");
        let before = self.told.answered.load(Ordering::Relaxed);
        // The one under way may have had the line before.
        until("the agent to be asked", SOON, || {
            (self.told.answered.load(Ordering::Relaxed) >= before + 3).then_some(())
        });
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.told.stop.store(true, Ordering::Relaxed);
        let at = self.at;
        // Wakes it; where nothing listens any more it has ended.
        self.host.ns.run(move || TcpStream::connect(at).map(drop).unwrap_or_default());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_default();
        }
    }
}

/// What we think of the server, in HAProxy's terms.
fn ours(node: &Node) -> Option<Standing> {
    let server = node.status_at("/proxy/servers/0");
    Some(Standing {
        state: server["state"].as_str()?.to_owned(),
        weight: server["weight"].as_u64()?,
        maxconn: server["maxconn"].as_u64(),
    })
}

/// Both think the same, soon, and what that is.
fn agreed(oracle: &Oracle, node: &Node, after: &str) -> Standing {
    let deadline = Instant::now() + SOON;
    loop {
        let (theirs, ours) = (oracle.standing(), ours(node));
        if theirs.is_some() && theirs == ours {
            return ours.unwrap();
        }
        assert!(Instant::now() < deadline, "after {after}: haproxy {theirs:?}, ours {ours:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_agent_is_understood_as_by_haproxy() {
    let lab = Lab::new();
    let _site = Answering::site(&lab.a, 80);
    let (one, other) = (Answering::agent(&lab.a, 9001), Answering::agent(&lab.a, 9002));
    let oracle = Oracle::start(
        &lab.a,
        " server s 127.0.0.1:80 weight 40 maxconn 20 check inter 100ms agent-check agent-port 9001 agent-inter 20ms",
    );
    let node = Node::start(
        &lab.a,
        "[backend.b]\ntimeout = { connect = \"2s\", server = \"5s\" }\n\
         default_server = { inter = \"100ms\", agent_inter = \"20ms\" }\n\
         server = [{ name = \"s\", addr = \"127.0.0.1:80\", weight = 40, maxconn = 20, check = true, \
         agent_check = true, agent_port = 9002 }]\n",
    );
    let standing = |state: &str, weight, maxconn| Standing { state: state.into(), weight, maxconn };
    let cases = [
        ("up", standing("UP", 40, Some(20))),
        ("50%", standing("UP", 20, Some(20))),
        ("down # disk is full", standing("DOWN", 20, Some(20))),
        ("100%", standing("DOWN", 40, Some(20))),
        ("UP 75% maxconn:10", standing("UP", 30, Some(10))),
        ("drain", standing("DRAIN", 30, Some(10))),
        ("down", standing("DOWN", 30, Some(10))),
        ("up,ready", standing("UP", 30, Some(10))),
        ("stopped\t100%", standing("DOWN", 40, Some(10))),
        ("up", standing("UP", 40, Some(10))),
        ("failed 50%", standing("UP", 20, Some(10))),
        ("down#why 100%", standing("UP", 40, Some(10))),
        ("fail", standing("DOWN", 40, Some(10))),
        ("up#why 50% # up", standing("DOWN", 20, Some(10))),
        ("100%,# up", standing("DOWN", 40, Some(10))),
        ("maint", standing("MAINT", 40, Some(10))),
        ("ready up", standing("UP", 40, Some(10))),
        ("nonsense", standing("UP", 40, Some(10))),
        ("nonsense 10%", standing("UP", 4, Some(10))),
        ("300%", standing("UP", 120, Some(10))),
        ("1000% maxconn:0", standing("UP", 256, None)),
        ("0%", standing("UP", 0, None)),
        ("101% up maxconn:7 # why not", standing("UP", 40, Some(7))),
    ];
    for (line, expected) in cases {
        one.say(line);
        other.say(line);
        assert_eq!(agreed(&oracle, &node, line), expected, "{line}");
    }
}

/// Asks for a status and returns what comes.
fn ask(host: &Host, port: u16, status: u16) -> String {
    host.ns.run(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_read_timeout(Some(SOON)).expect("set a timeout");
        let request = format!("GET /{status} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("ask");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    })
}

#[test]
fn failing_requests_are_weighed_as_by_haproxy() {
    let lab = Lab::new();
    let cases: [(&str, &[u16], &str); 5] = [
        ("fail-check", &[500, 404, 500, 500, 501, 503, 503], "UP"),
        ("fail-check", &[500, 502, 503], "UP 2/3"),
        ("fail-check", &[500, 500, 500, 500, 500, 500], "UP 1/3"),
        ("sudden-death", &[500, 500, 504], "UP 1/3"),
        ("mark-down", &[200, 500, 500, 505, 500, 500, 500], "DOWN"),
    ];
    let _site = Answering::site(&lab.a, 80);
    for (on_error, statuses, state) in cases {
        let oracle = Oracle::start(
            &lab.a,
            &format!(
                " mode http\n server s 127.0.0.1:80 check inter 1h fall 3 rise 2 observe layer7 error-limit 3 \
                 on-error {on_error}\nfrontend f\n mode http\n bind 127.0.0.1:8001\n default_backend b"
            ),
        );
        let node = Node::start(
            &lab.a,
            &format!(
                "[defaults]\nlog = false\n\
                 timeout = {{ connect = \"2s\", client = \"5s\", server = \"5s\", check = \"2s\" }}\n\
                 [frontend.f]\nbind = \"127.0.0.1:8002\"\ndefault_backend = \"b\"\n[backend.b]\n\
                 server = [{{ name = \"s\", addr = \"127.0.0.1:80\", check = true, inter = \"1h\", fall = 3, \
                 rise = 2, observe = \"layer7\", error_limit = 3, on_error = \"{on_error}\" }}]\n"
            ),
        );
        assert_eq!(agreed(&oracle, &node, "the first check").state, "UP", "{on_error}");
        for status in statuses {
            let answers = [ask(&lab.a, 8001, *status), ask(&lab.a, 8002, *status)];
            assert_eq!(answers, [status.to_string(), status.to_string()], "{on_error} {statuses:?}");
        }
        let what = format!("{on_error} {statuses:?}");
        until(&what, SOON, || (ours(&node)?.state == state).then_some(()));
        assert_eq!(agreed(&oracle, &node, &what).state, state, "{what}");
    }
}

#[test]
fn a_server_says_by_404_that_it_wants_no_more_as_to_haproxy() {
    let lab = Lab::new();
    let heard = Arc::new(Mutex::new(BTreeSet::new()));
    let site = Answering::moody_site(&lab.a, 80, Arc::clone(&heard));
    *site.told.line.lock().unwrap() = "200".into();
    let oracle = Oracle::start(
        &lab.a,
        " mode http\n option httpchk GET / HTTP/1.0\n http-check disable-on-404\n http-check send-state\n \
         server s 127.0.0.1:80 check inter 20ms fall 3 rise 2",
    );
    let node = Node::start(
        &lab.a,
        "[backend.b]\ntimeout = { connect = \"2s\", server = \"5s\", check = \"2s\" }\n\
         httpchk = \"GET / HTTP/1.0\"\ndisable_on_404 = true\nsend_state = true\n\
         server = [{ name = \"s\", addr = \"127.0.0.1:80\", inter = \"20ms\", fall = 3, rise = 2 }]\n",
    );
    let moods = [
        ("200", "UP"),
        ("404", "NOLB"),
        ("200", "UP"),
        ("404", "NOLB"),
        ("500", "DOWN"),
        ("404", "DOWN"),
        ("200", "UP"),
    ];
    for (status, state) in moods {
        site.say(status);
        until(&format!("{status} to count"), SOON, || (ours(&node)?.state == state).then_some(()));
        assert_eq!(agreed(&oracle, &node, status).state, state, "{status}");
    }
    let told = heard.lock().unwrap().clone();
    for state in ["UP", "NOLB", "NOLB 2/3", "DOWN", "DOWN 1/2"] {
        let begins = format!("X-Haproxy-Server-State: {state}; address=127.0.0.1; port=80; name=b/s; node=");
        let both: BTreeSet<_> = told
            .iter()
            .filter(|line| line.to_ascii_lowercase().starts_with(&begins.to_ascii_lowercase()))
            .filter_map(|line| line.split_once("; weight="))
            .collect();
        let rest: BTreeSet<_> = both.iter().map(|(_, rest)| *rest).collect();
        assert!(!rest.is_empty(), "{state}: {told:?}");
        assert_eq!(both.len(), 2 * rest.len(), "both tell the same: {state}: {both:?}");
    }
}

/// Two servers, of which the second is good for nothing, and clients that notice until it is out.
#[test]
fn a_server_whose_requests_fail_is_out_for_a_while() {
    let lab = Lab::new();
    let _good = Answering::site(&lab.a, 80);
    let _bad = Answering::start(&lab.a, 81, |stream, _| {
        let answer = "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let mut request = [0; 1024];
        stream.read(&mut request).map(drop).unwrap_or_default();
        stream.write_all(answer.as_bytes()).unwrap_or_default();
    });
    for (mode, bad) in [("http", 81), ("tcp", 82)] {
        let node = Node::start(
            &lab.a,
            &format!(
                "[defaults]\nlog = false\nmode = \"{mode}\"\nretries = 0\n\
                 timeout = {{ connect = \"2s\", client = \"5s\", server = \"5s\" }}\n\
                 [frontend.f]\nbind = \"127.0.0.1:8002\"\ndefault_backend = \"b\"\n[backend.b]\n\
                 outlier_ejection = {{ consecutive_errors = 3, time = \"1s\" }}\n\
                 server = [{{ name = \"good\", addr = \"127.0.0.1:80\" }},\n\
                 {{ name = \"bad\", addr = \"127.0.0.1:{bad}\" }}]\n"
            ),
        );
        let ejected = || node.status_at("/proxy/servers/1/ejected_ms").as_u64();
        until("the bad one to be out", SOON, || {
            touch(&lab.a, 8002);
            ejected()
        });
        assert_eq!(node.status_at("/proxy/servers/1/state"), "DOWN", "{mode}");
        assert_eq!(node.status_at("/proxy/servers/0/state"), "no check", "{mode}");
        let reason = node.status_at("/proxy/servers/1/history/0/reason");
        assert_eq!(reason, "ejected for 1s: 3 consecutive errors", "{mode}");
        until("it to be back", SOON, || ejected().is_none().then_some(()));
        assert_eq!(node.status_at("/proxy/servers/1/state"), "no check", "{mode}");
        until("it to be out for longer", SOON, || {
            touch(&lab.a, 8002);
            ejected()
        });
        let reason = node.status_at("/proxy/servers/1/history/2/reason");
        assert_eq!(reason, "ejected for 2s: 3 consecutive errors", "{mode}");
    }
}

/// Sends a request to wherever it goes, whatever becomes of it.
fn touch(host: &Host, port: u16) {
    host.ns.run(move || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return };
        stream.set_read_timeout(Some(SOON)).expect("set a timeout");
        stream.write_all(b"GET /200 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap_or_default();
        stream.read_to_end(&mut Vec::new()).map(drop).unwrap_or_default();
    });
}
