//! From a request for the page to what becomes of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::StatsPage;
use super::wish::{Said, Wish};
use crate::h1::head::Method;

/// What a request to the page says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: Method,
    /// What follows the page's path in its target.
    pub rest: &'a [u8],
    /// Whom it is for.
    pub authority: &'a [u8],
    /// `admin_if` holds for it.
    pub is_admin: bool,
    /// Its `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// Its `Origin`.
    pub origin: Option<&'a [u8]>,
    /// Its `Referer`.
    pub referer: Option<&'a [u8]>,
    /// Its `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a [u8]>,
    /// Its `Content-Type`.
    pub content_type: Option<&'a [u8]>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// What it wants.
    pub wish: Wish,
    /// What it gets.
    pub turn: Turn,
}

/// What a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The question who is asking.
    Challenge,
    /// Nothing: the page is not for that method.
    NotAllowed,
    /// What it wants.
    Show {
        /// With what operators may do.
        admin: bool,
    },
    /// The page, which says this.
    Refuse(Said),
    /// What it sends is read, and done.
    Change,
}

impl Turn {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::Challenge => 401,
            Self::NotAllowed => 405,
            Self::Show { .. } => 200,
            Self::Refuse(_) | Self::Change => 303,
        }
    }
}

impl StatsPage {
    /// The page where a rule has it, and what a request for `target` gets of it: it can be looked at, and that is all. Its
    /// words stand in the query, so that all of it has the path that the rule has asked for.
    pub fn at(target: &[u8]) -> (Self, Visit) {
        let path = target.iter().position(|b| matches!(b, b';' | b'?')).unwrap_or(target.len());
        let (path, words) = target.split_at(path);
        // Two slashes would make it another site's.
        let path = String::from_utf8_lossy(path);
        let uri = format!("/{}?stats", path.trim_start_matches(['/', '\\']));
        let visit = Visit { wish: Wish::read(words), turn: Turn::Show { admin: false } };
        let page = Self {
            uri,
            refresh: None,
            realm: String::new(),
            users: Vec::new(),
            admin_if: None,
            hide_version: false,
            scope: Vec::new(),
        };
        (page, visit)
    }

    /// What becomes of a request.
    pub fn visit(&self, asked: &Asked<'_>) -> Visit {
        let wish = Wish::read(asked.rest);
        let turn = match asked.method {
            _ if !self.is_known(asked.authorization) => Turn::Challenge,
            Method::Get | Method::Head => Turn::Show { admin: asked.is_admin },
            Method::Post if !asked.is_admin || !is_of_this_site(asked) => Turn::Refuse(Said::Denied),
            Method::Post if !is_form(asked.content_type) => Turn::Refuse(Said::Unreadable),
            Method::Post => Turn::Change,
            Method::Put
            | Method::Delete
            | Method::Options
            | Method::Connect
            | Method::Trace
            | Method::Other => Turn::NotAllowed,
        };
        Visit { wish, turn }
    }

    /// Whether somebody who may see the page is asking (RFC 7617).
    fn is_known(&self, authorization: Option<&[u8]>) -> bool {
        if self.users.is_empty() {
            return true;
        }
        let Some((scheme, rest)) = authorization.and_then(|a| a.split_at_checked(6)) else { return false };
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return false;
        }
        let Ok(decoded) = STANDARD.decode(rest.trim_ascii()) else { return false };
        let Some(colon) = decoded.iter().position(|b| *b == b':') else { return false };
        let (name, password) = decoded.split_at(colon);
        self.knows(name, password.get(1..).unwrap_or_default())
    }
}

/// Whether the page itself has sent the request. A browser sends its user's password with whatever another site makes it
/// send, but says from where: `Sec-Fetch-Site`, or in older ones `Origin` or `Referer`. What is no browser says nothing of
/// these, and has nothing that could be abused.
fn is_of_this_site(asked: &Asked<'_>) -> bool {
    if let Some(site) = asked.fetch_site {
        return site.eq_ignore_ascii_case(b"same-origin");
    }
    match asked.origin.or(asked.referer) {
        Some(from) => host_of(from).is_some_and(|host| host.eq_ignore_ascii_case(asked.authority)),
        None => true,
    }
}

/// The host, with its port, of `https://host:port/path`.
fn host_of(url: &[u8]) -> Option<&[u8]> {
    let rest = url.strip_prefix(b"http://").or_else(|| url.strip_prefix(b"https://"))?;
    rest.split(|b| matches!(b, b'/' | b'?' | b'#')).next()
}

/// Whether it is what forms send.
fn is_form(content_type: Option<&[u8]>) -> bool {
    let kind = content_type.and_then(|t| t.split(|b| *b == b';').next()).unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::super::wish::Form;
    use super::super::{User, plain};
    use super::*;

    fn asked(method: Method) -> Asked<'static> {
        Asked {
            method,
            rest: b"",
            authority: b"lb.example:8404",
            is_admin: true,
            authorization: None,
            origin: None,
            referer: None,
            fetch_site: None,
            content_type: Some(b"application/x-www-form-urlencoded"),
        }
    }

    #[test]
    fn whoever_is_not_known_is_asked() {
        let user = User { name: "ann".into(), password: "pa:ss".into() };
        let page = StatsPage { users: vec![user], ..plain("/stats") };
        let turn =
            |authorization: Option<&[u8]>| page.visit(&Asked { authorization, ..asked(Method::Get) }).turn;
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(turn(Some(basic("ann:pa:ss").as_bytes())), Turn::Show { admin: true });
        assert_eq!(turn(Some(basic("ann:pa:ss").to_lowercase().as_bytes())), Turn::Challenge);
        for wrong in [
            None,
            Some("Basic"),
            Some("Basic  "),
            Some("Basic !!"),
            Some("Bearer YW5uOnBhOnNz"),
            Some("Basic YW5u"),
        ] {
            assert_eq!(turn(wrong.map(str::as_bytes)), Turn::Challenge, "{wrong:?}");
        }
        assert_eq!(turn(Some(basic("ann:pa").as_bytes())), Turn::Challenge);
        assert_eq!(page.visit(&asked(Method::Post)).turn, Turn::Challenge, "before anything else");
    }

    #[test]
    fn only_the_page_itself_changes_something() {
        let page = plain("/stats");
        let own: Option<&[u8]> = Some(b"https://lb.example:8404");
        let other: Option<&[u8]> = Some(b"https://evil.example");
        for (asked, turn) in [
            (asked(Method::Post), Turn::Change),
            (Asked { origin: own, ..asked(Method::Post) }, Turn::Change),
            (Asked { origin: other, ..asked(Method::Post) }, Turn::Refuse(Said::Denied)),
            (Asked { origin: Some(b"null"), ..asked(Method::Post) }, Turn::Refuse(Said::Denied)),
            (Asked { referer: Some(b"http://LB.example:8404/stats"), ..asked(Method::Post) }, Turn::Change),
            (
                Asked { referer: Some(b"http://lb.example:8404.evil/"), ..asked(Method::Post) },
                Turn::Refuse(Said::Denied),
            ),
            (Asked { fetch_site: Some(b"same-origin"), origin: other, ..asked(Method::Post) }, Turn::Change),
            (
                Asked { fetch_site: Some(b"same-site"), origin: own, ..asked(Method::Post) },
                Turn::Refuse(Said::Denied),
            ),
            (Asked { is_admin: false, ..asked(Method::Post) }, Turn::Refuse(Said::Denied)),
            (
                Asked { content_type: Some(b"text/plain"), ..asked(Method::Post) },
                Turn::Refuse(Said::Unreadable),
            ),
            (asked(Method::Delete), Turn::NotAllowed),
            (Asked { is_admin: false, ..asked(Method::Head) }, Turn::Show { admin: false }),
        ] {
            assert_eq!(page.visit(&asked).turn, turn, "{asked:?}");
        }
    }

    #[test]
    fn where_a_rule_has_it_all_of_it_has_one_path() {
        for (target, uri, form) in [
            ("/status", "/status?stats", Form::Page),
            ("/status?stats", "/status?stats", Form::Page),
            ("/status?stats;csv", "/status?stats", Form::Csv),
            ("/status;json", "/status?stats", Form::Json),
            ("/status?stats;css", "/status?stats", Form::Style),
            ("//evil.example/status", "/evil.example/status?stats", Form::Page),
            ("/\\evil.example", "/evil.example?stats", Form::Page),
        ] {
            let (page, visit) = StatsPage::at(target.as_bytes());
            assert_eq!((page.uri.as_str(), visit.wish.form), (uri, form), "{target}");
            assert_eq!(visit.turn, Turn::Show { admin: false });
        }
    }
}
