//! What records show of a request and its response besides the request line: fields and cookies that somebody asked for.
//!
//! The bytes are copied when a head is there, because it is gone when the record is written. All of it goes into one
//! buffer, which an exchange keeps for the next one.

/// A field whose value is shown (HAProxy: `capture request header`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Its name.
    pub name: Box<str>,
    /// Most bytes that are kept of it.
    pub bytes: usize,
}

/// A cookie that is shown, the client's and the server's (HAProxy: `capture cookie`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieCapture {
    /// How its name begins. With a `=` at the end it is the whole name.
    pub begin: Box<str>,
    /// Most bytes that are kept of `NAME=VALUE`.
    pub bytes: usize,
}

/// What a frontend shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures {
    /// Of requests.
    pub request: Vec<Capture>,
    /// Of responses.
    pub response: Vec<Capture>,
    /// The first one of both.
    pub cookie: Option<CookieCapture>,
    /// Fields of requests that a line format has in it by name; they are shown nowhere else.
    pub request_named: Vec<Box<str>>,
    /// The same of responses.
    pub response_named: Vec<Box<str>>,
    /// Variables that a line format has in it by name.
    pub variables: Vec<Box<str>>,
    /// How many rules capture something, which is shown behind `request`.
    pub by_rules: u16,
}

impl Captures {
    /// Whether nothing is shown.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.request_named.is_empty() && !self.of_responses() && !self.of_rules()
    }

    /// Whether something is shown that rules make.
    pub fn of_rules(&self) -> bool {
        !self.variables.is_empty() || self.by_rules > 0
    }

    /// Whether something of responses is shown.
    pub fn of_responses(&self) -> bool {
        !self.response.is_empty() || !self.response_named.is_empty() || self.cookie.is_some()
    }
}

/// A message whose head is there.
pub trait Head {
    /// The value of its last field of this name, in any case.
    fn last(&self, name: &str) -> Option<&[u8]>;

    /// Hands its cookies to `look`, until that says `true`.
    fn cookies(&self, look: &mut Look<'_>);
}

/// What looks at a cookie: its name, and its value if it has one. Whether that was enough.
pub type Look<'a> = dyn FnMut(&[u8], Option<&[u8]>) -> bool + 'a;

/// What has been kept for a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    bytes: Vec<u8>,
    request: Vec<Place>,
    response: Vec<Place>,
    request_named: Vec<Place>,
    response_named: Vec<Place>,
    variables: Vec<Place>,
    request_cookie: Place,
    response_cookie: Place,
    unique_id: Place,
}

/// Where in the bytes something is; `None`: there was no such thing.
type Place = Option<(u32, u32)>;

/// Values in the order in which they were asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Values<'a> {
    bytes: &'a [u8],
    places: &'a [Place],
}

impl<'a> Values<'a> {
    /// Whether none was asked for.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.places.is_empty()
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        self.places.iter().map(move |place| self.at(*place))
    }

    /// The one at this position.
    pub fn get(self, position: usize) -> Option<&'a [u8]> {
        self.at(*self.places.get(position)?)
    }

    fn at(self, place: Place) -> Option<&'a [u8]> {
        place.map(|at| cut(self.bytes, at))
    }
}

impl Kept {
    /// Keeps what is asked for of a request. Nothing is known of its response yet.
    pub fn handle_request(&mut self, wanted: &Captures, head: &impl Head) {
        let bytes = &mut self.bytes;
        keep_fields(bytes, &mut self.request, captured(&wanted.request), head);
        keep_fields(bytes, &mut self.request_named, named(&wanted.request_named), head);
        self.request.resize(wanted.request.len() + usize::from(wanted.by_rules), None);
        self.variables.resize(wanted.variables.len(), None);
        self.response.resize(wanted.response.len(), None);
        self.response_named.resize(wanted.response_named.len(), None);
        self.request_cookie = wanted.cookie.as_ref().and_then(|cookie| keep_cookie(bytes, cookie, head));
    }

    /// Keeps what is asked for of a response.
    pub fn handle_response(&mut self, wanted: &Captures, head: &impl Head) {
        let bytes = &mut self.bytes;
        keep_fields(bytes, &mut self.response, captured(&wanted.response), head);
        keep_fields(bytes, &mut self.response_named, named(&wanted.response_named), head);
        self.response_cookie = wanted.cookie.as_ref().and_then(|cookie| keep_cookie(bytes, cookie, head));
    }

    /// Keeps what rules have made: what they capture, by its place among that, and variables.
    pub fn handle_rules<'a>(
        &mut self,
        wanted: &Captures,
        captured: impl Iterator<Item = (u16, &'a [u8])>,
        variable: impl Fn(&str) -> Option<&'a [u8]>,
    ) {
        for (at, value) in captured {
            if let Some(to) = self.request.get_mut(wanted.request.len() + usize::from(at)) {
                *to = keep(&mut self.bytes, value);
            }
        }
        for (name, to) in wanted.variables.iter().zip(&mut self.variables) {
            *to = variable(name)
                .and_then(|value| keep(&mut self.bytes, value.get(..LONGEST_NAMED).unwrap_or(value)));
        }
    }

    /// Keeps the identifier that `write` makes.
    pub fn handle_unique_id(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.bytes.len();
        write(&mut self.bytes);
        self.unique_id = place(begin, self.bytes.len());
    }

    /// Forgets everything; buffers stay, within bounds.
    pub fn clear(&mut self) {
        let Self { bytes, request, response, request_named, response_named, variables, .. } = self;
        bytes.clear();
        bytes.shrink_to(ROOM);
        [request, response, request_named, response_named, variables].into_iter().for_each(Vec::clear);
        (self.request_cookie, self.response_cookie, self.unique_id) = (None, None, None);
    }

    /// Captured fields of the request. Empty if none are configured, or if there was no request.
    pub fn request(&self) -> Values<'_> {
        Values { bytes: &self.bytes, places: &self.request }
    }

    /// Captured fields of the response.
    pub fn response(&self) -> Values<'_> {
        Values { bytes: &self.bytes, places: &self.response }
    }

    /// Fields of the request that a format has in it.
    pub fn request_named(&self) -> Values<'_> {
        Values { bytes: &self.bytes, places: &self.request_named }
    }

    /// Fields of the response that a format has in it.
    pub fn response_named(&self) -> Values<'_> {
        Values { bytes: &self.bytes, places: &self.response_named }
    }

    /// Variables that a format has in it.
    pub fn variables(&self) -> Values<'_> {
        Values { bytes: &self.bytes, places: &self.variables }
    }

    /// The captured cookie of the request, `NAME=VALUE`.
    pub fn request_cookie(&self) -> Option<&[u8]> {
        self.request_cookie.map(|at| cut(&self.bytes, at))
    }

    /// The captured cookie of the response.
    pub fn response_cookie(&self) -> Option<&[u8]> {
        self.response_cookie.map(|at| cut(&self.bytes, at))
    }

    /// The identifier of the request.
    pub fn unique_id(&self) -> Option<&[u8]> {
        self.unique_id.map(|at| cut(&self.bytes, at))
    }
}

/// Names of fields, and how much is kept of them.
fn captured(wanted: &[Capture]) -> impl Iterator<Item = (&str, usize)> {
    wanted.iter().map(|capture| (&*capture.name, capture.bytes))
}

fn named(wanted: &[Box<str>]) -> impl Iterator<Item = (&str, usize)> {
    wanted.iter().map(|name| (&**name, LONGEST_NAMED))
}

fn keep_fields<'a>(
    bytes: &mut Vec<u8>,
    places: &mut Vec<Place>,
    wanted: impl Iterator<Item = (&'a str, usize)>,
    head: &impl Head,
) {
    places.clear();
    places.extend(wanted.map(|(name, most)| {
        let value = head.last(name)?;
        keep(bytes, value.get(..most).unwrap_or(value))
    }));
}

fn keep(bytes: &mut Vec<u8>, value: &[u8]) -> Place {
    let begin = bytes.len();
    bytes.extend_from_slice(value);
    place(begin, bytes.len())
}

/// The first one that is meant. Blanks around its `=` are not kept, as with HAProxy.
fn keep_cookie(bytes: &mut Vec<u8>, wanted: &CookieCapture, head: &impl Head) -> Place {
    let (begin, whole) = match wanted.begin.as_bytes().split_last() {
        Some((b'=', begin)) => (begin, true),
        _ => (wanted.begin.as_bytes(), false),
    };
    let mut found = None;
    head.cookies(&mut |name, value| {
        let is_meant = if whole { name == begin && value.is_some() } else { name.starts_with(begin) };
        if is_meant {
            let at = bytes.len();
            bytes.extend_from_slice(name);
            if let Some(value) = value {
                bytes.push(b'=');
                bytes.extend_from_slice(value);
            }
            bytes.truncate(at + wanted.bytes);
            found = place(at, bytes.len());
        }
        is_meant
    });
    found
}

fn place(begin: usize, end: usize) -> Place {
    Some((u32::try_from(begin).ok()?, u32::try_from(end).ok()?))
}

fn cut(bytes: &[u8], (begin, end): (u32, u32)) -> &[u8] {
    bytes.get(begin as usize..end as usize).unwrap_or_default()
}

/// Room that an unused buffer keeps.
const ROOM: usize = 1024;

/// Most bytes that are kept of a field that a format has in it.
const LONGEST_NAMED: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    struct Sent {
        fields: &'static [(&'static str, &'static [u8])],
        cookies: &'static [(&'static str, Option<&'static [u8]>)],
    }

    impl Head for Sent {
        fn last(&self, name: &str) -> Option<&[u8]> {
            self.fields.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
        }

        fn cookies(&self, look: &mut Look<'_>) {
            let _found = self.cookies.iter().any(|(name, value)| look(name.as_bytes(), *value));
        }
    }

    const REQUEST: Sent = Sent {
        fields: &[("X-A", b"one"), ("x-a", b"twothree, four"), ("Host", b"h")],
        cookies: &[("x", None), ("SRV2", Some(b"1")), ("SRV", Some(b"2"))],
    };

    fn wanted(cookie: &str) -> Captures {
        let capture = |name: &str, bytes| Capture { name: name.into(), bytes };
        Captures {
            request: vec![capture("X-A", 4), capture("No", 4)],
            response: vec![capture("X-A", 64)],
            cookie: Some(CookieCapture { begin: cookie.into(), bytes: 5 }),
            request_named: vec!["host".into()],
            ..Captures::default()
        }
    }

    #[test]
    fn the_last_field_and_the_first_cookie_are_kept_up_to_their_length() {
        let mut kept = Kept::default();
        kept.handle_request(&wanted("SRV"), &REQUEST);
        assert_eq!(kept.request().iter().collect::<Vec<_>>(), [Some(&b"twot"[..]), None]);
        assert_eq!(kept.response().iter().collect::<Vec<_>>(), [None], "asked for, and not there");
        assert_eq!(kept.request_named().get(0), Some(&b"h"[..]));
        assert_eq!((kept.request_cookie(), kept.response_cookie()), (Some(&b"SRV2="[..]), None));
        kept.handle_response(&wanted("SRV"), &Sent { fields: &[("X-A", b"")], cookies: &[] });
        assert_eq!(kept.response().get(0), Some(&b""[..]));
        kept.handle_unique_id(|out| out.extend_from_slice(b"id-1"));
        assert_eq!(kept.unique_id(), Some(&b"id-1"[..]));
        kept.clear();
        assert_eq!(kept, Kept::default());
    }

    #[test]
    fn an_equals_sign_asks_for_the_whole_name() {
        for (begin, expected) in [("SRV=", Some(&b"SRV=2"[..])), ("x", Some(b"x")), ("x=", None), ("y", None)]
        {
            let mut kept = Kept::default();
            kept.handle_request(&wanted(begin), &REQUEST);
            assert_eq!(kept.request_cookie(), expected, "{begin}");
        }
    }

    #[test]
    fn what_rules_make_has_its_place() {
        let wanted = Captures { by_rules: 2, variables: vec!["a".into(), "b".into()], ..wanted("SRV") };
        let mut kept = Kept::default();
        kept.handle_request(&wanted, &REQUEST);
        let captured = [(1, &b"second"[..]), (7, b"nowhere")];
        kept.handle_rules(&wanted, captured.into_iter(), |name| (name == "b").then_some(&b"set"[..]));
        let shown: Vec<_> = kept.request().iter().collect();
        assert_eq!(shown, [Some(&b"twot"[..]), None, None, Some(b"second")]);
        assert_eq!((kept.variables().get(0), kept.variables().get(1)), (None, Some(&b"set"[..])));
        kept.clear();
        assert!(kept.request().is_empty() && kept.variables().is_empty());
    }
}
