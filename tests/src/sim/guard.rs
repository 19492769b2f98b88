//! The guard process of a node: what `evenkeel guard` remembers and when it takes addresses off.

use std::collections::BTreeMap;

use evenkeel_vrrp::config::Vip;

use super::clock::Nanos;

/// Leases by router. Times are local.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    leases: BTreeMap<u16, Lease>,
    pub(crate) alive: bool,
    pub(crate) frozen: bool,
    /// True time since which it has been able to act.
    pub(crate) running_since: Nanos,
}

#[derive(Debug)]
struct Lease {
    addresses: Vec<(usize, Vip)>,
    /// `None`: ended; the addresses stay known until the keeper says that they are off.
    until: Option<Nanos>,
}

impl Guard {
    pub(crate) const fn runs(&self) -> bool {
        self.alive && !self.frozen
    }

    pub(crate) fn hold(&mut self, router: u16, until: Nanos, addresses: Vec<(usize, Vip)>) {
        if self.alive {
            self.leases.insert(router, Lease { addresses, until: Some(until) });
        }
    }

    pub(crate) fn beat(&mut self, router: u16, until: Nanos) {
        if let Some(Lease { until: Some(end), .. }) = self.leases.get_mut(&router) {
            *end = until;
        }
    }

    pub(crate) fn release(&mut self, router: u16) {
        self.leases.remove(&router);
    }

    pub(crate) fn next_end(&self) -> Option<Nanos> {
        self.leases.values().filter_map(|l| l.until).min()
    }

    /// Ends leases whose time has come; what to take off.
    pub(crate) fn end_due(&mut self, now: Nanos) -> Vec<(usize, Vip)> {
        let due = self.leases.values_mut().filter(|l| l.until.is_some_and(|end| end <= now));
        due.flat_map(|lease| {
            lease.until = None;
            lease.addresses.iter().cloned()
        })
        .collect()
    }

    /// The keeper is gone: everything that may be on, and the guard's own end.
    pub(crate) fn end_all(&mut self) -> Vec<(usize, Vip)> {
        self.alive = false;
        std::mem::take(&mut self.leases).into_values().flat_map(|l| l.addresses).collect()
    }

    /// Killed: forgets everything.
    pub(crate) fn die(&mut self) {
        self.alive = false;
        self.leases.clear();
    }
}
