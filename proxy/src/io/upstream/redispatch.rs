//! Which retries go to another server.

use super::super::runtime::DataThread;
use super::backend_of;
use crate::balance::Wish;
use crate::plan::{BackendId, Balance, ServerId};

/// Whether a request that `server` has failed goes to another one with its `made`-th retry, as with HAProxy: at once if
/// nothing has bound it to the server, which was one of several that would have done, and with the retry that
/// `redispatch` says otherwise. Nobody tries a server again that is down or has just come back.
pub(in crate::io) fn is_due(
    thread: &DataThread,
    id: BackendId,
    server: ServerId,
    wish: &Wish,
    made: u8,
) -> bool {
    let Some(backend) = backend_of(thread, id).filter(|b| b.redispatch.is_on()) else { return false };
    let bound = wish.pinned == Some(server) || matches!(backend.balance, Balance::Hash(_));
    let state = thread.balance.server(server);
    !state.is_some_and(|s| s.takes_pinned() && s.throttle.is_none())
        || backend.redispatch.is_due(made, backend.retries)
        || (!bound && thread.balance.usable(id).active > 1)
}
