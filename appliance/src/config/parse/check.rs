//! How servers are checked: `httpchk` and `check`, to the steps of a script.

use std::sync::Arc;

use evenkeel_proxy::plan::{Action, CheckHello, Connect, HttpCheck, Protocol, Script, Step};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::settings::HowChecked;
use crate::config::source::{Span, Spanned};
use crate::config::value::{self, Bad};

mod expect;
mod http;
mod protocol;

use expect::Expectation;
pub(super) use http::httpchk;

/// Checks by this request alone.
pub(super) fn by_request(request: HttpCheck) -> HowChecked {
    HowChecked::By(Arc::new(Script::of([Action::Http(request)])))
}

/// `true`, `false` or steps. With `httpchk` the request is there already.
pub(super) fn check(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    httpchk: Option<&Spanned<HttpCheck>>,
) -> Option<HowChecked> {
    if let Some(on) = node.value.as_bool() {
        return Some(match (on, httpchk) {
            (false, _) => HowChecked::Off,
            (true, None) => HowChecked::By(Arc::default()),
            (true, Some(http)) => by_request(http.value.clone()),
        });
    }
    let Some(nodes) = node.elements() else {
        cx.wrong_type(
            key,
            node,
            Some("check = [{ send = { uri = \"/health\" } }, { expect = { status = 200 } }]".to_owned()),
        );
        return None;
    };
    let mut steps = Steps::new(httpchk);
    for (number, node) in (1u16..).zip(nodes) {
        steps.number = number;
        if let Some(said) = step(cx, node) {
            steps.add(cx, said, node.span);
        }
    }
    Some(HowChecked::By(Arc::new(steps.script)))
}

/// The script as it grows.
struct Steps {
    script: Script,
    /// The request is `httpchk`.
    httpchk: bool,
    number: u16,
    spoken: Spoken,
}

/// What was last said on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    /// Nothing.
    Nothing,
    /// An HTTP request: the last step, which expectations join.
    Http,
    /// Text that ends without a newline, here.
    Unended(Span),
    /// Other bytes.
    Bytes,
    /// A protocol, which has judged for itself.
    Protocol,
}

/// One step as it was written.
struct Said {
    what: What,
    comment: Option<String>,
}

enum What {
    Connect(Connect),
    /// Text, and whether it may end without a newline.
    Text(Spanned<String>, bool),
    Binary(Vec<u8>),
    Request(Box<HttpCheck>),
    Expect(Box<Expectation>),
    Protocol(Protocol),
}

impl Steps {
    fn new(httpchk: Option<&Spanned<HttpCheck>>) -> Self {
        let script = Script::of(httpchk.map(|http| Action::Http(http.value.clone())));
        let spoken = if httpchk.is_some() { Spoken::Http } else { Spoken::Nothing };
        Self { script, httpchk: httpchk.is_some(), number: 0, spoken }
    }

    fn add(&mut self, cx: &mut Reader<'_>, said: Said, at: Span) {
        if self.httpchk && !matches!(said.what, What::Expect(_)) {
            let message = "`httpchk` is the request: there is only `expect` beside it";
            cx.push(Diagnostic::error(Code::CheckSteps, at, message));
            return;
        }
        let action = match said.what {
            What::Expect(expectation) => return self.expect(cx, *expectation, said.comment, at),
            What::Connect(connect) => {
                self.spoken = Spoken::Nothing;
                Action::Connect(connect)
            }
            What::Text(text, raw) => {
                let ended = raw || text.value.ends_with('\n');
                self.spoken = if ended { Spoken::Bytes } else { Spoken::Unended(text.span) };
                Action::Send(text.value.into_bytes())
            }
            What::Binary(bytes) => {
                self.spoken = Spoken::Bytes;
                Action::Send(bytes)
            }
            What::Request(request) => {
                self.spoken = Spoken::Http;
                Action::Http(*request)
            }
            What::Protocol(protocol) => {
                if !matches!(self.spoken, Spoken::Nothing) {
                    let message = "a protocol is spoken on a connection of its own";
                    cx.push(
                        Diagnostic::error(Code::CheckSteps, at, message)
                            .help("before it: { connect = true }"),
                    );
                }
                self.spoken = Spoken::Protocol;
                Action::Protocol(protocol)
            }
        };
        self.script.steps.push(Step { number: self.number, comment: said.comment, action });
    }

    fn expect(&mut self, cx: &mut Reader<'_>, expectation: Expectation, comment: Option<String>, at: Span) {
        match self.spoken {
            Spoken::Protocol => {
                let message = "a protocol judges for itself: there is nothing left to expect";
                cx.push(Diagnostic::error(Code::CheckSteps, at, message));
            }
            Spoken::Http => {
                let expect = expectation.of_http(cx, comment);
                if let Some(Step { action: Action::Http(check), .. }) = self.script.steps.last_mut() {
                    check.expect.extend(expect);
                }
            }
            Spoken::Nothing | Spoken::Bytes | Spoken::Unended(_) => {
                if let Spoken::Unended(sent) = self.spoken
                    && expectation.is_text()
                {
                    let message = "a text is expected in answer to one that ends without a newline: most servers wait for it";
                    let help = "\"…\\r\\n\"; or, if the server takes it as it is, `raw = true` beside `send`";
                    let d = Diagnostic::error(Code::CheckSteps, sent, message).help(help);
                    cx.push(d.related(at, "the answer is expected here"));
                    self.spoken = Spoken::Bytes;
                }
                if let Some(expect) = expectation.of_bytes(cx) {
                    let action = Action::Expect(expect);
                    self.script.steps.push(Step { number: self.number, comment, action });
                }
            }
        }
    }
}

fn step(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Said> {
    let mut t = Fields::of(cx, &keys::CHECK_STEP, node.key, node)?;
    let connect = t.read(cx, "connect", connect).map(What::Connect);
    let raw = t.read(cx, "raw", Reader::bool);
    let may_be_raw = raw.is_some_and(|r| r.value);
    let sent = t.read(cx, "send", |cx, key, node| {
        if node.value.as_table().is_some() {
            return http::send(cx, node).map(|request| What::Request(Box::new(request)));
        }
        cx.text(key, node).map(|text| What::Text(text, may_be_raw))
    });
    let binary = t.read(cx, "send_binary", |cx, key, node| cx.parsed(key, node, hex));
    let binary = binary.map(|b| What::Binary(b.value));
    let expect = t.read(cx, "expect", |cx, _, node| expect::expect(cx, node, 0));
    let expect = expect.map(|e| What::Expect(Box::new(e)));
    let mysql = t.read(cx, "mysql", protocol::mysql);
    let redis = t.read(cx, "redis", |cx, key, node| protocol::plain(cx, key, node, Protocol::Redis));
    let pgsql = t.read(cx, "pgsql", protocol::pgsql);
    let smtp = t.read(cx, "smtp", protocol::smtp);
    let ldap = t.read(cx, "ldap", |cx, key, node| protocol::plain(cx, key, node, Protocol::Ldap));
    let ssl_hello = t.read(cx, "ssl_hello", protocol::ssl_hello);
    let spoken = mysql.or(redis).or(pgsql).or(smtp).or(ldap).or(ssl_hello).map(What::Protocol);
    let comment = t.read(cx, "comment", Reader::text).map(|c| c.value);
    let said = ACTIONS.into_iter().filter(|k| t.has(k)).count();
    let raw_alone = t.has("raw") && !matches!(sent, Some(What::Text(..)));
    t.finish(cx);
    if said != 1 {
        let message = match said {
            0 => "a step does nothing".to_owned(),
            _ => "a step does one thing; make several of it".to_owned(),
        };
        let help = format!("a step has one of `{}`", ACTIONS.join("`, `"));
        cx.push_absence(Diagnostic::error(Code::CheckSteps, node.span, message).help(help));
        return None;
    }
    if raw_alone {
        let message = "`raw` stands beside a `send` of text";
        cx.push(Diagnostic::error(Code::CheckSteps, node.span, message));
    }
    let what = connect.or(sent).or(binary).or(expect).or(spoken)?;
    Some(Said { what, comment })
}

fn connect(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Connect> {
    if protocol::is_plain(cx, key, node)? {
        return Some(Connect::default());
    }
    let mut t = Fields::of(cx, &keys::CONNECT, node.key, node)?;
    let port = t.read(cx, "port", Reader::int).map(|p| p.value);
    let addr = t.read(cx, "addr", |cx, key, node| cx.address(key, node, value::ip)).map(|a| a.value);
    let linger = t.read(cx, "linger", Reader::bool).is_some_and(|b| b.value);
    let ssl = t.read(cx, "ssl", Reader::bool);
    let sni = t.read(cx, "sni", Reader::text);
    let alpn = t.read(cx, "alpn", super::tls::alpn);
    let protocol = t.read(cx, "proto", Reader::word).map(|word| super::server::protocol(word.value));
    t.finish(cx);
    let asks = sni.is_some() || alpn.is_some();
    if let Some(ssl) = ssl.filter(|ssl| asks && !ssl.value) {
        let message = "`sni` and `alpn` are asked for inside TLS, and `ssl = false` is without";
        cx.push(Diagnostic::error(Code::BadCombination, ssl.span, message));
    }
    let hello = asks.then(|| CheckHello { sni: sni.map(|s| s.value), alpn });
    let tls = ssl.map(|s| s.value).or_else(|| asks.then_some(true));
    Some(Connect { addr, port, linger, tls, hello, protocol })
}

/// Bytes as hexadecimal digits, with blanks between them if wanted.
fn hex(text: &str) -> Result<Vec<u8>, Bad> {
    let bad = || Bad::new("is not bytes in hexadecimal digits").help("\"50494e470d0a\"");
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(bad());
    }
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    pairs.iter().map(byte).collect::<Option<_>>().ok_or_else(bad)
}

const ACTIONS: [&str; 10] =
    ["connect", "send", "send_binary", "expect", "mysql", "redis", "pgsql", "smtp", "ldap", "ssl_hello"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_hexadecimal_digits() {
        assert_eq!(hex("50 49 4e 47\n0D0a").unwrap(), b"PING\r\n");
        for bad in ["", " ", "5", "5g", "505", "ü0"] {
            assert!(hex(bad).is_err(), "{bad}");
        }
    }
}
