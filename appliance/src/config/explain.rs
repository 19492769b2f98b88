//! `evenkeel explain`: what a key, a section or a code means.

use std::fmt::Write as _;

use super::codes::Code;
use super::keys::{self, Default, Key, Section};
use super::suggest::nearest;

/// What there is to say about a code (`unknown-key`), a section (`backend`, `[vrrp.VI_1]`) or a key (`weight`,
/// `server.weight`, `backend.server.weight`).
///
/// # Errors
/// A sentence that says that there is nothing of that name, with the nearest one.
pub fn explain(topic: &str) -> Result<String, String> {
    let topic = topic.trim().trim_matches(['[', ']']);
    if let Some(code) = Code::named(topic) {
        return Ok(format!("{}\n\n{}\n", code.as_str(), code.explanation()));
    }
    let path: Vec<&str> = topic.split('.').collect();
    let mut out = String::new();
    if let Some(section) = keys::SECTIONS.iter().find(|s| !s.path.is_empty() && names(s, &path)) {
        section_text(&mut out, section);
    }
    for (section, key) in matching_keys(&path) {
        // A section says all of its keys already.
        if out.is_empty() || key.ty.section().is_none() {
            key_text(&mut out, section, key);
        }
    }
    if out.is_empty() { Err(nothing(topic)) } else { Ok(out) }
}

/// Whether `path` names a section: its own path, where `NAME` stands for any name or is left out.
pub(super) fn names(section: &Section, path: &[&str]) -> bool {
    let own: Vec<&str> = section.path.split('.').collect();
    let bare: Vec<&str> = own.iter().copied().filter(|p| *p != "NAME").collect();
    let fits = own.len() == path.len() && own.iter().zip(path).all(|(o, p)| o == p || *o == "NAME");
    fits || bare == path
}

pub(super) fn matching_keys(path: &[&str]) -> Vec<(&'static Section, &'static Key)> {
    let Some((name, above)) = path.split_last() else { return Vec::new() };
    let under = |s: &&&'static Section| {
        let own: Vec<&str> = s.path.split('.').filter(|p| *p != "NAME").collect();
        above.is_empty() || own.ends_with(above) || names(s, above)
    };
    keys::SECTIONS.iter().filter(under).filter_map(|s| Some((*s, s.key(name)?))).collect()
}

fn section_text(out: &mut String, section: &Section) {
    push(out, format_args!("[{}]\n\n{}\n\n", section.path, section.doc));
    for key in section.keys {
        push(out, format_args!("  {:<28} {}\n", key.name, first_sentence(key.doc)));
    }
    out.push('\n');
}

fn key_text(out: &mut String, section: &Section, key: &Key) {
    let path = if section.path.is_empty() { String::new() } else { format!("{}.", section.path) };
    push(out, format_args!("{path}{}\n\n{}\n\n  value    {}\n", key.name, key.doc, key.ty));
    if let Some(default) = default_text(key) {
        push(out, format_args!("  default  {default}\n"));
    }
    if key.per_node {
        out.push_str("  per node a table from node names to values is possible\n");
    }
    out.push('\n');
}

/// The default as text; `None` if there is nothing to say.
pub(super) fn default_text(key: &Key) -> Option<String> {
    match key.default {
        Default::None => None,
        Default::Required => Some("none: it must be said".to_owned()),
        Default::Value(v) | Default::Words(v) => Some(v.to_owned()),
    }
}

fn first_sentence(doc: &str) -> &str {
    doc.split_inclusive(". ").next().unwrap_or(doc).trim_end()
}

pub(super) fn nothing(topic: &str) -> String {
    let words = keys::SECTIONS.iter().flat_map(|s| s.keys.iter().map(|k| k.name));
    let meant = nearest(topic, words.chain(Code::ALL.iter().map(|c| c.as_str())));
    let meant = meant.map(|m| format!("; did you mean `{m}`?")).unwrap_or_default();
    format!("there is no key, section or code `{}`{meant}", topic.escape_debug())
}

/// Writing to a string does not fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_section_and_code_is_explained() {
        for s in keys::SECTIONS.iter().filter(|s| !s.path.is_empty()) {
            assert!(explain(s.path).is_ok_and(|t| t.contains(s.doc)), "{}", s.path);
            for k in s.keys {
                let text = explain(&format!("{}.{}", s.path, k.name)).unwrap();
                assert!(text.contains(k.name), "{}.{}", s.path, k.name);
            }
        }
        for c in Code::ALL {
            assert!(explain(c.as_str()).is_ok_and(|t| t.contains(c.explanation())));
        }
    }

    #[test]
    fn paths_can_be_short() {
        for topic in ["server.weight", "backend.server.weight", "backend.web.server.weight"] {
            assert!(explain(topic).unwrap().contains("backend.NAME.server.weight"), "{topic}");
        }
        assert!(explain("[vrrp.VI_1]").unwrap().contains("virtual_router_id"));
        assert!(explain("vrrp.VI_1.priority").unwrap().contains("per node"));
    }

    #[test]
    fn unknown_topics_suggest() {
        assert_eq!(
            explain("wieght").unwrap_err(),
            "there is no key, section or code `wieght`; did you mean `weight`?"
        );
        assert_eq!(explain("qqqqqq").unwrap_err(), "there is no key, section or code `qqqqqq`");
    }
}
