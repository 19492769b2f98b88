//! Looks up the names of servers, beside the checks: an answer moves servers through the [`Monitor`], as a check's result
//! does.
//!
//! [`Monitor`]: crate::health::Monitor

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use tokio::task::{JoinError, JoinSet};

use super::Shared;
use crate::names::{Answer, Lookups, Name, NameId, Place, Prefer, Resolvers, Service, Unresolved, places};

type Answers = JoinSet<(NameId, Answer)>;

/// Looks names up until it is dropped; lookups under way end with it. Ends by itself if there are none.
///
/// # Cancel safety
/// Dropping the future leaves servers where they are.
pub(super) async fn run(shared: Arc<Shared>, mut lookups: Lookups) {
    let panels: Vec<_> = shared.plan.resolvers().iter().map(panel).collect();
    let mut answers = Answers::new();
    while !lookups.is_empty() {
        let now = Instant::now();
        while let Some((id, name)) = lookups.poll_lookup(now) {
            match panels.get(usize::from(name.resolvers.0)) {
                Some(Ok(panel)) => {
                    let panel = Arc::clone(panel);
                    answers.spawn(async move { (id, look_up(&panel, &name).await) });
                }
                Some(Err(_)) | None => lookups.handle_answer(now, id, Answer::Failed(Unresolved::Other)),
            }
        }
        carry_out(&shared, &mut lookups, now);
        let wake_at = lookups.poll_timeout();
        let sleep = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        // Each arm may be dropped: an answer stays in the set, and the sleep is made anew.
        tokio::select! {
            Some(answered) = answers.join_next() => take_in(&mut lookups, answered),
            () = sleep => {}
        }
    }
}

/// Moves servers as answers say.
fn carry_out(shared: &Shared, lookups: &mut Lookups, now: Instant) {
    let mut moved = false;
    let mut monitor = shared.monitor();
    while let Some(next) = lookups.poll_move() {
        monitor.handle_move(now, next.server, next.to);
        if let Some(weight) = next.weight {
            monitor.handle_weight(now, next.server, weight);
        }
        moved = true;
    }
    drop(monitor);
    if moved {
        shared.changed.notify_one();
    }
}

fn take_in(lookups: &mut Lookups, answered: Result<(NameId, Answer), JoinError>) {
    match answered {
        Ok((id, answer)) => lookups.handle_answer(Instant::now(), id, answer),
        Err(error) => super::pass_on(error),
    }
}

/// Name servers that are asked together, each by a client of its own.
type Panel = Arc<[Arc<TokioResolver>]>;

fn panel(resolvers: &Resolvers) -> Result<Panel, NetError> {
    resolvers.nameservers.iter().map(|at| client(resolvers, *at).map(Arc::new)).collect()
}

/// Asks this name server, and nothing of this machine: neither its hosts file nor its search list.
fn client(resolvers: &Resolvers, at: SocketAddr) -> Result<TokioResolver, NetError> {
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server(at)]);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = resolvers.answer_within;
    options.attempts = usize::from(resolvers.retries);
    options.use_hosts_file = ResolveHosts::Never;
    // What holds for how long is decided by the lookups.
    options.cache_size = 0;
    options.edns_payload_len = resolvers.payload_bytes;
    builder.build()
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(at.ip());
    for connection in &mut server.connections {
        connection.port = at.port();
    }
    server
}

/// The addresses of a host, or the records of a service.
async fn look_up(panel: &Panel, name: &Name) -> Answer {
    let host: Arc<str> = format!("{}.", name.host.trim_end_matches('.')).into();
    match name.port {
        Some(port) => answer(families(panel, &host).await, port),
        None => services(panel, &host, name.prefer).await,
    }
}

/// What an answer is worth beside those of other name servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Silence,
    Refusal,
    Fault,
    /// There is nothing of that name, as far as this name server knows.
    Nothing,
    /// A part of what there is.
    Half,
    All,
}

/// Puts a question to all name servers at once. The first full answer is taken; without one, the best of the others once
/// all have said theirs. So neither a name server that is dead nor one that knows nothing hides what another knows.
async fn ask_all<T, F>(panel: &Panel, ask: impl Fn(Arc<TokioResolver>) -> F) -> Result<T, Unresolved>
where
    T: Found + Send + 'static,
    F: Future<Output = Result<T, Unresolved>> + Send + 'static,
{
    let mut asked = JoinSet::new();
    for client in panel.iter() {
        asked.spawn(ask(Arc::clone(client)));
    }
    let mut best = Err(Unresolved::Timeout);
    while let Some(ended) = asked.join_next().await {
        match ended {
            Ok(said) if worth(&said) == Worth::All => return said,
            Ok(said) if worth(&said) > worth(&best) => best = said,
            Ok(_) => {}
            Err(error) => super::pass_on(error),
        }
    }
    best
}

/// What a name server may have found.
trait Found {
    fn worth(&self) -> Worth;
}

fn worth<T: Found>(said: &Result<T, Unresolved>) -> Worth {
    match said {
        Ok(found) => found.worth(),
        Err(Unresolved::Timeout) => Worth::Silence,
        Err(Unresolved::Refused) => Worth::Refusal,
        Err(Unresolved::Other) => Worth::Fault,
        Err(Unresolved::Nx | Unresolved::NoneLeft | Unresolved::Removed) => Worth::Nothing,
    }
}

/// Both families of a name at once, as one name server knows them.
async fn families(panel: &Panel, host: &Arc<str>) -> Result<Addresses, Unresolved> {
    let of_one = |client: Arc<TokioResolver>| {
        let host = Arc::clone(host);
        async move {
            let v4 = ask(&client, &host, RecordType::A);
            let (v4, v6) = tokio::join!(v4, ask(&client, &host, RecordType::AAAA));
            join(v4, v6)
        }
    };
    ask_all(panel, of_one).await
}

fn answer(found: Result<Addresses, Unresolved>, port: u16) -> Answer {
    match found {
        Ok(Addresses { addresses, ttl, whole }) => {
            let place = |ip| Place { at: SocketAddr::new(ip, port), weight: None };
            Answer::Found { places: addresses.into_iter().map(place).collect(), ttl, whole }
        }
        Err(why) => Answer::Failed(why),
    }
}

/// The records of a service. Targets whose addresses do not come with them are looked up, [`MOST_TARGETS`] at once.
async fn services(panel: &Panel, host: &Arc<str>, prefer: Prefer) -> Answer {
    let of_one = |client: Arc<TokioResolver>| {
        let host = Arc::clone(host);
        async move {
            match client.lookup(&*host, RecordType::SRV).await {
                Ok(found) => Ok(found),
                Err(error) if error.is_nx_domain() => Err(Unresolved::Nx),
                Err(error) if error.is_no_records_found() => Err(Unresolved::Other),
                Err(error) => Err(fault(&error)),
            }
        }
    };
    let found = match ask_all(panel, of_one).await {
        Ok(found) => found,
        Err(why) => return Answer::Failed(why),
    };
    let mut ttl = found.valid_until().saturating_duration_since(Instant::now());
    let (known, mut unknown): (Vec<_>, Vec<_>) =
        records(&found, &mut ttl).into_iter().partition(|(service, _)| !service.addresses.is_empty());
    let mut services: Vec<_> = known.into_iter().map(|(service, _)| service).collect();
    let (mut lookups, mut whole) = (JoinSet::new(), true);
    loop {
        let room = MOST_TARGETS.saturating_sub(lookups.len()).min(unknown.len());
        for (service, target) in unknown.drain(..room) {
            let panel = Arc::clone(panel);
            lookups.spawn(async move { (service, families(&panel, &target.into()).await) });
        }
        let Some(ended) = lookups.join_next().await else { break };
        match ended {
            Ok((service, Ok(found))) => {
                (ttl, whole) = (ttl.min(found.ttl), whole && found.whole);
                services.push(Service { addresses: found.addresses, ..service });
            }
            // It has no address, and that is known.
            Ok((_, Err(Unresolved::Nx))) => {}
            Ok((_, Err(_))) => whole = false,
            Err(error) => super::pass_on(error),
        }
    }
    Answer::Found { places: places(services, prefer), ttl, whole }
}

/// The records of an answer and their targets, with the addresses that come with them. All hold for no longer than `ttl`.
fn records(found: &Lookup, ttl: &mut Duration) -> Vec<(Service, String)> {
    let mut records = Vec::new();
    for record in found.answers() {
        let RData::SRV(srv) = &record.data else { continue };
        let mut addresses = Vec::new();
        for extra in found.additionals().iter().filter(|extra| extra.name == srv.target) {
            if let Some(ip) = address(&extra.data) {
                addresses.push(ip);
                *ttl = (*ttl).min(Duration::from_secs(u64::from(extra.ttl)));
            }
        }
        let service = Service { priority: srv.priority, weight: srv.weight, port: srv.port, addresses };
        records.push((service, srv.target.to_ascii()));
    }
    records
}

/// Addresses of a host.
#[derive(Debug, PartialEq, Eq)]
struct Addresses {
    addresses: Vec<IpAddr>,
    ttl: Duration,
    /// Whether both families are known.
    whole: bool,
}

impl Found for Addresses {
    fn worth(&self) -> Worth {
        match (self.addresses.is_empty(), self.whole) {
            (true, _) => Worth::Nothing,
            (false, false) => Worth::Half,
            (false, true) => Worth::All,
        }
    }
}

impl Found for Lookup {
    fn worth(&self) -> Worth {
        let is_service = |record: &Record| matches!(record.data, RData::SRV(_));
        if self.answers().iter().any(is_service) { Worth::All } else { Worth::Nothing }
    }
}

/// What is known of one family: addresses, maybe none, and how long they hold.
type Half = Result<(Vec<IpAddr>, Duration), Unresolved>;

async fn ask(client: &TokioResolver, host: &str, family: RecordType) -> Half {
    match client.lookup(host, family).await {
        Ok(found) => {
            let addresses: Vec<_> = found.answers().iter().filter_map(|r| address(&r.data)).collect();
            Ok((addresses, found.valid_until().saturating_duration_since(Instant::now())))
        }
        Err(error) if error.is_nx_domain() => Err(Unresolved::Nx),
        Err(error) if error.is_no_records_found() => Ok((Vec::new(), Duration::MAX)),
        Err(error) => Err(fault(&error)),
    }
}

fn address(data: &RData) -> Option<IpAddr> {
    if let RData::A(a) = data {
        Some(IpAddr::V4(a.0))
    } else if let RData::AAAA(a) = data {
        Some(IpAddr::V6(a.0))
    } else {
        None
    }
}

fn fault(error: &NetError) -> Unresolved {
    // Nobody is there as well: the port of a name server is closed, or there is no way to it.
    if matches!(error, NetError::Timeout | NetError::Io(_) | NetError::NoConnections) {
        Unresolved::Timeout
    } else if matches!(error, NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused))) {
        Unresolved::Refused
    } else {
        Unresolved::Other
    }
}

/// Both halves of an answer. Addresses of one family are worth more than the failure of the other; a name that does not
/// exist has no family at all.
fn join(v4: Half, v6: Half) -> Result<Addresses, Unresolved> {
    match (v4, v6) {
        (Ok((mut addresses, ttl)), Ok((more, other))) => {
            addresses.extend(more);
            Ok(Addresses { addresses, ttl: ttl.min(other), whole: true })
        }
        (Ok((addresses, ttl)), Err(_)) | (Err(_), Ok((addresses, ttl))) if !addresses.is_empty() => {
            Ok(Addresses { addresses, ttl, whole: false })
        }
        (Err(Unresolved::Nx), _) | (_, Err(Unresolved::Nx)) => Err(Unresolved::Nx),
        (Err(why), _) | (_, Err(why)) => Err(why),
    }
}

/// Targets of one service that are looked up at once: an answer may list thousands.
const MOST_TARGETS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_halves_are_one_answer() {
        let ip: IpAddr = "192.0.2.1".parse().unwrap();
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(2));
        let found =
            |addresses: &[IpAddr], ttl, whole| Ok(Addresses { addresses: addresses.to_vec(), ttl, whole });
        let none = || Ok((Vec::new(), Duration::MAX));
        for (v4, v6, answer) in [
            (Ok((vec![ip], long)), Ok((vec![six], short)), found(&[ip, six], short, true)),
            (Ok((vec![ip], long)), none(), found(&[ip], long, true)),
            (Ok((vec![ip], long)), Err(Unresolved::Timeout), found(&[ip], long, false)),
            (Err(Unresolved::Other), Ok((vec![six], long)), found(&[six], long, false)),
            (none(), none(), found(&[], Duration::MAX, true)),
            (none(), Err(Unresolved::Timeout), Err(Unresolved::Timeout)),
            (Err(Unresolved::Timeout), Err(Unresolved::Nx), Err(Unresolved::Nx)),
            (Err(Unresolved::Refused), Err(Unresolved::Refused), Err(Unresolved::Refused)),
        ] {
            assert_eq!(join(v4, v6), answer);
        }
    }
}
