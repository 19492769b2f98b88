//! What the prelude makes HAProxy's objects of.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Error, FromLuaMulti, Function, IntoLuaMulti, Lua, LuaString, Result, Table, Value, Variadic};

use super::facts::{self, Fact};
use super::message::{Message, Phase, Refused};
use super::program::{self, Kind};
use super::state::Note;
use super::watch::Watch;
use crate::access_log::Level;
use crate::rules::action::Reply;
use crate::rules::guard;

/// What a call has in front of it, and what it leaves there.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) message: RefCell<Option<Message>>,
    pub(super) notes: RefCell<Vec<Note>>,
    /// It has ended the request: with this answer, or with none.
    pub(super) done: RefCell<Option<Option<Reply>>>,
    /// What scripts register, while they may.
    pub(super) registered: RefCell<Option<Vec<(program::Function, Function)>>>,
}

/// A call that has ended the request does not go on.
#[derive(Debug, thiserror::Error)]
#[error("the request has ended")]
struct Ended;

/// All of it, as one table.
pub(super) fn host(lua: &Lua, desk: &Rc<Desk>, watch: &Rc<Watch>) -> Result<Table> {
    let host = Host { lua, desk, table: lua.create_table()? };
    let watch = Rc::clone(watch);
    host.put("now", move |_, _, ()| {
        let now = watch.wall();
        Ok((now.as_secs(), now.subsec_micros()))
    })?;
    host.put("log", |_, desk, (level, text): (i64, LuaString)| {
        note(desk, level, &text.as_bytes());
        Ok(())
    })?;
    host.put("register", register)?;
    host.put("fields", |lua, desk, (of, what): (LuaString, LuaString)| {
        with(desk, (&of, &what), |message| fields(lua, message))?
    })?;
    host.put("set", |_, desk, (of, what, name, value): Changed| {
        with(desk, (&of, &what), |message| changed(message.set(&name.as_bytes(), &value.as_bytes())))?
    })?;
    host.put("add", |_, desk, (of, what, name, value): Changed| {
        with(desk, (&of, &what), |message| changed(message.add(&name.as_bytes(), &value.as_bytes())))?
    })?;
    host.put("del", |_, desk, (of, what, name): (LuaString, LuaString, LuaString)| {
        with(desk, (&of, &what), |message| changed(message.del(&name.as_bytes())))?
    })?;
    host.put("line", |lua, desk, (part, text): (LuaString, LuaString)| {
        let (of, part, text) = (lua.create_string("request")?, part.as_bytes(), text.as_bytes());
        with(desk, (&of, &lua.create_string("a change of the line")?), |message| {
            changed(match &*part {
                b"method" => message.set_method(&text),
                b"path" => message.set_path(&text),
                b"query" => message.set_query(&text),
                _ => message.set_uri(&text),
            })
        })?
    })?;
    host.put("status", |lua, desk, (status, _): (i64, Value)| {
        let names = (&lua.create_string("response")?, &lua.create_string("set_status")?);
        with(desk, names, |message| changed(message.set_status(status)))?
    })?;
    host.put("get_var", |lua, desk, name: LuaString| {
        let message = desk.message.borrow();
        let message = message.as_ref().ok_or_else(nobodys)?;
        fact(lua, facts::fetch(message, "var", &[name.as_bytes().to_vec()]))
    })?;
    host.put("set_var", |lua, desk, (name, value): (LuaString, Value)| {
        let value = text_of(lua, value)?;
        let mut message = desk.message.borrow_mut();
        let message = message.as_mut().ok_or_else(nobodys)?;
        changed(message.set_variable(&name.as_bytes(), value.as_deref()))
    })?;
    host.put("has_fetch", |_, _, name: LuaString| Ok(facts::is_fetch(&name.to_string_lossy())))?;
    host.put("fetch", |lua, desk, (name, args): (LuaString, Variadic<LuaString>)| {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        let message = desk.message.borrow();
        fact(lua, facts::fetch(message.as_ref().ok_or_else(nobodys)?, &name.to_string_lossy(), &args))
    })?;
    host.put("has_converter", |_, _, name: LuaString| Ok(facts::is_converter(&name.to_string_lossy())))?;
    host.put("convert", |lua, _, (name, text): (LuaString, LuaString)| {
        fact(lua, facts::convert(&name.to_string_lossy(), &text.as_bytes()))
    })?;
    host.put("done", |_, desk, answer: Option<Table>| {
        let of_request = desk.message.borrow().as_ref().map(Message::phase) == Some(Phase::Request);
        if !of_request {
            return Err::<(), _>(Error::RuntimeError("txn:done is for requests in Evenkeel".into()));
        }
        let answer = answer.map(|answer| reply(&answer)).transpose()?;
        *desk.done.borrow_mut() = Some(answer);
        Err(Error::external(Ended))
    })?;
    Ok(host.table)
}

type Changed = (LuaString, LuaString, LuaString, LuaString);

struct Host<'a> {
    lua: &'a Lua,
    desk: &'a Rc<Desk>,
    table: Table,
}

impl Host<'_> {
    fn put<A: FromLuaMulti, R: IntoLuaMulti>(
        &self,
        name: &str,
        function: impl Fn(&Lua, &Desk, A) -> Result<R> + 'static,
    ) -> Result<()> {
        let desk = Rc::clone(self.desk);
        self.table.raw_set(name, self.lua.create_function(move |lua, args| function(lua, &desk, args))?)
    }
}

type Registration = (LuaString, LuaString, Function, Table, i64);

fn register(_: &Lua, desk: &Desk, (kind, name, function, places, args): Registration) -> Result<()> {
    let bad = |why: String| Err(Error::RuntimeError(why));
    let kind = match &*kind.as_bytes() {
        b"action" => Kind::Action,
        b"fetch" => Kind::Fetch,
        _ => Kind::Converter,
    };
    let name = name.to_string_lossy();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if name.is_empty() || !name.bytes().all(allowed) {
        return bad(format!("{name:?} is no name of a function: letters, digits, `_`, `-` and `.`"));
    }
    let Ok(args) = u8::try_from(args) else {
        return bad(format!("{name}: {args} arguments are not possible"));
    };
    let places: Vec<String> = places.sequence_values().collect::<Result<_>>()?;
    if let Some(other) = places.iter().find(|place| !PLACES.contains(&place.as_str())) {
        return bad(format!("{name}: there is no place {other:?} for actions: {}", PLACES.join(", ")));
    }
    let is_for = |place: &str| places.iter().any(|own| own == place);
    let registered = program::Function {
        kind,
        args,
        of_requests: is_for("http-req"),
        of_responses: is_for("http-res"),
        name: name.into(),
    };
    let mut all = desk.registered.borrow_mut();
    let Some(all) = all.as_mut() else {
        return bad("functions are registered while scripts are loaded".into());
    };
    if all.len() == MOST_FUNCTIONS {
        return bad(format!("more than {MOST_FUNCTIONS} functions"));
    }
    if all.iter().any(|(other, _)| (other.kind, &other.name) == (kind, &registered.name)) {
        return bad(format!("{} {} is registered twice", kind.as_str(), registered.name));
    }
    all.push((registered, function));
    Ok(())
}

/// Does something with the message that is looked at, if it is of that kind.
fn with<T>(
    desk: &Desk,
    (of, what): (&LuaString, &LuaString),
    run: impl FnOnce(&mut Message) -> T,
) -> Result<T> {
    let mut message = desk.message.borrow_mut();
    let message = message.as_mut().ok_or_else(nobodys)?;
    let (wanted, found) = match (&*of.as_bytes(), message.phase()) {
        (b"request", Phase::Response(_)) => ("request", "response"),
        (b"response", Phase::Request) => ("response", "request"),
        _ => return Ok(run(message)),
    };
    Err(Error::RuntimeError(format!("{} is for {wanted}s, and this is a {found}", what.to_string_lossy())))
}

fn changed(result: std::result::Result<(), Refused>) -> Result<()> {
    result.map_err(|refused| Error::RuntimeError(refused.to_string()))
}

fn nobodys() -> Error {
    Error::RuntimeError("no request is being handled".into())
}

/// Fields by their names in lower case, each with its values from 0, as HAProxy counts them.
fn fields(lua: &Lua, message: &Message) -> Result<Table> {
    let mut by_name: BTreeMap<Vec<u8>, Table> = BTreeMap::new();
    let all = lua.create_table()?;
    for (name, value) in message.all() {
        let name = name.to_ascii_lowercase();
        let values = match by_name.get(&name) {
            Some(values) => values.clone(),
            None => {
                let values = lua.create_table()?;
                all.raw_set(lua.create_string(&name)?, &values)?;
                by_name.insert(name, values.clone());
                values
            }
        };
        let at = if values.contains_key(0)? { values.raw_len() + 1 } else { 0 };
        values.raw_set(at, lua.create_string(value)?)?;
    }
    Ok(all)
}

fn fact(lua: &Lua, fact: Fact) -> Result<Value> {
    Ok(match fact {
        Fact::None => Value::Nil,
        // As HAProxy has them unless it is told otherwise: 0 is no, and true in Lua.
        Fact::Bool(yes) => Value::Integer(yes.into()),
        Fact::Int(number) => Value::Integer(number),
        Fact::Text(text) => Value::String(lua.create_string(text)?),
    })
}

/// A value as the text of a variable; `None`: there is none.
pub(super) fn text_of(lua: &Lua, value: Value) -> Result<Option<Vec<u8>>> {
    let kind = value.type_name();
    if value.is_nil() {
        return Ok(None);
    }
    if let Some(yes) = value.as_boolean() {
        return Ok(Some(if yes { b"1".to_vec() } else { b"0".to_vec() }));
    }
    match lua.coerce_string(value)? {
        Some(text) => Ok(Some(text.as_bytes().to_vec())),
        None => Err(Error::RuntimeError(format!("a text is needed, not a {kind}"))),
    }
}

fn reply(answer: &Table) -> Result<Reply> {
    let bad = |why: String| Err(Error::RuntimeError(why));
    let status = answer.get::<Option<u16>>("status")?.unwrap_or(200);
    if !(200..600).contains(&status) {
        return bad(format!("{status} is no status of an answer: 200 to 599"));
    }
    let body = answer.get::<Option<LuaString>>("body")?;
    let body = body.as_ref().map(LuaString::as_bytes);
    let mut headers: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for pair in answer.get::<Table>("headers")?.pairs::<LuaString, Value>() {
        let (name, values) = pair?;
        let bytes = |text: LuaString| text.as_bytes().to_vec();
        let values = if let Some(values) = values.as_table() {
            values.sequence_values().map(|value| value.map(bytes)).collect::<Result<_>>()?
        } else if let Some(value) = values.as_string() {
            vec![value.as_bytes().to_vec()]
        } else {
            return bad(format!("the values of a field are texts, not a {}", values.type_name()));
        };
        headers.insert(bytes(name), values);
    }
    let mut fields = Vec::new();
    for (name, values) in headers {
        // The proxy says it, whatever a script has counted.
        if name.eq_ignore_ascii_case(b"content-length") {
            continue;
        }
        let shown = String::from_utf8_lossy(&name);
        if !guard::is_token(&name) || guard::is_of_connection(&name) {
            return bad(format!("{shown:?} is no field of an answer"));
        }
        for value in values {
            if !guard::is_value(&value) {
                return bad(format!("the value of field {shown} has control characters"));
            }
            for part in [&*name, b": ", value.trim_ascii(), b"\r\n"] {
                fields.extend_from_slice(part);
            }
        }
    }
    Ok(Reply { status, fields: fields.into(), content: Arc::from(body.as_deref().unwrap_or_default()) })
}

fn note(desk: &Desk, level: i64, text: &[u8]) {
    let mut notes = desk.notes.borrow_mut();
    if notes.len() == MOST_NOTES {
        return;
    }
    let text = text.get(..LONGEST_NOTE).unwrap_or(text);
    let level = match level {
        ..=0 => Level::Emerg,
        1 => Level::Alert,
        2 => Level::Crit,
        3 => Level::Err,
        4 => Level::Warning,
        5 => Level::Notice,
        6 => Level::Info,
        7.. => Level::Debug,
    };
    notes.push(Note { level, text: String::from_utf8_lossy(text).into_owned() });
}

/// Where HAProxy's actions can be. Those for which there are no rules here are never asked.
const PLACES: [&str; 5] = ["tcp-req", "tcp-res", "http-req", "http-res", "http-after-res"];

/// More are a script that registers in a loop.
const MOST_FUNCTIONS: usize = 1000;

/// Lines of a log that one call may write; others are lost.
const MOST_NOTES: usize = 32;

/// Bytes of such a line.
const LONGEST_NOTE: usize = 1024;
