//! `evenkeel config default`: every key with its default and what it is for, as a file in which nothing is said yet.

use std::fmt::Write as _;

use super::explain;
use super::keys::{self, Default, Key, Section, Type};

/// Of all sections, or of those and the keys that `topic` names as [`explain()`](explain::explain) takes them.
///
/// # Errors
/// A sentence that says that there is nothing of that name, with the nearest one.
pub fn template(topic: Option<&str>) -> Result<String, String> {
    let mut out = String::new();
    match topic.map(|topic| topic.trim().trim_matches(['[', ']'])) {
        None => {
            out.push_str(TITLE);
            keys::SECTIONS.iter().for_each(|section| section_text(&mut out, section, section.keys));
        }
        Some(topic) => {
            let path: Vec<&str> = topic.split('.').collect();
            match keys::SECTIONS.iter().find(|s| !s.path.is_empty() && explain::names(s, &path)) {
                Some(section) => below(&mut out, section),
                None => {
                    for (section, key) in explain::matching_keys(&path) {
                        section_text(&mut out, section, std::slice::from_ref(key));
                    }
                }
            }
            if out.is_empty() {
                return Err(explain::nothing(topic));
            }
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    Ok(out)
}

/// A section and those that it leads to by tables of its own.
fn below(out: &mut String, section: &Section) {
    section_text(out, section, section.keys);
    let inside = format!("{}.", section.path);
    for other in keys::SECTIONS.iter().filter(|other| other.path.starts_with(&inside)) {
        section_text(out, other, other.keys);
    }
}

fn section_text(out: &mut String, section: &Section, keys: &[Key]) {
    wrapped(out, section.doc);
    if !section.path.is_empty() {
        let header = if stands_in_array(section) { ["[[", "]]"] } else { ["[", "]"] };
        let [open, close] = header;
        push(out, format_args!("#{open}{}{close}\n", section.path));
    }
    out.push('\n');
    // What stands at the top of the file are sections, and each has its place below.
    let is_section = |key: &Key| section.path.is_empty() && key.ty.section().is_some();
    keys.iter().filter(|key| !is_section(key)).for_each(|key| key_text(out, key));
}

fn key_text(out: &mut String, key: &Key) {
    let mut doc = format!("{} Value: {}.", key.doc, key.ty);
    let per_node = if key.per_node { " May differ per node." } else { "" };
    let (value, default) = match key.default {
        Default::Value(value) => (format!(" {value}"), String::new()),
        Default::Words(words) => (String::new(), format!(" Default: {words}.")),
        Default::Required => (String::new(), " It must be said.".to_owned()),
        Default::None => (String::new(), String::new()),
    };
    doc.push_str(per_node);
    doc.push_str(&default);
    wrapped(out, &doc);
    push(out, format_args!("#{} ={value}\n\n", key.name));
}

/// Whether there can be several of the section's tables in one place.
fn stands_in_array(section: &Section) -> bool {
    let leads = |key: &&Key| key.ty.section().is_some_and(|to| to.path == section.path);
    let key = keys::SECTIONS.iter().flat_map(|s| s.keys).find(leads);
    match key.map(|key| key.ty) {
        Some(Type::Tables(_)) => true,
        Some(Type::Forms(words, _)) => words.contains("array"),
        Some(_) | None => false,
    }
}

/// Lines of a comment.
fn wrapped(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            push(out, format_args!("{line}\n"));
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    push(out, format_args!("{line}\n"));
}

/// Writing to a string does not fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

const TITLE: &str = "\
# Every key of evenkeel.toml. Behind `=` stands what holds when the key is not said. NAME is any name; sections
# with two brackets can stand several times.

";

const WIDTH: usize = 110;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_with_its_default() {
        let text = template(None).unwrap();
        for section in keys::SECTIONS.iter().filter(|s| !s.path.is_empty()) {
            for key in section.keys {
                let line = match key.default {
                    Default::Value(value) => format!("\n#{} = {value}\n", key.name),
                    Default::None | Default::Required | Default::Words(_) => format!("\n#{} =\n", key.name),
                };
                assert!(text.contains(&line), "{line}");
            }
        }
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')));
    }

    #[test]
    fn what_is_uncommented_is_toml() {
        let said = |line: &&str| line.starts_with("#[") || (line.starts_with('#') && !line.starts_with("# "));
        let text = template(None).unwrap();
        let mut whole = String::new();
        for line in text.lines().filter(said).filter(|line| !line.ends_with('=')) {
            whole.push_str(line.strip_prefix('#').unwrap());
            whole.push('\n');
        }
        let (_, errors) = toml::de::DeTable::parse_recoverable(&whole);
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        // One place has several forms.
        assert!(errors.iter().all(|e| e.contains("duplicate key")), "{errors:#?}");
    }

    #[test]
    fn a_topic_is_a_section_or_a_key() {
        let worker = template(Some("global.worker")).unwrap();
        assert!(worker.contains("#[global.worker]\n") && worker.contains("#grace = \"500ms\"\n"));
        assert!(template(Some("global")).unwrap().contains("#[global.tune]\n"));
        let rise = template(Some("server.rise")).unwrap();
        assert!(rise.contains("#[[backend.NAME.server]]\n") && rise.matches("#rise =").count() > 0);
        assert!(!rise.contains("#fall"));
        assert!(template(Some("nbthred")).unwrap_err().contains("did you mean `nbthread`?"));
    }
}
