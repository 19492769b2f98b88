//! Text to value: durations, sizes, addresses and names. No position and no context: the reader adds those.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use evenkeel_proxy::endpoint::{Endpoint, EndpointError};
use evenkeel_proxy::names::InitAddr;

#[cfg(test)]
mod tests;

/// Why a text is not a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// What is wrong with it, as a clause: "has no unit".
    pub why: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Bad {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), help: None }
    }

    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// `"100ms"`, `"3s"`, `"2m"`: a whole number and a unit.
///
/// # Errors
/// Anything else, a missing unit above all.
pub fn duration(text: &str) -> Result<Duration, Bad> {
    let (number, unit) = number_and_unit(text)?;
    if unit.is_empty() {
        return Err(Bad::new("has no unit").help(format!("\"{number}ms\" or \"{number}s\"")));
    }
    if unit.starts_with('.') {
        return Err(
            Bad::new("is not a whole number").help("use a smaller unit: \"1500ms\" instead of \"1.5s\"")
        );
    }
    let micros = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => {
            return Err(
                Bad::new(format!("has no unit of time `{unit}`")).help("units are us, ms, s, m, h and d")
            );
        }
    };
    number.checked_mul(micros).map(Duration::from_micros).ok_or_else(|| Bad::new("is too large"))
}

/// `"16KiB"`, `"1MiB"`, `"512B"`: a whole number and a unit, in bytes.
///
/// # Errors
/// Anything else.
pub fn size(text: &str) -> Result<u64, Bad> {
    let (number, unit) = number_and_unit(text)?;
    let shift = match unit {
        "" => return Err(Bad::new("has no unit").help(format!("\"{number}B\" or \"{number}KiB\""))),
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => {
            return Err(
                Bad::new(format!("has no unit of size `{unit}`")).help("units are B, KiB, MiB and GiB")
            );
        }
    };
    number.checked_mul(1 << shift).ok_or_else(|| Bad::new("is too large"))
}

fn number_and_unit(text: &str) -> Result<(u64, &str), Bad> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(Bad::new("does not start with a number"));
    }
    let number = number.parse().map_err(|_| Bad::new("is too large"))?;
    Ok((number, unit.trim_start_matches(' ')))
}

/// `d` as it would be written, in the largest unit that fits evenly.
pub fn show(d: Duration) -> String {
    let micros = d.as_micros();
    if !micros.is_multiple_of(1000) {
        return format!("{micros}us");
    }
    show_ms(u64::try_from(micros / 1000).unwrap_or(u64::MAX))
}

/// Milliseconds as they would be written.
pub(super) fn show_ms(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let fits = units.iter().find(|(n, _)| ms >= *n && ms.is_multiple_of(*n));
    match fits {
        // A minute and its like stay in seconds, as people write them in timeouts.
        Some((60_000, _)) if ms < 600_000 => format!("{}s", ms / 1000),
        Some((n, unit)) => format!("{}{unit}", ms / n),
        None if ms == 0 => "0s".to_owned(),
        None => format!("{ms}ms"),
    }
}

/// Bytes as they would be written.
pub(super) fn show_bytes(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(n, _)| bytes >= *n && bytes.is_multiple_of(*n)) {
        Some((n, unit)) => format!("{}{unit}", bytes / n),
        None => format!("{bytes}B"),
    }
}

/// `"*:80"` is every address of both families; `"IP:PORT"` and `"[IP6]:PORT"` one address.
///
/// # Errors
/// Names, missing ports, port 0.
pub fn bind(text: &str) -> Result<Vec<SocketAddr>, Bad> {
    let Some(port) = text.strip_prefix("*:").or_else(|| text.strip_prefix(':').filter(|p| !p.contains(':')))
    else {
        return socket(text).map(|a| vec![a]);
    };
    let port = port_number(port)?;
    Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()])
}

/// `"IP:PORT"` or `"[IP6]:PORT"`.
///
/// # Errors
/// Names, missing ports, port 0.
pub fn socket(text: &str) -> Result<SocketAddr, Bad> {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        let zoneless =
            matches!(addr, SocketAddr::V6(a) if a.ip().is_unicast_link_local() && a.scope_id() == 0);
        return match (addr.port(), zoneless) {
            (0, _) => Err(Bad::new("has port 0")),
            (_, true) => Err(Bad::new("is a link-local address without a zone")
                .help("\"[fe80::1%2]:80\", with the interface's number")),
            (_, false) => Ok(addr),
        };
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        let shown = if ip.is_ipv6() { format!("[{ip}]:80") } else { format!("{ip}:80") };
        return Err(Bad::new("has no port").help(format!("for instance \"{shown}\"")));
    }
    if text.parse::<u16>().is_ok() {
        return Err(Bad::new("is a port without an address").help(format!("\"*:{text}\"")));
    }
    if text == "*" {
        return Err(Bad::new("has no port").help("for instance \"*:80\""));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| not_an_address(text))?;
    port_number(port)?;
    if host.parse::<Ipv6Addr>().is_ok() {
        return Err(Bad::new("is IPv6 without brackets").help(format!("\"[{host}]:{port}\"")));
    }
    Err(not_an_address(host))
}

/// Where a server is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// There.
    At(Endpoint),
    /// Where this host is, at that port.
    Host(String, u16),
    /// Where the records of this service say.
    Service(String),
}

/// Where a server is: an endpoint, or a host's name with a port.
///
/// # Errors
/// Neither.
pub fn place(text: &str) -> Result<Place, Bad> {
    let bad = match endpoint(text) {
        Ok(endpoint) => return Ok(Place::At(endpoint)),
        Err(bad) => bad,
    };
    match text.rsplit_once(':') {
        Some((host, _)) if host.starts_with('_') && is_host(host) => {
            Err(Bad::new("is a service, whose records say the port").help(format!("\"{host}\"")))
        }
        None if text.starts_with('_') && is_host(text) => Ok(Place::Service(text.to_owned())),
        Some((host, port)) if is_host(host) => {
            port_number(port).map(|port| Place::Host(host.to_owned(), port))
        }
        None if is_host(text) => Err(Bad::new("has no port").help(format!("for instance \"{text}:80\""))),
        _ => Err(bad),
    }
}

/// One word of `init_addr`.
///
/// # Errors
/// It is none, and no IP address.
pub fn init_addr(text: &str) -> Result<InitAddr, Bad> {
    match text {
        "last" => Ok(InitAddr::Last),
        "none" => Ok(InitAddr::None),
        "libc" => Err(Bad::new("would hold the start up while the system looks the name up")
            .help("init_addr = [\"last\", \"none\"]: `resolvers` are asked at once")),
        _ => ip(text).map(InitAddr::Ip),
    }
}

/// RFC 1123 §2.1, and the underscores that names of services have: labels, the last of which is not a number, because
/// a badly written address is not a name.
fn is_host(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_label =
        |label: &str| matches!(label.len(), 1..=63) && label.bytes().all(good) && !label.starts_with('-');
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= 253
        && name.split('.').all(is_label)
        && name.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()))
}

/// Where a server is: an address with a port, or a socket of this machine.
///
/// # Errors
/// Neither.
pub fn endpoint(text: &str) -> Result<Endpoint, Bad> {
    if text.starts_with('/') {
        return Err(Bad::new("is a path, not an address").help(format!("\"unix@{text}\"")));
    }
    match text.parse() {
        Ok(Endpoint::Unix(name)) => Ok(Endpoint::Unix(name)),
        Ok(Endpoint::Ip(_)) | Err(EndpointError::Form) => socket(text).map(Endpoint::from),
        Err(error @ (EndpointError::Name | EndpointError::Long)) => Err(Bad::new(error.to_string())),
    }
}

fn port_number(text: &str) -> Result<u16, Bad> {
    let port = text.parse::<u16>().ok().filter(|p| *p != 0 && !text.starts_with('+'));
    port.ok_or_else(|| Bad::new(format!("has no port from 1 to 65535 but `{}`", text.escape_debug())))
}

fn not_an_address(text: &str) -> Bad {
    let name = text.contains(|c: char| c.is_ascii_alphabetic()) && !text.contains(':');
    if name {
        Bad::new("is a name, not an IP address").help("only servers may have names: write the address")
    } else {
        Bad::new("is not an IP address")
    }
}

/// An IP address.
///
/// # Errors
/// Anything else.
pub fn ip(text: &str) -> Result<IpAddr, Bad> {
    text.parse().map_err(|_| not_an_address(text))
}

/// `"IP/LENGTH"`; without a length the whole address.
///
/// # Errors
/// No address, or a length it has not.
pub fn cidr(text: &str) -> Result<(IpAddr, u8), Bad> {
    let (addr, length) = match text.split_once('/') {
        Some((addr, length)) => (addr, Some(length)),
        None => (text, None),
    };
    let addr = ip(addr)?;
    let longest = if addr.is_ipv4() { 32 } else { 128 };
    let Some(length) = length else { return Ok((addr, longest)) };
    let length = length.parse::<u8>().ok().filter(|n| *n <= longest && !length.starts_with('+'));
    let length = length.ok_or_else(|| Bad::new(format!("has no prefix length from 0 to {longest}")))?;
    Ok((addr, length))
}

/// A network: like [`cidr`], with no bit set beyond the length.
///
/// # Errors
/// No network; the one that was probably meant is in the help.
pub fn network(text: &str) -> Result<(IpAddr, u8), Bad> {
    let (addr, length) = cidr(text)?;
    let whole = masked(addr, length);
    if whole == addr {
        Ok((addr, length))
    } else {
        Err(Bad::new("has bits set beyond its prefix length").help(format!("\"{whole}/{length}\"")))
    }
}

/// The address with all bits beyond the prefix length cleared.
pub fn masked(addr: IpAddr, length: u8) -> IpAddr {
    match addr {
        IpAddr::V4(a) => {
            Ipv4Addr::from(u32::from(a) & (u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0)))
                .into()
        }
        IpAddr::V6(a) => Ipv6Addr::from(
            u128::from(a) & (u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0)),
        )
        .into(),
    }
}

/// A name of a section, server or node: letters, digits, `-`, `_`, `.` and `:`, as HAProxy's.
///
/// # Errors
/// Anything else, and more than 64 bytes.
pub fn name(text: &str) -> Result<(), Bad> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if text.is_empty() {
        Err(Bad::new("is empty"))
    } else if text.len() > 64 {
        Err(Bad::new("is longer than 64 bytes"))
    } else if !text.chars().all(allowed) {
        Err(Bad::new("has other characters than letters, digits and `-_.:`"))
    } else {
        Ok(())
    }
}

/// `"200"` or `"200-399"`.
///
/// # Errors
/// No status from 100 to 599, or a range that goes down.
pub fn statuses(text: &str) -> Result<RangeInclusive<u16>, Bad> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let one = |s: &str| s.parse::<u16>().ok().filter(|n| (100..=599).contains(n) && s.len() == 3);
    match (one(first), one(last)) {
        (Some(a), Some(b)) if a <= b => Ok(a..=b),
        (Some(_), Some(_)) => Err(Bad::new("is a range that goes down")),
        _ => {
            Err(Bad::new("is not a status from 100 to 599")
                .help("for instance 200, \"200-399\" or [200, 204]"))
        }
    }
}

/// An HTTP token: the name of a method or a header field (RFC 9110 §5.6.2).
pub fn is_token(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(allowed)
}

/// Text that can stand in a header field's value (RFC 9110 §5.5): nothing that ends or breaks a line.
pub fn is_field_value(text: &str) -> bool {
    text.chars().all(|c| c == '\t' || !c.is_control())
}
