//! The one table of commands.

use evenkeel_proxy::io::sight::Sight;

use super::{Call, Level, Outcome, Session, acl, errors, map, server, sessions, set, show, ssl, table};

/// A command.
struct Command {
    /// The words it begins with.
    words: &'static [&'static str],
    /// What may follow.
    usage: &'static str,
    /// What it does.
    help: &'static str,
    /// Who may. A command whose forms differ looks for itself.
    level: Level,
    run: fn(Call<'_>) -> Outcome,
}

const fn command(
    words: &'static [&'static str],
    usage: &'static str,
    help: &'static str,
    level: Level,
    run: fn(Call<'_>) -> Outcome,
) -> Command {
    Command { words, usage, help, level, run }
}

/// Carries out one command.
pub(super) fn run(session: &mut Session, sight: &Sight, words: &[&str], payload: Option<&str>) -> Outcome {
    if words.is_empty() {
        return Outcome::Done;
    }
    let found = COMMANDS.iter().find(|c| words.starts_with(c.words));
    let Some(command) = found else { return unknown(session.level, words) };
    if command.level > session.level {
        return DENIED.into();
    }
    (command.run)(Call { session, sight, words, payload })
}

/// What is said to somebody who may not.
pub(super) const DENIED: &str = "Permission denied";

fn unknown(level: Level, words: &[&str]) -> Outcome {
    let first = words.first().copied().unwrap_or_default();
    let allowed = || COMMANDS.iter().filter(|c| c.level <= level && c.usage != HIDDEN);
    // Those that begin in the same way, as far as they do.
    let same = |c: &&Command| c.words.iter().zip(words).take_while(|(a, b)| a == b).count();
    let most = allowed().map(|c| same(&c)).max().unwrap_or(0);
    let mut text = match most {
        0 => format!("Unknown command: '{first}'. Please enter one of the following commands only:\n"),
        _ => format!("Unknown command: '{first}', but maybe one of the following ones is a better match:\n"),
    };
    let near = allowed().filter(|c| same(c) == most);
    let always = allowed().filter(|c| most > 0 && ALWAYS.contains(&c.words[0]));
    near.chain(always).for_each(|c| c.describe(&mut text));
    Outcome::Said(text)
}

fn help(call: Call<'_>) -> Outcome {
    let wanted = &call.words[1..];
    let level = call.session.level;
    let allowed = || COMMANDS.iter().filter(|c| c.level <= level && c.usage != HIDDEN);
    let mut text = match wanted {
        [] => "The following commands are valid at this level:\n".to_owned(),
        _ => format!("The following commands begin with '{}':\n", wanted.join(" ")),
    };
    allowed().filter(|c| c.words.starts_with(wanted)).for_each(|c| c.describe(&mut text));
    Outcome::Said(text)
}

impl Command {
    fn describe(&self, out: &mut String) {
        let mut form = self.words.join(" ");
        if !self.usage.is_empty() {
            form.push(' ');
            form.push_str(self.usage);
        }
        out.push_str(&format!("  {form:<40}: {}\n", self.help));
    }
}

fn prompt(call: Call<'_>) -> Outcome {
    call.session.interactive = !call.session.interactive;
    Outcome::Done
}

fn quit(_: Call<'_>) -> Outcome {
    Outcome::Quit
}

fn lower_to(call: Call<'_>, level: Level) -> Outcome {
    call.session.level = call.session.level.min(level);
    Outcome::Done
}

/// Not in listings: another name of a command that is.
const HIDDEN: &str = "\0";

/// What whoever is lost wants.
const ALWAYS: [&str; 3] = ["help", "prompt", "quit"];

use Level::{Admin, Operator, User};

/// Longer ones before those they begin with.
static COMMANDS: &[Command] = &[
    command(
        &["add", "acl"],
        "[@<ver>] <acl> [<pattern>|<payload>]",
        "put patterns into a list",
        Admin,
        acl::add,
    ),
    command(&["clear", "acl"], "[@<ver>] <acl>", "take all patterns out of a list", Admin, acl::clear),
    command(&["commit", "acl"], "@<ver> <acl>", "use what was prepared for a list", Admin, acl::commit),
    command(&["del", "acl"], "<acl> [<pattern>|#<ref>]", "take a pattern out of a list", Admin, acl::del),
    command(&["get", "acl"], "<acl> <value>", "look for a text in a list", User, acl::get),
    command(
        &["prepare", "acl"],
        "<acl>",
        "begin to put another version of a list together",
        Admin,
        acl::prepare,
    ),
    command(
        &["add", "map"],
        "[@<ver>] <map> [<key> <val>|<payload>]",
        "put entries into a map",
        Admin,
        map::add,
    ),
    command(&["abort", "ssl", "cert"], "<file>", "forget a certificate that was set", Admin, ssl::abort),
    command(&["commit", "ssl", "cert"], "<file>", "use a certificate that was set", Admin, ssl::commit),
    command(&["set", "ssl", "cert"], "<file> <payload>", "prepare another certificate", Admin, ssl::set),
    command(&["clear", "map"], "[@<ver>] <map>", "take all entries out of a map", Admin, map::clear),
    command(&["commit", "map"], "@<ver> <map>", "use what was prepared for a map", Admin, map::commit),
    command(&["del", "map"], "<map> [<key>|#<ref>]", "take an entry out of a map", Admin, map::del),
    command(&["get", "map"], "<map> <key>", "look a key up in a map", User, map::get),
    command(
        &["prepare", "map"],
        "<map>",
        "begin to put another version of a map together",
        Admin,
        map::prepare,
    ),
    command(
        &["set", "map"],
        "<map> [<key>|#<ref>] <val>",
        "give an entry of a map another value",
        Admin,
        map::set,
    ),
    command(
        &["clear", "counters"],
        "[all]",
        "begin anew with the largest numbers, or with all",
        Operator,
        set::clear_counters,
    ),
    command(&["clear", "table"], "<table> [<filter>]*", "remove entries from a table", Admin, table::clear),
    command(
        &["disable", "agent"],
        "<bk>/<srv>",
        "ask a server's agent no more",
        Admin,
        server::disable_agent,
    ),
    command(&["disable", "frontend"], "<frontend>", "let no connections in", Admin, set::disable_frontend),
    command(&["disable", "health"], "<bk>/<srv>", "check a server no more", Admin, server::disable_health),
    command(&["disable", "server"], "<bk>/<srv>", "take a server out of service", Admin, server::disable),
    command(&["enable", "agent"], "<bk>/<srv>", "ask a server's agent again", Admin, server::enable_agent),
    command(&["enable", "frontend"], "<frontend>", "let connections in again", Admin, set::enable_frontend),
    command(&["enable", "health"], "<bk>/<srv>", "check a server again", Admin, server::enable_health),
    command(&["enable", "server"], "<bk>/<srv>", "put a server back into service", Admin, server::enable),
    command(&["get", "weight"], "<bk>/<srv>", "a server's weight", User, server::get_weight),
    command(&["operator"], "", "be an operator from now on", User, |call| lower_to(call, Operator)),
    command(
        &["set", "maxconn", "frontend"],
        "<frontend> <value>",
        "most connections of a frontend",
        Admin,
        set::maxconn_frontend,
    ),
    command(
        &["set", "maxconn", "global"],
        "<value>",
        "most connections of the process",
        Admin,
        set::maxconn_global,
    ),
    command(
        &["set", "maxconn", "server"],
        "<bk>/<srv> <value>",
        "most requests of a server at once",
        Admin,
        server::set_maxconn,
    ),
    command(
        &["set", "server"],
        "<bk>/<srv> [opts]",
        "a server's state, weight, address or health",
        Admin,
        server::set,
    ),
    command(
        &["set", "timeout"],
        "[cli] <delay>",
        "how long this connection may be silent",
        User,
        set::timeout,
    ),
    command(&["set", "weight"], "<bk>/<srv> <weight>", "a server's weight", Admin, server::set_weight),
    command(&["show", "acl"], "[[@<ver>] <acl>]", "lists of patterns, or what is in one", User, acl::show),
    command(&["show", "backend"], "", "all backends", User, show::backends),
    command(&["show", "cli", "level"], "", "what this connection may do", User, show::level),
    command(
        &["show", "cli", "sockets"],
        "",
        "the socket this connection came in at",
        Operator,
        show::sockets,
    ),
    command(&["show", "env"], "[var]", "the worker's environment", Admin, show::environment),
    command(
        &["show", "errors"],
        "[<iid>|<px>] [request|response]",
        "the last messages that could not be read",
        Operator,
        errors::show,
    ),
    command(&["show", "info"], "[json|typed]", "the process as a whole", User, show::info),
    command(&["show", "map"], "[[@<ver>] <map>]", "maps, or what is in one", User, map::show),
    command(&["show", "servers", "conn"], "[<backend>]", "connections to servers", User, show::servers_conn),
    command(&["show", "servers", "state"], "[<backend>]", "the state of servers", User, show::servers_state),
    command(&["show", "sess"], "[<id>]", "connections of clients, or one of them", Operator, sessions::show),
    command(&["show", "ssl", "cert"], "[<file>]", "certificates, or what is in one", Operator, ssl::show),
    command(&["show", "startup-logs"], "", "what was said at the start", User, show::nothing),
    command(
        &["show", "stat"],
        "[json|no-maint|typed|up]*",
        "counters of proxies and servers",
        User,
        show::stat,
    ),
    command(&["show", "table"], "[<table> [<filter>]*]", "tables, or what is in one", Operator, table::show),
    command(&["show", "version"], "", "the version that runs", User, show::version),
    command(&["shutdown", "session"], "<id>", "end a connection of a client", Admin, sessions::shutdown),
    command(
        &["shutdown", "sessions", "server"],
        "<bk>/<srv>",
        "end what is under way with a server",
        Admin,
        server::shutdown_sessions,
    ),
    command(&["user"], "", "be a mere user from now on", User, |call| lower_to(call, User)),
    command(&["help"], "[<command>]", "list matching or all commands", User, help),
    command(&["prompt"], "[timed]", "stay and be asked for more, or stop that", User, prompt),
    command(&["quit"], "", "end the connection", User, quit),
    command(&["?"], HIDDEN, "help", User, help),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_documented() {
        let documentation = include_str!("../../../docs/admin-socket.md");
        for command in COMMANDS.iter().filter(|c| c.usage != HIDDEN) {
            let words = command.words.join(" ");
            let is_there =
                documentation.contains(&format!("`{words}")) || documentation.contains(&format!("{words}`"));
            assert!(is_there, "{words}");
        }
    }

    #[test]
    fn no_command_hides_a_longer_one() {
        for (at, command) in COMMANDS.iter().enumerate() {
            let later = COMMANDS.iter().skip(at + 1).find(|c| c.words.starts_with(command.words));
            assert!(later.is_none(), "{:?} hides {:?}", command.words, later.map(|c| c.words));
        }
    }
}
