//! What was measured: from the events of an act to one row of the final table.
use std::collections::BTreeMap;
use std::time::Duration;

use super::cast::{Node, PerNode};
use super::event::{Event, Probe, What};

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    /// What was done to the pair.
    pub(super) title: &'static str,
    served: usize,
    failed: usize,
    failures: BTreeMap<String, usize>,
    outage: Duration,
    slowest: Duration,
    both_held: Duration,
    took_over: Option<(Node, Duration)>,
}

impl Measured {
    /// Measures an act that began at `began`, when the nodes in `held` had the VIP, and whose events are `events`.
    pub(super) fn new(title: &'static str, began: Duration, held: &PerNode<bool>, events: &[Event]) -> Self {
        let mut probes: Vec<Probe> = events
            .iter()
            .filter_map(|event| if let What::Probe(probe) = event.what { Some(probe) } else { None })
            .collect();
        probes.sort_by_key(|probe| probe.started);
        let good = || probes.iter().filter(|probe| probe.result.is_ok());
        let mut failures = BTreeMap::new();
        for failure in probes.iter().filter_map(|probe| probe.result.err()) {
            *failures.entry(failure.to_string()).or_default() += 1;
        }
        let served = good().count();
        Self {
            title,
            served,
            failed: probes.len() - served,
            failures,
            outage: longest_outage(&probes),
            slowest: good().map(|probe| probe.took).max().unwrap_or_default(),
            both_held: both_held(held, events),
            took_over: took_over(began, events),
        }
    }

    /// The row as a sentence, for the end of the act.
    pub(super) fn summary(&self) -> String {
        let mut text = format!("{} requests served, {} failed", self.served, self.failed);
        if !self.failures.is_empty() {
            let kinds: Vec<String> =
                self.failures.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            text.push_str(&format!(" ({})", kinds.join(", ")));
        }
        text.push_str(&format!("; longest time without service {} ms", self.outage.as_millis()));
        text
    }

    fn cells(&self) -> [String; COLUMNS] {
        let took_over = match self.took_over {
            Some((node, after)) => format!("{node} after {} ms", after.as_millis()),
            None => "nobody had to".to_owned(),
        };
        [
            self.title.to_owned(),
            self.served.to_string(),
            self.failed.to_string(),
            format!("{} ms", self.outage.as_millis()),
            format!("{} ms", self.slowest.as_millis()),
            took_over,
            format!("{} ms", self.both_held.as_millis()),
        ]
    }
}

/// The final table.
pub(super) fn table(rows: &[Measured]) -> String {
    let mut lines = vec![HEADINGS.map(ToOwned::to_owned)];
    lines.extend(rows.iter().map(Measured::cells));
    let mut widths = [0; COLUMNS];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let rule = widths.map(|width| "─".repeat(width)).join("  ");
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        text.push_str(aligned(line, widths).trim_end());
        text.push('\n');
        if index == 0 {
            text.push_str(&format!("{rule}\n"));
        }
    }
    text
}

/// Text to the left, figures to the right.
fn aligned(line: &[String; COLUMNS], widths: [usize; COLUMNS]) -> String {
    let cell = |(index, (cell, width)): (usize, (&String, usize))| match index {
        0 | TOOK_OVER => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    };
    line.iter().zip(widths).enumerate().map(cell).collect::<Vec<_>>().join("  ")
}

/// From the start of the first failed request to the start of the next good one. Two outages with less than
/// [`MERGE`] between them are one: a single good answer in the middle is not service.
fn longest_outage(by_start: &[Probe]) -> Duration {
    let mut outages: Vec<(Duration, Duration)> = Vec::new();
    let mut failing_since = None;
    for probe in by_start {
        match (probe.result.is_err(), failing_since) {
            (true, None) => failing_since = Some(probe.started),
            (false, Some(since)) => {
                add_outage(&mut outages, since, probe.started);
                failing_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    if let (Some(since), Some(last)) = (failing_since, by_start.last()) {
        add_outage(&mut outages, since, last.started + last.took);
    }
    outages.into_iter().map(|(start, end)| end - start).max().unwrap_or_default()
}

fn add_outage(outages: &mut Vec<(Duration, Duration)>, start: Duration, end: Duration) {
    match outages.last_mut() {
        Some((_, last_end)) if start.saturating_sub(*last_end) < MERGE => *last_end = end,
        Some(_) | None => outages.push((start, end)),
    }
}

/// How long both kernels had the VIP.
fn both_held(before: &PerNode<bool>, events: &[Event]) -> Duration {
    let mut held = before.clone();
    let mut since = None;
    let mut total = Duration::ZERO;
    for event in events {
        if let What::Address { node, held: now } = event.what {
            *held.of_mut(node) = now;
        }
        let both = Node::ALL.iter().all(|&node| *held.of(node));
        match (both, since) {
            (true, None) => since = Some(event.at),
            (false, Some(start)) => {
                total += event.at.saturating_sub(start);
                since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    let until = events.last().map_or(Duration::ZERO, |event| event.at);
    total + since.map_or(Duration::ZERO, |start| until.saturating_sub(start))
}

/// The first node that got the VIP, and when.
fn took_over(began: Duration, events: &[Event]) -> Option<(Node, Duration)> {
    events.iter().find_map(|event| match event.what {
        What::Address { node, held: true } => Some((node, event.at.saturating_sub(began))),
        What::Did(_)
        | What::Advert(_)
        | What::Transition(_)
        | What::Warned { .. }
        | What::Address { held: false, .. }
        | What::Exited { .. }
        | What::Probe(_)
        | What::Interrupted => None,
    })
}

const COLUMNS: usize = 7;
const TOOK_OVER: usize = 5;
const HEADINGS: [&str; COLUMNS] =
    ["event", "served", "failed", "no service", "slowest answer", "took over", "VIP on both"];
/// Six requests' worth.
const MERGE: Duration = Duration::from_millis(30);

#[cfg(test)]
#[path = "report/tests.rs"]
mod tests;
