//! The statistics page: where it is, who may see it and change servers on it, and how it looks.
//!
//! | module | what it is |
//! |---|---|
//! | [`wish`] | what the words behind its path ask for |
//! | [`visit`] | from a request to what becomes of it: refused, shown, or something done |
//! | [`form`] | what an operator sends |
//! | [`sheet`] | what is on it, besides rows of statistics |
//! | [`render`] | HTML |
//! | [`plot`] | small pictures of the last minutes |

pub mod form;
pub mod plot;
pub mod render;
pub mod sheet;
pub mod visit;
pub mod wish;

use std::fmt;
use std::time::Duration;

use subtle::{Choice, ConstantTimeEq};

use crate::rules::Matcher;

/// The statistics page of a frontend (HAProxy: `stats enable`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsPage {
    /// Path it is at, such as `/stats`.
    pub uri: String,
    /// How often it is looked at again by itself. `None`: only when asked to.
    pub refresh: Option<Duration>,
    /// What browsers say when they ask for a password.
    pub realm: String,
    /// Who may see it. Empty: everybody.
    pub users: Vec<User>,
    /// Whose requests may change servers. `None`: nobody's.
    pub admin_if: Option<Matcher>,
    /// The version is not told.
    pub hide_version: bool,
    /// Names of the proxies that are on it. Empty: all of them.
    pub scope: Vec<String>,
}

/// Somebody who may see the page. Does not print the password.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// As it is typed.
    pub name: String,
    /// As it is typed.
    pub password: Vec<u8>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

impl StatsPage {
    /// Where the page is unless somebody says otherwise: HAProxy's.
    pub const URI: &'static str = "/haproxy?stats";

    /// What follows the page's path in a target. `None`: the target is of something else.
    pub fn rest<'a>(&self, target: &'a [u8]) -> Option<&'a [u8]> {
        let rest = target.strip_prefix(self.uri.as_bytes())?;
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        // A path that ends with a slash has it in front of everything.
        matches!(rest.first(), None | Some(b';' | b'?' | b'&')).then_some(rest)
    }

    /// Whether these are the credentials of somebody who may see it. How long it takes does not tell how close they are.
    pub fn knows(&self, name: &[u8], password: &[u8]) -> bool {
        let is = |user: &User| user.name.as_bytes().ct_eq(name) & user.password.ct_eq(password);
        self.users.iter().fold(Choice::from(0), |known, user| known | is(user)).into()
    }

    /// Whether a proxy is on it.
    pub fn shows(&self, proxy: &str) -> bool {
        self.scope.is_empty() || self.scope.iter().any(|name| name == proxy)
    }
}

#[cfg(test)]
pub(crate) fn plain(uri: &str) -> StatsPage {
    StatsPage {
        uri: uri.to_owned(),
        refresh: None,
        realm: "Statistics".to_owned(),
        users: Vec::new(),
        admin_if: None,
        hide_version: false,
        scope: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_the_pages_or_not() {
        for (uri, target, rest) in [
            ("/stats", "/stats", Some("")),
            ("/stats", "/stats;csv", Some(";csv")),
            ("/stats", "/stats/;csv;norefresh", Some(";csv;norefresh")),
            ("/stats", "/stats?x", Some("?x")),
            ("/stats", "/statistics", None),
            ("/stats", "/stats/a", None),
            ("/stats", "/", None),
            ("/", "/;csv", Some(";csv")),
            ("/", "/a", None),
            ("/haproxy?stats", "/haproxy?stats;csv", Some(";csv")),
            ("/haproxy?stats", "/haproxy", None),
        ] {
            assert_eq!(plain(uri).rest(target.as_bytes()), rest.map(str::as_bytes), "{uri} {target}");
        }
    }

    #[test]
    fn users_are_known_by_name_and_password() {
        let user = |name: &str, password: &str| User { name: name.into(), password: password.into() };
        let page = StatsPage { users: vec![user("ann", "one"), user("bob", "two")], ..plain("/") };
        for (name, password, known) in [
            ("ann", "one", true),
            ("bob", "two", true),
            ("ann", "two", false),
            ("ann", "on", false),
            ("", "", false),
        ] {
            assert_eq!(page.knows(name.as_bytes(), password.as_bytes()), known, "{name} {password}");
        }
        assert!(!format!("{page:?}").contains("two"));
    }
}
