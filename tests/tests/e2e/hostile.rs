//! Hostile packets against a MASTER that is alone: none without the key moves the address, and the answers are
//! bounded, whatever arrives.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use evenkeel_tests::lab::topology::VIP4;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::wire::{Forged, Injector, advert_v2, advert_v3, reseal};
use evenkeel_tests::lab::{Lab, Node, Ownership, PairConfig, Tap};

const VRID: u8 = 51;
const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
const PASS: &[u8; 8] = b"s3cr3t42";
/// Copies of each probe.
const COPIES: u64 = 5;

/// A lone MASTER with priority 100 on `b`, and somebody who can send anything to it.
struct Target {
    node: Node,
    owners: Ownership,
    tap: Tap,
    injector: Injector,
    /// When it was MASTER with everything announced.
    begin: Instant,
    lab: Lab,
}

/// One kind of packet.
struct Probe {
    name: &'static str,
    frame: Vec<u8>,
    /// The counter it must end in, if it reaches the virtual router at all.
    counter: Option<&'static str>,
}

impl Target {
    fn start(config: &PairConfig) -> Self {
        let lab = Lab::new();
        let owners = Ownership::watch(&[&lab.a, &lab.b]);
        let tap = Tap::start(&lab);
        let config = PairConfig { proxy: false, ..config.clone() };
        let node = Node::start(&lab.b, &config.render());
        node.wait_state("VI_1", "MASTER", SOON);
        wait::until_true("the VIP is on", SOON, || owners.holds(1, VIP4));
        let injector = Injector::new(&lab.attacker);
        Self { node, owners, tap, injector, begin: Instant::now(), lab }
    }

    fn envelope(&self) -> Forged {
        Forged::new(self.injector.mac, self.lab.attacker.v4)
    }

    fn counter(&self, name: &str) -> u64 {
        self.node.status_at(&format!("/vrrp/0/counters/{name}")).as_u64().unwrap_or(0)
    }

    fn kept(&self) -> bool {
        self.node.transitions().iter().all(|t| t.at < self.begin)
            && self.owners.of(VIP4).iter().all(|c| c.added || c.at < self.begin)
    }

    fn probe(&self, probe: &Probe) {
        let before = probe.counter.map(|name| self.counter(name));
        for _ in 0..COPIES {
            self.injector.send(&probe.frame);
        }
        if let (Some(name), Some(before)) = (probe.counter, before) {
            wait::until_true(&format!("`{}` is counted as {name}", probe.name), SOON, || {
                self.counter(name) >= before + COPIES
            });
        }
        wait::holds(&format!("the VIP under `{}`", probe.name), Duration::from_millis(80), || self.kept());
    }

    /// Adverts, announcements and log lines since `from`.
    fn answers(&self, from: Instant) -> (usize, usize, usize) {
        let lines = self.node.log().iter().filter(|l| l.at >= from).count();
        (self.tap.adverts(&self.lab.b, from).len(), self.tap.announcements(&self.lab.b, from).len(), lines)
    }
}

/// What is wrong in both versions; `message` is a good one with priority 200.
fn malformed(target: &Target, message: &[u8]) -> Vec<Probe> {
    let envelope = target.envelope();
    let honest = |name, payload: &[u8], counter| Probe { name, frame: envelope.frame(payload), counter };
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = message.to_vec();
        change(&mut bytes);
        bytes
    };
    let sealed = |change: &dyn Fn(&mut Vec<u8>)| reseal(changed(change));
    let disguised = |name, counter, change: &dyn Fn(&mut Forged)| {
        let mut forged = envelope;
        change(&mut forged);
        Probe { name, frame: forged.frame(message), counter }
    };
    let mac = target.lab.b.mac();
    vec![
        honest("bad checksum", &changed(&|b| b[6] ^= 0x55), Some("drop_checksum")),
        honest("priority changed after the checksum", &changed(&|b| b[2] = 254), Some("drop_checksum")),
        honest("another VRID", &sealed(&|b| b[1] = 52), None),
        honest("VRID 0", &sealed(&|b| b[1] = 0), None),
        honest("version 7", &sealed(&|b| b[0] = 0x71), Some("drop_version")),
        honest("type 2", &sealed(&|b| b[0] = (b[0] & 0xf0) | 2), Some("drop_type")),
        honest("four bytes", &message[..4], None),
        honest("nothing", &[], None),
        honest("cut in the addresses", &message[..10], Some("drop_length")),
        honest("count lies high", &sealed(&|b| b[3] = 3), Some("drop_length")),
        honest("count 255", &sealed(&|b| b[3] = 255), Some("drop_length")),
        honest("count 0", &sealed(&|b| b[3] = 0), Some("drop_count")),
        honest("bytes behind the end", &sealed(&|b| b.extend([0; 8])), Some("drop_length")),
        honest("interval 0", &sealed(&|b| b[5] = 0), Some("drop_interval_zero")),
        honest("another address list", &sealed(&|b| b[11] = 99), Some("drop_vip_mismatch")),
        disguised("TTL 254", Some("drop_hop_limit"), &|f| f.ip.ttl = 254),
        disguised("TTL 1", Some("drop_hop_limit"), &|f| f.ip.ttl = 1),
        disguised("IP length too long", None, &|f| f.ip.length_lie = 8),
        disguised("IP length too short", Some("drop_length"), &|f| f.ip.length_lie = -4),
        disguised("source 0.0.0.0", Some("drop_source"), &|f| f.ip.src = Ipv4Addr::UNSPECIFIED),
        disguised("our own source", None, &|f| f.ip.src = target.lab.b.v4),
        disguised("multicast source", None, &|f| f.ip.src = Ipv4Addr::new(224, 0, 0, 18)),
        disguised("loopback source", None, &|f| f.ip.src = Ipv4Addr::LOCALHOST),
        disguised("broadcast source", None, &|f| f.ip.src = Ipv4Addr::BROADCAST),
        disguised("unicast to us", Some("drop_destination"), &|f| {
            f.ip.dst = target.lab.b.v4;
            f.dst_mac = mac;
        }),
    ]
}

#[test]
fn no_malformed_or_keyless_packet_moves_a_v2_address() {
    let target = Target::start(&PairConfig { priority: "100", ..PairConfig::v2() });
    let message = |priority, seconds, pass| advert_v2(VRID, priority, seconds, pass, &[VIP]);
    let mut probes = malformed(&target, &message(200, 1, Some(PASS)));
    let keyless = |name, payload: &[u8], counter| Probe {
        name,
        frame: target.envelope().frame(payload),
        counter: Some(counter),
    };
    let mut ah = message(200, 1, Some(PASS));
    ah[4] = 2;
    probes.extend([
        keyless("wrong password", &message(255, 1, Some(b"password")), "drop_auth_pass"),
        keyless("no authentication", &message(255, 1, None), "drop_auth_type"),
        keyless("authentication type AH", &reseal(ah), "drop_auth_type"),
        keyless("release without the password", &message(0, 1, None), "drop_auth_type"),
        keyless("another interval", &message(200, 5, Some(PASS)), "drop_interval_mismatch"),
        keyless("version 3", &advert_v3(VRID, 200, 100, target.lab.attacker.v4, &[VIP]), "drop_version"),
    ]);
    for probe in &probes {
        target.probe(probe);
    }
    let (adverts, announcements, lines) = target.answers(target.begin);
    let seconds = usize::try_from(target.begin.elapsed().as_secs()).unwrap();
    assert!(adverts <= seconds + 3, "{adverts} adverts in {seconds} s: nothing was answered");
    assert!(announcements <= 10, "{announcements} announcements: those of its own schedule");
    assert!(lines <= 10, "{lines} log lines");
}

#[test]
fn no_malformed_packet_moves_a_v3_address() {
    let target = Target::start(&PairConfig { priority: "100", ..PairConfig::default() });
    let message = advert_v3(VRID, 200, 10, target.lab.attacker.v4, &[VIP]);
    for probe in &malformed(&target, &message) {
        target.probe(probe);
    }
    let (_, announcements, lines) = target.answers(target.begin);
    assert!(announcements <= 10, "{announcements} announcements: those of its own schedule");
    assert!(lines <= 10, "{lines} log lines");
}

#[test]
fn valid_packets_that_do_not_win_are_answered_within_bounds() {
    let target = Target::start(&PairConfig { priority: "100", ..PairConfig::v2() });
    let frame = |priority| target.envelope().frame(&advert_v2(VRID, priority, 1, Some(PASS), &[VIP]));
    let flood = |name: &str, frame: &[u8], count: u32, span: Duration| {
        let from = Instant::now();
        for n in 0..count {
            let due = from + span * n / count;
            wait::until_true("it is time for the next packet", SOON, || Instant::now() >= due);
            target.injector.send(frame);
        }
        wait::holds(&format!("the VIP under {name}"), Duration::from_millis(500), || target.kept());
        let (adverts, announcements, lines) = target.answers(from);
        let seconds = usize::try_from(from.elapsed().as_secs()).unwrap() + 1;
        // Its own schedule, and fewer than ten extra in any second.
        assert!(adverts <= seconds * 11, "{name}: {adverts} adverts in {seconds} s");
        // Five extra in ten seconds, and the two rounds of its own schedule.
        assert!(announcements <= 20, "{name}: {announcements} announcements");
        assert!(lines <= 20, "{name}: {lines} log lines");
        assert!(adverts >= seconds.saturating_sub(2), "{name}: still advertising");
    };
    // The probes that made others storm: 3,000 adverts of priority 1 in 6 s; releases; an equal with a lower address.
    flood("a storm of priority 1", &frame(1), 3000, Duration::from_secs(6));
    flood("fifty releases", &frame(0), 50, Duration::from_millis(500));
    let mut equal = target.envelope();
    equal.ip.src = Ipv4Addr::new(10, 77, 0, 1);
    let equal = equal.frame(&advert_v2(VRID, 100, 1, Some(PASS), &[VIP]));
    flood("an equal with a lower address", &equal, 50, Duration::from_millis(500));
}

#[test]
fn floods_of_noise_delay_no_advert() {
    let target = Target::start(&PairConfig { priority: "100", ..PairConfig::default() });
    let from = Instant::now();
    let other = target.envelope().frame(&advert_v3(99, 200, 10, target.lab.attacker.v4, &[VIP]));
    for _ in 0..20_000 {
        target.injector.send(&other);
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for n in 0..4_500 {
        let mut payload: Vec<u8> = (0..random.below(64)).map(|_| random.byte()).collect();
        // Half of them look like adverts of this router at first sight.
        if n % 2 == 0 && payload.len() > 2 {
            payload[0] = 0x31;
            payload[1] = VRID;
        }
        target.injector.send(&target.envelope().frame(&payload));
    }
    wait::holds("the VIP after the noise", Duration::from_secs(1), || target.kept());
    let adverts = target.tap.adverts(&target.lab.b, from);
    let gap = adverts.windows(2).map(|w| w[1].0.duration_since(w[0].0)).max().expect("it advertises");
    assert!(gap < Duration::from_millis(250), "adverts stay on time: {gap:?}");
    let (_, announcements, lines) = target.answers(from);
    assert!(announcements <= 10 && lines <= 10, "{announcements} announcements, {lines} log lines");
    assert_eq!(target.node.status_at("/vrrp/0/state"), "MASTER", "it answers questions");
}

#[test]
fn a_flapping_peer_costs_a_bounded_answer_each_time() {
    // Without a key (v3) a well-formed higher priority does win. Each flap may cost one announcement round, no more.
    let target = Target::start(&PairConfig { priority: "100", ..PairConfig::default() });
    let frame =
        |priority| target.envelope().frame(&advert_v3(VRID, priority, 10, target.lab.attacker.v4, &[VIP]));
    let from = Instant::now();
    let flaps = 30;
    for n in 0..flaps {
        target.injector.send(&frame(254));
        wait::until_true("it yields", SOON, || became(&target, "BACKUP", from) > n);
        target.injector.send(&frame(0));
        wait::until_true("it takes over", SOON, || became(&target, "MASTER", from) > n);
    }
    let (_, announcements, lines) = target.answers(from);
    assert!(announcements <= flaps * 5 + 10, "{announcements} announcements in {flaps} flaps");
    assert!(lines <= flaps * 3 + 10, "{lines} log lines in {flaps} flaps");
    wait::until_true("it is MASTER at the end", SOON, || target.owners.holds(1, VIP4));
}

fn became(target: &Target, state: &str, from: Instant) -> usize {
    target.node.transitions().iter().filter(|t| t.at >= from && t.to == state).count()
}

/// xorshift64: the same noise every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
