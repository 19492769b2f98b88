use super::super::cast::App;
use super::super::event::Transition;
use super::*;

const MS: Duration = Duration::from_millis(1);

fn ms(at: u32) -> Duration {
    MS * at
}

fn advert(at: u32, from: Node, priority: u8) -> Event {
    Event { at: ms(at), what: What::Advert(Advert { from, priority, interval: ms(100) }) }
}

fn served(started: u32, through: Node) -> Event {
    let result = Ok(Served { through, app: App::App1 });
    Event { at: ms(started + 1), what: What::Probe(Probe { started: ms(started), took: MS, result }) }
}

fn failed(started: u32, took: u32, failure: Failure) -> Event {
    let probe = Probe { started: ms(started), took: ms(took), result: Err(failure) };
    Event { at: ms(started + took), what: What::Probe(probe) }
}

/// Feeds the events, in the order of their times, to an act that starts at `zero`.
fn told(zero: u32, events: &[Event]) -> Vec<String> {
    let mut timeline = Timeline::default();
    timeline.begin_act(ms(zero));
    let mut events = events.to_vec();
    events.sort_by_key(|event| event.at);
    events.iter().filter_map(|event| timeline.feed(event)).map(|line| line.render(false)).collect()
}

#[test]
fn adverts_are_told_when_the_speaker_changes() {
    let lines = told(
        1000,
        &[
            advert(1000, Node::Lb1, 150),
            advert(1100, Node::Lb1, 150),
            advert(1200, Node::Lb1, 150),
            advert(1561, Node::Lb2, 100),
            advert(1661, Node::Lb2, 100),
        ],
    );
    assert_eq!(
        lines,
        [
            "      +0 ms  wire    lb1 adverts priority 150 every 100 ms",
            "    +561 ms  wire    lb2 adverts priority 100 every 100 ms, 361 ms after the last of lb1",
        ]
    );
}

#[test]
fn a_goodbye_is_told() {
    let lines = told(0, &[advert(0, Node::Lb1, 150), advert(40, Node::Lb1, 0), advert(100, Node::Lb2, 100)]);
    assert_eq!(
        lines[1..],
        [
            "     +40 ms  wire    lb1 adverts priority 0: it leaves",
            "    +100 ms  wire    lb2 adverts priority 100 every 100 ms, 60 ms after the last of lb1",
        ]
    );
}

#[test]
fn a_handover_is_two_lines() {
    let lines = told(
        0,
        &[
            advert(0, Node::Lb2, 100),
            advert(40, Node::Lb1, 150),
            advert(41, Node::Lb2, 0),
            advert(42, Node::Lb1, 150),
            advert(142, Node::Lb1, 150),
        ],
    );
    assert_eq!(
        lines[1..],
        [
            "     +40 ms  wire    lb1 adverts priority 150 every 100 ms, 40 ms after the last of lb2",
            "     +41 ms  wire    lb2 adverts priority 0: it leaves",
        ]
    );
}

#[test]
fn an_outage_is_two_lines_however_many_requests_fail() {
    let mut events = vec![served(0, Node::Lb1)];
    events.extend((1..20).map(|n| failed(n * 5, 1, Failure::Refused)));
    events.extend([served(100, Node::Lb2), served(105, Node::Lb2)]);
    assert_eq!(
        told(0, &events),
        [
            "      +1 ms  client  is answered, through lb1, by app1",
            "      +6 ms  client  requests fail: connection refused",
            "    +101 ms  client  is answered again, through lb2, 95 ms after the first failed request",
        ]
    );
}

#[test]
fn failures_that_end_after_service_is_back_do_not_reopen_the_outage() {
    let events = [
        served(0, Node::Lb1),
        failed(5, 250, Failure::TimedOut),
        failed(100, 250, Failure::TimedOut),
        served(260, Node::Lb2),
        failed(240, 250, Failure::TimedOut),
        served(265, Node::Lb2),
    ];
    assert_eq!(
        told(0, &events),
        [
            "      +1 ms  client  is answered, through lb1, by app1",
            "    +255 ms  client  requests fail: no answer within 250 ms to one sent at +5 ms",
            "    +261 ms  client  is answered again, through lb2, 255 ms after the first failed request",
        ]
    );
}

#[test]
fn an_answer_to_a_request_from_before_the_failure_does_not_end_it() {
    let early = Event {
        at: ms(30),
        what: What::Probe(Probe {
            started: ms(8),
            took: ms(22),
            result: Ok(Served { through: Node::Lb1, app: App::App2 }),
        }),
    };
    let lines =
        told(0, &[served(0, Node::Lb1), failed(10, 1, Failure::Reset), early, failed(20, 1, Failure::Reset)]);
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_change_of_node_without_a_failure_is_told_once() {
    let lines =
        told(0, &[served(0, Node::Lb2), served(5, Node::Lb1), served(4, Node::Lb2), served(10, Node::Lb1)]);
    assert_eq!(lines[1..], ["      +6 ms  client  is answered through lb1"]);
}

#[test]
fn a_silent_gap_is_told_when_patience_with_its_first_request_ends() {
    let events = [
        served(1000, Node::Lb2),
        failed(1005, 250, Failure::TimedOut),
        failed(1010, 250, Failure::TimedOut),
        served(1015, Node::Lb1),
        served(1400, Node::Lb1),
    ];
    assert_eq!(
        told(1000, &events)[1..],
        [
            "     +16 ms  client  is answered through lb1",
            "    +255 ms  client  requests fail: no answer within 250 ms to one sent at +5 ms",
        ]
    );
}

#[test]
fn a_dead_node_loses_its_address_to_the_kernel() {
    let lost = |at| Event { at: ms(at), what: What::Address { node: Node::Lb1, held: false } };
    let exited = Event { at: ms(1), what: What::Exited { node: Node::Lb1, status: "killed".to_owned() } };
    let transition = Transition {
        node: Node::Lb1,
        from: "INIT".to_owned(),
        to: "BACKUP".to_owned(),
        cause: "started".to_owned(),
    };
    let started = Event { at: ms(20), what: What::Transition(transition) };
    assert_eq!(
        told(0, &[exited, lost(10), started, lost(30)]),
        [
            "      +1 ms  lb1     is down: killed",
            "     +10 ms  lb1     10.99.0.50 removed by its kernel: nobody refreshed it",
            "     +20 ms  lb1     INIT → BACKUP: started",
            "     +30 ms  lb1     gave 10.99.0.50 away",
        ]
    );
}

#[test]
fn progress_counts_what_is_not_told() {
    let mut timeline = Timeline::default();
    timeline.begin_act(ms(0));
    for event in [
        served(0, Node::Lb1),
        served(5, Node::Lb1),
        failed(10, 1, Failure::Refused),
        advert(12, Node::Lb1, 150),
    ] {
        timeline.feed(&event);
    }
    assert_eq!(timeline.progress(ms(1500)), "  1.5 s  2 served, 1 failed, no answers; 1 adverts of lb1");
}
