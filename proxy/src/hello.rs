//! The ClientHello that a TLS client begins with, read without answering it: whom it asks for, what it would speak.
//!
//! What is read is only looked at. The server that the bytes go to reads them again, unchanged, and decides by itself.

/// What a client says first (RFC 8446 §4.1.2), as far as it says where it wants to go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// Host name it asks for, in lower case and without a dot at its end (RFC 6066 §3).
    pub server_name: Option<Box<str>>,
    /// Protocols it would speak inside, best first (RFC 7301 §3.1). Values that are there to be ignored are left out.
    pub protocols: Vec<Box<[u8]>>,
    /// Versions of TLS that it speaks, best first. Values that are there to be ignored are left out.
    pub versions: Vec<u16>,
}

/// Why bytes are no ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// They are not records of TLS with a handshake in them.
    #[error("not a TLS handshake")]
    Record,
    /// The handshake begins with another message.
    #[error("the first message is no ClientHello")]
    Message,
    /// It is longer than [`MOST_BYTES`].
    #[error("a ClientHello longer than {MOST_BYTES} bytes")]
    Length,
    /// Something in it ends too early or too late, is there twice, or cannot be what it says it is.
    #[error("a malformed ClientHello")]
    Malformed,
}

/// Longest hello that is read, its records' headers included.
pub const MOST_BYTES: usize = 16 * 1024;

/// Reads the hello that `bytes` begin with. `None`: there is more to come. It may be spread over any number of records
/// (RFC 8446 §5.1); what follows it is not looked at.
///
/// # Errors
/// The bytes are no hello, whatever follows them.
pub fn parse(bytes: &[u8]) -> Result<Option<ClientHello>, HelloError> {
    let message = message(bytes.get(..MOST_BYTES).unwrap_or(bytes))?;
    match whole(&message)? {
        Some(len) if len <= message.len() => {
            message.get(HEADER_BYTES..len).map(|body| hello(Reader(body))).transpose()
        }
        _ if bytes.len() >= MOST_BYTES => Err(HelloError::Length),
        _ => Ok(None),
    }
}

/// What the records carry of the first message.
fn message(bytes: &[u8]) -> Result<Vec<u8>, HelloError> {
    let (mut message, mut rest) = (Vec::new(), bytes);
    while whole(&message)?.is_none_or(|len| message.len() < len) {
        let Some((fragment, after)) = fragment(rest)? else { break };
        message.extend_from_slice(fragment);
        rest = after;
    }
    Ok(message)
}

/// Length of the message with its header, if its header is there.
fn whole(message: &[u8]) -> Result<Option<usize>, HelloError> {
    match *message {
        [CLIENT_HELLO, high, mid, low, ..] => {
            let len = HEADER_BYTES + (usize::from(high) << 16 | usize::from(mid) << 8 | usize::from(low));
            if len > MOST_BYTES { Err(HelloError::Length) } else { Ok(Some(len)) }
        }
        [] | [CLIENT_HELLO, ..] => Ok(None),
        _ => Err(HelloError::Message),
    }
}

/// The content of a record, as much of it as there is, and what follows it.
fn fragment(bytes: &[u8]) -> Result<Option<Halves<'_>>, HelloError> {
    match bytes {
        // Any minor version: RFC 8446 §5.1 says to ignore it.
        [HANDSHAKE, 3, _, high, low, content @ ..] => {
            let len = usize::from(*high) << 8 | usize::from(*low);
            // RFC 8446 §5.1: no empty fragments of a handshake, and none longer than 2^14 bytes.
            if !(1..=1 << 14).contains(&len) {
                return Err(HelloError::Record);
            }
            Ok(Some(content.split_at_checked(len).unwrap_or((content, &[]))))
        }
        [] | [HANDSHAKE] | [HANDSHAKE, 3] | [HANDSHAKE, 3, _] | [HANDSHAKE, 3, _, _] => Ok(None),
        _ => Err(HelloError::Record),
    }
}

/// What was asked for, and the rest.
type Halves<'a> = (&'a [u8], &'a [u8]);

/// RFC 8446 §4.1.2.
fn hello(mut body: Reader<'_>) -> Result<ClientHello, HelloError> {
    let legacy_version = body.u16()?;
    let _random = body.take(32)?;
    let session_id = body.vec8()?;
    let cipher_suites = body.vec16()?;
    let compressions = body.vec8()?;
    // RFC 8446 §4.1.2: the lengths that these may have.
    let sound = legacy_version >> 8 == 3
        && session_id.0.len() <= 32
        && !cipher_suites.0.is_empty()
        && cipher_suites.0.len().is_multiple_of(2)
        && !compressions.0.is_empty();
    if !sound {
        return Err(HelloError::Malformed);
    }
    let mut found = Found::default();
    // RFC 5246 §7.4.1.2: a client of TLS 1.2 may leave the extensions out.
    if !body.0.is_empty() {
        let mut extensions = body.vec16()?;
        body.end()?;
        while !extensions.0.is_empty() {
            let (kind, content) = (extensions.u16()?, extensions.vec16()?);
            found.note(kind, content)?;
        }
    }
    Ok(ClientHello {
        server_name: found.server_name,
        protocols: found.protocols.unwrap_or_default(),
        versions: found.versions.unwrap_or_else(|| vec![legacy_version]),
    })
}

/// What the extensions have said.
#[derive(Default)]
struct Found {
    server_name: Option<Box<str>>,
    protocols: Option<Vec<Box<[u8]>>>,
    versions: Option<Vec<u16>>,
}

impl Found {
    /// RFC 8446 §4.2: each at most once, or it would be the reader's choice which one counts.
    fn note(&mut self, kind: u16, content: Reader<'_>) -> Result<(), HelloError> {
        match kind {
            SERVER_NAME => once(&mut self.server_name, server_name(content)?),
            ALPN => once(&mut self.protocols, protocols(content)?),
            SUPPORTED_VERSIONS => once(&mut self.versions, versions(content)?),
            _ => Ok(()),
        }
    }
}

fn once<T>(said: &mut Option<T>, value: T) -> Result<(), HelloError> {
    if said.replace(value).is_some() { Err(HelloError::Malformed) } else { Ok(()) }
}

/// RFC 6066 §3: a list of names, of which one may be that of a host.
fn server_name(mut content: Reader<'_>) -> Result<Box<str>, HelloError> {
    let mut names = content.vec16()?;
    content.end()?;
    let mut host = None;
    while !names.0.is_empty() {
        let (kind, name) = (names.take(1)?, names.vec16()?);
        if kind == [HOST_NAME] {
            once(&mut host, host_name(name.0)?)?;
        }
    }
    host.ok_or(HelloError::Malformed)
}

fn host_name(bytes: &[u8]) -> Result<Box<str>, HelloError> {
    let name = bytes.strip_suffix(b".").unwrap_or(bytes);
    let text = std::str::from_utf8(name).map_err(|_| HelloError::Malformed)?;
    if !(1..=255).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(HelloError::Malformed);
    }
    Ok(text.to_ascii_lowercase().into())
}

fn protocols(mut content: Reader<'_>) -> Result<Vec<Box<[u8]>>, HelloError> {
    let mut list = content.vec16()?;
    content.end()?;
    let mut all = Vec::new();
    while !list.0.is_empty() {
        match list.vec8()?.0 {
            [] => return Err(HelloError::Malformed),
            // RFC 8701 §2.
            [a, b] if is_grease(u16::from_be_bytes([*a, *b])) => {}
            name => all.push(name.into()),
        }
    }
    Ok(all)
}

/// RFC 8446 §4.2.1.
fn versions(mut content: Reader<'_>) -> Result<Vec<u16>, HelloError> {
    let list = content.vec8()?;
    content.end()?;
    if list.0.is_empty() || !list.0.len().is_multiple_of(2) {
        return Err(HelloError::Malformed);
    }
    let pairs = list.0.chunks_exact(2).filter_map(|pair| pair.try_into().ok());
    Ok(pairs.map(u16::from_be_bytes).filter(|v| !is_grease(*v)).collect())
}

/// RFC 8701 §2: 0x0A0A, 0x1A1A and so on say nothing; they keep readers honest.
fn is_grease(value: u16) -> bool {
    value & 0x0F0F == 0x0A0A && value >> 8 == value & 0xFF
}

/// Bytes that are taken from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], HelloError> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(HelloError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, HelloError> {
        let bytes = self.take(2)?.try_into().map_err(|_| HelloError::Malformed)?;
        Ok(u16::from_be_bytes(bytes))
    }

    /// A vector with one byte of length.
    fn vec8(&mut self) -> Result<Self, HelloError> {
        let len = self.take(1)?.first().copied().unwrap_or(0);
        self.take(usize::from(len)).map(Reader)
    }

    /// A vector with two bytes of length.
    fn vec16(&mut self) -> Result<Self, HelloError> {
        let len = self.u16()?;
        self.take(usize::from(len)).map(Reader)
    }

    fn end(&self) -> Result<(), HelloError> {
        if self.0.is_empty() { Ok(()) } else { Err(HelloError::Malformed) }
    }
}

/// RFC 8446 §B.1.
const HANDSHAKE: u8 = 22;

/// RFC 8446 §B.3.
const CLIENT_HELLO: u8 = 1;

/// Type and length of a handshake message.
const HEADER_BYTES: usize = 4;

/// RFC 8446 §4.2.
const SERVER_NAME: u16 = 0;

/// RFC 8446 §4.2.
const ALPN: u16 = 16;

/// RFC 8446 §4.2.
const SUPPORTED_VERSIONS: u16 = 43;

/// RFC 6066 §3.
const HOST_NAME: u8 = 0;

#[cfg(test)]
mod tests;
