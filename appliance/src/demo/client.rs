//! The client: a new connection through the VIP every few milliseconds, and what became of it.
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::backend::{SERVED_BY, THROUGH};
use super::cast::{App, FRONTEND_PORT, Node, VIP};
use super::event::{Failure, Listening, Probe, Reporter, Served, What};
use super::netns::NetNs;
use super::resident::{Resident, Stopped};

/// Time between the starts of two requests: the resolution of every measured outage.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_millis(5);
/// How long the client waits for one answer. Shorter than the kernel's first SYN retransmission (1 s), so that a
/// packet sent into nothing is a failed request and not a slow one.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// Starts sending requests from `netns`.
///
/// # Errors
/// When its thread cannot be started.
pub(super) fn start(netns: &NetNs, reporter: Reporter) -> io::Result<Resident> {
    Resident::settle(
        netns,
        "client",
        || Ok(()),
        async move |(), stopped| {
            probe_steadily(&reporter, stopped).await;
            Ok(())
        },
    )
}

/// Starts a request at every tick, whatever became of the ones before: a slow answer must not hide an outage.
async fn probe_steadily(reporter: &Reporter, mut stopped: Stopped) {
    let mut ticks = interval(PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // Bounded by patience over interval.
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            // Cancel-safety: a tick that was not taken is kept; a finished request stays in the set.
            _ = &mut stopped => return,
            _ = ticks.tick() => {
                running.spawn(probe(reporter.clone()));
            }
            Some(done) = running.join_next() => {
                if let Ok(probe) = done && reporter.report(What::Probe(probe)) == Listening::No {
                    return;
                }
            }
        }
    }
}

async fn probe(reporter: Reporter) -> Probe {
    let started = reporter.now();
    let result = match timeout(PATIENCE, exchange()).await {
        Ok(Ok(answer)) => read_answer(&answer),
        Ok(Err(error)) => Err(failure(error.kind())),
        Err(_) => Err(Failure::TimedOut),
    };
    Probe { started, took: reporter.now().saturating_sub(started), result }
}

async fn exchange() -> io::Result<Vec<u8>> {
    let mut connection = TcpStream::connect((VIP, FRONTEND_PORT)).await?;
    connection.write_all(REQUEST).await?;
    let mut answer = Vec::with_capacity(512);
    connection.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn failure(kind: ErrorKind) -> Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "ErrorKind is foreign and non-exhaustive")]
    match kind {
        ErrorKind::ConnectionRefused => Failure::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Failure::Reset,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Failure::Unreachable,
        ErrorKind::TimedOut => Failure::TimedOut,
        _ => Failure::Cut,
    }
}

/// Only a complete answer of a known backend through a known node counts as served.
fn read_answer(answer: &[u8]) -> Result<Served, Failure> {
    if answer.is_empty() {
        return Err(Failure::Cut);
    }
    let text = std::str::from_utf8(answer).map_err(|_| Failure::Strange)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(Failure::Cut)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok()).ok_or(Failure::Strange)?;
    if status != 200 {
        return Err(Failure::Status(status));
    }
    let length = header(head, "content-length").and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| body.len() < length) {
        return Err(Failure::Cut);
    }
    let app = header(head, SERVED_BY).and_then(App::by_name);
    let through =
        header(head, THROUGH).and_then(|addr| addr.parse::<Ipv4Addr>().ok()).and_then(Node::by_addr);
    match (app, through) {
        (Some(app), Some(through)) => Ok(Served { through, app }),
        (None, _) | (_, None) => Err(Failure::Strange),
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: www.demo.test\r\nConnection: close\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_only_when_it_is_complete_and_signed() {
        let cases: [(&str, Result<Served, Failure>); 7] = [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Served-By: app1\r\nX-Through: 10.99.0.2\r\n\r\nhi\n",
                Ok(Served { through: Node::Lb2, app: App::App1 }),
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Served-By: app1\r\nX-Through: 10.99.0.2\r\n\r\nh",
                Err(Failure::Cut),
            ),
            ("HTTP/1.1 200 OK\r\nX-Served-By: app1\r\nX-Through: 10.99.0.9\r\n\r\n", Err(Failure::Strange)),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Err(Failure::Status(503))),
            ("HTTP/1.1 200 OK\r\nX-Ser", Err(Failure::Cut)),
            ("nonsense\r\n\r\n", Err(Failure::Strange)),
            ("", Err(Failure::Cut)),
        ];
        for (answer, expected) in cases {
            assert_eq!(read_answer(answer.as_bytes()), expected, "{answer:?}");
        }
    }
}
