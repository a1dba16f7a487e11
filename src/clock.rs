//! Time as a port: the wall clock, and a stopwatch that also counts suspended time.

use async_trait::async_trait;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Tells the time, and waits. `--clock` replaces it everywhere at once.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now, in whole microseconds: what both databases keep.
    fn now(&self) -> DateTime<Utc>;

    /// Time since some fixed moment, suspended time included: what deadlines are measured by.
    fn uptime(&self) -> Duration;

    /// Waits; in a simulation no real time passes.
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Whether this is a test clock, which also replaces the database's clock.
    fn is_test(&self) -> bool;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> DateTime<Utc> {
        whole_micros(Utc::now())
    }

    fn uptime(&self) -> Duration {
        uptime()
    }

    fn is_test(&self) -> bool {
        false
    }
}

/// A clock that starts at a given time and runs on at the machine's pace.
#[derive(Clone, Copy, Debug)]
pub struct TestClock {
    start: DateTime<Utc>,
    started: Duration,
}

impl TestClock {
    pub fn starting_at(start: DateTime<Utc>) -> Self {
        Self { start, started: uptime() }
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        let run = uptime().saturating_sub(self.started);
        whole_micros(self.start + TimeDelta::from_std(run).unwrap_or(TimeDelta::MAX))
    }

    fn uptime(&self) -> Duration {
        uptime()
    }

    fn is_test(&self) -> bool {
        true
    }
}

/// A clock that stands still until it is set, while the stopwatch goes on: for `demo`, which lives through several days
/// in seconds.
#[derive(Clone, Debug)]
pub struct SettableClock(Arc<AtomicI64>);

impl SettableClock {
    pub fn at(time: DateTime<Utc>) -> Self {
        Self(Arc::new(AtomicI64::new(time.timestamp_micros())))
    }

    pub fn set(&self, time: DateTime<Utc>) {
        self.0.store(time.timestamp_micros(), Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for SettableClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or(DateTime::UNIX_EPOCH)
    }

    fn uptime(&self) -> Duration {
        uptime()
    }

    fn is_test(&self) -> bool {
        true
    }
}

fn whole_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(time)
}

fn uptime() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(secs, nanos)
}
