use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use super::*;

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn slot(wheel: &mut Wheel) -> (u32, Arc<Count>) {
    let count = Arc::new(Count::default());
    (wheel.add(Waker::from(Arc::clone(&count))), count)
}

fn woken(count: &Count) -> u32 {
    count.0.swap(0, Ordering::Relaxed)
}

#[test]
fn a_deadline_wakes_once_when_its_tick_has_come() {
    let mut wheel = Wheel::new();
    let (id, count) = slot(&mut wheel);
    assert_eq!(wheel.set(id, 10), Some(10));
    assert_eq!(wheel.advance(9), Some(10));
    assert_eq!(woken(&count), 0);
    assert_eq!(wheel.advance(10), None);
    assert_eq!(woken(&count), 1);
    wheel.advance(5000);
    assert_eq!(woken(&count), 0);
}

#[test]
fn moving_a_deadline_later_queues_nothing() {
    let mut wheel = Wheel::new();
    let (id, count) = slot(&mut wheel);
    wheel.set(id, 10);
    for due in 11..200 {
        assert_eq!(wheel.set(id, due), None);
    }
    assert_eq!(wheel.advance(198), Some(199));
    assert_eq!(woken(&count), 0);
    wheel.advance(199);
    assert_eq!(woken(&count), 1);
}

#[test]
fn moving_a_deadline_earlier_is_honoured() {
    let mut wheel = Wheel::new();
    let (id, count) = slot(&mut wheel);
    wheel.set(id, 100);
    assert_eq!(wheel.set(id, 5), Some(5));
    wheel.advance(5);
    assert_eq!(woken(&count), 1);
    // What was left behind in the bucket of tick 100 does not wake again.
    wheel.set(id, 3000);
    wheel.advance(150);
    assert_eq!(woken(&count), 0);
}

#[test]
fn a_deadline_beyond_the_wheel_is_carried_on() {
    let mut wheel = Wheel::new();
    let (id, count) = slot(&mut wheel);
    let due = BUCKETS as u64 * 3 + 7;
    wheel.set(id, due);
    let mut next = wheel.advance(0);
    let mut turns = 0;
    while let Some(tick) = next.filter(|t| *t < due) {
        next = wheel.advance(tick);
        turns += 1;
        assert_eq!(woken(&count), 0);
    }
    assert_eq!((next, turns), (Some(due), 3));
    wheel.advance(due);
    assert_eq!(woken(&count), 1);
}

#[test]
fn a_long_pause_loses_no_deadline() {
    let mut wheel = Wheel::new();
    let slots: Vec<_> = (0..BUCKETS as u64 * 2).map(|due| (slot(&mut wheel), due)).collect();
    for ((id, _), due) in &slots {
        wheel.set(*id, *due);
    }
    wheel.advance(1_000_000);
    assert!(slots.iter().all(|((_, count), _)| woken(count) == 1));
}

#[test]
fn a_deadline_that_has_passed_comes_up_next() {
    let mut wheel = Wheel::new();
    let (id, count) = slot(&mut wheel);
    wheel.advance(500);
    assert_eq!(wheel.set(id, 3), Some(501));
    wheel.advance(501);
    assert_eq!(woken(&count), 1);
}

#[test]
fn a_slot_taken_up_again_is_not_woken_for_its_predecessor() {
    let mut wheel = Wheel::new();
    let (first, _) = slot(&mut wheel);
    wheel.set(first, 10);
    wheel.remove(first);
    let (second, count) = slot(&mut wheel);
    assert_eq!(first, second);
    wheel.advance(50);
    assert_eq!(woken(&count), 0);
    wheel.set(second, 60);
    wheel.advance(60);
    assert_eq!(woken(&count), 1);
}

proptest::proptest! {
    /// Against the obvious model: a slot is woken by the first turn at or after its deadline, and by no other.
    #[test]
    fn wakes_as_a_list_of_deadlines_would(steps in proptest::collection::vec((0_usize..6, 0_u64..900, 0_u64..40), 1..200)) {
        let mut wheel = Wheel::new();
        wheel.advance(0);
        let slots: Vec<_> = (0..6).map(|_| slot(&mut wheel)).collect();
        let mut due = [None; 6];
        let mut now = 0;
        for (which, ahead, pause) in steps {
            wheel.set(slots[which].0, now + ahead);
            due[which] = Some((now + ahead).max(now + 1));
            now += pause;
            wheel.advance(now);
            for (i, (_, count)) in slots.iter().enumerate() {
                // A deadline in the tick that has already come up is taken for the next one.
                let expired = due[i].is_some_and(|d| d <= now);
                assert_eq!(woken(count) == 1, expired);
                if expired {
                    due[i] = None;
                }
            }
        }
    }
}
