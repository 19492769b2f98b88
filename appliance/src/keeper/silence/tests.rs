use super::*;

const BEAT: Duration = ms(50);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A thread at a look: its state, and milliseconds run, milliseconds waited, turns since its start.
type At = (char, u64, u64, u64);

/// Milliseconds since the look before, and the threads.
type Look = (u64, Vec<At>);

fn process(threads: &[At]) -> Process {
    let thread = |(id, &(state, ran, waited, turns))| Thread {
        id,
        runnable: state == 'R',
        ran: ms(ran),
        waited: ms(waited),
        turns,
    };
    Process { stopped: false, threads: (1..).zip(threads).map(thread).collect() }
}

/// What is charged, in milliseconds, after looks with these spans between them.
fn charged(looks: &[Look]) -> u128 {
    let mut now = Instant::now();
    let mut silence = Silence::new(now);
    for (span, threads) in looks {
        now += ms(*span);
        silence.look(now, BEAT, &process(threads));
    }
    silence.charged().as_millis()
}

/// Six looks, one every 50 ms: as long as a worker that answers nothing is given by default.
fn six(at: impl Fn(u64) -> Vec<At>) -> Vec<Look> {
    (1..=6).map(|n| (50, at(n))).collect()
}

#[test]
fn only_waiting_for_a_processor_is_not_charged() {
    let cases: [(&str, Vec<Look>, u128); 12] = [
        ("nothing is known", six(|_| vec![]), 300),
        ("every thread sleeps", six(|_| vec![('S', 9, 9, 9), ('S', 9, 9, 9)]), 300),
        ("blocked in the kernel", six(|_| vec![('D', 9, 9, 9)]), 300),
        ("spins alone", six(|n| vec![('R', 50 * n, 0, 1)]), 300),
        // The first look has nothing to compare with.
        ("never gets a processor", six(|_| vec![('R', 9, 9, 9)]), 50),
        ("one waits, the others sleep", six(|_| vec![('S', 9, 9, 9), ('R', 9, 9, 9)]), 50),
        ("runs 5 ms of each 50", six(|n| vec![('R', 5 * n, 45 * n, 9 + n)]), 50 + 5 * 5),
        ("spins with a third of a processor", six(|n| vec![('R', 17 * n, 33 * n, 9 * n)]), 50 + 5 * 17),
        (
            "one sleeps for ever, one works on a busy machine",
            six(|n| vec![('S', 9, 9, 9), ('R', 35 * n, 15 * n, 9 * n)]),
            50 + 5 * 35,
        ),
        (
            "many that wait a little do not add up",
            six(|n| vec![('R', 40 * n, 10 * n, 9 * n); 8]),
            50 + 5 * 40,
        ),
        // Its wait of 100 ms began in the middle of the second span, and is added up in the fourth.
        (
            "one wait, counted once",
            vec![
                (50, vec![('S', 1, 0, 1)]),
                (50, vec![('R', 1, 0, 1)]),
                (50, vec![('R', 1, 0, 1)]),
                (50, vec![('S', 2, 100, 2)]),
                (50, vec![('S', 2, 100, 2)]),
            ],
            50 + 50 + 50,
        ),
        (
            "the look that shows a process that is new to it",
            six(|n| vec![('R', n, 1000 * n, n)])[..1].to_vec(),
            50,
        ),
    ];
    for (name, looks, expected) in cases {
        assert_eq!(charged(&looks), expected, "{name}");
    }
}

#[test]
fn what_the_keeper_slept_is_not_charged() {
    let asleep = || vec![('S', 9, 9, 9)];
    assert_eq!(charged(&[(50, asleep()), (60_000, asleep()), (50, asleep())]), 150);
    // Both under one quota: the worker ran no more than the keeper.
    let throttled = || vec![('R', 9, 9, 9)];
    assert_eq!(charged(&[(50, throttled()), (170, throttled()), (170, throttled())]), 50);
}

#[test]
fn figures_tell_what_it_consisted_of() {
    let mut now = Instant::now();
    let mut silence = Silence::new(now);
    for (span, at) in [(50, ('R', 1, 0, 1)), (80, ('R', 1, 0, 1)), (50, ('R', 11, 130, 2))] {
        now += ms(span);
        silence.look(now, BEAT, &process(&[at]));
    }
    assert_eq!(silence.figures(), Figures { lasted: ms(150), waited: ms(130), ran: ms(10) });
    assert_eq!(silence.figures().to_string(), "silent for 150 ms: waited 130 ms for a processor, ran 10 ms");
}
