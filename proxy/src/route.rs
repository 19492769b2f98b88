//! Where requests go: by the host that they ask for, and by who their client is.
//!
//! Rules stand in an order, and the first that matches decides. Those that ask for hosts are found by the host in a
//! sorted table, so that a request does not look at each.

use crate::plan::BackendId;
use crate::tls::SessionFacts;

/// A rule: requests that match go to a backend (HAProxy: `use_backend`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which ones.
    pub when: RequestMatch,
    /// Where to.
    pub backend: BackendId,
}

/// What is asked of a request. All that is said must hold, each by one of its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestMatch {
    /// Hosts, in lower case, without a port and a dot at the end, of at most 255 bytes; empty: any.
    pub hosts: Vec<Box<str>>,
    /// Whether the client speaks TLS (`ssl_fc`).
    pub tls: Option<bool>,
    /// Whether it has shown a certificate (`ssl_c_used`), which has then been verified.
    pub certificate: Option<bool>,
    /// Whom its certificate is for, as OpenSSL writes it on one line (`ssl_c_s_dn`); empty: whomever.
    pub subjects: Vec<Box<str>>,
    /// The common name in it (`ssl_c_s_dn(CN)`); empty: any.
    pub common_names: Vec<Box<str>>,
}

impl RequestMatch {
    /// Whether what is asked of the client, rather than of the host, holds.
    fn holds_for(&self, tls: Option<&SessionFacts>) -> bool {
        let certificate = tls.and_then(|t| t.client.as_ref());
        let subject = certificate.map(|c| &c.subject);
        let one_of = |names: &[Box<str>], name: Option<&str>| {
            names.is_empty() || name.is_some_and(|name| names.iter().any(|n| **n == *name))
        };
        self.tls.is_none_or(|wanted| wanted == tls.is_some())
            && self.certificate.is_none_or(|wanted| wanted == certificate.is_some())
            && one_of(&self.common_names, subject.and_then(|s| s.part("CN")))
            && (self.subjects.is_empty() || one_of(&self.subjects, subject.map(|s| s.one_line()).as_deref()))
    }
}

/// The rules of a frontend, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    rules: Vec<Route>,
    /// Positions in `rules` by host: sorted by the host, then by the position.
    by_host: Vec<(Box<str>, u32)>,
    /// Positions of rules that ask for no host.
    of_any_host: Vec<u32>,
}

impl Routes {
    /// Makes them ready to be asked.
    pub fn new(rules: Vec<Route>) -> Self {
        let (mut by_host, mut of_any_host) = (Vec::new(), Vec::new());
        for (at, rule) in (0..).zip(&rules) {
            by_host.extend(rule.when.hosts.iter().map(|host| (host.clone(), at)));
            if rule.when.hosts.is_empty() {
                of_any_host.push(at);
            }
        }
        by_host.sort_unstable();
        Self { rules, by_host, of_any_host }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Where its rules lead to.
    pub fn backends(&self) -> impl Iterator<Item = BackendId> {
        self.rules.iter().map(|rule| rule.backend)
    }

    /// Where a request for `authority`, which may have a port, goes. `None`: no rule matches.
    pub fn backend(&self, authority: &[u8], tls: Option<&SessionFacts>) -> Option<BackendId> {
        let mut room = [0; LONGEST_HOST];
        let host = host_of(authority);
        // No rule has a longer one.
        let host = room.get_mut(..host.len()).map_or(&[][..], |lower| {
            lower.copy_from_slice(host);
            lower.make_ascii_lowercase();
            lower
        });
        let start = self.by_host.partition_point(|(name, _)| name.as_bytes() < host);
        let of_host = self.by_host.get(start..).unwrap_or_default().iter();
        let mut of_host = of_host.take_while(|(name, _)| name.as_bytes() == host).map(|(_, at)| *at);
        let mut of_any = self.of_any_host.iter().copied();
        let (mut next, mut other) = (of_host.next(), of_any.next());
        loop {
            let at = match (next, other) {
                (None, None) => return None,
                (Some(at), Some(any)) if at > any => {
                    other = of_any.next();
                    any
                }
                (Some(at), _) => {
                    next = of_host.next();
                    at
                }
                (None, Some(any)) => {
                    other = of_any.next();
                    any
                }
            };
            match self.rules.get(at as usize) {
                Some(rule) if rule.when.holds_for(tls) => return Some(rule.backend),
                _ => {}
            }
        }
    }
}

/// The host of an authority: without its port (RFC 3986 §3.2.2) and the dot of a fully qualified name.
fn host_of(authority: &[u8]) -> &[u8] {
    // An IPv6 address is in brackets: its colons have none but digits behind them only up to there.
    let digits = authority.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let host = match authority.get(..authority.len() - digits) {
        Some([host @ .., b':']) => host,
        _ => authority,
    };
    host.strip_suffix(b".").unwrap_or(host)
}

/// RFC 1035 §2.3.4: more than a name may have.
const LONGEST_HOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::fixture::session_of;

    fn route(hosts: &[&str], backend: u16) -> Route {
        let hosts = hosts.iter().map(|&h| h.into()).collect();
        Route { when: RequestMatch { hosts, ..RequestMatch::default() }, backend: BackendId(backend) }
    }

    fn whoever(when: RequestMatch, backend: u16) -> Route {
        Route { when, backend: BackendId(backend) }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let secret = RequestMatch { tls: Some(true), ..RequestMatch::default() };
        let both = RequestMatch { hosts: vec!["b.example".into()], ..secret.clone() };
        let routes = Routes::new(vec![
            route(&["a.example", "[2001:db8::1]"], 0),
            whoever(both, 1),
            route(&["b.example"], 2),
            whoever(secret, 3),
            route(&["a.example", "c.example"], 4),
        ]);
        let session = session_of("/CN=x");
        for (authority, clear, secured) in [
            ("a.example", Some(0), Some(0)),
            ("A.eXample:8080", Some(0), Some(0)),
            ("a.example.", Some(0), Some(0)),
            ("a.example.:80", Some(0), Some(0)),
            ("[2001:DB8::1]", Some(0), Some(0)),
            ("[2001:db8::1]:443", Some(0), Some(0)),
            ("b.example", Some(2), Some(1)),
            ("c.example", Some(4), Some(3)),
            ("a.example.org", None, Some(3)),
            ("xa.example", None, Some(3)),
            ("a.exampl", None, Some(3)),
            ("", None, Some(3)),
        ] {
            let found = routes.backend(authority.as_bytes(), None).map(|b| b.0);
            assert_eq!(found, clear, "{authority}");
            let found = routes.backend(authority.as_bytes(), Some(&session)).map(|b| b.0);
            assert_eq!(found, secured, "{authority} over TLS");
        }
    }

    #[test]
    fn certificates_are_asked_for_their_subject() {
        let of = |subject: &str| RequestMatch { subjects: vec![subject.into()], ..RequestMatch::default() };
        let named = |cn: &str| RequestMatch { common_names: vec![cn.into()], ..RequestMatch::default() };
        let shown = |yes| RequestMatch { certificate: Some(yes), ..RequestMatch::default() };
        let routes = Routes::new(vec![
            whoever(of("/O=Example/CN=builder"), 0),
            whoever(named("tester"), 1),
            whoever(shown(true), 2),
            whoever(shown(false), 3),
        ]);
        let goes = |session: Option<&SessionFacts>| routes.backend(b"h", session).map(|b| b.0);
        assert_eq!(goes(Some(&session_of("/O=Example/CN=builder"))), Some(0));
        assert_eq!(goes(Some(&session_of("/CN=builder"))), Some(2));
        assert_eq!(goes(Some(&session_of("/O=Other/CN=tester"))), Some(1));
        assert_eq!(goes(Some(&session_of(""))), Some(3));
        assert_eq!(goes(None), Some(3));
    }

    #[test]
    fn many_hosts_are_found() {
        let names: Vec<String> = (0..10_000).map(|i| format!("host-{i}.example")).collect();
        let routes = Routes::new((0..).zip(&names).map(|(i, n)| route(&[n], i)).collect());
        for (i, name) in (0..).zip(&names) {
            assert_eq!(routes.backend(name.as_bytes(), None), Some(BackendId(i)));
        }
        assert_eq!(routes.backend(b"host-10000.example", None), None);
        assert_eq!(routes.backend(&[b'a'; 1000], None), None);
    }
}
