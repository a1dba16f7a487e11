//! Simulated time: a heap of events. Nothing happens between two of them, and no real time passes.

use super::happening::Happening;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use renewd::clock::Clock;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// What the heap holds.
pub enum Event {
    Wake(Waker),
    Happens(Box<Happening>),
}

/// The one true time of a simulated world, in microseconds since 1970, and what is to come.
#[derive(Clone, Default)]
pub struct Time(Arc<Shared>);

#[derive(Default)]
struct Shared {
    now: AtomicI64,
    /// By time, then in the order of planning.
    events: Mutex<BTreeMap<(i64, u64), Event>>,
    planned: std::sync::atomic::AtomicU64,
}

impl Time {
    pub fn starting_at(start: DateTime<Utc>) -> Self {
        let time = Self::default();
        time.0.now.store(start.timestamp_micros(), Ordering::Relaxed);
        time
    }

    pub fn micros(&self) -> i64 {
        self.0.now.load(Ordering::Relaxed)
    }

    pub fn now(&self) -> DateTime<Utc> {
        instant(self.micros())
    }

    pub fn plan(&self, at: i64, event: Event) {
        let number = self.0.planned.fetch_add(1, Ordering::Relaxed);
        self.0.events.lock().unwrap().insert((at.max(self.micros()), number), event);
    }

    /// Lets `happening` happen `after` so many microseconds.
    pub fn after(&self, after: i64, happening: Happening) {
        self.plan(self.micros() + after.max(0), Event::Happens(Box::new(happening)));
    }

    /// Goes on to the next event before `until`.
    pub fn next(&self, until: i64) -> Option<Event> {
        let mut events = self.0.events.lock().unwrap();
        let entry = events.first_entry().filter(|entry| entry.key().0 < until)?;
        let ((at, _), event) = entry.remove_entry();
        self.0.now.store(at, Ordering::Relaxed);
        Some(event)
    }

    pub fn sleep(&self, micros: i64) -> Sleep {
        Sleep { time: self.clone(), until: self.micros() + micros.max(0), planned: false }
    }
}

/// A wait in simulated time.
pub struct Sleep {
    time: Time,
    until: i64,
    planned: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.time.micros() >= self.until {
            return Poll::Ready(());
        }
        if !self.planned {
            self.planned = true;
            self.time.plan(self.until, Event::Wake(context.waker().clone()));
        }
        Poll::Pending
    }
}

/// One machine's clock: true time and its error. The stopwatch is right on every machine.
#[derive(Clone)]
pub struct MachineClock {
    pub time: Time,
    pub error: TimeDelta,
    /// The database's own: what `--clock` would replace.
    pub is_test: bool,
}

#[async_trait]
impl Clock for MachineClock {
    fn now(&self) -> DateTime<Utc> {
        self.time.now() + self.error
    }

    fn uptime(&self) -> Duration {
        Duration::from_micros(self.time.micros().unsigned_abs())
    }

    async fn sleep(&self, time: Duration) {
        self.time.sleep(i64::try_from(time.as_micros()).unwrap()).await;
    }

    fn is_test(&self) -> bool {
        self.is_test
    }
}

pub fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}
