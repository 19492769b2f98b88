//! What the kernel says of a process that owes an answer: whether it is stopped, and for each thread whether it wants
//! a processor, how long it had one and how long it waited for one.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// A process at one moment. Nothing known, the default, is a process that speaks for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Process {
    /// Stopped by a signal or a debugger: it will not answer.
    pub stopped: bool,
    /// Its threads.
    pub threads: Vec<Thread>,
}

/// One thread; the spans are those since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thread {
    /// Thread id.
    pub id: u32,
    /// Runs, or waits for a processor.
    pub runnable: bool,
    /// Time on a processor.
    pub ran: Duration,
    /// Time runnable without one. The kernel adds a wait when it ends.
    pub waited: Duration,
    /// How often it was given a processor.
    pub turns: u64,
}

impl Process {
    /// Asks the kernel. Of what cannot be read (the process has ended, `/proc` is restricted, the kernel keeps no
    /// scheduler statistics) nothing is known.
    pub(super) fn read(pid: u32) -> Self {
        let process = format!("/proc/{pid}");
        let stopped = state(Path::new(&process)).is_some_and(|state| matches!(state, 'T' | 't'));
        let Ok(tasks) = fs::read_dir(format!("{process}/task")) else {
            return Self { stopped, threads: Vec::new() };
        };
        let threads = tasks.filter_map(|task| {
            let task = task.ok()?;
            let id = task.file_name().to_str()?.parse().ok()?;
            thread(id, state(&task.path())?, &fs::read_to_string(task.path().join("schedstat")).ok()?)
        });
        Self { stopped, threads: threads.collect() }
    }
}

fn state(directory: &Path) -> Option<char> {
    state_in(&fs::read_to_string(directory.join("stat")).ok()?)
}

/// The state in a `stat` file: the first letter after the name, which may itself contain parentheses and spaces.
fn state_in(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

/// A thread in this state, with its `schedstat` file: nanoseconds that it ran, nanoseconds that it waited, turns.
fn thread(id: u32, state: char, schedstat: &str) -> Option<Thread> {
    let mut numbers = schedstat.split_ascii_whitespace().map(str::parse::<u64>);
    let mut number = || numbers.next()?.ok();
    let (ran, waited, turns) = (number()?, number()?, number()?);
    let (ran, waited) = (Duration::from_nanos(ran), Duration::from_nanos(waited));
    Some(Thread { id, runnable: state == 'R', ran, waited, turns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_the_name_whatever_the_name_is() {
        for (stat, state) in [
            ("3348 (sleep) T 3347 3335 7540 0 -1", Some('T')),
            ("7 (a) R (b) S 1 2", Some('S')),
            ("7 (ek-data-0) R 1 2", Some('R')),
            ("7 (cut", None),
            ("", None),
        ] {
            assert_eq!(state_in(stat), state, "{stat:?}");
        }
    }

    #[test]
    fn schedstat_has_three_numbers() {
        let ms = Duration::from_millis;
        let expected = Thread { id: 9, runnable: true, ran: ms(4), waited: ms(36), turns: 2 };
        assert_eq!(thread(9, 'R', "4000000 36000000 2\n"), Some(expected));
        assert_eq!(thread(9, 'S', "4000000 36000000 2 5"), Some(Thread { runnable: false, ..expected }));
        for wrong in ["", "1 2", "1 x 3"] {
            assert_eq!(thread(9, 'R', wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_kernel_tells_of_this_process() {
        let own = Process::read(std::process::id());
        assert!(!own.stopped);
        let running = own.threads.iter().any(|t| t.runnable && t.ran > Duration::ZERO && t.turns > 0);
        assert!(running, "the thread that asks: {own:?}");
        assert_eq!(Process::read(u32::MAX), Process::default());
    }
}
