use super::super::cast::App;
use super::super::event::{Failure, Served};
use super::*;

fn ms(at: u64) -> Duration {
    Duration::from_millis(at)
}

fn good(started: u64, took: u64) -> Probe {
    let result = Ok(Served { through: Node::Lb1, app: App::App1 });
    Probe { started: ms(started), took: ms(took), result }
}

fn bad(started: u64, took: u64) -> Probe {
    Probe { started: ms(started), took: ms(took), result: Err(Failure::Refused) }
}

fn address(at: u64, node: Node, held: bool) -> Event {
    Event { at: ms(at), what: What::Address { node, held } }
}

fn ended(probe: Probe) -> Event {
    Event { at: probe.started + probe.took, what: What::Probe(probe) }
}

/// The nodes that hold the VIP when the act begins.
fn holders(nodes: &[Node]) -> PerNode<bool> {
    let mut held = PerNode::default();
    for &node in nodes {
        *held.of_mut(node) = true;
    }
    held
}

#[test]
fn an_outage_is_from_the_first_failed_start_to_the_next_good_start() {
    let cases: [(&str, Vec<Probe>, u64); 6] = [
        ("nothing failed", vec![good(0, 1), good(5, 1)], 0),
        ("one request", vec![good(0, 1), bad(5, 1), good(10, 1)], 5),
        ("the patience of the client does not count", vec![bad(5, 250), bad(10, 250), good(15, 1)], 10),
        ("close together", vec![bad(0, 1), bad(5, 1), good(10, 1), bad(15, 1), good(40, 1)], 40),
        ("far apart, the longest counts", vec![bad(0, 1), good(50, 1), bad(100, 1), good(120, 1)], 50),
        ("never back", vec![good(0, 1), bad(5, 1), bad(100, 20)], 115),
    ];
    for (name, probes, expected) in cases {
        assert_eq!(longest_outage(&probes), ms(expected), "{name}");
    }
}

#[test]
fn the_time_both_hold_the_vip_is_added_up() {
    let events = [
        address(100, Node::Lb2, true),
        address(300, Node::Lb1, false),
        address(400, Node::Lb1, true),
        address(410, Node::Lb2, false),
        address(500, Node::Lb2, true),
        ended(good(599, 1)),
    ];
    assert_eq!(both_held(&holders(&[Node::Lb1]), &events), ms(200 + 10 + 100));
    assert_eq!(both_held(&holders(&[]), &events[..2]), ms(0));
}

#[test]
fn results_are_ordered_by_start_and_who_took_over_is_found() {
    let events = [
        ended(good(1001, 4)),
        address(1362, Node::Lb2, true),
        ended(good(1365, 9)),
        ended(bad(1010, 250)),
        ended(good(1370, 1)),
    ];
    let row = Measured::new("lb1 killed", ms(1000), &holders(&[Node::Lb1]), &events);
    assert_eq!((row.served, row.failed), (3, 1));
    assert_eq!(row.outage, ms(355));
    assert_eq!(row.slowest, ms(9));
    assert_eq!(row.took_over, Some((Node::Lb2, ms(362))));
    assert_eq!(
        row.summary(),
        "3 requests served, 1 failed (1 connection refused); longest time without service 355 ms"
    );
}

#[test]
fn the_table_is_aligned() {
    let events = [ended(good(1, 1)), ended(bad(5, 1)), address(12, Node::Lb2, true), ended(good(20, 2))];
    let rows = [
        Measured::new("lb1 killed", ms(0), &holders(&[]), &events),
        Measured::new("the worker killed", ms(0), &holders(&[]), &events[..1]),
    ];
    let expected = "\
event              served  failed  no service  slowest answer  took over        VIP on both
─────────────────  ──────  ──────  ──────────  ──────────────  ───────────────  ───────────
lb1 killed              2       1       15 ms            2 ms  lb2 after 12 ms         0 ms
the worker killed       1       0        0 ms            1 ms  nobody had to           0 ms
";
    assert_eq!(table(&rows), expected);
}
