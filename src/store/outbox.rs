//! What the port asks and answers about events on their way to the sinks.
//!
//! An event is in the outbox from the transaction that wrote it until it is handed to the sinks; from then on there is
//! one delivery for each sink. A claim of a delivery is its lease as well: whoever's time is up may record nothing.

use crate::domain::action::NewAction;
use crate::domain::delivery::{NewDelivery, SinkName, Told};
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{EventId, SubscriptionId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The pure function that hands events to sinks, from the domain; it is told how many events of the last hour each sink
/// for people was handed.
pub type Router = Arc<dyn Fn(&[Told], &BTreeMap<SinkName, u32>) -> Vec<NewDelivery> + Send + Sync>;

/// Which deliveries to claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryClaim {
    pub sink: SinkName,
    /// Names this claim; another one's outcomes are not recorded under it.
    pub claim: Uuid,
    /// How long the claim holds.
    pub lease: Duration,
    pub rows_max: u32,
}

/// What a person wants done with deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manual {
    /// Send again what is over: delivered, dead or dropped.
    Replay,
    /// Send again what was given up.
    ReplayDead,
    /// Nobody is to be told of what is pending or dead.
    Drop,
}

impl Manual {
    /// The states that it applies to, and the state that it leads to.
    pub fn states(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Replay => (&["delivered", "dead", "dropped"], "pending"),
            Self::ReplayDead => (&["dead"], "pending"),
            Self::Drop => (&["pending", "dead"], "dropped"),
        }
    }
}

/// A change of deliveries by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct ManualChange {
    pub manual: Manual,
    /// One event; all of them without.
    pub event_id: Option<EventId>,
    pub sink: Option<SinkName>,
    /// Only events from this time on.
    pub since: Option<DateTime<Utc>>,
    /// Why; stands on the deliveries.
    pub reason: String,
    /// Who, why, when and what: told with the change, if anything changes.
    pub action: NewEvent,
    /// The same, as a row of `actions`: written with the change, if anything changes.
    pub recorded: NewAction,
}

/// Which deliveries are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeliveryFilter {
    /// `pending`, `delivered`, `dead`, `dropped`.
    pub state: Option<&'static str>,
    pub kind: Option<EventKind>,
    pub subscription: Option<SubscriptionId>,
    pub sink: Option<SinkName>,
    pub rows_max: u32,
}

/// A delivery as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeliveryRow {
    #[serde(flatten)]
    pub event: Told,
    /// `None`: it is still in the outbox.
    pub sink: Option<String>,
    pub state: String,
    pub tries: i64,
    pub next_try_at: Option<DateTime<Utc>>,
    pub note: Option<String>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// What is not delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct DeliveriesLeft {
    /// `None`: still in the outbox.
    pub sink: Option<String>,
    /// `pending` or `dead`.
    pub state: String,
    pub events: i64,
    pub oldest: DateTime<Utc>,
}

/// The smallest event id of a time, or later: a UUIDv7 starts with its time, to the millisecond.
pub fn first_event_at(time: DateTime<Utc>) -> EventId {
    EventId(Uuid::from_u128(u128::try_from(time.timestamp_millis()).unwrap_or(0) << 80))
}
