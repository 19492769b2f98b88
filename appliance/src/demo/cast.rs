//! Who plays in the demo: two nodes, two backends, a client and the virtual address between them.
use std::fmt;
use std::net::Ipv4Addr;

/// The address the client talks to, whoever holds it.
pub(super) const VIP: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 50);
/// Where the client sits.
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 100);
/// All hosts share one network; the VIP is a /32 on top of it.
pub(super) const PREFIX_LEN: u8 = 24;
/// The port the frontend binds.
pub(super) const FRONTEND_PORT: u16 = 80;
/// The port the backends answer on.
pub(super) const BACKEND_PORT: u16 = 8080;
/// The virtual router of the demo.
pub(super) const VRID: u8 = 51;

/// The one file both nodes read.
pub(super) const CONFIG: &str = r#"# The same file on both nodes.
[defaults]
mode = "http"
timeout = { connect = "1s", client = "10s", server = "10s", http_request = "5s" }
default_server = { check = true, inter = "500ms", fall = 2, rise = 1 }

[frontend.www]
bind = [{ addr = "*:80" }]
default_backend = "app"

[backend.app]
balance = "roundrobin"
httpchk = "/health"
server = [
  { name = "app1", addr = "10.99.0.11:8080" },
  { name = "app2", addr = "10.99.0.12:8080" },
]

[vrrp.VI_1]
version = 3
interface = "eth0"
virtual_router_id = 51
priority = { lb1 = 150, lb2 = 100 }
advert_int = "100ms"
virtual_ipaddress = ["10.99.0.50/32"]
track = ["data_plane"]
"#;

/// One of the two load balancers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    /// The preferred one.
    Lb1,
    /// Its backup.
    Lb2,
}

impl Node {
    /// Both, the preferred one first.
    pub(super) const ALL: [Self; 2] = [Self::Lb1, Self::Lb2];

    /// The name used in the configuration and by `--node`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Lb1 => "lb1",
            Self::Lb2 => "lb2",
        }
    }

    /// Its own address, the source of its adverts and of its connections to the backends.
    pub(super) fn addr(self) -> Ipv4Addr {
        match self {
            Self::Lb1 => Ipv4Addr::new(10, 99, 0, 1),
            Self::Lb2 => Ipv4Addr::new(10, 99, 0, 2),
        }
    }

    /// The node that owns `addr`, if one does.
    pub(super) fn by_addr(addr: Ipv4Addr) -> Option<Self> {
        Self::ALL.into_iter().find(|node| node.addr() == addr)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A value for each node.
#[derive(Debug, Clone, Default)]
pub(super) struct PerNode<T> {
    lb1: T,
    lb2: T,
}

impl<T> PerNode<T> {
    /// Makes both values, the preferred node's first.
    pub(super) fn try_from_fn<E>(mut make: impl FnMut(Node) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self { lb1: make(Node::Lb1)?, lb2: make(Node::Lb2)? })
    }

    /// The value of `node`.
    pub(super) fn of(&self, node: Node) -> &T {
        match node {
            Node::Lb1 => &self.lb1,
            Node::Lb2 => &self.lb2,
        }
    }

    /// The value of `node`, to change.
    pub(super) fn of_mut(&mut self, node: Node) -> &mut T {
        match node {
            Node::Lb1 => &mut self.lb1,
            Node::Lb2 => &mut self.lb2,
        }
    }
}

/// One of the two HTTP backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum App {
    /// The first server of the backend.
    App1,
    /// The second one.
    App2,
}

impl App {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::App1, Self::App2];

    /// The server's name in the configuration.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::App1 => "app1",
            Self::App2 => "app2",
        }
    }

    /// Where it listens.
    pub(super) fn addr(self) -> Ipv4Addr {
        match self {
            Self::App1 => Ipv4Addr::new(10, 99, 0, 11),
            Self::App2 => Ipv4Addr::new(10, 99, 0, 12),
        }
    }

    /// The backend that signs its answers with `name`.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|app| app.as_str() == name)
    }
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_the_cast() {
        for node in Node::ALL {
            assert!(CONFIG.contains(&format!("{node} = ")), "priority of {node}");
        }
        for app in App::ALL {
            let server = format!("name = \"{app}\", addr = \"{}:{BACKEND_PORT}\"", app.addr());
            assert!(CONFIG.contains(&server), "{server}");
        }
        assert!(CONFIG.contains(&format!("\"{VIP}/32\"")));
        assert!(CONFIG.contains(&format!("virtual_router_id = {VRID}")));
        assert!(CONFIG.contains(&format!("\"*:{FRONTEND_PORT}\"")));
    }

    #[test]
    fn a_node_is_known_by_its_address() {
        assert_eq!(Node::by_addr(Ipv4Addr::new(10, 99, 0, 2)), Some(Node::Lb2));
        assert_eq!(Node::by_addr(CLIENT), None);
    }
}
