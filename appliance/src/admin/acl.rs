//! Lists of patterns, which HAProxy calls ACLs: shown, looked into, changed, and exchanged whole.

use evenkeel_proxy::list::{ListError, ListId, Lists, Which};
use evenkeel_proxy::map::EntryId;

use super::entry::{is_named, line, reference, refused, versioned};
use super::{Call, Outcome};

/// `show acl [[@<ver>] <acl>]`.
pub(super) fn show(call: Call<'_>) -> Outcome {
    let lists = call.sight.plan().lists();
    let (version, rest) = versioned(call.words.get(2..).unwrap_or_default());
    let mut out = String::new();
    let Some(name) = rest.first() else {
        line(&mut out, format_args!("# id (file) description"));
        for (id, list) in lists.all() {
            let forms: Vec<&str> = list.forms.iter().map(|form| form.how).collect();
            line(
                &mut out,
                format_args!(
                    "{} ({}) patterns of a file, compared as {}. entry_cnt={}",
                    id.0,
                    list.name,
                    forms.join(", "),
                    list.entries
                ),
            );
        }
        return Outcome::Shown(out);
    };
    let Some(id) = named(lists, name) else { return UNKNOWN.into() };
    match lists.entries(id, version) {
        Ok(entries) => {
            for (EntryId(id), pattern) in entries {
                line(&mut out, format_args!("0x{id:x} {pattern}"));
            }
            Outcome::Shown(out)
        }
        Err(error) => said(error),
    }
}

/// `get acl <acl> <value>`.
pub(super) fn get(call: Call<'_>) -> Outcome {
    let lists = call.sight.plan().lists();
    let Some(found) = named(lists, call.word(2)).and_then(|id| lists.find(id, call.word(3).as_bytes()))
    else {
        return UNKNOWN.into();
    };
    let case = if found.form.nocase { "insensitive" } else { "sensitive" };
    let mut out = String::new();
    let how = found.form.how;
    match found.pattern {
        Some(pattern) => {
            line(&mut out, format_args!("type={how}, case={case}, match=yes, pattern=\"{pattern}\""));
        }
        None => line(&mut out, format_args!("type={how}, case={case}, match=no")),
    }
    Outcome::Shown(out)
}

/// `add acl [@<ver>] <acl> <pattern>`, or `add acl [@<ver>] <acl> <<` with a pattern in each line: all of them or none.
pub(super) fn add(call: Call<'_>) -> Outcome {
    let lists = call.sight.plan().lists();
    let (version, rest) = versioned(call.words.get(2..).unwrap_or_default());
    let (acl, patterns) = match (rest, call.payload) {
        ([acl], Some(payload)) => (acl, payload.lines().map(str::trim).collect()),
        ([_, ..], Some(_)) => {
            return "'add acl' expects an ACL identifier before a payload, and nothing else.".into();
        }
        ([acl, pattern, ..], None) => (acl, vec![*pattern]),
        ([] | [_], _) => return "'add acl' expects two parameters: ACL identifier and pattern.".into(),
    };
    let Some(id) = named(lists, acl) else { return UNKNOWN.into() };
    lists.add(id, version, &patterns).map_or_else(said, |()| Outcome::Done)
}

/// `del acl <acl> <pattern|#ref>`.
pub(super) fn del(call: Call<'_>) -> Outcome {
    let lists = call.sight.plan().lists();
    let (Some(id), pattern) = (named(lists, call.word(2)), call.word(3)) else { return UNKNOWN.into() };
    let which = reference(pattern).map_or(Which::Pattern(pattern), Which::Entry);
    match lists.remove(id, which) {
        Ok(0) => "Key not found.".into(),
        Ok(_) => Outcome::Done,
        Err(error) => said(error),
    }
}

/// `clear acl [@<ver>] <acl>`.
pub(super) fn clear(call: Call<'_>) -> Outcome {
    let lists = call.sight.plan().lists();
    let (version, rest) = versioned(call.words.get(2..).unwrap_or_default());
    let Some(id) = rest.first().and_then(|name| named(lists, name)) else { return UNKNOWN.into() };
    lists.clear(id, version).map_or_else(said, |()| Outcome::Done)
}

/// `prepare acl <acl>`.
pub(super) fn prepare(call: Call<'_>) -> Outcome {
    let lists = call.sight.plan().lists();
    let Some(id) = named(lists, call.word(2)) else { return UNKNOWN.into() };
    match lists.prepare(id) {
        Ok(version) => Outcome::Said(format!("New version created: {}", version.0)),
        Err(error) => said(error),
    }
}

/// `commit acl @<ver> <acl>`.
pub(super) fn commit(call: Call<'_>) -> Outcome {
    let lists = call.sight.plan().lists();
    let (Some(version), rest) = versioned(call.words.get(2..).unwrap_or_default()) else {
        return "Missing version number.".into();
    };
    let Some(id) = rest.first().and_then(|name| named(lists, name)) else { return UNKNOWN.into() };
    lists.commit(id, version).map_or_else(said, |()| Outcome::Done)
}

fn named(lists: &Lists, text: &str) -> Option<ListId> {
    lists.all().into_iter().find(|(id, list)| is_named(text, id.0, &list.name)).map(|(id, _)| id)
}

fn said(error: ListError) -> Outcome {
    match error {
        ListError::Unknown => UNKNOWN.into(),
        ListError::Version(error) => refused(error),
        ListError::Pattern(why) => Outcome::Said(format!("{why}.")),
    }
}

const UNKNOWN: &str = "Unknown ACL identifier. Please use #<id> or <file>.";
