//! `[global]`.

use std::time::Duration;

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys;
use crate::config::model::{Global, WorkerWatch};
use crate::config::read::{Fields, Reader};
use crate::config::value;

use super::log;

/// Reads `[global]`; what is missing or wrong gets its default.
pub(super) fn global(cx: &mut Reader<'_>, mut t: Fields<'_>, cpus: u16) -> Global {
    let name = |cx: &mut Reader<'_>, t: &mut Fields<'_>, key| t.read(cx, key, Reader::name).map(|n| n.value);
    let (bufsize, http_maxhdr) = tune(cx, &mut t);
    let global = Global {
        user: name(cx, &mut t, "user"),
        group: name(cx, &mut t, "group"),
        script_user: name(cx, &mut t, "script_user"),
        nbthread: t.read(cx, "nbthread", Reader::int).map_or_else(|| cpus.max(1), |n| n.value),
        maxconn: t.read(cx, "maxconn", Reader::int).map_or(10_000, |n| n.value),
        log: t.read(cx, "log", |cx, key, node| Some(log::targets(cx, key, node))).unwrap_or_default(),
        drain_timeout: t.read(cx, "hard_stop_after", Reader::duration).map_or(DRAIN, |d| d.value),
        worker: worker(cx, &mut t),
        bufsize,
        http_maxhdr,
    };
    t.finish(cx);
    global
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

/// `bufsize` in bytes and `http_maxhdr`.
fn tune(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> (usize, usize) {
    let read = t.read(cx, "tune", |cx, _, node| {
        let mut t = Fields::of(cx, &keys::TUNE, node.key, node)?;
        let bufsize = t.read(cx, "bufsize", Reader::size).and_then(|s| usize::try_from(s.value).ok());
        let maxhdr = t.read(cx, "http_maxhdr", Reader::int).map(|n| n.value);
        t.finish(cx);
        Some((bufsize.unwrap_or(BUFSIZE), maxhdr.unwrap_or(MAXHDR)))
    });
    read.unwrap_or((BUFSIZE, MAXHDR))
}

/// As HAProxy's `tune.bufsize`.
const BUFSIZE: usize = 16 << 10;
/// As HAProxy's `tune.http.maxhdr`.
const MAXHDR: usize = 101;
const DRAIN: Duration = Duration::from_secs(30);
