//! Macvlan interfaces of routers with a virtual MAC address, and the settings without which they do not work.
//!
//! Frames for the virtual MAC arrive on the macvlan while the routes back lead through its parent, so the strict
//! reverse-path filter would drop them; and both interfaces are in the same network, so without `arp_ignore` and
//! `arp_filter` the parent would answer for the virtual address with the wrong MAC. Those settings are Keepalived's.
//! Without `arp_announce` the parent would still tell it: answers to clients leave through it, so it is the one that
//! asks for their MAC, and it would ask in the name of the virtual address.
//! What is changed on interfaces that stay is put back when the last macvlan that needs it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use serde::{Deserialize, Serialize};

use super::netlink::Netlink;
use super::sysctl::Setting;
use super::watch::Network;
use crate::types::{Family, IfIndex, IfName, Mac, RouterId};

/// The macvlan interfaces that exist because of us; at most one per router.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(crate) struct VirtualMacs {
    made: BTreeMap<RouterId, IfIndex>,
    changed: BTreeMap<Setting, Change>,
}

/// A setting of an interface that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    before: String,
    users: BTreeSet<RouterId>,
}

impl VirtualMacs {
    /// Creates the interface, with its settings, and sets it up. An interface of that name with the same virtual MAC
    /// is left from an earlier run and replaced; any other is somebody's, and an error.
    pub(crate) fn create(
        &mut self,
        netlink: &mut Netlink,
        network: &Network,
        wanted: &Wanted<'_>,
    ) -> io::Result<()> {
        let parent = network.name_of(wanted.parent).ok_or(Errno::ENODEV)?;
        if let Some(old) = network.index_of(wanted.name)
            && network.mac_of(old) == Some(wanted.mac)
        {
            netlink.delete_link(old)?;
        }
        netlink.create_macvlan(wanted.parent, wanted.name, wanted.mac)?;
        let ifindex = if_nametoindex(wanted.name.as_str()).map_err(io::Error::from)?;
        let ifindex = IfIndex::new(ifindex).ok_or(Errno::ENODEV)?;
        self.made.insert(wanted.router, ifindex);
        let set_up = own_settings(wanted.family, wanted.name)
            .and_then(|()| self.change_others(wanted, parent, network))
            .and_then(|()| netlink.set_link_up(ifindex));
        if set_up.is_err() {
            self.delete(netlink, wanted.router)?;
        }
        set_up
    }

    /// Deletes the router's interface, if it has one, and puts the settings back.
    pub(crate) fn delete(&mut self, netlink: &mut Netlink, router: RouterId) -> io::Result<()> {
        let deleted = self.made.remove(&router).map_or(Ok(()), |ifindex| netlink.delete_link(ifindex));
        for change in self.changed.values_mut() {
            change.users.remove(&router);
        }
        let (over, kept) =
            std::mem::take(&mut self.changed).into_iter().partition(|(_, change)| change.users.is_empty());
        self.changed = kept;
        put_back(over);
        deleted
    }

    /// The same routers under other numbers: before, after. Those of others are not there any more.
    pub(crate) fn renumber(&mut self, heirs: &[(RouterId, RouterId)]) {
        let after = |was: RouterId| heirs.iter().find(|(before, _)| *before == was).map(|(_, after)| *after);
        let made = std::mem::take(&mut self.made);
        self.made = made.into_iter().filter_map(|(was, ifindex)| Some((after(was)?, ifindex))).collect();
        for change in self.changed.values_mut() {
            change.users = change.users.iter().filter_map(|was| after(*was)).collect();
        }
    }

    /// Deletes all of them.
    pub(crate) fn delete_all(&mut self, netlink: &mut Netlink) -> io::Result<()> {
        let routers: Vec<_> = self.made.keys().copied().collect();
        routers.into_iter().try_for_each(|router| self.delete(netlink, router))
    }

    fn change_others(&mut self, wanted: &Wanted<'_>, parent: &IfName, network: &Network) -> io::Result<()> {
        if wanted.family == Family::V6 {
            return Ok(());
        }
        for (key, value) in [("arp_ignore", "1"), ("arp_filter", "1"), ("arp_announce", "2")] {
            self.change(wanted.router, Setting::new(Family::V4, parent, key), value)?;
        }
        self.move_reverse_path_filter(wanted, network)
    }

    /// The filter in force is the greater of `all` and the interface's own. To spare the macvlan, the value of `all`
    /// moves into every other interface.
    fn move_reverse_path_filter(&mut self, wanted: &Wanted<'_>, network: &Network) -> io::Result<()> {
        let Some(all) = IfName::new("all") else { return Ok(()) };
        let all = Setting::new(Family::V4, &all, "rp_filter");
        let general = all.read()?;
        if general != "0" {
            for link in network.links().filter(|l| l.name != *wanted.name) {
                let setting = Setting::new(Family::V4, &link.name, "rp_filter");
                // An interface that has gone meanwhile needs no filter.
                let Ok(own) = setting.read() else { continue };
                self.change(wanted.router, setting, if own > general { &own } else { &general })?;
            }
        }
        self.change(wanted.router, all, "0")
    }

    fn change(&mut self, router: RouterId, setting: Setting, value: &str) -> io::Result<()> {
        if let Some(change) = self.changed.get_mut(&setting) {
            change.users.insert(router);
        } else if let Some(before) = setting.replace(value)? {
            self.changed.insert(setting, Change { before, users: BTreeSet::from([router]) });
        }
        Ok(())
    }
}

/// As it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    made: Vec<(RouterId, IfIndex)>,
    changed: Vec<WrittenChange>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenChange {
    family: Family,
    interface: IfName,
    key: String,
    before: String,
    users: Vec<RouterId>,
}

impl From<VirtualMacs> for Written {
    fn from(macs: VirtualMacs) -> Self {
        let changed = macs.changed.into_iter().map(|(setting, change)| WrittenChange {
            family: setting.family,
            interface: setting.interface,
            key: setting.key.to_owned(),
            before: change.before,
            users: change.users.into_iter().collect(),
        });
        Self { made: macs.made.into_iter().collect(), changed: changed.collect() }
    }
}

impl From<Written> for VirtualMacs {
    fn from(written: Written) -> Self {
        let change = |change: WrittenChange| {
            let setting = Setting::named(change.family, change.interface, &change.key)?;
            Some((setting, Change { before: change.before, users: change.users.into_iter().collect() }))
        };
        Self {
            made: written.made.into_iter().collect(),
            changed: written.changed.into_iter().filter_map(change).collect(),
        }
    }
}

/// The interface to make.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) router: RouterId,
    pub(crate) family: Family,
    pub(crate) parent: IfIndex,
    pub(crate) name: &'a IfName,
    pub(crate) mac: Mac,
}

fn own_settings(family: Family, name: &IfName) -> io::Result<()> {
    let settings: &[(Family, &'static str, &str)] = match family {
        Family::V4 => &OWN_V4,
        Family::V6 => &OWN_V6,
    };
    for (half, key, value) in settings {
        match Setting::new(*half, name, key).write(value) {
            // A kernel without IPv6 has nothing to switch off.
            Err(e) if *half == Family::V6 && e.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

/// `all` first: while it is high no other value matters, so no filter is open in between. An interface that is gone
/// took its settings with it.
fn put_back(over: BTreeMap<Setting, Change>) {
    let (general, own): (Vec<_>, Vec<_>) = over.into_iter().partition(|(s, _)| s.interface.as_str() == "all");
    for (setting, change) in general.into_iter().chain(own) {
        match setting.write(&change.before) {
            Ok(()) | Err(_) => {}
        }
    }
}

/// Both nodes would give the macvlan the same link-local address, so it gets none.
const OWN_V4: [(Family, &str, &str); 5] = [
    (Family::V4, "arp_ignore", "1"),
    (Family::V4, "accept_local", "1"),
    (Family::V4, "rp_filter", "0"),
    (Family::V4, "promote_secondaries", "1"),
    (Family::V6, "disable_ipv6", "1"),
];
const OWN_V6: [(Family, &str, &str); 3] =
    [(Family::V6, "addr_gen_mode", "1"), (Family::V6, "accept_ra", "0"), (Family::V6, "autoconf", "0")];
