//! Records of a service (RFC 2782), as servers take them.

use std::net::{IpAddr, SocketAddr};

use super::{Place, Prefer};

/// One SRV record, with where its target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The lowest is served first.
    pub priority: u16,
    /// Share of the work among its like.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// Addresses of the target.
    pub addresses: Vec<IpAddr>,
}

/// The places where a service is, in the order in which servers take them. Each record is one place: of several
/// addresses it is the least of the preferred family, so that a name server that turns its answers moves nobody.
pub fn places(mut services: Vec<Service>, prefer: Prefer) -> Vec<Place> {
    let scale = Scale::of(&services);
    services.sort_by_key(|s| s.priority);
    let place = |service: &Service| {
        let ip = service.addresses.iter().copied().min_by_key(|ip| (!prefer.is(*ip), *ip))?;
        // Port 0 is no port, whatever a record says.
        let at = (service.port > 0).then(|| SocketAddr::new(ip, service.port))?;
        Some(Place { at, weight: scale.apply(service.weight) })
    };
    services.iter().filter_map(place).collect()
}

/// How weights of records, 0–65535, become weights of servers, 0–256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// All are 0: there is nothing to choose by (RFC 2782), and servers keep the weights they are configured with.
    Unsaid,
    /// As they are.
    Same,
    /// HAProxy's way: by 256, rounded up, so that nothing above 0 becomes 0.
    Shrunk,
}

impl Scale {
    fn of(services: &[Service]) -> Self {
        match services.iter().map(|s| s.weight).max() {
            None | Some(0) => Self::Unsaid,
            Some(1..=256) => Self::Same,
            Some(_) => Self::Shrunk,
        }
    }

    fn apply(self, weight: u16) -> Option<u16> {
        match self {
            Self::Unsaid => None,
            Self::Same => Some(weight),
            Self::Shrunk => Some(weight.div_ceil(256)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, port: u16, addresses: &[&str]) -> Service {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        Service { priority, weight, port, addresses }
    }

    #[test]
    fn a_record_is_a_place() {
        let services = vec![
            service(20, 0, 81, &["192.0.2.9"]),
            service(10, 5, 80, &["192.0.2.2", "192.0.2.1", "2001:db8::1"]),
            service(10, 5, 82, &[]),
            service(10, 5, 0, &["192.0.2.3"]),
        ];
        let told = |prefer| {
            let places = places(services.clone(), prefer);
            places.into_iter().map(|p| format!("{} {:?}", p.at, p.weight)).collect::<Vec<_>>()
        };
        assert_eq!(told(Prefer::V4), ["192.0.2.1:80 Some(5)", "192.0.2.9:81 Some(0)"]);
        assert_eq!(told(Prefer::V6), ["[2001:db8::1]:80 Some(5)", "192.0.2.9:81 Some(0)"]);
    }

    #[test]
    fn weights_keep_their_proportion_as_far_as_servers_have_room_for_it() {
        for (records, servers) in [
            (vec![], vec![]),
            (vec![0, 0], vec![None, None]),
            (vec![0, 1], vec![Some(0), Some(1)]),
            (vec![10, 70, 256], vec![Some(10), Some(70), Some(256)]),
            (vec![0, 1, 256, 257, 65_535], vec![Some(0), Some(1), Some(1), Some(2), Some(256)]),
        ] {
            let services = records.iter().map(|w| service(0, *w, 80, &["192.0.2.1"])).collect();
            let weights: Vec<_> = places(services, Prefer::V4).iter().map(|p| p.weight).collect();
            assert_eq!(weights, servers, "{records:?}");
        }
    }
}
