//! `use_backend`: where requests go, and in mode tcp connections by what TLS clients say first.

use std::collections::BTreeSet;

use super::condition::when;
use super::map;
use super::rule::{any_template, templated};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{RouteDraft, Routing};
use crate::config::keys::{self, Key};
use crate::config::model::RouteTo;
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;

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
    let to = to(cx, &mut t, node);
    // What a map does not have is a condition of its own.
    let unconditional = !t.has("if") && !t.has("unless") && !t.has("map");
    if unconditional {
        let message = "a use_backend rule needs `if` or `unless`";
        let help = "`default_backend` is where everything else goes";
        cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(help));
    }
    let errors = cx.errors;
    let when = when(cx, &mut t);
    let whole = cx.errors == errors && !unconditional;
    t.finish(cx);
    whole.then_some(RouteDraft { when, to: to? })
}

/// A backend, or a map that names one.
fn to(cx: &mut Reader<'_>, t: &mut Fields<'_>, node: Node<'_>) -> Option<RouteTo> {
    let said = (t.has("backend"), t.has("map"), t.has("key"));
    let backend = t.read(cx, "backend", Reader::text);
    let map = t.read(cx, "map", |cx, key, node| {
        let name = cx.text(key, node)?;
        Some((map::named(cx, &name)?, name.span))
    });
    let key = t.read(cx, "key", |cx, key, node| templated(cx, key, node, any_template));
    match said {
        (true, false, false) => backend.map(RouteTo::Backend),
        (false, true, true) => {
            let ((map, at), key) = (map?, key?.value);
            let values = cx.maps.get(usize::from(map.0)).into_iter().flat_map(|map| &map.entries);
            let names: BTreeSet<&str> = values.map(|(_, value)| &**value).collect();
            let backends = names.into_iter().map(|name| Spanned::new(name.to_owned(), at)).collect();
            Some(RouteTo::Mapped { map, key, at, backends })
        }
        (true, ..) => {
            let message = "a use_backend rule has either `backend`, or `map` and `key`";
            cx.push(Diagnostic::error(Code::BadCombination, node.span, message));
            None
        }
        (false, ..) => {
            let message = "a use_backend rule needs `backend`, or `map` and `key`";
            cx.push_absence(
                Diagnostic::error(Code::MissingKey, node.span, message).help(format!("[{EXAMPLE}]")),
            );
            None
        }
    }
}

const EXAMPLE: &str = "{ backend = \"app\", if = { host = \"app.example.com\" } }";
