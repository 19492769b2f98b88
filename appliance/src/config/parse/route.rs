//! `use_backend`: where requests go, and in mode tcp connections by what TLS clients say first.

use super::condition::when;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{RouteDraft, Routing};
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};

/// Reads both keys, if the section has them.
pub(super) fn routing(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Routing {
    Routing {
        said: t.key_span("use_backend"),
        routes: t.known(cx, "use_backend", routes).unwrap_or_default(),
        inspect_delay: t.known(cx, "inspect_delay", Reader::duration),
    }
}

fn routes(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<RouteDraft>> {
    let Some(all) = node.elements() else {
        cx.wrong_type(key, node, Some(format!("use_backend = [{EXAMPLE}]")));
        return None;
    };
    Some(all.into_iter().filter_map(|n| route(cx, n)).collect())
}

fn route(cx: &mut Reader<'_>, node: Node<'_>) -> Option<RouteDraft> {
    let mut t = Fields::of(cx, &keys::USE_BACKEND, node.key, node)?;
    let backend = t.read(cx, "backend", Reader::text);
    let unconditional = !t.has("if") && !t.has("unless");
    if unconditional {
        let message = "a use_backend rule needs `if` or `unless`";
        let help = "`default_backend` is where everything else goes";
        cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(help));
    }
    let errors = cx.errors;
    let when = when(cx, &mut t);
    let whole = cx.errors == errors && !unconditional;
    t.finish(cx);
    whole.then_some(RouteDraft { when, backend: backend? })
}

const EXAMPLE: &str = "{ backend = \"app\", if = { host = \"app.example.com\" } }";
