//! Which server a cookie's value means, and which value a server has.

use std::net::IpAddr;
use std::sync::Arc;

use super::xxh64::xxh64;
use crate::endpoint::Endpoint;
use crate::names::{Addresses, Epoch};
use crate::plan::{Backend, BackendId, Plan, ServerId};

/// The values of one backend's servers.
#[derive(Debug, Default)]
pub struct Values {
    /// Sorted by value, then in the order of the file.
    by_value: Vec<(Box<[u8]>, ServerId)>,
    /// By position in the backend.
    by_server: Vec<Option<Box<[u8]>>>,
    first: u32,
}

impl Values {
    /// As things are: dynamic values depend on where servers are.
    pub fn new(plan: &Plan, backend: &Backend, addresses: &Addresses) -> Self {
        let key = backend.cookie.as_ref().and_then(|c| c.dynamic_key.as_deref());
        let value_of = |id: u32| -> Option<Box<[u8]>> {
            let server = plan.servers().get(id as usize)?;
            if let Some(cookie) = &server.cookie {
                return Some(cookie.as_bytes().into());
            }
            dynamic(key?, &*addresses.endpoint(ServerId(id))?)
        };
        let by_server: Vec<_> = backend.servers.clone().map(value_of).collect();
        let servers = backend.servers.clone().map(ServerId).zip(&by_server);
        let mut by_value: Vec<_> = servers.filter_map(|(id, value)| Some((value.clone()?, id))).collect();
        by_value.sort();
        Self { by_value, by_server, first: backend.servers.start }
    }

    /// The servers a value means, in the order of the file: several may share one.
    pub fn servers<'a>(&'a self, value: &'a [u8]) -> impl Iterator<Item = ServerId> + 'a {
        let from = self.by_value.partition_point(|(v, _)| **v < *value);
        let rest = self.by_value.get(from..).unwrap_or_default();
        rest.iter().take_while(move |(v, _)| **v == *value).map(|(_, id)| *id)
    }

    /// The value of a server; `None`: it has none.
    pub fn of(&self, server: ServerId) -> Option<&[u8]> {
        let at = server.0.checked_sub(self.first)?;
        self.by_server.get(at as usize)?.as_deref()
    }
}

/// HAProxy's dynamic cookie: the hash of the key, the address and the port as 32 bits, in network order, as hexadecimal
/// digits. A Unix socket has no port, and counts by its name.
fn dynamic(key: &[u8], at: &Endpoint) -> Option<Box<[u8]>> {
    let mut hashed = key.to_vec();
    let port = match at {
        Endpoint::Ip(addr) => {
            match addr.ip() {
                IpAddr::V4(ip) => hashed.extend_from_slice(&ip.octets()),
                IpAddr::V6(ip) => hashed.extend_from_slice(&ip.octets()),
            }
            addr.port()
        }
        Endpoint::Unix(name) => {
            hashed.extend_from_slice(name.as_path().as_os_str().as_encoded_bytes());
            0
        }
    };
    hashed.extend_from_slice(&u32::from(port).to_be_bytes());
    Some(format!("{:016x}", xxh64(&hashed)).into_bytes().into())
}

/// The values of all backends with a cookie, kept up to date with addresses. Every data thread has its own.
#[derive(Debug, Default)]
pub struct Jar {
    backends: Vec<Option<Arc<Values>>>,
    epoch: Epoch,
}

impl Jar {
    /// The values of a backend as things are.
    pub fn values(&mut self, plan: &Plan, id: BackendId, addresses: &Addresses) -> Arc<Values> {
        let epoch = addresses.epoch();
        if epoch != self.epoch {
            self.backends.clear();
            self.epoch = epoch;
        }
        let at = usize::from(id.0);
        if self.backends.len() <= at {
            self.backends.resize(at + 1, None);
        }
        let make = || {
            let backend = plan.backends().get(at);
            Arc::new(backend.map(|b| Values::new(plan, b, addresses)).unwrap_or_default())
        };
        self.backends.get_mut(at).map_or_else(make, |kept| Arc::clone(kept.get_or_insert_with(make)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::balance::fixture;
    use crate::plan::Server;
    use crate::sticky::{Cookie, Mode, ToServer};

    fn plan(cookies: &[Option<&str>], key: Option<&str>) -> Plan {
        let server =
            |cookie: &Option<&str>| Server { cookie: cookie.map(str::to_owned), ..fixture::server(1) };
        let mut cookie = Cookie::new("SRV", Mode::Insert(ToServer::Seen));
        cookie.dynamic_key = key.map(|k| k.as_bytes().to_vec());
        fixture::plan_with(cookies.iter().map(server).collect(), |b| b.cookie = Some(Arc::new(cookie)))
    }

    #[test]
    fn values_mean_servers_and_may_be_shared() {
        let plan = plan(&[Some("b"), None, Some("a"), Some("b")], None);
        let values = Values::new(&plan, &plan.backends()[0], &Addresses::new(&plan));
        let servers = |value: &str| values.servers(value.as_bytes()).map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(servers("b"), [0, 3]);
        assert_eq!(servers("a"), [2]);
        assert!(servers("c").is_empty() && servers("").is_empty() && servers("aa").is_empty());
        assert_eq!(values.of(ServerId(2)), Some(&b"a"[..]));
        assert_eq!((values.of(ServerId(1)), values.of(ServerId(9))), (None, None));
    }

    /// The value HAProxy 2.6.12 gives to 127.0.0.1:8000 with the key `secret`.
    #[test]
    fn dynamic_values_follow_the_address() {
        let plan = plan(&[None, Some("own")], Some("secret"));
        let addresses = Addresses::new(&plan);
        let mut jar = Jar::default();
        let here: Endpoint = "127.0.0.1:8000".parse().unwrap();
        assert!(addresses.set(ServerId(0), Some(here)));
        let values = jar.values(&plan, BackendId(0), &addresses);
        assert_eq!(values.of(ServerId(0)), Some(&b"6d7e0057bd4c031a"[..]));
        assert_eq!(values.of(ServerId(1)), Some(&b"own"[..]), "a value of its own wins");
        assert!(Arc::ptr_eq(&values, &jar.values(&plan, BackendId(0), &addresses)), "made once");
        assert!(addresses.set(ServerId(0), None));
        assert_eq!(jar.values(&plan, BackendId(0), &addresses).of(ServerId(0)), None);
    }
}
