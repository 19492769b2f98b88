//! The hosts, their cables, and what can be done to those.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::netns::Netns;

/// The virtual addresses of every test.
pub const VIP4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 50));
/// Its IPv6 sister.
pub const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x50));

/// One machine: a namespace with `eth0` on the bridge.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its namespace.
    pub ns: Arc<Netns>,
    /// Name, also that of its port on the bridge.
    pub name: &'static str,
    /// Address in 10.77.0.0/24.
    pub v4: Ipv4Addr,
    /// Address in fd77::/64.
    pub v6: Ipv6Addr,
}

/// All machines of a test.
#[derive(Debug)]
pub struct Lab {
    /// Namespace of the bridge.
    pub switch: Arc<Netns>,
    /// First node.
    pub a: Host,
    /// Second node.
    pub b: Host,
    /// Where probes come from.
    pub client: Host,
    /// Where backends listen: .11 and .12.
    pub servers: Host,
    /// Where hostile packets come from.
    pub attacker: Host,
}

impl Lab {
    /// Builds it: cables plugged in, addresses on, nothing running.
    pub fn new() -> Self {
        let switch = Arc::new(Netns::new("switch"));
        switch.ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nlink set br0 up");
        let host = |name, last| Host::plugged(&switch, name, last);
        let lab = Self {
            a: host("a", 1),
            b: host("b", 2),
            client: host("client", 100),
            servers: host("servers", 10),
            attacker: host("attacker", 66),
            switch: Arc::clone(&switch),
        };
        lab.servers.ns.ip("addr add 10.77.0.11/24 dev eth0\naddr add 10.77.0.12/24 dev eth0");
        lab
    }

    /// Pulls the host's cable: its `eth0` loses the carrier.
    pub fn pull_cable(&self, host: &Host) {
        self.switch.ip(&format!("link set dev {} down", host.name));
    }

    /// Plugs it in again.
    pub fn plug_cable(&self, host: &Host) {
        self.switch.ip(&format!("link set dev {} up", host.name));
    }

    /// The switch drops everything from and to the host, which notices nothing.
    pub fn blackhole(&self, host: &Host) {
        self.switch.bridge(&format!("link set dev {} state 0", host.name));
    }

    /// Ends [`Self::blackhole`].
    pub fn unblackhole(&self, host: &Host) {
        self.switch.bridge(&format!("link set dev {} state 3", host.name));
    }

    /// `a` and `b` cannot hear each other; everybody else hears both.
    pub fn partition(&self) {
        self.switch.bridge("link set dev a isolated on\nlink set dev b isolated on");
    }

    /// Ends [`Self::partition`].
    pub fn heal(&self) {
        self.switch.bridge("link set dev a isolated off\nlink set dev b isolated off");
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    fn plugged(switch: &Netns, name: &'static str, last: u8) -> Self {
        let host = Self::unplugged(name, last);
        host.plug_into(switch);
        host.address();
        host
    }

    /// A host without any cable yet.
    pub fn unplugged(name: &'static str, last: u8) -> Self {
        let v4 = Ipv4Addr::new(10, 77, 0, last);
        let v6 = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, u16::from(last));
        Self { ns: Arc::new(Netns::new(name)), name, v4, v6 }
    }

    /// Gives it an `eth0`, without addresses, on the bridge of `switch`.
    pub fn plug_into(&self, switch: &Netns) {
        let (name, path) = (self.name, self.ns.path());
        switch.ip(&format!(
            "link add name {name} type veth peer name eth0 netns {path}\nlink set dev {name} master br0\nlink set dev {name} up"
        ));
        self.ns.ip("link set dev eth0 up");
    }

    /// Puts the host's own addresses on.
    pub fn address(&self) {
        self.ns.ip(&format!("addr add {}/24 dev eth0\naddr add {}/64 dev eth0 nodad", self.v4, self.v6));
    }

    /// Ethernet address of its `eth0`.
    pub fn mac(&self) -> [u8; 6] {
        let listed = self.ns.output("ip -o link show eth0");
        let words: Vec<&str> = listed.split_ascii_whitespace().collect();
        let at = words.iter().position(|w| *w == "link/ether").expect("an Ethernet interface");
        parse_mac(words[at + 1])
    }

    /// Whether an address is on one of its interfaces.
    pub fn has(&self, addr: IpAddr) -> bool {
        let listed = self.ns.output("ip -o addr show");
        listed.contains(&format!(" {addr}/"))
    }
}

fn parse_mac(text: &str) -> [u8; 6] {
    let octets: Vec<u8> = text.split(':').map(|o| u8::from_str_radix(o, 16).expect("hexadecimal")).collect();
    octets.try_into().unwrap_or_else(|_| panic!("{text} is no Ethernet address"))
}
