//! The listening sockets. They are bound once, by the keeper, and stay open in it whatever happens to a worker: new
//! connections wait in the backlog while the next worker starts.
//!
//! Each address gets one socket per data thread (SO_REUSEPORT), so that the kernel spreads connections and no thread
//! wakes for another's. IP_FREEBIND lets a BACKUP listen on a virtual address that it does not hold.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use evenkeel_proxy::plan::{Listener, ListenerId};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

/// All listening sockets of this node.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    bound: Vec<Bound>,
}

/// The sockets of one address.
#[derive(Debug)]
pub(super) struct Bound {
    /// Which listener of the plan.
    pub id: ListenerId,
    /// Where.
    pub addr: SocketAddr,
    /// One per data thread.
    pub sockets: Vec<OwnedFd>,
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {source}")]
pub struct BindError {
    /// The address.
    pub addr: SocketAddr,
    /// The kernel's reason.
    #[source]
    pub source: io::Error,
}

impl Listeners {
    /// Binds every address, `threads` sockets each.
    ///
    /// # Errors
    /// All addresses that could not be bound; nothing stays bound then.
    pub(super) fn bind(listeners: &[Listener], threads: u16) -> Result<Self, Vec<BindError>> {
        Self::default().with(listeners, threads)
    }

    /// For another configuration: addresses that are bound keep their sockets, so that whoever waits there is not refused,
    /// and get more for more threads; the others are bound. These here stay as they are.
    ///
    /// # Errors
    /// All addresses that could not be bound; nothing has changed then.
    pub(super) fn with(&self, listeners: &[Listener], threads: u16) -> Result<Self, Vec<BindError>> {
        let mut bound = Vec::new();
        let mut errors = Vec::new();
        for (id, listener) in (0..).map(ListenerId).zip(listeners) {
            let addr = listener.addr;
            let here = self.bound.iter().filter(|b| b.addr == addr).flat_map(|b| &b.sockets);
            let sockets = here.map(OwnedFd::try_clone).collect::<io::Result<Vec<_>>>().and_then(|mut all| {
                while all.len() < usize::from(threads) {
                    all.push(listen(addr)?);
                }
                Ok(all)
            });
            match sockets {
                Ok(sockets) => bound.push(Bound { id, addr, sockets }),
                Err(source) => errors.push(BindError { addr, source }),
            }
        }
        if errors.is_empty() { Ok(Self { bound }) } else { Err(errors) }
    }

    /// Those of the keeper before this one, for the same addresses.
    pub(super) fn inherited(listeners: &[Listener], mut sockets: Vec<(SocketAddr, Vec<OwnedFd>)>) -> Self {
        let bound = |(id, listener): (ListenerId, &Listener)| {
            let at = sockets.iter().position(|(addr, _)| *addr == listener.addr)?;
            let (addr, sockets) = sockets.swap_remove(at);
            Some(Bound { id, addr, sockets })
        };
        Self { bound: (0..).map(ListenerId).zip(listeners).filter_map(bound).collect() }
    }

    /// The bound addresses.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Bound> {
        self.bound.iter()
    }

    /// All descriptors in the order of [`Self::iter`], for handing over.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.bound.iter().flat_map(|b| b.sockets.iter().map(AsFd::as_fd)).collect()
    }

    /// Closes everything: from here on connections are refused, unless another process listens too.
    pub(super) fn close(&mut self) {
        self.bound.clear();
    }
}

fn listen(addr: SocketAddr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // `*` is bound as two sockets, one for each family, so that access rules and logs never see mapped addresses.
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    transparent(&socket, addr);
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted connections inherit it: answers are written whole and must not wait for the client's ACK.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepted connections inherit it: what is still to be said to a client can leave from a virtual address that has just
/// moved away. Without the capability such answers are lost, and nothing else.
fn transparent(socket: &Socket, addr: SocketAddr) {
    // The kernel keeps one flag for both families and takes this option for it on either.
    if let Err(errno) = setsockopt(socket, sockopt::IpTransparent, &true) {
        tracing::debug!(%addr, %errno, "answers under way are lost when the address moves away");
    }
}

/// Asked for; the kernel takes no more than net.core.somaxconn.
const BACKLOG: i32 = 65_535;

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_proxy::plan::FrontendId;

    fn listener(addr: &str) -> Listener {
        Listener::new(FrontendId(0), addr.parse().unwrap())
    }

    #[test]
    fn binds_an_address_that_is_not_there() {
        let all = [listener("192.0.2.77:0"), listener("[2001:db8::77]:0"), listener("127.0.0.1:0")];
        let bound = Listeners::bind(&all[..1], 2).unwrap();
        assert_eq!(bound.descriptors().len(), 2);
        if std::fs::exists("/proc/net/if_inet6").unwrap() {
            assert_eq!(Listeners::bind(&all, 1).unwrap().iter().count(), 3);
        }
    }

    #[test]
    fn names_every_address_that_cannot_be_bound() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap().to_string();
        let errors =
            Listeners::bind(&[listener(&addr), listener("127.0.0.1:0"), listener(&addr)], 1).unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(errors[0].to_string().starts_with(&format!("cannot listen on {addr}: ")));
    }

    #[test]
    fn the_backlog_outlives_whoever_accepts() {
        let mut bound = Listeners::bind(&[listener("127.0.0.1:0")], 1).unwrap();
        let copy: Socket = bound.bound[0].sockets[0].try_clone().unwrap().into();
        let addr = copy.local_addr().unwrap().as_socket().unwrap();
        drop(copy);
        let client = std::net::TcpStream::connect(addr).unwrap();
        let successor: Socket = bound.bound[0].sockets[0].try_clone().unwrap().into();
        let (_, from) = successor.accept().unwrap();
        assert_eq!(from.as_socket(), client.local_addr().ok());
        drop(successor);
        bound.close();
        assert_eq!(std::net::TcpStream::connect(addr).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
