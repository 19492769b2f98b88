//! What an operator sends from the page: `s=SERVER` any number of times, `b=#NUMBER` or `b=NAME`, `action=WHAT`, as
//! HAProxy's page does, and `weight=NUMBER` with `action=weight`.

use super::wish::Said;
use crate::health::Forced;
use crate::metrics::Numbers;
use crate::plan::{BackendId, Plan, ServerId};

/// What is to be done to which servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// To these.
    pub servers: Vec<ServerId>,
    /// This.
    pub deed: Deed,
}

/// What can be done to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It is put back into service.
    Ready,
    /// It finishes what it has.
    Drain,
    /// It is taken out of service.
    Maint,
    /// Its checks are ended, or begun again.
    MuteChecks(bool),
    /// Its checks are to have found this.
    Force(Forced),
    /// The probes of its agent are ended, or begun again.
    MuteAgent(bool),
    /// Its agent is to have said that it is up, or down.
    ForceAgent(bool),
    /// What is under way with it is ended.
    Shutdown,
    /// It gets another weight, 0–256.
    Weight(u16),
}

impl Deed {
    /// HAProxy's words, the ones of the page in front, and what a person calls them.
    pub const ALL: [(&'static str, &'static str, Self); 13] = [
        ("ready", "Set state to READY", Self::Ready),
        ("drain", "Set state to DRAIN", Self::Drain),
        ("maint", "Set state to MAINT", Self::Maint),
        ("dhlth", "Health: disable checks", Self::MuteChecks(true)),
        ("ehlth", "Health: enable checks", Self::MuteChecks(false)),
        ("hrunn", "Health: force UP", Self::Force(Forced::Up)),
        ("hnolb", "Health: force NOLB", Self::Force(Forced::Stopping)),
        ("hdown", "Health: force DOWN", Self::Force(Forced::Down)),
        ("dagent", "Agent: disable checks", Self::MuteAgent(true)),
        ("eagent", "Agent: enable checks", Self::MuteAgent(false)),
        ("arunn", "Agent: force UP", Self::ForceAgent(true)),
        ("adown", "Agent: force DOWN", Self::ForceAgent(false)),
        ("shutdown", "Kill sessions", Self::Shutdown),
    ];
}

impl Change {
    /// Reads it.
    ///
    /// # Errors
    /// What to tell the operator: nothing in it is done.
    pub fn read(content: &[u8], plan: &Plan) -> Result<Self, Said> {
        let (mut servers, mut backend, mut action, mut weight) = (Vec::new(), None, None, None);
        for (key, value) in form_urlencoded::parse(content) {
            match &*key {
                "s" => servers.push(value),
                "b" => backend = Some(value),
                "action" => action = Some(value),
                "weight" => weight = Some(value),
                _ => return Err(Said::Unreadable),
            }
        }
        let (Some(backend), Some(action)) = (backend, action) else { return Err(Said::Unreadable) };
        if servers.is_empty() || action.is_empty() {
            return Err(Said::Nothing);
        }
        let deed = match &*action {
            "weight" => weight.and_then(|w| w.parse().ok()).filter(|w| *w <= MAX_WEIGHT).map(Deed::Weight),
            // Words that HAProxy has kept for old scripts.
            "enable" => Some(Deed::Ready),
            "disable" => Some(Deed::Maint),
            "stop" => Some(Deed::Drain),
            "start" => Some(Deed::Ready),
            word => Deed::ALL.iter().find(|(w, _, _)| *w == word).map(|(_, _, deed)| *deed),
        };
        let deed = deed.ok_or(Said::Invalid)?;
        let at = find(plan, &backend).ok_or(Said::Invalid)?;
        let own = plan.backends().get(usize::from(at.0)).map(|b| b.servers.clone()).unwrap_or_default();
        let named = |name: &str| {
            own.clone()
                .map(ServerId)
                .find(|id| plan.servers().get(id.0 as usize).is_some_and(|s| s.name == name))
        };
        let servers: Option<Vec<ServerId>> = servers.iter().map(|name| named(name)).collect();
        Ok(Self { servers: servers.ok_or(Said::Invalid)?, deed })
    }
}

/// A backend by its number on the page, or its name.
fn find(plan: &Plan, text: &str) -> Option<BackendId> {
    let numbers = Numbers::new(plan);
    let number: Option<u32> = text.strip_prefix('#').and_then(|n| n.parse().ok());
    let mut all = (0..).map(BackendId).zip(plan.backends());
    let is = |id: BackendId, name: &str| match number {
        Some(number) => numbers.backend(id) == number,
        None => name == text,
    };
    all.find(|(id, backend)| is(*id, &backend.name)).map(|(id, _)| id)
}

/// The largest a server can have: HAProxy's.
const MAX_WEIGHT: u16 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::fixture;

    #[test]
    fn forms_say_what_is_to_be_done() {
        let plan = fixture::plan(vec![fixture::server(1), fixture::server(1), fixture::server(1)]);
        let name = &plan.backends()[0].name;
        let servers: Vec<_> = plan.servers().iter().map(|s| s.name.as_str()).collect();
        let number = Numbers::new(&plan).backend(BackendId(0));
        let read = |text: String| Change::read(text.as_bytes(), &plan);
        let (first, last) = (servers[0], servers[2]);
        let change = Change { servers: vec![ServerId(0), ServerId(2)], deed: Deed::Drain };
        assert_eq!(read(format!("s={first}&s={last}&action=drain&b=%23{number}")), Ok(change.clone()));
        assert_eq!(read(format!("b={name}&s={first}&s={last}&action=drain")), Ok(change));
        let weight = read(format!("b={name}&s={first}&action=weight&weight=256"));
        assert_eq!(weight.map(|c| c.deed), Ok(Deed::Weight(256)));
        for (text, said) in [
            (format!("b={name}&s={first}&action=weight&weight=257"), Said::Invalid),
            (format!("b={name}&s={first}&action=weight"), Said::Invalid),
            (format!("b={name}&s={first}&action=burn"), Said::Invalid),
            (format!("b={name}&s=nobody&action=drain"), Said::Invalid),
            (format!("b=%23999&s={first}&action=drain"), Said::Invalid),
            (format!("b={name}&action=drain"), Said::Nothing),
            (format!("b={name}&s={first}&action="), Said::Nothing),
            (format!("s={first}&action=drain"), Said::Unreadable),
            ("hello".to_owned(), Said::Unreadable),
            (String::new(), Said::Unreadable),
        ] {
            assert_eq!(read(text.clone()), Err(said), "{text}");
        }
    }
}
