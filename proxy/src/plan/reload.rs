//! What of a running plan can be replaced: how TLS is spoken, once its files have been read anew.

use std::sync::Arc;

use super::{CheckTls, Plan};
use crate::tls::Connector;

impl Plan {
    /// Takes over what `from`, the same plan from files that were read anew, shows and believes in TLS. Whether it is the
    /// same plan: if not, nothing happens.
    #[must_use]
    pub fn reload_tls(&self, from: &Self) -> bool {
        let same = self.listeners.len() == from.listeners.len() && self.servers.len() == from.servers.len();
        if !same {
            return false;
        }
        for (own, new) in self.listeners.iter().zip(&from.listeners) {
            if let (Some(own), Some(new)) = (&own.tls, &new.tls) {
                own.reload(new);
            }
        }
        for (own, new) in self.servers.iter().zip(&from.servers) {
            if let (Some(own), Some(new)) = (&own.tls, &new.tls) {
                own.reload(new);
            }
            let check = |server: &super::Server| server.check.as_ref().and_then(|c| c.tls.clone());
            if let (Some(own), Some(new)) = (check(own), check(new)) {
                connectors(&own).zip(connectors(&new)).for_each(|(own, new)| own.reload(new));
            }
        }
        true
    }
}

fn connectors(tls: &CheckTls) -> impl Iterator<Item = &Arc<Connector>> {
    std::iter::once(&tls.connector).chain(tls.others.iter().map(|(_, connector)| connector))
}
