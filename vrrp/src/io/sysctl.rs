//! Network settings below `/proc/sys/net`, of the network namespace of the calling thread.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::types::{Family, IfName};

/// One setting of one interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Setting {
    /// Which half of the tree.
    pub(crate) family: Family,
    /// The interface.
    pub(crate) interface: IfName,
    /// File name, such as `arp_ignore`.
    pub(crate) key: &'static str,
}

impl Setting {
    pub(crate) fn new(family: Family, interface: &IfName, key: &'static str) -> Self {
        Self { family, interface: interface.clone(), key }
    }

    /// One of those that are changed here, by its file name.
    pub(crate) fn named(family: Family, interface: IfName, key: &str) -> Option<Self> {
        let key = CHANGED.into_iter().find(|known| *known == key)?;
        Some(Self { family, interface, key })
    }

    /// The value in force.
    pub(crate) fn read(&self) -> io::Result<String> {
        fs::read_to_string(self.path()).map(|s| s.trim().to_owned())
    }

    /// Sets it.
    pub(crate) fn write(&self, value: &str) -> io::Result<()> {
        fs::write(self.path(), value)
    }

    /// Sets it and tells what it was, unless it was that already.
    pub(crate) fn replace(&self, value: &str) -> io::Result<Option<String>> {
        let before = self.read()?;
        if before == value {
            return Ok(None);
        }
        self.write(value)?;
        Ok(Some(before))
    }

    fn path(&self) -> PathBuf {
        let family = self.family.as_str();
        PathBuf::from(format!("/proc/sys/net/{family}/conf/{}/{}", self.interface, self.key))
    }
}

/// What is changed on interfaces that stay.
const CHANGED: [&str; 4] = ["arp_ignore", "arp_filter", "arp_announce", "rp_filter"];
