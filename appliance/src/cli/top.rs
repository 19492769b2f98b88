//! `evenkeel top`: a node as it is now, in a terminal: virtual routers, frontends and servers with what they do per second.
//!
//! | module | what it is |
//! |---|---|
//! | `rates` | from two status documents to numbers per second |
//! | `screen` | from these to a screen |

mod rates;
mod screen;

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hyper::Method;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Terminal, backend::TestBackend};

use super::control::{self, Answer};
use super::docs::print;
use super::{TopArgs, fail};
use crate::status::NodeStatus;
use rates::Rates;
use screen::Screen;

/// `evenkeel top [--delay SECONDS] [--once]`.
pub(super) fn top(args: &TopArgs) -> ExitCode {
    let path = args.runtime_dir.join(crate::keeper::CONTROL_SOCKET);
    let every = Duration::from_secs_f64(args.delay.clamp(MIN_DELAY, MAX_DELAY));
    if args.once || !io::stdout().is_terminal() {
        return once(&path, every);
    }
    let first = match Seen::look(&path) {
        Ok(seen) => seen,
        Err(why) => return fail(&why),
    };
    let mut terminal = match ratatui::try_init() {
        Ok(terminal) => terminal,
        Err(e) => return fail(&e),
    };
    let ended = watch(&mut terminal, &path, every, first);
    // Whatever happened, the terminal is given back as it was.
    let restored = ratatui::try_restore();
    match ended.and(restored) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e),
    }
}

/// A node at a moment.
#[derive(Debug)]
struct Seen {
    at: Instant,
    status: NodeStatus,
}

impl Seen {
    fn look(path: &Path) -> io::Result<Self> {
        let answer = control::ask(path, Method::GET, "/status", ANSWER_LIMIT).map_err(io::Error::other)?;
        match answer {
            Answer { status, body } if status.is_success() => {
                let status = serde_json::from_slice(&body)?;
                Ok(Self { at: Instant::now(), status })
            }
            refused => Err(refused.refusal()),
        }
    }

    fn rates(&self, before: &Self) -> Rates {
        Rates::between(&before.status, &self.status, self.at.saturating_duration_since(before.at))
    }
}

/// One screen, as text.
fn once(path: &Path, every: Duration) -> ExitCode {
    let looked = Seen::look(path).and_then(|first| {
        std::thread::sleep(every);
        Ok((Seen::look(path)?, first))
    });
    let (seen, first) = match looked {
        Ok(looked) => looked,
        Err(why) => return fail(&why),
    };
    let rates = seen.rates(&first);
    let mut screen = Screen::default();
    let Ok(mut terminal) = Terminal::new(TestBackend::new(ONCE_WIDTH, screen::height(&seen.status)));
    let Ok(_drawn) = terminal.draw(|frame| screen.draw(frame, &seen.status, &rates, None));
    print(screen::text(terminal.backend().buffer()).as_bytes())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most keys and events mean nothing here")]
fn watch(terminal: &mut DefaultTerminal, path: &Path, every: Duration, first: Seen) -> io::Result<()> {
    let (mut before, mut seen, mut trouble) = (None::<Seen>, first, None::<String>);
    let mut screen = Screen::default();
    let mut due = seen.at + every;
    loop {
        let rates = before.as_ref().map(|before| seen.rates(before)).unwrap_or_default();
        terminal.draw(|frame| screen.draw(frame, &seen.status, &rates, trouble.as_deref()))?;
        while event::poll(due.saturating_duration_since(Instant::now()))? {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                    KeyCode::Char('s') => screen.sort(),
                    KeyCode::Down | KeyCode::Char('j') => screen.scroll(1),
                    KeyCode::Up | KeyCode::Char('k') => screen.scroll(-1),
                    KeyCode::PageDown => screen.scroll(10),
                    KeyCode::PageUp => screen.scroll(-10),
                    KeyCode::Home => screen.scroll(isize::MIN),
                    _ => continue,
                },
                Event::Resize(..) => {}
                _ => continue,
            }
            terminal.draw(|frame| screen.draw(frame, &seen.status, &rates, trouble.as_deref()))?;
        }
        due = Instant::now() + every;
        match Seen::look(path) {
            Ok(now) => {
                before = Some(std::mem::replace(&mut seen, now));
                trouble = None;
            }
            Err(why) => trouble = Some(why.to_string()),
        }
    }
}

const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// In seconds.
const MIN_DELAY: f64 = 0.2;
const MAX_DELAY: f64 = 3600.0;

const ONCE_WIDTH: u16 = 110;
