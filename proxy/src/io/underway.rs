//! What is under way with servers whose sessions are to be ended when the server goes down, or its place is taken.
//!
//! Each such session has a seat from when it has a connection to the server until it is done with it. Ending sessions
//! marks their seats and wakes them; each ends itself, so that its record and its client are seen to as ever.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::balance::{ServerState, Shutdown, State};
use crate::plan::ServerId;

/// The seats of one thread: as many as it has had such sessions at a time.
#[derive(Debug, Default)]
pub(super) struct Underway {
    seats: RefCell<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    all: Vec<Taken>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Taken {
    server: ServerId,
    ended: Option<Shutdown>,
    /// Absent: the seat is free.
    waker: Option<Waker>,
}

/// A session's seat, given back on drop.
#[derive(Debug)]
pub(super) struct Seat {
    underway: Rc<Underway>,
    id: u32,
}

impl Underway {
    /// A seat for a session with `server` that the calling task runs, if such sessions may be ended. One that comes when
    /// the server has gone down already is ended at once.
    #[inline]
    pub(super) fn sit(self: &Rc<Self>, state: &State, server: ServerId, cx: &Context<'_>) -> Option<Seat> {
        if !state.shutdowns().concerns(server) {
            return None;
        }
        let gone = state.shutdowns().by_health(server)
            && !state.server(server).is_some_and(ServerState::takes_pinned);
        let taken = Taken { server, ended: gone.then_some(Shutdown::Down), waker: Some(cx.waker().clone()) };
        Some(Seat { id: self.seats.borrow_mut().take(taken), underway: Rc::clone(self) })
    }

    /// Ends the sessions with `server`.
    pub(super) fn end(&self, server: ServerId, why: Shutdown) {
        for seat in self.seats.borrow_mut().all.iter_mut().filter(|s| s.server == server) {
            if let Some(waker) = &seat.waker {
                seat.ended.get_or_insert(why);
                waker.wake_by_ref();
            }
        }
    }
}

impl Seat {
    /// Why the session is to end, if it is.
    pub(super) fn ended(&self) -> Option<Shutdown> {
        self.underway.seats.borrow().all.get(self.id as usize).and_then(|s| s.ended)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.underway.seats.borrow_mut();
        if let Some(seat) = seats.all.get_mut(self.id as usize) {
            seat.waker = None;
            seats.free.push(self.id);
        }
    }
}

impl Seats {
    fn take(&mut self, taken: Taken) -> u32 {
        if let Some(id) = self.free.pop()
            && let Some(free) = self.all.get_mut(id as usize)
        {
            *free = taken;
            return id;
        }
        self.all.push(taken);
        u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::fixture::{plan, server};
    use crate::plan::{OnMarked, Watch};

    #[test]
    fn sessions_of_one_server_end_and_seats_are_used_again() {
        let watch = Watch { on_marked_down: OnMarked::Shutdown, ..Watch::default() };
        let watched = || crate::plan::Server { watch: watch.clone(), ..server(1) };
        let state = State::new(&plan(vec![watched(), watched(), server(1)]));
        let (underway, cx) = (Rc::new(Underway::default()), Context::from_waker(Waker::noop()));
        let sit = |id| underway.sit(&state, ServerId(id), &cx);
        let (one, two, again) = (sit(0).unwrap(), sit(1).unwrap(), sit(0).unwrap());
        assert!(sit(2).is_none(), "nothing ends its sessions");
        underway.end(ServerId(0), Shutdown::Down);
        let ended = |seat: &Seat| seat.ended();
        assert_eq!([&one, &two, &again].map(ended), [Some(Shutdown::Down), None, Some(Shutdown::Down)]);
        drop(one);
        let next = sit(0).unwrap();
        assert_eq!((next.ended(), next.id, underway.seats.borrow().all.len()), (None, 0, 3));
        state.set_up(ServerId(1), false);
        assert_eq!(sit(1).unwrap().ended(), Some(Shutdown::Down), "too late");
        assert_eq!(two.ended(), None, "it is for the monitor to say");
    }
}
