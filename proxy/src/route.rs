//! Where requests go: by the host that they ask for, and by who their client is.
//!
//! Rules stand in an order, and the first that matches decides. Those that ask for hosts are found by the host in a
//! sorted table, so that a request does not look at each.

use std::collections::BTreeMap;

use crate::map::MapId;
use crate::plan::BackendId;
use crate::rules::template::Template;
use crate::rules::{Looked, Matcher, Request};
use crate::table::TableId;

/// A rule: requests that match go to a backend (HAProxy: `use_backend`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which ones.
    pub when: Matcher,
    /// Where to.
    pub to: To,
}

/// Where requests are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// This backend.
    Backend(BackendId),
    /// The backend whose name a map has for a text. No entry, or no such backend: the rule does not match.
    Mapped {
        /// Which map.
        map: MapId,
        /// What is looked up in it.
        key: Template,
    },
}

impl From<BackendId> for To {
    fn from(id: BackendId) -> Self {
        Self::Backend(id)
    }
}

impl Route {
    /// Whether it looks at what the client has connected to, which has to be found out first.
    fn looks_at_destination(&self) -> bool {
        self.when.looks_at_destination()
            || matches!(&self.to, To::Mapped { key, .. } if key.looks_at_destination())
    }
}

/// A rule that was found by the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    at: u32,
    /// It asks for nothing else.
    settled: bool,
}

/// The rules of a frontend, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    rules: Vec<Route>,
    /// Positions in `rules` by host: sorted by the host, then by the position.
    by_host: Vec<(Box<str>, Found)>,
    /// Positions of rules for which no host is known that they need.
    of_any_host: Vec<u32>,
    /// Backends that maps can name.
    names: BTreeMap<Box<str>, BackendId>,
}

impl Routes {
    /// Makes them ready to be asked.
    pub fn new(rules: Vec<Route>) -> Self {
        let (mut by_host, mut of_any_host) = (Vec::new(), Vec::new());
        for (at, rule) in (0..).zip(&rules) {
            match rule.when.hosts() {
                Some(hosts) => {
                    let found = Found { at, settled: rule.when.asks_for_hosts_alone() };
                    by_host.extend(hosts.iter().map(|host| (host.clone(), found)));
                }
                None => of_any_host.push(at),
            }
        }
        by_host.sort_unstable();
        Self { rules, by_host, of_any_host, names: BTreeMap::new() }
    }

    /// The same, with backends that maps can name.
    #[must_use]
    pub fn naming(self, names: BTreeMap<Box<str>, BackendId>) -> Self {
        Self { names, ..self }
    }

    /// The last of the tables that they ask for numbers.
    pub fn last_table(&self) -> Option<TableId> {
        self.rules.iter().filter_map(|rule| rule.when.last_table()).max()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether one of them looks at what the client has connected to.
    pub fn look_at_destination(&self) -> bool {
        self.rules.iter().any(Route::looks_at_destination)
    }

    /// The rules themselves.
    pub fn rules(&self) -> &[Route] {
        &self.rules
    }

    /// Where its rules lead to, whatever maps say.
    pub fn backends(&self) -> impl Iterator<Item = BackendId> {
        self.rules.iter().filter_map(|rule| match rule.to {
            To::Backend(id) => Some(id),
            To::Mapped { .. } => None,
        })
    }

    /// The last of the maps that its rules look into.
    pub fn last_map(&self) -> Option<MapId> {
        let map = |rule: &Route| match rule.to {
            To::Backend(_) => None,
            To::Mapped { map, .. } => Some(map),
        };
        self.rules.iter().filter_map(map).max()
    }

    /// Where a rule that matches leads to. `None`: it is as if it did not.
    pub fn destination<R: Request>(&self, rule: &Route, request: &Looked<'_, R>) -> Option<BackendId> {
        match &rule.to {
            To::Backend(id) => Some(*id),
            To::Mapped { map, key } => {
                let mut text = Vec::new();
                key.write(&mut text, request);
                let name = request.request().mapped(*map, &text)?;
                self.names.get(std::str::from_utf8(&name).ok()?).copied()
            }
        }
    }

    /// Where a request goes. `None`: no rule matches.
    #[inline(always)]
    pub fn backend<R: Request>(&self, request: &Looked<'_, R>) -> Option<BackendId> {
        let host = if self.by_host.is_empty() { &[][..] } else { request.host() };
        let start = self.by_host.partition_point(|(name, _)| name.as_bytes() < host);
        let of_host = self.by_host.get(start..).unwrap_or_default().iter();
        let mut of_host = of_host.take_while(|(name, _)| name.as_bytes() == host).map(|(_, found)| *found);
        let mut of_any = self.of_any_host.iter().copied();
        let (mut next, mut other) = (of_host.next(), of_any.next());
        loop {
            let found = match (next, other) {
                (None, None) => return None,
                (Some(found), Some(any)) if found.at > any => {
                    other = of_any.next();
                    Found { at: any, settled: false }
                }
                (Some(found), _) => {
                    next = of_host.next();
                    found
                }
                (None, Some(any)) => {
                    other = of_any.next();
                    Found { at: any, settled: false }
                }
            };
            match self.rules.get(found.at as usize) {
                Some(rule) if found.settled || rule.when.holds(request) => {
                    if let Some(backend) = self.destination(rule, request) {
                        return Some(backend);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Routes {
    /// Where a connection goes of which not all may have been said. The outer `None`: that may decide.
    pub fn settled<R: Request>(&self, connection: &Looked<'_, R>) -> Option<Option<BackendId>> {
        for rule in &self.rules {
            if rule.when.settles(connection)?
                && let Some(backend) = self.destination(rule, connection)
            {
                return Some(Some(backend));
            }
        }
        Some(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{How, Test, Texts};

    /// A request for a host, over TLS or not.
    struct For(Vec<u8>, bool);

    impl Request for For {
        fn method(&self) -> &[u8] {
            b"GET"
        }

        fn target(&self) -> &[u8] {
            if self.1 { b"/secret" } else { b"/" }
        }

        fn authority(&self) -> &[u8] {
            &self.0
        }

        fn fields(&self, _name: &str, _look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
            false
        }

        fn source(&self) -> std::net::IpAddr {
            [192, 0, 2, 1].into()
        }

        fn destination(&self) -> Option<std::net::SocketAddr> {
            None
        }

        fn tls(&self) -> Option<&crate::tls::SessionFacts> {
            None
        }
    }

    fn exact(texts: &[&str]) -> Texts {
        Texts::new(How::Exact, false, texts.iter().map(|&t| t.into()).collect()).unwrap()
    }

    fn hosts(hosts: &[&str]) -> Matcher {
        Matcher::Test(Test::Host(exact(hosts)))
    }

    fn secret() -> Matcher {
        Matcher::Test(Test::Path(exact(&["/secret"])))
    }

    fn goes(routes: &Routes, host: &str, secret: bool) -> Option<u16> {
        routes.backend(&Looked::new(&For(host.into(), secret))).map(|b| b.0)
    }

    fn routes(rules: impl IntoIterator<Item = Matcher>) -> Routes {
        Routes::new((0..).zip(rules).map(|(i, when)| Route { when, to: BackendId(i).into() }).collect())
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let routes = routes([
            hosts(&["a.example", "[2001:db8::1]"]),
            Matcher::All(vec![hosts(&["b.example"]), secret()]),
            hosts(&["b.example"]),
            secret(),
            hosts(&["a.example", "c.example"]),
            Matcher::Any(vec![hosts(&["d.example"]), hosts(&["e.example"])]),
        ]);
        for (host, usual, of_secret) in [
            ("a.example", Some(0), Some(0)),
            ("A.eXample:8080", Some(0), Some(0)),
            ("[2001:DB8::1]", Some(0), Some(0)),
            ("b.example", Some(2), Some(1)),
            ("c.example", Some(4), Some(3)),
            ("e.example", Some(5), Some(3)),
            ("a.example.org", None, Some(3)),
            ("a.exampl", None, Some(3)),
            ("", None, Some(3)),
        ] {
            assert_eq!((goes(&routes, host, false), goes(&routes, host, true)), (usual, of_secret), "{host}");
        }
    }

    #[test]
    fn many_hosts_are_found() {
        let names: Vec<String> = (0..10_000).map(|i| format!("host-{i}.example")).collect();
        let routes = routes(names.iter().map(|n| hosts(&[n])));
        for (i, name) in (0..).zip(&names) {
            assert_eq!(goes(&routes, name, false), Some(i));
        }
        assert_eq!(goes(&routes, "host-10000.example", false), None);
        assert_eq!(goes(&routes, &"a".repeat(1000), false), None);
    }
}
