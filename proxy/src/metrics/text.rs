//! Statistics as HAProxy's tools read them: CSV, typed lines, JSON.

use std::fmt::Write as _;

use super::field::FIELDS;
use super::info::{Info, Item};
use super::row::{Row, Value};

/// The CSV listing, with its header.
pub fn csv(out: &mut String, rows: &[Row]) {
    out.push_str("# ");
    for field in &FIELDS {
        out.push_str(field.name);
        out.push(',');
    }
    out.push_str("-,\n");
    for row in rows {
        for cell in row.cells() {
            match cell {
                Some(Value::Text(text)) => quoted(out, text),
                Some(number) => put(out, format_args!("{number}")),
                None => {}
            }
            out.push(',');
        }
        out.push_str("-,\n");
    }
}

/// A line for each value, with what sort of value it is.
pub fn typed(out: &mut String, rows: &[Row]) {
    for row in rows {
        for (column, value) in row.filled() {
            let (letter, at, field) = (row.kind.letter(), column.position(), column.field());
            let (iid, sid, tags) = (row.iid, row.sid, field.tags(row.kind));
            put(
                out,
                format_args!(
                    "{letter}.{iid}.{sid}.{at}.{}.1:{tags}:{}:{value}\n",
                    field.name,
                    value.type_name()
                ),
            );
        }
    }
}

/// A list of lists of values.
pub fn json(out: &mut String, rows: &[Row]) {
    out.push('[');
    for (at, row) in rows.iter().enumerate() {
        out.push_str(if at > 0 { ",[" } else { "[" });
        for (at, (column, value)) in row.filled().enumerate() {
            if at > 0 {
                out.push(',');
            }
            let (object, iid, sid) = (row.kind.object(), row.iid, row.sid);
            put(out, format_args!("{{\"objType\":\"{object}\",\"proxyId\":{iid},\"id\":{sid},"));
            json_value(out, column.position(), column.field().name, column.field().tags(row.kind), value);
            out.push('}');
        }
        out.push(']');
    }
    out.push(']');
}

/// What is known of the process, a line for each.
pub fn info(out: &mut String, info: &Info) {
    for (_, Item { name, .. }, value) in info.filled() {
        put(out, format_args!("{name}: {value}\n"));
    }
}

/// The same with what sort of value it is.
pub fn info_typed(out: &mut String, info: &Info) {
    for (at, Item { name, tags, .. }, value) in info.filled() {
        put(out, format_args!("{at}.{name}.1:{tags}:{}:{value}\n", value.type_name()));
    }
}

/// The same as JSON.
pub fn info_json(out: &mut String, info: &Info) {
    out.push('[');
    for (n, (at, item, value)) in info.filled().enumerate() {
        out.push_str(if n > 0 { ",{" } else { "{" });
        json_value(out, at, item.name, item.tags, value);
        out.push('}');
    }
    out.push(']');
}

fn json_value(out: &mut String, at: usize, name: &str, tags: &str, value: &Value) {
    let mut letters = tags.chars();
    let [origin, nature, scope] = [(); 3].map(|()| letters.next().unwrap_or(' '));
    put(
        out,
        format_args!(
            "\"field\":{{\"pos\":{at},\"name\":\"{name}\"}},\"processNum\":1,\"tags\":{{\"origin\":\"{}\",\
             \"nature\":\"{}\",\"scope\":\"{}\"}},\"value\":{{\"type\":\"{}\",\"value\":",
            word(&ORIGINS, origin),
            word(&NATURES, nature),
            word(&SCOPES, scope),
            value.type_name()
        ),
    );
    match value {
        Value::Text(text) => json_text(out, text),
        number @ (Value::U32(_) | Value::U64(_) | Value::S32(_)) => put(out, format_args!("{number}")),
    }
    out.push('}');
}

fn word(words: &[(char, &'static str)], letter: char) -> &'static str {
    words.iter().find(|(l, _)| *l == letter).map_or("Unknown", |(_, word)| word)
}

/// A text in quotes (RFC 8259 §7).
pub fn json_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => put(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A cell; in quotes if it has to be (RFC 4180 §2).
fn quoted(out: &mut String, text: &str) {
    if !text.contains(['"', ',', '\n', '\r']) {
        return out.push_str(text);
    }
    out.push('"');
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

pub(super) fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    out.write_fmt(text).unwrap_or_default();
}

const ORIGINS: [(char, &str); 5] =
    [('M', "Metric"), ('S', "Status"), ('K', "Key"), ('C', "Config"), ('P', "Product")];
const NATURES: [(char, &str); 12] = [
    ('G', "Gauge"),
    ('L', "Limit"),
    ('m', "Min"),
    ('M', "Max"),
    ('R', "Rate"),
    ('C', "Counter"),
    ('D', "Duration"),
    ('A', "Age"),
    ('T', "Time"),
    ('N', "Name"),
    ('O', "Output"),
    ('a', "Avg"),
];
const SCOPES: [(char, &str); 4] = [('C', "Cluster"), ('P', "Process"), ('S', "Service"), ('s', "System")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::field::Column;
    use crate::metrics::row::Kind;

    fn row() -> Row {
        let mut row = Row::new(Kind::Server, 3, 1);
        row.set(Column::Pxname, "be");
        row.set(Column::Svname, "s,1");
        row.set(Column::Stot, 7_u64);
        row.set(Column::Lastsess, -1);
        row
    }

    #[test]
    fn every_line_of_csv_has_as_many_cells() {
        let mut out = String::new();
        csv(&mut out, &[row()]);
        let lines: Vec<_> = out.lines().collect();
        assert!(lines[0].starts_with("# pxname,svname,qcur,"), "{}", lines[0]);
        assert!(lines[0].ends_with(",h3req,proto,-,"), "{}", lines[0]);
        assert!(lines[1].starts_with("be,\"s,1\",,,,,,7,"), "{}", lines[1]);
        assert_eq!(lines[0].split(',').count(), lines[1].split(',').count() - 1, "one comma is in quotes");
    }

    #[test]
    fn typed_and_json_say_what_a_value_is() {
        let mut out = String::new();
        typed(&mut out, &[row()]);
        assert_eq!(
            out,
            "S.3.1.0.pxname.1:KNS:str:be\nS.3.1.1.svname.1:KNS:str:s,1\nS.3.1.7.stot.1:MCP:u64:7\n\
             S.3.1.55.lastsess.1:MAP:s32:-1\n"
        );
        let mut out = String::new();
        json(&mut out, &[row(), row()]);
        let first = "[[{\"objType\":\"Server\",\"proxyId\":3,\"id\":1,\"field\":{\"pos\":0,\"name\":\"pxname\"},\
                     \"processNum\":1,\"tags\":{\"origin\":\"Key\",\"nature\":\"Name\",\"scope\":\"Service\"},\
                     \"value\":{\"type\":\"str\",\"value\":\"be\"}},{";
        assert!(out.starts_with(first), "{out}");
        assert!(out.contains("\"type\":\"s32\",\"value\":-1}}],[{"), "{out}");
    }
}
