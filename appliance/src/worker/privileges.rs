//! Giving up privileges, and proving it.

use std::io;

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

/// Who a process becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group; the only one.
    pub gid: u32,
}

/// Becomes `identity` without a single capability, for good. Must run before any other thread exists.
///
/// Inside a user namespace that maps no such user the identity stays (it is an unprivileged user outside), the
/// capabilities go all the same.
///
/// # Errors
/// If anything is left of the privileges: the process must not go on.
pub fn drop_all(identity: Identity) -> io::Result<()> {
    no_new_privileges()?;
    if !Uid::effective().is_root() && Uid::effective().as_raw() == identity.uid {
        return keep_only(&CapsHashSet::new());
    }
    clear_bounding()?;
    match become_user(identity) {
        Ok(()) => {}
        Err(Errno::EINVAL | Errno::EPERM) if is_unmapped(identity) => {}
        Err(e) => return Err(io::Error::other(format!("cannot become uid {}: {e}", identity.uid))),
    }
    keep_only(&CapsHashSet::new())
}

/// Keeps these capabilities and no other.
///
/// # Errors
/// If the kernel refuses, or more than asked for is left.
pub fn keep_only(wanted: &CapsHashSet) -> io::Result<()> {
    let permitted = caps::read(None, CapSet::Permitted).map_err(io::Error::other)?;
    let kept: CapsHashSet = wanted.intersection(&permitted).copied().collect();
    caps::clear(None, CapSet::Inheritable).map_err(io::Error::other)?;
    caps::set(None, CapSet::Effective, &kept).map_err(io::Error::other)?;
    caps::set(None, CapSet::Permitted, &kept).map_err(io::Error::other)?;
    let left = caps::read(None, CapSet::Permitted).map_err(io::Error::other)?;
    if left.is_subset(wanted) {
        Ok(())
    } else {
        Err(io::Error::other(format!("capabilities left: {left:?}")))
    }
}

/// No later exec can give back what is dropped here.
///
/// # Errors
/// If the kernel refuses.
pub fn no_new_privileges() -> io::Result<()> {
    nix::sys::prctl::set_no_new_privs().map_err(io::Error::from)
}

/// The second fence: what is out of the bounding set cannot come back by an exec. It takes CAP_SETPCAP; the fence that
/// counts, the permitted set, does not.
fn clear_bounding() -> io::Result<()> {
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(io::Error::other)? {
        caps::clear(None, CapSet::Bounding).map_err(io::Error::other)?;
    }
    Ok(())
}

fn become_user(identity: Identity) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    match setgroups(&[]) {
        // A user namespace set up without privileges forbids setgroups for ever; there are no groups to lose then.
        Ok(()) => {}
        Err(Errno::EPERM) if setgroups_is_denied() => {}
        Err(e) => return Err(e),
    }
    setgid(gid)?;
    setuid(uid)
}

fn setgroups_is_denied() -> bool {
    std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|s| s.trim() == "deny")
}

/// Whether the user does not exist in this user namespace.
pub fn is_unmapped(identity: Identity) -> bool {
    let Ok(map) = std::fs::read_to_string("/proc/self/uid_map") else { return false };
    !map.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (fields.next(), fields.next(), fields.next())
        else {
            return false;
        };
        (first..first.saturating_add(count)).contains(&u64::from(identity.uid))
    })
}
