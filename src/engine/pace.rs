//! How fast charges may start: slots and a rate for each channel and overall, and slower after a 429.

use super::limits::{ChannelLimit, Limits};
use crate::clock::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// After a 429 a channel starts no more than this many charges a second, however fast it was before.
const SLOWED_PER_SECOND: u32 = 10;

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

    /// Waits for a slot and for the rate. `None` if the run's semaphores are gone, which ends the run.
    pub async fn turn(&self, channel: &str, clock: &dyn Clock) -> Option<Turn> {
        let own = self.channel(channel);
        let channel_slot = Arc::clone(&own.slots).acquire_owned().await.ok()?;
        let slot = Arc::clone(&self.overall.slots).acquire_owned().await.ok()?;
        let now = clock.uptime();
        let wait = own.reserve(now).max(self.overall.reserve(now));
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
        Some(Turn { _slots: [channel_slot, slot] })
    }

    /// The gateway said 429: nothing starts on this channel before `wait` is over, and slower from then on.
    pub fn slow_down(&self, channel: &str, wait: Duration, clock: &dyn Clock) {
        let mut timing = self.channel(channel).timing();
        timing.interval = timing.interval.max(Duration::from_secs(1) / SLOWED_PER_SECOND) * 3 / 2;
        timing.next = timing.next.max(clock.uptime() + wait);
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
            timing: Mutex::new(Timing { interval, next: Duration::ZERO }),
        }
    }

    /// Takes the next place in the sequence of starts; answers how long to wait for it.
    fn reserve(&self, now: Duration) -> Duration {
        let mut timing = self.timing();
        let start = timing.next.max(now);
        timing.next = start + timing.interval;
        start - now
    }

    fn timing(&self) -> std::sync::MutexGuard<'_, Timing> {
        self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
