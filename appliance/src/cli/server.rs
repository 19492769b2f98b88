//! `evenkeel server`: has a server of the running node do something.

use std::process::ExitCode;
use std::time::Duration;

use hyper::Method;

use super::control;
use super::docs::print;
use super::{ServerArgs, fail};
use crate::ipc::{Admin, Order, Ordered};

/// `evenkeel server drain|ready|maint BACKEND/SERVER [--json]`.
pub(super) fn server(args: &ServerArgs) -> ExitCode {
    let path = args.runtime_dir.join(crate::keeper::CONTROL_SOCKET);
    let state = match args.state {
        super::ServerState::Ready => Admin::Ready,
        super::ServerState::Drain => Admin::Drain,
        super::ServerState::Maint => Admin::Maint,
    };
    let order = Order { server: args.server.clone(), state };
    let content = match serde_json::to_vec(&order) {
        Ok(content) => content,
        Err(e) => return fail(&e),
    };
    let answer = match control::send(&path, Method::POST, "/server", content, LIMIT) {
        Ok(answer) if answer.status.is_success() => answer,
        Ok(answer) => return fail(&answer.refusal()),
        Err(e) => return fail(&e),
    };
    let ordered: Ordered = match serde_json::from_slice(&answer.body) {
        Ok(ordered) => ordered,
        Err(e) => return fail(&e),
    };
    if args.json {
        return match serde_json::to_string_pretty(&ordered) {
            Ok(text) => print(format!("{text}\n").as_bytes()),
            Err(e) => fail(&e),
        };
    }
    print(render(&ordered).as_bytes())
}

fn render(ordered: &Ordered) -> String {
    let Ordered { server, from, to, sessions } = ordered;
    let change = if from == to { format!("{to}, as before") } else { format!("{from} -> {to}") };
    format!("server {server}  {change}, {sessions} running\n")
}

/// The keeper waits for its worker for three seconds.
const LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_it_is_one_line() {
        let mut ordered =
            Ordered { server: "b/s1".into(), from: "UP".into(), to: "DRAIN".into(), sessions: 3 };
        assert_eq!(render(&ordered), "server b/s1  UP -> DRAIN, 3 running\n");
        ordered.from = "DRAIN".into();
        assert_eq!(render(&ordered), "server b/s1  DRAIN, as before, 3 running\n");
    }
}
