//! How fast charges may start: slots and a rate for each channel and overall, and slower after a 429.

use super::limits::{ChannelLimit, Limits};
use crate::clock::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// After a 429 a channel starts no more than this many charges a second, however fast it was before.
const SLOWED_PER_SECOND: u32 = 10;

/// However often it is told to slow down, a channel starts a charge so often.
const SLOWEST: Duration = Duration::from_secs(1);

/// The slots and rates of one run.
pub struct Paces {
    overall: Arc<Pace>,
    channels: BTreeMap<String, Arc<Pace>>,
    default: Arc<Pace>,
}

/// The right to send now; given back when it is dropped.
pub struct Turn {
    _slots: [OwnedSemaphorePermit; 2],
}

struct Pace {
    slots: Arc<Semaphore>,
    timing: Mutex<Timing>,
}

struct Timing {
    interval: Duration,
    /// By the clock's uptime.
    next: Duration,
    /// Until then a 429 tells nothing new: those that were under way are answered with it too.
    slowed_until: Duration,
}

impl Paces {
    pub fn new(limits: &Limits) -> Self {
        let whole = ChannelLimit { concurrency: None, rate_per_second_max: limits.rate_per_second_max };
        let pace = |limit: &ChannelLimit| Arc::new(Pace::new(limit, limits.concurrency));
        Self {
            overall: pace(&whole),
            channels: limits.channels.iter().map(|(name, limit)| (name.clone(), pace(limit))).collect(),
            default: pace(&ChannelLimit::default()),
        }
    }

    /// Waits for a slot and for the rate, the channel's first. `None` where one of the rates has no place before the uptime
    /// `by`; none is taken of that one.
    pub async fn turn(&self, channel: &str, by: Duration, clock: &dyn Clock) -> Option<Turn> {
        let own = self.channel(channel);
        let channel_slot = Arc::clone(&own.slots).acquire_owned().await.ok()?;
        own.place(by, clock).await?;
        // Only then: who waits for its channel keeps no slot and no place from others that have limits of their own.
        let slot = Arc::clone(&self.overall.slots).acquire_owned().await.ok()?;
        self.overall.place(by, clock).await?;
        Some(Turn { _slots: [channel_slot, slot] })
    }

    /// The gateway said 429: nobody gets a place on this channel before `wait` is over, and later ones are further apart. However many are
    /// told so at once, that is one step.
    pub fn slow_down(&self, channel: &str, wait: Duration, clock: &dyn Clock) {
        let (now, mut timing) = (clock.uptime(), self.channel(channel).timing());
        if now >= timing.slowed_until {
            let slower = timing.interval.max(Duration::from_secs(1) / SLOWED_PER_SECOND) * 3 / 2;
            // A rate that was set lower than that stays.
            timing.interval = slower.min(SLOWEST).max(timing.interval);
        }
        timing.slowed_until = timing.slowed_until.max(now + wait);
        timing.next = timing.next.max(now + wait);
    }

    fn channel(&self, name: &str) -> &Arc<Pace> {
        self.channels.get(name).unwrap_or(&self.default)
    }
}

impl Pace {
    fn new(limit: &ChannelLimit, slots: usize) -> Self {
        let interval = match limit.rate_per_second_max {
            Some(rate) if rate > 0 => Duration::from_secs(1) / rate,
            _ => Duration::ZERO,
        };
        Self {
            slots: Arc::new(Semaphore::new(limit.concurrency.unwrap_or(slots).min(slots).max(1))),
            timing: Mutex::new(Timing { interval, next: Duration::ZERO, slowed_until: Duration::ZERO }),
        }
    }

    /// Waits for the next place in the sequence of starts, and again if the gateway asked for more time meanwhile.
    async fn place(&self, by: Duration, clock: &dyn Clock) -> Option<()> {
        loop {
            let now = clock.uptime();
            let start = self.reserve(now, by)?;
            if start > now {
                clock.sleep(start - now).await;
            }
            if self.timing().slowed_until <= start {
                return Some(());
            }
        }
    }

    /// Takes the next place; answers when it is.
    fn reserve(&self, now: Duration, by: Duration) -> Option<Duration> {
        let mut timing = self.timing();
        let start = timing.next.max(now);
        if start > by {
            return None;
        }
        timing.next = start + timing.interval;
        Some(start)
    }

    fn timing(&self) -> std::sync::MutexGuard<'_, Timing> {
        self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    const SECOND: Duration = Duration::from_secs(1);

    /// Nothing here waits: time passes when it is told to.
    #[derive(Default)]
    struct Stopwatch(Mutex<Duration>);

    impl Stopwatch {
        fn pass(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    #[async_trait::async_trait]
    impl Clock for Stopwatch {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }

        fn uptime(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn is_test(&self) -> bool {
            true
        }
    }

    fn paces() -> Paces {
        Paces::new(&Limits { concurrency: 1000, ..Limits::default() })
    }

    #[test]
    fn however_many_are_told_at_once_a_channel_is_slowed_by_one_step() {
        let (paces, clock) = (paces(), Stopwatch::default());
        let slow_down = || (0..32).for_each(|_| paces.slow_down("a", 2 * SECOND, &clock));
        let interval = || paces.channel("a").timing().interval;
        slow_down();
        assert_eq!(interval(), SECOND * 3 / 20);
        clock.pass(2 * SECOND);
        slow_down();
        assert_eq!(interval(), SECOND * 9 / 40);
        for _ in 0..20 {
            clock.pass(2 * SECOND);
            slow_down();
        }
        assert_eq!(interval(), SLOWEST);
    }

    #[tokio::test]
    async fn who_would_wait_too_long_takes_no_turn_and_no_place() {
        let (paces, clock) = (paces(), Stopwatch::default());
        assert!(paces.turn("a", SECOND, &clock).await.is_some(), "at once");
        paces.slow_down("a", 30 * SECOND, &clock);
        for _ in 0..50 {
            assert!(paces.turn("a", 20 * SECOND, &clock).await.is_none());
        }
        assert_eq!(paces.channel("a").timing().next, 30 * SECOND, "who is not sent has taken no place");
        assert_eq!(paces.overall.slots.available_permits(), 1000);
    }

    #[tokio::test]
    async fn a_channel_that_waits_holds_up_no_other() {
        let limits = Limits { concurrency: 2, ..Limits::default() };
        let (paces, clock) = (Arc::new(Paces::new(&limits)), Arc::new(Stopwatch::default()));
        paces.slow_down("a", 10 * SECOND, &*clock);
        let waiting = |_| {
            let (paces, clock) = (Arc::clone(&paces), Arc::clone(&clock));
            tokio::spawn(async move { paces.turn("a", 20 * SECOND, &*clock).await.is_some() })
        };
        let waiting: Vec<_> = (0..2).map(waiting).collect();
        tokio::task::yield_now().await;
        assert_eq!(paces.overall.slots.available_permits(), 2);
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
