//! What virtual routers track: scripts looked up, the data plane watched unless it is said otherwise.

use super::profiles::undefined;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{RouterDraft, ScriptDraft, TrackDraft};
use crate::config::model::{Track, Tracked};
use crate::config::read::{Reader, shown};
use crate::config::source::Spanned;

/// The tracks of a router. If the node serves clients and nothing is said, the data plane.
pub(super) fn tracks(
    cx: &mut Reader<'_>,
    r: &RouterDraft,
    scripts: &[ScriptDraft],
    serves: bool,
) -> Vec<Spanned<Track>> {
    let Some(said) = &r.tracks else {
        let proxy = Track { what: Tracked::DataPlane, weight: None, reverse: false };
        return if serves { vec![Spanned::new(proxy, r.name.span)] } else { Vec::new() };
    };
    let mut all: Vec<Spanned<Track>> = Vec::new();
    for draft in &said.value {
        let Some(track) = track(cx, draft, scripts) else { continue };
        match all.iter().find(|t| t.value.what == track.what) {
            Some(first) => {
                let d = Diagnostic::error(Code::Duplicate, draft.at, "the same thing is tracked twice")
                    .label("again here");
                cx.push(d.related(first.span, "first here"));
            }
            None => all.push(Spanned::new(track, draft.at)),
        }
    }
    if serves && !said.value.iter().any(|t| t.what == Tracked::DataPlane) {
        let message = format!(
            "{} does not track the proxy: if it dies, the node keeps the addresses",
            shown(&r.name.value)
        );
        cx.push_absence(
            Diagnostic::warning(Code::VrrpUntracked, said.span, message).help("track = [\"data_plane\", …]"),
        );
    }
    all
}

fn track(cx: &mut Reader<'_>, draft: &TrackDraft, scripts: &[ScriptDraft]) -> Option<Track> {
    let script = match &draft.what {
        Tracked::Script(name) => {
            let found = scripts.iter().find(|s| s.name.value == *name);
            if found.is_none() {
                let name = Spanned::new(name.clone(), draft.at);
                cx.push(undefined("vrrp_script", &name, scripts.iter().map(|s| s.name.value.as_str())));
            }
            Some(found?)
        }
        Tracked::DataPlane | Tracked::Interface(_) | Tracked::File(_) => None,
    };
    let weight = draft.weight.or_else(|| script?.weight).map(|w| w.value);
    let reverse = draft.reverse.unwrap_or_else(|| script.is_some_and(|s| s.reverse));
    Some(Track { what: draft.what.clone(), weight: weight.filter(|w| *w != 0), reverse })
}

/// Warns about scripts that nothing tracks.
pub(super) fn unused_scripts(cx: &mut Reader<'_>, scripts: &[ScriptDraft], routers: &[RouterDraft]) {
    for script in scripts {
        let mut tracks = routers.iter().filter_map(|r| r.tracks.as_ref()).flat_map(|t| &t.value);
        if !tracks.any(|t| matches!(&t.what, Tracked::Script(name) if *name == script.name.value)) {
            let message = format!("nothing tracks vrrp_script {}", shown(&script.name.value));
            cx.push_absence(Diagnostic::warning(Code::Unused, script.name.span, message));
        }
    }
}
