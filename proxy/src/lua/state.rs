//! One interpreter, and calls into it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::chunk::ChunkMode;
use mlua::{Error, Function, Lua, MultiValue, Result, Table, Value};

use super::api::{self, Desk};
use super::message::Message;
use super::program::{self, Limits, Program, Script, ScriptError};
use super::sandbox;
use super::watch::{Clock, Watch};
use crate::access_log::Level;
use crate::rules::action::Reply;
use crate::rules::{Call, FunctionId, Said};

/// The scripts of one thread, and what they remember.
#[derive(Debug)]
pub struct State {
    program: Arc<Program>,
    clock: Clock,
    thread: u16,
    /// `None`: one that has used up its memory has been given up, or there was none yet.
    vm: Option<Vm>,
    /// It could not be made, and is not tried again until then.
    broken: Option<(CallError, Instant)>,
    /// Functions that have run out of a limit, and until when they are not called.
    resting: BTreeMap<FunctionId, Instant>,
}

#[derive(Debug)]
struct Vm {
    lua: Lua,
    desk: Rc<Desk>,
    watch: Rc<Watch>,
    /// The metatable of `txn`.
    transaction: Table,
    functions: Vec<(program::Function, Function)>,
}

/// A line that a script has for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub level: Level,
    /// The text, whatever it is.
    pub text: String,
}

/// What comes of a call.
#[derive(Debug)]
pub struct Called<T> {
    /// What it says, or why it has failed.
    pub result: std::result::Result<T, CallError>,
    /// What it has for the log.
    pub notes: Vec<Note>,
}

/// Why a call has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CallError(String);

/// What an action does with a request or response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next rule is asked.
    Continue,
    /// No further rule of the section is asked.
    Stop,
    /// It is refused.
    Deny,
    /// It is not a request.
    Invalid,
    /// Something is wrong.
    Error,
    /// It ends without an answer.
    Abort,
    /// It is answered.
    Reply(Reply),
}

impl State {
    /// For the data thread with this number, from 1. The interpreter is made when it is first called.
    pub fn new(program: Arc<Program>, clock: Clock, thread: u16) -> Self {
        Self { program, clock, thread, vm: None, broken: None, resting: BTreeMap::new() }
    }

    /// Makes the interpreter, so that no request has to wait for that.
    ///
    /// # Errors
    /// A script fails here, which it has not done when it was loaded.
    pub fn warm(&mut self, now: Instant) -> std::result::Result<(), CallError> {
        self.vm(now).map(drop)
    }

    /// Lets an action do what it does with a message, which has been changed then even if it fails.
    pub fn act(&mut self, call: &Call, message: Message, now: Instant) -> (Called<Outcome>, Option<Message>) {
        let mut message = Some(message);
        let called = self.call(call, &mut message, now, |vm, function| {
            let value: Value = function.call(vm.arguments(vm.transaction()?, call)?)?;
            if value.is_nil() {
                return Ok(Outcome::Continue);
            }
            outcome(value.as_integer().ok_or_else(|| wrong("an action", &value))?)
        });
        (called, message)
    }

    /// Asks a fetch of a message.
    pub fn fetch(&mut self, call: &Call, message: Message, now: Instant) -> Called<Option<Said>> {
        let mut message = Some(message);
        self.call(call, &mut message, now, |vm, function| {
            let args = vm.arguments(vm.transaction()?, call)?;
            vm.said("a fetch", function.call(args)?)
        })
    }

    /// Lets a converter make something of a text.
    pub fn convert(&mut self, call: &Call, text: &[u8], now: Instant) -> Called<Option<Said>> {
        self.call(call, &mut None, now, |vm, function| {
            let args = vm.arguments(Value::String(vm.lua.create_string(text)?), call)?;
            vm.said("a converter", function.call(args)?)
        })
    }

    fn call<T>(
        &mut self,
        call: &Call,
        message: &mut Option<Message>,
        now: Instant,
        run: impl FnOnce(&Vm, &Function) -> Result<T>,
    ) -> Called<T>
    where
        T: From<Ending>,
    {
        let failed = |why| Called { result: Err(CallError(why)), notes: Vec::new() };
        if self.resting.get(&call.function).is_some_and(|until| now < *until) {
            return failed(format!("{}: not called: it has run out of its limits a moment ago", call.name));
        }
        let limit = self.program.limits.time;
        let vm = match self.vm(now) {
            Ok(vm) => vm,
            Err(error) => return failed(error.0),
        };
        let Some((_, function)) = vm.functions.get(usize::from(call.function.0)) else {
            return failed(format!("{}: not registered in this thread", call.name));
        };
        vm.watch.begin(limit);
        *vm.desk.message.borrow_mut() = message.take();
        let ran = run(vm, function);
        *message = vm.desk.message.take();
        let notes = vm.desk.notes.take();
        let done = vm.desk.done.take();
        let (late, full) = (vm.watch.is_over(), ran.as_ref().err().is_some_and(is_of_memory));
        let result = match (ran, done) {
            (Err(error), _) if late || full => Err(CallError(describe(&error))),
            (Ok(_), _) if late => Err(CallError(format!("{}: took more than {limit:?}", call.name))),
            (_, Some(answer)) => Ok(T::from(Ending(answer))),
            (ran, None) => ran.map_err(|error| CallError(describe(&error))),
        };
        if vm.watch.loosen() && sandbox::arm(&vm.lua, &vm.watch).is_err() || full {
            // What scripts remember goes with it: so does what has filled it up.
            self.vm = None;
        }
        if late || full {
            self.resting.insert(call.function, now + limit * REST);
        }
        Called { result, notes }
    }

    fn vm(&mut self, now: Instant) -> std::result::Result<&Vm, CallError> {
        if let Some((why, _)) = self.broken.as_ref().filter(|(_, until)| now < *until) {
            return Err(why.clone());
        }
        match &mut self.vm {
            Some(vm) => Ok(vm),
            none => match load(&self.program, self.clock, self.thread) {
                Ok(vm) => Ok(none.insert(vm)),
                Err(why) => {
                    self.broken = Some((why.clone(), now + TRY_AGAIN));
                    Err(why)
                }
            },
        }
    }
}

/// The scripts of one thread, which have to register what they did when the configuration was read.
fn load(program: &Program, clock: Clock, thread: u16) -> std::result::Result<Vm, CallError> {
    let loaded = Vm::load(&program.scripts, program.limits, clock, thread);
    let vm = loaded.map_err(|error| CallError(error.message))?;
    let found = vm.functions.iter().map(|(function, _)| function);
    if !found.eq(&program.functions) {
        return Err(CallError("the scripts do not register what they have registered before".into()));
    }
    Ok(vm)
}

/// How a script ends a request itself: with this answer, or with none.
struct Ending(Option<Reply>);

impl From<Ending> for Outcome {
    fn from(Ending(answer): Ending) -> Self {
        answer.map_or(Self::Abort, Self::Reply)
    }
}

/// A fetch has no say in that.
impl From<Ending> for Option<Said> {
    fn from(_: Ending) -> Self {
        None
    }
}

/// Runs scripts to see what they register.
pub(super) fn registered(
    scripts: &[Script],
    limits: Limits,
    clock: Clock,
) -> std::result::Result<Vec<program::Function>, ScriptError> {
    let vm = Vm::load(scripts, limits, clock, 0)?;
    Ok(vm.functions.into_iter().map(|(function, _)| function).collect())
}

impl Vm {
    fn load(
        scripts: &[Script],
        limits: Limits,
        clock: Clock,
        thread: u16,
    ) -> std::result::Result<Self, ScriptError> {
        let nowhere = |error: Error| ScriptError { script: None, message: describe(&error) };
        let watch = Rc::new(Watch::new(clock));
        watch.begin(LOADING);
        let desk = Rc::new(Desk::default());
        *desk.registered.borrow_mut() = Some(Vec::new());
        let lua = sandbox::interpreter(limits.memory, &watch).map_err(nowhere)?;
        let prelude = || -> Result<Table> {
            sandbox::close(&lua)?;
            let host = api::host(&lua, &desk, &watch)?;
            let made = lua.load(PRELUDE).set_name("=evenkeel").call((host, thread))?;
            sandbox::arm(&lua, &watch)?;
            Ok(made)
        };
        let made = prelude().map_err(nowhere)?;
        let modules: Table = made.get("loaded").map_err(nowhere)?;
        for (at, script) in scripts.iter().enumerate() {
            let run = || -> Result<()> {
                sandbox::check(script)?;
                let chunk = lua.load(&*script.text).set_name(format!("@{}", script.name));
                let value: Value = chunk.set_mode(ChunkMode::Text).call(())?;
                modules
                    .raw_set(module(&script.name), if value.is_nil() { Value::Boolean(true) } else { value })
            };
            run().map_err(|e| ScriptError { script: Some(at), message: describe(&e) })?;
        }
        let inits: Table = made.get("inits").map_err(nowhere)?;
        for init in inits.sequence_values::<Function>() {
            init.and_then(|init| init.call::<()>(())).map_err(nowhere)?;
        }
        if watch.is_over() {
            let message = format!("loading took more than {LOADING:?}");
            return Err(ScriptError { script: None, message });
        }
        let transaction = made.get("transaction").map_err(nowhere)?;
        let functions = desk.registered.take().unwrap_or_default();
        desk.notes.take();
        Ok(Self { lua, desk, watch, transaction, functions })
    }

    fn transaction(&self) -> Result<Value> {
        let transaction = self.lua.create_table()?;
        transaction.set_metatable(Some(self.transaction.clone()))?;
        Ok(Value::Table(transaction))
    }

    fn arguments(&self, first: Value, call: &Call) -> Result<MultiValue> {
        let mut all = MultiValue::with_capacity(1 + call.args.len());
        all.push_back(first);
        for arg in &call.args {
            all.push_back(Value::String(self.lua.create_string(arg.as_bytes())?));
        }
        Ok(all)
    }

    fn said(&self, what: &str, value: Value) -> Result<Option<Said>> {
        if let Some(yes) = value.as_boolean() {
            return Ok(Some(Said::Bool(yes)));
        }
        let refusal = wrong(what, &value);
        let text = api::text_of(&self.lua, value).map_err(|_| refusal)?;
        Ok(text.map(|text| Said::Text(text.into())))
    }
}

fn wrong(what: &str, value: &Value) -> Error {
    Error::RuntimeError(format!("{what} has returned a {}", value.type_name()))
}

/// By HAProxy's numbers.
fn outcome(number: i64) -> Result<Outcome> {
    Ok(match number {
        0 => Outcome::Continue,
        1 => Outcome::Stop,
        3 => Outcome::Error,
        4 | 6 => Outcome::Abort,
        5 => Outcome::Deny,
        7 => Outcome::Invalid,
        other => {
            return Err(Error::RuntimeError(format!("an action has returned {other}, which is no `act.…`")));
        }
    })
}

/// The name by which `require` knows a file.
fn module(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.strip_suffix(".lua").unwrap_or(file)
}

fn is_of_memory(error: &Error) -> bool {
    if let Error::CallbackError { cause, .. } = error {
        return is_of_memory(cause);
    }
    matches!(error, Error::MemoryError(_))
}

/// One line: what is wrong, and where in the scripts.
fn describe(error: &Error) -> String {
    if let Error::CallbackError { traceback, cause } = error {
        return placed(describe(cause), traceback.lines());
    }
    if let Error::BadArgument { pos, cause, .. } = error {
        return format!("argument {pos}: {}", describe(cause));
    }
    if let Error::FromLuaConversionError { from, to, .. } = error {
        return format!("a {to} is needed, not a {from}");
    }
    let (Error::SyntaxError { message, .. } | Error::RuntimeError(message) | Error::MemoryError(message)) =
        error
    else {
        return error.to_string().lines().next().unwrap_or_default().to_owned();
    };
    let mut lines = message.lines();
    placed(lines.next().unwrap_or_default().to_owned(), lines)
}

/// With the innermost place in a script. What comes from Lua itself says where it was.
fn placed<'t>(what: String, frames: impl Iterator<Item = &'t str>) -> String {
    if place(&what).is_some() {
        return what;
    }
    let mut places = frames.filter_map(|frame| place(frame.trim()));
    match places.find(|place| !place.starts_with("evenkeel:")) {
        Some(place) => format!("{place}: {what}"),
        None => what,
    }
}

/// `a.lua:3` of `a.lua:3: in function 'x'`.
fn place(frame: &str) -> Option<&str> {
    let mut colons = frame.match_indices(':').map(|(at, _)| at);
    let (first, second) = (colons.next()?, colons.next()?);
    let line = frame.get(first + 1..second)?;
    (!line.is_empty() && line.bytes().all(|b| b.is_ascii_digit())).then(|| frame.get(..second))?
}

const PRELUDE: &str = include_str!("prelude.lua");

/// When scripts that could not be loaded in a thread are tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// What loading all scripts may take.
const LOADING: Duration = Duration::from_secs(1);

/// A function that has run out of its time, or of memory, is not called for so many times that time: so the others on its
/// thread keep nine tenths of it, and a thread is never taken for one that hangs.
const REST: u32 = 10;

#[cfg(test)]
mod tests;
