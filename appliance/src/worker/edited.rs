//! What operators have changed in maps and lists that come from files: told to the keeper, for the next worker and for
//! the files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::balance::State;
use evenkeel_proxy::list::ListId;
use evenkeel_proxy::map::{Map, MapId};
use evenkeel_proxy::plan::Plan;

use crate::edit::{Edit, Line};

/// How often is looked at it.
pub(super) const PERIOD: Duration = Duration::from_millis(250);

/// Files, and what was in them when it was last looked.
#[derive(Debug)]
pub(super) struct Edited {
    plan: Arc<Plan>,
    state: Arc<State>,
    known: BTreeMap<Of, Known>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Map(MapId),
    List(ListId),
}

#[derive(Debug)]
struct Known {
    file: String,
    changes: u64,
    lines: Vec<Line>,
}

impl Edited {
    /// As they are now. `None`: nothing comes from a file.
    pub(super) fn new(plan: Arc<Plan>, state: Arc<State>) -> Option<Self> {
        let mut edited = Self { plan, state, known: BTreeMap::new() };
        for (of, file, changes) in edited.files() {
            let lines = edited.lines(of);
            edited.known.insert(of, Known { file, changes, lines });
        }
        (!edited.known.is_empty()).then_some(edited)
    }

    /// Whether something has been changed since it was last looked.
    pub(super) fn is_stale(&self) -> bool {
        let known = |of| self.known.get(&of).map(|known| known.changes);
        self.files().into_iter().any(|(of, _, changes)| known(of).is_some_and(|known| known != changes))
    }

    /// What that is, by file. Takes its time with large files.
    pub(super) fn changes(&mut self) -> Vec<(String, Edit)> {
        let mut all = Vec::new();
        for (of, _, changes) in self.files() {
            // What is changed after this is looked at next time.
            if self.known.get(&of).is_none_or(|known| known.changes == changes) {
                continue;
            }
            let lines = self.lines(of);
            let Some(known) = self.known.get_mut(&of) else { continue };
            let edit = Edit::between(&known.lines, &lines);
            (known.changes, known.lines) = (changes, lines);
            if !edit.is_empty() {
                all.push((known.file.clone(), edit));
            }
        }
        all
    }

    fn files(&self) -> Vec<(Of, String, u64)> {
        let maps = self.state.maps().files().map(|(id, file, n)| (Of::Map(id), file.to_owned(), n));
        let lists = self.plan.lists().all();
        let lists = lists.into_iter().map(|(id, list)| (Of::List(id), list.name.into(), list.changes));
        maps.chain(lists).collect()
    }

    fn lines(&self, of: Of) -> Vec<Line> {
        match of {
            Of::Map(id) => {
                let lines = |map: &Map| {
                    let line = |(id, entry): (evenkeel_proxy::map::EntryId, &evenkeel_proxy::map::Entry)| {
                        (id.0, format!("{} {}", entry.key, entry.value))
                    };
                    map.entries().map(line).collect()
                };
                self.state.maps().look(id, lines).unwrap_or_default()
            }
            Of::List(id) => {
                let entries = self.plan.lists().entries(id, None).unwrap_or_default();
                entries.into_iter().map(|(id, pattern)| (id.0, pattern.into())).collect()
            }
        }
    }
}
