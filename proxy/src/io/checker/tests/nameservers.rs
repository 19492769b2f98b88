//! Name servers that disagree, are dead, or say much: made of sockets of this test.

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicUsize;

use tokio::net::UdpSocket;

use super::names::{endpoint, known_to, until};
use super::*;
use crate::names::{Name, Prefer, Resolvers, ResolversId, Unresolved};

/// A question as it came: its number, its bytes, and what it is for.
struct Question {
    message: Vec<u8>,
    /// Where the question ends.
    end: usize,
}

impl Question {
    fn read(message: &[u8]) -> Self {
        let mut at = 12;
        while message[at] != 0 {
            at += usize::from(message[at]) + 1;
        }
        Self { message: message.to_vec(), end: at + 5 }
    }

    fn family(&self) -> u16 {
        u16::from_be_bytes([self.message[self.end - 4], self.message[self.end - 3]])
    }

    /// The answer with these records of what was asked for, or with a code that says why not.
    fn answer(&self, code: u8, records: &[Vec<u8>]) -> Vec<u8> {
        let mut out = self.message[..2].to_vec();
        out.extend([0x81, 0x80 | code, 0, 1]);
        out.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
        out.extend([0; 4]);
        out.extend(&self.message[12..self.end]);
        for record in records {
            out.extend([0xc0, 12]);
            out.extend(&self.message[self.end - 4..self.end]);
            out.extend([0, 0, 0, 0]);
            out.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
            out.extend(record);
        }
        out
    }

    fn addresses(&self, ips: &[Ipv4Addr]) -> Vec<u8> {
        let records: Vec<_> = ips.iter().map(|ip| ip.octets().to_vec()).collect();
        self.answer(0, if self.family() == A { &records } else { &[] })
    }
}

/// A name server on loopback that answers what the closure says, in its own time.
struct NameServer {
    at: SocketAddr,
    _task: JoinSet<()>,
}

impl NameServer {
    async fn start<F>(answer: impl Fn(Question) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Vec<u8>>> + Send + 'static,
    {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let at = socket.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let (mut buffer, mut answers) = ([0; 1500], JoinSet::new());
            while let Ok((count, from)) = socket.recv_from(&mut buffer).await {
                let answer = answer(Question::read(&buffer[..count]));
                let socket = Arc::clone(&socket);
                answers.spawn(async move {
                    if let Some(answer) = answer.await {
                        socket.send_to(&answer, from).await.unwrap();
                    }
                });
            }
        });
        Self { at, _task: task }
    }

    /// One that says nothing.
    async fn dead() -> Self {
        Self::start(|_| async { None }).await
    }
}

#[tokio::test]
async fn name_servers_that_are_dead_do_not_hide_the_one_that_is_not() {
    let (one, two) = (NameServer::dead().await, NameServer::dead().await);
    let alive =
        NameServer::start(async |q: Question| Some(q.addresses(&[Ipv4Addr::new(127, 0, 0, 2)]))).await;
    let plan = known_to(vec![one.at, two.at, alive.at], 1, 80, None);
    let (_checker, state, mut events) = start(plan, 64);
    assert_eq!(next(&mut events).await, Turn::Resolved);
    assert_eq!(state.addresses().endpoint(ServerId(0)).as_deref(), Some(&endpoint("127.0.0.2", 80)));
}

#[tokio::test]
async fn one_that_knows_nothing_does_not_hide_what_another_knows() {
    let (denied, denials) = watch::channel(0);
    let denied = Arc::new(denied);
    let ignorant = NameServer::start(move |q: Question| {
        let denied = Arc::clone(&denied);
        async move {
            denied.send_modify(|count| *count += 1);
            Some(q.answer(NX_DOMAIN, &[]))
        }
    })
    .await;
    // Waits until both families have been denied.
    let slow = NameServer::start(move |q: Question| {
        let mut denials = denials.clone();
        async move {
            denials.wait_for(|count| *count >= 2).await.unwrap();
            Some(q.addresses(&[Ipv4Addr::new(127, 0, 0, 2)]))
        }
    })
    .await;
    let plan = known_to(vec![ignorant.at, slow.at], 1, 80, None);
    let (_checker, state, mut events) = start(plan, 64);
    assert_eq!(next(&mut events).await, Turn::Resolved, "a denial was believed");
    assert_eq!(state.addresses().endpoint(ServerId(0)).as_deref(), Some(&endpoint("127.0.0.2", 80)));
}

#[tokio::test]
async fn a_denial_is_believed_when_nobody_knows_better() {
    let ignorant = NameServer::start(async |q: Question| Some(q.answer(NX_DOMAIN, &[]))).await;
    let dead = NameServer::dead().await;
    let plan = known_to(vec![dead.at, ignorant.at], 1, 80, None);
    let (_checker, _state, mut events) = start(plan, 64);
    assert_eq!(next(&mut events).await, Turn::Unresolved(Unresolved::Nx));
}

#[tokio::test]
async fn the_longest_answer_that_is_taken_over_udp() {
    // A header of 12 bytes, a question of 14, and 254 records of 16: 4,090 bytes.
    let many: Vec<_> = (0..254).map(|n| Ipv4Addr::new(127, 0, 1, n)).collect();
    let long = NameServer::start(move |q: Question| {
        let answer = q.addresses(&many);
        async move { Some(answer) }
    })
    .await;
    let mut plan = known_to(vec![long.at], 254, 80, None);
    let resolvers = Resolvers { payload_bytes: 4096, ..plan.resolvers()[0].clone() };
    plan = plan.with_resolvers(vec![resolvers]).unwrap();
    let (_checker, state, mut events) = start(plan, 1024);
    until(&mut events, |t| *t == Turn::Resolved).await;
    let last = |id: u32| state.addresses().endpoint(ServerId(id)).as_deref().cloned();
    assert_eq!(last(253), Some(endpoint("127.0.1.253", 80)));
}

#[tokio::test]
async fn targets_of_a_service_are_not_looked_up_all_at_once() {
    const TARGETS: usize = 40;
    const AT_ONCE: usize = 16;
    let (asked, questions) = watch::channel(0_usize);
    let (asked, released) = (Arc::new(asked), Arc::new(AtomicUsize::new(0)));
    let (go, gate) = watch::channel(false);
    let counted = Arc::clone(&released);
    let dns = NameServer::start(move |q: Question| {
        let (asked, mut gate, counted) = (Arc::clone(&asked), gate.clone(), Arc::clone(&counted));
        async move {
            if q.family() == SRV {
                let target = |n: usize| {
                    let name = format!("t{n}");
                    let mut record = vec![0, 0, 0, 1, 0, 80, u8::try_from(name.len()).unwrap()];
                    record.extend(name.as_bytes());
                    record.push(0);
                    record
                };
                return Some(q.answer(0, &(0..TARGETS).map(target).collect::<Vec<_>>()));
            }
            asked.send_modify(|count| *count += 1);
            gate.wait_for(|open| *open).await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            Some(q.addresses(&[Ipv4Addr::new(127, 0, 0, 2)]))
        }
    })
    .await;
    let service = Name {
        host: "_app._tcp.test".into(),
        port: None,
        resolvers: ResolversId(0),
        prefer: Prefer::V4,
        init: [].into(),
    };
    let resolvers = Resolvers {
        answer_within: PATIENCE,
        payload_bytes: 4096,
        ..known_to(vec![dns.at], 1, 80, None).resolvers()[0].clone()
    };
    let server = Server { addr: ServerAddr::Named(service), ..server(1) };
    let (_checker, _state, mut events) =
        start(plan(vec![server]).with_resolvers(vec![resolvers]).unwrap(), 64);
    let mut counts = questions;
    timeout(PATIENCE, counts.wait_for(|count| *count >= 2 * AT_ONCE)).await.unwrap().unwrap();
    // More would have come together with these.
    let more = timeout(Duration::from_millis(200), counts.wait_for(|count| *count > 2 * AT_ONCE)).await;
    assert!(more.is_err(), "more than {AT_ONCE} targets are looked up at once");
    go.send_replace(true);
    assert_eq!(next(&mut events).await, Turn::Resolved);
    assert_eq!(released.load(Ordering::Relaxed), 2 * TARGETS);
}

const A: u16 = 1;
const SRV: u16 = 33;
const NX_DOMAIN: u8 = 3;
