//! Persistence on the way of a request: between its rules and the balancer, and when its response comes.
//!
//! Nothing here costs anything for a backend without persistence.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::runtime::DataThread;
use crate::access_log::{self, CookieAction};
use crate::balance::{ServerState, Wish};
use crate::plan::{Backend, BackendId, ServerId};
use crate::sticky::request::{self, Presented};
use crate::sticky::response::Answer;
use crate::sticky::stick::{self, StickKey, TableId};
use crate::sticky::{Cookie, Seconds, Values};
use crate::table::Key;

/// What persistence knows of one request.
#[derive(Debug, Default)]
pub(super) struct Persistence {
    presented: Presented,
    action: CookieAction,
    /// The server a table knows.
    remembered: Option<ServerId>,
    /// What to tell tables once the server has answered.
    stores: Vec<(TableId, Key)>,
}

/// What persistence looks at.
pub(super) trait Request {
    /// Values of the `Cookie` fields.
    fn cookies(&self) -> impl Iterator<Item = &[u8]>;

    /// The value of the first field of that name.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

/// Whether a backend has persistence at all.
#[inline]
pub(super) fn is_used(backend: &Backend) -> bool {
    backend.cookie.is_some() || !backend.stick.is_empty()
}

impl Persistence {
    /// What a request says about its server, and what tables know of it.
    pub(super) fn of_request(
        thread: &DataThread,
        (id, backend): (BackendId, &Backend),
        source: IpAddr,
        request: &impl Request,
        now: Instant,
    ) -> Self {
        let mut persistence = Self::default();
        let takes = |server| thread.balance.server(server).is_some_and(ServerState::takes_pinned);
        if let Some(cookie) = &backend.cookie {
            let values = values(thread, id);
            persistence.presented = request::find(cookie, &values, request.cookies(), takes, wall_clock());
            persistence.action = CookieAction::None;
        }
        for rule in &backend.stick {
            let Some(key_type) = thread.plan.tables().get(usize::from(rule.table.0)).map(|t| t.key) else {
                continue;
            };
            let key = match &rule.key {
                StickKey::Source => key_type.of_address(source),
                StickKey::Cookie(name) => {
                    stick::cookie_value(name, request.cookies()).and_then(|v| key_type.of_bytes(v))
                }
                StickKey::Header(name) => request.header(name).and_then(|v| key_type.of_bytes(v)),
            };
            let Some(key) = key else { continue };
            let undecided = persistence.wish().pinned.is_none();
            if undecided && rule.action.matches() {
                let known = thread.balance.tables().table(rule.table).and_then(|t| t.look_up(&key, now));
                let here = |known| stick::in_backend(&thread.plan, backend.servers.clone(), known);
                persistence.remembered = known.and_then(here).filter(|id| takes(*id));
            }
            if rule.action.stores() {
                persistence.stores.push((rule.table, key));
            }
        }
        persistence
    }

    /// What is wished of the balancer. What the client says goes before what a table says, as with HAProxy.
    pub(super) fn wish(&self) -> Wish {
        Wish { pinned: self.presented.server.or(self.remembered), ..Wish::default() }
    }

    /// The server must not see the cookies as they are.
    pub(super) fn is_edited(&self) -> bool {
        self.presented.edited
    }

    /// What the record says about the cookies: the client's, and that of `server`, which had the request last.
    pub(super) fn letters(&self, server: Option<ServerId>) -> (access_log::Cookie, CookieAction) {
        let worth = match (self.presented.server, server) {
            // The right one could not be reached, as HAProxy says it.
            (Some(named), Some(server)) if named != server => access_log::Cookie::Down,
            (Some(_) | None, _) => self.presented.worth,
        };
        (worth, self.action)
    }

    /// What was done to the cookie in the response.
    pub(super) fn handle_action(&mut self, action: CookieAction) {
        self.action = action;
    }

    /// The server has answered: whoever had this one comes back to it.
    #[inline]
    pub(super) fn handle_answer(&mut self, thread: &DataThread, server: ServerId, now: Instant) {
        for (table, key) in self.stores.drain(..) {
            if let Some(table) = thread.balance.tables().table(table) {
                table.store(key, server, now);
            }
        }
    }

    /// Lends what the answer of `server` has to do with the cookie to `head`, which makes the client's head.
    pub(super) fn with_answer<T>(
        &self,
        thread: &DataThread,
        (id, cookie): (BackendId, &Cookie),
        server: ServerId,
        post: bool,
        head: impl FnOnce(&Answer<'_>) -> T,
    ) -> T {
        let values = values(thread, id);
        head(&Answer {
            cookie,
            presented: self.presented,
            value: values.of(server),
            // Whom a table has brought here needs no cookie for it, as with HAProxy.
            direct: self.wish().pinned == Some(server),
            post,
            now: wall_clock(),
        })
    }
}

/// The cookie of a backend.
#[inline]
pub(super) fn cookie_of(thread: &DataThread, id: BackendId) -> Option<&Arc<Cookie>> {
    thread.plan.backends().get(usize::from(id.0)).and_then(|b| b.cookie.as_ref())
}

fn values(thread: &DataThread, id: BackendId) -> Arc<Values> {
    thread.jar.borrow_mut().values(&thread.plan, id, thread.balance.addresses())
}

/// Dates in cookies are of the calendar: they outlive this process and this machine.
fn wall_clock() -> Seconds {
    Seconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
