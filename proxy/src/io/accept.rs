//! Takes connections in, on every data thread for itself.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use super::admit::{Arrival, admit};
use super::runtime::DataThread;
use crate::plan::{FrontendId, ListenerId};

/// One listening socket.
pub(super) struct Listening {
    pub(super) listener: TcpListener,
    pub(super) id: ListenerId,
    pub(super) frontend: FrontendId,
}

/// Accepts on all of the thread's sockets until it is aborted, which closes them.
///
/// A connection is only accepted if there is room for it: while a limit is reached it waits in the kernel's backlog,
/// where a connection costs nothing and is not lost.
pub(super) async fn accept(thread: Rc<DataThread>, listeners: Vec<Listening>) {
    let mut from = 0;
    loop {
        match poll_fn(|cx| poll_accept(&thread, &listeners, &mut from, cx)).await {
            Accepted::Connection(arrival) => admit(&thread, arrival, Instant::now()),
            Accepted::Full => tokio::time::sleep(FULL).await,
            Accepted::Failed(error) => {
                if is_exhaustion(&error) {
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }
}

enum Accepted {
    Connection(Arrival),
    /// A limit is reached for every socket.
    Full,
    Failed(io::Error),
}

fn poll_accept(
    thread: &Rc<DataThread>,
    listeners: &[Listening],
    from: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<Accepted> {
    let mut full = false;
    // Every socket in turn, so that a busy one does not starve the others.
    for step in 0..listeners.len() {
        let at = (*from + step) % listeners.len();
        let Some(listening) = listeners.get(at) else { continue };
        let Some(permit) = thread.gate.enter(listening.frontend) else {
            full = true;
            continue;
        };
        match listening.listener.poll_accept(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok((tcp, client))) => {
                *from = at + 1;
                let Listening { id, frontend, .. } = *listening;
                let arrival = Arrival { tcp, client, listener: id, frontend, permit };
                return Poll::Ready(Accepted::Connection(arrival));
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Accepted::Failed(error)),
        }
    }
    if full { Poll::Ready(Accepted::Full) } else { Poll::Pending }
}

/// Whether an error will be met again at once: no descriptors or no memory. Others concern one connection that is gone.
fn is_exhaustion(error: &io::Error) -> bool {
    use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}

/// How soon room is looked for again: it is made by connections that end, on whatever thread.
const FULL: Duration = Duration::from_millis(10);

/// How soon the kernel is asked again after it had no descriptors left.
const EXHAUSTED: Duration = Duration::from_millis(100);
