//! What operators have changed in a file of patterns or of a map, and how that comes into its text.

use std::collections::BTreeMap;

use evenkeel_proxy::list::is_line;
use serde::{Deserialize, Serialize};

/// What lines have become. Lines are entries without blanks around them; comments and empty lines are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// These are others now.
    replaced: Vec<(String, String)>,
    /// These are gone.
    removed: Vec<String>,
    /// These are new.
    added: Vec<String>,
}

/// An entry: its number, which stays when it is changed, and its line.
pub type Line = (u32, String);

impl Edit {
    /// What has been done to the one to make it the other.
    pub fn between(before: &[Line], after: &[Line]) -> Self {
        let mut left = count(after.iter().map(|(_, line)| line.as_str()));
        let gone: Vec<&Line> = before.iter().filter(|(_, line)| !take(&mut left, line)).collect();
        let mut had = count(before.iter().map(|(_, line)| line.as_str()));
        let new: Vec<&Line> = after.iter().filter(|(_, line)| !take(&mut had, line)).collect();
        let mut by_number: BTreeMap<u32, &str> = new.iter().map(|(id, line)| (*id, line.as_str())).collect();
        let mut edit = Self::default();
        for (id, line) in gone {
            match by_number.remove(id) {
                Some(now) => edit.replaced.push((line.clone(), now.to_owned())),
                None => edit.removed.push(line.clone()),
            }
        }
        let added = new.into_iter().filter(|(id, _)| by_number.contains_key(id));
        edit.added = added.map(|(_, line)| line.clone()).collect();
        edit
    }

    /// Whether nothing has been done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Leaves out what cannot be a line of a file, and says how much that is: what a worker says is looked at before it is
    /// written anywhere, and a map has keys that a file of it cannot have.
    pub fn drop_what_is_no_line(&mut self) -> usize {
        let all = self.replaced.len() + self.added.len();
        self.replaced.retain(|(_, new)| is_line(new));
        self.added.retain(|line| is_line(line));
        all - self.replaced.len() - self.added.len()
    }

    /// The text with it. Comments stay, and so do lines that it knows nothing of.
    pub fn apply(&self, text: &str) -> String {
        let mut removed = count(self.removed.iter().map(String::as_str));
        let mut replaced: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (old, new) in self.replaced.iter().rev() {
            replaced.entry(old.clone()).or_default().push(new);
        }
        let mut out = String::with_capacity(text.len());
        for line in text.lines() {
            let entry = spelled(line);
            if let Some(new) = replaced.get_mut(&entry).and_then(Vec::pop) {
                put(&mut out, new);
            } else if entry.is_empty() || entry.starts_with('#') || !take(&mut removed, &entry) {
                put(&mut out, line);
            }
        }
        // Of lines that somebody has taken away meanwhile, what they were to become is still wanted.
        let lost = replaced.values().rev().flatten().copied();
        lost.chain(self.added.iter().map(String::as_str)).for_each(|line| put(&mut out, line));
        out
    }
}

/// A line as entries are compared: one blank behind the key.
fn spelled(line: &str) -> String {
    let line = line.trim();
    match line.split_once(char::is_whitespace) {
        Some((key, value)) => format!("{key} {}", value.trim_start()),
        None => line.to_owned(),
    }
}

fn put(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn count<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, u32> {
    let mut all = BTreeMap::new();
    for line in lines {
        *all.entry(spelled(line)).or_insert(0) += 1;
    }
    all
}

/// Whether one of these is left, which then is not.
fn take(lines: &mut BTreeMap<String, u32>, line: &str) -> bool {
    match lines.get_mut(&spelled(line)) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(all: &[(u32, &str)]) -> Vec<Line> {
        all.iter().map(|(id, line)| (*id, (*line).to_owned())).collect()
    }

    #[test]
    fn comments_and_the_work_of_others_stay() {
        let before = lines(&[(0, "a one"), (1, "b two"), (2, "a one"), (3, "c three")]);
        let after = lines(&[(1, "b TWO"), (2, "a one"), (3, "c three"), (4, "d four")]);
        let edit = Edit::between(&before, &after);
        let text = "# Names.\na  one\n\n# Two.\n  b\ttwo\na one\nby hand\nc three\n# end";
        let expected = "# Names.\n\n# Two.\nb TWO\na one\nby hand\nc three\n# end\nd four\n";
        assert_eq!(edit.apply(text), expected);
        // Who has edited the file meanwhile has made these changes already, or others.
        assert_eq!(edit.apply("a one\n"), "b TWO\nd four\n");
        assert!(Edit::between(&after, &after).is_empty() && !edit.is_empty());
    }

    #[test]
    fn what_is_no_line_is_left_out_and_nothing_else() {
        for (line, dropped) in [
            ("10.0.0.0/8", 0),
            ("key value # of sorts", 0),
            ("", 1),
            (" a", 1),
            ("a ", 1),
            ("#a", 1),
            ("a\nb", 1),
            ("a\rb", 1),
            ("a\0", 1),
        ] {
            let mut edit = Edit::between(&lines(&[(0, "old")]), &lines(&[(1, line), (2, "good")]));
            assert_eq!(edit.drop_what_is_no_line(), dropped, "{line:?}");
            assert!(edit.apply("old\n").ends_with("good\n"), "{line:?}");
        }
    }

    proptest! {
        /// What a file has said becomes what is in memory, in whatever order.
        #[test]
        fn a_file_becomes_what_is_in_memory(
            before in prop::collection::vec((0u32..8, "[a-c]{1,2}( [x-z])?"), 0..8),
            after in prop::collection::vec((0u32..8, "[a-c]{1,2}( [x-z])?"), 0..8),
        ) {
            let numbered = |all: Vec<Line>| {
                let by_number: BTreeMap<u32, String> = all.into_iter().collect();
                by_number.into_iter().collect::<Vec<Line>>()
            };
            let (before, after) = (numbered(before), numbered(after));
            let text = before.iter().fold(String::new(), |text, (_, line)| text + line + "\n");
            let written = Edit::between(&before, &after).apply(&text);
            let sorted = |lines: Vec<&str>| {
                let mut lines = lines.into_iter().map(str::to_owned).collect::<Vec<_>>();
                lines.sort();
                lines
            };
            prop_assert_eq!(
                sorted(written.lines().collect()),
                sorted(after.iter().map(|(_, line)| line.as_str()).collect())
            );
        }
    }
}
