//! One stream of compressed bytes, and those of a thread, bounded.

use std::cell::{Cell, RefCell};

use flate2::{Compress, FlushCompress, Status};

use super::Algo;

/// A compressor. It takes about [`Deflater::BYTES`] and is used for one response after another.
#[derive(Debug)]
pub struct Deflater {
    algo: Algo,
    level: u8,
    state: Compress,
}

/// The compressor does not go on; only memory that is not its own can have brought it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the compressor has failed")]
pub struct Stuck;

impl Deflater {
    /// What one takes, roughly: a window of 32 KiB, what is looked up in it, and what waits to be written.
    pub const BYTES: u64 = 320 * 1024;

    /// One at the start of a stream.
    pub fn new(algo: Algo, level: u8) -> Self {
        let effort = flate2::Compression::new(u32::from(level.clamp(1, 9)));
        let state = match algo {
            Algo::Gzip => Compress::new_gzip(effort, WINDOW_BITS),
            Algo::Deflate => Compress::new_with_window_bits(effort, true, WINDOW_BITS),
            Algo::RawDeflate => Compress::new_with_window_bits(effort, false, WINDOW_BITS),
        };
        Self { algo, level, state }
    }

    /// Takes all of `input` and appends what comes out. Some of it may stay inside.
    ///
    /// # Errors
    /// It is stuck.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Stuck> {
        while !input.is_empty() {
            let before = self.state.total_in();
            self.step(input, out, FlushCompress::None)?;
            let taken = usize::try_from(self.state.total_in() - before).unwrap_or(usize::MAX);
            input = input.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Appends what stayed inside, so that everything so far can be read.
    ///
    /// # Errors
    /// It is stuck.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Stuck> {
        // There is more as long as there was no room for it.
        while self.step(&[], out, FlushCompress::Sync)? == 0 {}
        Ok(())
    }

    /// Appends the end of the stream.
    ///
    /// # Errors
    /// It is stuck.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Stuck> {
        while self.step(&[], out, FlushCompress::Finish)? == 0 {}
        Ok(())
    }

    /// Appends some. How much room is left.
    fn step(&mut self, input: &[u8], out: &mut Vec<u8>, flush: FlushCompress) -> Result<usize, Stuck> {
        out.reserve(ROOM);
        let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
        let status = self.state.compress_vec(input, out, flush).map_err(|_| Stuck)?;
        let moved = self.state.total_in() != before_in || self.state.total_out() != before_out;
        match status {
            Status::Ok | Status::StreamEnd => {}
            // Nothing was left to be flushed.
            Status::BufError if input.is_empty() => {}
            Status::BufError if moved => {}
            Status::BufError => return Err(Stuck),
        }
        Ok(out.capacity() - out.len())
    }
}

/// The compressors of one thread: at most so many exist at a time.
#[derive(Debug)]
pub struct Deflaters {
    most: usize,
    exist: Cell<usize>,
    idle: RefCell<Vec<Deflater>>,
}

impl Deflaters {
    /// None yet, at most `most`.
    pub fn new(most: usize) -> Self {
        Self { most, exist: Cell::new(0), idle: RefCell::default() }
    }

    /// One for a new stream; `None`: as many are in use as there may be.
    pub fn take(&self, algo: Algo, level: u8) -> Option<Deflater> {
        let mut idle = self.idle.borrow_mut();
        if let Some(at) = idle.iter().position(|d| (d.algo, d.level) == (algo, level)) {
            return Some(idle.swap_remove(at));
        }
        if self.exist.get() < self.most {
            self.exist.set(self.exist.get() + 1);
        } else {
            // Another kind makes room.
            idle.pop()?;
        }
        Some(Deflater::new(algo, level))
    }

    /// Takes one back, wherever in its stream it is.
    pub fn put(&self, mut deflater: Deflater) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            deflater.state.reset();
            idle.push(deflater);
        } else {
            self.exist.set(self.exist.get().saturating_sub(1));
        }
    }
}

/// Of the window: 32 KiB, the most there is.
const WINDOW_BITS: u8 = 15;

/// What is made room for at a time.
const ROOM: usize = 4096;

/// Five megabytes that a thread keeps when nothing is compressed.
const MOST_IDLE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressors_are_bounded_and_come_back() {
        let all = Deflaters::new(2);
        let (one, two) = (all.take(Algo::Gzip, 1).unwrap(), all.take(Algo::Gzip, 1).unwrap());
        assert!(all.take(Algo::Gzip, 1).is_none());
        all.put(one);
        assert!(all.take(Algo::Gzip, 1).is_some_and(|again| again.level == 1));
        all.put(two);
        let other = all.take(Algo::Deflate, 9).unwrap();
        assert_eq!(
            (other.algo, other.level),
            (Algo::Deflate, 9),
            "an idle one of another kind is in nobody's way"
        );
        assert!(all.take(Algo::Gzip, 1).is_none());
    }

    #[test]
    fn few_idle_ones_are_kept() {
        let all = Deflaters::new(100);
        let taken: Vec<_> = (0..MOST_IDLE + 5).map(|_| all.take(Algo::Gzip, 1).unwrap()).collect();
        taken.into_iter().for_each(|d| all.put(d));
        assert_eq!((all.idle.borrow().len(), all.exist.get()), (MOST_IDLE, MOST_IDLE));
    }

    /// What is left of one response is in no other.
    #[test]
    fn a_compressor_begins_anew() {
        let all = Deflaters::new(1);
        let whole = |d: &mut Deflater| {
            let mut out = Vec::new();
            d.push(b"content of a response", &mut out).unwrap();
            d.finish(&mut out).unwrap();
            out
        };
        let mut used = all.take(Algo::Gzip, 6).unwrap();
        let first = whole(&mut used);
        used.state.reset();
        used.push(b"cut short", &mut Vec::new()).unwrap();
        all.put(used);
        assert_eq!(whole(&mut all.take(Algo::Gzip, 6).unwrap()), first);
    }
}
