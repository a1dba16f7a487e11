//! Guards that can be left out, one by one.

/// A guard of the store. One that is left out is there to see that the tests notice: no store that charges lets it be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guard {
    /// A settle counts only under the lease epoch that it was claimed under.
    LeaseEpoch,
    /// A negative verdict counts only under a live lease.
    LiveLeaseForNegative,
    /// A settle that is written already changes nothing: a decline counts once for its attempt.
    OneDeclinePerAttempt,
    /// A payment whose lease was lost is kept as an observation, and its renewal is looked up again.
    LateObservation,
    /// A subscription has one renewal per period, and a payment id is of one renewal.
    OneRenewalPerPeriod,
    /// A period moves only from the end that was paid from.
    ExpectedPeriodEnd,
    /// A claim sees a cancellation that came before it.
    CancelUnderLock,
    /// Nothing is claimed, and nothing sent again, while the kill switch is on.
    KillSwitch,
    /// Nothing is taken over before its lease is over.
    ExpiredLeaseForTakeOver,
}

impl Guard {
    pub const ALL: [Self; 9] = [
        Self::LeaseEpoch,
        Self::LiveLeaseForNegative,
        Self::OneDeclinePerAttempt,
        Self::LateObservation,
        Self::OneRenewalPerPeriod,
        Self::ExpectedPeriodEnd,
        Self::CancelUnderLock,
        Self::KillSwitch,
        Self::ExpiredLeaseForTakeOver,
    ];
}
