//! What has to be there for a condition to be asked, and whether it can be settled yet.

use super::matcher::{Looked, Matcher, Request, Test};
use crate::hello::ClientHello;

/// What a test looks at. Each is there later than those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// A connection, of which nothing has been read.
    Connection,
    /// Its TLS session, or that it has none.
    Session,
    /// What its client says first, in whatever protocol.
    Content,
    /// A request.
    Request,
    /// What it is answered.
    Response,
}

/// What is known of the TLS ClientHello that a client may begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hello<'a> {
    /// It may still come.
    Awaited,
    /// There is none.
    None,
    /// This.
    Said(&'a ClientHello),
}

/// How much a client has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// In bytes.
    pub bytes: u64,
    /// There may be more to come.
    pub open: bool,
}

impl Test {
    /// What it looks at.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Source(_)
            | Self::SourcePort(..)
            | Self::Destination(_)
            | Self::DestinationPort(..)
            | Self::Counted(..)
            | Self::Gauge(..)
            | Self::Hours(_)
            | Self::Chance(..) => Scope::Connection,
            Self::Tls(_)
            | Self::Sni(_)
            | Self::Alpn(_)
            | Self::Certificate(_)
            | Self::Subject(_)
            | Self::CommonName(_)
            | Self::TlsVersion(_)
            | Self::TlsCipher(_) => Scope::Session,
            Self::HelloName(_) | Self::HelloAlpn(_) | Self::Received(_) => Scope::Content,
            Self::Host(_)
            | Self::Path(_)
            | Self::RawPath(_)
            | Self::Method(_)
            | Self::Header(..)
            | Self::HasHeader(_)
            | Self::HeaderCount(..)
            | Self::Query(..)
            | Self::HasQuery(_)
            | Self::Cookie(..)
            | Self::HasCookie(_)
            | Self::Variable(..)
            | Self::HasVariable(_)
            | Self::Accepts(_)
            | Self::TargetLength(_)
            | Self::Version(_)
            | Self::Fetched(..)
            | Self::IsFetched(_) => Scope::Request,
            Self::Response(_) => Scope::Response,
        }
    }

    /// Whether what the client has yet to say can change the answer.
    fn is_open<R: Request>(&self, request: &R) -> bool {
        if let Self::Received(range) = self {
            let Received { bytes, open } = request.received();
            return open && bytes <= range.most && (bytes < range.least || range.most != u64::MAX);
        }
        matches!(self, Self::HelloName(_) | Self::HelloAlpn(_)) && request.hello() == Hello::Awaited
    }
}

impl Matcher {
    /// The first test in it that looks at something else than these.
    pub fn beyond(&self, there: &[Scope]) -> Option<&Test> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(|part| part.beyond(there)),
            Self::Not(part) => part.beyond(there),
            Self::Test(test) => (!there.contains(&test.scope())).then_some(test),
        }
    }

    /// Whether one of its tests looks at what a client says first.
    pub fn looks_at_content(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::looks_at_content),
            Self::Not(part) => part.looks_at_content(),
            Self::Test(test) => test.scope() == Scope::Content,
        }
    }

    /// Whether one of its tests looks at a ClientHello.
    pub fn looks_at_hello(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::looks_at_hello),
            Self::Not(part) => part.looks_at_hello(),
            Self::Test(test) => matches!(test, Test::HelloName(_) | Test::HelloAlpn(_)),
        }
    }

    /// Whether it holds, if that is known: what the client has yet to say may decide.
    pub fn settles<R: Request>(&self, request: &Looked<'_, R>) -> Option<bool> {
        // An answer that settles all parts settles it, however open others are.
        let group = |parts: &[Self], settled: bool| {
            let mut answer = Some(!settled);
            for part in parts {
                match part.settles(request) {
                    Some(holds) if holds == settled => return Some(settled),
                    Some(_) => {}
                    None => answer = None,
                }
            }
            answer
        };
        match self {
            Self::All(parts) => group(parts, false),
            Self::Any(parts) => group(parts, true),
            Self::Not(part) => part.settles(request).map(|holds| !holds),
            Self::Test(test) if test.is_open(request.request()) => None,
            Self::Test(_) => Some(self.holds(request)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::*;
    use crate::rules::{How, Range, Texts};
    use crate::tls::SessionFacts;

    /// What a client has said so far.
    struct Saying<'a>(Hello<'a>, Received);

    impl Request for Saying<'_> {
        fn method(&self) -> &[u8] {
            b""
        }

        fn target(&self) -> &[u8] {
            b""
        }

        fn authority(&self) -> &[u8] {
            b""
        }

        fn fields(&self, _name: &str, _look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
            false
        }

        fn source(&self) -> IpAddr {
            [192, 0, 2, 1].into()
        }

        fn destination(&self) -> Option<SocketAddr> {
            None
        }

        fn tls(&self) -> Option<&SessionFacts> {
            None
        }

        fn hello(&self) -> Hello<'_> {
            self.0
        }

        fn received(&self) -> Received {
            self.1
        }
    }

    fn named(name: &str) -> Matcher {
        Matcher::Test(Test::HelloName(Texts::new(How::Exact, false, vec![name.into()]).unwrap()))
    }

    fn received(least: u64, most: u64) -> Matcher {
        Matcher::Test(Test::Received(Range { least, most }))
    }

    #[test]
    fn what_is_not_said_yet_is_waited_for_where_it_matters() {
        let said = ClientHello { server_name: Some("a.example".into()), ..ClientHello::default() };
        let (yes, no) = (Matcher::All(Vec::new()), Matcher::Any(Vec::new()));
        let not = |matcher: Matcher| Matcher::Not(matcher.into());
        let none = Received { bytes: 0, open: true };
        let some = Received { bytes: 10, open: true };
        let all = Received { bytes: 10, open: false };
        for (matcher, hello, so_far, settled) in [
            (named("a.example"), Hello::Awaited, some, None),
            (named("a.example"), Hello::None, some, Some(false)),
            (named("a.example"), Hello::Said(&said), some, Some(true)),
            (named("b.example"), Hello::Said(&said), some, Some(false)),
            (not(named("a.example")), Hello::Awaited, some, None),
            (not(named("a.example")), Hello::None, some, Some(true)),
            (Matcher::All(vec![named("a.example"), no.clone()]), Hello::Awaited, some, Some(false)),
            (Matcher::All(vec![named("a.example"), yes.clone()]), Hello::Awaited, some, None),
            (Matcher::Any(vec![named("a.example"), yes]), Hello::Awaited, some, Some(true)),
            (Matcher::Any(vec![named("a.example"), no]), Hello::Awaited, some, None),
            (received(1, u64::MAX), Hello::Awaited, none, None),
            (received(1, u64::MAX), Hello::Awaited, some, Some(true)),
            (received(11, u64::MAX), Hello::Awaited, all, Some(false)),
            (received(0, 9), Hello::Awaited, some, Some(false)),
            (received(0, 10), Hello::Awaited, some, None),
            (received(0, 10), Hello::Awaited, all, Some(true)),
        ] {
            let saying = Saying(hello, so_far);
            assert_eq!(matcher.settles(&Looked::new(&saying)), settled, "{matcher:?} {hello:?} {so_far:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let source = Matcher::Test(Test::SourcePort(1, 2));
        let both = Matcher::Any(vec![source.clone(), Matcher::Not(named("a").into())]);
        assert_eq!(both.beyond(&[Scope::Connection, Scope::Content]), None);
        assert!(matches!(both.beyond(&[Scope::Connection]), Some(Test::HelloName(_))));
        assert!(matches!(both.beyond(&[Scope::Request]), Some(Test::SourcePort(..))));
        assert!(both.looks_at_hello() && both.looks_at_content() && !source.looks_at_content());
    }
}
