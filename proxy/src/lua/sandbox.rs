//! What of Lua's own library scripts have: nothing that reaches files, processes or the interpreter itself, and nothing
//! that runs where no limit looks.

use std::rc::Rc;

use memchr::memmem;
use mlua::debug::Debug;
use mlua::{Error, Function, HookTriggers, Lua, LuaOptions, Result, StdLib, Table, Value, VmState};

use super::program::Script;
use super::strings;
use super::watch::Watch;

/// A new interpreter, limited.
pub(super) fn interpreter(memory: usize, watch: &Rc<Watch>) -> Result<Lua> {
    let libraries = StdLib::TABLE | StdLib::STRING | StdLib::UTF8 | StdLib::MATH | StdLib::OS;
    let lua = Lua::new_with(libraries, LuaOptions::new())?;
    lua.set_memory_limit(memory)?;
    strings::install(&lua, &lua.globals().raw_get::<Table>("string")?, watch)?;
    Ok(lua)
}

/// Has calls be looked at every so many instructions. Once it is too late at every one: so no `pcall` hides it.
pub(super) fn arm(lua: &Lua, watch: &Rc<Watch>) -> Result<()> {
    let own = Rc::clone(watch);
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(INSTRUCTIONS), move |lua, _| {
        if !own.look() {
            return Ok(VmState::Continue);
        }
        if own.tighten() {
            let own = Rc::clone(&own);
            let every = HookTriggers::new().every_nth_instruction(1);
            lua.set_global_hook(every, move |lua, _| Err(late(lua, &own)))?;
        }
        Err(late(lua, &own))
    })
}

/// The error, with the innermost place in a script.
fn late(lua: &Lua, watch: &Watch) -> Error {
    let place = |debug: &Debug<'_>| {
        let file = debug.source().short_src?.into_owned();
        Some(format!("{file}:{}: ", debug.current_line()?)).filter(|_| file != "evenkeel")
    };
    let place = (0..DEPTH).map_while(|level| lua.inspect_stack(level, place)).flatten().next();
    Error::RuntimeError(format!("{}took more than {:?}", place.unwrap_or_default(), watch.limit()))
}

/// Takes away what is dangerous, and keeps `setmetatable` from what runs with no limit: finalizers.
pub(super) fn close(lua: &Lua) -> Result<()> {
    let globals = lua.globals();
    for name in ["dofile", "loadfile", "collectgarbage", "warn", "coroutine", "debug", "io", "package"] {
        globals.raw_set(name, Value::Nil)?;
    }
    let set: Function = globals.raw_get("setmetatable")?;
    let guarded = lua.create_function(move |_, (table, meta): (Value, Value)| {
        if let Value::Table(meta) = &meta
            && !meta.raw_get::<Value>("__gc")?.is_nil()
        {
            return Err(Error::RuntimeError("there is no `__gc` in Evenkeel".into()));
        }
        set.call::<Value>((table, meta))
    })?;
    globals.raw_set("setmetatable", guarded)
}

/// Refuses a script with what would run inside of what raises the error of the limit, where no limit looks.
pub(super) fn check(script: &Script) -> Result<()> {
    let Some(at) = memmem::find(&script.text, b"__close") else { return Ok(()) };
    let line = 1 + script.text.iter().take(at).filter(|byte| **byte == b'\n').count();
    Err(Error::RuntimeError(format!("{}:{line}: there is no `__close` in Evenkeel", script.name)))
}

/// Some fifty microseconds.
const INSTRUCTIONS: u32 = 10_000;

/// So many callers are looked at to find a script.
const DEPTH: usize = 10;
