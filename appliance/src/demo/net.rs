//! The demo's network, by netlink alone: one switch, and a cable from it to every host.
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt;
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, new_connection};

use super::cast::PREFIX_LEN;
use super::netns::NetNs;

/// The interface every host has.
pub(super) const INTERFACE: &str = "eth0";

/// A host: its namespace and its address.
#[derive(Debug)]
pub(super) struct Host {
    /// Where it lives.
    pub(super) netns: NetNs,
    /// Its address on [`INTERFACE`].
    pub(super) addr: Ipv4Addr,
}

/// Makes the switch in the caller's namespace and connects every host to it.
///
/// # Errors
/// The first step the kernel refused, by name.
pub(super) fn connect<'a>(hosts: impl Iterator<Item = &'a Host> + Clone) -> io::Result<()> {
    let cabled = hosts.clone();
    with_netlink(async move |links| {
        let switch = add_switch(&links).await?;
        for host in cabled {
            add_cable(&links, switch, &host.netns).await.map_err(|e| step("cable", &host.netns, &e))?;
        }
        Ok(())
    })?;
    for host in hosts {
        let addr = host.addr;
        host.netns
            .run(|| with_netlink(async move |links| bring_up(&links, addr).await))
            .map_err(|e| step("address", &host.netns, &e))?;
    }
    Ok(())
}

/// Runs `work` with a netlink connection into the calling thread's namespace.
fn with_netlink<T>(work: impl AsyncFnOnce(Handle) -> io::Result<T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = new_connection()?;
        // Ends with the runtime, which is dropped on return.
        tokio::spawn(connection);
        work(handle).await
    })
}

/// Multicast must reach every port from the first packet on, so the switch does not try to learn who listens.
async fn add_switch(links: &Handle) -> io::Result<u32> {
    let bridge = LinkMessageBuilder::<LinkBridge>::new(SWITCH).mcast_snooping(false).up().build();
    links.link().add(bridge).execute().await.map_err(io::Error::other)?;
    index_of(links, SWITCH).await
}

/// A veth pair: one end at the switch, the other as [`INTERFACE`] inside the host.
async fn add_cable(links: &Handle, switch: u32, host: &NetNs) -> io::Result<()> {
    let far_end = LinkUnspec::new_with_name(INTERFACE).setns_by_fd(host.raw_fd()).build();
    let cable = LinkVeth::new(host.name(), INTERFACE)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(far_end)))
        .controller(switch)
        .up()
        .build();
    links.link().add(cable).execute().await.map_err(io::Error::other)
}

/// Gives the host its loopback, its interface and its address.
async fn bring_up(links: &Handle, addr: Ipv4Addr) -> io::Result<()> {
    for name in ["lo", INTERFACE] {
        let up = LinkUnspec::new_with_name(name).up().build();
        links.link().set(up).execute().await.map_err(io::Error::other)?;
    }
    let index = index_of(links, INTERFACE).await?;
    links.address().add(index, IpAddr::V4(addr), PREFIX_LEN).execute().await.map_err(io::Error::other)
}

async fn index_of(links: &Handle, name: &str) -> io::Result<u32> {
    let mut found = links.link().get().match_name(name.to_owned()).execute();
    let link = found.try_next().await.map_err(io::Error::other)?;
    link.map(|link| link.header.index).ok_or_else(|| io::Error::other(format!("no interface {name}")))
}

fn step(what: &str, host: &NetNs, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{what} of {}: {cause}", host.name()))
}

const SWITCH: &str = "switch";
