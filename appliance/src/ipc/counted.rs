//! What a worker has counted on its way to its successor: numbers with their names, which another version may have more or
//! fewer of.

use evenkeel_proxy::stats::{Counted, Named, TimesTotals, Totals};
use serde::{Deserialize, Serialize};

/// Everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// What the numbers of `totals` are.
    names: Vec<String>,
    process: Vec<u64>,
    frontends: Vec<Count>,
    backends: Vec<Count>,
    servers: Vec<Count>,
}

/// Of one frontend, backend or server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    name: String,
    totals: Vec<u64>,
    /// How long requests took; empty: nobody wants to know.
    times: Vec<u64>,
}

impl From<&Counted> for Counts {
    fn from(counted: &Counted) -> Self {
        let counts = |named: &&Named| named.totals != Totals::default();
        let all = |all: &[Named]| all.iter().filter(counts).map(Count::from).collect();
        Self {
            names: Totals::names().map(str::to_owned).collect(),
            process: counted.process.numbers().collect(),
            frontends: all(&counted.frontends),
            backends: all(&counted.backends),
            servers: all(&counted.servers),
        }
    }
}

impl From<&Named> for Count {
    fn from(named: &Named) -> Self {
        Self {
            name: named.name.clone(),
            totals: named.totals.numbers().collect(),
            times: named.times.as_ref().map(TimesTotals::numbers).unwrap_or_default(),
        }
    }
}

impl From<&Counts> for Counted {
    fn from(counts: &Counts) -> Self {
        let totals = |numbers: &[u64]| {
            let mut totals = Totals::default();
            counts.names.iter().zip(numbers).for_each(|(name, number)| totals.set(name, *number));
            totals
        };
        let one = |count: &Count| Named {
            name: count.name.clone(),
            totals: totals(&count.totals),
            times: TimesTotals::of_numbers(&count.times),
        };
        let all = |all: &[Count]| all.iter().map(one).collect();
        Self {
            process: totals(&counts.process),
            frontends: all(&counts.frontends),
            backends: all(&counts.backends),
            servers: all(&counts.servers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_proxy::stats::Spans;

    #[test]
    fn what_is_written_down_reads_back() {
        let totals = Totals { requests: 7, peak: 3, ..Totals::default() };
        let times = TimesTotals { sum: Spans { total: 5, ..Spans::default() }, ..TimesTotals::default() };
        let named = |name: &str, times| vec![Named { name: name.into(), totals, times }];
        let counted = Counted {
            process: totals,
            frontends: named("web", Some(times)),
            backends: named("app", None),
            servers: named("app/s1", Some(times)),
        };
        let idle = Named { name: "app/s2".into(), ..Named::default() };
        let all = Counted { servers: [counted.servers.clone(), vec![idle]].concat(), ..counted.clone() };
        let json = serde_json::to_string(&Counts::from(&all)).unwrap();
        assert_eq!(Counted::from(&serde_json::from_str::<Counts>(&json).unwrap()), counted);
    }
}
