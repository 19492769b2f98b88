//! Addresses and macvlan interfaces that an earlier run left behind, removed before the first advert.
//!
//! A killed node's address is found by its `IFA_PROTO` tag. Kernels before 5.18 do not keep the tag; for them the
//! addresses are also listed in a state file, one `interface address/prefix` a line, in the runtime directory (it
//! must not outlive the boot).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use super::netlink::{ADDRESS_PROTOCOL, Netlink};
use crate::config::RouterConfig;
use crate::event::InterfaceAddress;
use crate::types::{IfIndex, IfName, Mac};

/// One address on an interface, by name: an index means nothing after a restart of the network.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeldAddress {
    pub(crate) interface: IfName,
    pub(crate) addr: IpAddr,
    pub(crate) prefix_len: u8,
}

/// The list of addresses this node holds, on disk.
#[derive(Debug, Clone)]
pub(crate) struct StateFile(PathBuf);

impl StateFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Replaces the list. A reader sees the old list or the new one.
    pub(crate) fn write(&self, held: &BTreeSet<HeldAddress>) -> io::Result<()> {
        let lines = held.iter().map(|h| format!("{} {}/{}\n", h.interface, h.addr, h.prefix_len));
        let text = std::iter::once(HEADER.to_owned()).chain(lines).collect::<String>();
        let temporary = self.0.with_extension("new");
        fs::write(&temporary, text)?;
        fs::rename(&temporary, &self.0)
    }

    /// The list of the earlier run; empty if there is none. Lines that are not understood are skipped: the file is
    /// only ever written here, and what it cannot name cannot be removed.
    fn read(&self) -> io::Result<BTreeSet<HeldAddress>> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Ok(text.lines().filter_map(parse_line).collect()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(e) => Err(e),
        }
    }
}

/// Takes off every address with our tag and every listed one, but those that a MASTER goes on holding; says how many
/// there were.
///
/// A failure to remove one does not keep the others; the first error is returned after all were tried.
pub(crate) fn remove(
    netlink: &mut Netlink,
    state: Option<&StateFile>,
    stays: impl Fn(&HeldAddress) -> bool,
) -> io::Result<usize> {
    let listed = state.map(StateFile::read).transpose()?.unwrap_or_default();
    let doomed = doomed(netlink, &listed, &stays)?;
    let mut result = Ok(doomed.len());
    for (ifindex, addr, prefix_len) in doomed {
        if let Err(e) = netlink.delete_address(ifindex, addr, prefix_len) {
            result = result.and(Err(e));
        }
    }
    if let Some(state) = state.filter(|_| !listed.is_empty() && result.is_ok()) {
        state.write(&listed.into_iter().filter(|held| stays(held)).collect())?;
    }
    result
}

/// Deletes the macvlan interfaces an earlier run left for these routers: known by name and virtual MAC. Their settings
/// may be half made, so they are not used again, but for those that `stay`.
pub(crate) fn remove_macvlans(
    netlink: &mut Netlink,
    routers: &[RouterConfig],
    stay: &[IfName],
) -> io::Result<()> {
    let virtual_macs: Vec<_> = routers
        .iter()
        .filter(|r| r.virtual_mac)
        .map(|r| Some(Mac::virtual_router(r.family, r.vrid)))
        .collect();
    if virtual_macs.is_empty() {
        return Ok(());
    }
    let links = netlink.links()?;
    let ours = links.iter().filter(|l| l.name.as_str().starts_with("vrrp") && virtual_macs.contains(&l.mac));
    let left = ours.filter(|l| !stay.contains(&l.name));
    left.map(|l| l.ifindex).try_for_each(|ifindex| netlink.delete_link(ifindex))
}

fn doomed(
    netlink: &mut Netlink,
    listed: &BTreeSet<HeldAddress>,
    stays: impl Fn(&HeldAddress) -> bool,
) -> io::Result<BTreeSet<(IfIndex, IpAddr, u8)>> {
    let links = netlink.links()?;
    let present = netlink.addresses()?;
    let is = |a: &InterfaceAddress, what: &dyn Fn(&HeldAddress) -> bool| {
        let link = links.iter().find(|l| l.ifindex == a.ifindex);
        link.is_some_and(|l| {
            what(&HeldAddress { interface: l.name.clone(), addr: a.addr, prefix_len: a.prefix_len })
        })
    };
    let ours = present.into_iter().filter(|r| {
        let a = &r.address;
        // An address without a lifetime was not put on here, whatever the list says.
        let is_ours = r.protocol == Some(ADDRESS_PROTOCOL)
            || (r.valid_secs.is_some() && is(a, &|held| listed.contains(held)));
        is_ours && !is(a, &stays)
    });
    Ok(ours.map(|r| (r.address.ifindex, r.address.addr, r.address.prefix_len)).collect())
}

fn parse_line(line: &str) -> Option<HeldAddress> {
    let (name, address) = line.split_once(' ')?;
    let (addr, prefix_len) = address.split_once('/')?;
    Some(HeldAddress {
        interface: IfName::new(name)?,
        addr: addr.parse().ok()?,
        prefix_len: prefix_len.parse().ok()?,
    })
}

const HEADER: &str = "# virtual addresses held; removed at the next start\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip_and_nonsense_is_skipped() {
        let held = HeldAddress {
            interface: IfName::new("eth0").unwrap(),
            addr: "2001:db8::5".parse().unwrap(),
            prefix_len: 128,
        };
        assert_eq!(parse_line("eth0 2001:db8::5/128"), Some(held));
        for bad in
            ["", "#", "eth0", "eth0 192.0.2.1", "eth0 192.0.2.1/", "eth0 192.0.2.1/999", "a/b 1.2.3.4/32"]
        {
            assert_eq!(parse_line(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn file_is_replaced_as_a_whole() {
        let path = std::env::temp_dir().join(format!("ek-vrrp-state-{}", std::process::id()));
        let file = StateFile::new(path.clone());
        assert_eq!(file.read().unwrap(), BTreeSet::new());
        let one: BTreeSet<_> =
            ["eth0 192.0.2.1/32", "eth1 2001:db8::1/64"].iter().filter_map(|l| parse_line(l)).collect();
        file.write(&one).unwrap();
        assert_eq!(file.read().unwrap(), one);
        file.write(&BTreeSet::new()).unwrap();
        assert_eq!(file.read().unwrap(), BTreeSet::new());
        fs::remove_file(path).unwrap();
    }
}
