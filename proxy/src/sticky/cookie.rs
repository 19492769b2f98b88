//! What the configuration says about the persistence cookie of a backend (HAProxy: `cookie`).

use std::time::Duration;

/// The persistence cookie of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name; case matters.
    pub name: String,
    /// Whose cookie it is.
    pub mode: Mode,
    /// A cookie the server sets under this name.
    pub preserve: Preserve,
    /// Only answers to POST requests carry an inserted cookie (`postonly`).
    pub postonly: bool,
    /// An answer that carries an inserted cookie is marked as not for shared caches (`nocache`).
    pub nocache: bool,
    /// Domains the cookie is for. Empty: that of the request.
    pub domains: Vec<String>,
    /// Scripts do not see it.
    pub httponly: bool,
    /// Sent over TLS only.
    pub secure: bool,
    /// Attributes to add, such as `SameSite=Lax`.
    pub attributes: Vec<String>,
    /// It is worth nothing if the client has not been here for so long. Whole seconds.
    pub maxidle: Option<Duration>,
    /// It is worth nothing after so long. Whole seconds.
    pub maxlife: Option<Duration>,
    /// Servers without a value of their own get one made from this key and their address (`dynamic_cookie_key`).
    pub dynamic_key: Option<Vec<u8>>,
}

/// Whose cookie it is, and how the server is put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Ours: added to answers whenever the client does not have the right one.
    Insert(ToServer),
    /// The server's: our value stands before the server's, which does not see it.
    Prefix,
    /// The server's, which sets it to whatever it likes: the value is replaced by ours.
    Rewrite,
}

/// Whether the server sees a cookie of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToServer {
    /// It does.
    Seen,
    /// It does not (`indirect`).
    Hidden,
}

/// What happens to a cookie of this name that the server sets by itself, in insert mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preserve {
    /// It is removed: ours is the one that counts.
    #[default]
    No,
    /// It is passed on, and ours is not added: the server decides (`preserve`).
    Yes,
}

impl Cookie {
    /// A cookie of that name without any option.
    pub fn new(name: &str, mode: Mode) -> Self {
        Self {
            name: name.to_owned(),
            mode,
            preserve: Preserve::No,
            postonly: false,
            nocache: false,
            domains: Vec::new(),
            httponly: false,
            secure: false,
            attributes: Vec::new(),
            maxidle: None,
            maxlife: None,
            dynamic_key: None,
        }
    }

    pub(super) fn is_named(&self, name: &[u8]) -> bool {
        self.name.as_bytes() == name
    }
}
