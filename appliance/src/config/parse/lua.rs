//! `[lua]`: scripts are run when the configuration is read, so that rules can name what they register.

use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_proxy::io::scripts::CLOCK;
use evenkeel_proxy::lua::{Function, Kind, Limits, OnError, Program, Script};
use evenkeel_proxy::rules::{Call, FunctionId, How, Test, Texts};

use super::condition::{listed, named_values};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::Condition;
use crate::config::environment::{External, FetchError, Privacy};
use crate::config::keys::Key;
use crate::config::model::WorkerWatch;
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::source::Spanned;
use crate::config::suggest::nearest;
use crate::config::value::{self, Bad};

/// Reads the section and runs its scripts. `None`: there is none, or what is wrong has been reported.
pub(super) fn lua(cx: &mut Reader<'_>, mut t: Fields<'_>, watch: &WorkerWatch) -> Option<Program> {
    let (errors, section) = (cx.errors, t.at);
    let usual = Limits::default();
    let paths = t.read(cx, "load", paths).unwrap_or_default();
    let memory = t.read(cx, "memory", Reader::size).and_then(|s| usize::try_from(s.value).ok());
    let time = t.read(cx, "time", Reader::duration);
    let on_error = t.read(cx, "on_error", Reader::word).map_or("deny", |word| word.value);
    t.finish(cx);
    let limits = Limits {
        memory: memory.unwrap_or(usual.memory),
        time: time.as_ref().map_or(usual.time, |time| time.value),
    };
    if limits.time >= watch.heartbeat_timeout {
        let message = format!(
            "`time` {} must be less than heartbeat_timeout {}: a thread that is silent for that long is replaced",
            value::show(limits.time),
            value::show(watch.heartbeat_timeout)
        );
        let at = time.map_or(section, |time| time.span);
        cx.push(Diagnostic::error(Code::BadCombination, at, message));
    }
    let on_error = if on_error == "continue" { OnError::Continue } else { OnError::Deny };
    let read: Vec<_> = paths.iter().filter_map(|path| script(cx, path)).collect();
    if cx.errors > errors {
        return None;
    }
    Program::load(read, limits, on_error, CLOCK)
        .map_err(|error| {
            let blamed = error.script.and_then(|at| paths.get(at)).or_else(|| paths.first());
            let at = blamed.map(|path| path.span).unwrap_or_default();
            cx.push(Diagnostic::error(Code::Script, at, error.message));
        })
        .ok()
}

fn paths(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Spanned<String>>> {
    let path = |text: &str| if text.is_empty() { Err(Bad::new("is empty")) } else { Ok(text.to_owned()) };
    let all = node.one_or_many();
    if all.is_empty() {
        let message = "`load` names no file";
        cx.push(Diagnostic::error(Code::BadValue, node.span, message).help("load = [\"rules.lua\"]"));
    }
    Some(all.into_iter().filter_map(|node| cx.parsed(key, node, path)).collect())
}

fn script(cx: &mut Reader<'_>, path: &Spanned<String>) -> Option<Script> {
    match cx.externals.fetch(&External::File(PathBuf::from(&path.value)), Privacy::Public, LARGEST) {
        Ok(text) => Some(Script { name: path.value.as_str().into(), text: text.into() }),
        Err(FetchError::Unreadable(why)) => {
            cx.push(Diagnostic::error(Code::Unreadable, path.span, format!("cannot read the script: {why}")));
            None
        }
        // Only secrets are refused for their permissions.
        Err(FetchError::Exposed(_)) => None,
    }
}

/// The action that a rule names, with what it is called with. `of_responses`: it is a rule for responses.
pub(super) fn action(cx: &mut Reader<'_>, t: &mut Fields<'_>, of_responses: bool) -> Option<Call> {
    let name = t.read(cx, "lua", Reader::text);
    let args = t.read(cx, "args", |cx, key, node| {
        Some(node.one_or_many().into_iter().filter_map(|n| cx.text(key, n)).collect::<Vec<_>>())
    });
    let Some(name) = name else {
        if let Some(span) = args.and_then(|_| t.key_span("args")) {
            cx.push(Diagnostic::error(Code::BadCombination, span, "`args` are what `lua` is called with"));
        }
        return None;
    };
    let args: Box<[Box<str>]> = args.unwrap_or_default().into_iter().map(|arg| arg.value.into()).collect();
    let (function, registered) = known(cx, Kind::Action, &name)?;
    let (there, place) = match of_responses {
        true => (registered.of_responses, "http-res"),
        false => (registered.of_requests, "http-req"),
    };
    if !there {
        let message = format!("action {} is not registered for `{place}`", shown(&name.value));
        cx.push(Diagnostic::error(Code::Script, name.span, message));
        return None;
    }
    if args.len() != usize::from(registered.args) {
        let (said, wanted) = (args.len(), registered.args);
        let message =
            format!("action {} is registered for {wanted} of `args`, not {said}", shown(&name.value));
        cx.push(Diagnostic::error(Code::Script, name.span, message));
        return None;
    }
    Some(Call { function, name: name.value.into(), args })
}

/// The converter that a text names, and behind commas what it is called with.
pub(super) fn converter(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Call> {
    let said = cx.text(key, node)?;
    let (name, args) =
        said.value.split_once(',').map_or((&*said.value, None), |(name, args)| (name, Some(args)));
    let name = Spanned::new(name.to_owned(), said.span);
    let (function, _) = known(cx, Kind::Converter, &name)?;
    let args = args.map(|args| args.split(',').map(Into::into).collect()).unwrap_or_default();
    Some(Call { function, name: name.value.into(), args })
}

fn known(cx: &mut Reader<'_>, kind: Kind, name: &Spanned<String>) -> Option<(FunctionId, Function)> {
    let found = cx.lua.program().and_then(|program| program.find(kind, &name.value));
    let found = found.map(|(id, function)| (id, function.clone()));
    if found.is_none() && !cx.lua.is_broken() {
        let message = format!("no script registers {} {}", article(kind), shown(&name.value));
        let help = help(cx.lua.program(), kind, &name.value);
        cx.push(Diagnostic::error(Code::Undefined, name.span, message).help(help));
    }
    found
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Action => "an action",
        Kind::Fetch => "a fetch",
        Kind::Converter => "a converter",
    }
}

/// What would have been right.
pub(super) fn help(program: Option<&Program>, kind: Kind, name: &str) -> String {
    let Some(program) = program else { return "[lua] load = [\"rules.lua\"]".into() };
    if let Some(near) = nearest(name, program.names(kind)) {
        return near.to_owned();
    }
    let all: Vec<&str> = program.names(kind).collect();
    match all.as_slice() {
        [] => format!("core.register_{}(\"{name}\", …) in a script", suffix(kind)),
        all => format!("registered: {}", all.join(", ")),
    }
}

fn suffix(kind: Kind) -> &'static str {
    match kind {
        Kind::Action => "action",
        Kind::Fetch => "fetches",
        Kind::Converter => "converters",
    }
}

/// What matchers ask fetches.
pub(super) fn conditions(cx: &mut Reader<'_>, t: &mut Fields<'_>, nocase: bool) -> Vec<Condition> {
    let compared = t.read(cx, "lua", |cx, key, node| {
        let lua = cx.lua.clone();
        let named = |text: &str| fetch(lua.program(), text).map(|_| text.into());
        let all = named_values(cx, key, node, named, |cx, node| {
            let patterns = listed(cx, key, node, |text| Ok(text.into()))?;
            Texts::new(How::Exact, nocase, patterns).ok()
        })?;
        let test =
            |(text, texts): (Box<str>, Texts)| Some(Test::Fetched(fetch(lua.program(), &text).ok()?, texts));
        Some(all.into_iter().filter_map(test).map(Condition::Test).collect::<Vec<_>>())
    });
    let asked = t.read(cx, "lua_true", |cx, key, node| {
        let lua = cx.lua.clone();
        listed(cx, key, node, |text| fetch(lua.program(), text))
    });
    let one_of =
        |all: Vec<Call>| Condition::Any(all.into_iter().map(Test::IsFetched).map(Condition::Test).collect());
    compared.unwrap_or_default().into_iter().chain(asked.map(one_of)).collect()
}

fn fetch(program: Option<&Program>, text: &str) -> Result<Call, Bad> {
    Call::parse(text, &|name| Some(program?.find(Kind::Fetch, name)?.0)).map_err(|name| {
        Bad::new("is no fetch that a script registers").help(help(program, Kind::Fetch, name))
    })
}

/// What there is of scripts while a configuration is read.
#[derive(Debug, Clone, Default)]
pub(in crate::config) enum Scripts {
    /// Nothing.
    #[default]
    None,
    /// They cannot be run, which has been reported: nothing is known of what rules name.
    Broken,
    /// These.
    Read(Arc<Program>),
}

impl Scripts {
    pub(in crate::config) fn program(&self) -> Option<&Program> {
        match self {
            Self::Read(program) => Some(program),
            Self::None | Self::Broken => None,
        }
    }

    pub(in crate::config) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }
}

/// A script that is larger has something else in it.
const LARGEST: u64 = 1 << 20;
