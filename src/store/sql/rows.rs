//! Rows that several steps send to the database in bulk, and what they read back.

use super::statement::{Param, as_stamp, as_stamp_opt};
use crate::domain::attempt::AttemptState;
use crate::domain::charge::BillingKey;
use crate::domain::claim::{KeyFacts, PastAttempt, RenewalChange};
use crate::domain::decline::DeclineClass;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{BillingKeyId, EventId, RenewalId, SubscriptionId};
use crate::domain::settlement::PaymentRecord;
use crate::store::StoreError;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Bulk rows as a parameter.
pub(super) fn bulk<T: Serialize>(rows: &[T]) -> Result<Param, StoreError> {
    Param::rows(rows)
        .map_err(|error| StoreError::Refused { step: "a batch of rows", source: sqlx::Error::Encode(Box::new(error)) })
}

/// An id as the database answers it.
#[derive(sqlx::FromRow)]
pub(super) struct IdRow {
    pub id: String,
}

/// The renewals that a statement says it wrote.
pub(super) fn renewal_ids(rows: &[IdRow]) -> Result<Vec<RenewalId>, StoreError> {
    rows.iter().map(|row| uuid("renewals", &row.id).map(RenewalId)).collect()
}

/// A UUID column.
pub(super) fn uuid(table: &'static str, text: &str) -> Result<Uuid, StoreError> {
    Uuid::parse_str(text).map_err(|_| StoreError::Row { table, key: text.to_owned(), problem: "is no UUID".to_owned() })
}

#[derive(Serialize)]
pub(super) struct EventOut<'a> {
    id: EventId,
    kind: &'static str,
    subscription_id: Option<&'a SubscriptionId>,
    renewal_id: Option<RenewalId>,
    attempt_id: Option<crate::domain::ids::AttemptId>,
    dedupe: &'a str,
    payload: &'a serde_json::Value,
    #[serde(serialize_with = "as_stamp")]
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a NewEvent> for EventOut<'a> {
    fn from(event: &'a NewEvent) -> Self {
        Self {
            id: event.id,
            kind: event.kind.as_str(),
            subscription_id: event.subscription_id.as_ref(),
            renewal_id: event.renewal_id,
            attempt_id: event.attempt_id,
            dedupe: &event.dedupe,
            payload: &event.payload,
            created_at: event.created_at,
        }
    }
}

/// An event that the store itself finds out about: what it says is a fact of the tables (a period that had moved, a row
/// that cannot be read). Its id follows from what it tells, so that finding it out again tells nothing new.
pub(super) fn review_event(
    subscription: &SubscriptionId,
    renewal: RenewalId,
    reason: &str,
    now: DateTime<Utc>,
) -> NewEvent {
    let payload = serde_json::json!({ "reason": reason });
    let id = told_id(EventKind::RenewalReview, renewal, now);
    NewEvent::of_renewal(id, EventKind::RenewalReview, (subscription, renewal, None), payload, now)
}

fn told_id(kind: EventKind, renewal: RenewalId, now: DateTime<Utc>) -> EventId {
    let digest = Sha256::new().chain_update(kind.as_str()).chain_update(renewal.0.as_bytes()).finalize();
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    EventId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

#[derive(Serialize)]
pub(super) struct ChangeOut<'a> {
    renewal_id: RenewalId,
    from_state: &'static str,
    state: &'static str,
    #[serde(serialize_with = "as_stamp_opt")]
    next_attempt_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "as_stamp_opt")]
    next_look_up_at: Option<DateTime<Utc>>,
    waits_for_key: bool,
    waited_for_key: bool,
    review_reason: Option<&'a str>,
    is_open: bool,
}

impl<'a> From<&'a RenewalChange> for ChangeOut<'a> {
    fn from(change: &'a RenewalChange) -> Self {
        Self {
            renewal_id: change.renewal_id,
            from_state: change.from.as_str(),
            state: change.to.as_str(),
            next_attempt_at: change.next_attempt_at,
            next_look_up_at: change.next_look_up_at,
            waits_for_key: change.waits_for_key,
            waited_for_key: change.waited_for_key,
            review_reason: change.review_reason.as_deref(),
            is_open: change.to.is_open(),
        }
    }
}

/// The events of those changes that were written.
pub(super) fn events_of_written(changes: &[RenewalChange], written: &[RenewalId]) -> Result<Option<Param>, StoreError> {
    let written: BTreeSet<RenewalId> = written.iter().copied().collect();
    let told = changes.iter().filter(|change| written.contains(&change.renewal_id));
    events_param(told.flat_map(|change| &change.events))
}

/// Events as a parameter; `None` where there is nothing to tell.
pub(super) fn events_param<'a>(events: impl Iterator<Item = &'a NewEvent>) -> Result<Option<Param>, StoreError> {
    let rows: Vec<EventOut<'a>> = events.map(EventOut::from).collect();
    if rows.is_empty() { Ok(None) } else { bulk(&rows).map(Some) }
}

#[derive(Clone, Serialize)]
pub(super) struct PaymentOut {
    pub payment_id: String,
    renewal_id: Option<RenewalId>,
    status: String,
    amount: Option<i64>,
    cancelled_amount: i64,
    currency: Option<String>,
    transaction_id: Option<String>,
    pg_tx_id: Option<String>,
    pg_provider: Option<String>,
    channel_type: Option<String>,
    #[serde(serialize_with = "as_stamp_opt")]
    paid_at: Option<DateTime<Utc>>,
    verified: bool,
    /// For observations: who saw it, or why it was not settled.
    seen_by: String,
}

impl PaymentOut {
    pub(super) fn new(payment: &PaymentRecord, renewal: Option<RenewalId>, seen_by: &str) -> Self {
        Self {
            payment_id: payment.payment_id.0.clone(),
            renewal_id: payment.renewal_id.or(renewal),
            status: payment.status.clone(),
            amount: payment.total,
            cancelled_amount: payment.cancelled,
            currency: payment.currency.clone(),
            transaction_id: payment.transaction_id.clone(),
            pg_tx_id: payment.pg_tx_id.clone(),
            pg_provider: payment.pg_provider.clone(),
            channel_type: payment.channel_type.clone(),
            paid_at: payment.paid_at,
            verified: payment.verified,
            seen_by: seen_by.to_owned(),
        }
    }
}

/// A billing key within a facts row. No `Debug`: it holds the key.
#[derive(Deserialize)]
pub(super) struct KeyJson {
    id: String,
    billing_key: String,
    channel_key: Option<String>,
    pg_provider: Option<String>,
    state: String,
}

impl From<KeyJson> for KeyFacts {
    fn from(row: KeyJson) -> Self {
        Self {
            id: BillingKeyId(row.id),
            key: BillingKey::new(row.billing_key),
            channel_key: row.channel_key,
            pg_provider: row.pg_provider,
            usable: row.state == "usable",
        }
    }
}

/// An earlier attempt within a facts row.
#[derive(Deserialize)]
pub(super) struct AttemptJson {
    pub number: u32,
    pub state: String,
    pub billing_key_id: String,
    pub transaction_id: Option<String>,
    pub class: Option<DeclineClass>,
    pub settled_at: Option<DateTime<Utc>>,
}

impl AttemptJson {
    pub(super) fn into_past(self) -> Result<PastAttempt, String> {
        let state = AttemptState::parse(&self.state).ok_or_else(|| format!("an attempt is \"{}\"", self.state))?;
        Ok(PastAttempt {
            number: self.number,
            state,
            billing_key_id: BillingKeyId(self.billing_key_id),
            transaction_id: self.transaction_id,
            class: self.class,
            settled_at: self.settled_at,
        })
    }
}
