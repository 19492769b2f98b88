//! `[global]`.

use std::time::Duration;

use evenkeel_proxy::compress::Deflater;
use evenkeel_proxy::plan::Http2;

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::model::{Global, WorkerWatch};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::value::{self, Bad};

use super::{admin, log, tls};

/// Reads `[global]`; what is missing or wrong gets its default.
pub(super) fn global(cx: &mut Reader<'_>, mut t: Fields<'_>, cpus: u16) -> Global {
    let name = |cx: &mut Reader<'_>, t: &mut Fields<'_>, key| t.read(cx, key, Reader::name).map(|n| n.value);
    let Tune { bufsize, http_maxhdr, http2, compressors } = tune(cx, &mut t);
    let maxconn = t.read(cx, "maxconn", Reader::int);
    if let Some(said) = maxconn {
        check_descriptors(cx, said);
    }
    let global = Global {
        user: name(cx, &mut t, "user"),
        group: name(cx, &mut t, "group"),
        script_user: name(cx, &mut t, "script_user"),
        nbthread: t.read(cx, "nbthread", Reader::int).map_or_else(|| cpus.max(1), |n| n.value),
        spread_checks: t.read(cx, "spread_checks", Reader::int).map_or(0, |n| n.value),
        maxconn: maxconn.map_or(10_000, |n| n.value),
        log: t.read(cx, "log", |cx, key, node| Some(log::targets(cx, key, node))).unwrap_or_default(),
        admin_sockets: t
            .read(cx, "admin_socket", |cx, key, node| Some(admin::sockets(cx, key, node)))
            .unwrap_or_default(),
        saved_files: t.read(cx, "saved_files", saved_files).unwrap_or_default(),
        drain_timeout: t.read(cx, "hard_stop_after", Reader::duration).map_or(DRAIN, |d| d.value),
        worker: worker(cx, &mut t),
        bufsize,
        http_maxhdr,
        http2,
        compressors,
        tls: tls::global(cx, &mut t),
    };
    t.finish(cx);
    global
}

fn saved_files(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Spanned<String>>> {
    let path = |text: &str| if text.is_empty() { Err(Bad::new("is empty")) } else { Ok(text.to_owned()) };
    Some(node.one_or_many().into_iter().filter_map(|n| cx.parsed(key, n, path)).collect())
}

fn check_descriptors(cx: &mut Reader<'_>, maxconn: Spanned<u32>) {
    let needed = descriptors_of(maxconn.value);
    if let Some(most) = cx.externals.descriptors().filter(|most| *most < needed) {
        let message = format!(
            "`maxconn` needs {needed} open files, for clients and for servers, and a process may open {most} here"
        );
        cx.push(Diagnostic::warning(Code::Descriptors, maxconn.span, message));
    }
}

/// Descriptors for so many clients, each with a connection to a server, and for listeners, checks and logs.
fn descriptors_of(maxconn: u32) -> u64 {
    2 * u64::from(maxconn) + 100
}

fn worker(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> WorkerWatch {
    let ms = Duration::from_millis;
    let fallback = WorkerWatch {
        grace: ms(500),
        heartbeat_interval: ms(50),
        heartbeat_timeout: ms(300),
        start_timeout: ms(10_000),
    };
    let read = t.read(cx, "worker", |cx, _, node| {
        let mut t = Fields::of(cx, &keys::WORKER, node.key, node)?;
        let mut read = |cx: &mut Reader<'_>, key| t.read(cx, key, Reader::duration);
        let grace = read(cx, "grace");
        let interval = read(cx, "heartbeat_interval");
        let timeout = read(cx, "heartbeat_timeout");
        let start = read(cx, "start_timeout");
        t.finish(cx);
        let watch = WorkerWatch {
            grace: grace.map_or(fallback.grace, |d| d.value),
            heartbeat_interval: interval.map_or(fallback.heartbeat_interval, |d| d.value),
            heartbeat_timeout: timeout.map_or(fallback.heartbeat_timeout, |d| d.value),
            start_timeout: start.map_or(fallback.start_timeout, |d| d.value),
        };
        if watch.heartbeat_timeout <= watch.heartbeat_interval {
            let span = timeout.or(interval).map_or(node.span, |d| d.span);
            let message = format!(
                "heartbeat_timeout {} must be more than heartbeat_interval {}",
                value::show(watch.heartbeat_timeout),
                value::show(watch.heartbeat_interval)
            );
            cx.push(Diagnostic::error(Code::BadCombination, span, message));
        }
        Some(watch)
    });
    read.unwrap_or(fallback)
}

struct Tune {
    /// In bytes.
    bufsize: usize,
    http_maxhdr: usize,
    http2: Http2,
    compressors: u32,
}

fn tune(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Tune {
    let read = t.read(cx, "tune", |cx, _, node| {
        let mut t = Fields::of(cx, &keys::TUNE, node.key, node)?;
        let bufsize = t.read(cx, "bufsize", Reader::size).and_then(|s| usize::try_from(s.value).ok());
        let maxhdr = t.read(cx, "http_maxhdr", Reader::int).map(|n| n.value);
        let http2 = http2(cx, &mut t);
        let memory = t.read(cx, "comp_max_memory", Reader::size).map_or(COMPRESSION, |s| s.value);
        t.finish(cx);
        let compressors = compressors(memory);
        let (bufsize, http_maxhdr) = (bufsize.unwrap_or(BUFSIZE), maxhdr.unwrap_or(MAXHDR));
        Some(Tune { bufsize, http_maxhdr, http2, compressors })
    });
    read.unwrap_or_else(|| Tune {
        bufsize: BUFSIZE,
        http_maxhdr: MAXHDR,
        http2: Http2::default(),
        compressors: compressors(COMPRESSION),
    })
}

/// So many fit into this.
fn compressors(memory: u64) -> u32 {
    u32::try_from(memory / Deflater::BYTES).unwrap_or(u32::MAX)
}

fn http2(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Http2 {
    let fallback = Http2::default();
    let mut size = |cx: &mut Reader<'_>, key, otherwise| {
        t.read(cx, key, Reader::size).and_then(|s| u32::try_from(s.value).ok()).unwrap_or(otherwise)
    };
    let initial_window = size(cx, "h2_initial_window_size", fallback.initial_window);
    let max_frame = size(cx, "h2_max_frame_size", fallback.max_frame);
    let header_table = size(cx, "h2_header_table_size", fallback.header_table);
    let mut int =
        |cx: &mut Reader<'_>, key, otherwise| t.read(cx, key, Reader::int).map_or(otherwise, |n| n.value);
    let max_streams = int(cx, "h2_max_concurrent_streams", fallback.max_streams);
    let glitches = int(cx, "h2_fe_glitches_threshold", fallback.glitches);
    Http2 { max_streams, initial_window, max_frame, header_table, glitches }
}

/// As HAProxy's `tune.bufsize`.
const BUFSIZE: usize = 16 << 10;
/// As HAProxy's `tune.http.maxhdr`.
const MAXHDR: usize = 101;
/// Some 400 compressors.
const COMPRESSION: u64 = 128 << 20;
const DRAIN: Duration = Duration::from_secs(30);
