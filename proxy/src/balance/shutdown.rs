//! Ending what is under way with a server that has been marked down, or with backups whose place is taken again.
//!
//! The control side gives the orders, data threads carry them out. A server whose sessions are never ended costs a data
//! thread one branch per session.

use std::fmt;
use std::sync::OnceLock;

use crate::plan::{Backend, OnMarked, Plan, Server, ServerId};

/// Why sessions are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Their server went down (HAProxy: `on-marked-down shutdown-sessions`).
    Down,
    /// They are with a backup, and a server that is none came up (HAProxy: `on-marked-up shutdown-backup-sessions`).
    Up,
    /// An operator wants it (HAProxy: `shutdown sessions server`).
    Ordered,
}

/// Orders to end sessions.
pub struct Shutdowns {
    /// By [`ServerId`]: whether its sessions end when it goes down, or its place is taken. Empty: nobody's.
    concerned: Box<[bool]>,
    /// Operators may end anybody's.
    commanded: OnceLock<()>,
    deliver: OnceLock<Deliver>,
}

type Deliver = Box<dyn Fn(ServerId, Shutdown) + Send + Sync>;

impl Shutdowns {
    /// As the plan wants them.
    pub(super) fn new(plan: &Plan) -> Self {
        let of_backend = |s: &Server| plan.backends().get(usize::from(s.backend.0));
        let concerned: Box<[bool]> =
            plan.servers().iter().map(|s| of_backend(s).is_some_and(|b| is_concerned(plan, b, s))).collect();
        let concerned = if concerned.contains(&true) { concerned } else { Box::default() };
        Self { concerned, commanded: OnceLock::new(), deliver: OnceLock::new() }
    }

    /// Whether sessions of `server` may be ended: whoever runs one has to be ready for it.
    #[inline]
    pub fn concerns(&self, server: ServerId) -> bool {
        self.by_health(server) || self.commanded.get().is_some()
    }

    /// Whether sessions of `server` end when it goes down, or its place is taken.
    #[inline]
    pub(crate) fn by_health(&self, server: ServerId) -> bool {
        self.concerned.get(server.0 as usize).is_some_and(|concerned| *concerned)
    }

    /// From now on operators may end anybody's sessions. Those that have begun before may not hear of it.
    pub fn allow_orders(&self) {
        self.commanded.get_or_init(|| ());
    }

    /// Ends what is under way with `server`, because an operator wants that.
    pub fn order_by_operator(&self, server: ServerId) {
        self.order(server, Shutdown::Ordered);
    }

    /// How orders reach the data threads. Only the first way given counts.
    pub fn deliver_by(&self, deliver: impl Fn(ServerId, Shutdown) + Send + Sync + 'static) {
        self.deliver.get_or_init(|| Box::new(deliver));
    }

    /// Ends what is under way with `server`.
    pub(crate) fn order(&self, server: ServerId, why: Shutdown) {
        if let Some(deliver) = self.deliver.get() {
            deliver(server, why);
        }
    }
}

impl fmt::Debug for Shutdowns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdowns").field("concerned", &self.concerned).finish_non_exhaustive()
    }
}

fn is_concerned(plan: &Plan, backend: &Backend, server: &Server) -> bool {
    let own = backend.servers.start as usize..backend.servers.end as usize;
    let replaces = |s: &Server| !s.backup && s.watch.on_marked_up == OnMarked::Shutdown;
    server.watch.on_marked_down == OnMarked::Shutdown
        || (server.backup && plan.servers().get(own).unwrap_or_default().iter().any(replaces))
}
