//! Which responses are compressed, and what changes in their heads.

use super::Compression;
use super::accept::Algo;
use crate::h1::framing::BodyFraming;
use crate::h1::head::Version;
use crate::rules::matcher::elements;
use crate::rules::response::Fields;
use crate::rules::{Change, Edits};

/// What is known of a response besides its fields.
#[derive(Debug, Clone, Copy)]
pub struct Outline {
    /// Of the client.
    pub client: Version,
    /// Of the response.
    pub server: Version,
    /// Its status.
    pub status: u16,
    /// Its content.
    pub framing: BodyFraming,
}

/// What changes in the head of a response whose content is compressed by `algo`; `None`: it stays as it is.
///
/// The choice is HAProxy's. Besides, a response that carries a digest of its content stays as it is, and one that is
/// compressed offers no ranges: they would be ranges of something else.
pub fn edits(by: &Compression, algo: Algo, outline: &Outline, fields: &impl Fields) -> Option<Edits> {
    if !is_of_a_kind(by, outline) || !is_to_be_changed(fields) || !is_of_a_type(by, fields) {
        return None;
    }
    let tag = tag(fields).ok()?;
    let mut edits = Edits::default();
    for name in ["content-length", "accept-ranges"] {
        edits.apply(Change::Fields(name, Vec::new()));
    }
    edits.apply(Change::Fields("transfer-encoding", vec![b"chunked".to_vec()]));
    if let Some(tag) = tag {
        edits.apply(Change::Fields("etag", vec![weak(&tag)]));
    }
    let varies =
        |value: &[u8]| elements(value).any(|e| e == b"*" || e.eq_ignore_ascii_case(b"accept-encoding"));
    if !any(fields, "vary", varies) {
        edits.apply(Change::More("vary", b"accept-encoding".to_vec()));
    }
    edits.apply(Change::More("content-encoding", algo.coding().into()));
    Some(edits)
}

/// Whether one of the fields of this name is such.
fn any(fields: &impl Fields, name: &str, test: impl Fn(&[u8]) -> bool) -> bool {
    let mut found = false;
    fields.each(name, &mut |value| found |= test(value));
    found
}

/// What its content is framed by decides, and its status.
fn is_of_a_kind(by: &Compression, outline: &Outline) -> bool {
    let both = outline.client == Version::Http11 && outline.server == Version::Http11;
    let large = match outline.framing {
        BodyFraming::Length(bytes) => bytes >= by.min_size,
        BodyFraming::Chunked => true,
        BodyFraming::None | BodyFraming::UntilClose => false,
    };
    both && large && matches!(outline.status, 200..=203)
}

/// Whether nothing in it says that its content has to stay as it is.
fn is_to_be_changed(fields: &impl Fields) -> bool {
    let has = |name| any(fields, name, |_| true);
    let fixed = |value: &[u8]| elements(value).any(|e| e.eq_ignore_ascii_case(b"no-transform"));
    !has("content-encoding") && !any(fields, "cache-control", fixed) && !DIGESTS.into_iter().any(has)
}

fn is_of_a_type(by: &Compression, fields: &impl Fields) -> bool {
    let mut first = None;
    fields.each("content-type", &mut |value| {
        let multipart = value.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart"));
        let listed = by.types.is_empty() || by.types.iter().any(|t| t.has(value));
        first = first.or(Some(!multipart && listed));
    });
    first.unwrap_or(by.types.is_empty())
}

/// The entity tag, if there is one.
///
/// # Errors
/// There are several, or it is none (RFC 9110 §8.8.3).
fn tag(fields: &impl Fields) -> Result<Option<Vec<u8>>, ()> {
    let (mut tags, mut sound) = (Vec::new(), true);
    fields.each("etag", &mut |value| {
        let opaque = value.strip_prefix(b"W/").unwrap_or(value);
        sound &= opaque.len() >= 2 && opaque.starts_with(b"\"") && opaque.ends_with(b"\"");
        tags.push(value.to_vec());
    });
    let tag = tags.pop();
    if sound && tags.is_empty() { Ok(tag) } else { Err(()) }
}

/// RFC 9110 §8.8.1: what is compressed has not the same bytes, but means the same.
fn weak(tag: &[u8]) -> Vec<u8> {
    if tag.starts_with(b"W/") { tag.to_vec() } else { [b"W/", tag].concat() }
}

/// Of the bytes of content (RFC 9530, RFC 3230, RFC 2616).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

#[cfg(test)]
mod tests {
    use super::super::MediaRange;
    use super::*;

    struct Head<'a>(&'a [(&'a str, &'a str)]);

    impl Fields for Head<'_> {
        fn each(&self, name: &str, look: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| look(value.as_bytes()))
        }

        fn all(&self, look: &mut dyn FnMut(&[u8], &[u8])) {
            self.0.iter().for_each(|(name, value)| look(name.as_bytes(), value.as_bytes()));
        }
    }

    fn html() -> Compression {
        Compression {
            algos: vec![Algo::Gzip],
            types: vec![MediaRange::parse("text/html").unwrap()],
            min_size: 100,
            level: 1,
            offload: false,
        }
    }

    const OUTLINE: Outline = Outline {
        client: Version::Http11,
        server: Version::Http11,
        status: 200,
        framing: BodyFraming::Length(100),
    };

    /// The lines that are added; `None`: it stays as it is.
    fn added(by: &Compression, outline: &Outline, fields: &[(&str, &str)]) -> Option<String> {
        let edits = edits(by, Algo::Gzip, outline, &Head(fields))?;
        let mut out = Vec::new();
        edits.write(&mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn fields_say_what_stays_as_it_is() {
        let type_is = ("content-type", "text/html; charset=utf-8");
        for fields in [
            &[("content-encoding", "br")][..],
            &[("content-encoding", "identity")],
            &[("cache-control", "public"), ("cache-control", "max-age=3, No-Transform")],
            &[("etag", "abc")],
            &[("etag", "\"a\""), ("etag", "\"b\"")],
            &[("etag", "\"")],
            &[("content-digest", "sha-256=:x:")],
            &[("content-md5", "x")],
        ] {
            let fields: Vec<_> = std::iter::once(type_is).chain(fields.iter().copied()).collect();
            assert_eq!(added(&html(), &OUTLINE, &fields), None, "{fields:?}");
        }
        for other in ["text/css", "multipart/mixed", "text/htmlx"] {
            assert_eq!(added(&html(), &OUTLINE, &[("content-type", other)]), None, "{other}");
        }
        assert_eq!(added(&html(), &OUTLINE, &[]), None, "a type is asked for");
        let any = Compression { types: Vec::new(), ..html() };
        assert!(added(&any, &OUTLINE, &[]).is_some());
        assert!(added(&any, &OUTLINE, &[("content-type", "image/png")]).is_some());
        assert_eq!(added(&any, &OUTLINE, &[("content-type", "Multipart/mixed")]), None);
    }

    #[test]
    fn the_kind_of_response_decides() {
        let type_is = [("content-type", "text/html")];
        let with = |change: &dyn Fn(&mut Outline)| {
            let mut outline = OUTLINE;
            change(&mut outline);
            added(&html(), &outline, &type_is).is_some()
        };
        for status in [200, 201, 202, 203] {
            assert!(with(&|o| o.status = status), "{status}");
        }
        for status in [199, 204, 205, 206, 226, 304, 404, 500] {
            assert!(!with(&|o| o.status = status), "{status}");
        }
        assert!(!with(&|o| o.client = Version::Http10));
        assert!(!with(&|o| o.server = Version::Http10));
        assert!(with(&|o| o.framing = BodyFraming::Chunked));
        for framing in [BodyFraming::Length(99), BodyFraming::None, BodyFraming::UntilClose] {
            assert!(!with(&|o| o.framing = framing), "{framing:?}");
        }
    }

    #[test]
    fn heads_say_what_has_changed() {
        let always = "transfer-encoding: chunked\r\n";
        for (fields, expected) in [
            (&[][..], "vary: accept-encoding\r\n"),
            (&[("etag", "\"a\"")], "etag: W/\"a\"\r\nvary: accept-encoding\r\n"),
            (&[("etag", "W/\"a\"")], "etag: W/\"a\"\r\nvary: accept-encoding\r\n"),
            (&[("vary", "Origin")], "vary: accept-encoding\r\n"),
            (&[("vary", "Origin, Accept-Encoding")], ""),
            (&[("vary", "*")], ""),
        ] {
            let fields: Vec<_> =
                std::iter::once(("content-type", "text/html")).chain(fields.iter().copied()).collect();
            let expected = format!("{always}{expected}content-encoding: gzip\r\n");
            assert_eq!(added(&html(), &OUTLINE, &fields), Some(expected), "{fields:?}");
        }
        let edits = edits(&html(), Algo::Gzip, &OUTLINE, &Head(&[("content-type", "text/html")])).unwrap();
        for gone in ["Content-Length", "Transfer-Encoding", "Accept-Ranges"] {
            assert!(edits.is_gone(gone.as_bytes()), "{gone}");
        }
        assert!(!edits.is_gone(b"etag"));
    }
}
