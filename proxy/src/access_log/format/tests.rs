use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::access_log::Clients;
use crate::access_log::capture::{Capture, Captures, CookieCapture, Head, Look};
use crate::access_log::{
    AccessRecord, Calendar, Cause, ConnectionCounts, Details, Kept, Phase, QueuePositions, RequestLine,
    ServerName, Termination, Timers, UnixMillis, UtcOffset, httplog, tcplog,
};
use crate::rules::template::TemplateError;
use crate::tls::SessionFacts;
use crate::tls::suites::Version;

const MS: fn(u64) -> Option<Duration> = |ms| Some(Duration::from_millis(ms));

/// Fields and cookies of a message.
struct Message<'a> {
    fields: &'a [(&'a str, &'a [u8])],
    cookie: Option<(&'a [u8], &'a [u8])>,
}

impl Head for Message<'_> {
    fn last(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    fn cookies(&self, look: &mut Look<'_>) {
        if let Some((name, value)) = self.cookie {
            look(name, Some(value));
        }
    }
}

/// What a frontend keeps that captures two fields of requests, one of responses, and a cookie.
fn kept(format: &Format, request: &Message<'_>, response: &Message<'_>) -> Kept {
    let capture = |name: &str, bytes| Capture { name: name.into(), bytes };
    let mut wanted = Captures {
        request: vec![capture("User-Agent", 20), capture("X-No", 10)],
        response: vec![capture("X-Resp", 32)],
        cookie: Some(CookieCapture { begin: "SRVC".into(), bytes: 20 }),
        ..Captures::default()
    };
    format.ask(&mut wanted);
    let mut kept = Kept::default();
    kept.handle_request(&wanted, request);
    kept.handle_response(&wanted, response);
    kept
}

const REQUEST: Message<'static> = Message {
    fields: &[("User-Agent", b"A \"u]\" {a|b}\\zzz"), ("Host", b"H.example:80")],
    cookie: Some((b"SRVC", b"cl")),
};
const RESPONSE: Message<'static> =
    Message { fields: &[("X-Resp", b"\"a\" b|c")], cookie: Some((b"SRVC", b"xyz")) };

fn record<'a>(kept: &'a Kept, details: &'a Details) -> AccessRecord<'a> {
    AccessRecord {
        client: SocketAddr::from(([127, 0, 0, 1], 45424)),
        time: UnixMillis(1_796_049_139_208),
        frontend: "fe",
        tls: None,
        backend: "be",
        server: ServerName::Server("s1"),
        timers: Timers {
            request: MS(0),
            queue: MS(0),
            connect: MS(1),
            response: MS(2),
            active: Duration::from_millis(4),
        },
        status: Some(200),
        bytes_out: 100,
        bytes_in: 132,
        termination: Termination::default(),
        counts: ConnectionCounts { process: 1, frontend: 2, backend: 3, server: 4 },
        retries: 1,
        redispatched: true,
        queue: QueuePositions { server: 5, backend: 6 },
        request: RequestLine::Line {
            method: b"GET",
            target: b"/p\"a%20th{x|y}]\\z?q=1&b=2",
            version: b"HTTP/1.1",
        },
        kept,
        details: Some(details),
    }
}

fn details() -> Details {
    let local = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
    Details {
        accepted: UnixMillis(1_796_049_139_078),
        handshake: Duration::from_millis(100),
        idle: Duration::from_millis(30),
        data: MS(1),
        frontend: local(19004),
        source: local(40304),
        server: local(18081),
        number: 13,
        random: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
    }
}

fn host() -> Host {
    Host { name: "vm".into(), pid: 20615 }
}

fn text(format: &Format, record: &AccessRecord<'_>) -> String {
    let mut out = Vec::new();
    format.write(&mut out, record, &mut Calendar::new(UtcOffset(0)), &host());
    String::from_utf8(out).unwrap()
}

/// The line of a usual request.
fn line(format: &str) -> String {
    let format = Format::parse(format).unwrap();
    text(&format, &record(&kept(&format, &REQUEST, &RESPONSE), &details()))
}

/// Lines of HAProxy 2.6.12 for the same request and captures.
#[test]
fn letters_and_flags_show_what_haproxys_do() {
    for (format, expected) in [
        (
            "A%B|%H|%HM|%HP|%HQ|%HU|%HV|%ID|%ST",
            r"A100|vm|GET|/p#22a%20th{x|y}]\z|?q=1&b=2|/p#22a%20th{x|y}]\z?q=1&b=2|HTTP/1.1|-|200",
        ),
        ("%T|%Tl|%Ts|%ms|%t|%tr|%trg|%trl", {
            "30/Nov/2026:14:32:19 +0000|30/Nov/2026:14:32:19 +0000|1796049139|078|30/Nov/2026:14:32:19.078|\
             30/Nov/2026:14:32:19.208|30/Nov/2026:14:32:19 +0000|30/Nov/2026:14:32:19 +0000"
        }),
        ("%TR/%Tw/%Tc/%Tr/%Ta %Th/%Ti/%Tq/%Td/%Tt/%Tu", "0/0/1/2/4 100/30/130/1/134/104"),
        (
            "%ci:%cp %fi:%fp %bi:%bp %si:%sp",
            "127.0.0.1:45424 127.0.0.1:19004 127.0.0.1:40304 127.0.0.1:18081",
        ),
        ("%f %ft %b/%s %U %pid %rt", "fe fe be/s1 132 20615 13"),
        ("%ac/%fc/%bc/%sc/%rc %sq/%bq %ts %tsc", "1/2/3/4/+1 5/6 -- ----"),
        ("%CC %CS %sslc %sslv", "SRVC=cl SRVC=xyz - -"),
        ("%hr|%hs", "{A #22u]#22 #7Ba#7Cb#7D\\zzz|}|{#22a#22 b#7Cc}"),
        ("%hrl|%hsl", "A #22u]#22 #7Ba#7Cb#7D\\zzz -|#22a#22 b#7Cc"),
        (
            "%{+Q}o %ci %ST %b %s %ft %hr %hrl %hsl %HM %HQ %ID %CC %ts %t %H %sslc %rc %pid",
            "\"127.0.0.1\" 200 \"be\" \"s1\" \"fe\" \"{A #22u]#22 #7Ba#7Cb#7D\\zzz|}\" \"A #22u]#22 \
             #7Ba#7Cb#7D\\zzz\" \"\" \"#22a#22 b#7Cc\" \"GET\" \"?q=1&b=2\" \"\" \"SRVC=cl\" -- \
             30/Nov/2026:14:32:19.078 \"vm\" \"\" +1 20615",
        ),
        (
            "%{+X}o %ci:%cp_%fi:%fp_%Ts_%rt:%pid %ms %ST %{-X}ci %{+Q}ci",
            "7F000001:B170_7F000001:4A3C_6B0D88F3_000D:5087 4E 200 127.0.0.1 7F000001",
        ),
        ("%{+E}hr %{+E}HP", r"{A #22u\]#22 #7Ba#7Cb#7D\\zzz|} /p#22a%20th{x|y}\]\\z"),
        ("%{+Q,+E}hr", "\"{A #22u\\]#22 #7Ba#7Cb#7D\\\\zzz|}\""),
        ("G  a   %ID  %% 50%% %{-Q}b c\"d\"  ", "G a - % 50% be c\"d\" "),
        (
            "H %ci   %hr|%hr x%b/zz y",
            "H 127.0.0.1 {A #22u]#22 #7Ba#7Cb#7D\\zzz|}|{A #22u]#22 #7Ba#7Cb#7D\\zzz|} xbe/zz y",
        ),
        ("%o%HPO", "/p#22a%20th{x|y}]\\z"),
    ] {
        assert_eq!(line(format), expected, "{format}");
    }
}

#[test]
fn what_is_not_there_is_haproxys() {
    let format = |text: &str| Format::parse(text).unwrap();
    let (nothing, details) = (Kept::default(), Details::default());
    let bad = AccessRecord {
        server: ServerName::None,
        backend: "fe",
        timers: Timers::default(),
        status: None,
        request: RequestLine::Bad,
        termination: Termination::new(Cause::Proxy, Phase::Request),
        ..record(&nothing, &details)
    };
    for (text_of, expected) in [
        ("%HM|%HP|%HPO|%HQ|%HU|%HV|%r", ["<BADREQ>"; 7].join("|")),
        ("%b/%s %TR/%Tw/%Tc/%Tr %Td %Tq %ST", "fe/<NOSRV> -1/-1/-1/-1 -1 -1 -1".into()),
        ("%bi:%bp %si:%sp %{+X}bi %{+Q}bi %{+Q}bp", "-:- -:- - \"\" \"\"".into()),
        ("a %hr %hs b", "a b".into()),
        ("a %hr|%hs b", "a | b".into()),
        ("%hrl a %hsl ", "a ".into()),
        ("%CC %{+Q}CC", "- \"\"".into()),
    ] {
        assert_eq!(text(&format(text_of), &bad), expected, "{text_of}");
    }
    assert_eq!(
        text(&format(Format::CLF), &bad),
        "127.0.0.1 - - [30/Nov/2026:14:32:19 +0000] \"<BADREQ>\" -1 100 \"\" \"\" 45424 000 \"fe\" \"fe\" \"<NOSRV>\" -1 \
         -1 -1 -1 0 PR-- 1 2 3 4 +1 5 6 \"\" \"\" "
    );
}

/// Line of HAProxy 2.6.12 for the same request.
#[test]
fn clf_is_haproxys() {
    assert_eq!(
        line(Format::CLF),
        "127.0.0.1 - - [30/Nov/2026:14:32:19 +0000] \"GET /p#22a%20th{x|y}]\\z?q=1&b=2 HTTP/1.1\" 200 100 \"\" \"\" 45424 \
         078 \"fe\" \"be\" \"s1\" 0 0 1 2 4 ---- 1 2 3 4 +1 5 6 \"SRVC=cl\" \"SRVC=xyz\" \"A #22u]#22 #7Ba#7Cb#7D\\zzz\" \
         \"\" \"#22a#22 b#7Cc\""
    );
}

#[test]
fn names_show_what_letters_do() {
    for (field, letters, name) in field::FIELDS {
        assert!(!(letters.is_empty() && name.is_empty()), "{field:?}");
        if !letters.is_empty() && !name.is_empty() {
            assert_eq!(line(&format!("${{{name}}}")), line(&format!("%{letters}")), "{name}");
        }
        let same = field::FIELDS
            .iter()
            .filter(|(f, l, n)| f == field || l == letters && !l.is_empty() || n == name && !n.is_empty());
        assert_eq!(same.count(), 1, "{field:?}");
    }
}

#[test]
fn variables_of_rules_are_had_in_lines() {
    let session = SessionFacts {
        own: None,
        version: Version::Tls13,
        cipher: "TLS_AES_128_GCM_SHA256",
        server_name: Some("www.example.com".into()),
        alpn: Some(b"h2"[..].into()),
        resumed: true,
        client: None,
    };
    let request =
        Message { fields: &[("HOST", b"Www.Example:80"), ("Cookie", b"a=b; c=d \"e")], cookie: None };
    for (format, expected) in [
        (
            "${host} ${authority} ${path} ${query} ${pathq} ${method}",
            "www.example Www.Example:80 /p#22a%20th#7Bx#7Cy#7D]#5Cz q=1&b=2 /p#22a%20th#7Bx#7Cy#7D]#5Cz?q=1&b=2 GET",
        ),
        ("${src} ${dst}:${dst_port} ${ssl_fc_sni}", "127.0.0.1 127.0.0.1:19004 www.example.com"),
        ("${query(b)} ${cookie(a)} ${cookie(c)} \"${cookie(c)}\" ${cookie(x)}", "2 b d#20#22e \"d #22e\" -"),
        (
            "${hdr(host)}|${hdr(x)}|${res_hdr(X-Resp)}|\"${res_hdr(x-resp)}\"",
            "Www.Example:80|-|#22a#22#20b#7Cc|\"#22a#22 b|c\"",
        ),
        (
            "${ssl_fc} ${ssl_fc_protocol} ${ssl_fc_cipher} ${ssl_fc_alpn} ${ssl_fc_is_resumed} ${ssl_c_used} ${ssl_c_s_dn}",
            "1 TLSv1.3 TLS_AES_128_GCM_SHA256 h2 1 0 -",
        ),
        (
            "%ft ${time} $$ ${uuid}",
            "fe~ 2026-11-30T14:32:19.208+00:00 $ 01234567-89ab-4def-8123-456789abcdef",
        ),
        ("{\"ua\":\"${hdr(host)}\",\"c\":\"${cookie(c)}\"}", "{\"ua\":\"Www.Example:80\",\"c\":\"d #22e\"}"),
    ] {
        let format = Format::parse(format).unwrap();
        let kept = kept(&format, &request, &RESPONSE);
        let details = details();
        let record = AccessRecord { tls: Some(&session), ..record(&kept, &details) };
        assert_eq!(text(&format, &record), expected);
    }
    let absolute =
        RequestLine::Line { method: b"GET", target: b"http://Abs.example:1/x/y?z", version: b"HTTP/1.1" };
    let format = Format::parse("${host} ${authority} ${path} %HPO %HP ${query}").unwrap();
    let (kept, details) = (kept(&format, &request, &RESPONSE), details());
    let record = AccessRecord { request: absolute, ..record(&kept, &details) };
    assert_eq!(text(&format, &record), "abs.example Abs.example:1 /x/y /x/y http://Abs.example:1/x/y z");
}

#[test]
fn what_is_no_variable_is_refused() {
    use FormatError::{Expression, Flag, Flags, Letters, Percent, Variable};
    let expression = |expression: &str, instead: Option<&str>| Expression {
        expression: expression.into(),
        instead: instead.map(str::to_owned),
    };
    for (text, expected) in [
        ("50% of", Percent),
        ("%", Percent),
        ("%{+Q}", Percent),
        ("%bzz", Letters("bzz".into())),
        ("%lc", Letters("lc".into())),
        ("%{+Z}b", Flag("+Z".into())),
        ("%{+Q b", Flags),
        ("%[src]", expression("src", Some("${src}"))),
        ("%{+Q}[ssl_fc_sni]", expression("ssl_fc_sni", Some("${ssl_fc_sni}"))),
        ("%[req.hdr(User-Agent),lower]", expression("req.hdr(User-Agent),lower", Some("${hdr(User-Agent)}"))),
        ("%[capture.req.hdr(0)]", expression("capture.req.hdr(0)", Some("${hdr(NAME)}"))),
        ("%[res.hdr(Server)]", expression("res.hdr(Server)", Some("${res_hdr(Server)}"))),
        ("%[unique-id]", expression("unique-id", Some("${unique_id}"))),
        ("%[rand(5)]", expression("rand(5)", None)),
        ("$x", Variable(TemplateError::Dollar)),
        ("${x", Variable(TemplateError::Open)),
        ("${x}", Variable(TemplateError::Unknown("x".into()))),
        ("${res_hdr}", Variable(TemplateError::Nameless("res_hdr".into()))),
    ] {
        assert_eq!(Format::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn formats_know_what_they_need() {
    let format = |text: &str| Format::parse(text).unwrap();
    for (text, of_http, later) in [
        (Format::HTTPLOG, Some("%tr"), Some("%b")),
        (Format::TCPLOG, None, Some("%b")),
        ("%ci ${src} ${ssl_fc_sni} %t", None, None),
        ("%ci ${host}", Some("${host}"), None),
        ("${hdr(X)} %r", Some("${hdr(X)}"), None),
        ("${res_hdr(X)}", Some("${res_hdr(X)}"), Some("${res_hdr(X)}")),
        ("${time} ${unique_id}", Some("%ID"), Some("%ID")),
    ] {
        let format = format(text);
        assert_eq!((format.of_http().as_deref(), format.later().as_deref()), (of_http, later), "{text}");
    }
    assert!(format("%fi").looks_at_destination() && format("${dst}").looks_at_destination());
    assert!(format("%bp").looks_at_server() && format("${server_ip}").looks_at_server());
    assert!(!format("%ci").looks_at_destination() && !format("%fi").looks_at_server());
    assert!(format("%rt").counts_requests() && !format("%ci").counts_requests());
    assert!(format("a b %%").is_fixed() && !format("%b").is_fixed());
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![3 => b' '..=b'~', 1 => any::<u8>()], 1..most)
}

proptest! {
    /// The built-in formats, spelled out, give the same lines, whatever was asked for and answered.
    #[test]
    fn built_in_formats_are_what_their_spelling_says(
        (target, agent, cookie) in (bytes(60), bytes(40), bytes(20)),
        numbers in prop::array::uniform8(any::<u32>()),
        steps in prop::array::uniform4(prop::option::of(0_u64..100_000)),
        (status, flags, captures) in (prop::option::of(100_u16..600), any::<[bool; 4]>(), any::<bool>()),
        at in -10_i64..4_000_000_000_000,
    ) {
        let format = |text: &str| Format::parse(text).unwrap();
        let request = Message { fields: &[("user-agent", &agent)], cookie: Some((b"SRVC", &cookie)) };
        let kept = match captures {
            true => kept(&format(Format::HTTPLOG), &request, &RESPONSE),
            false => Kept::default(),
        };
        let [a, b, c, d, e, f, g, h] = numbers;
        let of = |ms: Option<u64>| ms.map(Duration::from_millis);
        let [step, queue, connect, response] = steps;
        let details = Details { accepted: UnixMillis(at), ..Details::default() };
        let sample = record(&kept, &details);
        let record = AccessRecord {
            time: UnixMillis(at),
            timers: Timers { request: of(step), queue: of(queue), connect: of(connect), response: of(response), active: Duration::from_millis(h.into()) },
            status,
            bytes_out: u64::from(a) * u64::from(b),
            counts: ConnectionCounts { process: a, frontend: b, backend: c, server: d },
            queue: QueuePositions { server: e, backend: f },
            retries: g.to_le_bytes()[0],
            redispatched: flags[0],
            server: if flags[1] { ServerName::None } else { ServerName::Server("s") },
            request: if flags[2] { RequestLine::Bad } else { RequestLine::Line { method: b"GET", target: &target, version: b"HTTP/1.1" } },
            termination: if flags[3] { Termination::new(Cause::Client, Phase::Data) } else { Termination::default() },
            ..sample
        };
        let mut calendar = Calendar::new(UtcOffset(3600));
        let (mut own, mut spelled) = (Vec::new(), Vec::new());
        httplog(&mut own, &record, &mut calendar, &mut Clients::default());
        format(Format::HTTPLOG).write(&mut spelled, &record, &mut calendar, &host());
        prop_assert_eq!(String::from_utf8(own).unwrap(), String::from_utf8(spelled).unwrap());
        let (mut own, mut spelled) = (Vec::new(), Vec::new());
        tcplog(&mut own, &record, &mut calendar, &mut Clients::default());
        format(Format::TCPLOG).write(&mut spelled, &record, &mut calendar, &host());
        prop_assert_eq!(String::from_utf8(own).unwrap(), String::from_utf8(spelled).unwrap());
    }

    /// Nothing that strangers send ends a line, leaves quotes, or looks like another word.
    #[test]
    fn strangers_stay_in_their_place(value in bytes(60), escaped in any::<bool>()) {
        let fields = [("x", value.as_slice()), ("user-agent", &value)];
        let message = Message { fields: &fields, cookie: Some((b"SRVC", &value)) };
        for spelled in [
            "\"${uri}\"",
            "\"${request_line}\"",
            "\"${request_captures}\"",
            "\"${query(x)}\"",
            "${hdr(x)}", "\"${hdr(x)}\"", "${res_hdr(x)}", "\"${res_hdr(x)}\"", "${cookie(x)}", "%CC", "%{+Q}CC", "\"%CC\"", "%{+Q}hr", "%{+Q}r", "%HU", "${query(x)}"] {
            let flag = if escaped { "%{+E}o" } else { "" };
            let format = Format::parse(&format!("{flag}<{spelled}>")).unwrap();
            let (kept, details) = (kept(&format, &message, &message), details());
            let sample = record(&kept, &details);
            let target = [b"/?x=", value.as_slice()].concat();
            let record = AccessRecord { request: RequestLine::Line { method: b"GET", target: &target, version: b"HTTP/1.1" }, ..sample };
            let line = text(&format, &record);
            prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{}", line);
            let inside = line.strip_prefix('<').unwrap().strip_suffix('>').unwrap();
            if let Some(quoted) = inside.strip_prefix('"').and_then(|l| l.strip_suffix('"')) {
                let bare = quoted.replace("\\\\", "").replace("\\\"", "");
                prop_assert!(!bare.contains('"'), "{}", line);
                // Nor is the quote that ends it taken for one of them. HAProxy's letters see to that with `+E`.
                prop_assert!(!bare.ends_with('\\') || spelled.contains('%') && !escaped, "{}", line);
            } else if spelled != "%HU" {
                prop_assert!(!inside.contains(' '), "{}", line);
            }
        }
    }
}
