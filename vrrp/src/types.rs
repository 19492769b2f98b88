//! The numbers of the protocol, each as a type that can only hold what the protocol allows.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Virtual router identifier, 1–255. Scoped to one interface and one address family (RFC 9568 §5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// `None` for 0, which the protocol does not allow.
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(v) => Some(Self(v)),
            None => None,
        }
    }

    /// The value as it stands on the wire.
    pub const fn value(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Election priority as it stands in an advertisement, 0–255 (RFC 9568 §5.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Priority(u8);

impl Priority {
    /// "I stop taking part": the sender releases mastership.
    pub const RELEASE: Self = Self(0);
    /// The least priority that still takes part.
    pub const MIN: Self = Self(1);
    /// What a node advertises that serves but reaches none of its servers: whoever reaches one is the better MASTER.
    pub const LOST: Self = Self(2);
    /// The highest priority of a router that does not own the addresses.
    pub const MAX: Self = Self(254);
    /// The address owner.
    pub const OWNER: Self = Self(255);

    /// Any value an advertisement can carry.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// Tracked priority: clamped to 1–254, which is what keepalived does with its unclamped total.
    pub fn clamped(total: i32) -> Self {
        Self(u8::try_from(total.clamp(1, 254)).unwrap_or(254))
    }

    /// The value as it stands on the wire.
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether this is the owner's priority.
    pub const fn is_owner(self) -> bool {
        self.0 == 255
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// An interval in centiseconds, 1–25500: v3 carries 1–4095 (RFC 9568 §5.2.7), v2 whole seconds up to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Centis(u16);

impl Centis {
    /// One second, the default advertisement interval.
    pub const SECOND: Self = Self(100);
    /// The largest interval a v3 advertisement can carry.
    pub const V3_MAX: Self = Self(4095);

    /// `None` for 0 and for more than 255 s.
    pub const fn new(value: u16) -> Option<Self> {
        if value == 0 || value > 25_500 { None } else { Some(Self(value)) }
    }

    /// `None` unless `d` is a whole number of centiseconds in range.
    pub fn from_duration(d: Duration) -> Option<Self> {
        if !d.as_micros().is_multiple_of(10_000) {
            return None;
        }
        u16::try_from(d.as_millis() / 10).ok().and_then(Self::new)
    }

    /// The number of centiseconds.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// The same span as a [`Duration`].
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }
}

impl TryFrom<u16> for Centis {
    type Error = &'static str;

    fn try_from(value: u16) -> Result<Self, Self::Error> {
        Self::new(value).ok_or("an interval is 1 to 25500 centiseconds")
    }
}

impl From<Centis> for u16 {
    fn from(centis: Centis) -> Self {
        centis.0
    }
}

impl fmt::Display for Centis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cs", self.0)
    }
}

/// Password of v2 PASS authentication, padded with zeros (RFC 2338 §5.3.6.2). Not shown by `Debug`, which ends up in
/// logs and in reports of failures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthPass(pub [u8; 8]);

impl fmt::Debug for AuthPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthPass(******)")
    }
}

/// Kernel interface index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IfIndex(NonZeroU32);

impl IfIndex {
    /// `None` for 0, which the kernel uses for "any".
    pub const fn new(value: u32) -> Option<Self> {
        match NonZeroU32::new(value) {
            Some(v) => Some(Self(v)),
            None => None,
        }
    }

    /// The index as the kernel knows it.
    pub const fn value(self) -> u32 {
        self.0.get()
    }
}

/// Interface name, 1–15 bytes without `/` or white space (the kernel's `dev_valid_name`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfName(String);

impl IfName {
    /// `None` if the kernel would refuse the name.
    pub fn new(name: &str) -> Option<Self> {
        let bad = |c: char| c == '/' || c == ':' || c.is_whitespace();
        let valid =
            !name.is_empty() && name.len() <= 15 && name != "." && name != ".." && !name.contains(bad);
        valid.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IfName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name).ok_or("not the name of an interface")
    }
}

impl From<IfName> for String {
    fn from(name: IfName) -> Self {
        name.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// RFC 9568 §7.3: `00-00-5E-00-01-{VRID}` for IPv4, `00-00-5E-00-02-{VRID}` for IPv6.
    pub const fn virtual_router(family: Family, vrid: Vrid) -> Self {
        let fifth = match family {
            Family::V4 => 1,
            Family::V6 => 2,
        };
        Self([0x00, 0x00, 0x5e, 0x00, fifth, vrid.value()])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Protocol version of one virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768: IPv4, whole seconds, optional PASS authentication.
    V2,
    /// RFC 5798 and RFC 9568: IPv4 and IPv6, centiseconds.
    V3,
}

impl Version {
    /// 2 or 3.
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Address family of one virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// `"ipv4"` or `"ipv6"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    /// The family of an address.
    pub const fn of(addr: std::net::IpAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// Position of a virtual router in [`crate::config::EngineConfig::routers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouterId(pub u16);

/// Position of a tracked thing in [`crate::config::EngineConfig::tracks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u16);

/// Position of a sync group in [`crate::config::EngineConfig::groups`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let pass = AuthPass(*b"s3cr3t42");
        let shown = format!("{pass:?} {pass:#?} {:?}", Some(pass));
        assert!(!shown.contains("115") && !shown.contains("s3c"), "{shown}");
        assert_eq!(shown, "AuthPass(******) AuthPass(******) Some(AuthPass(******))");
    }
}
