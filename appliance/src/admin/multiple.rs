//! Commands that take many lines.

use super::{Call, Outcome, map};

/// `add map [@<ver>] <map> <key> <value>`, or `add map [@<ver>] <map> <<` with a key and its value in each line. Those before a
/// line that is refused stay.
pub(super) fn add_map(call: Call<'_>) -> Outcome {
    let Call { session, sight, words, payload } = call;
    let Some(payload) = payload else { return map::add(Call { session, sight, words, payload }) };
    let most = if words.get(2).is_some_and(|word| word.starts_with('@')) { 4 } else { 3 };
    if words.len() != most {
        return "'add map' expects a map identifier before a payload, and nothing else.".into();
    }
    for line in payload.lines() {
        let line = line.trim_start_matches(BLANKS);
        let (key, value) = line.split_once(BLANKS).unwrap_or((line, ""));
        let value = value.trim_start_matches(BLANKS);
        if value.is_empty() {
            return Outcome::Said(format!("Missing value for key '{key}'."));
        }
        let words = [words, &[key, value][..]].concat();
        match map::add(Call { session: &mut *session, sight, words: &words, payload: None }) {
            Outcome::Done => {}
            refused @ (Outcome::Said(_) | Outcome::Shown(_) | Outcome::Quit) => return refused,
        }
    }
    Outcome::Done
}

const BLANKS: [char; 2] = [' ', '\t'];
