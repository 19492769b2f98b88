//! One check over a real socket: does what its [`Run`] wants, until there is a verdict.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Waker};
use std::time::Instant;

use nix::errno::Errno;
use tokio::time::timeout_at;

use super::http2;
use crate::endpoint::Endpoint;
use crate::health::agent::AgentLine;
use crate::health::run::{Failure, Limits, Run, Want, Whom};
use crate::health::{CheckResult, CheckStatus, Job, Probe};
use crate::io::caller::of_our_own;
use crate::io::stream::{BACKLOG_IS_FULL, Stream};
use crate::plan::{CheckConfig, Connect, Plan, ServerProtocol};
use crate::proxy_protocol::Version;
use crate::tls::Connector;

/// What came of a probe.
#[derive(Debug)]
pub(super) struct Probed {
    /// How it ended.
    pub(super) result: CheckResult,
    /// What an agent said.
    pub(super) line: Option<AgentLine>,
}

/// Probes a server of `plan` once, where it is.
///
/// # Cancel safety
/// Dropping the future closes the connection; nothing else is left behind.
pub(super) async fn probe(plan: &Plan, job: Job, at: Option<Endpoint>, whom: Whom) -> Probed {
    let (Some((config, limits, header)), Some(target)) = (find(plan, job), at) else {
        return Probed { result: CheckResult::new(CheckStatus::Unknown), line: None };
    };
    let mut run = Run::new(&config.script, limits, Instant::now()).of(whom);
    let mut line = None;
    loop {
        let now = Instant::now();
        let want = run.poll(now);
        if let Want::Done(result, farewell) = want {
            if let Some(line) = line {
                leave(line, &farewell);
            }
            let line = (job.probe == Probe::Agent).then(|| run.agent_line()).flatten();
            return Probed { result: *result, line };
        }
        // Dropping what is under way when time is up loses nothing: the run is over, and so is its connection.
        let due = run.poll_timeout();
        // A server that always has something to say never makes the timer look at the clock.
        if now >= due {
            run.handle_timeout(now);
            continue;
        }
        let how = (&target, config, header);
        if timeout_at(due.into(), carry_out(want, how, &mut line, &mut run)).await.is_err() {
            run.handle_timeout(Instant::now());
        }
    }
}

/// What a probe runs, in what time, and the header its connections begin with.
fn find(plan: &Plan, job: Job) -> Option<(&CheckConfig, Limits, Option<Version>)> {
    let server = plan.servers().get(job.server.0 as usize)?;
    let (config, header) = match job.probe {
        Probe::Check => (server.check.as_ref()?, server.check_send_proxy),
        // HAProxy tells an agent nothing either: it is a program of its own beside the server.
        Probe::Agent => (server.watch.agent.as_ref()?, None),
    };
    let backend = plan.backends().get(usize::from(server.backend.0))?;
    Some((config, Limits::new(config, backend.timeout.connect), header))
}

/// A connection of a check, and what HTTP requests on it are made in.
struct Line {
    stream: Stream,
    protocol: ServerProtocol,
}

/// Does one thing that is wanted and tells the run what came of it.
async fn carry_out(
    want: Want,
    (target, config, header): (&Endpoint, &CheckConfig, Option<Version>),
    line: &mut Option<Line>,
    run: &mut Run<'_>,
) {
    match want {
        Want::Connect(how) => {
            *line = None;
            let stream = match connect(&how, target, header).await {
                Err(error) => return run.handle_failure(Instant::now(), &failure(&error)),
                Ok(connected) => match config.connector(&how) {
                    None => {
                        run.handle_connected();
                        Some(connected)
                    }
                    Some(connector) => secure(connected, connector, run).await,
                },
            };
            *line = stream.map(|stream| {
                let protocol = how.speaks(config, stream.has_agreed_on_http2());
                Line { stream, protocol }
            });
        }
        Want::Send(bytes) => match (run.request(), line.take()) {
            (Some(_), Some(Line { stream, protocol: ServerProtocol::Http2 })) => {
                if let Err(error) = http2::ask(stream, run).await {
                    run.handle_failure(Instant::now(), &failure(&error));
                }
            }
            (_, Some(Line { mut stream, protocol })) => {
                match send(&mut stream, &bytes).await {
                    Ok(()) => run.handle_sent(Instant::now()),
                    Err(error) => run.handle_unsent(Instant::now(), failure(&error)),
                }
                *line = Some(Line { stream, protocol });
            }
            (_, None) => run.handle_failure(Instant::now(), &UNCONNECTED),
        },
        Want::Receive => match line {
            Some(Line { stream, .. }) => receive(stream, run).await,
            None => run.handle_failure(Instant::now(), &UNCONNECTED),
        },
        Want::Done(..) => {}
    }
}

async fn connect(how: &Connect, target: &Endpoint, header: Option<Version>) -> io::Result<Stream> {
    let mut stream = Stream::connect(&how.target(target))?;
    poll_fn(|cx| stream.poll_connected(cx)).await?;
    if !how.linger {
        // Closing with a reset leaves no TIME_WAIT behind, neither here nor with the server.
        stream.reset_on_close()?;
    }
    // A step that goes elsewhere goes to something else, which need not speak the PROXY protocol.
    let elsewhere = how.addr.is_some() || how.port.is_some();
    if let Some(version) = header.filter(|_| !elsewhere) {
        let header = of_our_own(version, &stream);
        send(&mut stream, &header).await?;
    }
    Ok(stream)
}

async fn secure(reached: Stream, connector: &Connector, run: &mut Run<'_>) -> Option<Stream> {
    run.handle_reached();
    let secured = async {
        let mut stream = reached.secure(connector)?;
        poll_fn(|cx| stream.poll_connected(cx)).await?;
        Ok(stream)
    };
    match secured.await {
        Ok(stream) => {
            run.handle_connected();
            Some(stream)
        }
        Err(error) => {
            let error: io::Error = error;
            run.handle_no_tls(Instant::now(), &error.to_string());
            None
        }
    }
}

async fn send(stream: &mut Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let sent = poll_fn(|cx| stream.poll_write(cx, bytes, &[])).await?;
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(sent..).unwrap_or_default();
    }
    Ok(())
}

async fn receive(stream: &mut Stream, run: &mut Run<'_>) {
    let mut buffer = [0; READ_BYTES];
    match poll_fn(|cx| stream.poll_read(cx, &mut buffer)).await {
        Ok(0) => run.handle_end(Instant::now()),
        // A server that closes a TLS connection without saying so has still said what it has said.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => run.handle_end(Instant::now()),
        Ok(n) => run.handle_received(Instant::now(), buffer.get(..n).unwrap_or_default()),
        Err(error) => run.handle_failure(Instant::now(), &failure(&error)),
    }
}

/// Says goodbye where there is something to say. A server that cannot take it at once is left without.
fn leave(Line { mut stream, .. }: Line, farewell: &[u8]) {
    if !farewell.is_empty() {
        let mut cx = Context::from_waker(Waker::noop());
        // Whatever comes of it, the connection is closed and the verdict stands.
        let _said = stream.poll_write(&mut cx, farewell, &[]);
    }
}

/// Tells what is wrong with the server from what this machine has run out of, descriptors, ports or memory: that must
/// not take every server down at once.
pub(super) fn failure(error: &io::Error) -> Failure {
    let Some(errno) = error.raw_os_error().map(Errno::from_raw) else {
        let words = if error.kind() == io::ErrorKind::ConnectionRefused {
            BACKLOG_IS_FULL
        } else if error.kind() == io::ErrorKind::InvalidData {
            "HTTP/2 failure"
        } else {
            "Connection broken"
        };
        return Failure { words, ours: false };
    };
    let ours = matches!(
        errno,
        Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM | Errno::EADDRNOTAVAIL | Errno::EAGAIN
    );
    Failure { words: errno.desc(), ours }
}

/// A run asks for a connection before it uses one.
const UNCONNECTED: Failure = Failure { words: "no connection", ours: true };

/// Enough for most responses at once.
const READ_BYTES: usize = 4096;
