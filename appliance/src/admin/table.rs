//! Tables that count: shown, searched, and emptied.

use std::fmt::Write as _;
use std::time::Instant;

use evenkeel_proxy::table::{Counter, Counting, Cursor, Entry, Key, KeyType, Removed, TableId};

use super::{Call, Outcome};

/// `show table [<table> [key <key> | data.<type> <operator> <value>]]`.
pub(super) fn show(call: Call<'_>) -> Outcome {
    let now = Instant::now();
    let name = call.word(2);
    let mut out = String::new();
    if name.is_empty() {
        for (name, table) in tables(&call) {
            head(&mut out, name, &call, table);
        }
        return Outcome::Shown(out);
    }
    let Some((_, table)) = tables(&call).find(|(own, _)| *own == name) else { return UNKNOWN.into() };
    let wanted = match Wanted::of(call.words.get(3..).unwrap_or_default(), table) {
        Ok(wanted) => wanted,
        Err(why) => return why.into(),
    };
    head(&mut out, name, &call, table);
    for entry in wanted.entries(table, now) {
        write_entry(&mut out, &entry);
    }
    Outcome::Shown(out)
}

/// `clear table <table> [key <key> | data.<type> <operator> <value>]`.
pub(super) fn clear(call: Call<'_>) -> Outcome {
    let now = Instant::now();
    let name = call.word(2);
    let Some((_, table)) = tables(&call).find(|(own, _)| *own == name) else { return UNKNOWN.into() };
    match Wanted::of(call.words.get(3..).unwrap_or_default(), table) {
        Ok(Wanted::All) => {
            table.clear_all(now);
        }
        Ok(Wanted::Key(key)) => {
            if table.clear(&key, now) == Removed::InUse {
                return "Entry currently in use, cannot remove".into();
            }
        }
        // What is held stays, as with all others.
        Ok(wanted) => wanted.entries(table, now).iter().for_each(|entry| {
            table.clear(&entry.key, now);
        }),
        Err(why) => return why.into(),
    }
    Outcome::Done
}

/// Which entries.
enum Wanted {
    All,
    Key(Key),
    Where(Counter, Operator, u64),
}

/// How numbers are compared.
type Operator = fn(&u64, &u64) -> bool;

impl Wanted {
    fn of(words: &[&str], table: &Counting) -> Result<Self, &'static str> {
        match words {
            [] => Ok(Self::All),
            ["key", key] => {
                let address = || key.parse().ok().and_then(|address| table.key_type().of_address(address));
                let key = match table.key_type() {
                    KeyType::Ip { .. } => address(),
                    KeyType::Integer | KeyType::String { .. } | KeyType::Binary { .. } => {
                        table.key_type().of_bytes(key.as_bytes())
                    }
                };
                key.map(Self::Key).ok_or("Invalid key")
            }
            [data, operator, value] if data.starts_with("data.") => {
                let counters = || table.store().counters().map(|(counter, _)| counter);
                let counter = counters().find(|c| data.strip_prefix("data.") == Some(c.name()));
                let counter = counter.ok_or("Data type not stored in this table")?;
                let (_, operator) = OPERATORS
                    .into_iter()
                    .find(|(name, _)| name == operator)
                    .ok_or("Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \"lt\", \"gt\"")?;
                let value = value.parse().map_err(|_| "Require a valid integer value to compare against")?;
                Ok(Self::Where(counter, operator, value))
            }
            _ => Err(
                "Optional argument only supports \"data.<store_data_type>\" <operator> <value> or key <key>",
            ),
        }
    }

    fn entries(&self, table: &Counting, now: Instant) -> Vec<Entry> {
        let fits = |entry: &Entry| match self {
            Self::All | Self::Key(_) => true,
            Self::Where(counter, operator, wanted) => {
                entry.values.iter().any(|(own, _, value)| own == counter && operator(value, wanted))
            }
        };
        if let Self::Key(key) = self {
            return table.entry(key, now).into_iter().collect();
        }
        let mut all = Vec::new();
        let mut cursor = Some(Cursor::default());
        while let Some(at) = cursor {
            cursor = table.entries(at, AT_ONCE, now, |entry| {
                if fits(&entry) {
                    all.push(entry);
                }
            });
        }
        all
    }
}

/// The tables that count.
fn tables<'a>(call: &'a Call<'_>) -> impl Iterator<Item = (&'a str, &'a Counting)> {
    let (plan, counters) = (call.sight.plan(), call.sight.state().counters());
    let all = (0..).map(TableId).zip(plan.tables());
    all.filter_map(|(id, config)| Some((config.name.as_str(), counters.table(id)?)))
}

fn head(out: &mut String, name: &str, call: &Call<'_>, table: &Counting) {
    let size = call.sight.plan().tables().iter().find(|t| t.name == name).map_or(0, |t| t.size);
    let kind = match table.key_type() {
        KeyType::Ip { .. } => "ip",
        KeyType::Integer => "integer",
        KeyType::String { .. } => "string",
        KeyType::Binary { .. } => "binary",
    };
    line(out, format_args!("# table: {name}, type: {kind}, size:{size}, used:{}", table.len()));
}

fn write_entry(out: &mut String, entry: &Entry) {
    let key = match &entry.key {
        Key::Ip(address) => address.to_string(),
        Key::Integer(number) => number.to_string(),
        Key::Bytes(bytes) => bytes.escape_ascii().to_string(),
    };
    let ends = entry.ends_in.map_or(0, |left| left.as_millis());
    let mut text = format!("0x0: key={key} use={} exp={ends} shard=0", entry.holders);
    for (counter, period, value) in &entry.values {
        let period = period.map(|p| format!("({})", p.as_millis())).unwrap_or_default();
        text.push_str(&format!(" {}{period}={value}", counter.name()));
    }
    line(out, format_args!("{text}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    writeln!(out, "{text}").unwrap_or_default();
}

const OPERATORS: [(&str, Operator); 6] =
    [("eq", u64::eq), ("ne", u64::ne), ("le", u64::le), ("ge", u64::ge), ("lt", u64::lt), ("gt", u64::gt)];

const UNKNOWN: &str = "No such table";

/// Entries that threads are kept from at once.
const AT_ONCE: u32 = 256;
