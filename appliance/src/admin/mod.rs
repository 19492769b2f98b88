//! The admin socket: HAProxy's language for operators and their tools. The keeper makes the socket, the worker serves
//! it.
//!
//! | module | what it is |
//! |---|---|
//! | `line` | a line of input to commands and their words |
//! | `acl`, `map` | lists and maps, and what they have in common: `entry` |
//! | `commands` | the one table of commands: words, help, who may |
//! | `errors` | messages that could not be read |
//! | [`node`] | what the keeper adds to the metrics |
//! | `server` | what is done to servers |
//! | `sessions` | connections of clients: shown, and ended |
//! | `set` | what is done to everything else |
//! | `show` | what is shown |
//! | [`socket`] | connections |
//! | `ssl` | certificates: shown, and replaced |

mod acl;
mod commands;
mod entry;
mod errors;
mod line;
mod map;
pub mod node;
pub mod panel;
mod server;
mod sessions;
mod set;
mod show;
pub mod socket;
mod ssl;
mod table;
#[cfg(test)]
mod tests;

pub use server::find;

use std::time::Duration;

use evenkeel_proxy::io::sight::Sight;
use ssl::Ongoing;

/// What a client of the socket may do. Each may what the ones before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Level {
    /// See what is harmless.
    User,
    /// See everything, and set the largest numbers back.
    Operator,
    /// Everything.
    Admin,
}

impl Level {
    /// HAProxy's names, in their order.
    pub const NAMES: [&'static str; 3] = ["user", "operator", "admin"];

    /// The level of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::User, Self::Operator, Self::Admin].into_iter().find(|level| level.as_str() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// One client's conversation.
#[derive(Debug, Clone)]
pub struct Session {
    level: Level,
    /// The client types: it is asked for more after each answer.
    interactive: bool,
    /// How long it may be silent.
    timeout: Duration,
    /// Where it came in, and what whoever comes there may do.
    socket: (String, Level),
    /// The payload that it is in the middle of.
    payload: Option<Payload>,
    ongoing: Ongoing,
}

/// A command whose payload is still coming.
#[derive(Debug, Clone)]
struct Payload {
    line: String,
    /// The line that ends it.
    end: String,
    text: String,
}

/// What comes of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the client gets.
    pub text: String,
    /// Whether the connection ends then.
    pub close: bool,
}

/// What a command comes to.
enum Outcome {
    /// This is shown; each line of it ends.
    Shown(String),
    /// This is said.
    Said(String),
    /// It is done, and there is nothing to say about it.
    Done,
    /// The conversation ends.
    Quit,
}

/// An error, as it is said.
impl From<&str> for Outcome {
    fn from(text: &str) -> Self {
        Self::Said(text.to_owned())
    }
}

/// What a command has to work with.
struct Call<'a> {
    session: &'a mut Session,
    sight: &'a Sight,
    /// All words of the command.
    words: &'a [&'a str],
    /// What follows it, line by line.
    payload: Option<&'a str>,
}

impl Call<'_> {
    /// A word, by its position; empty: it is not there.
    fn word(&self, at: usize) -> &str {
        self.words.get(at).copied().unwrap_or_default()
    }
}

impl Session {
    /// With a client that has come in at `socket`.
    pub fn new(socket: String, level: Level, timeout: Duration) -> Self {
        let (payload, ongoing) = (None, Ongoing::default());
        Self { level, interactive: false, timeout, socket: (socket, level), payload, ongoing }
    }

    /// The same that knows what others have begun.
    #[must_use]
    fn beside(self, ongoing: &Ongoing) -> Self {
        Self { ongoing: Ongoing::clone(ongoing), ..self }
    }

    /// How long the client may be silent.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether the client stays.
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Carries out a line, or takes it for a part of the payload of an earlier one, which is carried out with its end.
    pub fn handle_line(&mut self, sight: &Sight, text: &str) -> Answer {
        if let Some(payload) = self.payload.take() {
            return self.go_on(sight, payload, text);
        }
        match line::payload(text) {
            None => self.carry_out(sight, text, None),
            Some((line, end)) => {
                self.payload =
                    Some(Payload { line: line.to_owned(), end: end.to_owned(), text: String::new() });
                self.more()
            }
        }
    }

    /// The client has said all it has to say. What it is told, if that is not enough.
    pub fn handle_end(&mut self) -> Option<Answer> {
        let payload = self.payload.take()?;
        let expected = match payload.end.as_str() {
            "" => "an empty line".to_owned(),
            end => format!("a line `{end}`"),
        };
        let text = format!("The payload has no end: {expected} is expected. Nothing was done.\n\n");
        Some(Answer { text, close: true })
    }

    fn go_on(&mut self, sight: &Sight, mut payload: Payload, text: &str) -> Answer {
        let text = text.trim_end_matches(['\r', '\n']);
        if text == payload.end {
            return self.carry_out(sight, &payload.line, Some(&payload.text));
        }
        if payload.text.len() + text.len() >= MOST_PAYLOAD {
            let text =
                format!("The payload is larger than {} KiB. Nothing was done.\n\n", MOST_PAYLOAD >> 10);
            return Answer { text, close: true };
        }
        payload.text.push_str(text);
        payload.text.push('\n');
        self.payload = Some(payload);
        self.more()
    }

    /// There is more of the payload to come.
    fn more(&self) -> Answer {
        let prompt = if self.interactive { MORE_PROMPT } else { "" };
        Answer { text: prompt.to_owned(), close: false }
    }

    /// The payload is the last command's.
    fn carry_out(&mut self, sight: &Sight, text: &str, payload: Option<&str>) -> Answer {
        let mut out = String::new();
        let was_interactive = self.interactive;
        let mut commands = line::commands(text).into_iter().peekable();
        while let Some(words) = commands.next() {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let payload = payload.filter(|_| commands.peek().is_none());
            let outcome = commands::run(self, sight, &words, payload);
            if matches!(outcome, Outcome::Quit) {
                return Answer { text: out, close: true };
            }
            self.write(&mut out, outcome);
        }
        Answer { text: out, close: !self.interactive && !was_interactive }
    }

    fn write(&self, out: &mut String, outcome: Outcome) {
        match outcome {
            Outcome::Shown(text) => out.push_str(&text),
            Outcome::Said(text) => {
                out.push_str(&text);
                if !text.ends_with('\n') {
                    out.push('\n');
                }
            }
            Outcome::Done | Outcome::Quit => {}
        }
        out.push('\n');
        if self.interactive {
            out.push_str(PROMPT);
        }
    }
}

const PROMPT: &str = "> ";
const MORE_PROMPT: &str = "+ ";
/// A chain of certificates is some kilobytes, a map some hundreds of them.
const MOST_PAYLOAD: usize = 1 << 20;
