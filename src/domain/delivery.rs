//! Telling: which events go to whom, how bad each is, and what follows from a try.
//!
//! Customers are told by the API service, which gets one message per outcome; people are told by digest, one per run, and
//! singly only of what needs one of them.

use super::event::EventKind;
use super::ids::{EventId, RenewalId, SubscriptionId};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use uuid::Uuid;

/// The span over which messages to people are counted.
pub const RATE_SPAN: TimeDelta = TimeDelta::hours(1);

/// Where events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkName {
    /// A structured line; always on.
    Log,
    /// The API service, which informs the customer.
    Webhook,
    /// Operations.
    Slack,
    /// Whoever is on call.
    Pagerduty,
}

impl SinkName {
    pub const ALL: [Self; 4] = [Self::Log, Self::Webhook, Self::Slack, Self::Pagerduty];
    /// Read by people, who stop reading when there is too much.
    pub const FOR_PEOPLE: [Self; 2] = [Self::Slack, Self::Pagerduty];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Pagerduty => "pagerduty",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sink| sink.as_str() == text)
    }
}

/// An event as sinks are told it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Told {
    pub id: EventId,
    /// Text, since a newer version may have written it.
    pub kind: String,
    pub subscription_id: Option<SubscriptionId>,
    pub renewal_id: Option<RenewalId>,
    pub payload: Value,
    pub created_at: DateTime<Utc>,
}

impl Told {
    /// `None` for what a newer version wrote.
    pub fn known_kind(&self) -> Option<EventKind> {
        EventKind::parse(&self.kind)
    }

    /// The payment that it is about, where it is about one.
    pub fn payment_id(&self) -> Option<&str> {
        self.payload["payment_id"].as_str().or_else(|| self.payload["difference"]["payment_id"].as_str())
    }

    /// The run that it is about, where it is about one.
    pub fn run_id(&self) -> Option<&str> {
        self.payload["run_id"].as_str()
    }

    /// How bad it is: by its kind, unless whoever wrote it said that it is critical.
    pub fn severity(&self) -> Severity {
        if self.payload["severity"] == "critical" {
            return Severity::Critical;
        }
        use EventKind as Kind;
        match self.known_kind() {
            Some(Kind::GatewayUnauthorized | Kind::RestoreSuspected | Kind::BrakeTripped) => Severity::Critical,
            Some(Kind::RunFailed | Kind::RenewalReview | Kind::PaymentUnknown | Kind::PaymentDisputed) => {
                Severity::Error
            }
            Some(Kind::RenewalFailed | Kind::RenewalLapsed | Kind::ChargingPaused | Kind::BrakeOverridden) | None => {
                Severity::Warning
            }
            Some(_) => Severity::Info,
        }
    }
}

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Error,
    Critical,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What routing reads beside the events.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// The sinks that are set up.
    pub sinks: BTreeSet<SinkName>,
    /// A run that declined more of its charges than this is one for whoever is on call; per cent.
    pub decline_percent_max: u32,
    /// A run with fewer answers says nothing about a rate.
    pub decline_charges_min: u64,
    /// Single messages about single subscriptions, per sink for people and hour.
    pub messages_per_hour_max: u32,
}

/// An event handed to a sink.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    pub event_id: EventId,
    pub sink: SinkName,
    pub subscription_id: Option<SubscriptionId>,
    /// It is not sent, and why.
    pub dropped: Option<String>,
}

/// Who is told of one event.
struct Audience {
    customer: bool,
    slack: bool,
    pager: bool,
    /// It may come by the hundred: people get so many of them, and the digest's sum.
    many: bool,
}

/// Hands a page of events to the sinks. `sent` is how many events of the last hour each sink for people was handed.
pub fn route(events: &[Told], sent: &BTreeMap<SinkName, u32>, routing: &Routing) -> Vec<NewDelivery> {
    let mut sent = sent.clone();
    let mut routed = Vec::with_capacity(events.len() * 2);
    for event in events {
        let audience = audience(event, routing);
        for sink in routing.sinks.iter().copied().filter(|sink| audience.hears(*sink)) {
            let count = sent.entry(sink).or_default();
            let too_many =
                audience.many && SinkName::FOR_PEOPLE.contains(&sink) && *count >= routing.messages_per_hour_max;
            *count = count.saturating_add(u32::from(!too_many));
            let max = routing.messages_per_hour_max;
            routed.push(NewDelivery {
                event_id: event.id,
                sink,
                subscription_id: event.subscription_id.clone(),
                dropped: too_many
                    .then(|| format!("more than {max} messages in an hour: see the run's digest, and renewd status")),
            });
        }
    }
    routed
}

impl Audience {
    fn hears(&self, sink: SinkName) -> bool {
        match sink {
            SinkName::Log => true,
            SinkName::Webhook => self.customer,
            SinkName::Slack => self.slack,
            SinkName::Pagerduty => self.pager,
        }
    }
}

fn audience(event: &Told, routing: &Routing) -> Audience {
    use EventKind as Kind;
    let to = |customer, slack, pager, many| Audience { customer, slack, pager, many };
    let Some(kind) = event.known_kind() else {
        // Whatever it is: the API service may know it, if it is about a subscription.
        return to(event.subscription_id.is_some(), false, false, false);
    };
    match kind {
        Kind::RenewalPaid
        | Kind::RenewalDeclined
        | Kind::RenewalFailed
        | Kind::RenewalLapsed
        | Kind::RenewalCanceled
        | Kind::RenewalUpcoming
        | Kind::SubscriptionPastDue
        | Kind::SubscriptionDowngraded
        | Kind::BillingKeyMissing
        | Kind::PaymentRefunded => to(true, false, false, false),
        Kind::RenewalReview => to(true, true, true, true),
        // Answered within days, in the console: nobody is woken for it.
        Kind::PaymentDisputed | Kind::PaymentDisputeResolved => to(true, true, false, true),
        Kind::PaymentUnknown => to(false, true, false, true),
        Kind::RunCompleted => {
            to(false, did_something(&event.payload), declines_too_much(&event.payload, routing), false)
        }
        // Where another event says why, that one alerts.
        Kind::RunFailed => to(false, true, event.payload["told_by"].is_null(), false),
        Kind::GatewayUnauthorized | Kind::RestoreSuspected | Kind::ChargingPaused | Kind::BrakeTripped => {
            to(false, true, true, false)
        }
        Kind::ChargingResumed | Kind::BrakeOverridden => to(false, true, false, false),
        Kind::EventsReplayed | Kind::EventsDropped => to(false, false, false, false),
    }
}

/// The figures that make a digest worth reading; a run of every quarter of an hour mostly has none.
const DIGESTED: [&str; 15] = [
    "due",
    "paid",
    "declined",
    "failed",
    "canceled",
    "lapsed",
    "unknown",
    "review",
    "no_billing_key",
    "refunded",
    "past_due",
    "downgraded",
    "left_unknown",
    "left_unsettled",
    "taken_over",
];

fn did_something(figures: &Value) -> bool {
    figures["status"] != "completed"
        || DIGESTED.iter().any(|name| figures[*name].as_u64().is_some_and(|count| count > 0))
}

/// A run's declines and answers (paid or declined).
pub fn declines(figures: &Value) -> (u64, u64) {
    let by_reason = figures["declined_by_reason"].as_object();
    let declined = by_reason.map_or(0, |counts| counts.values().filter_map(Value::as_u64).sum());
    (declined, figures["paid"].as_u64().unwrap_or(0).saturating_add(declined))
}

fn declines_too_much(figures: &Value, routing: &Routing) -> bool {
    let (declined, answered) = declines(figures);
    answered >= routing.decline_charges_min
        && declined.saturating_mul(100) > answered.saturating_mul(u64::from(routing.decline_percent_max))
}

/// An event that is being sent to a sink, under a claim of this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    pub event: Told,
    pub sink: SinkName,
    pub claim: Uuid,
    /// This try included.
    pub tries: u32,
}

/// What a sink answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Taken,
    /// Perhaps later; not before `retry_after`, if it said so.
    Failed {
        why: String,
        retry_after: Option<Duration>,
    },
    /// Never: this event is not understood there.
    Refused {
        why: String,
    },
}

/// What is recorded of a try.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub event_id: EventId,
    pub sink: SinkName,
    pub claim: Uuid,
    pub next: Next,
    /// Why it is not delivered.
    pub note: Option<String>,
}

/// Where a delivery goes from a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    RetryAt(DateTime<Utc>),
    /// Given up: later events of its subscription go on without it, and a person can replay it.
    Dead,
    /// It was not sent after all: at once again, and the try does not count.
    Unsent(DateTime<Utc>),
}

impl Next {
    /// The word in the tables, and when it is tried again.
    pub fn state(self) -> (&'static str, Option<DateTime<Utc>>) {
        match self {
            Self::Delivered => ("delivered", None),
            Self::RetryAt(at) | Self::Unsent(at) => ("pending", Some(at)),
            Self::Dead => ("dead", None),
        }
    }
}

/// How long is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub tries_max: u32,
    /// Between the first two tries; doubles with each.
    pub first: Duration,
    pub longest: Duration,
}

/// What follows from a try at `now`. `interval` is the backoff's for this try, `unit` a number in `[0, 1)` by chance: the
/// wait is between half of the interval and all of it.
pub fn after(
    sending: &Sending,
    reply: Reply,
    patience: &Patience,
    interval: Duration,
    unit: f64,
    now: DateTime<Utc>,
) -> Recorded {
    let (next, note) = match reply {
        Reply::Taken => (Next::Delivered, None),
        Reply::Refused { why } => (Next::Dead, Some(why)),
        Reply::Failed { why, .. } if sending.tries >= patience.tries_max => (Next::Dead, Some(why)),
        Reply::Failed { why, retry_after } => {
            let wait = interval.mul_f64(0.5 + unit / 2.0).max(retry_after.unwrap_or_default()).min(patience.longest);
            (Next::RetryAt(now + TimeDelta::from_std(wait).unwrap_or(RATE_SPAN)), Some(why))
        }
    };
    Recorded { event_id: sending.event.id, sink: sending.sink, claim: sending.claim, next, note }
}

/// A claim that was not used.
pub fn unsent(sending: &Sending, now: DateTime<Utc>) -> Recorded {
    let Sending { event, sink, claim, .. } = sending;
    Recorded { event_id: event.id, sink: *sink, claim: *claim, next: Next::Unsent(now), note: None }
}

#[cfg(test)]
mod tests;
