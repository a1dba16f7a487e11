//! How many claims a run holds at once: the slots, and a few more so that slots never wait for the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Beyond this typical time per charge nothing is claimed ahead: a claim must be sent soon or be given back.
const AHEAD_WHEN_FASTER_THAN: Duration = Duration::from_secs(2);

/// Counts the claims that are not settled yet.
pub(super) struct Pipeline {
    slots: usize,
    /// Claims that wait for a slot, beside those that have one.
    ahead: usize,
    held: AtomicUsize,
    changed: Notify,
    /// A moving average of the time that a charge takes, in microseconds; 0 before the first.
    typical: AtomicU64,
}

/// One claim's place; free again when it is dropped, which is after its outcome was committed.
pub(super) struct Place(Arc<Pipeline>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

impl Pipeline {
    /// `ahead` claims may wait for a slot, or for their commit.
    pub fn new(slots: usize, ahead: usize) -> Arc<Self> {
        Arc::new(Self { slots, ahead, held: AtomicUsize::new(0), changed: Notify::new(), typical: AtomicU64::new(0) })
    }

    /// Waits until at least `least` more claims may be held (or all that ever may); answers how many.
    pub async fn room(&self, least: usize) -> usize {
        loop {
            // Registered before the look, so that a place that is freed in between is not missed.
            let changed = self.changed.notified();
            let bound = self.bound();
            let room = bound.saturating_sub(self.held.load(Ordering::Acquire));
            if room >= least.min(bound) {
                return room;
            }
            changed.await;
        }
    }

    pub fn hold(self: &Arc<Self>) -> Place {
        self.held.fetch_add(1, Ordering::AcqRel);
        Place(Arc::clone(self))
    }

    /// Learns how long a charge took.
    pub fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let average = |old: u64| if old == 0 { micros } else { (old.saturating_mul(7).saturating_add(micros)) / 8 };
        let _ = self.typical.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| Some(average(old)));
    }

    fn bound(&self) -> usize {
        let typical = Duration::from_micros(self.typical.load(Ordering::Acquire));
        let fast = !typical.is_zero() && typical < AHEAD_WHEN_FASTER_THAN;
        if fast { self.slots + self.ahead } else { self.slots }
    }
}
