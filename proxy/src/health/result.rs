//! What one check found. Names and texts are HAProxy's, which dashboards and log readers know.

use std::fmt;
use std::time::Duration;

use crate::plan::{ErrorStatus, OkStatus, TimeoutStatus};

/// Outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckStatus {
    /// Nothing is known.
    Unknown,
    /// No check has ended yet.
    Initializing,
    /// What was observed of requests counted as a failed check.
    HealthAnalyze,
    /// An agent answered without saying anything of the server's health.
    Checked,
    /// This machine could not make the check: no descriptor, port or memory was left. Says nothing about the server.
    SocketError,
    /// Connected; nothing more was asked.
    L4Ok,
    /// No connection in time.
    L4Timeout,
    /// Refused or unreachable.
    L4Connection,
    /// TLS established; nothing more was asked.
    L6Ok,
    /// No TLS handshake in time.
    L6Timeout,
    /// TLS handshake failed.
    L6Response,
    /// The response is what was expected.
    L7Ok,
    /// The response is the one by which the server says that it wants no new work.
    L7OkConditional,
    /// No full response in time.
    L7Timeout,
    /// The response is malformed, or its content is not what was expected.
    L7Response,
    /// The response has a status that was not expected.
    L7Status,
}

/// What a check says about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Pass,
    /// It does not.
    Fail,
    /// Nothing.
    Inconclusive,
}

/// One check's outcome with its details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Outcome.
    pub status: CheckStatus,
    /// Status code of the response, if there was one.
    pub code: Option<u16>,
    /// More about it: printable, at most 127 bytes.
    pub info: Option<Info>,
    /// How long the check took.
    pub duration: Duration,
}

/// A short remark that may contain words of the server: printable ASCII without double quotes, at most 127 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info(String);

impl CheckStatus {
    /// All outcomes.
    pub const ALL: [Self; 16] = [
        Self::Unknown,
        Self::Initializing,
        Self::HealthAnalyze,
        Self::Checked,
        Self::SocketError,
        Self::L4Ok,
        Self::L4Timeout,
        Self::L4Connection,
        Self::L6Ok,
        Self::L6Timeout,
        Self::L6Response,
        Self::L7Ok,
        Self::L7OkConditional,
        Self::L7Timeout,
        Self::L7Response,
        Self::L7Status,
    ];

    /// HAProxy's short name, such as `L4CON`.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// HAProxy's description, such as `Layer4 connection problem`.
    pub fn description(self) -> &'static str {
        self.words().1
    }

    /// The outcome of that short name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// What it says about the server.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::L4Ok | Self::L6Ok | Self::L7Ok | Self::L7OkConditional => Verdict::Pass,
            Self::Unknown | Self::Initializing | Self::Checked | Self::SocketError => Verdict::Inconclusive,
            Self::HealthAnalyze
            | Self::L4Timeout
            | Self::L4Connection
            | Self::L6Timeout
            | Self::L6Response
            | Self::L7Timeout
            | Self::L7Response
            | Self::L7Status => Verdict::Fail,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Unknown => ("UNK", "Unknown"),
            Self::Initializing => ("INI", "Initializing"),
            Self::HealthAnalyze => ("HANA", "Health analyze"),
            Self::Checked => ("CHECKED", "No status change"),
            Self::SocketError => ("SOCKERR", "Socket error"),
            Self::L4Ok => ("L4OK", "Layer4 check passed"),
            Self::L4Timeout => ("L4TOUT", "Layer4 timeout"),
            Self::L4Connection => ("L4CON", "Layer4 connection problem"),
            Self::L6Ok => ("L6OK", "Layer6 check passed"),
            Self::L6Timeout => ("L6TOUT", "Layer6 timeout"),
            Self::L6Response => ("L6RSP", "Layer6 invalid response"),
            Self::L7Ok => ("L7OK", "Layer7 check passed"),
            Self::L7OkConditional => ("L7OKC", "Layer7 check conditionally passed"),
            Self::L7Timeout => ("L7TOUT", "Layer7 timeout"),
            Self::L7Response => ("L7RSP", "Layer7 invalid response"),
            Self::L7Status => ("L7STS", "Layer7 wrong status"),
        }
    }
}

impl From<OkStatus> for CheckStatus {
    fn from(status: OkStatus) -> Self {
        match status {
            OkStatus::L7Ok => Self::L7Ok,
            OkStatus::L7OkConditional => Self::L7OkConditional,
            OkStatus::L6Ok => Self::L6Ok,
            OkStatus::L4Ok => Self::L4Ok,
        }
    }
}

impl From<ErrorStatus> for CheckStatus {
    fn from(status: ErrorStatus) -> Self {
        match status {
            ErrorStatus::L7OkConditional => Self::L7OkConditional,
            ErrorStatus::L7Response => Self::L7Response,
            ErrorStatus::L7Status => Self::L7Status,
            ErrorStatus::L6Response => Self::L6Response,
            ErrorStatus::L4Connection => Self::L4Connection,
        }
    }
}

impl From<TimeoutStatus> for CheckStatus {
    fn from(status: TimeoutStatus) -> Self {
        match status {
            TimeoutStatus::L7Timeout => Self::L7Timeout,
            TimeoutStatus::L6Timeout => Self::L6Timeout,
            TimeoutStatus::L4Timeout => Self::L4Timeout,
        }
    }
}

impl CheckResult {
    /// An outcome with nothing more to say, zero long.
    pub fn new(status: CheckStatus) -> Self {
        Self { status, code: None, info: None, duration: Duration::ZERO }
    }

    /// With a remark.
    #[must_use]
    pub fn with_info(mut self, bytes: &[u8]) -> Self {
        self.info = Info::new(bytes);
        self
    }

    /// With the status code of the response.
    #[must_use]
    pub fn with_code(mut self, code: u16) -> Self {
        self.code = Some(code);
        self
    }

    /// With its duration.
    #[must_use]
    pub fn taking(mut self, duration: Duration) -> Self {
        self.duration = duration;
        self
    }
}

/// As in HAProxy's state change lines: `Layer7 wrong status, code: 500, info: "Oops", check duration: 3ms`.
impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.status.description())?;
        if let Some(code) = self.code {
            write!(f, ", code: {code}")?;
        }
        if let Some(info) = &self.info {
            write!(f, ", info: \"{}\"", info.as_str())?;
        }
        // What was observed took no time of its own.
        if self.status == CheckStatus::HealthAnalyze {
            return Ok(());
        }
        write!(f, ", check duration: {}ms", self.duration.as_millis())
    }
}

impl Info {
    /// Takes what is printable of `bytes`; a dot stands for each byte that is not. `None` if nothing is there.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let text: String = bytes.trim_ascii().iter().take(LONGEST_INFO).map(|&b| printable(b)).collect();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The remark.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn printable(byte: u8) -> char {
    match byte {
        b'"' => '\'',
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }
}

/// HAProxy's length; a server must not fill logs and snapshots with more.
const LONGEST_INFO: usize = 127;
