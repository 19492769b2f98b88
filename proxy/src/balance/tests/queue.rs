use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::plan::{Redispatch, ServerLimits};

/// A server that takes so many at once.
fn limited(maxconn: u32) -> Server {
    with(ServerLimits { maxconn: Some(maxconn), ..ServerLimits::default() })
}

fn with(limits: ServerLimits) -> Server {
    Server { limits, ..server(1) }
}

fn state(servers: Vec<Server>) -> State {
    State::new(&plan(servers))
}

fn ask(state: &State) -> Outcome {
    state.assign(BE, &Wish::default())
}

fn pinned(id: u32) -> Wish {
    Wish { pinned: Some(ServerId(id)), ..Wish::default() }
}

fn lease(state: &State) -> Lease<&State> {
    match ask(state) {
        Outcome::Assigned(id) => Lease::of(state, id),
        outcome @ (Outcome::Full(_) | Outcome::QueueFull(_) | Outcome::NoServer) => panic!("{outcome:?}"),
    }
}

fn wait(state: &State, wish: Wish) -> Waiting<&State> {
    match state.assign(BE, &wish) {
        Outcome::Full(wait) => State::wait(state, wait, Waker::noop()).unwrap(),
        outcome @ (Outcome::Assigned(_) | Outcome::QueueFull(_) | Outcome::NoServer) => panic!("{outcome:?}"),
    }
}

/// What a waiting request has heard.
fn told(waiting: &mut Waiting<&State>) -> Option<Call> {
    match waiting.poll(&Context::from_waker(Waker::noop())) {
        Poll::Ready(call) => Some(call),
        Poll::Pending => None,
    }
}

const S1: ServerId = ServerId(0);
const S2: ServerId = ServerId(1);

#[test]
fn a_full_backend_lets_wait_in_order() {
    let state = state(vec![limited(1), limited(1)]);
    let (first, second) = (lease(&state), lease(&state));
    let mut waiting: Vec<_> = (0..3).map(|_| wait(&state, Wish::default())).collect();
    let positions = |waiting: &[Waiting<_>]| waiting.iter().map(Waiting::position).collect::<Vec<_>>();
    assert_eq!(positions(&waiting), [1, 1, 1]);
    assert_eq!((state.waiting_for_any(BE), state.in_flight(S1), state.in_flight(S2)), (3, 1, 1));
    drop(second);
    assert_eq!(told(&mut waiting[0]), Some(Call::Served(S2)));
    assert_eq!((told(&mut waiting[1]), told(&mut waiting[2])), (None, None));
    assert_eq!(state.in_flight(S2), 1, "the slot went from hand to hand");
    drop(first);
    assert_eq!(told(&mut waiting[1]), Some(Call::Served(S1)));
    // Nobody overtakes: a slot is free for the one that waits, whoever asks.
    drop(Lease::of(&state, S1));
    assert_eq!(told(&mut waiting[2]), Some(Call::Served(S1)));
    assert_eq!(positions(&waiting), [1, 2, 3]);
    assert_eq!(state.waiting_for_any(BE), 0);
}

#[test]
fn who_comes_later_does_not_overtake() {
    let state = state(vec![limited(1), limited(1)]);
    let _both = (lease(&state), lease(&state));
    let _first = wait(&state, Wish::default());
    state.set_up(S2, false);
    assert!(matches!(ask(&state), Outcome::Full(_)));
    assert!(matches!(state.assign(BE, &pinned(0)), Outcome::Full(_)));
}

#[test]
fn giving_up_leaves_the_queue_and_gives_back_what_was_given() {
    let state = state(vec![limited(1)]);
    let running = lease(&state);
    let mut waiting: Vec<_> = (0..3).map(|_| wait(&state, Wish::default())).collect();
    drop(waiting.remove(1));
    assert_eq!(state.waiting_for_any(BE), 2);
    drop(running);
    // The first has the slot but has not heard of it.
    assert_eq!(state.in_flight(S1), 1);
    drop(waiting.remove(0));
    assert_eq!(told(&mut waiting[0]), Some(Call::Served(S1)));
    drop(waiting);
    assert_eq!(state.in_flight(S1), 1, "who has heard owes a lease");
    drop(Lease::of(&state, S1));
    assert_eq!(state.in_flight(S1), 0);
}

#[test]
fn a_slot_goes_to_the_longest_waiting_of_both_queues() {
    let state = state(vec![limited(1), limited(1)]);
    let (first, _second) = (lease(&state), lease(&state));
    let mut any = wait(&state, Wish::default());
    let mut own = wait(&state, pinned(0));
    let mut later = wait(&state, Wish::default());
    assert_eq!((own.place(), own.position(), state.waiting(S1)), (Place::Server(S1), 1, 1));
    drop(first);
    assert_eq!((told(&mut any), told(&mut own)), (Some(Call::Served(S1)), None));
    drop(Lease::of(&state, S1));
    assert_eq!((told(&mut own), told(&mut later)), (Some(Call::Served(S1)), None));
    drop(Lease::of(&state, S1));
    assert_eq!(told(&mut later), Some(Call::Served(S1)));
}

#[test]
fn a_server_that_only_drains_serves_its_own_queue() {
    let state = state(vec![limited(1), limited(1)]);
    let (first, _second) = (lease(&state), lease(&state));
    let mut any = wait(&state, Wish::default());
    let mut own = wait(&state, pinned(0));
    state.set_admin(S1, AdminState::Drain);
    drop(first);
    assert_eq!((told(&mut any), told(&mut own)), (None, Some(Call::Served(S1))));
}

#[test]
fn a_queue_of_a_server_may_be_bounded() {
    let bounded = ServerLimits { maxconn: Some(1), maxqueue: Some(1), ..ServerLimits::default() };
    for (redispatch, full) in [(false, true), (true, false)] {
        let plan = plan_with(vec![with(bounded), limited(1)], |b| {
            b.redispatch = if redispatch { Redispatch::LAST } else { Redispatch::Never }
        });
        let state = State::new(&plan);
        let _both = (lease(&state), lease(&state));
        let _one = wait(&state, pinned(0));
        let outcome = state.assign(BE, &pinned(0));
        assert_eq!(outcome == Outcome::QueueFull(S1), full, "{outcome:?}");
        assert_eq!(matches!(outcome, Outcome::Full(wait) if wait.place() == Place::Backend), !full);
    }
    // Two that were told to wait while there was one place.
    let state = state(vec![with(bounded)]);
    let _running = lease(&state);
    let Outcome::Full(wait) = state.assign(BE, &pinned(0)) else { panic!("not full") };
    let _waiting = State::wait(&state, wait, Waker::noop()).unwrap();
    assert_eq!(State::wait(&state, wait, Waker::noop()).err(), Some(QueueFull));
}

#[test]
fn those_who_wait_for_a_server_that_goes_ask_again_at_their_age() {
    for (redispatch, called) in [(true, Some(Call::Again)), (false, None)] {
        let plan = plan_with(vec![limited(1), limited(1)], |b| {
            b.redispatch = if redispatch { Redispatch::LAST } else { Redispatch::Never }
        });
        let state = State::new(&plan);
        let (_first, second) = (lease(&state), lease(&state));
        let mut own = wait(&state, pinned(0));
        let mut any = wait(&state, Wish::default());
        state.set_up(S1, false);
        assert_eq!((told(&mut own), told(&mut any)), (called, None));
        if redispatch {
            let Outcome::Full(wait) = state.assign(BE, &pinned(0)) else { panic!("not full") };
            let mut own = State::wait(&state, wait.from(&own), Waker::noop()).unwrap();
            drop(second);
            assert_eq!((told(&mut own), told(&mut any)), (Some(Call::Served(S2)), None));
        }
    }
}

#[test]
fn a_server_that_comes_back_serves_those_who_wait() {
    let state = state(vec![limited(1), limited(2)]);
    state.set_up(S2, false);
    let _running = lease(&state);
    let mut waiting: Vec<_> = (0..3).map(|_| wait(&state, Wish::default())).collect();
    state.set_up(S2, true);
    let calls: Vec<_> = waiting.iter_mut().map(told).collect();
    assert_eq!(calls, [Some(Call::Served(S2)), Some(Call::Served(S2)), None]);
    state.set_maxconn(S2, Some(3));
    assert_eq!(told(&mut waiting[2]), Some(Call::Served(S2)));
    state.set_maxconn(S2, None);
    let _many: Vec<_> = (0..100).map(|_| lease(&state)).collect();
}

/// `minconn` while the backend is idle, `maxconn` when it has `fullconn` requests, and in proportion in between.
#[test]
fn limits_can_grow_with_the_load() {
    let limits = ServerLimits { minconn: Some(2), maxconn: Some(10), ..ServerLimits::default() };
    let state = State::new(&plan_with(vec![with(limits), server(1)], |b| b.fullconn = 20));
    // Requests elsewhere, and how many the server then takes on top: its limit at so many in all.
    for (elsewhere, most) in [(0u32, 2usize), (1, 2), (4, 4), (6, 6), (9, 9), (10, 10), (40, 10)] {
        let wish = |id: u32, n: u32| (0..n).map(move |_| (id, pinned(id)));
        let others: Vec<_> = wish(1, elsewhere).map(|(_, w)| state.assign(BE, &w)).collect();
        let own = (0..).map_while(|_| match state.assign(BE, &pinned(0)) {
            Outcome::Assigned(id) => Some(id),
            Outcome::Full(_) | Outcome::QueueFull(_) | Outcome::NoServer => None,
        });
        let own: Vec<_> = own.collect();
        assert_eq!(own.len(), most, "with {elsewhere} elsewhere");
        for id in own.into_iter().chain(others.iter().map(|_| S2)) {
            drop(Lease::of(&state, id));
        }
        assert_eq!(state.in_flight(S1) + state.in_flight(S2), 0);
    }
}

/// Of a backend that is full as a whole, whoever has waited longest is served next, whichever server it waits for.
#[test]
fn a_backend_may_be_full_as_a_whole() {
    let state = State::new(&plan_with(vec![server(1), limited(1), server(1)], |b| b.maxconn = Some(3)));
    let (first, second, third) = (lease(&state), lease(&state), lease(&state));
    let mut any = wait(&state, Wish::default());
    let mut own = wait(&state, pinned(1));
    let mut later = wait(&state, Wish::default());
    drop(first);
    assert_eq!((told(&mut any), told(&mut own)), (Some(Call::Served(S1)), None));
    // The pinned one's server is full itself: the next one goes before.
    drop(third);
    assert_eq!((told(&mut own), told(&mut later)), (None, Some(Call::Served(S1))));
    drop(second);
    assert_eq!(told(&mut own), Some(Call::Served(S2)));
    // A slot of any server does for a pinned one of another.
    let mut own = wait(&state, pinned(2));
    drop(Lease::of(&state, S1));
    assert_eq!(told(&mut own), Some(Call::Served(ServerId(2))));
    for id in [S1, S2, ServerId(2)] {
        drop(Lease::of(&state, id));
    }
    assert!(matches!(ask(&state), Outcome::Assigned(_)));
}

/// Wakes by a flag, as a thread would be woken.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Threads that come, wait, give up and go, while the control side changes limits and states: no server ever has more
/// than its limit, nobody waits for ever beside a free slot, and in the end nothing is left over.
#[test]
fn no_interleaving_exceeds_a_limit_or_forgets_anyone() {
    let servers = || vec![limited(2), limited(3), limited(1)];
    race(&state(servers()));
    race(&State::new(&plan_with(servers(), |b| b.maxconn = Some(4))));
}

fn race(state: &State) {
    let limits = [2, 3, 1];
    let running: [AtomicU32; 3] = Default::default();
    let (served, given_up, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let (threads, each) = (8, 3_000);
    let finished = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (running, served, given_up, finished) = (&running, &served, &given_up, &finished);
            scope.spawn(move || {
                for n in 0..each {
                    let wish = if n % 5 == 0 { pinned(n % 3) } else { Wish::default() };
                    let impatient = (n + thread) % 11 == 0;
                    let Some(lease) = obtain(state, wish, impatient) else {
                        given_up.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    let at = lease.server().0 as usize;
                    let now = running[at].fetch_add(1, Ordering::SeqCst) + 1;
                    assert!(now <= limits[at], "{now} on server {at}");
                    if n % 7 == 0 {
                        std::thread::yield_now();
                    }
                    running[at].fetch_sub(1, Ordering::SeqCst);
                    drop(lease);
                    served.fetch_add(1, Ordering::Relaxed);
                }
                finished.fetch_add(1, Ordering::SeqCst);
            });
        }
        scope.spawn(|| {
            let mut n = 0u32;
            while finished.load(Ordering::SeqCst) < threads as usize {
                // Server 1 stays.
                state.set_up(ServerId(1 + n % 2), n % 4 < 2);
                n += 1;
                std::thread::yield_now();
            }
            done.store(true, Ordering::SeqCst);
        });
    });
    assert!(done.load(Ordering::SeqCst));
    let all = served.load(Ordering::SeqCst) + given_up.load(Ordering::SeqCst);
    assert_eq!(all, (threads * each) as usize);
    for id in 0..3 {
        assert_eq!((state.in_flight(ServerId(id)), state.waiting(ServerId(id))), (0, 0));
    }
    assert_eq!(state.waiting_for_any(BE), 0);
}

/// Waits like a task would. Impatient ones give up as soon as they have to wait.
#[expect(clippy::disallowed_methods, reason = "threads wait in real time, with a deadline")]
fn obtain(state: &State, wish: Wish, impatient: bool) -> Option<Lease<&State>> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(Arc::clone(&flag));
    let mut before: Option<Waiting<&State>> = None;
    loop {
        let wait = match state.assign(BE, &wish) {
            Outcome::Assigned(id) => return Some(Lease::of(state, id)),
            Outcome::Full(wait) => wait,
            outcome @ (Outcome::QueueFull(_) | Outcome::NoServer) => panic!("{outcome:?}"),
        };
        let wait = before.as_ref().map_or(wait, |b| wait.from(b));
        let mut waiting = State::wait(state, wait, &waker).unwrap();
        if impatient {
            return None;
        }
        loop {
            match waiting.poll(&Context::from_waker(&waker)) {
                Poll::Ready(Call::Served(id)) => return Some(Lease::of(state, id)),
                Poll::Ready(Call::Again) => break,
                Poll::Pending => {}
            }
            while !flag.0.swap(false, Ordering::SeqCst) {
                // Servers 2 and 3 may be down with someone bound to them: those are told by nobody until they are up.
                assert!(Instant::now() < deadline, "called in time");
                std::thread::yield_now();
            }
        }
        before = Some(waiting);
    }
}
