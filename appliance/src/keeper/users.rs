//! Who the worker and the scripts run as.

use std::io;

use nix::unistd::{Gid, Group, Uid, User};

use super::RunError;
use crate::config::Config;
use crate::worker::privileges::Identity;

/// The worker's user: the configured one, else `evenkeel` if it exists, else `nobody`.
pub(super) fn worker(config: &Config) -> Result<Identity, RunError> {
    if !Uid::effective().is_root() {
        return Ok(Identity { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw() });
    }
    let mut identity = match &config.global.user {
        Some(name) => lookup(name).map_err(|_| RunError::NoUser(name.clone()))?,
        None => first_of(&["evenkeel", "nobody"]).map_err(|_| RunError::NoUser("evenkeel".into()))?,
    };
    if let Some(name) = &config.global.group {
        let group = Group::from_name(name).ok().flatten().ok_or_else(|| RunError::NoUser(name.clone()))?;
        identity.gid = group.gid.as_raw();
    }
    Ok(identity)
}

/// A script's user: the one it names, else the configured script user, else keepalived's `keepalived_script` if it
/// exists, else `nobody`.
pub(super) fn script(config: &Config, name: Option<&str>) -> io::Result<Identity> {
    match name.or(config.global.script_user.as_deref()) {
        Some(name) => lookup(name),
        None => first_of(&["keepalived_script", "nobody"]),
    }
}

fn first_of(names: &[&str]) -> io::Result<Identity> {
    names.iter().map(|name| lookup(name)).find(Result::is_ok).unwrap_or_else(|| lookup("nobody"))
}

fn lookup(name: &str) -> io::Result<Identity> {
    let user = User::from_name(name)?;
    let missing = || io::Error::new(io::ErrorKind::NotFound, format!("user {name} does not exist"));
    user.map(|u| Identity { uid: u.uid.as_raw(), gid: u.gid.as_raw() }).ok_or_else(missing)
}
