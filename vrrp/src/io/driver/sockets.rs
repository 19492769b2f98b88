//! Which routers listen where, and the raw sockets that makes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::io::netlink::errno;
use crate::io::socket::VrrpSocket;
use crate::io::watch::Network;
use crate::types::{Family, IfIndex, RouterId};

/// One socket for each interface and family that some router uses.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    wanted: BTreeMap<RouterId, Wanted>,
    open: BTreeMap<Place, VrrpSocket>,
    /// Places where opening failed; tried again at [`Self::retry_at`].
    failed: BTreeMap<Place, i32>,
    retry_at: Option<Instant>,
}

/// Where a socket listens.
pub(super) type Place = (IfIndex, Family);

#[derive(Debug, Clone, Copy)]
struct Wanted {
    place: Place,
    multicast: bool,
}

impl Sockets {
    /// The router listens there from now on; `None`: nowhere.
    pub(super) fn listen(&mut self, router: RouterId, place: Option<Place>, multicast: bool) {
        match place {
            Some(place) => self.wanted.insert(router, Wanted { place, multicast }),
            None => self.wanted.remove(&router),
        };
    }

    /// Opens what is wanted and closes what is not. Tells where opening failed that had not failed before.
    pub(super) fn settle(&mut self, epoll: &Epoll, network: &Network, now: Instant) -> Vec<(IfIndex, i32)> {
        let wanted: Vec<Wanted> = self.wanted.values().copied().collect();
        // Closing a descriptor takes it out of epoll.
        self.open.retain(|place, _| {
            wanted.iter().any(|w| w.place == *place) && network.name_of(place.0).is_some()
        });
        let before = std::mem::take(&mut self.failed);
        for want in &wanted {
            if let Err(e) = self.open(epoll, network, want) {
                self.failed.insert(want.place, errno(&e));
            }
        }
        self.retry_at = (!self.failed.is_empty()).then(|| now + RETRY);
        let news = self.failed.iter().filter(|(place, _)| !before.contains_key(place));
        news.map(|(place, errno)| (place.0, *errno)).collect()
    }

    /// When to call [`Self::settle`] again although nothing changed.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn at(&self, place: Place) -> Option<&VrrpSocket> {
        self.open.get(&place)
    }

    /// The socket that an epoll token stands for.
    pub(super) fn by_token(&self, token: u64) -> Option<&VrrpSocket> {
        place_of(token).and_then(|place| self.open.get(&place))
    }

    fn open(&mut self, epoll: &Epoll, network: &Network, want: &Wanted) -> io::Result<()> {
        let (ifindex, family) = want.place;
        let socket = match self.open.entry(want.place) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => {
                let name = network.name_of(ifindex).ok_or(Errno::ENODEV)?;
                let socket = VrrpSocket::open(family, ifindex, name)?;
                epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, token_of(want.place)))?;
                place.insert(socket)
            }
        };
        if want.multicast { socket.join() } else { Ok(()) }
    }
}

/// Tokens below are the driver's own.
pub(super) const FIRST_SOCKET_TOKEN: u64 = 16;
const RETRY: Duration = Duration::from_secs(1);

fn token_of((ifindex, family): Place) -> u64 {
    FIRST_SOCKET_TOKEN + u64::from(ifindex.value()) * 2 + u64::from(family == Family::V6)
}

fn place_of(token: u64) -> Option<Place> {
    let offset = token.checked_sub(FIRST_SOCKET_TOKEN)?;
    let ifindex = IfIndex::new(u32::try_from(offset / 2).ok()?)?;
    Some((ifindex, if offset.is_multiple_of(2) { Family::V4 } else { Family::V6 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_places() {
        for index in [1, 2, 4096, u32::MAX] {
            for family in [Family::V4, Family::V6] {
                let place = (IfIndex::new(index).unwrap(), family);
                assert!(token_of(place) >= FIRST_SOCKET_TOKEN);
                assert_eq!(place_of(token_of(place)), Some(place));
            }
        }
        assert_eq!(place_of(3), None);
    }
}
