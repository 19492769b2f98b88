use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Wake, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::plan::{LogFormat, LogTargetId};
use crate::tls::SessionFacts;
use crate::tls::fixture::Authority;
use crate::tls::peer::ClientCertificate;
use crate::tls::suites::Version;

const MS: fn(u64) -> Option<Duration> = |ms| Some(Duration::from_millis(ms));

/// 2026-11-22 21:54:20.772 UTC.
const AT: UnixMillis = UnixMillis(1_795_384_460_772);

fn record() -> AccessRecord<'static> {
    AccessRecord {
        client: SocketAddr::from(([127, 0, 0, 1], 50384)),
        time: AT,
        frontend: "fe",
        tls: None,
        backend: "be",
        server: ServerName::Server("s3"),
        timers: Timers {
            request: MS(0),
            queue: MS(0),
            connect: MS(0),
            response: MS(0),
            active: Duration::ZERO,
        },
        status: Some(200),
        bytes_out: 56,
        bytes_in: 20,
        termination: Termination::default(),
        counts: ConnectionCounts { process: 1, frontend: 1, backend: 0, server: 0 },
        retries: 0,
        redispatched: false,
        queue: QueuePositions::default(),
        request: RequestLine::Line { method: b"GET", target: b"/", version: b"HTTP/1.0" },
        kept: &NOTHING,
        details: None,
    }
}

static NOTHING: LazyLock<Kept> = LazyLock::new(Kept::default);

/// Fields of a message, named by their positions, and a cookie.
struct Message<'a>(&'a [Option<&'a [u8]>], Option<(&'a [u8], &'a [u8])>);

impl capture::Head for Message<'_> {
    fn last(&self, name: &str) -> Option<&[u8]> {
        *self.0.get(name.parse::<usize>().unwrap())?
    }

    fn cookies(&self, look: &mut capture::Look<'_>) {
        if let Some((name, value)) = self.1 {
            look(name, Some(value));
        }
    }
}

fn kept(request: &Message<'_>, response: &Message<'_>) -> Kept {
    let of = |message: &Message<'_>| {
        let capture = |at: usize| Capture { name: at.to_string().into(), bytes: 1000 };
        (0..message.0.len()).map(capture).collect::<Vec<_>>()
    };
    let cookie = Some(CookieCapture { begin: "".into(), bytes: 1000 });
    let wanted = Captures { request: of(request), response: of(response), cookie, ..Captures::default() };
    let mut kept = Kept::default();
    kept.handle_request(&wanted, request);
    kept.handle_response(&wanted, response);
    kept
}

fn line(target: &[u8]) -> AccessRecord<'_> {
    AccessRecord { request: RequestLine::Line { method: b"GET", target, version: b"HTTP/1.0" }, ..record() }
}

/// Lines that HAProxy 2.6.12 wrote with `option tcplog` for the same events.
#[test]
fn tcplog_is_haproxys() {
    let tcp = AccessRecord {
        timers: Timers {
            queue: MS(1),
            connect: MS(0),
            active: Duration::from_millis(8),
            ..Timers::default()
        },
        status: None,
        bytes_out: 5,
        counts: ConnectionCounts { process: 1, frontend: 1, backend: 1, server: 1 },
        request: RequestLine::None,
        ..record()
    };
    let refused = AccessRecord {
        timers: Timers { queue: MS(1), active: Duration::from_millis(3003), ..Timers::default() },
        bytes_out: 0,
        termination: Termination::new(Cause::Server, Phase::Connect),
        counts: ConnectionCounts { process: 1, frontend: 1, backend: 0, server: 0 },
        retries: 3,
        redispatched: true,
        ..tcp.clone()
    };
    let nobody = AccessRecord {
        server: ServerName::None,
        timers: Timers::default(),
        retries: 0,
        redispatched: false,
        ..refused.clone()
    };
    for (record, line) in [
        (&tcp, "127.0.0.1:50384 [22/Nov/2026:21:54:20.772] fe be/s3 1/0/8 5 -- 1/1/1/1/0 0/0"),
        (&refused, "127.0.0.1:50384 [22/Nov/2026:21:54:20.772] fe be/s3 1/-1/3003 0 SC 1/1/0/0/+3 0/0"),
        (&nobody, "127.0.0.1:50384 [22/Nov/2026:21:54:20.772] fe be/<NOSRV> -1/-1/0 0 SC 1/1/0/0/0 0/0"),
    ] {
        let mut out = Vec::new();
        tcplog(&mut out, record, &mut Calendar::new(UtcOffset(0)), &mut Clients::default());
        assert_eq!(String::from_utf8(out).unwrap(), line);
    }
}

fn as_httplog(record: &AccessRecord<'_>) -> String {
    let mut out = Vec::new();
    httplog(&mut out, record, &mut Calendar::new(UtcOffset(0)), &mut Clients::default());
    String::from_utf8(out).unwrap()
}

fn as_json(record: &AccessRecord<'_>) -> String {
    let mut out = Vec::new();
    json(&mut out, record, UtcOffset(0));
    String::from_utf8(out).unwrap()
}

/// Lines written by HAProxy 2.6.12 for the same requests.
#[test]
fn httplog_lines_are_haproxys() {
    let special =
        kept(&Message(&[Some(b"q\"#{|}~\\ z"), Some(b"\xc3\xa9")], None), &Message(&[Some(b"s3")], None));
    let absent = kept(&Message(&[None, None], None), &Message(&[Some(b"a\tb")], None));
    let cases = [
        (
            "plain",
            record(),
            r#"127.0.0.1:50384 [22/Nov/2026:21:54:20.772] fe be/s3 0/0/0/0/0 200 56 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.0""#,
        ),
        (
            "captures, and what has a meaning in them",
            AccessRecord { kept: &special, ..line(b"/a\"b{c|d}e#f\\g") },
            r##"127.0.0.1:50384 [22/Nov/2026:21:54:20.772] fe be/s3 0/0/0/0/0 200 56 - - ---- 1/1/0/0/0 0/0 {q#22#23#7B#7C#7D~\ z|#C3#A9} {s3} "GET /a#22b{c|d}e#23f\g HTTP/1.0""##,
        ),
        (
            "absent captures, bytes beyond ASCII",
            AccessRecord { kept: &absent, ..line(b"/a\x80b\xff") },
            r##"127.0.0.1:50384 [22/Nov/2026:21:54:20.772] fe be/s3 0/0/0/0/0 200 56 - - ---- 1/1/0/0/0 0/0 {|} {a#09b} "GET /a#80b#FF HTTP/1.0""##,
        ),
        (
            "the server was too slow",
            AccessRecord {
                backend: "slow",
                server: ServerName::Server("a"),
                frontend: "fe3",
                timers: Timers {
                    request: MS(0),
                    queue: MS(0),
                    connect: MS(0),
                    response: None,
                    active: Duration::from_millis(1001),
                },
                status: Some(504),
                bytes_out: 198,
                termination: Termination::new(Cause::ServerTimeout, Phase::Headers),
                ..line(b"/tmo")
            },
            r#"127.0.0.1:50384 [22/Nov/2026:21:54:20.772] fe3 slow/a 0/0/0/-1/1001 504 198 - - sH-- 1/1/0/0/0 0/0 "GET /tmo HTTP/1.0""#,
        ),
        (
            "the client left before its request was whole",
            AccessRecord {
                frontend: "fe3",
                backend: "fe3",
                server: ServerName::None,
                timers: Timers { active: Duration::from_millis(50), ..Timers::default() },
                status: Some(400),
                bytes_out: 0,
                termination: Termination::new(Cause::Client, Phase::Request),
                counts: ConnectionCounts { process: 2, frontend: 1, backend: 0, server: 0 },
                request: RequestLine::Bad,
                ..record()
            },
            r#"127.0.0.1:50384 [22/Nov/2026:21:54:20.772] fe3 fe3/<NOSRV> -1/-1/-1/-1/50 400 0 - - CR-- 2/1/0/0/0 0/0 "<BADREQ>""#,
        ),
        (
            "refused by all",
            AccessRecord {
                frontend: "fe4",
                backend: "red",
                server: ServerName::Server("b"),
                timers: Timers { request: MS(0), queue: MS(0), ..Timers::default() },
                status: Some(503),
                bytes_out: 217,
                termination: Termination::new(Cause::Server, Phase::Connect),
                retries: 3,
                redispatched: true,
                ..line(b"/r")
            },
            r#"127.0.0.1:50384 [22/Nov/2026:21:54:20.772] fe4 red/b 0/0/-1/-1/0 503 217 - - SC-- 1/1/0/0/+3 0/0 "GET /r HTTP/1.0""#,
        ),
    ];
    for (name, record, expected) in cases {
        assert_eq!(as_httplog(&record), expected, "{name}");
    }
}

fn session() -> SessionFacts {
    SessionFacts {
        own: None,
        version: Version::Tls13,
        cipher: "TLS_AES_128_GCM_SHA256",
        server_name: Some("www.example.com".into()),
        alpn: Some(b"h2"[..].into()),
        resumed: false,
        client: None,
    }
}

fn alice() -> ClientCertificate {
    let texts = Authority::new("ca").issue_numbered("al\"ice", 42);
    let der = crate::tls::bundle::certificates(texts.cert.as_bytes()).unwrap();
    ClientCertificate::read(&der[0]).unwrap()
}

#[test]
fn httplog_shows_the_rest_too() {
    let everything = AccessRecord {
        client: "[2001:db8::7]:443".parse().unwrap(),
        tls: Some(&session()),
        server: ServerName::Stats,
        status: None,
        kept: &kept(&Message(&[], Some((b"ASP", b"a b#"))), &Message(&[], Some((b"SRV", b"1\n")))),
        termination: Termination {
            cause: Cause::Down,
            phase: Phase::Data,
            cookie: Cookie::Valid,
            action: CookieAction::Inserted,
        },
        queue: QueuePositions { server: 4, backend: 5 },
        ..record()
    };
    let expected = r##"2001:db8::7:443 [22/Nov/2026:21:54:20.772] fe~ be/<STATS> 0/0/0/0/0 -1 56 ASP=a#20b#23 SRV=1#0A DDVI 1/1/0/0/0 4/5 "GET / HTTP/1.0""##;
    assert_eq!(as_httplog(&everything), expected);
    let mapped = AccessRecord { client: "[::ffff:192.0.2.1]:80".parse().unwrap(), ..record() };
    assert!(as_httplog(&mapped).starts_with("192.0.2.1:80 ["));
}

#[test]
fn long_targets_are_cut() {
    let long = vec![b'x'; 1500];
    let text = as_httplog(&line(&long));
    assert_eq!(text.bytes().filter(|&b| b == b'x').count(), 1024);
    assert!(text.ends_with(" HTTP/1.0\""));
    assert_eq!(as_json(&line(&long)).bytes().filter(|&b| b == b'x').count(), 1024);
}

#[test]
fn json_holds_the_same() {
    let session = SessionFacts { client: Some(alice()), ..session() };
    let mut kept = kept(&Message(&[Some(b"a\"b\\c"), None], None), &Message(&[], None));
    kept.handle_unique_id(|out| out.extend_from_slice(b"id-1"));
    let record = AccessRecord {
        tls: Some(&session),
        kept: &kept,
        timers: Timers { request: MS(1), active: Duration::from_micros(2999), ..Timers::default() },
        ..line(b"/\n\x80\xc3\xa9")
    };
    let expected = concat!(
        r#"{"time":"2026-11-22T21:54:20.772+00:00","client":"127.0.0.1","client_port":50384,"frontend":"fe","#,
        r#""tls":true,"tls_version":"TLSv1.3","tls_cipher":"TLS_AES_128_GCM_SHA256","tls_resumed":false,"#,
        r#""sni":"www.example.com","alpn":"h2","client_subject":"/CN=al\"ice","#,
        r#""client_issuer":"/CN=ca","client_serial":"2A","#,
        r#""backend":"be","server":"s3","method":"GET","target":"/\u000A"#,
        "\u{fffd}é",
        r#"","version":"HTTP/1.0","status":200,"bytes_out":56,"bytes_in":20,"request_ms":1,"active_ms":2,"#,
        r#""termination":"----","process_connections":1,"frontend_connections":1,"backend_connections":0,"#,
        r#""server_connections":0,"retries":0,"redispatched":false,"server_queue":0,"backend_queue":0,"#,
        r#""request_captures":["a\"b\\c",null],"unique_id":"id-1"}"#,
    );
    assert_eq!(as_json(&record), expected);
    let nothing =
        AccessRecord { server: ServerName::None, status: None, request: RequestLine::Bad, ..record };
    let text = as_json(&nothing);
    assert!(
        text.contains(r#""bad_request":true"#) && !text.contains("status") && !text.contains("\"server\"")
    );
}

/// Undoes `#XX`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'#' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    out
}

proptest! {
    #[test]
    fn no_bytes_of_strangers_leave_their_place(
        target in proptest::collection::vec(any::<u8>(), 0..64),
        capture in proptest::collection::vec(any::<u8>(), 0..64),
        cookie in proptest::collection::vec(any::<u8>(), 1..64),
    ) {
        let captures = [Some(capture.as_slice())];
        let kept = kept(&Message(&captures, Some((b"C", &cookie))), &Message(&[], None));
        let record = AccessRecord { kept: &kept, ..line(&target) };
        let cookie = [b"C=", cookie.as_slice()].concat();
        let text = as_httplog(&record);
        prop_assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)));
        let mut fields = text.splitn(13, ' ');
        prop_assert_eq!(&unescape(fields.nth(7).unwrap()), &cookie);
        let (captured, request) = fields.nth(4).unwrap().split_once("} ").unwrap();
        prop_assert_eq!(&unescape(captured.strip_prefix('{').unwrap()), &capture);
        let shown = request.strip_prefix("\"GET ").unwrap().strip_suffix(" HTTP/1.0\"").unwrap();
        prop_assert!(!shown.contains('"'));
        prop_assert_eq!(&unescape(shown), &target);

        let object = as_json(&record);
        let line_ends = object.chars().any(|c| c < ' ' || "\u{85}\u{2028}\u{2029}".contains(c));
        prop_assert!(!line_ends);
        // Outside of escapes quotes come in pairs, and braces only where the object begins and ends.
        let bare = object.replace("\\\\", "").replace("\\\"", "");
        let outside: String = bare.split('"').step_by(2).collect();
        prop_assert_eq!(bare.matches('"').count() % 2, 0);
        let braces: String = outside.matches(['{', '}']).collect();
        prop_assert_eq!(braces, "{}".to_owned());
        prop_assert_eq!((outside.find('{'), outside.rfind('}')), (Some(0), Some(outside.len() - 1)));
    }

    /// What needs no escape takes a shorter way.
    #[test]
    fn the_short_way_escapes_the_same(bytes in prop::collection::vec(prop_oneof![4 => b'!'..=b'~', 1 => any::<u8>()], 0..40)) {
        use escape::Place;
        for place in [Place::Quoted, Place::Captured, Place::Word, Place::Free] {
            let (mut short, mut long) = (Vec::new(), Vec::new());
            escape::push_hash_escaped(&mut short, &bytes, place);
            escape::push_with_escapes(&mut long, &bytes, place);
            prop_assert_eq!(short, long);
        }
    }

    #[test]
    fn a_calendar_shows_what_a_conversion_of_its_own_shows(
        first in -10_i64..4_000_000_000_000, steps in prop::collection::vec((-1500_i64..1500, -2_i32..3), 1..20)
    ) {
        let mut calendar = Calendar::new(UtcOffset(0));
        let mut at = first;
        for (step, hours) in steps {
            at += step;
            let offset = UtcOffset(hours * 3600);
            let (mut cached, mut fresh) = (Vec::new(), Vec::new());
            calendar.set_offset(offset);
            calendar.push_httplog(&mut cached, UnixMillis(at));
            date::Civil::new(UnixMillis(at), offset).push_httplog(&mut fresh);
            prop_assert_eq!(String::from_utf8(cached).unwrap(), String::from_utf8(fresh).unwrap() + "] ");
        }
    }

    #[test]
    fn numbers_are_written_as_std_writes_them(value in any::<u64>(), width in 1usize..20) {
        let mut out = Vec::new();
        number::push_padded(&mut out, value, width);
        prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{value:0width$}"));
    }
}

#[test]
fn dates_follow_calendar_and_zone() {
    let text = |ms, offset, push: fn(&date::Civil, &mut Vec<u8>)| {
        let mut out = Vec::new();
        push(&date::Civil::new(UnixMillis(ms), UtcOffset(offset)), &mut out);
        String::from_utf8(out).unwrap()
    };
    let cases = [
        (0, 0, "01/Jan/1970:00:00:00.000", "1970-01-01T00:00:00.000+00:00"),
        (951_782_399_999, 0, "28/Feb/2000:23:59:59.999", "2000-02-28T23:59:59.999+00:00"),
        (951_782_400_000, 0, "29/Feb/2000:00:00:00.000", "2000-02-29T00:00:00.000+00:00"),
        (4_107_542_400_000, 0, "01/Mar/2100:00:00:00.000", "2100-03-01T00:00:00.000+00:00"),
        (1_798_761_599_000, 3600, "01/Jan/2027:00:59:59.000", "2027-01-01T00:59:59.000+01:00"),
        (1_798_761_600_000, -34_200, "31/Dec/2026:14:30:00.000", "2026-12-31T14:30:00.000-09:30"),
        (-1, 0, "31/Dec/1969:23:59:59.999", "1969-12-31T23:59:59.999+00:00"),
    ];
    for (ms, offset, httplog, rfc3339) in cases {
        assert_eq!(text(ms, offset, date::Civil::push_httplog), httplog);
        assert_eq!(text(ms, offset, date::Civil::push_rfc3339), rfc3339);
    }
    assert_eq!(text(AT.0, 0, date::Civil::push_syslog), "Nov 22 21:54:20");
    assert_eq!(
        text(0, 0, date::Civil::push_syslog),
        "Jan  1 00:00:00",
        "padded with a space (RFC 3164 §4.1.2)"
    );
}

#[test]
fn syslog_headers_carry_the_priority() {
    let header = |facility, level| {
        let to = Destination::Unix("/dev/log".into());
        let target = LogTarget { facility: Facility::named(facility).unwrap(), ..LogTarget::new(to) };
        let mut out = Vec::new();
        let host = Host { name: "lb1".into(), pid: 4711 };
        syslog_header(&mut out, &target, level, &host, AT, UtcOffset(3600));
        String::from_utf8(out).unwrap()
    };
    assert_eq!(header("local0", Level::Info), "<134>Nov 22 22:54:20 evenkeel[4711]: ");
    assert_eq!(header("local0", Level::Alert), "<129>Nov 22 22:54:20 evenkeel[4711]: ");
    assert_eq!(header("kern", Level::Emerg), "<0>Nov 22 22:54:20 evenkeel[4711]: ");
    assert_eq!(header("local7", Level::Debug), "<191>Nov 22 22:54:20 evenkeel[4711]: ");
}

#[test]
fn levels_and_facilities_have_names() {
    for (level, name) in Level::ALL {
        assert_eq!(Level::named(name), Some(level));
        assert_eq!(Level::numbered(level as u8), Some(level));
    }
    assert_eq!((Level::named("warn"), Level::numbered(8), Facility::named("local8")), (None, None, None));
    assert!(Level::Emerg < Level::Info, "more urgent is less");
}

/// Counts how often the writer was woken.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn spools(capacity: usize) -> (Arc<Spools>, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    (Arc::new(Spools::new(capacity, Waker::from(Arc::clone(&bell)))), bell)
}

fn usual(format: &LogFormat) -> Manner<'_> {
    Manner { format, level: Level::Info, fields: Fields::None }
}

fn drain(spools: &Spools) -> Vec<(Vec<u16>, Level, String)> {
    let mut lines = Vec::new();
    spools.drain(&mut Vec::new(), |batch| {
        lines.extend(batch.entries().map(|entry| {
            let targets = entry.targets().map(|t| t.0).collect();
            (targets, entry.level, String::from_utf8(entry.line.to_vec()).unwrap())
        }));
    });
    lines
}

#[test]
fn lines_reach_the_writer_in_order() {
    let (spools, _) = spools(10_000);
    spools.set_offset(UtcOffset(3600));
    let logger = spools.logger();
    logger.log(&[LogTargetId(1), LogTargetId(300)], usual(&LogFormat::Httplog), &record());
    logger.log(&[LogTargetId(0)], usual(&LogFormat::Json), &record());
    logger.log(&[], usual(&LogFormat::Json), &record());
    logger.event(&[LogTargetId(2)], Level::Alert, "Server be/s1 is DOWN, info: \"x\n\u{1b}[2J\"");
    let lines = drain(&spools);
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0].0, lines[0].1), (&vec![1, 300], Level::Info));
    assert!(lines[0].2.contains("[22/Nov/2026:22:54:20.772] fe be/s3"), "in local time");
    assert!(lines[1].2.starts_with("{\"time\":\"2026-11-22T22:54:20.772+01:00\""));
    let event = (vec![2], Level::Alert, "Server be/s1 is DOWN, info: \"x#0A#1B[2J\"".to_owned());
    assert_eq!(lines[2], event);
    assert!(drain(&spools).is_empty());
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let (spools, _) = spools(200);
    let logger = spools.logger();
    for _ in 0..5 {
        logger.log(&[LogTargetId(0)], usual(&LogFormat::Httplog), &record());
    }
    assert_eq!((drain(&spools).len(), spools.dropped()), (1, 4));
    logger.log(&[LogTargetId(0)], usual(&LogFormat::Httplog), &record());
    drop(logger);
    assert_eq!(drain(&spools).len(), 1, "there is room again, and what a logger leaves is written");
    assert!(drain(&spools).is_empty());
    assert_eq!(spools.dropped(), 4, "drops outlive their logger");
}

#[test]
fn the_writer_is_woken_only_from_sleep() {
    let (spools, bell) = spools(10_000);
    let logger = spools.logger();
    let log = || logger.event(&[LogTargetId(0)], Level::Info, "x");
    log();
    assert_eq!(bell.0.load(Ordering::Relaxed), 0, "awake");
    assert!(!spools.fall_asleep(), "there is something to do");
    drain(&spools);
    assert!(spools.fall_asleep());
    log();
    log();
    assert_eq!(bell.0.load(Ordering::Relaxed), 1, "one ring is enough");
}

#[test]
fn a_disabled_logger_takes_anything() {
    Logger::disabled().log(&[LogTargetId(0)], usual(&LogFormat::Json), &record());
}

/// Writer and loggers at once: every line arrives once or is counted as dropped, whole and in order per logger.
#[test]
fn nothing_is_lost_between_threads() {
    const LINES: u32 = 20_000;
    let (spools, _) = spools(4096);
    std::thread::scope(|scope| {
        let log = |thread: u16| {
            let logger = spools.logger();
            for n in 0..LINES {
                logger.event(&[LogTargetId(thread)], Level::Info, &n.to_string());
            }
        };
        let producers: Vec<_> = (0..3).map(|thread| scope.spawn(move || log(thread))).collect();
        let mut next = [0u32; 3];
        let mut arrived = 0;
        let mut scratch = Vec::new();
        loop {
            let over = producers.iter().all(std::thread::ScopedJoinHandle::is_finished);
            let mut batch: [Vec<u32>; 3] = Default::default();
            spools.drain(&mut scratch, |lines| {
                for entry in lines.entries() {
                    let thread = usize::from(entry.targets().next().unwrap().0);
                    batch[thread].push(std::str::from_utf8(entry.line).unwrap().parse().unwrap());
                }
            });
            for (thread, numbers) in batch.into_iter().enumerate() {
                arrived += numbers.len() as u64;
                for number in numbers {
                    assert!(number >= next[thread], "line {number} twice or late");
                    next[thread] = number + 1;
                }
            }
            if over {
                break;
            }
        }
        assert_eq!(arrived + spools.dropped(), u64::from(LINES) * 3);
    });
}
