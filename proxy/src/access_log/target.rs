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
    /// What stands in front of a line.
    pub header: Header,
    /// Which access lines are written; `None`: all of them.
    pub sample: Option<Sample>,
}

impl LogTarget {
    /// All lines for `to`, as they usually go there.
    pub fn new(to: Destination) -> Self {
        let header = Header::usual(&to);
        Self {
            to,
            facility: Facility::LOCAL0,
            level: Level::Debug,
            tag: "evenkeel".into(),
            header,
            sample: None,
        }
    }
}

impl LogTarget {
    /// Whether its tag is in what it sends.
    pub fn has_tag(&self) -> bool {
        let in_header = matches!(self.header, Header::Local | Header::Rfc3164 | Header::Rfc5424);
        in_header || matches!(self.to, Destination::Journal(_))
    }
}

/// What stands in front of a line. Names and forms are HAProxy's (`log … format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Nothing.
    Raw,
    /// The level: `<6>`.
    Short,
    /// Facility and level: `<134>`.
    Priority,
    /// The level and a date with its milliseconds.
    Timed,
    /// The date alone.
    Iso,
    /// RFC 3164 §4.1 without the name of the machine, as local daemons expect it.
    Local,
    /// RFC 3164 §4.1.
    Rfc3164,
    /// RFC 5424 §6.
    Rfc5424,
}

impl Header {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Raw, "raw"),
        (Self::Short, "short"),
        (Self::Priority, "priority"),
        (Self::Timed, "timed"),
        (Self::Iso, "iso"),
        (Self::Local, "local"),
        (Self::Rfc3164, "rfc3164"),
        (Self::Rfc5424, "rfc5424"),
    ];

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(header, _)| *header)
    }

    /// What is expected at a destination.
    pub fn usual(to: &Destination) -> Self {
        match to {
            Destination::Stdout | Destination::Stderr | Destination::File(_) | Destination::Journal(_) => {
                Self::Raw
            }
            Destination::Unix(_) | Destination::Udp(_) => Self::Local,
            Destination::Tcp(_) => Self::Rfc5424,
        }
    }

    /// Whether lines of the same second have different ones.
    pub fn has_millis(self) -> bool {
        matches!(self, Self::Timed | Self::Iso | Self::Rfc5424)
    }
}

/// Some of a number of lines (HAProxy: `sample`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which, counted from 1: from, and up to.
    pub ranges: Vec<(u32, u32)>,
    /// Of how many.
    pub of: u32,
}

impl Sample {
    /// Whether the `n`-th line, counted from 0, is among them.
    pub fn takes(&self, n: u32) -> bool {
        let at = n.checked_rem(self.of).map_or(0, |n| n + 1);
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&at))
    }
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output, one line per record.
    Stdout,
    /// Standard error, likewise.
    Stderr,
    /// A file that is appended to, likewise.
    File(PathBuf),
    /// A syslog daemon's datagram socket, such as `/dev/log`.
    Unix(PathBuf),
    /// A syslog daemon over UDP.
    Udp(SocketAddr),
    /// A syslog daemon over TCP, each line with its length in front of it (RFC 6587 §3.4.1).
    Tcp(SocketAddr),
    /// The journal of systemd, at this socket, with what is known of a request in fields of its own.
    Journal(PathBuf),
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

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.get(usize::from(self as u8)).map_or("", |(_, name)| name)
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

    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The number in front of a syslog line: facility × 8 + level.
    pub fn priority(self, level: Level) -> u8 {
        self.0 * 8 + level as u8
    }
}
