//! Sync groups.

use std::collections::BTreeMap;

use super::profiles::undefined;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::RouterDraft;
use crate::config::model::{SyncGroup, VirtualRouter};
use crate::config::read::{Reader, shown};
use crate::config::source::Span;

/// Checks the groups against the routers.
pub(super) fn groups(
    cx: &mut Reader<'_>,
    groups: Vec<SyncGroup>,
    drafts: &[RouterDraft],
    routers: &[VirtualRouter],
) -> Vec<SyncGroup> {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for group in &groups {
        for member in &group.members {
            if !drafts.iter().any(|r| r.name.value == member.value) {
                cx.push(undefined("virtual router", member, drafts.iter().map(|r| r.name.value.as_str())));
            } else if let Some(first) = seen.insert(&member.value, member.span) {
                let message = format!("{} is a member already", shown(&member.value));
                cx.push(Diagnostic::error(Code::SyncGroup, member.span, message).related(first, "here"));
            }
            weightless(cx, &member.value, member.span, routers);
        }
        if group.members.len() < 2 {
            let message = format!("sync_group {} needs at least two members", shown(&group.name.value));
            cx.push_absence(Diagnostic::error(Code::SyncGroup, group.name.span, message));
        }
    }
    groups
}

fn weightless(cx: &mut Reader<'_>, name: &str, at: Span, routers: &[VirtualRouter]) {
    let router = routers.iter().find(|r| r.name.value == name);
    let weighted = router.and_then(|r| r.tracks.iter().find(|t| t.value.weight.is_some()));
    if let Some(track) = weighted {
        let message = format!("{} is in a sync group: its tracks have no weight", shown(name));
        let help = "leave the weight out: a failure then takes the whole group out";
        cx.push(
            Diagnostic::error(Code::SyncGroup, track.span, message).related(at, "a member here").help(help),
        );
    }
}
