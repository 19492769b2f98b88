//! What clients' requests tell of servers: counted by data threads, weighed by the monitor.
//!
//! A server that nobody watches this way costs a data thread one branch. For others a request costs an atomic or two,
//! on a cache line that only this server's requests share. When a limit is reached the server is marked, and whoever
//! drives the monitor is woken.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use crate::plan::{Ejection, Layer, Mode, Observe, Plan, Server, ServerId};

/// What a request showed of a server. Words and weight are HAProxy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Connected.
    Connected,
    /// Could not connect.
    NotConnected,
    /// A response without a fault of the server's.
    Response,
    /// A response that says the server has failed.
    WrongResponse,
    /// No HTTP response.
    InvalidResponse,
    /// The connection broke before the response.
    ReadError,
    /// No response in time.
    ReadTimeout,
    /// The server closed before the response.
    Closed,
}

/// Signs of all servers of one [`Plan`].
pub struct Observations {
    servers: Box<[Option<Box<Observed>>]>,
    /// Some server is marked.
    marked: AtomicBool,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// Signs of one server.
#[derive(Debug)]
#[repr(align(128))]
struct Observed {
    observe: Option<Observe>,
    ejection: Option<Ejection>,
    /// What ejection looks at: the best sign that there is of a server that works.
    ejection_layer: Layer,
    /// Failures in a row, as `observe` sees them.
    errors: AtomicU32,
    /// Failures in a row, as `ejection` sees them.
    streak: AtomicU32,
    requests: AtomicU32,
    failures: AtomicU32,
    /// The last failure, as its position in [`Sign::ALL`].
    last: AtomicU8,
    mark: AtomicU8,
}

/// What a server was marked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// Which.
    pub server: ServerId,
    /// How often there have been as many errors in a row as `observe` waits for.
    pub errors: Option<u32>,
    /// So many failures in a row: what ejection waits for.
    pub streak: Option<u32>,
    /// The last one.
    pub last: Sign,
}

impl Sign {
    const ALL: [Self; 8] = [
        Self::Connected,
        Self::NotConnected,
        Self::Response,
        Self::WrongResponse,
        Self::InvalidResponse,
        Self::ReadError,
        Self::ReadTimeout,
        Self::Closed,
    ];

    /// The sign of a response of this status. Of the 5xx, 501 and 505 are the request's fault.
    #[inline]
    pub const fn of_status(status: u16) -> Self {
        match status {
            501 | 505 => Self::Response,
            500.. => Self::WrongResponse,
            _ => Self::Response,
        }
    }

    /// HAProxy's words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "L4 successful connection",
            Self::NotConnected => "L4 unsuccessful connection",
            Self::Response => "Correct http response",
            Self::WrongResponse => "Wrong http response",
            Self::InvalidResponse => "Invalid http response",
            Self::ReadError => "Read error (http)",
            Self::ReadTimeout => "Read timeout (http)",
            Self::Closed => "Close from server (http)",
        }
    }

    /// Whether it is a failure to who looks at `layer`; `None`: it is nothing to them.
    const fn is_failure(self, layer: Layer) -> Option<bool> {
        match (self, layer) {
            (Self::NotConnected, _) => Some(true),
            (Self::Connected, Layer::Layer4) | (Self::Response, Layer::Layer7) => Some(false),
            (Self::Connected, Layer::Layer7) => None,
            (_, Layer::Layer4) => None,
            (
                Self::WrongResponse
                | Self::InvalidResponse
                | Self::ReadError
                | Self::ReadTimeout
                | Self::Closed,
                Layer::Layer7,
            ) => Some(true),
        }
    }
}

impl Observations {
    /// Nothing seen of anyone.
    pub fn new(plan: &Plan) -> Self {
        let mode = |server: &Server| plan.backends().get(usize::from(server.backend.0)).map(|b| b.mode);
        let observed = |server: &Server| Observed::new(server, mode(server).unwrap_or_default());
        let servers = plan.servers().iter().map(observed).collect();
        Self { servers, marked: AtomicBool::new(false), wake: OnceLock::new() }
    }

    /// What is done when a server has been marked, from the thread that marked it. Only the first one given counts.
    pub fn wake_by(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.wake.get_or_init(|| Box::new(wake));
    }

    /// Notes what a request showed.
    #[inline]
    pub fn note(&self, server: ServerId, sign: Sign) {
        if let Some(Some(observed)) = self.servers.get(server.0 as usize) {
            self.weigh(observed, sign);
        }
    }

    /// Whether anything is made of what requests show of `server`.
    #[inline]
    pub fn watches(&self, server: ServerId) -> bool {
        matches!(self.servers.get(server.0 as usize), Some(Some(_)))
    }

    #[cold]
    fn weigh(&self, observed: &Observed, sign: Sign) {
        if observed.note(sign) {
            observed.last.store(position(sign), Ordering::Relaxed);
            self.marked.store(true, Ordering::Release);
            if let Some(wake) = self.wake.get() {
                wake();
            }
        }
    }

    /// Takes the marks off.
    pub(super) fn take_marked(&self) -> Vec<Marked> {
        if !self.marked.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let all = (0..).map(ServerId).zip(&self.servers);
        all.filter_map(|(id, observed)| observed.as_ref()?.take_mark(id)).collect()
    }

    /// Requests and failures since the last call.
    pub(super) fn take_counts(&self, server: ServerId) -> (u32, u32) {
        match self.servers.get(server.0 as usize) {
            Some(Some(observed)) => {
                let failures = observed.failures.swap(0, Ordering::Relaxed);
                (observed.requests.swap(0, Ordering::Relaxed), failures)
            }
            _ => (0, 0),
        }
    }

    /// A check has passed: HAProxy begins to count anew.
    pub(super) fn forgive(&self, server: ServerId) {
        if let Some(Some(observed)) = self.servers.get(server.0 as usize) {
            observed.errors.store(0, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Observations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observations").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Observed {
    fn new(server: &Server, mode: Mode) -> Option<Box<Self>> {
        // Bytes that are passed on say nothing of a server but that it could be connected to.
        let ejection_layer = match mode {
            Mode::Http => Layer::Layer7,
            Mode::Tcp => Layer::Layer4,
        };
        let (observe, ejection) = (server.watch.observe, server.watch.ejection);
        (observe.is_some() || ejection.is_some()).then(|| {
            Box::new(Self {
                observe,
                ejection,
                ejection_layer,
                errors: AtomicU32::new(0),
                streak: AtomicU32::new(0),
                requests: AtomicU32::new(0),
                failures: AtomicU32::new(0),
                last: AtomicU8::new(0),
                mark: AtomicU8::new(0),
            })
        })
    }

    /// Whether a limit is reached by it.
    fn note(&self, sign: Sign) -> bool {
        let mut mark = 0;
        if let Some(observe) = self.observe
            && let Some(failure) = sign.is_failure(observe.layer)
            && reaches(&self.errors, failure, observe.error_limit)
        {
            mark |= ERRORS;
        }
        if let Some(ejection) = self.ejection
            && let Some(failure) = sign.is_failure(self.ejection_layer)
        {
            self.requests.fetch_add(1, Ordering::Relaxed);
            if failure {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            if reaches(&self.streak, failure, ejection.consecutive_errors.unwrap_or(u32::MAX)) {
                mark |= STREAK;
            }
        }
        if mark != 0 {
            self.mark.fetch_or(mark, Ordering::Relaxed);
        }
        mark != 0
    }

    fn take_mark(&self, server: ServerId) -> Option<Marked> {
        let mark = self.mark.swap(0, Ordering::Relaxed);
        let last = Sign::ALL.get(usize::from(self.last.load(Ordering::Relaxed))).copied()?;
        let errors = (mark & ERRORS != 0).then(|| self.take_errors());
        let streak = (mark & STREAK != 0).then(|| self.streak.swap(0, Ordering::Relaxed));
        (mark != 0).then_some(Marked { server, errors, streak, last })
    }

    /// How often the limit has been reached since this was last asked; what is above it counts for the next time.
    fn take_errors(&self) -> u32 {
        let limit = self.observe.map_or(1, |observe| observe.error_limit).max(1);
        let seen = self.errors.swap(0, Ordering::Relaxed);
        self.errors.fetch_add(seen % limit, Ordering::Relaxed);
        // A good sign may have come since.
        (seen / limit).max(1)
    }
}

/// Counts failures in a row. A good sign begins anew; most signs are good and find nothing to write.
fn reaches(count: &AtomicU32, failure: bool, limit: u32) -> bool {
    if failure {
        return count.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= limit;
    }
    if count.load(Ordering::Relaxed) != 0 {
        count.store(0, Ordering::Relaxed);
    }
    false
}

fn position(sign: Sign) -> u8 {
    (0..).zip(Sign::ALL).find(|(_, s)| *s == sign).map_or(0, |(at, _)| at)
}

const ERRORS: u8 = 1;
const STREAK: u8 = 2;
