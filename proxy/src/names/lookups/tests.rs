use std::net::IpAddr;

use super::*;
use crate::balance::fixture;
use crate::names::{InitAddr, Prefer, Resolvers, ResolversId};
use crate::plan::Server;

const HOLD: Hold = Hold {
    valid: Duration::from_secs(10),
    obsolete: Duration::from_secs(3),
    nx: Duration::from_secs(30),
    timeout: Duration::from_secs(60),
    refused: Duration::ZERO,
    other: Duration::from_secs(30),
};

fn resolvers() -> Resolvers {
    Resolvers {
        name: "dns".into(),
        nameservers: vec!["192.0.2.53:53".parse().unwrap()],
        hold: HOLD,
        retries: 1,
        answer_within: Duration::from_secs(1),
        every: Duration::from_secs(1),
        payload_bytes: 1232,
    }
}

/// Servers of one backend, by the hosts they are named after.
fn plan(hosts: &[&str]) -> Plan {
    let server = |host: &&str| {
        let port = (!host.starts_with('_')).then_some(80);
        let init = [InitAddr::Last].into();
        let name = Name { host: (*host).into(), port, resolvers: ResolversId(0), prefer: Prefer::V4, init };
        Server { addr: ServerAddr::Named(name), ..fixture::server(1) }
    };
    fixture::plan(hosts.iter().map(server).collect()).with_resolvers(vec![resolvers()]).unwrap()
}

struct Run {
    lookups: Lookups,
    start: Instant,
}

impl Run {
    fn new(hosts: &[&str]) -> Self {
        let (plan, start) = (plan(hosts), Instant::now());
        Self { lookups: Lookups::new(&plan, &Addresses::new(&plan), start), start }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    /// The only name is due by then; the answer, and what it moves.
    fn answer(&mut self, seconds: f64, answer: Answer) -> Vec<(u32, Result<String, Unresolved>)> {
        let now = self.at(seconds);
        let (id, _) = self.lookups.poll_lookup(now).expect("a lookup is due");
        assert_eq!(self.lookups.poll_lookup(now), None, "one at a time");
        self.lookups.handle_answer(now, id, answer);
        std::iter::from_fn(|| self.lookups.poll_move())
            .map(|m| (m.server.0, m.to.map(|at| at.to_string())))
            .collect()
    }

    /// When the next lookup is due, in seconds from the start.
    fn due(&self) -> f64 {
        (self.lookups.poll_timeout().unwrap() - self.start).as_secs_f64()
    }
}

fn found(addresses: &[&str], ttl: u64) -> Answer {
    let place = |a: &&str| Place { at: SocketAddr::new(a.parse().unwrap(), 80), weight: None };
    let places = addresses.iter().map(place).collect();
    Answer::Found { places, ttl: Duration::from_secs(ttl), whole: true }
}

fn at(text: &str) -> Result<String, Unresolved> {
    Ok(format!("{text}:80"))
}

#[test]
fn nothing_to_look_up() {
    let plan = fixture::plan(vec![fixture::server(1)]);
    let lookups = Lookups::new(&plan, &Addresses::new(&plan), Instant::now());
    assert!(lookups.is_empty());
    assert_eq!(lookups.poll_timeout(), None);
}

#[test]
fn the_next_lookup_is_when_the_answer_ends_but_within_limits() {
    for (ttl, due) in [(0, 1.0), (1, 1.0), (5, 5.0), (10, 10.0), (86_400, 10.0)] {
        let mut run = Run::new(&["a"]);
        assert_eq!(run.due(), 0.0, "at once");
        assert_eq!(run.answer(0.0, found(&["192.0.2.1"], ttl)), [(0, at("192.0.2.1"))]);
        assert_eq!(run.due(), due, "{ttl}");
    }
}

#[test]
fn a_server_stays_where_it_is_while_the_answer_has_it() {
    let mut run = Run::new(&["a"]);
    run.answer(0.0, found(&["192.0.2.1", "192.0.2.2"], 5));
    assert_eq!(run.answer(5.0, found(&["192.0.2.2", "192.0.2.1"], 5)), []);
    assert_eq!(run.answer(10.0, found(&["192.0.2.2"], 5)), [(0, at("192.0.2.2"))], "not seen for 5 s");
    assert_eq!(run.answer(15.0, found(&["192.0.2.2"], 0)), []);
    assert_eq!(run.answer(16.0, found(&["192.0.2.3"], 0)), [], "kept for 3 s");
    assert_eq!(run.answer(17.0, found(&["192.0.2.2"], 0)), []);
    assert_eq!(run.answer(20.0, found(&["192.0.2.3"], 0)), [(0, at("192.0.2.3"))]);
}

#[test]
fn servers_of_one_name_share_its_addresses() {
    let mut run = Run::new(&["a", "a", "a"]);
    assert_eq!(
        run.answer(0.0, found(&["192.0.2.1", "192.0.2.2"], 5)),
        [(0, at("192.0.2.1")), (1, at("192.0.2.2")), (2, Err(Unresolved::NoneLeft))]
    );
    assert_eq!(run.answer(5.0, found(&["192.0.2.3", "192.0.2.2", "192.0.2.1"], 5)), [(2, at("192.0.2.3"))]);
    assert_eq!(
        run.answer(10.0, found(&["192.0.2.2"], 5)),
        [(0, Err(Unresolved::NoneLeft)), (2, Err(Unresolved::NoneLeft))]
    );
    assert_eq!(run.answer(15.0, found(&["192.0.2.2", "192.0.2.9"], 5)), [(0, at("192.0.2.9"))]);
}

#[test]
fn failures_are_borne_for_as_long_as_each_allows() {
    let failed = |why| Answer::Failed(why);
    let mut run = Run::new(&["a"]);
    run.answer(0.0, found(&["192.0.2.1"], 5));
    assert_eq!(run.answer(10.0, failed(Unresolved::Timeout)), []);
    assert_eq!(run.due(), 11.0, "soon again");
    assert_eq!(run.answer(29.5, failed(Unresolved::Nx)), []);
    assert_eq!(run.due(), 30.0, "not later than the end");
    assert_eq!(run.answer(30.0, failed(Unresolved::Timeout)), [], "bears longer");
    assert_eq!(run.answer(31.0, failed(Unresolved::Nx)), [(0, Err(Unresolved::Nx))]);
    assert_eq!(run.answer(32.0, failed(Unresolved::Other)), [], "told once");
    assert_eq!(run.answer(33.0, found(&["192.0.2.1"], 5)), [(0, at("192.0.2.1"))], "and back");
    assert_eq!(run.answer(38.0, failed(Unresolved::Refused)), [(0, Err(Unresolved::Refused))]);
}

#[test]
fn an_answer_without_addresses_is_a_failure() {
    let mut run = Run::new(&["a"]);
    assert_eq!(run.answer(0.0, found(&[], 5)), [(0, Err(Unresolved::Other))], "nothing is held of before");
    assert_eq!(run.due(), 1.0);
}

#[test]
fn a_family_that_could_not_be_asked_for_takes_nothing_away() {
    let mut run = Run::new(&["a"]);
    run.answer(0.0, found(&["192.0.2.1"], 5));
    let half = |ip: &str| Answer::Found {
        places: vec![Place { at: SocketAddr::new(ip.parse().unwrap(), 80), weight: None }],
        ttl: Duration::from_secs(5),
        whole: false,
    };
    assert_eq!(run.answer(5.0, half("2001:db8::1")), []);
    assert_eq!(run.answer(10.0, found(&["2001:db8::1"], 5)), [(0, at("[2001:db8::1]"))]);
}

#[test]
fn the_other_family_is_taken_only_if_there_is_none_of_the_preferred_one() {
    let mut run = Run::new(&["a", "a"]);
    assert_eq!(
        run.answer(0.0, found(&["2001:db8::1", "2001:db8::2"], 5)),
        [(0, at("[2001:db8::1]")), (1, at("[2001:db8::2]"))]
    );
    assert_eq!(
        run.answer(5.0, found(&["2001:db8::1", "192.0.2.1", "2001:db8::2"], 5)),
        [(0, at("192.0.2.1")), (1, Err(Unresolved::NoneLeft))]
    );
}

#[test]
fn what_was_known_before_holds_until_it_is_known_better() {
    let (plan, start) = (plan(&["a", "b"]), Instant::now());
    let addresses = Addresses::new(&plan);
    let known: SocketAddr = "192.0.2.1:80".parse().unwrap();
    assert!(addresses.set(ServerId(0), Some(known.into())));
    let mut lookups = Lookups::new(&plan, &addresses, start);
    while let Some((id, _)) = lookups.poll_lookup(start) {
        lookups.handle_answer(start, id, Answer::Failed(Unresolved::Timeout));
    }
    let moves: Vec<_> = std::iter::from_fn(|| lookups.poll_move()).collect();
    assert_eq!(moves, [Move { server: ServerId(1), to: Err(Unresolved::Timeout), weight: None }]);
}

#[test]
fn servers_of_a_service_share_its_records() {
    let mut run = Run::new(&["_a", "_a"]);
    let records = |records: &[(&str, u16)]| {
        let place = |(at, weight): &(&str, u16)| Place { at: at.parse().unwrap(), weight: Some(*weight) };
        let ttl = Duration::from_secs(5);
        Answer::Found { places: records.iter().map(place).collect(), ttl, whole: true }
    };
    let mut answer = |seconds: f64, answer| {
        let now = run.at(seconds);
        let (id, name) = run.lookups.poll_lookup(now).expect("a lookup is due");
        assert_eq!(name.port, None);
        run.lookups.handle_answer(now, id, answer);
        let text = |m: Move| {
            let to = m.to.map_or_else(|why| why.to_string(), |at| at.to_string());
            format!("{} {to} {:?}", m.server.0, m.weight)
        };
        std::iter::from_fn(|| run.lookups.poll_move()).map(text).collect::<Vec<_>>()
    };
    let first = answer(0.0, records(&[("192.0.2.1:80", 10)]));
    assert_eq!(first, ["0 192.0.2.1:80 Some(10)", "1 No IP for server None"]);
    let both = answer(5.0, records(&[("192.0.2.1:81", 20), ("192.0.2.1:80", 10)]));
    assert_eq!(both, ["1 192.0.2.1:81 Some(20)"], "two ports of one host are two servers");
    let heavier = answer(10.0, records(&[("192.0.2.1:80", 30), ("192.0.2.1:81", 20)]));
    assert_eq!(heavier, ["0 192.0.2.1:80 Some(30)"]);
    let gone = answer(15.0, records(&[("192.0.2.1:81", 20)]));
    assert_eq!(gone, ["0 entry removed from SRV record None"]);
    let back = answer(20.0, records(&[("192.0.2.1:81", 20), ("192.0.2.1:80", 30)]));
    assert_eq!(back, ["0 192.0.2.1:80 None"], "its weight is what it was");
}

#[test]
fn those_who_begin_at_the_same_place_part() {
    let (plan, start) = (plan(&["a", "a"]), Instant::now());
    let addresses = Addresses::new(&plan);
    let same: SocketAddr = "192.0.2.9:80".parse().unwrap();
    assert!(addresses.set(ServerId(0), Some(same.into())) && addresses.set(ServerId(1), Some(same.into())));
    let mut lookups = Lookups::new(&plan, &addresses, start);
    let (id, _) = lookups.poll_lookup(start).unwrap();
    lookups.handle_answer(start, id, found(&["192.0.2.9", "192.0.2.1"], 5));
    let to = Ok("192.0.2.1:80".parse().unwrap());
    assert_eq!(lookups.poll_move(), Some(Move { server: ServerId(1), to, weight: None }));
    assert_eq!(lookups.poll_move(), None);
}

#[test]
fn where_a_server_begins() {
    let (last, ip): (SocketAddr, IpAddr) = ("192.0.2.1:80".parse().unwrap(), "192.0.2.9".parse().unwrap());
    let (last, there) = (Some(last.into()), Some(SocketAddr::new(ip, 80).into()));
    use InitAddr::{Ip, Last, None as Nowhere};
    for (init, known, begins) in [
        (&[Last, Nowhere][..], last.clone(), last.clone()),
        (&[Last, Nowhere], None, None),
        (&[Last, Ip(ip)], None, there.clone()),
        (&[Ip(ip), Last], last.clone(), there),
        (&[Nowhere, Last], last.clone(), None),
        (&[], last.clone(), None),
    ] {
        let init = init.into();
        let name =
            Name { host: "a".into(), port: Some(80), resolvers: ResolversId(0), prefer: Prefer::V4, init };
        assert_eq!(name.begins_at(known.clone()), begins, "{name:?}");
        let elsewhere = Name { port: Some(81), init: [Last].into(), ..name };
        assert_eq!(elsewhere.begins_at(known), None, "another port is another server");
    }
}
