//! Attempts read back from their rows: what another worker left open, and what ended long ago.

use super::uuid;
use crate::domain::attempt::AttemptState;
use crate::domain::charge::{Attempt, BillingKey, ClaimedRenewal, FrozenRequest};
use crate::domain::claim::{PastAttempt, past_declines};
use crate::domain::decline::DeclineClass;
use crate::domain::ids::{AttemptId, BillingKeyId, CustomerId, PaymentId, PlanId, RenewalId, RunId, SubscriptionId};
use crate::domain::money::{Currency, Money};
use crate::store::StoreError;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An attempt with its renewal, as `take_over_facts` and `late_facts` read it.
#[derive(sqlx::FromRow)]
pub struct AttemptFacts {
    pub now: DateTime<Utc>,
    pub renewal_id: String,
    pub subscription_id: String,
    pub customer_id: String,
    pub plan_id: String,
    pub state: String,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub period_start: DateTime<Utc>,
    pub period_end: Option<DateTime<Utc>>,
    pub access_until: DateTime<Utc>,
    pub first_declined_at: Option<DateTime<Utc>>,
    pub look_ups: i64,
    pub unknown_since: Option<DateTime<Utc>>,
    pub lease_epoch: i64,
    pub unsettled_claims: i64,
    pub attempt_id: String,
    pub run_id: String,
    pub number: i64,
    pub payment_id: String,
    pub series: i64,
    pub idempotency_key: String,
    pub billing_key_id: String,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
    pub request_body: String,
    pub request_hash: String,
    pub started_at: DateTime<Utc>,
    pub billing_key: Option<String>,
    pub cancel_at_period_end: bool,
    pub period_is_next: bool,
    pub paused: bool,
    #[sqlx(json)]
    pub attempts: serde_json::Value,
    #[sqlx(json)]
    pub keys: Vec<String>,
}

impl AttemptFacts {
    pub fn renewal_id(&self) -> Result<RenewalId, StoreError> {
        uuid("renewals", &self.renewal_id).map(RenewalId)
    }

    /// The attempt as it was committed, under the lease that is given here. It may have been sent.
    ///
    /// # Errors
    /// What of it cannot be read, in words for a person.
    pub fn into_attempt(self, lease_epoch: i64, lease_until: DateTime<Utc>) -> Result<Attempt, String> {
        let id = |text: &str| uuid::Uuid::parse_str(text).map_err(|_| format!("\"{text}\" is no UUID"));
        let (attempt_id, run_id) = (id(&self.attempt_id)?, id(&self.run_id)?);
        let renewal_id = RenewalId(id(&self.renewal_id)?);
        let past: Vec<AttemptJson> =
            serde_json::from_value(self.attempts).map_err(|error| format!("its attempts: {error}"))?;
        let past: Vec<PastAttempt> = past.into_iter().map(AttemptJson::into_past).collect::<Result<_, _>>()?;
        let currency = self.currency.ok_or("it has no currency")?;
        let currency = Currency::parse(&currency).map_err(|error| format!("its currency: {error}"))?;
        let amount = Money::new(self.amount.ok_or("it has no amount")?, currency)
            .map_err(|error| format!("its amount: {error}"))?;
        let renewal = ClaimedRenewal {
            id: renewal_id,
            subscription_id: SubscriptionId(self.subscription_id),
            customer_id: CustomerId(self.customer_id),
            plan_id: PlanId(self.plan_id),
            payment_id: PaymentId(self.payment_id),
            series: u32::try_from(self.series).map_err(|_| "its series is out of range")?,
            amount,
            period_start: self.period_start,
            period_end: self.period_end.ok_or("it has no end of the period")?,
            access_until: self.access_until,
            declines: past_declines(&past),
            first_declined_at: self.first_declined_at,
            known_transactions: known_transactions(&past),
            customer_keys: self.keys.into_iter().map(BillingKey::new).collect(),
            look_ups: u32::try_from(self.look_ups).unwrap_or(u32::MAX),
            unknown_since: self.unknown_since,
        };
        Ok(Attempt {
            id: AttemptId(attempt_id),
            run_id: RunId(run_id),
            renewal,
            number: u32::try_from(self.number).map_err(|_| "its number is out of range")?,
            idempotency_key: self.idempotency_key,
            request: FrozenRequest { body: self.request_body, hash: self.request_hash },
            billing_key: self.billing_key.map(BillingKey::new),
            billing_key_id: BillingKeyId(self.billing_key_id),
            channel_key: self.channel_key,
            pg_provider: self.pg_provider,
            started_at: self.started_at,
            maybe_sent: true,
            lease_epoch,
            lease_until,
        })
    }
}

/// Transactions of attempts that are settled: seeing one of them again is no news.
fn known_transactions(past: &[PastAttempt]) -> Vec<String> {
    let settled = past.iter().filter(|attempt| attempt.state != AttemptState::Open);
    settled.filter_map(|attempt| attempt.transaction_id.clone()).collect()
}

/// An earlier attempt within a facts row.
#[derive(Deserialize, Serialize)]
pub struct AttemptJson {
    pub number: u32,
    pub state: String,
    pub billing_key_id: String,
    pub transaction_id: Option<String>,
    pub class: Option<DeclineClass>,
    pub settled_at: Option<DateTime<Utc>>,
}

impl AttemptJson {
    pub fn into_past(self) -> Result<PastAttempt, String> {
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
