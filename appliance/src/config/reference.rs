//! The reference in `docs/configuration.md`, made from the table of keys and the table of codes.

use std::fmt::Write as _;

use super::codes::Code;
use super::explain::default_text;
use super::keys::{self, Key, Section};

/// The whole reference as Markdown.
pub fn markdown() -> String {
    let mut out = format!("{TITLE}{INTRODUCTION}");
    for section in keys::SECTIONS {
        section_markdown(&mut out, section);
    }
    out.push_str("## Diagnostics\n\n");
    out.push_str("`evenkeel check` names each finding by one of these codes; `evenkeel explain CODE` prints the same text.\n\n");
    for code in Code::ALL {
        push(&mut out, format_args!("### {}\n\n{}\n\n", code.as_str(), code.explanation()));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn section_markdown(out: &mut String, section: &Section) {
    let title = if section.path.is_empty() { "The file".to_owned() } else { format!("`{}`", section.path) };
    push(out, format_args!("## {title}\n\n{}\n\n", section.doc));
    out.push_str("| key | value | default | |\n|---|---|---|---|\n");
    for key in section.keys {
        row(out, key);
    }
    out.push('\n');
}

fn row(out: &mut String, key: &Key) {
    let default = default_text(key).unwrap_or_default();
    let mut notes = vec![key.doc.to_owned()];
    if let Some(section) = key.ty.section() {
        let anchor: String =
            section.path.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        notes.push(format!("Keys: [`{}`](#{anchor}).", section.path));
    }
    if key.per_node {
        notes.push("May differ per node.".to_owned());
    }
    let cell = |text: &str| text.replace('|', "\\|");
    let ty = key.ty.to_string();
    push(
        out,
        format_args!(
            "| `{}` | {} | {} | {} |\n",
            key.name,
            cell(&ty),
            cell(&default),
            cell(&notes.join(" "))
        ),
    );
}

/// Writing to a string does not fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

const TITLE: &str = "# Configuration

<!-- Made from the tables in appliance/src/config: UPDATE_EXPECT=1 cargo test -p evenkeel config. Do not edit. -->

";

/// What holds for every section; the manual page begins with it as well.
pub(super) const INTRODUCTION: &str = "One TOML file, the same on every node, read from `/etc/evenkeel/evenkeel.toml` unless `--config` says otherwise.
`evenkeel check` reads it as `evenkeel run` does and reports everything that is wrong with it in one pass.

- **Per node.** Where it says so below, a value can be a table from node names to values:
  `priority = { lb1 = 101, lb2 = 100 }`. The node's name is `--node`, else `EVENKEEL_NODE`, else the host name up to its
  first dot. Every such table names every node.
- **Durations** are a whole number with a unit: `\"250us\"`, `\"100ms\"`, `\"3s\"`, `\"2m\"`, `\"1h\"`, `\"1d\"`. **Sizes** likewise:
  `\"512B\"`, `\"16KiB\"`, `\"1MiB\"`, `\"1GiB\"`. A number alone is refused.
- **Addresses** to listen on are `\"IP:PORT\"`, `\"[IPv6]:PORT\"` or `\"*:PORT\"` (every IPv4 and IPv6 address). Names are not
  resolved.
- **Secrets** are the text itself, `\"file:PATH\"`, `\"env:NAME\"` or `\"cred:NAME\"` (a systemd credential). A file must not be
  readable by others. Secrets are shown nowhere.
- **Order.** What has an order is an array. The order of tables and of their keys means nothing.
- **Defaults.** A frontend, backend or listen takes what it does not say from its profile (`from`), then from
  `[defaults]`: `timeout`, `errorfile` and `default_server` key by key, everything else as a whole.
- **Errors.** An unknown key is an error, never ignored. With an error, nothing of the file is used.

";
