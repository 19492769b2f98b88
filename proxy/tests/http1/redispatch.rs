//! Where retries go and how soon, beside HAProxy: the same records, at the same time.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use evenkeel_proxy::plan::{Balance, Redispatch};
use evenkeel_proxy::sticky::{Cookie, Mode, ToServer};

use socket2::{Domain, Socket, Type};

use super::common::{Client, PATIENCE, Setup, answering, closed_port, gist, timers};
use super::oracle::Haproxy;

/// What one case is made of.
struct Case {
    name: &'static str,
    /// Lines of HAProxy's backend, and the same of ours.
    theirs: &'static str,
    ours: fn(&mut Setup),
    servers: [At; 2],
    /// The client comes back to the first server.
    pinned: bool,
    expected: &'static str,
    /// Pauses before the last attempt.
    pauses: i64,
}

#[derive(Clone, Copy)]
enum At {
    /// Nobody listens.
    Dead,
    /// Nobody answers: the backlog is full.
    Silent,
    Good,
    BackupThatIsGood,
}

const ROUND_ROBIN: Case = Case {
    name: "",
    theirs: " balance roundrobin\n option redispatch\n",
    ours: |s| s.backend.redispatch = Redispatch::LAST,
    servers: [At::Dead, At::Good],
    pinned: false,
    expected: "front back/s2 200 ---- +1",
    pauses: 0,
};

const PINNED: Case = Case {
    theirs: " option redispatch\n cookie S insert\n",
    pinned: true,
    expected: "front back/s2 200 --DI +3",
    pauses: 2,
    ..ROUND_ROBIN
};

const CASES: &[Case] = &[
    Case {
        name: "without redispatch it stays",
        theirs: "",
        ours: |_| {},
        expected: "front back/s1 503 SC-- 3",
        pauses: 3,
        ..ROUND_ROBIN
    },
    Case { name: "any server would have done", ..ROUND_ROBIN },
    Case {
        name: "also by the fewest connections",
        theirs: " balance leastconn\n option redispatch\n",
        ours: |s| (s.backend.balance, s.backend.redispatch) = (Balance::LeastConn, Redispatch::LAST),
        ..ROUND_ROBIN
    },
    Case {
        name: "also by the order of the file",
        theirs: " balance first\n option redispatch\n",
        ours: |s| (s.backend.balance, s.backend.redispatch) = (Balance::First, Redispatch::LAST),
        ..ROUND_ROBIN
    },
    Case {
        name: "also by turns of a table",
        theirs: " balance static-rr\n option redispatch\n",
        ours: |s| (s.backend.balance, s.backend.redispatch) = (Balance::StaticRr, Redispatch::LAST),
        ..ROUND_ROBIN
    },
    Case {
        name: "every retry moves on",
        servers: [At::Dead, At::Dead],
        expected: "front back/s2 503 SC-- +3",
        ..ROUND_ROBIN
    },
    Case {
        name: "one active server is none to leave",
        servers: [At::Dead, At::BackupThatIsGood],
        expected: "front back/s1 503 SC-- 3",
        pauses: 3,
        ..ROUND_ROBIN
    },
    Case { name: "who is bound leaves with the last retry", ..PINNED },
    Case {
        name: "or with every one",
        theirs: " option redispatch 1\n cookie S insert\n",
        ours: |s| s.backend.redispatch = Redispatch::Every(1.try_into().unwrap()),
        expected: "front back/s2 200 --DI +1",
        pauses: 0,
        ..PINNED
    },
    Case {
        name: "or with every second one",
        theirs: " option redispatch 2\n cookie S insert\n",
        ours: |s| s.backend.redispatch = Redispatch::Every(2.try_into().unwrap()),
        expected: "front back/s2 200 --DI +2",
        pauses: 1,
        ..PINNED
    },
    Case {
        name: "or with the third from the end",
        theirs: " option redispatch -3\n cookie S insert\n",
        ours: |s| s.backend.redispatch = Redispatch::FromEnd(3.try_into().unwrap()),
        expected: "front back/s2 200 --DI +1",
        pauses: 0,
        ..PINNED
    },
    Case {
        name: "time that was waited for an answer is pause enough",
        theirs: " timeout connect 1s\n",
        ours: |s| s.backend.timeout.connect = Some(std::time::Duration::from_secs(1)),
        servers: [At::Silent, At::Silent],
        expected: "front back/s1 503 sC-- 3",
        // Four waits instead.
        pauses: 4,
        ..ROUND_ROBIN
    },
];

/// All at once: they wait most of the time.
#[test]
fn retries_go_where_haproxys_go_and_as_soon() {
    std::thread::scope(|scope| CASES.iter().for_each(|case| drop(scope.spawn(|| compare(case)))));
}

fn compare(case: &Case) {
    let good = answering();
    let silent = Silent::new();
    let addrs = case.servers.map(|at| match at {
        At::Dead => closed_port(),
        At::Silent => silent.addr,
        At::Good | At::BackupThatIsGood => good.addr,
    });
    let backups = case.servers.map(|at| matches!(at, At::BackupThatIsGood));
    let mut setup = Setup::new(&addrs);
    setup.backend.retries = 3;
    (case.ours)(&mut setup);
    if case.pinned {
        setup.backend.cookie = Some(Arc::new(Cookie::new("S", Mode::Insert(ToServer::Seen))));
    }
    let mut lines = format!(" retries 3\n{}", case.theirs);
    for (number, (addr, backup)) in (1..).zip(addrs.iter().zip(backups)) {
        let server = &mut setup.servers[number - 1];
        server.backup = backup;
        lines += &format!(" server s{number} {addr}{}", if backup { " backup" } else { "" });
        if case.pinned {
            server.cookie = Some(format!("s{number}"));
            lines += &format!(" cookie s{number}");
        }
        lines.push('\n');
    }
    let proxy = setup.start();
    let oracle = Haproxy::start(&lines);
    let ask = |addr: SocketAddr| {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client::over(stream);
        let cookie = if case.pinned { "Cookie: S=s1\r\n" } else { "" };
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{cookie}\r\n"));
        client.response();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| ask(oracle.addr));
        ask(proxy.addr);
    });
    for (who, record) in [("HAProxy", oracle.record()), ("we", proxy.record())] {
        let expected = format!("{} GET / HTTP/1.1", case.expected);
        assert_eq!(gist(&record), expected, "{}: {who}", case.name);
        let total = timers(&record)[4];
        assert_eq!((total + 500) / 1000, case.pauses, "{}: {who}: {total} ms", case.name);
    }
}

/// A listener that does not accept, with as many connections in its backlog as fit.
struct Silent {
    addr: SocketAddr,
    _sockets: Vec<Socket>,
}

impl Silent {
    fn new() -> Self {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let at = listener.local_addr().unwrap();
        let mut sockets = vec![listener];
        for _ in 0..4 {
            let client = socket();
            client.set_nonblocking(true).unwrap();
            // It is under way: those beyond the backlog stay so.
            client.connect(&at).unwrap_err();
            sockets.push(client);
        }
        Self { addr: at.as_socket().unwrap(), _sockets: sockets }
    }
}
