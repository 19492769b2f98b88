//! `errorfile`: full responses, read and checked at load, since they are sent as they are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::environment::{External, FetchError, Privacy};
use crate::config::keys::Key;
use crate::config::model::ErrorResponses;
use crate::config::read::{Node, Reader, shown};
use crate::config::source::Spanned;

/// Reads all files of a table from status codes to paths. `limit` is `bufsize`.
pub(super) fn errorfiles(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    limit: usize,
) -> Option<ErrorResponses> {
    let Some(entries) = node.entries() else {
        cx.wrong_type(key, node, Some("errorfile = { 503 = \"errors/503.http\" }".to_owned()));
        return None;
    };
    let mut files = BTreeMap::new();
    for (code, node) in entries {
        let path = node.value.as_str().map(|p| Spanned::new(p.to_owned(), node.span));
        if path.is_none() {
            let message = format!("errorfile: the path for {} must be a string", shown(code.value));
            cx.push(Diagnostic::error(Code::WrongType, node.span, message));
        }
        if let (Some(code), Some(path)) = (status(cx, code), path)
            && let Some(response) = read(cx, code, &path, limit)
        {
            files.insert(code, response);
        }
    }
    Some(files)
}

fn status(cx: &mut Reader<'_>, code: Spanned<&str>) -> Option<u16> {
    let number = code.value.parse::<u16>().ok().filter(|n| GENERATED.contains(n));
    if number.is_none() {
        let all: Vec<String> = GENERATED.iter().map(u16::to_string).collect();
        let message = format!("errorfile: {} is not a status the proxy generates", shown(code.value));
        cx.push(
            Diagnostic::error(Code::Errorfile, code.span, message)
                .help(format!("statuses: {}", all.join(", "))),
        );
    }
    number
}

fn read(cx: &mut Reader<'_>, code: u16, path: &Spanned<String>, limit: usize) -> Option<Arc<[u8]>> {
    let file = External::File(PathBuf::from(&path.value));
    match cx.externals.fetch(&file, Privacy::Public, limit as u64) {
        Ok(bytes) => match check(&bytes, code) {
            Ok(()) => Some(bytes.into()),
            Err(why) => {
                let message = format!("errorfile {}: {why}", shown(&path.value));
                cx.push(Diagnostic::error(Code::Errorfile, path.span, message));
                None
            }
        },
        Err(FetchError::Unreadable(why)) => {
            cx.push(Diagnostic::error(
                Code::Unreadable,
                path.span,
                format!("cannot read the errorfile: {why}"),
            ));
            None
        }
        // Only secrets are refused for their permissions.
        Err(FetchError::Exposed(_)) => None,
    }
}

/// Whether the bytes are a full HTTP/1 response (RFC 9112 §2.1, §4) with this status.
fn check(bytes: &[u8], code: u16) -> Result<(), String> {
    let end = find(bytes, b"\r\n\r\n");
    let Some(end) = end else {
        let unix = find(bytes, b"\n\n").is_some();
        let why =
            if unix { "lines must end with CR LF, not LF alone" } else { "no empty line ends the header" };
        return Err(why.to_owned());
    };
    let (head, body) = (bytes.get(..end).unwrap_or(&[]), bytes.get(end + 4..).unwrap_or(&[]));
    let head = std::str::from_utf8(head).map_err(|_| "the header is not text".to_owned())?;
    let mut lines = head.split("\r\n");
    status_line(lines.next().unwrap_or(""), code)?;
    for line in lines {
        field(line, body.len())?;
    }
    Ok(())
}

fn status_line(line: &str, code: u16) -> Result<(), String> {
    let rest = line.strip_prefix("HTTP/1.0 ").or_else(|| line.strip_prefix("HTTP/1.1 "));
    let rest = rest.ok_or_else(|| format!("the first line must be `HTTP/1.1 {code} REASON`"))?;
    let (status, _) = rest.split_once(' ').unwrap_or((rest, ""));
    if status == code.to_string() && !rest.contains(|c: char| c.is_control() && c != '\t') {
        Ok(())
    } else {
        Err(format!("the first line must have status {code}, not {}", shown(status)))
    }
}

fn field(line: &str, body: usize) -> Result<(), String> {
    let (name, value) =
        line.split_once(':').ok_or_else(|| format!("{} is not a header line", shown(line)))?;
    if !crate::config::value::is_token(name) || !crate::config::value::is_field_value(value) {
        return Err(format!("{} is not a header line", shown(line)));
    }
    if name.eq_ignore_ascii_case("transfer-encoding") {
        return Err("a Transfer-Encoding is not possible: the body is sent as it is".to_owned());
    }
    if name.eq_ignore_ascii_case("content-length") && value.trim() != body.to_string() {
        return Err(format!("Content-Length is {}, the body has {body} bytes", shown(value.trim())));
    }
    Ok(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// The statuses HAProxy generates and replaces (`errorfile`).
pub(super) const GENERATED: &[u16] = &[
    200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 414, 421, 422, 425, 429, 431, 500, 501, 502, 503, 504,
];

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn responses() {
        for good in [
            "HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<h1>",
            "HTTP/1.1 503 X\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 503\r\n\r\n",
        ] {
            assert_eq!(check(good.as_bytes(), 503), Ok(()), "{good:?}");
        }
        for (bad, why) in [
            ("", "no empty line ends the header"),
            ("HTTP/1.0 503 X\n\nbody", "lines must end with CR LF, not LF alone"),
            ("HTTP/1.0 503 X\r\nA: b\r\n", "no empty line ends the header"),
            ("<html>\r\n\r\n", "the first line must be `HTTP/1.1 503 REASON`"),
            ("HTTP/2 503 X\r\n\r\n", "the first line must be `HTTP/1.1 503 REASON`"),
            ("HTTP/1.1 500 X\r\n\r\n", "the first line must have status 503, not `500`"),
            ("HTTP/1.1 503 X\r\nnonsense\r\n\r\n", "`nonsense` is not a header line"),
            ("HTTP/1.1 503 X\r\nA : b\r\n\r\n", "`A : b` is not a header line"),
            ("HTTP/1.1 503 X\r\nA: b\nC: d\r\n\r\n", "`A: b\\nC: d` is not a header line"),
            ("HTTP/1.1 503 X\r\nContent-Length: 3\r\n\r\nab", "Content-Length is `3`, the body has 2 bytes"),
            (
                "HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "a Transfer-Encoding is not possible: the body is sent as it is",
            ),
        ] {
            assert_eq!(check(bad.as_bytes(), 503), Err(why.to_owned()), "{bad:?}");
        }
        assert_eq!(check(b"HTTP/1.1 503 \xff\r\n\r\n", 503), Err("the header is not text".to_owned()));
    }
}
