//! What the gateway told, as rows.

use super::stamp::{as_stamp, as_stamp_opt};
use super::uuid;
use crate::domain::charge::BillingKey;
use crate::domain::ids::{BillingKeyId, PaymentId, RenewalId, SubscriptionId};
use crate::domain::notice::{Kept, KeptSubject, KeyHeard, KeyNow, Keyless, Next, Notice, NoticeKind, Outcome, Subject};
use crate::store::StoreError;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// A message as it is kept. No `Debug`: it may hold a billing key.
#[derive(Serialize)]
pub struct NoticeOut<'a> {
    pub id: &'a str,
    pub kind: &'static str,
    pub payment_id: Option<&'a str>,
    pub billing_key: Option<&'a str>,
    #[serde(serialize_with = "as_stamp_opt")]
    pub happened_at: Option<DateTime<Utc>>,
}

impl<'a> From<&'a Notice> for NoticeOut<'a> {
    fn from(notice: &'a Notice) -> Self {
        let (payment_id, billing_key) = match &notice.subject {
            Subject::Payment(id) => (Some(id.as_str()), None),
            Subject::Key(key) => (None, Some(key.expose())),
        };
        Self { id: &notice.id, kind: notice.kind.as_str(), payment_id, billing_key, happened_at: notice.happened_at }
    }
}

/// A message as it is claimed. No `Debug`: it may hold a billing key.
#[derive(sqlx::FromRow)]
pub struct NoticeRow {
    pub id: String,
    pub kind: String,
    pub payment_id: Option<String>,
    pub billing_key_id: Option<String>,
    pub billing_key: Option<String>,
    pub happened_at: Option<DateTime<Utc>>,
    pub received_at: DateTime<Utc>,
    pub tries: i64,
}

impl NoticeRow {
    /// # Errors
    /// [`StoreError::Row`] for a row that a newer version wrote.
    pub fn into_kept(self) -> Result<Kept, StoreError> {
        let refused =
            |problem: &str| StoreError::Row { table: "webhooks", key: self.id.clone(), problem: problem.to_owned() };
        let kind = NoticeKind::parse(&self.kind).ok_or_else(|| refused("its kind is not known"))?;
        let subject = match (self.payment_id, self.billing_key_id.zip(self.billing_key)) {
            (Some(id), _) => KeptSubject::Payment(PaymentId(id)),
            (None, Some((id, key))) => KeptSubject::Key(BillingKeyId(id), BillingKey::new(key)),
            (None, None) => return Err(refused("it is about nothing")),
        };
        Ok(Kept {
            id: self.id,
            kind,
            subject,
            happened_at: self.happened_at,
            received_at: self.received_at,
            tries: u32::try_from(self.tries).unwrap_or(u32::MAX),
        })
    }
}

/// What became of a message.
#[derive(Serialize)]
pub struct OutcomeOut<'a> {
    pub id: &'a str,
    pub tries: u32,
    pub state: &'static str,
    #[serde(serialize_with = "as_stamp_opt")]
    pub next_try_at: Option<DateTime<Utc>>,
    pub note: &'a str,
}

impl<'a> From<&'a Outcome> for OutcomeOut<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        let (state, next_try_at) = match outcome.next {
            Next::Done => ("done", None),
            Next::Again(at) => ("pending", Some(at)),
            Next::GivenUp => ("given_up", None),
        };
        Self { id: &outcome.id, tries: outcome.tries, state, next_try_at, note: &outcome.note }
    }
}

/// A key that the gateway has as issued.
#[derive(Serialize)]
pub struct IssuedOut<'a> {
    pub id: &'a str,
    #[serde(serialize_with = "as_stamp")]
    pub issued_at: DateTime<Utc>,
}

/// The keys that are gone, and those that are issued.
pub fn sorted(heard: &[KeyHeard]) -> (Vec<&str>, Vec<IssuedOut<'_>>) {
    let gone = heard.iter().filter(|one| one.found == KeyNow::Gone).map(|one| one.id.as_str());
    let issued = heard.iter().filter_map(|one| match one.found {
        KeyNow::Gone => None,
        KeyNow::IssuedAt(issued_at) => Some(IssuedOut { id: one.id.as_str(), issued_at }),
    });
    (gone.collect(), issued.collect())
}

/// A subscription that has nothing to charge left.
#[derive(sqlx::FromRow)]
pub struct KeylessRow {
    pub subscription_id: String,
    pub period_start: DateTime<Utc>,
    pub renewal_id: Option<String>,
}

impl KeylessRow {
    /// # Errors
    /// [`StoreError::Row`] for an id that is none.
    pub fn into_keyless(self) -> Result<Keyless, StoreError> {
        Ok(Keyless {
            subscription_id: SubscriptionId(self.subscription_id),
            period_start: self.period_start,
            renewal_id: self.renewal_id.map(|id| uuid("renewals", &id)).transpose()?.map(RenewalId),
        })
    }
}
