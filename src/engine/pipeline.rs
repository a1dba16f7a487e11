//! How many claims a run holds at once: the slots, and a few more so that slots never wait for the database.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Seconds: a rate is not told from less.
const MOMENT: f64 = 0.001;

/// Counts the claims that are not settled yet.
pub(super) struct Pipeline {
    slots: usize,
    /// Claims that wait for a slot, beside those that have one.
    ahead: usize,
    /// Places that are open so far, where they open one by one; `usize::MAX` where all are from the start.
    open: AtomicUsize,
    held: AtomicUsize,
    changed: Notify,
    /// A claim must be sent soon or be given back: none is made ahead that would wait longer than this, at the rate seen
    /// lately.
    wait_max: Duration,
    seen: Mutex<Seen>,
}

/// The charges that came to their end lately, by the clock's uptime.
#[derive(Default)]
struct Seen {
    began: Option<Duration>,
    last: Duration,
    charges: u32,
}

/// One claim's place; free again when it is dropped, which is after its outcome was committed.
pub(super) struct Place(Arc<Pipeline>);

impl Place {
    /// Claims of its pipeline that are not settled yet, its own among them.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Acquire)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

impl Pipeline {
    /// `ahead` claims may wait for a slot, or for their commit.
    pub fn new(slots: usize, ahead: usize, wait_max: Duration) -> Arc<Self> {
        Self::opening((slots, usize::MAX), ahead, wait_max)
    }

    /// Starts with one claim at a time; each that is charged opens one place more, so that they double with each round:
    /// a gateway that has just come back is not met by a herd.
    pub fn ramping(slots: usize, ahead: usize, wait_max: Duration) -> Arc<Self> {
        Self::opening((slots, 1), ahead, wait_max)
    }

    fn opening((slots, open): (usize, usize), ahead: usize, wait_max: Duration) -> Arc<Self> {
        let (open, held, seen) = (AtomicUsize::new(open), AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { slots, ahead, open, held, changed: Notify::new(), wait_max, seen })
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

    /// Learns that a charge that was sent came to its end at the uptime `now`, and how long it took.
    pub fn took(&self, time: Duration, now: Duration) {
        self.seen().add(time, now, self.wait_max);
        let one_more = |open: usize| (open < self.slots).then(|| open + 1);
        if self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok() {
            self.changed.notify_one();
        }
    }

    /// As many as are sent within [`Pipeline::wait_max`] at the rate seen lately: the slots at least, and no more ahead of
    /// them than may be. Not by the time that a charge takes: that is longer for those that wait, so that the slots would
    /// run empty by turns.
    fn bound(&self) -> usize {
        let open = self.open.load(Ordering::Acquire);
        if open < self.slots {
            return open;
        }
        let seen = self.seen();
        let Some(passed) = seen.passed() else { return self.slots };
        let rounds = self.wait_max.as_secs_f64() / passed.as_secs_f64().max(MOMENT);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of claims, never negative"
        )]
        let sendable = (f64::from(seen.charges) * rounds) as usize;
        sendable.clamp(self.slots, self.slots.saturating_add(self.ahead))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// What is longer ago than `span` counts half, and half again: a gateway that becomes slow is soon known to be. Two rounds
    /// of charges are always counted, as all of a round may be answered at the same moment.
    fn add(&mut self, time: Duration, now: Duration, span: Duration) {
        let span = span.max(time * 2);
        self.began.get_or_insert(now.saturating_sub(time));
        (self.last, self.charges) = (self.last.max(now), self.charges.saturating_add(1));
        while let Some(passed) = self.passed().filter(|passed| *passed > span && self.charges > 1) {
            (self.began, self.charges) = (Some(self.last.saturating_sub(passed / 2)), self.charges.div_ceil(2));
        }
    }

    fn passed(&self) -> Option<Duration> {
        self.began.map(|began| self.last.saturating_sub(began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many claims may be held after each round in which all that may be held are charged and settled.
    async fn rounds(pipeline: &Arc<Pipeline>, count: u32) -> Vec<usize> {
        let mut rounds = Vec::new();
        for round in 1..=count {
            let room = pipeline.room(1).await;
            let held: Vec<Place> = (0..room).map(|_| pipeline.hold()).collect();
            rounds.push(room);
            held.iter().for_each(|_| pipeline.took(3 * SECOND, 3 * SECOND * round));
        }
        rounds
    }

    #[tokio::test]
    async fn a_ramp_doubles_up_to_the_slots() {
        assert_eq!(rounds(&Pipeline::ramping(12, 100, SECOND), 6).await, [1, 2, 4, 8, 12, 12]);
        assert_eq!(rounds(&Pipeline::new(12, 100, SECOND), 2).await, [12, 12]);
    }

    #[tokio::test]
    async fn as_many_are_claimed_ahead_as_are_sent_in_time() {
        let pipeline = Pipeline::ramping(2, 100, 10 * SECOND);
        assert_eq!(pipeline.room(1).await, 1);
        pipeline.took(SECOND, SECOND);
        assert_eq!(pipeline.room(1).await, 10, "one a second");
        // Those waited for a slot, and were charged two at a time.
        (0..19).for_each(|_| pipeline.took(10 * SECOND, 10 * SECOND));
        assert_eq!(pipeline.room(1).await, 20, "two a second, however long they waited");
        (0..10_000).for_each(|_| pipeline.took(SECOND, 11 * SECOND));
        assert_eq!(pipeline.room(1).await, 102, "and no more than may be");
    }

    #[tokio::test]
    async fn a_gateway_that_becomes_slow_is_soon_known_to_be() {
        let pipeline = Pipeline::new(32, 232, 10 * SECOND);
        (1..=1000).for_each(|number| pipeline.took(SECOND / 10, number * SECOND / 100));
        assert_eq!(pipeline.room(1).await, 264, "a hundred a second");
        // Six seconds each from then on: five a second.
        for round in 1..=10 {
            (0..32).for_each(|_| pipeline.took(6 * SECOND, 10 * SECOND + 6 * SECOND * round));
        }
        let room = pipeline.room(1).await;
        assert!((53..=106).contains(&room), "what is sent within twice the time at the most: {room}");
    }

    #[tokio::test]
    async fn after_a_silence_little_is_claimed_ahead() {
        let pipeline = Pipeline::new(2, 100, 10 * SECOND);
        (1..=1000).for_each(|number| pipeline.took(SECOND / 10, number * SECOND / 100));
        (1..=3).for_each(|number| pipeline.took(SECOND, 3600 * SECOND + number * 10 * SECOND));
        let room = pipeline.room(1).await;
        assert!(room <= 8, "{room}");
    }

    #[tokio::test]
    async fn nothing_is_claimed_ahead_of_slow_charges() {
        assert_eq!(rounds(&Pipeline::new(2, 100, SECOND), 9).await, [2; 9]);
    }
}
