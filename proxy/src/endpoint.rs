//! Where a stream socket is: an IP address with a port, or a socket of this machine.
//!
//! As text: `192.0.2.1:80`, `[2001:db8::1]:80`, `unix@/run/app.sock`, and in the abstract namespace of the kernel, which
//! has no files, `abns@app` (filled up with NUL to its full length, as HAProxy does) or `abnsz@app` (its own length, as
//! most other programs do).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// Where a stream socket is. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// Over TCP.
    Ip(SocketAddr),
    /// A socket of this machine.
    Unix(UnixName),
}

/// The name of a Unix socket, at most [`UnixName::LONGEST`] bytes of it, none of them NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnixName {
    /// A file.
    Path(Arc<Path>),
    /// In the abstract namespace, filled up with NUL (HAProxy: `abns@`).
    Padded(Arc<str>),
    /// In the abstract namespace, as long as it is (HAProxy: `abnsz@`).
    Abstract(Arc<str>),
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Neither an address with a port nor one of the forms of a Unix socket.
    #[error("is not an address")]
    Form,
    /// A Unix socket without a name, with NUL in it, or with a path that is not absolute.
    #[error("is not the name of a socket: it is empty, not absolute or has control characters in it")]
    Name,
    /// Longer than the kernel takes.
    #[error("is longer than the 107 bytes that the name of a Unix socket can have")]
    Long,
}

impl Endpoint {
    /// The IP address and port, if it is one.
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(addr) => Some(*addr),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}

impl UnixName {
    /// `sun_path` of Linux, and the NUL that ends it or stands before it.
    pub const LONGEST: usize = 107;

    /// The part after the prefix `unix@` or `unix:`.
    ///
    /// # Errors
    /// It cannot be the path of a socket.
    pub fn path(path: &str) -> Result<Self, EndpointError> {
        if !path.starts_with('/') || path.ends_with('/') {
            return Err(EndpointError::Name);
        }
        checked(path).map(|path| Self::Path(Path::new(path).into()))
    }

    /// As a path in the way of the system's interfaces: an abstract name begins with NUL.
    pub fn as_path(&self) -> Cow<'_, Path> {
        match self {
            Self::Path(path) => Cow::Borrowed(path),
            Self::Abstract(name) => Cow::Owned(format!("\0{name}").into()),
            Self::Padded(name) => {
                let padding = "\0".repeat(Self::LONGEST.saturating_sub(name.len()));
                Cow::Owned(format!("\0{name}{padding}").into())
            }
        }
    }
}

/// Whether an address is in the network of this address and prefix length.
pub fn contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(n), IpAddr::V4(a)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            (n.to_bits() ^ a.to_bits()) & mask == 0
        }
        (IpAddr::V6(n), IpAddr::V6(a)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            (n.to_bits() ^ a.to_bits()) & mask == 0
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn checked(name: &str) -> Result<&str, EndpointError> {
    match name {
        "" => Err(EndpointError::Name),
        name if name.chars().any(char::is_control) => Err(EndpointError::Name),
        name if name.len() > UnixName::LONGEST => Err(EndpointError::Long),
        name => Ok(name),
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(path) = text.strip_prefix("unix@").or_else(|| text.strip_prefix("unix:")) {
            return UnixName::path(path).map(Self::Unix);
        }
        if let Some(name) = text.strip_prefix("abns@") {
            return checked(name).map(|name| Self::Unix(UnixName::Padded(name.into())));
        }
        if let Some(name) = text.strip_prefix("abnsz@") {
            return checked(name).map(|name| Self::Unix(UnixName::Abstract(name.into())));
        }
        text.parse().map(Self::Ip).map_err(|_| EndpointError::Form)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => addr.fmt(f),
            Self::Unix(UnixName::Path(path)) => write!(f, "unix@{}", path.display()),
            Self::Unix(UnixName::Padded(name)) => write!(f, "abns@{name}"),
            Self::Unix(UnixName::Abstract(name)) => write!(f, "abnsz@{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in
            ["192.0.2.1:80", "[2001:db8::1]:443", "unix@/run/app.sock", "abns@app", "abnsz@app", "unix@/a b"]
        {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
        }
        assert_eq!("unix:/run/a".parse::<Endpoint>(), "unix@/run/a".parse());
    }

    #[test]
    fn what_is_no_endpoint() {
        let long = format!("unix@/{}", "x".repeat(UnixName::LONGEST));
        for (text, error) in [
            ("192.0.2.1", EndpointError::Form),
            ("example.com:80", EndpointError::Form),
            ("", EndpointError::Form),
            ("unix@", EndpointError::Name),
            ("unix@run/app", EndpointError::Name),
            ("unix@/run/", EndpointError::Name),
            ("unix@/a\0b", EndpointError::Name),
            ("abns@", EndpointError::Name),
            (long.as_str(), EndpointError::Long),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_abstract_name_of_haproxys_is_filled_up() {
        for (text, path) in [
            ("abns@ab", format!("\0ab{}", "\0".repeat(105))),
            ("abns@äb", format!("\0äb{}", "\0".repeat(104))),
            ("abnsz@ab", "\0ab".to_owned()),
            ("unix@/a", "/a".to_owned()),
        ] {
            let Endpoint::Unix(name) = text.parse().unwrap() else { panic!("{text}") };
            assert_eq!(name.as_path(), Path::new(&path), "{text}");
        }
    }

    #[test]
    fn networks_contain_their_addresses() {
        for (network, prefix, address, inside) in [
            ("10.0.0.0", 8, "10.255.0.1", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("10.0.0.1", 32, "10.0.0.1", true),
            ("10.0.0.1", 32, "10.0.0.0", false),
            ("0.0.0.0", 0, "192.0.2.1", true),
            ("2001:db8::", 32, "2001:db8:1::", true),
            ("2001:db8::", 32, "2001:db9::", false),
            ("::", 0, "::1", true),
            ("::", 0, "10.0.0.1", false),
        ] {
            let contained = contains(network.parse().unwrap(), prefix, address.parse().unwrap());
            assert_eq!(contained, inside, "{address} in {network}/{prefix}");
        }
    }
}
