//! Paths as rules see them: one spelling for everything that some server reads as the same path.
//!
//! A rule that refuses `/admin/` must refuse `//admin/`, `/%61dmin/`, `/x/../admin/`, `/admin;v=1/`, `/.;/admin/` and
//! whatever else a server behind us takes for it (`facts/reliability.md`, classes 4 and 16). So rules look at the most
//! that any server makes of a path, while the path that is forwarded stays as it came:
//!
//! * percent-encoding is undone, also where it stands for another one (`%2561`) or is Microsoft's (`%u0061`), until nothing
//!   is encoded; so are ASCII characters that are encoded in more bytes of UTF-8 than they need (`%c0%af`);
//! * a backslash is a slash, and NUL ends the path;
//! * parameters of segments (`;…`) are dropped, and dots and blanks at their ends, as Windows does;
//! * empty segments and `.` are dropped, `..` takes the segment before it away (RFC 3986 §5.2.4).
//!
//! Letters keep their case: paths that differ in it are different, and rules say so if they are not (`nocase`).

use std::borrow::Cow;

/// The normal form of a path, of which what begins with `?` is no part. It begins with `/`, unless the path is `*`.
pub fn normal(path: &[u8]) -> Cow<'_, [u8]> {
    if path == b"*" || is_normal(path) {
        return Cow::Borrowed(path);
    }
    let mut out = decode(path);
    if let Some(end) = memchr::memchr(0, &out) {
        out.truncate(end);
    }
    resolve(&mut out);
    Cow::Owned(out)
}

/// Whether nothing in the path has another spelling, as it is with most of them.
fn is_normal(path: &[u8]) -> bool {
    let Some((b'/', rest)) = path.split_first() else { return false };
    let mut before = Kind::Slash;
    for byte in rest {
        let kind = KINDS[usize::from(*byte)];
        match (before, kind) {
            (_, Kind::Doubtful) | (Kind::Slash, Kind::Slash | Kind::Dot) | (Kind::Dot, Kind::Slash) => {
                return false;
            }
            (Kind::Slash | Kind::Dot | Kind::Plain | Kind::Doubtful, _) => before = kind,
        }
    }
    before != Kind::Dot
}

/// What a byte may be a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Slash,
    Dot,
    /// Of something that has another spelling.
    Doubtful,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Plain; 256];
    kinds[b'/' as usize] = Kind::Slash;
    kinds[b'.' as usize] = Kind::Dot;
    let doubtful = [b'%', b'\\', b';', b' ', 0, 0xC0, 0xC1, 0xE0, 0xF0];
    let mut at = 0;
    while at < doubtful.len() {
        kinds[doubtful[at] as usize] = Kind::Doubtful;
        at += 1;
    }
    kinds
};

/// Undoes encodings until there are none. Each step makes what there is shorter, so the work is that of one pass.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len() + 1);
    for byte in path {
        out.push(*byte);
        while let Some((len, byte)) = encoded(&out) {
            out.truncate(out.len() - len);
            out.push(byte);
        }
    }
    out
}

/// Whether the text ends with an encoded byte: in how many bytes, and which.
fn encoded(text: &[u8]) -> Option<(usize, u8)> {
    let hex = |high: u8, low: u8| Some(digit(high)? << 4 | digit(low)?);
    match *text {
        [.., b'%', b'u' | b'U', b'0', b'0', high, low] => hex(high, low).map(|byte| (6, byte)),
        [.., b'%', high, low] => hex(high, low).map(|byte| (3, byte)),
        // RFC 3629 §3: what fits into one byte must not be encoded in more, and careless decoders take it all the same.
        [.., 0xF0, 0x80, high @ 0x80..=0x81, low @ 0x80..=0xBF] => Some((4, (high & 1) << 6 | low & 0x3F)),
        [.., 0xE0, high @ 0x80..=0x81, low @ 0x80..=0xBF] => Some((3, (high & 1) << 6 | low & 0x3F)),
        [.., high @ 0xC0..=0xC1, low @ 0x80..=0xBF] => Some((2, (high & 1) << 6 | low & 0x3F)),
        _ => None,
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// A segment without what it has behind `;`, and without dots and blanks at its end, unless it is made of those.
fn kept(segment: &[u8]) -> &[u8] {
    let end = memchr::memchr(b';', segment).unwrap_or(segment.len());
    let segment = segment.get(..end).unwrap_or_default();
    let without = |ends: &[u8]| {
        let len = segment.iter().rposition(|b| !ends.contains(b)).map_or(0, |last| last + 1);
        segment.get(..len).unwrap_or_default()
    };
    match (without(b". "), without(b" ")) {
        (b"", dots @ (b"." | b"..")) => dots,
        (b"", _) => segment,
        (bare, _) => bare,
    }
}

/// Drops what segments have behind `;` and at their ends, empty segments, and dots. In place: what is written is never
/// ahead of what is read.
fn resolve(path: &mut Vec<u8>) {
    let (mut read, mut written) = (0, 0);
    let is_slash = |b: &u8| matches!(b, b'/' | b'\\');
    // A path without a slash at its front has one all the same.
    let starts_bare = path.first().is_none_or(|b| !is_slash(b));
    if starts_bare {
        path.insert(0, b'/');
    }
    while read < path.len() {
        read += 1;
        let rest = path.get(read..).unwrap_or_default();
        let len = rest.iter().position(is_slash).unwrap_or(rest.len());
        let last = read + len == path.len();
        let segment = rest.get(..len).unwrap_or_default();
        let kept = kept(segment);
        match kept {
            b"" | b"." | b".." => {
                if kept == b".." {
                    let before = path.get(..written).unwrap_or_default();
                    written = before.iter().rposition(|b| *b == b'/').unwrap_or(0);
                }
                // What ends in a slash, or in dots, is a directory.
                if last {
                    path[written] = b'/';
                    written += 1;
                }
            }
            _ => {
                let kept = kept.len();
                path[written] = b'/';
                path.copy_within(read..read + kept, written + 1);
                written += 1 + kept;
            }
        }
        read += len;
    }
    path.truncate(written);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_path_are_one() {
        for spelling in [
            "/admin/",
            "//admin/",
            "/admin//",
            "/./admin/",
            "/%61dmin/",
            "/%2561dmin/",
            "/%252561dmin/",
            "/%%36%31dmin/",
            "/x/../admin/",
            "/x/%2e%2e/admin/",
            "/x/%2E./admin/",
            "/../admin/",
            "/../../admin/",
            "/admin/.",
            "/admin/x/..",
            "/admin;v=1/",
            "/;a/admin;b;c/;d",
            "/..;/admin/",
            "/x/..;v=1/admin/",
            "/x/%2e%2e%3bv/admin/",
            "/%2fadmin%2F",
            "\\admin\\",
            "/x\\..\\admin/",
            "/%5cadmin%5C",
            "/admin/%00",
            "/admin/%00/../../x",
            "admin/",
            "/admin/;",
            "/%u0061dmin/",
            "/%U0061dmin%u002f",
            "/%25u0061dmin/",
            "/x/%c0%ae%c0%ae/admin/",
            "/%c0%afadmin%e0%80%af",
            "/%f0%80%81%a1dmin/",
            "/%c0%a561dmin/",
            "/admin./",
            "/admin%20/",
            "/admin.%20. /",
            "/admin.;v=1/",
            "/x/..%20/admin/",
        ] {
            assert_eq!(*normal(spelling.as_bytes()), *b"/admin/", "{spelling}");
        }
    }

    #[test]
    fn paths_that_differ_stay_different() {
        for (path, expected) in [
            ("/", "/"),
            ("", "/"),
            ("*", "*"),
            ("/*", "/*"),
            ("/admin", "/admin"),
            ("/ADMIN", "/ADMIN"),
            ("/a.b/..c/.d/...", "/a.b/..c/.d/..."),
            ("/a%20b", "/a b"),
            ("/%", "/%"),
            ("/%6", "/%6"),
            ("/%6g", "/%6g"),
            ("/%2", "/%2"),
            ("/a%23b", "/a#b"),
            ("/a%3fb", "/a?b"),
            ("/..", "/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/./b", "/a/b"),
            ("/a+b", "/a+b"),
            ("/a.", "/a"),
            ("//./x..", "/x"),
            ("/...", "/..."),
            ("/%20", "/ "),
            ("/a%20/b", "/a/b"),
            ("/%c0", "/\u{c0}"),
            ("/%c2%ae", "/\u{c2}\u{ae}"),
            ("/%e0%82%80", "/\u{e0}\u{82}\u{80}"),
            ("/%u0161", "/%u0161"),
        ] {
            let expected: Vec<u8> = expected.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
            assert_eq!(*normal(path.as_bytes()), *expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(path in "(/|%2f|\\\\|[a.;%0-9u ]|%2e|%25|%00|%|%c0|%af|%80|%e0|%f0|%20){0,24}") {
            let once = normal(path.as_bytes());
            prop_assert_eq!(normal(&once), once.clone(), "{}", path);
            prop_assert_eq!(once[0], b'/');
            prop_assert!(!once.windows(2).any(|w| w == b"//"));
            let segments: Vec<&[u8]> = once.split(|b| *b == b'/').collect();
            prop_assert!(!segments.iter().any(|s| matches!(*s, b"." | b"..")));
        }

        #[test]
        fn any_bytes_have_a_normal_form(path in proptest::collection::vec(any::<u8>(), 0..64)) {
            let once = normal(&path);
            prop_assert_eq!(normal(&once), once.clone());
        }
    }
}
