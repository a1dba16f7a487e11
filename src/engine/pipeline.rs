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
    /// Places that are open so far, where they open one by one; `usize::MAX` where all are from the start.
    open: AtomicUsize,
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
        Self::opening(slots, ahead, usize::MAX)
    }

    /// Starts with one claim at a time; each that is charged opens one place more, so that they double with each round:
    /// a gateway that has just come back is not met by a herd.
    pub fn ramping(slots: usize, ahead: usize) -> Arc<Self> {
        Self::opening(slots, ahead, 1)
    }

    fn opening(slots: usize, ahead: usize, open: usize) -> Arc<Self> {
        let (open, held, typical) = (AtomicUsize::new(open), AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { slots, ahead, open, held, changed: Notify::new(), typical })
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

    /// Learns how long a charge took, and that one came to its end.
    pub fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let average = |old: u64| if old == 0 { micros } else { (old.saturating_mul(7).saturating_add(micros)) / 8 };
        let _ = self.typical.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| Some(average(old)));
        let one_more = |open: usize| (open < self.slots).then(|| open + 1);
        if self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok() {
            self.changed.notify_one();
        }
    }

    fn bound(&self) -> usize {
        let open = self.open.load(Ordering::Acquire);
        if open < self.slots {
            return open;
        }
        let typical = Duration::from_micros(self.typical.load(Ordering::Acquire));
        let fast = !typical.is_zero() && typical < AHEAD_WHEN_FASTER_THAN;
        if fast { self.slots + self.ahead } else { self.slots }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many claims may be held after each round in which all that may be held are charged and settled.
    async fn rounds(pipeline: &Arc<Pipeline>, count: usize) -> Vec<usize> {
        let mut rounds = Vec::new();
        for _ in 0..count {
            let room = pipeline.room(1).await;
            let held: Vec<Place> = (0..room).map(|_| pipeline.hold()).collect();
            rounds.push(room);
            held.iter().for_each(|_| pipeline.took(Duration::from_secs(3)));
        }
        rounds
    }

    #[tokio::test]
    async fn a_ramp_doubles_up_to_the_slots() {
        assert_eq!(rounds(&Pipeline::ramping(12, 100), 6).await, [1, 2, 4, 8, 12, 12]);
        assert_eq!(rounds(&Pipeline::new(12, 100), 2).await, [12, 12]);
    }

    #[tokio::test]
    async fn fast_charges_are_claimed_ahead_once_the_ramp_is_over() {
        let pipeline = Pipeline::ramping(2, 3);
        pipeline.took(Duration::from_millis(5));
        assert_eq!(pipeline.room(1).await, 5);
    }
}
