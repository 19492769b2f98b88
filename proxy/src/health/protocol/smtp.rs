//! SMTP: greeting, `HELO` or `EHLO`, `QUIT` (RFC 5321 §3.1, §3.2, §3.8).

use super::{Heard, invalid};
use crate::health::result::{CheckResult, CheckStatus};

/// Where the dialogue is.
#[derive(Debug)]
pub(in crate::health) struct Smtp {
    hello: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Greeting,
    Hello,
    /// What was answered to the hello, for a server that does not answer `QUIT`.
    Quit(CheckResult),
}

impl Smtp {
    pub(super) fn new(hello: &str) -> Self {
        Self { hello: format!("{hello}\r\n").into_bytes(), stage: Stage::Greeting }
    }

    pub(super) fn hear(&mut self, received: &[u8], last: bool) -> Heard {
        let (reply, heard) = match reply(received) {
            Reply::Unfinished => {
                return match &self.stage {
                    Stage::Quit(result) if last => Heard::Over(Box::new(result.clone()), Vec::new()),
                    Stage::Greeting | Stage::Hello | Stage::Quit(_) => Heard::More,
                };
            }
            Reply::Malformed => return invalid(&String::from_utf8_lossy(first_line(received))),
            Reply::Whole(code, text, heard) => {
                let status =
                    if (200..300).contains(&code) { CheckStatus::L7Ok } else { CheckStatus::L7Status };
                (CheckResult::new(status).with_code(code).with_info(text), heard)
            }
        };
        if reply.status != CheckStatus::L7Ok {
            return Heard::Over(Box::new(reply), QUIT.to_vec());
        }
        match &self.stage {
            Stage::Greeting => {
                self.stage = Stage::Hello;
                Heard::Say(self.hello.clone(), heard)
            }
            Stage::Hello => {
                self.stage = Stage::Quit(reply);
                Heard::Say(QUIT.to_vec(), heard)
            }
            Stage::Quit(_) => Heard::Over(Box::new(reply), Vec::new()),
        }
    }
}

/// What was received as a reply.
enum Reply<'a> {
    Unfinished,
    Malformed,
    /// Its code, the text of its first line, and its length.
    Whole(u16, &'a [u8], usize),
}

/// RFC 5321 §4.2.1: `250-first`, …, `250 last`, all of one code.
fn reply(received: &[u8]) -> Reply<'_> {
    let mut rest = received;
    let mut first: Option<(u16, &[u8])> = None;
    loop {
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return if could_begin(rest) { Reply::Unfinished } else { Reply::Malformed };
        };
        let (line, after) = rest.split_at(end);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some((code, more, text)) = split(line) else { return Reply::Malformed };
        if first.is_some_and(|(c, _)| c != code) {
            return Reply::Malformed;
        }
        let (code, text) = *first.get_or_insert((code, text));
        if !more {
            return Reply::Whole(code, text, received.len() - after.len() + 1);
        }
        rest = after.get(1..).unwrap_or_default();
    }
}

/// Code, whether more lines follow, and text of one line.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let [a, b, c, rest @ ..] = line else { return None };
    let code = [a, b, c]
        .into_iter()
        .try_fold(0u16, |code, digit| digit.is_ascii_digit().then(|| code * 10 + u16::from(digit - b'0')))?;
    match rest {
        [] => Some((code, false, rest)),
        [b' ', text @ ..] => Some((code, false, text)),
        [b'-', text @ ..] => Some((code, true, text)),
        [..] => None,
    }
}

/// Whether these can become a line of a reply: what speaks another protocol is not waited for.
fn could_begin(bytes: &[u8]) -> bool {
    bytes.iter().zip(0..).all(|(byte, at)| match at {
        0..3 => byte.is_ascii_digit(),
        3 => matches!(byte, b' ' | b'-' | b'\r'),
        _ => true,
    })
}

fn first_line(received: &[u8]) -> &[u8] {
    received.split(|&b| b == b'\n').next().unwrap_or_default()
}

const QUIT: &[u8] = b"QUIT\r\n";
