use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;

use super::*;
use crate::access_log::{
    AccessRecord, ConnectionCounts, Destination, Fields, Header, Kept, Level, Manner, QueuePositions,
    RequestLine, Sample, ServerName, Termination, Timers,
};
use crate::plan::{LogFormat, LogTargetId};

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// A directory of the test's own.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("evenkeel-log-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn target(to: Destination, level: Level) -> LogTarget {
    LogTarget { level, ..LogTarget::new(to) }
}

fn file(path: &Path) -> LogTarget {
    target(Destination::File(path.into()), Level::Debug)
}

fn syslog(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let count = socket.recv(&mut buffer).expect("no datagram");
    String::from_utf8(buffer[..count].to_vec()).unwrap()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn record<'a>(target: &'a [u8], kept: &'a Kept) -> AccessRecord<'a> {
    AccessRecord {
        client: ([127, 0, 0, 1], 1).into(),
        time: UnixMillis(0),
        frontend: "fe",
        tls: None,
        backend: "be",
        server: ServerName::Server("s1"),
        timers: Timers::default(),
        status: Some(200),
        bytes_out: 1,
        bytes_in: 1,
        termination: Termination::default(),
        counts: ConnectionCounts::default(),
        retries: 0,
        redispatched: false,
        queue: QueuePositions::default(),
        request: RequestLine::Line { method: b"GET", target, version: b"HTTP/1.1" },
        kept,
        details: None,
    }
}

const USUAL: Manner<'static> =
    Manner { format: &LogFormat::Httplog, level: Level::Info, fields: Fields::None };

const FIRST: [LogTargetId; 1] = [LogTargetId(0)];

#[test]
fn syslog_gets_a_header_and_the_level_is_a_maximum() {
    let dir = Dir::new();
    let (all, important) = (syslog(&dir.join("all")), syslog(&dir.join("important")));
    let sink = LogSink::start(vec![
        target(Destination::Unix(dir.join("all")), Level::Debug),
        target(Destination::Unix(dir.join("important")), Level::Notice),
    ])
    .unwrap();
    let logger = sink.logger();
    let both = [LogTargetId(0), LogTargetId(1)];
    logger.log(&both, USUAL, &record(b"/x", &Kept::default()));
    logger.event(&both, Level::Alert, "Server be/s1 is DOWN");
    let access = receive(&all);
    let tag = format!(" evenkeel[{}]: ", std::process::id());
    let (header, line) = access.split_once(&tag).expect(&access);
    assert!(header.starts_with("<134>") && header.len() == "<134>Nov 22 21:16:00".len(), "{header}");
    assert!(line.starts_with("127.0.0.1:1 [") && line.ends_with("\"GET /x HTTP/1.1\""), "{line}");
    for socket in [&all, &important] {
        let event = receive(socket);
        assert!(
            event.starts_with("<129>") && event.ends_with(&format!("{tag}Server be/s1 is DOWN")),
            "{event}"
        );
    }
    wait_until("counters", || sink.target_counts().iter().map(|c| c.written).eq([2, 1]));
    assert_eq!((sink.dropped(), sink.target_counts()[1].dropped), (0, 0), "not wanted is not dropped");
}

#[test]
fn udp_syslog_gets_the_same() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let to = Destination::Udp(socket.local_addr().unwrap());
    let sink = LogSink::start(vec![target(to, Level::Info)]).unwrap();
    sink.logger().event(&FIRST, Level::Emerg, "backend be has no server available!");
    let mut buffer = [0; 1024];
    let count = socket.recv(&mut buffer).unwrap();
    let text = std::str::from_utf8(&buffer[..count]).unwrap();
    assert!(text.starts_with("<128>") && text.ends_with(": backend be has no server available!"), "{text}");
}

#[test]
fn lines_wait_for_a_syslog_daemon_that_restarts() {
    let dir = Dir::new();
    let path = dir.join("log");
    let sink = LogSink::start(vec![target(Destination::Unix(path.clone()), Level::Debug)]).unwrap();
    let logger = sink.logger();
    logger.event(&FIRST, Level::Info, "before it is there");
    let first = syslog(&path);
    assert!(receive(&first).ends_with("before it is there"));
    drop(first);
    fs::remove_file(&path).unwrap();
    logger.event(&FIRST, Level::Info, "while it is away");
    logger.event(&FIRST, Level::Info, "likewise");
    let second = syslog(&path);
    assert!(receive(&second).ends_with("while it is away"));
    assert!(receive(&second).ends_with("likewise"));
}

#[test]
fn a_target_that_takes_nothing_holds_up_no_other() {
    /// More than a datagram socket is ever configured to queue, less than what a spool holds.
    const LINES: u64 = 5000;
    let dir = Dir::new();
    let _never_read = syslog(&dir.join("stuck"));
    let path = dir.join("access.log");
    let sink = LogSink::start(vec![target(Destination::Unix(dir.join("stuck")), Level::Debug), file(&path)])
        .unwrap();
    let logger = sink.logger();
    for n in 0..LINES {
        logger.event(&[LogTargetId(0), LogTargetId(1)], Level::Info, &n.to_string());
    }
    let arrived = || fs::read_to_string(&path).is_ok_and(|text| text.lines().count() as u64 == LINES);
    wait_until("the file", arrived);
    let counts = sink.target_counts();
    assert!(counts[0].written < LINES, "the socket's queue is short: {counts:?}");
    assert_eq!(counts[1], TargetCounts { written: LINES, dropped: 0 });
}

#[test]
fn a_blocked_pipe_costs_lines_but_never_half_ones() {
    const LINES: u64 = 60_000;
    let dir = Dir::new();
    let path = dir.join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut reader = OpenOptions::new().read(true).custom_flags(nonblocking).open(&path).unwrap();
    let sink = LogSink::start(vec![file(&path)]).unwrap();
    let logger = sink.logger();
    for n in 0..LINES {
        logger.event(&FIRST, Level::Info, &format!("line {n} {}", "x".repeat(100)));
    }
    wait_until("drops", || {
        let counts = sink.target_counts()[0];
        sink.dropped() + counts.dropped > 0
    });
    let mut text = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    wait_until("all accounted for", || {
        match reader.read(&mut buffer) {
            Ok(count) => text.extend_from_slice(&buffer[..count]),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        let counts = sink.target_counts()[0];
        counts.written + counts.dropped + sink.dropped() == LINES
            && text.iter().filter(|&&b| b == b'\n').count() as u64 == counts.written
    });
    let text = String::from_utf8(text).unwrap();
    assert!(text.lines().all(|l| l.starts_with("line ") && l.ends_with(&"x".repeat(100))), "torn lines");
    logger.event(&FIRST, Level::Info, "there is room again");
    wait_until("the next line", || {
        reader.read(&mut buffer).is_ok_and(|count| &buffer[..count] == b"there is room again\n")
    });
}

#[test]
fn a_pipe_without_a_reader_is_tried_again_with_later_lines() {
    let dir = Dir::new();
    let path = dir.join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let open = || {
        let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
        OpenOptions::new().read(true).custom_flags(nonblocking).open(&path).unwrap()
    };
    let reader = open();
    let sink = LogSink::start(vec![file(&path)]).unwrap();
    let logger = sink.logger();
    drop(reader);
    logger.event(&FIRST, Level::Info, "lost");
    wait_until("the loss", || sink.target_counts()[0].dropped == 1);
    let mut reader = open();
    logger.event(&FIRST, Level::Info, "kept");
    let mut buffer = [0; 64];
    wait_until("the line", || reader.read(&mut buffer).is_ok_and(|count| &buffer[..count] == b"kept\n"));
}

#[test]
fn files_are_appended_to_and_opened_anew() {
    let dir = Dir::new();
    let (path, moved) = (dir.join("a.log"), dir.join("a.log.1"));
    fs::write(&path, "old\n").unwrap();
    let sink = LogSink::start(vec![file(&path)]).unwrap();
    let logger = sink.logger();
    logger.event(&FIRST, Level::Info, "one");
    wait_until("one", || fs::read_to_string(&path).unwrap() == "old\none\n");
    fs::rename(&path, &moved).unwrap();
    sink.reopen();
    wait_until("the new file", || path.exists());
    logger.event(&FIRST, Level::Info, "two");
    drop(sink);
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n", "the end waits for what was logged");
    assert_eq!(fs::read_to_string(&moved).unwrap(), "old\none\n");
}

#[test]
fn a_full_disk_is_counted() {
    let sink = LogSink::start(vec![file(Path::new("/dev/full"))]).unwrap();
    sink.logger().event(&FIRST, Level::Info, "lost");
    wait_until("the loss", || sink.target_counts()[0] == TargetCounts { written: 0, dropped: 1 });
}

#[test]
fn what_cannot_be_opened_is_an_error_at_the_start() {
    let error = LogSink::start(vec![file(Path::new("/proc/no/such/file"))]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn unknown_targets_are_passed_over() {
    let dir = Dir::new();
    let path = dir.join("log");
    let sink = LogSink::start(vec![file(&path)]).unwrap();
    sink.logger().event(&[LogTargetId(9), LogTargetId(0)], Level::Info, "x");
    drop(sink);
    let mut text = String::new();
    File::open(&path).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "x\n");
}

#[test]
fn stopping_does_not_wait_long_for_a_stuck_target() {
    let dir = Dir::new();
    let _never_read = syslog(&dir.join("stuck"));
    let sink = LogSink::start(vec![target(Destination::Unix(dir.join("stuck")), Level::Debug)]).unwrap();
    let logger = sink.logger();
    for _ in 0..5000 {
        logger.event(&FIRST, Level::Info, "x");
    }
    let begun = Instant::now();
    drop(sink);
    assert!(begun.elapsed() < LAST_WORDS * 3);
}

#[test]
fn offsets_are_looked_up_again_at_every_quarter_of_an_hour() {
    let minutes = |n: i64| UnixMillis(n * 60_000);
    assert_eq!(until_offset_may_change(minutes(0)), Duration::from_secs(900));
    assert_eq!(until_offset_may_change(minutes(14)), Duration::from_secs(60));
    assert_eq!(until_offset_may_change(UnixMillis(-1)), Duration::from_millis(1));
    let berlin = TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    assert_eq!(offset_at(&berlin, UnixMillis(1_795_384_460_772)), UtcOffset(3600));
    assert_eq!(offset_at(&berlin, UnixMillis(1_782_000_000_000)), UtcOffset(7200));
}

/// One frame of RFC 6587 §3.4.1.
fn read_frame(stream: &mut impl io::Read) -> String {
    let mut length = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte {
            [b' '] => break,
            [digit] => length.push(digit),
        }
    }
    let length: usize = String::from_utf8(length).unwrap().parse().unwrap();
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).unwrap();
    String::from_utf8(frame).unwrap()
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn tcp_syslog_gets_frames_and_is_connected_to_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = Destination::Tcp(listener.local_addr().unwrap());
    let sink = LogSink::start(vec![target(to, Level::Debug)]).unwrap();
    let logger = sink.logger();
    logger.event(&FIRST, Level::Alert, "one");
    logger.event(&FIRST, Level::Info, "two");
    let mut daemon = accept(&listener);
    let frame = read_frame(&mut daemon);
    let pid = std::process::id();
    assert!(
        frame.starts_with("<129>1 20") && frame.ends_with(&format!(" evenkeel {pid} - - one")),
        "{frame}"
    );
    // Date, time and zone: `2026-11-22T21:16:00.123+00:00`.
    assert_eq!(frame.split(' ').nth(1).unwrap().len(), 29, "{frame}");
    assert!(read_frame(&mut daemon).ends_with(" - - two"));
    drop(daemon);
    logger.event(&FIRST, Level::Info, "three");
    let mut daemon = accept(&listener);
    assert!(
        read_frame(&mut daemon).ends_with(" - - three"),
        "nothing is sent into the connection that has ended"
    );
    wait_until("counters", || sink.target_counts()[0] == TargetCounts { written: 3, dropped: 0 });
}

#[test]
fn a_frame_that_was_torn_begins_anew_on_the_next_connection() {
    /// More than the sockets of both sides take.
    const LINES: usize = 3000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = Destination::Tcp(listener.local_addr().unwrap());
    let sink = LogSink::start(vec![target(to, Level::Debug)]).unwrap();
    let logger = sink.logger();
    let line = |n: usize| format!("{n} {}", "x".repeat(1000));
    (0..LINES).for_each(|n| logger.event(&FIRST, Level::Info, &line(n)));
    let mut daemon = accept(&listener);
    assert!(read_frame(&mut daemon).ends_with(&line(0)));
    // What a socket has taken is lost with it; what follows is whole.
    drop(daemon);
    let mut daemon = accept(&listener);
    let first = read_frame(&mut daemon);
    let number = |frame: &str| {
        frame.rsplit_once(" - - ").unwrap().1.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let first = number(&first);
    for n in first + 1..LINES {
        let frame = read_frame(&mut daemon);
        assert!(frame.ends_with(&line(n)), "{n}: {frame}");
    }
}

#[test]
fn the_journal_gets_fields() {
    let dir = Dir::new();
    let journal = syslog(&dir.join("journal"));
    let sink = LogSink::start(vec![target(Destination::Journal(dir.join("journal")), Level::Debug)]).unwrap();
    let logger = sink.logger();
    let kept = Kept::default();
    logger.log(&FIRST, Manner { fields: Fields::Wanted, ..USUAL }, &record(b"/x\n\xff", &kept));
    let entry = receive(&journal);
    let (begin, rest) = entry.split_once("MESSAGE=").unwrap();
    assert_eq!(begin, "PRIORITY=6\nSYSLOG_FACILITY=16\nSYSLOG_IDENTIFIER=evenkeel\n");
    let (message, fields) = rest.split_once('\n').unwrap();
    assert!(message.ends_with("\"GET /x#0A#FF HTTP/1.1\""), "{message}");
    assert_eq!(
        fields,
        "EVENKEEL_CLIENT=127.0.0.1\nEVENKEEL_CLIENT_PORT=1\nEVENKEEL_FRONTEND=fe\nEVENKEEL_BACKEND=be\n\
         EVENKEEL_SERVER=s1\nEVENKEEL_METHOD=GET\nEVENKEEL_TARGET=/x#0A#FF\nEVENKEEL_STATUS=200\nEVENKEEL_BYTES_OUT=1\n\
         EVENKEEL_BYTES_IN=1\nEVENKEEL_ACTIVE_MS=0\nEVENKEEL_TERMINATION=----\n"
    );
    logger.event(&FIRST, Level::Emerg, "backend be has no server available!");
    assert_eq!(
        receive(&journal),
        "PRIORITY=0\nSYSLOG_FACILITY=16\nSYSLOG_IDENTIFIER=evenkeel\nMESSAGE=backend be has no server available!\n"
    );
}

/// As HAProxy 2.6.12 writes them, but for the fractions of seconds, of which it has six digits.
#[test]
fn headers_are_haproxys() {
    let dir = Dir::new();
    let pid = std::process::id();
    let host = this_host().name;
    for (header, name) in Header::ALL {
        let socket = syslog(&dir.join(name));
        let to = Destination::Unix(dir.join(name));
        let sink =
            LogSink::start(vec![LogTarget { header, tag: "tag".into(), ..LogTarget::new(to) }]).unwrap();
        sink.logger().event(&FIRST, Level::Info, "line");
        let line = receive(&socket);
        let shape: String = line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let date = "0000-00-00T00:00:00.000+00:00";
        let expected = match header {
            Header::Raw => "line".to_owned(),
            Header::Short => "<0>line".to_owned(),
            Header::Priority => "<000>line".to_owned(),
            Header::Timed => format!("<0>{date} line"),
            Header::Iso => format!("{date} line"),
            Header::Local | Header::Rfc3164 => {
                let host = if header == Header::Local { String::new() } else { format!("{host} ") };
                let month = line.get(5..8).unwrap();
                let day = shape.get(9..11).unwrap();
                format!("<000>{month} {day} 00:00:00 {host}tag[{pid}]: line")
            }
            Header::Rfc5424 => format!("<000>0 {date} {host} tag {pid} - - line"),
        };
        let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(shape.replace('-', "+"), digits(&expected).replace('-', "+"), "{name}: {line}");
    }
}

#[test]
fn a_sample_is_of_access_lines_only() {
    let dir = Dir::new();
    let path = dir.join("log");
    let sample = Some(Sample { ranges: vec![(1, 1), (3, 4)], of: 5 });
    let sink = LogSink::start(vec![LogTarget { sample, ..file(&path) }]).unwrap();
    let logger = sink.logger();
    let kept = Kept::default();
    for n in 0..10 {
        logger.log(&FIRST, USUAL, &record(format!("/{n}").as_bytes(), &kept));
    }
    (0..3).for_each(|n| logger.event(&FIRST, Level::Alert, &format!("event {n}")));
    drop(sink);
    let text = fs::read_to_string(&path).unwrap();
    let shown: Vec<&str> = text.lines().map(|l| l.split_once("GET ").map_or(l, |(_, r)| &r[..2])).collect();
    assert_eq!(shown, ["/0", "/2", "/3", "/5", "/7", "/8", "event 0", "event 1", "event 2"]);
}
