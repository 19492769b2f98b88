//! `string.find`, `match`, `gmatch` and `gsub` by our own patterns, and `rep` that ends.

use std::cell::Cell;
use std::rc::Rc;

use memchr::memmem;
use mlua::{Error, Function, IntoLua as _, Lua, LuaString, MultiValue, Result, Table, Value};

use super::pattern::{Capture, Matching, PatternError, is_plain};
use super::watch::Watch;

/// Puts them into the table `string`.
pub(super) fn install(lua: &Lua, strings: &Table, watch: &Rc<Watch>) -> Result<()> {
    for (name, mode) in [("find", Mode::Find), ("match", Mode::Match)] {
        let watch = Rc::clone(watch);
        let search = move |lua: &Lua, (text, pattern, from, plain): Sought| {
            let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
            search(lua, (&text, &pattern), from, plain.as_ref().is_some_and(is_true), mode, &watch)
        };
        strings.raw_set(name, lua.create_function(search)?)?;
    }
    let own = Rc::clone(watch);
    strings.raw_set(
        "gmatch",
        lua.create_function(move |lua, (text, pattern, from)| each(lua, text, pattern, from, &own))?,
    )?;
    let own = Rc::clone(watch);
    strings.raw_set(
        "gsub",
        lua.create_function(move |lua, (text, pattern, by, most): Replaced| {
            replace(lua, (&text.as_bytes(), &pattern.as_bytes()), &by, most, &own)
        })?,
    )?;
    let repeat: Function = strings.raw_get("rep")?;
    strings.raw_set(
        "rep",
        lua.create_function(move |lua, (text, times, between): Repeated| {
            // The library counts to `times` even if there is nothing to write.
            let is_empty =
                text.as_bytes().is_empty() && between.as_ref().is_none_or(|b| b.as_bytes().is_empty());
            if is_empty {
                return lua.create_string("").map(Value::String);
            }
            repeat.call::<Value>((text, times, between))
        })?,
    )
}

type Sought = (LuaString, LuaString, Option<i64>, Option<Value>);
type Replaced = (LuaString, LuaString, Value, Option<i64>);
type Repeated = (LuaString, i64, Option<LuaString>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Find,
    Match,
}

fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Nil | Value::Boolean(false))
}

fn search(
    lua: &Lua,
    (text, pattern): (&[u8], &[u8]),
    from: Option<i64>,
    plain: bool,
    mode: Mode,
    watch: &Watch,
) -> Result<MultiValue> {
    let nothing = || Ok(MultiValue::from_iter([Value::Nil]));
    let Some(start) = start(from, text.len()) else { return nothing() };
    if mode == Mode::Find && (plain || is_plain(pattern)) {
        let found = memmem::find(text.get(start..).unwrap_or_default(), pattern);
        return match found.map(|at| at + start) {
            Some(at) => [index(at + 1), index(at + pattern.len())].into_iter().collect::<Result<_>>(),
            None => nothing(),
        };
    }
    let (pattern, anchored) = pattern.strip_prefix(b"^").map_or((pattern, false), |rest| (rest, true));
    let mut matching = Matching::new(text, pattern, watch);
    let last = if anchored { start } else { text.len() };
    for at in start..=last {
        let Some(end) = matching.at(at).map_err(told)? else { continue };
        let mut values = MultiValue::new();
        if mode == Mode::Find {
            values.extend([index(at + 1)?, index(end)?]);
        }
        let whole = (mode == Mode::Match).then_some((at, end));
        for capture in matching.captures(whole).map_err(told)? {
            values.push_back(value(lua, text, capture)?);
        }
        return Ok(values);
    }
    nothing()
}

/// An iterator over all matches.
fn each(
    lua: &Lua,
    text: LuaString,
    pattern: LuaString,
    from: Option<i64>,
    watch: &Rc<Watch>,
) -> Result<Function> {
    let length = text.as_bytes().len();
    let (next, last) = (Cell::new(start(from, length).unwrap_or(length + 1)), Cell::new(None));
    let watch = Rc::clone(watch);
    lua.create_function(move |lua, ()| {
        let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
        let mut matching = Matching::new(&text, &pattern, &watch);
        for at in next.get()..=text.len() {
            let Some(end) = matching.at(at).map_err(told)?.filter(|end| last.get() != Some(*end)) else {
                continue;
            };
            next.set(end);
            last.set(Some(end));
            let captures = matching.captures(Some((at, end))).map_err(told)?;
            return captures.into_iter().map(|c| value(lua, &text, c)).collect::<Result<MultiValue>>();
        }
        next.set(text.len() + 1);
        Ok(MultiValue::from_iter([Value::Nil]))
    })
}

fn replace(
    lua: &Lua,
    (text, pattern): (&[u8], &[u8]),
    by: &Value,
    most: Option<i64>,
    watch: &Watch,
) -> Result<(LuaString, i64)> {
    let (pattern, anchored) = pattern.strip_prefix(b"^").map_or((pattern, false), |rest| (rest, true));
    let most = most.unwrap_or(i64::MAX);
    let mut matching = Matching::new(text, pattern, watch);
    let (mut out, mut at, mut last, mut count) = (Vec::with_capacity(text.len()), 0, None, 0);
    while count < most {
        let found = matching.at(at).map_err(told)?;
        match found.filter(|end| last != Some(*end)) {
            Some(end) => {
                count += 1;
                put(lua, &mut out, (text, &matching), (at, end), by)?;
                at = end;
                last = Some(end);
            }
            None => match text.get(at) {
                Some(byte) => {
                    out.push(*byte);
                    at += 1;
                }
                None => break,
            },
        }
        if anchored {
            break;
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok((lua.create_string(out)?, count))
}

/// Appends what a match becomes.
fn put(
    lua: &Lua,
    out: &mut Vec<u8>,
    (text, matching): (&[u8], &Matching<'_>),
    whole: (usize, usize),
    by: &Value,
) -> Result<()> {
    let capture = |at| value(lua, text, matching.capture_or_whole(at, whole).map_err(told)?);
    let kept = text.get(whole.0..whole.1).unwrap_or_default();
    let new: Value = if let Some(function) = by.as_function() {
        let captures = matching.captures(Some(whole)).map_err(told)?;
        let args = captures.into_iter().map(|c| value(lua, text, c)).collect::<Result<MultiValue>>()?;
        function.call(args)?
    } else if let Some(table) = by.as_table() {
        table.get(capture(0)?)?
    } else if let Some(by) = lua.coerce_string(by.clone())? {
        return put_text(lua, out, &by.as_bytes(), kept, capture);
    } else {
        let found = by.type_name();
        return Err(bad(format!("bad argument #3 to 'gsub' (string/function/table expected, got {found})")));
    };
    if !is_true(&new) {
        out.extend_from_slice(kept);
        return Ok(());
    }
    let kind = new.type_name();
    match lua.coerce_string(new)? {
        Some(new) => out.extend_from_slice(&new.as_bytes()),
        None => return Err(bad(format!("invalid replacement value (a {kind})"))),
    }
    Ok(())
}

fn put_text(
    lua: &Lua,
    out: &mut Vec<u8>,
    by: &[u8],
    whole: &[u8],
    capture: impl Fn(usize) -> Result<Value>,
) -> Result<()> {
    let mut rest = by.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        match rest.next() {
            Some(b'%') => out.push(b'%'),
            Some(b'0') => out.extend_from_slice(whole),
            Some(digit @ b'1'..=b'9') => {
                let text = lua.coerce_string(capture(usize::from(digit - b'1'))?)?;
                out.extend_from_slice(text.as_ref().map(LuaString::as_bytes).as_deref().unwrap_or_default());
            }
            _ => return Err(bad("invalid use of '%' in replacement string".into())),
        }
    }
    Ok(())
}

/// Where a search begins; `None`: behind the text.
fn start(from: Option<i64>, length: usize) -> Option<usize> {
    let from = from.unwrap_or(1);
    let length_i = i64::try_from(length).unwrap_or(i64::MAX);
    let start = match from {
        1.. => from - 1,
        0 => 0,
        _ if from < -length_i => 0,
        _ => length_i + from,
    };
    usize::try_from(start).ok().filter(|start| *start <= length)
}

fn value(lua: &Lua, text: &[u8], capture: Capture) -> Result<Value> {
    match capture {
        Capture::Position(at) => index(at),
        Capture::Text(from, to) => text.get(from..to).unwrap_or_default().into_lua_string(lua),
    }
}

trait IntoLuaString {
    fn into_lua_string(self, lua: &Lua) -> Result<Value>;
}

impl IntoLuaString for &[u8] {
    fn into_lua_string(self, lua: &Lua) -> Result<Value> {
        lua.create_string(self)?.into_lua(lua)
    }
}

fn index(at: usize) -> Result<Value> {
    i64::try_from(at).map(Value::Integer).map_err(Error::external)
}

fn told(error: PatternError) -> Error {
    match error {
        PatternError::Malformed(why) => bad(why),
        PatternError::Late => bad("took too long".into()),
    }
}

fn bad(why: String) -> Error {
    Error::RuntimeError(why)
}
