//! The two queues between the VRRP thread and the rest of the process, each with a descriptor that is readable while
//! something is in it.
//!
//! A lock is held only to push or to take the whole queue, so neither side waits for more than that.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::status::DriverEvent;

/// A bounded queue with a descriptor to wait on.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    signal: EventFd,
    capacity: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize) -> nix::Result<Self> {
        let signal = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { items: Mutex::new(VecDeque::with_capacity(capacity)), signal, capacity })
    }

    /// Gives the item back when the queue is full.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        {
            let mut items = self.lock();
            if items.len() >= self.capacity {
                return Err(item);
            }
            items.push_back(item);
        }
        // Fails only when the counter is at its end, that is, readable already.
        match self.signal.write(1) {
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Takes everything. The descriptor is unreadable afterwards, until the next push.
    pub(crate) fn take(&self) -> Vec<T> {
        match self.signal.read() {
            Ok(_) | Err(Errno::EAGAIN) => {}
            // The queue itself is the truth; a signal that stays only causes a look in vain.
            Err(_) => {}
        }
        self.lock().drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> AsFd for Queue<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signal.as_fd()
    }
}

/// What the VRRP thread has to tell, in order. When nobody takes it, the oldest stays and new events are dropped and
/// counted ([`super::DriverStatus::events_dropped`]).
///
/// The descriptor ([`AsFd`]) is readable while events wait; it must not be read or closed by others.
#[derive(Debug)]
pub struct Events(pub(super) Queue<DriverEvent>);

impl Events {
    /// Takes all events that wait; empty if none does.
    pub fn take(&self) -> Vec<DriverEvent> {
        self.0.take()
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Events {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    #[test]
    fn readable_exactly_while_something_waits() {
        let queue = Queue::new(2).unwrap();
        let readable =
            || poll(&mut [PollFd::new(queue.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1;
        assert!(!readable());
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        assert_eq!(queue.push(3), Err(3));
        assert!(readable());
        assert_eq!(queue.take(), [1, 2]);
        assert!(!readable());
        assert_eq!(queue.take(), [] as [i32; 0]);
        queue.push(4).unwrap();
        assert!(readable());
    }
}
