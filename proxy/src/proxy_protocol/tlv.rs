//! What else version 2 says: a type, a length and a value each (§2.2.1).

/// Checked to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tlvs<'a>(&'a [u8]);

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// One of [`kind`], or another.
    pub kind: u8,
    /// What is said.
    pub value: &'a [u8],
    /// Where the value stands among the TLVs.
    pub at: usize,
}

/// Types (§2.2.1 to §2.2.9).
pub mod kind {
    /// The protocol that client and sender agreed on by ALPN.
    pub const ALPN: u8 = 0x01;
    /// The name the client asked for, as in a TLS server name.
    pub const AUTHORITY: u8 = 0x02;
    /// A checksum of the header.
    pub const CRC32C: u8 = 0x03;
    /// Means nothing.
    pub const NOOP: u8 = 0x04;
    /// A name of the connection.
    pub const UNIQUE_ID: u8 = 0x05;
    /// About TLS; has TLVs of its own.
    pub const SSL: u8 = 0x20;
    /// Within [`SSL`]: its version.
    pub const SSL_VERSION: u8 = 0x21;
    /// Within [`SSL`]: the common name in the client's certificate.
    pub const SSL_CN: u8 = 0x22;
    /// Within [`SSL`]: the cipher.
    pub const SSL_CIPHER: u8 = 0x23;
    /// Within [`SSL`]: how the certificate shown to the client is signed.
    pub const SSL_SIG_ALG: u8 = 0x24;
    /// Within [`SSL`]: the kind of key in it.
    pub const SSL_KEY_ALG: u8 = 0x25;
}

impl<'a> Tlvs<'a> {
    /// Checks that `bytes` are TLVs and nothing else.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, _, rest) = split(rest)?;
        }
        Some(Self(bytes))
    }

    /// All of them.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        let (all, mut rest) = (self.0, self.0);
        std::iter::from_fn(move || {
            let (kind, value, left) = split(rest)?;
            let at = all.len() - left.len() - value.len();
            rest = left;
            Some(Tlv { kind, value, at })
        })
    }

    /// The value of the last one of this type, which holds for HAProxy.
    pub fn find(&self, kind: u8) -> Option<&'a [u8]> {
        self.iter().filter(|tlv| tlv.kind == kind).last().map(|tlv| tlv.value)
    }
}

/// Type and value of the first one, and what follows it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    Some((kind, value, rest))
}
