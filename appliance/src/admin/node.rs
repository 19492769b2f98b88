//! What the keeper knows, as Prometheus has it: VRRP by the names of Keepalived's exporter, and the processes.

use std::fmt::Write as _;

use evenkeel_proxy::metrics::prometheus::{head, label};
use serde::{Deserialize, Serialize};

use crate::status::{InstanceStatus, WorkerStatus};

/// What the keeper tells the worker every second, for its metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// One entry per VRRP instance.
    pub vrrp: Vec<InstanceStatus>,
    /// The worker, as the keeper sees it.
    pub worker: WorkerStatus,
    /// How long the keeper runs.
    pub uptime_ms: u64,
    /// Version of the keeper.
    pub version: String,
    /// Reloads that replaced something, and those that were refused.
    pub reloads: (u64, u64),
}

/// The families.
pub fn families(facts: &NodeFacts) -> String {
    let mut out = String::new();
    gauge(&mut out, "keepalived_up", "1: the VRRP engine runs", 1);
    head(
        &mut out,
        "keepalived_vrrp_state",
        "gauge",
        "State of the instance: 0 INIT, 1 BACKUP, 2 MASTER, 3 FAULT",
    );
    for i in &facts.vrrp {
        for vip in i.vips.iter().map(|v| v.address.as_str()) {
            let more = format!(",ip_address=\"{}\"", label(vip));
            line(&mut out, "keepalived_vrrp_state", &format!("{}{more}", labels(i)), state(i));
        }
    }
    of_instances(
        &mut out,
        facts,
        "keepalived_gratuitous_arp_delay_total",
        "counter",
        "Announcements put off",
        |i| count(i, "announcements_suppressed"),
    );
    for (name, help, counters) in COUNTERS {
        of_instances(&mut out, facts, name, "counter", help, |i| counters.iter().map(|c| count(i, c)).sum());
    }
    let gauges: [(&str, &str, Gauge); 3] = [
        ("evenkeel_vrrp_priority", "Priority that is advertised", |i| i.effective_priority.into()),
        ("evenkeel_vrrp_state_seconds", "Seconds in the present state", |i| i.since_ms / 1000),
        ("evenkeel_vrrp_vips_held", "Virtual addresses on this node", |i| {
            i.vips.iter().filter(|v| v.held).count().try_into().unwrap_or(u64::MAX)
        }),
    ];
    for (name, help, of) in gauges {
        of_instances(&mut out, facts, name, "gauge", help, of);
    }
    events(&mut out, facts);
    processes(&mut out, facts);
    out
}

fn events(out: &mut String, facts: &NodeFacts) {
    head(out, "evenkeel_vrrp_events_total", "counter", "Everything the VRRP engine counts, zeros left out");
    for i in &facts.vrrp {
        for (event, count) in &i.counters {
            line(
                out,
                "evenkeel_vrrp_events_total",
                &format!("{},event=\"{}\"", labels(i), label(event)),
                *count,
            );
        }
    }
    head(out, "evenkeel_vrrp_peer_heard_seconds", "gauge", "Seconds since the last advert of a peer");
    for i in &facts.vrrp {
        for peer in &i.peers {
            let labels = format!("{},peer=\"{}\"", labels(i), label(&peer.address));
            put(
                out,
                format_args!("evenkeel_vrrp_peer_heard_seconds{{{labels}}} {}\n", seconds(peer.heard_ms)),
            );
        }
    }
}

fn processes(out: &mut String, facts: &NodeFacts) {
    head(out, "evenkeel_build_info", "gauge", "The version of the keeper");
    line(out, "evenkeel_build_info", &format!("version=\"{}\"", label(&facts.version)), 1);
    head(out, "evenkeel_keeper_uptime_seconds", "gauge", "Seconds since the keeper began");
    put(out, format_args!("evenkeel_keeper_uptime_seconds {}\n", seconds(facts.uptime_ms)));
    counter(
        out,
        "evenkeel_worker_losses_total",
        "Workers that ended without being asked to",
        facts.worker.lost,
    );
    let starved = facts.worker.starved;
    counter(
        out,
        "evenkeel_worker_starvations_total",
        "Times a worker was silent for want of a processor",
        starved,
    );
    gauge(
        out,
        "evenkeel_workers_retired",
        "Workers whose successor serves, and who finish their connections",
        facts.worker.retired.len() as u64,
    );
    let fit = u64::from(facts.worker.fitness.starts_with("fit"));
    gauge(out, "evenkeel_worker_fit", "1: the node may hold virtual addresses", fit);
    head(out, "evenkeel_reloads_total", "counter", "Reloads, by what came of them");
    line(out, "evenkeel_reloads_total", "result=\"done\"", facts.reloads.0);
    line(out, "evenkeel_reloads_total", "result=\"refused\"", facts.reloads.1);
}

fn of_instances(
    out: &mut String,
    facts: &NodeFacts,
    name: &str,
    kind: &str,
    help: &str,
    of: impl Fn(&InstanceStatus) -> u64,
) {
    head(out, name, kind, help);
    facts.vrrp.iter().for_each(|i| line(out, name, &labels(i), of(i)));
}

fn labels(i: &InstanceStatus) -> String {
    format!("iname=\"{}\",intf=\"{}\",vrid=\"{}\"", label(&i.name), label(&i.interface), i.virtual_router_id)
}

fn count(i: &InstanceStatus, name: &str) -> u64 {
    i.counters.get(name).copied().unwrap_or(0)
}

/// As Keepalived numbers its states.
fn state(i: &InstanceStatus) -> u64 {
    match i.state.as_str() {
        "BACKUP" => 1,
        "MASTER" => 2,
        "FAULT" => 3,
        _ => 0,
    }
}

fn counter(out: &mut String, name: &str, help: &str, value: u64) {
    head(out, name, "counter", help);
    put(out, format_args!("{name} {value}\n"));
}

fn gauge(out: &mut String, name: &str, help: &str, value: u64) {
    head(out, name, "gauge", help);
    put(out, format_args!("{name} {value}\n"));
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    put(out, format_args!("{name}{{{labels}}} {value}\n"));
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

/// Counters that Keepalived has too: its exporter's name, and what is counted here under which names.
const COUNTERS: [(&str, &str, &[&str]); 12] = [
    ("keepalived_advertisements_received_total", "Adverts that passed every check", &["adverts_received"]),
    ("keepalived_advertisements_sent_total", "Adverts sent", &["adverts_sent"]),
    ("keepalived_become_master_total", "Times it became MASTER", &["became_master"]),
    ("keepalived_release_master_total", "Times it left MASTER", &["left_master"]),
    (
        "keepalived_packet_length_errors_total",
        "Adverts of a wrong length",
        &["drop_truncated", "drop_length"],
    ),
    (
        "keepalived_advertisements_interval_errors_total",
        "Adverts of another interval",
        &["drop_interval_zero", "drop_interval_mismatch"],
    ),
    ("keepalived_ip_ttl_errors_total", "Adverts that came over a router", &["drop_hop_limit"]),
    ("keepalived_invalid_type_received_total", "Messages that are no adverts", &["drop_type"]),
    ("keepalived_address_list_errors_total", "Adverts that list other addresses", &["drop_vip_mismatch"]),
    ("keepalived_authentication_invalid_total", "Adverts of an unknown authentication", &["drop_auth_type"]),
    ("keepalived_authentication_failure_total", "Adverts with a wrong password", &["drop_auth_pass"]),
    ("keepalived_priority_zero_received_total", "Adverts by which a MASTER went", &["releases_received"]),
];

/// What is read off an instance.
type Gauge = fn(&InstanceStatus) -> u64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::VipStatus;

    #[test]
    fn instances_are_series() {
        let instance = InstanceStatus {
            name: "VI_1".into(),
            interface: "eth0".into(),
            family: "ipv4".into(),
            virtual_router_id: 51,
            version: 2,
            state: "MASTER".into(),
            since_ms: 5_500,
            cause: String::new(),
            priority: 101,
            effective_priority: 103,
            master: None,
            vips: vec![VipStatus { address: "192.0.2.50/24".into(), held: true }],
            peers: Vec::new(),
            tracks: Vec::new(),
            counters: [("adverts_sent".to_owned(), 7), ("drop_length".to_owned(), 2)].into(),
        };
        let worker = WorkerStatus {
            state: "serving".into(),
            fitness: "fit".into(),
            pid: Some(1),
            lost: 3,
            starved: 0,
            last_loss: None,
            retired: vec![7],
        };
        let facts = NodeFacts {
            vrrp: vec![instance],
            worker,
            uptime_ms: 1_234,
            version: "1.0".into(),
            reloads: (2, 1),
        };
        let out = families(&facts);
        for line in [
            "keepalived_vrrp_state{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\",ip_address=\"192.0.2.50/24\"} 2",
            "keepalived_advertisements_sent_total{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\"} 7",
            "keepalived_packet_length_errors_total{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\"} 2",
            "evenkeel_vrrp_events_total{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\",event=\"drop_length\"} 2",
            "evenkeel_vrrp_priority{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\"} 103",
            "evenkeel_worker_losses_total 3",
            "evenkeel_worker_fit 1",
            "evenkeel_workers_retired 1",
            "evenkeel_reloads_total{result=\"refused\"} 1",
            "evenkeel_keeper_uptime_seconds 1.234",
        ] {
            assert!(out.lines().any(|l| l == line), "{line}\n{out}");
        }
    }
}
