//! The manual page evenkeel.toml(5), made from the same tables as the reference in `docs/configuration.md`.

use roff::{Inline, Roff, bold, italic, roman};

use super::codes::Code;
use super::explain::default_text;
use super::keys::{self, Key, Section};
use super::reference::INTRODUCTION;

/// The whole page as roff.
pub fn page() -> String {
    let mut page = Roff::new();
    let source = concat!("evenkeel ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["evenkeel.toml", "5", " ", source]);
    page.control("SH", ["NAME"]).text([roman("evenkeel.toml - configuration of evenkeel")]);
    page.control("SH", ["SYNOPSIS"]).text([bold("/etc/evenkeel/evenkeel.toml")]);
    page.control("SH", ["DESCRIPTION"]);
    introduction(&mut page);
    for section in keys::SECTIONS {
        section_of(&mut page, section);
    }
    page.control("SH", ["DIAGNOSTICS"]).text(spans(
        "`evenkeel check` names each finding by one of these codes; `evenkeel explain CODE` prints the same text.",
    ));
    for code in Code::ALL {
        entry(&mut page, code.as_str(), code.explanation());
    }
    page.control("SH", ["SEE ALSO"]).text([
        bold("evenkeel"),
        roman("(1), "),
        bold("evenkeel-check"),
        roman("(1), "),
        bold("evenkeel-explain"),
        roman("(1)"),
    ]);
    page.render()
}

/// Paragraphs, and a list of which each point begins with a dash.
fn introduction(page: &mut Roff) {
    for block in INTRODUCTION.split("\n\n").filter(|b| !b.is_empty()) {
        match block.strip_prefix("- ") {
            Some(list) => list.split("\n- ").for_each(|point| {
                page.control("IP", ["*", "2"]).text(spans(point));
            }),
            None => {
                page.text(spans(block));
            }
        }
    }
}

fn section_of(page: &mut Roff, section: &Section) {
    page.control("SH", [if section.path.is_empty() { "The file" } else { section.path }]);
    blocks(page, "PP", section.doc);
    for key in section.keys {
        entry(page, key.name, &key_text(key));
    }
}

/// The value, the default, and what there is to say.
fn key_text(key: &Key) -> String {
    let mut text = format!("{}.", capitalised(&key.ty.to_string()));
    if let Some(default) = default_text(key) {
        text.push_str(&format!(" Default: {default}."));
    }
    text.push_str(&format!("\n\n{}", key.doc));
    if let Some(section) = key.ty.section() {
        text.push_str(&format!(" Keys: `{}`.", section.path));
    }
    if key.per_node {
        text.push_str(" May differ per node.");
    }
    text
}

/// A tagged paragraph, and those below it.
fn entry(page: &mut Roff, tag: &str, text: &str) {
    page.control("TP", []).text([bold(tag)]);
    blocks(page, "IP", text);
}

/// Paragraphs, with this macro between them.
fn blocks(page: &mut Roff, between: &str, text: &str) {
    for (i, block) in text.split("\n\n").enumerate() {
        if i > 0 {
            page.control(between, []);
        }
        page.text(spans(block));
    }
}

/// Code in bold, what is emphasised in italics. Lines are joined: where they break is the reader's business, and a
/// leading blank would mean something to roff.
fn spans(text: &str) -> Vec<Inline> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut spans = Vec::new();
    for (i, piece) in text.split('`').enumerate() {
        if i % 2 == 1 {
            spans.push(bold(piece));
            continue;
        }
        for (j, part) in piece.split("**").enumerate().filter(|(_, part)| !part.is_empty()) {
            spans.push(if j % 2 == 1 { italic(part) } else { roman(part) });
        }
    }
    spans
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_key_and_code_is_on_the_page() {
        let page = page();
        let has = |text: &str| page.contains(&text.replace('-', "\\-"));
        for section in keys::SECTIONS {
            assert!(page.contains(&format!(".SH {}", section.path)), "{}", section.path);
            for key in section.keys {
                assert!(has(&format!(".TP\n\\fB{}\\fR\n", key.name)), "{}.{}", section.path, key.name);
            }
        }
        assert!(Code::ALL.iter().all(|code| has(&format!("\\fB{}\\fR\n", code.as_str()))));
    }

    #[test]
    fn code_is_bold_and_lines_are_joined() {
        let expected = vec![roman("Say "), bold("a = 1"), roman(", "), italic("never"), roman(" more.")];
        assert_eq!(spans("Say `a = 1`,\n  **never** more."), expected);
    }
}
