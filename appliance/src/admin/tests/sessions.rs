//! `show sess` and `shutdown session`: of nobody, here. Those of somebody are in the tests of the data plane.

use super::{Bench, Level};

#[test]
fn nobody_is_there() {
    let mut bench = Bench::new(Level::Admin);
    let own = "0x1: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> age=0s\n\n";
    for (line, answer) in [
        ("show sess", own),
        ("show sess all", own),
        ("show sess 0x123", "Session not found.\n\n"),
        ("show sess x", "Session not found.\n\n"),
        ("shutdown session", "Session pointer expected (use 'show sess').\n\n"),
        ("shutdown session 0x10000000000", "No such session (use 'show sess').\n\n"),
        ("shutdown session x", "No such session (use 'show sess').\n\n"),
    ] {
        assert_eq!(bench.say(line), answer, "{line}");
    }
    let mut operator = Bench::new(Level::Operator);
    assert_eq!(operator.say("shutdown session 0x1"), "Permission denied\n\n");
    assert_eq!(Bench::new(Level::User).say("show sess"), "Permission denied\n\n");
}
