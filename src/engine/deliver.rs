//! Telling: events from the outbox to the sinks, each sink at its own pace.
//!
//! What holds: an event is delivered to each of its sinks at least once, under the same id every time; of one
//! subscription a sink gets one event after the other; a sink that is down holds back no other, and gets what it missed
//! when it is back. Two processes may deliver at once: a claim in the database parts them, and what a process leaves
//! behind is taken over when its claim is over.

use super::backoff::Intervals;
use super::spans;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::domain::delivery::{self, Next, Patience, Recorded, Reply, Routing, Sending, SinkName};
use crate::domain::ids::EventId;
use crate::notify::{Message, Sink};
use crate::shutdown::Shutdown;
use crate::store::outbox::DeliveryClaim;
use crate::store::{Store, StoreError};
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::{Instrument, Span};

/// Events handed to the sinks in one transaction.
const ROUTE_ROWS_MAX: u32 = 500;
/// A line of the log costs nothing, so many are claimed at once.
const LOG_ROWS_MAX: u32 = 500;
/// So many failures in a row are the sink's, not the events': it rests, and no try of the others is spent.
const FAILURES_IN_A_ROW: u32 = 5;
/// How long such a sink rests, at first and at most.
const REST_FIRST: Duration = Duration::from_secs(5);
const REST_LONGEST: Duration = Duration::from_secs(300);

/// The bounds of delivering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverLimits {
    /// Messages under way at once, per sink.
    pub concurrency: u32,
    /// Longest time that one send can take.
    pub send_timeout: Duration,
    pub patience: Patience,
}

/// Delivers events. Lives as long as its process: it remembers which sinks rest.
pub struct Dispatcher {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    sinks: Vec<Arc<dyn Sink>>,
    routing: Arc<Routing>,
    limits: DeliverLimits,
    rests: Mutex<BTreeMap<SinkName, Rest>>,
}

/// A sink that fails whatever it is sent.
#[derive(Clone, Copy)]
struct Rest {
    /// By the stopwatch.
    until: Duration,
    rounds: u32,
}

/// What one round of delivering did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Events handed to the sinks.
    pub routed: u64,
    pub delivered: u64,
    /// Failed, and tried again later.
    pub failed: u64,
    /// Given up: a person can send them again.
    pub dead: u64,
    /// Why the last failure of each sink was one.
    pub problems: BTreeMap<SinkName, String>,
}

impl Delivered {
    /// Not all went well.
    pub fn has_problems(&self) -> bool {
        self.failed + self.dead > 0
    }

    fn add(&mut self, sent: &[Recorded]) {
        for recorded in sent {
            match recorded.next {
                Next::Delivered => self.delivered += 1,
                Next::RetryAt(_) => self.failed += 1,
                Next::Dead => self.dead += 1,
                Next::Unsent(_) => {}
            }
            self.problems.extend(recorded.note.iter().map(|note| (recorded.sink, note.clone())));
        }
    }

    fn merge(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.dead += other.dead;
        self.problems.extend(other.problems);
    }
}

/// One sink's part of a round.
struct Pass<'a> {
    sink: &'a dyn Sink,
    /// By the stopwatch; nothing is begun after it.
    deadline: Duration,
    shutdown: &'a Shutdown,
    failures: AtomicU32,
}

/// What each event that is being sent is about, for the log.
type Spans = HashMap<EventId, Span>;

impl Dispatcher {
    /// Of `routing`, only the sinks that are among `sinks` are handed anything.
    pub fn new(
        (store, clock, chance): (Arc<dyn Store>, Arc<dyn Clock>, Arc<dyn Chance>),
        sinks: Vec<Arc<dyn Sink>>,
        routing: Routing,
        limits: DeliverLimits,
    ) -> Self {
        let names = sinks.iter().map(|sink| sink.name()).collect();
        let routing = Arc::new(Routing { sinks: names, ..routing });
        Self { store, clock, chance, sinks, routing, limits, rests: Mutex::default() }
    }

    /// Delivers what is due, until nothing is or the time is up: nothing is begun after `within`, and what is under way
    /// then ends within the time of one send. Safe to repeat at once, for ever, and beside another process.
    ///
    /// # Errors
    /// [`StoreError`]: what was sent and could not be recorded is sent again, under the same id. A sink that fails is no
    /// error: its events stay pending.
    pub async fn deliver(&self, within: Duration, shutdown: &Shutdown) -> Result<Delivered, StoreError> {
        let deadline = self.clock.uptime().saturating_add(within);
        let mut report = Delivered { routed: self.route(deadline, shutdown).await?, ..Delivered::default() };
        let passes = self.sinks.iter().map(|sink| {
            let failures = AtomicU32::new(0);
            self.pass(Pass { sink: &**sink, deadline, shutdown, failures })
        });
        // A sink's pass ends by itself: none waits for another.
        for done in futures_util::future::join_all(passes).await {
            report.merge(done?);
        }
        Ok(report)
    }

    /// Hands what is in the outbox to the sinks; answers how many events that were.
    ///
    /// # Errors
    /// [`StoreError`]; what was not handed over stays in the outbox.
    pub async fn route(&self, deadline: Duration, shutdown: &Shutdown) -> Result<u64, StoreError> {
        let mut routed = 0;
        while !shutdown.requested() && self.clock.uptime() <= deadline {
            let routing = Arc::clone(&self.routing);
            let decide = Arc::new(move |events: &[_], sent: &_| delivery::route(events, sent, &routing));
            let events = self.store.route_events(ROUTE_ROWS_MAX, decide).await?;
            routed += u64::from(events);
            if events < ROUTE_ROWS_MAX {
                break;
            }
        }
        Ok(routed)
    }

    async fn pass(&self, pass: Pass<'_>) -> Result<Delivered, StoreError> {
        let mut report = Delivered::default();
        while self.may_go_on(&pass) && !self.rests(pass.sink.name()) {
            let claim = DeliveryClaim {
                sink: pass.sink.name(),
                claim: self.chance.id(self.clock.now()),
                lease: self.lease(),
                rows_max: self.rows_max(pass.sink.name()),
            };
            let claimed_at = self.clock.uptime();
            let claimed = self.store.claim_deliveries(&claim).await?;
            if claimed.is_empty() {
                break;
            }
            let spans: Spans = claimed.iter().map(|one| (one.event.id, spans::event(&one.event))).collect();
            let sent = self.send_all(&pass, claimed, claimed_at, &spans).await?;
            let written = self.store.record_deliveries(&sent).await?;
            let sent: Vec<Recorded> = sent.into_iter().filter(|one| written.contains(&one.event_id)).collect();
            tell_dead(&sent, &spans);
            report.add(&sent);
            self.rest_or_not(&pass);
        }
        Ok(report)
    }

    async fn send_all(
        &self,
        pass: &Pass<'_>,
        claimed: Vec<Sending>,
        claimed_at: Duration,
        spans: &Spans,
    ) -> Result<Vec<Recorded>, StoreError> {
        let now = self.store.now().await?;
        // Later than that, somebody else may have taken it over by the time that it is sent.
        let last_send = claimed_at.saturating_add(self.lease()).saturating_sub(self.limits.send_timeout * 2);
        let send = |sending: Sending| async move {
            let is_late = self.clock.uptime() >= last_send;
            if is_late || !self.may_go_on(pass) || pass.failures.load(Ordering::Relaxed) >= FAILURES_IN_A_ROW {
                return delivery::unsent(&sending, now);
            }
            let message = Message { event: &sending.event, severity: sending.event.severity(), at: self.clock.now() };
            let span = spans.get(&sending.event.id).cloned().unwrap_or_else(Span::none);
            let reply = pass.sink.send(&message).instrument(span).await;
            match reply {
                Reply::Failed { .. } => drop(pass.failures.fetch_add(1, Ordering::Relaxed)),
                Reply::Taken | Reply::Refused { .. } => pass.failures.store(0, Ordering::Relaxed),
            }
            let patience = &self.limits.patience;
            let interval = Intervals::nth(patience.first, patience.longest, sending.tries);
            delivery::after(&sending, reply, patience, interval, self.chance.unit(), now)
        };
        let width = self.limits.concurrency.max(1) as usize;
        Ok(stream::iter(claimed).map(send).buffer_unordered(width).collect().await)
    }

    fn may_go_on(&self, pass: &Pass<'_>) -> bool {
        !pass.shutdown.requested() && self.clock.uptime() <= pass.deadline
    }

    /// As many as are sent in four rounds: what one process holds, another cannot send.
    fn rows_max(&self, sink: SinkName) -> u32 {
        if sink == SinkName::Log { LOG_ROWS_MAX } else { self.limits.concurrency.saturating_mul(4).max(1) }
    }

    /// Long enough for all that is claimed at once, each in its longest time.
    fn lease(&self) -> Duration {
        self.limits.send_timeout.saturating_mul(8)
    }

    fn rests(&self, sink: SinkName) -> bool {
        let rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        rests.get(&sink).is_some_and(|rest| rest.until > self.clock.uptime())
    }

    /// A sink that failed too often in a row rests, longer each time; one that took something does not.
    fn rest_or_not(&self, pass: &Pass<'_>) {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = pass.failures.load(Ordering::Relaxed);
        if failures == 0 {
            rests.remove(&pass.sink.name());
        }
        if failures >= FAILURES_IN_A_ROW {
            let rounds = rests.get(&pass.sink.name()).map_or(1, |rest| rest.rounds.saturating_add(1));
            let rest = Intervals::nth(REST_FIRST, REST_LONGEST, rounds);
            let sink = pass.sink.name().as_str();
            tracing::warn!(sink, "{sink} fails whatever it is sent: it rests for {rest:?}, and its events wait");
            rests.insert(pass.sink.name(), Rest { until: self.clock.uptime().saturating_add(rest), rounds });
        }
    }
}

fn tell_dead(sent: &[Recorded], spans: &Spans) {
    for recorded in sent.iter().filter(|recorded| recorded.next == Next::Dead) {
        let (sink, why) = (recorded.sink.as_str(), recorded.note.as_deref().unwrap_or_default());
        tracing::error!(
            parent: spans.get(&recorded.event_id).and_then(Span::id),
            event.id = %recorded.event_id, sink,
            "event {} was given up, {sink} was not told: {why}; send it again with `renewd events replay`",
            recorded.event_id
        );
    }
}
