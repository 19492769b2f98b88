//! Where log lines can go, as the configuration says it. The loader lowers to these; `io::log_sink` opens them.

use std::net::SocketAddr;
use std::path::PathBuf;

/// One place that gets log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogTarget {
    /// Where lines go.
    pub to: Destination,
    /// Syslog facility; matters to syslog destinations only.
    pub facility: Facility,
    /// Least urgent level that is written: a maximum, as HAProxy's. Access lines are [`Level::Info`].
    pub level: Level,
    /// Program name in syslog headers.
    pub tag: String,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output, one line per record without a header.
    Stdout,
    /// Standard error, likewise.
    Stderr,
    /// A file that is appended to, likewise.
    File(PathBuf),
    /// A syslog daemon's datagram socket, such as `/dev/log`.
    Unix(PathBuf),
    /// A syslog daemon over UDP.
    Udp(SocketAddr),
}

/// Urgency, most urgent first. Values are syslog's (RFC 5424 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing works.
    Emerg = 0,
    /// To be acted on at once.
    Alert = 1,
    /// A critical condition.
    Crit = 2,
    /// An error.
    Err = 3,
    /// A warning.
    Warning = 4,
    /// Normal but worth a look.
    Notice = 5,
    /// Traffic.
    Info = 6,
    /// For developers.
    Debug = 7,
}

/// Who a line comes from. Values are syslog's (RFC 5424 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Facility(u8);

impl Level {
    /// All levels with their names, most urgent first.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Emerg, "emerg"),
        (Self::Alert, "alert"),
        (Self::Crit, "crit"),
        (Self::Err, "err"),
        (Self::Warning, "warning"),
        (Self::Notice, "notice"),
        (Self::Info, "info"),
        (Self::Debug, "debug"),
    ];

    /// The level of that name, as HAProxy spells it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(level, _)| *level)
    }

    /// The level of that number.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).map(|(level, _)| *level)
    }
}

impl Facility {
    /// Names in the order of their numbers; those of the same number that syslog daemons share are HAProxy's.
    pub const NAMES: [&'static str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp",
        "ntp", "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4", "local5",
        "local6", "local7",
    ];

    /// `local0`, as HAProxy's examples use.
    pub const LOCAL0: Self = Self(16);

    /// The facility of that name.
    pub fn named(name: &str) -> Option<Self> {
        let position = Self::NAMES.iter().position(|n| *n == name)?;
        u8::try_from(position).ok().map(Self)
    }

    /// The number in front of a syslog line: facility × 8 + level.
    pub fn priority(self, level: Level) -> u8 {
        self.0 * 8 + level as u8
    }
}
