//! Events: something happened and somebody may want to be told. Written with the change itself, delivered later.

use super::ids::{AttemptId, EventId, RenewalId, SubscriptionId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Display;

macro_rules! kinds {
    ($($name:ident = $word:literal),+ $(,)?) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $(#[serde(rename = $word)] $name,)+
        }

        impl EventKind {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// `None` for a kind of another version.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
            }
        }
    };
}

kinds! {
    RenewalPaid = "renewal.paid",
    RenewalDeclined = "renewal.declined",
    RenewalFailed = "renewal.failed",
    RenewalLapsed = "renewal.lapsed",
    RenewalReview = "renewal.review",
    RenewalCanceled = "renewal.canceled",
    RenewalUpcoming = "renewal.upcoming",
    SubscriptionPastDue = "subscription.past_due",
    SubscriptionDowngraded = "subscription.downgraded",
    BillingKeyMissing = "billing_key.missing",
    PaymentRefunded = "payment.refunded",
    RunCompleted = "run.completed",
    RunFailed = "run.failed",
    PaymentUnknown = "payment.unknown",
    PaymentDisputed = "payment.disputed",
    PaymentDisputeResolved = "payment.dispute_resolved",
    RestoreSuspected = "restore.suspected",
    ChargingPaused = "charging.paused",
    ChargingResumed = "charging.resumed",
    BrakeTripped = "brake.tripped",
    BrakeOverridden = "brake.overridden",
    GatewayUnauthorized = "gateway.unauthorized",
    EventsReplayed = "events.replayed",
    EventsDropped = "events.dropped",
}

/// An event as it is written. `dedupe` is unique: the same thing is told once, however often it is found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewEvent {
    pub id: EventId,
    pub kind: EventKind,
    pub subscription_id: Option<SubscriptionId>,
    pub renewal_id: Option<RenewalId>,
    pub attempt_id: Option<AttemptId>,
    pub dedupe: String,
    /// Never holds a secret, a billing key or the customer's contact details.
    pub payload: Value,
    pub created_at: DateTime<Utc>,
}

impl NewEvent {
    /// An event about a renewal; told once per renewal, attempt and kind.
    pub fn of_renewal(
        id: EventId,
        kind: EventKind,
        subject: (&SubscriptionId, RenewalId, Option<AttemptId>),
        payload: Value,
        now: DateTime<Utc>,
    ) -> Self {
        let (subscription, renewal, attempt) = subject;
        let dedupe = match attempt {
            Some(attempt) => format!("{}:{renewal}:{attempt}", kind.as_str()),
            None => format!("{}:{renewal}", kind.as_str()),
        };
        Self {
            id,
            kind,
            subscription_id: Some(subscription.clone()),
            renewal_id: Some(renewal),
            attempt_id: attempt,
            dedupe,
            payload,
            created_at: now,
        }
    }

    /// An event about no single renewal; told once for each `of`.
    pub fn of_all(id: EventId, kind: EventKind, of: impl Display, payload: Value, now: DateTime<Utc>) -> Self {
        Self {
            id,
            kind,
            subscription_id: None,
            renewal_id: None,
            attempt_id: None,
            dedupe: format!("{}:{of}", kind.as_str()),
            payload,
            created_at: now,
        }
    }

    /// Told again when it happens again: of a step that is written once, from the state that it was decided from.
    #[must_use]
    pub fn each_time(self) -> Self {
        Self { dedupe: format!("{}:{}", self.dedupe, self.created_at.timestamp_micros()), ..self }
    }
}
