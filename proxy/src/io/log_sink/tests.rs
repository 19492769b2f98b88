use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;

use super::*;
use crate::access_log::{
    AccessRecord, ConnectionCounts, Destination, Facility, Level, QueuePositions, RequestLine, ServerName,
    Termination, Timers,
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
    LogTarget { to, facility: Facility::LOCAL0, level, tag: "evenkeel".into() }
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

fn record(target: &[u8]) -> AccessRecord<'_> {
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
        request_cookie: None,
        response_cookie: None,
        termination: Termination::default(),
        counts: ConnectionCounts::default(),
        retries: 0,
        redispatched: false,
        queue: QueuePositions::default(),
        request_captures: &[],
        response_captures: &[],
        request: RequestLine::Line { method: b"GET", target, version: b"HTTP/1.1" },
        unique_id: None,
    }
}

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
    logger.log(&both, LogFormat::Httplog, &record(b"/x"));
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
