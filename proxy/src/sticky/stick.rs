//! Persistence by a table: the proxy remembers which server a client had (HAProxy: `stick on`, `stick match`,
//! `stick store-request`).

use crate::plan::{Plan, ServerId};
use crate::sticky::pairs;
use crate::table::Table;
pub use crate::table::TableId;

/// One entry of `stick`. Rules are looked at in their order; the first that knows a server decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StickRule {
    /// Whether it asks the table, tells it, or both.
    pub action: StickAction,
    /// What of the request is the key.
    pub key: StickKey,
    /// Which table.
    pub table: TableId,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StickAction {
    /// Both (`stick on`).
    On,
    /// Asks only (`stick match`).
    Match,
    /// Tells only, once the server has answered (`stick store-request`).
    StoreRequest,
}

/// What of a request is the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StickKey {
    /// The client's address.
    Source,
    /// The value of a cookie.
    Cookie(String),
    /// The value of a header field.
    Header(String),
}

impl StickAction {
    /// Whether the table is asked.
    pub const fn matches(self) -> bool {
        matches!(self, Self::On | Self::Match)
    }

    /// Whether the table is told.
    pub const fn stores(self) -> bool {
        matches!(self, Self::On | Self::StoreRequest)
    }
}

/// The value of the cookie called `name` in one of the `Cookie` fields.
pub fn cookie_value<'a>(name: &str, fields: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    fields.flat_map(pairs).find(|p| p.name == name.as_bytes())?.value
}

/// The tables of a plan, each from a key to a server.
#[derive(Debug)]
pub struct Tables(Box<[Table<ServerId>]>);

impl Tables {
    /// All empty.
    pub fn new(plan: &Plan) -> Self {
        Self(plan.tables().iter().map(Table::new).collect())
    }

    /// One of them.
    pub fn table(&self, id: TableId) -> Option<&Table<ServerId>> {
        self.0.get(usize::from(id.0))
    }

    /// Forgets a server: what stood in its place is another machine from here on. How many entries that ends.
    pub fn forget(&self, server: ServerId) -> usize {
        self.0.iter().map(|t| t.retain(|_, at| at != server)).sum()
    }
}

/// The server a remembered one means to `backend`: itself, or, remembered by another backend that shares the table, the
/// one of the same name.
pub fn in_backend(plan: &Plan, servers: std::ops::Range<u32>, remembered: ServerId) -> Option<ServerId> {
    if servers.contains(&remembered.0) {
        return Some(remembered);
    }
    let name = &plan.servers().get(remembered.0 as usize)?.name;
    servers.map(ServerId).find(|id| plan.servers().get(id.0 as usize).is_some_and(|s| s.name == *name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::fixture;

    #[test]
    fn cookies_are_keys() {
        let fields = [&b"x=1; JSESSIONID=abc"[..], b"JSESSIONID=def"];
        assert_eq!(cookie_value("JSESSIONID", fields.into_iter()), Some(&b"abc"[..]));
        assert_eq!(cookie_value("x", fields.into_iter()), Some(&b"1"[..]));
        assert_eq!(cookie_value("y", fields.into_iter()), None);
    }

    #[test]
    fn a_shared_table_means_servers_by_name() {
        let plan = fixture::plan(vec![fixture::server(1), fixture::server(1), fixture::server(1)]);
        assert_eq!(in_backend(&plan, 0..2, ServerId(1)), Some(ServerId(1)));
        assert_eq!(in_backend(&plan, 0..2, ServerId(2)), None, "s3 is not there");
        assert_eq!(in_backend(&plan, 2..3, ServerId(2)), Some(ServerId(2)));
        assert_eq!(in_backend(&plan, 0..2, ServerId(9)), None);
    }
}
