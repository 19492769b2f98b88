//! Everything that touches a socket, a clock or a file: the thread that drives the engine, and the guard.
//!
//! | module | what it is |
//! |---|---|
//! | [`driver`] | the VRRP thread: feeds the engine, does what it asks |
//! | [`guard`] | a process that takes the addresses off when the keeper dies or freezes, and says so |
//! | [`netlink`] | addresses and links, changed and dumped synchronously |
//! | `watch` | links and addresses as they change |
//! | `socket`, `frames` | adverts; gratuitous ARP and neighbour advertisements |
//! | `speaker` | the priority-0 adverts that the guard sends |
//! | `leftovers` | addresses of an earlier run, removed at the start |
//! | `virtual_mac` | macvlan interfaces and the settings they need |
//! | `clock` | monotonic time that goes on while the machine sleeps |
//! | [`realtime`] | scheduling class and locked memory |

mod clock;
pub mod driver;
mod frames;
pub mod guard;
mod guard_leases;
mod guard_link;
mod guard_wire;
mod leftovers;
pub mod netlink;
pub mod realtime;
mod socket;
mod speaker;
mod sysctl;
mod virtual_mac;
mod watch;

pub use self::guard_link::GuardStatus;
pub use self::speaker::Speaker;
