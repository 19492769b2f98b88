//! Data threads: start, heartbeat, drain, stop.
//!
//! Each thread runs a single-threaded runtime of its own and accepts for itself; a connection never changes its thread.

mod control;
mod doors;
mod gate;
mod inquiry;
mod rising;
#[cfg(test)]
pub(super) mod tests;
mod thread;

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::accept::{self, Listening};
use super::deadline::Deadlines;
use super::log_sink::LogSink;
use super::sight::Services;
use crate::access_log::{Logger, Spools};
use crate::balance::State;
use crate::plan::{FrontendId, ListenerId, Plan};
use crate::stats::{Recorder, Stats};
use control::Order;
pub(super) use control::ThreadControl;
pub use doors::Doors;
pub(super) use gate::{Full, Gate, Permit};
use rising::Rising;
use thread::Leaving;
pub(super) use thread::{Balance, DataThread, Scratch};

/// The sockets of one listening address: one per data thread (`SO_REUSEPORT`), or fewer that threads share.
#[derive(Debug)]
pub struct ListenerSockets {
    /// Which address of the plan they listen on.
    pub id: ListenerId,
    /// Bound and listening.
    pub sockets: Vec<OwnedFd>,
}

/// What data threads share with the rest of the process.
#[derive(Debug, Clone)]
pub struct Shared {
    balance: Arc<State>,
    stats: Arc<Stats>,
    log: Option<Arc<Spools>>,
    services: Services,
}

impl Shared {
    /// Servers are chosen by `balance`, everything is counted in `stats`, which has a block for each data thread, and
    /// access lines go to `log`. All of the same plan.
    pub fn new(balance: Arc<State>, stats: Arc<Stats>, log: &LogSink) -> Self {
        Self { balance, stats, log: Some(log.spools()), services: Services::default() }
    }

    /// The same without access lines.
    pub fn without_log(balance: Arc<State>, stats: Arc<Stats>) -> Self {
        Self { balance, stats, log: None, services: Services::default() }
    }

    /// The same with what rules answer with by `use-service`.
    #[must_use]
    pub fn with_services(self, services: Services) -> Self {
        Self { services, ..self }
    }
}

/// The running data threads. Dropping it stops them.
#[derive(Debug)]
pub struct Proxy {
    plan: Arc<Plan>,
    threads: Vec<Thread>,
    gate: Arc<Gate>,
    beat: AtomicU64,
    heard: Arc<Notify>,
    _rising: Rising,
}

#[derive(Debug)]
struct Thread {
    control: Arc<ThreadControl>,
    handle: Option<JoinHandle<()>>,
}

/// Starts one data thread per `plan.global.threads`, named `ek-data-N`, and returns when all of them accept.
///
/// # Errors
/// A socket is not a listening one, a listener is not in the plan, the statistics have no block left for a thread, or
/// the system refuses a thread or its runtime. Nothing runs then.
pub fn start(plan: Arc<Plan>, listeners: Vec<ListenerSockets>, shared: Shared) -> io::Result<Proxy> {
    let count = usize::from(plan.global.threads);
    let mut sockets: Vec<Vec<Bound>> = (0..count).map(|_| Vec::new()).collect();
    for listener in listeners {
        share_out(&plan, listener, &mut sockets)?;
    }
    let gate = Arc::new(Gate::new(&plan));
    let heard = Arc::new(Notify::new());
    let mut proxy = Proxy {
        plan: Arc::clone(&plan),
        threads: Vec::new(),
        gate: Arc::clone(&gate),
        beat: AtomicU64::new(0),
        heard: Arc::clone(&heard),
        _rising: Rising::start(Arc::clone(&shared.balance))?,
    };
    let (ready, started) = std::sync::mpsc::sync_channel(count);
    for (number, sockets) in sockets.into_iter().enumerate() {
        let control = Arc::new(ThreadControl::new(Arc::clone(&heard)));
        let seed = Seed {
            plan: Arc::clone(&plan),
            balance: Arc::clone(&shared.balance),
            recorder: shared
                .stats
                .recorder()
                .ok_or_else(|| io::Error::other("no counters left for a thread"))?,
            logger: shared.log.as_ref().map_or_else(Logger::disabled, Spools::logger),
            gate: Arc::clone(&gate),
            control: Arc::clone(&control),
            services: shared.services.clone(),
            sockets,
            number: u16::try_from(number).unwrap_or(u16::MAX),
        };
        let ready = ready.clone();
        let handle =
            std::thread::Builder::new().name(format!("ek-data-{number}")).spawn(move || run(seed, &ready))?;
        proxy.threads.push(Thread { control, handle: Some(handle) });
    }
    let controls: Vec<_> = proxy.threads.iter().map(|t| Arc::clone(&t.control)).collect();
    shared.balance.shutdowns().deliver_by(move |server, why| {
        controls.iter().for_each(|control| control.order_shutdown(server, why));
    });
    for _ in 0..count {
        started.recv().map_err(|_| io::Error::other("a data thread ended while starting"))??;
    }
    Ok(proxy)
}

impl Proxy {
    /// Asks every data thread for a sign of life and waits until *all* have answered. There is no limit on the wait: a
    /// thread that hangs answers never.
    ///
    /// # Cancel safety
    /// May be given up at any time.
    pub async fn heartbeat(&self) {
        let beat = self.beat.fetch_add(1, Ordering::Relaxed) + 1;
        self.threads.iter().for_each(|t| t.control.ask(beat));
        loop {
            let mut heard = pin!(self.heard.notified());
            // From here on an answer is not missed.
            heard.as_mut().enable();
            if self.threads.iter().all(|t| t.control.answered() >= beat) {
                return;
            }
            heard.await;
        }
    }

    /// How connections are let in.
    pub fn doors(&self) -> Doors {
        let threads = self.threads.iter().map(|t| Arc::clone(&t.control)).collect();
        Doors { gate: Arc::clone(&self.gate), threads }
    }

    /// Connections of clients.
    pub fn connections(&self) -> u32 {
        self.gate.connections()
    }

    /// Connections of clients of one frontend.
    pub fn connections_of(&self, frontend: FrontendId) -> u32 {
        self.gate.of_frontend(frontend)
    }

    /// Connections that ended by a panic. It is contained: the others go on.
    pub fn panics(&self) -> u32 {
        self.threads.iter().map(|t| t.control.panics()).sum()
    }

    /// Takes over what `from`, the same plan read anew, shows and believes in TLS, on both sides and in checks, from the
    /// next handshake on. Connections are not disturbed. Whether it is the same plan: if not, nothing happens.
    #[must_use]
    pub fn reload_tls(&self, from: &Plan) -> bool {
        self.plan.reload_tls(from)
    }

    /// Stops accepting and lets connections end: idle ones at once, others with their response, which says so. Does not
    /// wait; the listening sockets are closed soon after.
    pub fn start_draining(&self) {
        self.threads.iter().for_each(|t| t.control.order_drain());
    }

    /// Stops accepting, because another process accepts on the same sockets, and lets connections end so that no client
    /// notices: with the next response, which says so, HTTP/2 by GOAWAY, and what is no HTTP by itself. Does not wait. Those
    /// that wait for a request and get none end with their own timeouts.
    pub fn retire(&self) {
        self.threads.iter().for_each(|t| t.control.order_retirement());
    }

    /// Waits until there are no connections.
    ///
    /// # Cancel safety
    /// May be given up at any time.
    pub async fn empty(&self) {
        self.gate.empty().await;
    }

    /// Drains, and waits for connections to end, until `deadline` at most. Returns how many are left.
    pub async fn drain(&self, deadline: Instant) -> u64 {
        self.start_draining();
        // Cancel safe: it only waits. Whether it came to its end is in the count.
        let _in_time = tokio::time::timeout_at(deadline.into(), self.gate.empty()).await;
        self.connections().into()
    }

    /// Ends all threads; connections that are left are cut, and their records written.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.threads.iter().for_each(|t| t.control.order_stop());
        for handle in self.threads.iter_mut().filter_map(|t| t.handle.take()) {
            // A thread that panicked has ended too.
            drop(handle.join());
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end();
    }
}

/// A listening socket of one thread.
struct Bound {
    listener: std::net::TcpListener,
    id: ListenerId,
    frontend: FrontendId,
}

/// What a thread starts from; unlike [`DataThread`] it can be sent there.
struct Seed {
    plan: Arc<Plan>,
    balance: Arc<State>,
    recorder: Recorder,
    logger: Logger,
    gate: Arc<Gate>,
    control: Arc<ThreadControl>,
    services: Services,
    sockets: Vec<Bound>,
    number: u16,
}

/// Gives every thread its sockets. Fewer sockets than threads are shared: all their threads then wake for a connection,
/// and one gets it.
fn share_out(plan: &Plan, listener: ListenerSockets, threads: &mut [Vec<Bound>]) -> io::Result<()> {
    let unknown = || io::Error::new(io::ErrorKind::InvalidInput, "listener is not in the plan");
    let frontend = plan.listeners().get(usize::from(listener.id.0)).ok_or_else(unknown)?.frontend;
    let sockets: Vec<_> = listener.sockets.into_iter().map(std::net::TcpListener::from).collect();
    for socket in &sockets {
        socket.set_nonblocking(true)?;
    }
    let most = threads.len().max(sockets.len());
    for at in 0..most {
        let socket = sockets.get(at % sockets.len().max(1)).ok_or_else(unknown)?;
        let thread = threads.get_mut(at % threads.len()).ok_or_else(unknown)?;
        thread.push(Bound { listener: socket.try_clone()?, id: listener.id, frontend });
    }
    Ok(())
}

type Ready = std::sync::mpsc::SyncSender<io::Result<()>>;

fn run(seed: Seed, ready: &Ready) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
    // Whoever started the threads has given up if nobody takes the news.
    match runtime {
        Err(error) => drop(ready.send(Err(error))),
        Ok(runtime) => runtime.block_on(serve(seed, ready)),
    }
}

async fn serve(seed: Seed, ready: &Ready) {
    let Seed { plan, balance, recorder, logger, gate, control, services, sockets, number } = seed;
    let listening = sockets.into_iter().map(|b| Listening::new(b.listener, b.id, b.frontend));
    let listeners = match listening.collect::<io::Result<Vec<_>>>() {
        Ok(listeners) => listeners,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let deadlines = Deadlines::new(Instant::now());
    let parts = thread::Parts { plan, balance, recorder, logger, deadlines, gate, control, services, number };
    let thread = DataThread::new(parts);
    // These end with the runtime, which ends with this function.
    let accepting = tokio::task::spawn_local(accept::accept(Rc::clone(&thread), listeners));
    let wheel = Rc::clone(&thread.deadlines);
    drop(tokio::task::spawn_local(async move { wheel.turn().await }));
    drop(tokio::task::spawn_local(sweep(Rc::clone(&thread))));
    drop(tokio::task::spawn_local(accept::lend_room(Rc::clone(&thread))));
    if ready.send(Ok(())).is_err() {
        return;
    }
    loop {
        let order = thread.control.heed().await;
        for (server, why) in thread.control.take_shutdowns() {
            thread.underway.end(server, why);
        }
        for inquiry in thread.control.take_inquiries() {
            inquiry.answer(&thread.sessions, Instant::now());
        }
        match order {
            Order::Serve => {}
            Order::Retire => {
                accepting.abort();
                thread.leave(Leaving::WithResponse);
            }
            Order::Drain => {
                accepting.abort();
                thread.leave(Leaving::Now);
            }
            Order::Stop => return,
        }
    }
}

/// What has to be done every now and then: closes server connections that have been idle for too long.
async fn sweep(thread: Rc<DataThread>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let now = Instant::now();
        let mut pool = thread.pool.borrow_mut();
        pool.follow(thread.balance.addresses());
        pool.sweep(now);
        for (server, idle) in pool.idle() {
            thread.recorder.server(server).idle.set(idle);
        }
        drop(pool);
        thread.tick_budgets();
    }
}

/// A connection that its server has closed is kept for no longer than this.
const SWEEP: Duration = Duration::from_secs(1);
