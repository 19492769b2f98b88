//! What the keeper knows, as tables of the statistics page.

use evenkeel_proxy::page::sheet::{Cell, Panel, Tone};

use super::node::NodeFacts;
use crate::status::{InstanceStatus, PeerStatus, TrackStatus, ago};

/// The tables: virtual routers, if there are any, and the processes.
pub fn panels(facts: &NodeFacts) -> Vec<Panel> {
    let routers = (!facts.vrrp.is_empty()).then(|| Panel {
        title: "Virtual routers".to_owned(),
        head: vec![
            "Name",
            "State",
            "Since",
            "Why",
            "Priority",
            "Addresses",
            "MASTER",
            "Peers heard",
            "Tracked",
        ],
        rows: facts.vrrp.iter().map(router).collect(),
    });
    routers.into_iter().chain([node(facts)]).collect()
}

fn router(i: &InstanceStatus) -> Vec<Cell> {
    let tone = match i.state.as_str() {
        "MASTER" => Tone::Up,
        "BACKUP" => Tone::Drain,
        "FAULT" => Tone::Down,
        _ => Tone::Maint,
    };
    let held = i.vips.iter().filter(|v| v.held).count();
    let addresses: Vec<&str> = i.vips.iter().map(|v| v.address.as_str()).collect();
    // A MASTER has all of its addresses, and nobody else has one of them.
    let amiss = held != if i.state == "MASTER" { i.vips.len() } else { 0 };
    let priority = match i.effective_priority == i.priority {
        true => i.priority.to_string(),
        false => format!("{} (of {})", i.effective_priority, i.priority),
    };
    vec![
        format!("{} (VRID {} on {})", i.name, i.virtual_router_id, i.interface).into(),
        Cell::toned(i.state.clone(), tone),
        ago(i.since_ms).into(),
        i.cause.clone().into(),
        Cell::toned(priority, if i.effective_priority < i.priority { Tone::Falling } else { Tone::Plain }),
        Cell::toned(
            format!("{}: {held} of {} here", addresses.join(", "), i.vips.len()),
            if amiss { Tone::Down } else { Tone::Plain },
        ),
        i.master.clone().unwrap_or_else(|| "unknown".to_owned()).into(),
        join(&i.peers, peer).into(),
        Cell::toned(
            join(&i.tracks, track),
            if i.tracks.iter().any(|t| t.state == "failed") { Tone::Falling } else { Tone::Plain },
        ),
    ]
}

fn peer(p: &PeerStatus) -> String {
    format!("{} (priority {}) {} ago", p.address, p.priority, ago(p.heard_ms))
}

fn track(t: &TrackStatus) -> String {
    format!("{}: {}", t.name, t.state)
}

fn node(facts: &NodeFacts) -> Panel {
    let worker = &facts.worker;
    let fit = worker.fitness.starts_with("fit");
    let lost = match &worker.last_loss {
        Some(why) => format!("{}, the last one: {why}", worker.lost),
        None => worker.lost.to_string(),
    };
    let (done, refused) = facts.reloads;
    Panel {
        title: "This node".to_owned(),
        head: vec!["Keeper", "Worker", "May hold addresses", "Workers lost", "Reloads"],
        rows: vec![vec![
            format!("up {}", ago(facts.uptime_ms)).into(),
            worker.state.clone().into(),
            Cell::toned(worker.fitness.clone(), if fit { Tone::Up } else { Tone::Down }),
            Cell::toned(lost, if worker.lost > 0 { Tone::Falling } else { Tone::Plain }),
            format!("{done}, {refused} refused").into(),
        ]],
    }
}

fn join<T>(all: &[T], one: impl Fn(&T) -> String) -> String {
    if all.is_empty() { "none".to_owned() } else { all.iter().map(one).collect::<Vec<_>>().join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{VipStatus, WorkerStatus};

    fn instance(state: &str, held: bool) -> InstanceStatus {
        InstanceStatus {
            name: "VI_1".into(),
            interface: "eth0".into(),
            family: "ipv4".into(),
            virtual_router_id: 51,
            version: 2,
            state: state.into(),
            since_ms: 250_000,
            cause: "it heard nobody".into(),
            priority: 101,
            effective_priority: 91,
            master: Some("192.0.2.2".into()),
            vips: vec![VipStatus { address: "192.0.2.50/24".into(), held }],
            peers: vec![PeerStatus { address: "192.0.2.3".into(), version: 2, priority: 100, heard_ms: 350 }],
            tracks: vec![TrackStatus { name: "check".into(), state: "failed".into(), weight: Some(-10) }],
            counters: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_amiss_has_a_colour() {
        let tones =
            |state, held| -> Vec<Tone> { router(&instance(state, held)).iter().map(|c| c.tone).collect() };
        assert_eq!((tones("MASTER", true)[1], tones("MASTER", true)[5]), (Tone::Up, Tone::Plain));
        assert_eq!(tones("MASTER", false)[5], Tone::Down, "a MASTER without its address");
        assert_eq!(tones("BACKUP", true)[5], Tone::Down, "an address that another has too");
        assert_eq!((tones("BACKUP", false)[4], tones("BACKUP", false)[8]), (Tone::Falling, Tone::Falling));
        let cells: Vec<String> = router(&instance("BACKUP", false)).into_iter().map(|c| c.text).collect();
        assert_eq!(
            cells,
            [
                "VI_1 (VRID 51 on eth0)",
                "BACKUP",
                "4m 10s",
                "it heard nobody",
                "91 (of 101)",
                "192.0.2.50/24: 0 of 1 here",
                "192.0.2.2",
                "192.0.2.3 (priority 100) 350ms ago",
                "check: failed",
            ]
        );
    }

    #[test]
    fn a_pair_without_routers_has_its_node() {
        let worker = WorkerStatus {
            state: "serving".into(),
            fitness: "unfit".into(),
            pid: Some(1),
            lost: 1,
            starved: 0,
            last_loss: Some("signal 9".into()),
            retired: Vec::new(),
        };
        let facts = NodeFacts {
            vrrp: Vec::new(),
            worker,
            uptime_ms: 7_500_000,
            version: "1.0".into(),
            reloads: (2, 1),
        };
        let panels = panels(&facts);
        assert_eq!(panels.len(), 1);
        let cells: Vec<&str> = panels[0].rows[0].iter().map(|c| c.text.as_str()).collect();
        assert_eq!(cells, ["up 2h 5m", "serving", "unfit", "1, the last one: signal 9", "2, 1 refused"]);
    }
}
