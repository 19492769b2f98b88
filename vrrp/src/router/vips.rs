//! The virtual addresses of one router, and which of the kernel's reports about them are echoes of this node's own
//! doing. Reports come late: an address that was taken off and put on again is reported gone while it is there.

use std::time::{Duration, Instant};

use crate::config::{RouterConfig, Vip};

/// Counts the reports still to come.
#[derive(Debug, Clone)]
pub(crate) struct VipWatch {
    vips: Vec<Watched>,
    /// When what is still expected will not come any more.
    until: Option<Instant>,
}

#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) vip: Vip,
    pub(crate) advertised: bool,
    additions: u8,
    removals: u8,
}

impl VipWatch {
    pub(crate) fn new(config: &RouterConfig) -> Self {
        let watched =
            |vip: &Vip, advertised| Watched { vip: vip.clone(), advertised, additions: 0, removals: 0 };
        let advertised = config.vips.iter().map(|v| watched(v, true));
        let vips = advertised.chain(config.excluded.iter().map(|v| watched(v, false))).collect();
        Self { vips, until: None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Watched> {
        self.vips.iter()
    }

    /// All addresses, advertised ones first.
    pub(crate) fn all(&self) -> Vec<Vip> {
        self.vips.iter().map(|w| w.vip.clone()).collect()
    }

    /// This node is about to put on all addresses for which `wanted` holds; `on` says which the kernel has.
    pub(crate) fn putting_on(
        &mut self,
        now: Instant,
        wanted: impl Fn(&Vip) -> bool,
        on: impl Fn(&Vip) -> bool,
    ) {
        self.expect_from(now);
        for w in self.vips.iter_mut().filter(|w| wanted(&w.vip)) {
            if !w.will_be_on(on(&w.vip)) {
                w.additions = w.additions.saturating_add(1);
            }
        }
    }

    /// This node is about to take all addresses off.
    pub(crate) fn taking_off(&mut self, now: Instant, on: impl Fn(&Vip) -> bool) {
        self.expect_from(now);
        for w in &mut self.vips {
            if w.will_be_on(on(&w.vip)) {
                w.removals = w.removals.saturating_add(1);
            }
        }
    }

    /// Addresses could not be put on, so their reports will not come.
    pub(crate) fn additions_failed(&mut self) {
        for w in &mut self.vips {
            w.additions = 0;
        }
    }

    /// Whether a report that `vip` is on was to be expected.
    pub(crate) fn expected_addition(&mut self, now: Instant, vip: &Vip) -> bool {
        self.forget(now);
        self.vips.iter_mut().find(|w| w.vip == *vip).is_some_and(|w| count_down(&mut w.additions))
    }

    /// Whether a report that `vip` is gone was to be expected.
    pub(crate) fn expected_removal(&mut self, now: Instant, vip: &Vip) -> bool {
        self.forget(now);
        self.vips.iter_mut().find(|w| w.vip == *vip).is_some_and(|w| count_down(&mut w.removals))
    }

    fn expect_from(&mut self, now: Instant) {
        self.forget(now);
        self.until = Some(now + REPORTS_WITHIN);
    }

    /// Reports can be lost (a netlink socket overflows); what was expected of them must not mask a later removal.
    fn forget(&mut self, now: Instant) {
        if self.until.is_some_and(|until| now >= until) {
            self.until = None;
            for w in &mut self.vips {
                (w.additions, w.removals) = (0, 0);
            }
        }
    }
}

impl Watched {
    /// Whether the address will be on once all expected reports have come.
    fn will_be_on(&self, on: bool) -> bool {
        u16::from(on) + u16::from(self.additions) > u16::from(self.removals)
    }
}

const fn count_down(counter: &mut u8) -> bool {
    let expected = *counter > 0;
    *counter = counter.saturating_sub(1);
    expected
}

/// Our choice: netlink reports come within milliseconds; a stalled reader catches up within seconds.
const REPORTS_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_of_a_quick_change_are_told_from_a_flush() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary start for virtual time")]
        let now = Instant::now();
        let vip = Vip { addr: [10, 0, 0, 50].into(), prefix_len: 32, dev: None };
        let other = Vip { addr: [10, 0, 0, 51].into(), prefix_len: 32, dev: None };
        let watched = |vip: &Vip| Watched { vip: vip.clone(), advertised: true, additions: 0, removals: 0 };
        let mut watch = VipWatch { vips: vec![watched(&vip)], until: None };
        // On, off, on before any report was read.
        watch.putting_on(now, |_| true, |_| false);
        watch.taking_off(now, |_| false);
        watch.putting_on(now, |_| true, |_| false);
        assert!(!watch.expected_removal(now, &other));
        assert!(watch.expected_addition(now, &vip));
        assert!(watch.expected_removal(now, &vip));
        assert!(watch.expected_addition(now, &vip));
        assert!(!watch.expected_removal(now, &vip), "somebody else's doing");
        // Nothing was on, so nothing will be reported gone.
        watch.taking_off(now, |_| false);
        assert!(!watch.expected_removal(now, &vip));
        // A lost report is not waited for.
        watch.taking_off(now, |_| true);
        assert!(!watch.expected_removal(now + REPORTS_WITHIN, &vip));
        // Nor is that of an address that could not be put on.
        watch.putting_on(now, |_| true, |_| false);
        watch.additions_failed();
        assert!(!watch.expected_addition(now, &vip));
    }
}
