//! What the tables say when somebody asks: read at most every few seconds, however many ask, and bounded in time. A
//! database that does not answer is told as such; what the process counts itself is told all the same.

use super::super::Site;
use crate::clock::Clock;
use crate::engine::coverage::coverage;
use crate::store::StoreError;
use crate::store::outbox::DeliveriesLeft;
use crate::store::read::Backlog;
use chrono::{DateTime, Utc};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Two scrapers ask the database once.
const FRESH_FOR: Duration = Duration::from_secs(5);

const ASK_WITHIN: Duration = Duration::from_secs(3);

/// What is told of the tables.
#[derive(Clone, Debug)]
struct Seen {
    backlog: Backlog,
    left: Vec<DeliveriesLeft>,
    missed: usize,
    paused: bool,
    now: DateTime<Utc>,
}

/// The last look, and when it was, by uptime.
#[derive(Debug, Default)]
pub struct Standing(Mutex<Option<(Duration, Option<Seen>)>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Left {
    sink: String,
    state: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sink {
    sink: String,
}

impl Standing {
    /// Registers how it stands now, or a few seconds ago.
    pub async fn register(&self, registry: &mut Registry, site: Option<&Arc<Site>>, clock: &dyn Clock) {
        let seen = match site {
            Some(site) => self.look(site, clock).await,
            None => None,
        };
        let up = gauge(i64::from(seen.is_some()));
        registry.register("database_up", "1 while the database answers", up);
        if let Some(seen) = seen {
            seen.register(registry);
        }
    }

    async fn look(&self, site: &Site, clock: &dyn Clock) -> Option<Seen> {
        // Held while it asks: whoever asks meanwhile gets the same answer.
        let mut last = self.0.lock().await;
        let now = clock.uptime();
        if let Some((_, seen)) = last.as_ref().filter(|(at, _)| now.saturating_sub(*at) < FRESH_FOR) {
            return seen.clone();
        }
        let seen = match tokio::time::timeout(ASK_WITHIN, ask(site)).await {
            Ok(Ok(seen)) => Some(seen),
            Ok(Err(error)) => {
                tracing::warn!("the metrics of the tables could not be read: {error}");
                None
            }
            Err(_) => None,
        };
        *last = Some((clock.uptime(), seen.clone()));
        seen
    }
}

async fn ask(site: &Site) -> Result<Seen, StoreError> {
    let store = &*site.engine.store;
    Ok(Seen {
        backlog: store.backlog().await?,
        left: store.deliveries_left().await?,
        missed: coverage(store, site.zone).await?.missed.len(),
        paused: store.switch().await?.paused.is_some(),
        now: store.now().await?,
    })
}

fn gauge(value: i64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

impl Seen {
    fn register(&self, registry: &mut Registry) {
        let backlog = &self.backlog;
        let states = Family::<State, Gauge>::default();
        for (state, count) in &backlog.by_state {
            states.get_or_create(&State { state: state.clone() }).set(*count);
        }
        registry.register("renewals", "Renewals that are not paid, by state", states);
        registry.register("queue_depth", "Renewals that can be claimed now", gauge(backlog.due_now));
        let oldest = backlog.oldest_unknown.into_iter().chain(backlog.oldest_unsettled).min();
        let help = "Age of the oldest charge without an outcome; 0 where all have one";
        registry.register_with_unit("unresolved_age", help, Unit::Seconds, gauge(self.age(oldest)));
        registry.register("refunds_open", "Payments that are being given back", gauge(backlog.refunds_open));
        self.register_events(registry);
        let help = "Business dates without a run that did all its work";
        registry.register("coverage_gap_days", help, gauge(i64::try_from(self.missed).unwrap_or(i64::MAX)));
        registry.register("charging_paused", "1 while no charge may start", gauge(i64::from(self.paused)));
    }

    /// Of the sinks, and of the outbox that nobody has handed out yet.
    fn register_events(&self, registry: &mut Registry) {
        let (waiting, lag) = (Family::<Left, Gauge>::default(), Family::<Sink, Gauge>::default());
        for left in &self.left {
            let sink = left.sink.clone().unwrap_or_else(|| "outbox".to_owned());
            waiting.get_or_create(&Left { sink: sink.clone(), state: left.state.clone() }).set(left.events);
            if left.state == "pending" {
                lag.get_or_create(&Sink { sink }).set(self.age(Some(left.oldest)));
            }
        }
        registry.register("events_undelivered", "Events that a sink has not taken", waiting);
        let help = "Age of the oldest event that a sink has not taken";
        registry.register_with_unit("event_lag", help, Unit::Seconds, lag);
    }

    fn age(&self, since: Option<DateTime<Utc>>) -> i64 {
        since.map_or(0, |since| (self.now - since).num_seconds().max(0))
    }
}
