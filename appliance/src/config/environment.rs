//! What a configuration can refer to outside its own text: files, environment variables, credentials.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use evenkeel_proxy::tls::bundle::holds_key;
use nix::sys::resource::{Resource, getrlimit};

use super::source::Sources;
use super::value;

/// The machine a configuration is loaded on.
pub struct Environment<'a> {
    /// Name of this node; see [`node_name`].
    pub node: String,
    /// Environment variables.
    pub vars: BTreeMap<String, String>,
    /// The file system.
    pub files: &'a dyn Files,
    /// Addresses of the interfaces by name, if known: virtual addresses outside their subnets are then warned about.
    pub interfaces: Option<Interfaces>,
    /// CPUs this process may use.
    pub cpus: u16,
    /// The time, seconds since 1970, if known: what is past its time is then warned about.
    pub now: Option<i64>,
    /// Descriptors this process may open, if known: a `maxconn` that needs more is then warned about.
    pub descriptors: Option<u64>,
}

/// Addresses with their prefix lengths, by the name of their interface.
pub type Interfaces = BTreeMap<String, Vec<(IpAddr, u8)>>;

/// Why the environment cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The system does not give its host name.
    #[error("the system gives no host name; say --node")]
    HostName(#[source] io::Error),
    /// The node's name is not one that can stand in logs, metrics and commands.
    #[error("the node name {0:?} {1}")]
    NodeName(String, String),
}

impl Environment<'static> {
    /// The process's own environment and the real file system. The node is `flag`, else `EVENKEEL_NODE`, else the host
    /// name up to its first dot.
    ///
    /// # Errors
    /// If there is no name, or not a usable one.
    pub fn of_process(flag: Option<&str>) -> Result<Self, EnvironmentError> {
        let var = |(k, v): (std::ffi::OsString, std::ffi::OsString)| {
            Some((k.into_string().ok()?, v.into_string().ok()?))
        };
        let vars: BTreeMap<String, String> = std::env::vars_os().filter_map(var).collect();
        let host = nix::unistd::gethostname().map_err(|e| EnvironmentError::HostName(e.into()))?;
        let node = node_name(flag, vars.get("EVENKEEL_NODE").map(String::as_str), &host.to_string_lossy());
        value::name(&node).map_err(|bad| EnvironmentError::NodeName(node.clone(), bad.why))?;
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cpus = u16::try_from(cpus).unwrap_or(MAX_THREADS).min(MAX_THREADS);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(_, hard)| hard);
        Ok(Self {
            node,
            vars,
            files: &RealFiles,
            interfaces: None,
            cpus,
            now: i64::try_from(now.as_secs()).ok(),
            descriptors,
        })
    }
}

impl Environment<'_> {
    /// Name of this node.
    pub fn node(&self) -> &str {
        &self.node
    }
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("node", &self.node).finish_non_exhaustive()
    }
}

/// The node's name: what the command line says, else `EVENKEEL_NODE`, else the host name up to its first dot.
pub fn node_name(flag: Option<&str>, variable: Option<&str>, host_name: &str) -> String {
    let given = flag.or(variable).filter(|n| !n.is_empty());
    given.unwrap_or_else(|| host_name.split('.').next().unwrap_or(host_name)).to_owned()
}

/// A file system, as far as loading a configuration needs one.
pub trait Files {
    /// The content and permission bits of a regular file of at most `limit` bytes.
    ///
    /// # Errors
    /// As the system gives them; `FileTooLarge` beyond `limit`.
    fn read(&self, path: &Path, limit: u64) -> io::Result<FileContent>;

    /// The names in a directory.
    ///
    /// # Errors
    /// As the system gives them.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
}

/// What [`Files::read`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy)]
pub struct RealFiles;

impl Files for RealFiles {
    fn read(&self, path: &Path, limit: u64) -> io::Result<FileContent> {
        // The kind is looked at before opening: opening a FIFO would wait for a writer.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = std::fs::File::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(FileContent { bytes, mode })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let name = |e: io::Result<std::fs::DirEntry>| Ok(e?.file_name().to_string_lossy().into_owned());
        std::fs::read_dir(dir)?.map(name).collect()
    }
}

/// Something a value refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum External {
    /// A file, relative to the directory of the main file.
    File(PathBuf),
    /// A file of TLS, relative to the directory of the main file: read anew while the configuration is in use.
    Tls(PathBuf),
    /// An environment variable.
    Env(String),
    /// A file in the directory of systemd's credentials.
    Cred(String),
    /// The certificate authorities that the system believes, each in DER behind its length (32 bits, little-endian).
    Authorities,
}

/// The name it is stored under in [`Sources::blobs`].
impl fmt::Display for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(p) => write!(f, "file:{}", p.display()),
            Self::Tls(p) => write!(f, "tls:{}", p.display()),
            Self::Env(n) => write!(f, "env:{n}"),
            Self::Cred(n) => write!(f, "cred:{n}"),
            Self::Authorities => f.write_str("system-authorities"),
        }
    }
}

/// Whether others may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    Public,
    /// Nobody but the keeper needs it.
    Secret,
    /// Nobody but this program needs it.
    Password,
    /// If it holds a private key it must not be open to others; the worker needs it.
    Key,
}

/// Why something external is not to be had.
#[derive(Debug)]
pub(super) enum FetchError {
    /// It cannot be read.
    Unreadable(String),
    /// Everybody can read or write it; its permission bits.
    Exposed(u32),
}

/// Where external things come from: the machine, or a copy taken earlier.
pub(super) trait Externals {
    fn fetch(&mut self, what: &External, privacy: Privacy, limit: u64) -> Result<Vec<u8>, FetchError>;

    /// The names in a directory. An error: it is none, or cannot be read.
    fn list(&mut self, dir: &Path) -> Result<Vec<String>, FetchError>;

    /// The time, seconds since 1970, if what is past its time is to be told of.
    fn now(&self) -> Option<i64>;

    /// Descriptors the process may open, if it is to be told that they are too few.
    fn descriptors(&self) -> Option<u64> {
        None
    }
}

/// Reads from the machine and keeps a copy of everything read.
pub(super) struct Live<'a> {
    pub(super) env: &'a Environment<'a>,
    pub(super) base: PathBuf,
    pub(super) blobs: BTreeMap<String, Vec<u8>>,
    pub(super) secrets: Vec<String>,
}

impl Live<'_> {
    fn read(&self, what: &External, privacy: Privacy, limit: u64) -> Result<Vec<u8>, FetchError> {
        let path = match what {
            External::Env(name) => {
                let unset = || FetchError::Unreadable(format!("the environment variable {name} is not set"));
                return self.env.vars.get(name).map(|v| v.clone().into_bytes()).ok_or_else(unset);
            }
            External::Authorities => return system_authorities(),
            External::File(path) | External::Tls(path) => self.base.join(path),
            External::Cred(name) => {
                let dir = self.env.vars.get("CREDENTIALS_DIRECTORY");
                let none = "there are no credentials: CREDENTIALS_DIRECTORY is not set".to_owned();
                Path::new(dir.ok_or(FetchError::Unreadable(none))?).join(name)
            }
        };
        let content = self.env.files.read(&path, limit);
        let content = content.map_err(|e| FetchError::Unreadable(format!("{}: {e}", path.display())))?;
        // Readable or writable by others.
        let secret = match privacy {
            Privacy::Public => false,
            Privacy::Secret | Privacy::Password => true,
            Privacy::Key => holds_key(&content.bytes),
        };
        if secret && content.mode & 0o006 != 0 {
            return Err(FetchError::Exposed(content.mode));
        }
        Ok(content.bytes)
    }
}

impl Externals for Live<'_> {
    fn fetch(&mut self, what: &External, privacy: Privacy, limit: u64) -> Result<Vec<u8>, FetchError> {
        let bytes = self.read(what, privacy, limit)?;
        let name = what.to_string();
        if privacy == Privacy::Secret && !self.secrets.contains(&name) {
            self.secrets.push(name.clone());
        }
        self.blobs.insert(name, bytes.clone());
        Ok(bytes)
    }

    fn list(&mut self, dir: &Path) -> Result<Vec<String>, FetchError> {
        let path = self.base.join(dir);
        let listed = self.env.files.list(&path);
        let mut names = listed.map_err(|e| FetchError::Unreadable(format!("{}: {e}", path.display())))?;
        names.sort();
        self.blobs.insert(directory_name(dir), names.join("\0").into_bytes());
        Ok(names)
    }

    fn now(&self) -> Option<i64> {
        self.env.now
    }

    fn descriptors(&self) -> Option<u64> {
        self.env.descriptors
    }
}

/// Takes what concerns TLS from the machine and everything else from a copy.
pub(super) struct Refreshed<'a> {
    pub(super) live: Live<'a>,
    pub(super) stored: Stored<'a>,
}

impl Externals for Refreshed<'_> {
    fn fetch(&mut self, what: &External, privacy: Privacy, limit: u64) -> Result<Vec<u8>, FetchError> {
        match what {
            External::Tls(_) | External::Authorities => self.live.fetch(what, privacy, limit),
            External::File(_) | External::Env(_) | External::Cred(_) => {
                let bytes = self.stored.fetch(what, privacy, limit)?;
                self.live.blobs.insert(what.to_string(), bytes.clone());
                Ok(bytes)
            }
        }
    }

    /// Only certificates are looked for in directories.
    fn list(&mut self, dir: &Path) -> Result<Vec<String>, FetchError> {
        self.live.list(dir)
    }

    fn now(&self) -> Option<i64> {
        self.live.now()
    }
}

/// Takes everything from a copy.
pub(super) struct Stored<'a>(pub(super) &'a Sources);

impl Externals for Stored<'_> {
    fn fetch(&mut self, what: &External, _: Privacy, _: u64) -> Result<Vec<u8>, FetchError> {
        let name = what.to_string();
        let missing = || FetchError::Unreadable(format!("{name} was not handed over"));
        self.0.blobs.get(&name).cloned().ok_or_else(missing)
    }

    fn list(&mut self, dir: &Path) -> Result<Vec<String>, FetchError> {
        let name = directory_name(dir);
        let missing = || FetchError::Unreadable(format!("{name} was not handed over"));
        let names = String::from_utf8_lossy(self.0.blobs.get(&name).ok_or_else(missing)?);
        Ok(names.split('\0').filter(|n| !n.is_empty()).map(str::to_owned).collect())
    }

    /// Whoever made the copy has told of it.
    fn now(&self) -> Option<i64> {
        None
    }
}

/// The name that the names in a directory are stored under.
fn directory_name(dir: &Path) -> String {
    format!("dir:{}", dir.display())
}

fn system_authorities() -> Result<Vec<u8>, FetchError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(FetchError::Unreadable(format!("the system's certificate authorities: {why}")));
    }
    let mut all = Vec::new();
    for der in &found.certs {
        // A certificate is a few kilobytes.
        all.extend_from_slice(&u32::try_from(der.len()).unwrap_or(0).to_le_bytes());
        all.extend_from_slice(der);
    }
    Ok(all)
}

/// As the range of `nbthread`.
const MAX_THREADS: u16 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_names() {
        assert_eq!(node_name(Some("a"), Some("b"), "c"), "a");
        assert_eq!(node_name(None, Some("b"), "c"), "b");
        assert_eq!(node_name(None, Some(""), "lb1.example.com"), "lb1");
        assert_eq!(node_name(None, None, "lb1"), "lb1");
    }

    #[test]
    fn real_files_are_regular_and_bounded() {
        assert!(RealFiles.read(Path::new("/dev/zero"), 10).is_err());
        assert!(RealFiles.read(Path::new("/"), 10).is_err());
        let own = RealFiles.read(Path::new("Cargo.toml"), 1 << 20).unwrap();
        assert!(own.bytes.starts_with(b"[package]"));
        let err = RealFiles.read(Path::new("Cargo.toml"), 5).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::FileTooLarge);
        assert!(RealFiles.list(Path::new("src")).unwrap().contains(&"lib.rs".to_owned()));
    }
}
