//! The story as it is told: events in, readable lines out. Repetitions are counted instead of told.
use std::time::Duration;

use super::cast::{Node, PerNode, VIP};
use super::event::{Advert, Event, Failure, Probe, Served, What};

/// What has been told so far, as far as the next line depends on it.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    zero: Duration,
    voice: Option<Voice>,
    service: Service,
    down: PerNode<bool>,
    served: u64,
    failed: u64,
}

/// One line of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Since the start of the act.
    pub(super) at: Duration,
    /// Who tells it.
    pub(super) who: Who,
    /// What is told.
    pub(super) text: String,
    /// Whether it is good news.
    pub(super) tone: Tone,
}

/// Who tells a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The demo, which does something.
    Demo,
    /// A node.
    Node(Node),
    /// The listener on the wire.
    Wire,
    /// The client.
    Client,
}

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// A fact.
    Plain,
    /// Good news.
    Good,
    /// Bad news.
    Bad,
    /// What the demo does.
    Deed,
}

/// The node heard last, and how it sounded.
#[derive(Debug)]
struct Voice {
    last: Advert,
    last_at: Duration,
    count: u64,
}

impl Voice {
    /// Whether `advert` is this speaker's goodbye.
    fn left(&self, advert: Advert) -> bool {
        advert.priority == 0 && advert.from == self.last.from
    }
}

/// What the client gets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Service {
    /// Nothing was asked yet.
    #[default]
    Unknown,
    /// Answers, through this node, since a request that was started then; whether failures before it were told.
    Served { through: Node, since: Duration, gap: Gap },
    /// None, since a request that was started then.
    Failing { since: Duration },
}

/// Whether the requests that failed before service came are part of the story already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// It was told, or there is none to tell.
    Told,
    /// Requests may have been lost; it shows when the client's patience with them ends.
    Unknown,
}

impl Timeline {
    /// Starts the next act: its lines count from `now`.
    pub(super) fn begin_act(&mut self, now: Duration) {
        self.zero = now;
        (self.served, self.failed) = (0, 0);
    }

    /// Takes in what happened; most of it is only counted.
    pub(super) fn feed(&mut self, event: &Event) -> Option<Line> {
        let (who, text, tone) = match &event.what {
            What::Did(text) => (Who::Demo, text.clone(), Tone::Deed),
            What::Advert(advert) => self.hear(*advert, event.at)?,
            What::Transition(transition) => {
                *self.down.of_mut(transition.node) = false;
                let (from, to, cause) = (&transition.from, &transition.to, &transition.cause);
                (Who::Node(transition.node), format!("{from} → {to}: {cause}"), Tone::Plain)
            }
            What::Warned { node, text } => (Who::Node(*node), text.clone(), Tone::Plain),
            What::Address { node, held } => (Who::Node(*node), self.address(*node, *held), Tone::Plain),
            What::Exited { node, status } => {
                *self.down.of_mut(*node) = true;
                (Who::Node(*node), format!("is down: {status}"), Tone::Plain)
            }
            What::Probe(probe) => self.probe(probe)?,
            What::Interrupted => (Who::Demo, "interrupted".to_owned(), Tone::Deed),
        };
        Some(Line { at: event.at.saturating_sub(self.zero), who, text, tone })
    }

    /// One line on where things stand, for a terminal.
    pub(super) fn progress(&self, now: Duration) -> String {
        let elapsed = now.saturating_sub(self.zero).as_secs_f64();
        let state = match self.service {
            Service::Unknown => String::new(),
            Service::Served { through, .. } => format!(", answers come through {through}"),
            Service::Failing { .. } => ", no answers".to_owned(),
        };
        let adverts = self.voice.as_ref().map_or(0, |voice| voice.count);
        let speaker = self.voice.as_ref().map_or("nobody", |voice| voice.last.from.as_str());
        format!(
            "{elapsed:5.1} s  {} served, {} failed{state}; {adverts} adverts of {speaker}",
            self.served, self.failed
        )
    }

    /// An advert is told when the speaker or its priority changes. A goodbye is told too, but does not make its
    /// sender the speaker: in a handover it comes after the successor's first advert.
    fn hear(&mut self, advert: Advert, at: Duration) -> Option<(Who, String, Tone)> {
        let Advert { from, priority, interval } = advert;
        if let Some(voice) = self.voice.as_mut().filter(|voice| voice.last == advert || voice.left(advert)) {
            voice.count += 1;
            voice.last_at = at;
        } else if priority > 0 {
            let before = self.voice.replace(Voice { last: advert, last_at: at, count: 1 });
            let mut text = format!("{from} adverts priority {priority} every {} ms", interval.as_millis());
            if let Some(before) = before.filter(|before| before.last.from != from) {
                let silence = at.saturating_sub(before.last_at).as_millis();
                text.push_str(&format!(", {silence} ms after the last of {}", before.last.from));
            }
            return Some((Who::Wire, text, Tone::Plain));
        }
        (priority == 0).then(|| (Who::Wire, format!("{from} adverts priority 0: it leaves"), Tone::Plain))
    }

    fn address(&self, node: Node, held: bool) -> String {
        match (held, *self.down.of(node)) {
            (true, _) => format!("has {VIP}"),
            (false, false) => format!("gave {VIP} away"),
            (false, true) => format!("{VIP} removed by its kernel: nobody refreshed it"),
        }
    }

    fn probe(&mut self, probe: &Probe) -> Option<(Who, String, Tone)> {
        match probe.result {
            Ok(served) => self.succeed(probe, served),
            Err(failure) => self.fail(probe, failure),
        }
    }

    /// Answers to requests from before the failure do not end it: results come in the order of their ends, and
    /// service is a matter of starts.
    fn succeed(&mut self, probe: &Probe, Served { through, app }: Served) -> Option<(Who, String, Tone)> {
        self.served += 1;
        let (text, gap) = match self.service {
            Service::Unknown => (format!("is answered, through {through}, by {app}"), Gap::Told),
            Service::Failing { since } if probe.started > since => {
                let outage = probe.started.saturating_sub(since).as_millis();
                let text = format!(
                    "is answered again, through {through}, {outage} ms after the first failed request"
                );
                (text, Gap::Told)
            }
            Service::Served { through: before, since, .. } if before != through && probe.started > since => {
                (format!("is answered through {through}"), Gap::Unknown)
            }
            Service::Failing { .. } | Service::Served { .. } => return None,
        };
        self.service = Service::Served { through, since: probe.started, gap };
        Some((Who::Client, text, Tone::Good))
    }

    /// Failures are told once per outage, whether they are known before service is back or after.
    fn fail(&mut self, probe: &Probe, failure: Failure) -> Option<(Who, String, Tone)> {
        self.failed += 1;
        match &mut self.service {
            Service::Failing { since } => {
                *since = probe.started.min(*since);
                return None;
            }
            Service::Served { since, gap, .. } if probe.started < *since => {
                if *gap == Gap::Told {
                    return None;
                }
                *gap = Gap::Told;
            }
            Service::Unknown | Service::Served { .. } => {
                self.service = Service::Failing { since: probe.started }
            }
        }
        let mut text = format!("requests fail: {failure}");
        if probe.took >= WORTH_TELLING {
            let sent = probe.started.saturating_sub(self.zero).as_millis();
            text.push_str(&format!(" within {} ms to one sent at +{sent} ms", probe.took.as_millis()));
        }
        Some((Who::Client, text, Tone::Bad))
    }
}

/// A failure that took less is told as if it happened at once.
const WORTH_TELLING: Duration = Duration::from_millis(50);

impl Line {
    /// The line as printed.
    pub(super) fn render(&self, color: bool) -> String {
        let who = match self.who {
            Who::Demo => "demo",
            Who::Node(node) => node.as_str(),
            Who::Wire => "wire",
            Who::Client => "client",
        };
        let at = format!("+{}", self.at.as_millis());
        let paint = match (color, self.tone) {
            (false, _) | (true, Tone::Plain) => return format!("{at:>8} ms  {who:<6}  {}", self.text),
            (true, Tone::Good) => GREEN,
            (true, Tone::Bad) => RED,
            (true, Tone::Deed) => BOLD,
        };
        format!("{at:>8} ms  {paint}{who:<6}  {}{RESET}", self.text)
    }
}

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
/// For what the demo does, and for headings.
pub(super) const BOLD: &str = "\u{1b}[1m";
/// Ends every colour.
pub(super) const RESET: &str = "\u{1b}[0m";

#[cfg(test)]
#[path = "timeline/tests.rs"]
mod tests;
