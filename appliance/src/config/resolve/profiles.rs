//! `from`: which defaults lie under a section.

use std::collections::BTreeMap;

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::Profile;
use crate::config::read::{Reader, shown};
use crate::config::settings::Settings;
use crate::config::source::Spanned;
use crate::config::suggest::nearest;

/// `[defaults]` and the profiles over it.
pub(super) struct Profiles {
    profiles: BTreeMap<String, Profile>,
    defaults: Settings,
}

impl Profiles {
    /// Checks that every `from` of a profile leads to an end.
    pub(super) fn new(cx: &mut Reader<'_>, profiles: BTreeMap<String, Profile>, defaults: Settings) -> Self {
        let all = Self { profiles, defaults };
        for profile in all.profiles.values() {
            if let Some(from) = &profile.from {
                all.look_up(cx, from);
            }
        }
        for (name, profile) in &all.profiles {
            let circle = all.chain(name);
            // Each circle is reported at its first name.
            let closes = circle
                .last()
                .and_then(|n| all.profiles.get(*n)?.from.as_ref())
                .is_some_and(|f| f.value == *name);
            if closes && circle.iter().all(|n| *n >= name.as_str()) {
                let message =
                    format!("profile {} is its own base: {} → {name}", shown(name), circle.join(" → "));
                cx.push(Diagnostic::error(Code::ProfileCycle, profile.at, message));
            }
        }
        all
    }

    /// What is said in a section, over its profiles, over `[defaults]`.
    pub(super) fn settle(
        &self,
        cx: &mut Reader<'_>,
        from: Option<&Spanned<String>>,
        said: Settings,
    ) -> Settings {
        let mut settings = said;
        if let Some(from) = from {
            self.look_up(cx, from);
            for name in self.chain(&from.value) {
                if let Some(profile) = self.profiles.get(name) {
                    settings = settings.over(&profile.settings);
                }
            }
        }
        settings.over(&self.defaults)
    }

    /// The profile and what lies under it, up to the first that comes again.
    fn chain<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let mut chain: Vec<&str> = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next
            && !chain.contains(&name)
            && let Some(profile) = self.profiles.get(name)
        {
            chain.push(name);
            next = profile.from.as_ref().map(|f| f.value.as_str());
        }
        chain
    }

    fn look_up(&self, cx: &mut Reader<'_>, from: &Spanned<String>) {
        if self.profiles.contains_key(&from.value) {
            return;
        }
        cx.push(undefined("profile", from, self.profiles.keys().map(String::as_str)));
    }
}

/// A name that refers to nothing, with the nearest of those that there are.
pub(super) fn undefined<'a>(
    kind: &str,
    name: &Spanned<String>,
    there: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let d =
        Diagnostic::error(Code::Undefined, name.span, format!("there is no {kind} {}", shown(&name.value)));
    if let Some(meant) = nearest(&name.value, there.clone()) {
        return d.replace_with(format!("\"{meant}\""));
    }
    let mut all: Vec<&str> = there.take(MAX_LISTED + 1).collect();
    let more = all.len() > MAX_LISTED;
    all.truncate(MAX_LISTED);
    match (all.is_empty(), more) {
        (true, _) => d.help(format!("no {kind} is defined")),
        (false, false) => d.help(format!("defined: {}", all.join(", "))),
        (false, true) => d.help(format!("defined: {}, …", all.join(", "))),
    }
}

/// Names in a help line; more would bury the message.
const MAX_LISTED: usize = 16;
