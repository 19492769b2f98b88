//! Takes connections in, on every data thread for itself.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use rustix::net::SocketFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::admit::{Arrival, admit};
use super::idle::Eviction;
use super::runtime::DataThread;
use super::stream::Stream;
use crate::plan::{FrontendId, ListenerId};

/// One listening socket.
pub(super) struct Listening {
    /// Of a type that lets one do what one wants when it is ready; the runtime's listener would register what it accepts.
    listener: TcpStream,
    pub(super) id: ListenerId,
    pub(super) frontend: FrontendId,
}

impl Listening {
    /// Listens on `listener` for a frontend. What is accepted inherits the option: small messages leave at once, because
    /// they are always complete ones.
    pub(super) fn new(listener: TcpListener, id: ListenerId, frontend: FrontendId) -> io::Result<Self> {
        socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
        let listener = TcpStream::from_std(OwnedFd::from(listener).into())?;
        Ok(Self { listener, id, frontend })
    }

    /// Accepts a connection. Its socket does not block.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(OwnedFd, SocketAddr)>> {
        loop {
            ready!(self.listener.poll_read_ready(cx))?;
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let accept = || Ok(rustix::net::acceptfrom_with(&self.listener, flags)?);
            match self.listener.try_io(Interest::READABLE, accept) {
                Ok((socket, client)) => {
                    let client = client.ok_or(io::ErrorKind::AddrNotAvailable)?;
                    return Poll::Ready(Ok((socket, client.try_into()?)));
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Accepts on all of the thread's sockets until it is aborted, which closes them.
///
/// A connection is only accepted if there is room for it: while a limit is reached it waits in the kernel's backlog,
/// where a connection costs nothing and is not lost, until one ends, or one that is idle makes room.
pub(super) async fn accept(thread: Rc<DataThread>, listeners: Vec<Listening>) {
    let mut from = 0;
    loop {
        let next = poll_fn(|cx| match poll_accept(&thread, &listeners, &mut from, cx) {
            (Poll::Pending, Room::Enough) => Poll::Pending,
            (Poll::Pending, room) => Poll::Ready(Err(room)),
            (accepted, _) => accepted.map(Ok),
        });
        let accepted = match next.await {
            Ok(accepted) => accepted,
            Err(Room::Paused) => match accept_or_resume(&thread, &listeners, &mut from).await {
                Some(accepted) => accepted,
                None => continue,
            },
            // Whoever was asked to leave does so now.
            Err(Room::None | Room::Enough) if make_room(&thread, &listeners) => {
                tokio::task::yield_now().await;
                continue;
            }
            Err(Room::None | Room::Enough) => {
                // The others are not to wait for the one that is full. Cancel safe: what has been accepted is returned at
                // once.
                let others = poll_fn(|cx| poll_accept(&thread, &listeners, &mut from, cx).0);
                match tokio::time::timeout(FULL, others).await {
                    Ok(accepted) => accepted,
                    Err(_) => continue,
                }
            }
        };
        match accepted {
            Ok(arrival) => admit(&thread, arrival, Instant::now()),
            Err(error) if is_exhaustion(&error) => {
                let pause = if thread.relieve() { FULL } else { EXHAUSTED };
                tokio::time::sleep(pause).await;
            }
            Err(_) => {}
        }
    }
}

/// Accepts from those that let anybody in. `None`: something has changed, and all are to be looked at again.
async fn accept_or_resume(
    thread: &Rc<DataThread>,
    listeners: &[Listening],
    from: &mut usize,
) -> Option<io::Result<Arrival>> {
    let mut resumed = pin!(thread.gate.resumed());
    // From here on a frontend that goes on is not missed.
    resumed.as_mut().enable();
    let others = poll_fn(|cx| match poll_accept(thread, listeners, from, cx) {
        (Poll::Pending, Room::Paused) => Poll::Pending,
        (Poll::Pending, Room::Enough | Room::None) => Poll::Ready(None),
        (accepted, _) => accepted.map(Some),
    });
    // Cancel safe: what has been accepted is returned at once.
    tokio::select! {
        biased;
        accepted = others => accepted,
        () = resumed => None,
    }
}

/// Lets an idle connection make room for one that waits to be accepted. `false`: nobody waits, nobody here is idle, or
/// room is being made already.
fn make_room(thread: &DataThread, listeners: &[Listening]) -> bool {
    let mut made = false;
    for listening in listeners {
        let Some(full) = thread.gate.full(listening.frontend) else { continue };
        if !is_waited_at(&listening.listener) {
            continue;
        }
        match thread.idle.evict(full) {
            Eviction::Asked => made = true,
            Eviction::UnderWay => {}
            Eviction::Nobody => thread.gate.ask_for_room(full),
        }
    }
    made
}

/// Makes room when another thread asks for it.
pub(super) async fn lend_room(thread: Rc<DataThread>) {
    loop {
        let full = thread.gate.asked_for_room().await;
        // Whoever asked looks again by itself, whether or not there was anyone.
        let _made: Eviction = thread.idle.evict(full);
    }
}

/// Whether a connection waits in the backlog.
fn is_waited_at(listener: &TcpStream) -> bool {
    let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    nix::poll::poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Whether every socket could be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    /// An operator wants one of them to be left alone.
    Paused,
    /// A limit is reached for one of them.
    None,
}

fn poll_accept(
    thread: &Rc<DataThread>,
    listeners: &[Listening],
    from: &mut usize,
    cx: &mut Context<'_>,
) -> (Poll<io::Result<Arrival>>, Room) {
    let mut room = Room::Enough;
    // Every socket in turn, so that a busy one does not starve the others.
    for step in 0..listeners.len() {
        let at = (*from + step) % listeners.len();
        let Some(listening) = listeners.get(at) else { continue };
        if thread.gate.is_paused(listening.frontend) {
            room = if room == Room::None { Room::None } else { Room::Paused };
            continue;
        }
        let Some(permit) = thread.gate.enter(listening.frontend) else {
            room = Room::None;
            continue;
        };
        match listening.poll_accept(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok((socket, client))) => {
                *from = at + 1;
                let Listening { id, frontend, .. } = *listening;
                let stream = Stream::accepted(socket);
                let arrival = Arrival { stream, client, listener: id, frontend, permit: permit.used() };
                return (Poll::Ready(Ok(arrival)), room);
            }
            Poll::Ready(Err(error)) => return (Poll::Ready(Err(error)), room),
        }
    }
    (Poll::Pending, room)
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn accepted_sockets_do_not_block_and_send_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let at = listener.local_addr().unwrap();
            let listening = Listening::new(listener, ListenerId(0), FrontendId(0)).unwrap();
            assert!(listening.poll_accept(&mut Context::from_waker(Waker::noop())).is_pending());
            let client = std::net::TcpStream::connect(at).unwrap();
            let (socket, address) = poll_fn(|cx| listening.poll_accept(cx)).await.unwrap();
            assert_eq!(address, client.local_addr().unwrap());
            let options = socket2::SockRef::from(&socket);
            assert!(options.tcp_nodelay().unwrap());
            assert!(options.nonblocking().unwrap());
        });
    }
}
