//! Connections of clients that wait for a request, so that the one that has done so for the longest can make room.
//!
//! Each has a seat for its whole life and says when it sits down and when it rises: two stores per request. Nothing is
//! kept in order: when a limit is reached, which is when room is looked for, the seats are gone through.

use std::cell::RefCell;
use std::task::{Context, Waker};
use std::time::Instant;

use super::runtime::Full;
use crate::plan::FrontendId;

/// The seats of one thread: as many as it has had connections at a time.
#[derive(Debug, Default)]
pub(super) struct Idle {
    seats: RefCell<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    all: Vec<Seat>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Seat {
    frontend: FrontendId,
    /// Set while its connection waits for a request.
    since: Option<Instant>,
    /// Its connection is to end if it still has nothing to do.
    leave: bool,
    waker: Option<Waker>,
}

/// The seat of a connection, once it has one.
#[derive(Debug, Default)]
pub(super) struct Place(Option<u32>);

/// What a connection that sits down is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Stay,
    /// Room is needed.
    Leave,
}

/// What came of looking for one that can leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eviction {
    /// One leaves when its task is run.
    Asked,
    /// One that was asked before has not yet left.
    UnderWay,
    /// All have something to do.
    Nobody,
}

impl Idle {
    /// The connection waits for a request, and has done so since then. It is always the same task that does.
    #[inline]
    pub(super) fn sit(
        &self,
        place: &mut Place,
        frontend: FrontendId,
        since: Instant,
        cx: &Context<'_>,
    ) -> Rest {
        let mut seats = self.seats.borrow_mut();
        let id = *place.0.get_or_insert_with(|| seats.add(frontend, cx.waker()));
        let Some(seat) = seats.all.get_mut(id as usize) else { return Rest::Stay };
        if seat.leave {
            return Rest::Leave;
        }
        seat.since = Some(since);
        Rest::Stay
    }

    /// The connection has something to do.
    #[inline]
    pub(super) fn rise(&self, place: &Place) {
        let Some(id) = place.0 else { return };
        if let Some(seat) = self.seats.borrow_mut().all.get_mut(id as usize) {
            (seat.since, seat.leave) = (None, false);
        }
    }

    /// The connection is over.
    pub(super) fn leave(&self, place: &mut Place) {
        let Some(id) = place.0.take() else { return };
        let mut seats = self.seats.borrow_mut();
        if let Some(seat) = seats.all.get_mut(id as usize) {
            (seat.since, seat.leave, seat.waker) = (None, false, None);
            seats.free.push(id);
        }
    }

    /// Asks the connection that has waited for the longest, of those that would make room, to leave, unless one that was
    /// asked is still about to. If its request comes just then it is served, and makes no room.
    pub(super) fn evict(&self, full: Full) -> Eviction {
        let mut seats = self.seats.borrow_mut();
        let makes_room = |seat: &Seat| match full {
            Full::Process => true,
            Full::Frontend(frontend) => seat.frontend == frontend,
        };
        if seats.all.iter().any(|s| s.leave && makes_room(s)) {
            return Eviction::UnderWay;
        }
        let waiting = seats.all.iter_mut().filter(|s| s.since.is_some() && makes_room(s));
        let Some(seat) = waiting.min_by_key(|s| s.since) else { return Eviction::Nobody };
        (seat.since, seat.leave) = (None, true);
        if let Some(waker) = &seat.waker {
            waker.wake_by_ref();
        }
        Eviction::Asked
    }
}

impl Seats {
    fn add(&mut self, frontend: FrontendId, waker: &Waker) -> u32 {
        let seat = Seat { frontend, since: None, leave: false, waker: Some(waker.clone()) };
        if let Some(id) = self.free.pop()
            && let Some(free) = self.all.get_mut(id as usize)
        {
            *free = seat;
            return id;
        }
        self.all.push(seat);
        u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_one_that_has_waited_longest_leaves() {
        let (idle, start) = (Idle::default(), Instant::now());
        let cx = Context::from_waker(Waker::noop());
        let since = |n: u64| start + Duration::from_secs(n);
        let (one, two) = (FrontendId(0), FrontendId(1));
        let mut places = [Place::default(), Place::default(), Place::default()];
        for (place, (frontend, n)) in places.iter_mut().zip([(one, 3), (two, 1), (one, 2)]) {
            assert_eq!(idle.sit(place, frontend, since(n), &cx), Rest::Stay);
        }
        let [first, second, third] = &mut places;
        assert_eq!(idle.evict(Full::Frontend(one)), Eviction::Asked);
        assert_eq!(idle.evict(Full::Frontend(one)), Eviction::UnderWay, "one is enough");
        assert_eq!(
            idle.evict(Full::Frontend(two)),
            Eviction::Asked,
            "that one does not help another frontend"
        );
        assert_eq!(idle.sit(second, two, since(1), &cx), Rest::Leave);
        idle.rise(second);
        assert_eq!(idle.sit(second, two, since(1), &cx), Rest::Stay);
        assert_eq!(idle.sit(third, one, since(2), &cx), Rest::Leave);
        assert_eq!(idle.evict(Full::Process), Eviction::UnderWay);
        idle.leave(third);
        assert!(third.0.is_none());
        assert_eq!(idle.evict(Full::Process), Eviction::Asked);
        assert_eq!(idle.sit(second, two, since(1), &cx), Rest::Leave);
        idle.rise(first);
        idle.rise(second);
        assert_eq!(idle.evict(Full::Process), Eviction::Nobody, "it has something to do");
        // One whose request came when it was asked to leave stays.
        assert_eq!(idle.sit(second, two, since(4), &cx), Rest::Stay);
        // Seats are used again.
        assert_eq!(idle.sit(third, two, since(0), &cx), Rest::Stay);
        assert_eq!(idle.seats.borrow().all.len(), 3);
        assert_eq!(idle.evict(Full::Frontend(one)), Eviction::Nobody);
        assert_eq!(idle.evict(Full::Frontend(two)), Eviction::Asked);
        assert_eq!(idle.sit(third, two, since(0), &cx), Rest::Leave);
    }
}
