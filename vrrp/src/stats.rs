//! Counters: one for every reason to drop an advert and one for every event worth a graph. They only go up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is counted, per virtual router or for the engine as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Counter {
    /// Advertisements that left this node (unicast copies count once).
    AdvertsSent,
    /// Copies of adverts that could not be sent.
    AdvertsFailed,
    /// Adverts that passed every check.
    AdvertsReceived,
    /// Priority-0 adverts queued.
    ReleasesSent,
    /// Valid adverts with priority 0.
    ReleasesReceived,
    /// Extra adverts not sent because of the rate limit.
    AdvertsSuppressed,
    /// Gratuitous ARP and unsolicited NA frames queued.
    AnnouncementsSent,
    /// Extra announcement rounds put off or cut short by the rate limit.
    AnnouncementsSuppressed,
    /// Times this router became MASTER.
    BecameMaster,
    /// Times this router left MASTER.
    LeftMaster,
    /// Times this router was taken out (FAULT).
    Faults,
    /// Times a lease ran out in MASTER because the process slept.
    Overslept,
    /// Times a lease ran out in MASTER because adverts could not be sent.
    CannotSend,
    /// Times mastership was given up because the data plane did not serve.
    UnfitYields,
    /// Adverts of a lower-priority MASTER heard while MASTER.
    LowerPriorityHeard,
    /// Adverts with priority 255 heard by the owner.
    DuplicateOwner,
    /// Valid adverts with another interval than configured (v3: taken).
    IntervalDiffers,
    /// Adverts that list other addresses and were taken all the same.
    VipMismatchAccepted,
    /// Addresses somebody else removed from the MASTER, put on again.
    VipsRestored,
    /// Own virtual addresses found on an interface while not MASTER, taken off.
    StrayVips,
    /// Addresses could not be put on.
    AddFailed,
    /// Addresses could not be taken off.
    RemoveFailed,
    /// The macvlan interface could not be made.
    VirtualMacFailed,
    /// Peers forgotten because the table was full.
    PeersEvicted,
    /// Dropped: no virtual router with that interface, family and VRID.
    DropUnknownRouter,
    /// Dropped: the router is not in the election (INIT, FAULT or STOPPED).
    DropNotListening,
    /// Dropped: shorter than a VRRP header.
    DropTruncated,
    /// Dropped: length and address count disagree.
    DropLength,
    /// Dropped: another protocol version.
    DropVersion,
    /// Dropped: not an advertisement.
    DropType,
    /// Dropped: no address at all.
    DropCount,
    /// Dropped: another authentication type.
    DropAuthType,
    /// Dropped: wrong password.
    DropAuthPass,
    /// Dropped: bad checksum.
    DropChecksum,
    /// Dropped: interval 0.
    DropIntervalZero,
    /// Dropped: v2 interval other than configured.
    DropIntervalMismatch,
    /// Dropped: TTL or hop limit other than 255.
    DropHopLimit,
    /// Dropped: sent to the group although unicast is configured, or the other way round.
    DropDestination,
    /// Dropped: unspecified, multicast, broadcast or loopback source.
    DropSource,
    /// Dropped: source is an address of this node.
    DropOwnSource,
    /// Dropped: source is not among the configured peers.
    DropUnknownPeer,
    /// Dropped: lists other addresses.
    DropVipMismatch,
}

impl Counter {
    /// All counters, in the order of their values.
    pub const ALL: [Self; 42] = [
        Self::AdvertsSent,
        Self::AdvertsFailed,
        Self::AdvertsReceived,
        Self::ReleasesSent,
        Self::ReleasesReceived,
        Self::AdvertsSuppressed,
        Self::AnnouncementsSent,
        Self::AnnouncementsSuppressed,
        Self::BecameMaster,
        Self::LeftMaster,
        Self::Faults,
        Self::Overslept,
        Self::CannotSend,
        Self::UnfitYields,
        Self::LowerPriorityHeard,
        Self::DuplicateOwner,
        Self::IntervalDiffers,
        Self::VipMismatchAccepted,
        Self::VipsRestored,
        Self::StrayVips,
        Self::AddFailed,
        Self::RemoveFailed,
        Self::VirtualMacFailed,
        Self::PeersEvicted,
        Self::DropUnknownRouter,
        Self::DropNotListening,
        Self::DropTruncated,
        Self::DropLength,
        Self::DropVersion,
        Self::DropType,
        Self::DropCount,
        Self::DropAuthType,
        Self::DropAuthPass,
        Self::DropChecksum,
        Self::DropIntervalZero,
        Self::DropIntervalMismatch,
        Self::DropHopLimit,
        Self::DropDestination,
        Self::DropSource,
        Self::DropOwnSource,
        Self::DropUnknownPeer,
        Self::DropVipMismatch,
    ];

    /// Name for metrics and status, without unit suffix.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdvertsSent => "adverts_sent",
            Self::AdvertsFailed => "adverts_failed",
            Self::AdvertsReceived => "adverts_received",
            Self::ReleasesSent => "releases_sent",
            Self::ReleasesReceived => "releases_received",
            Self::AdvertsSuppressed => "adverts_suppressed",
            Self::AnnouncementsSent => "announcements_sent",
            Self::AnnouncementsSuppressed => "announcements_suppressed",
            Self::BecameMaster => "became_master",
            Self::LeftMaster => "left_master",
            Self::Faults => "faults",
            Self::Overslept => "overslept",
            Self::CannotSend => "cannot_send",
            Self::UnfitYields => "unfit_yields",
            Self::LowerPriorityHeard => "lower_priority_heard",
            Self::DuplicateOwner => "duplicate_owner",
            Self::IntervalDiffers => "interval_differs",
            Self::VipMismatchAccepted => "vip_mismatch_accepted",
            Self::VipsRestored => "vips_restored",
            Self::StrayVips => "stray_vips",
            Self::AddFailed => "add_failed",
            Self::RemoveFailed => "remove_failed",
            Self::VirtualMacFailed => "virtual_mac_failed",
            Self::PeersEvicted => "peers_evicted",
            Self::DropUnknownRouter => "drop_unknown_router",
            Self::DropNotListening => "drop_not_listening",
            Self::DropTruncated => "drop_truncated",
            Self::DropLength => "drop_length",
            Self::DropVersion => "drop_version",
            Self::DropType => "drop_type",
            Self::DropCount => "drop_count",
            Self::DropAuthType => "drop_auth_type",
            Self::DropAuthPass => "drop_auth_pass",
            Self::DropChecksum => "drop_checksum",
            Self::DropIntervalZero => "drop_interval_zero",
            Self::DropIntervalMismatch => "drop_interval_mismatch",
            Self::DropHopLimit => "drop_hop_limit",
            Self::DropDestination => "drop_destination",
            Self::DropSource => "drop_source",
            Self::DropOwnSource => "drop_own_source",
            Self::DropUnknownPeer => "drop_unknown_peer",
            Self::DropVipMismatch => "drop_vip_mismatch",
        }
    }
}

/// One value for each [`Counter`]. Written down by name: another version may have others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, u64>", into = "BTreeMap<String, u64>")]
pub struct Counters([u64; Counter::ALL.len()]);

impl Counters {
    /// The value of one counter.
    pub fn count(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or(0)
    }

    /// All counters with their values, in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> {
        Counter::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn bump(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    pub(crate) fn add(&mut self, counter: Counter, by: u64) {
        if let Some(value) = self.0.get_mut(counter as usize) {
            *value = value.saturating_add(by);
        }
    }
}

impl From<Counters> for BTreeMap<String, u64> {
    fn from(counters: Counters) -> Self {
        counters.iter().filter(|(_, n)| *n > 0).map(|(c, n)| (c.as_str().to_owned(), n)).collect()
    }
}

impl From<BTreeMap<String, u64>> for Counters {
    fn from(named: BTreeMap<String, u64>) -> Self {
        let mut counters = Self::default();
        for counter in Counter::ALL {
            counters.add(counter, named.get(counter.as_str()).copied().unwrap_or(0));
        }
        counters
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self([0; Counter::ALL.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_own_slot_and_name() {
        let mut counters = Counters::default();
        let mut names = std::collections::BTreeSet::new();
        for (i, c) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(c as usize, i, "{c:?} stands at its value");
            assert!(names.insert(c.as_str()), "{c:?} shares its name");
            counters.add(c, i as u64);
        }
        for (i, (c, value)) in counters.iter().enumerate() {
            assert_eq!((value, counters.count(c)), (i as u64, i as u64));
        }
        assert_eq!(Counters::from(BTreeMap::from(counters.clone())), counters);
    }
}
