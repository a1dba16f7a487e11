//! Claiming: locks, the decision, and attempts that are on disk before anything is sent.

use super::SqlStore;
use super::claim_keys;
use super::plan::{change, only_param};
use super::rows::{IdRow, KeyJson, bulk};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param, as_stamp};
use crate::domain::charge::{Attempt, Payer};
use crate::domain::claim::ClaimFacts;
use crate::domain::ids::{CustomerId, PaymentId, PlanId, RenewalId, SubscriptionId};
use crate::store::rows::attempts::AttemptJson;
use crate::store::rows::claimed::{Locked, Written};
use crate::store::rows::{PROTOCOL_VERSION, uuid};
use crate::store::{ClaimDecider, ClaimRequest, Claimed, GivenBack, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeSet;

struct Claim {
    request: ClaimRequest,
    only: Param,
    decide: ClaimDecider,
}

#[derive(sqlx::FromRow)]
struct FactsRow {
    now: DateTime<Utc>,
    renewal_id: String,
    subscription_id: String,
    customer_id: String,
    plan_id: String,
    payment_id: String,
    series: i64,
    amount: Option<i64>,
    currency: Option<String>,
    order_name: String,
    period_start: DateTime<Utc>,
    period_end: Option<DateTime<Utc>>,
    access_until: DateTime<Utc>,
    next_attempt_at: DateTime<Utc>,
    lease_epoch: i64,
    unsettled_claims: i64,
    cancel_at_period_end: bool,
    period_is_next: bool,
    commanded: bool,
    payer_name: Option<String>,
    payer_email: Option<String>,
    payer_phone: Option<String>,
    #[sqlx(json)]
    keys: Vec<KeyJson>,
    #[sqlx(json)]
    attempts: serde_json::Value,
}

#[derive(sqlx::FromRow)]
struct PausedRow {
    paused_at: Option<DateTime<Utc>>,
}

impl Step for Claim {
    const NAME: &'static str = "claiming renewals";
    const LANE: Lane = Lane::Write;
    type Output = Written;

    async fn run(&self, tx: &mut Tx) -> Result<Written, StoreError> {
        let rows = self.lock(tx).await?;
        if rows.is_empty() {
            let switch: PausedRow = tx.row(&statement::SWITCH_READ, &[]).await?;
            return Ok(Written { paused: switch.paused_at.is_some(), ..Written::default() });
        }
        let mut rows = rows.into_iter().map(FactsRow::into_locked).collect::<Result<Vec<_>, _>>()?;
        claim_keys::read(tx, &mut rows).await?;
        let mut written = Written::decided(rows.into_iter(), &*self.decide);
        if !written.attempts.is_empty() {
            record(tx, &mut written.attempts).await?;
        }
        if !written.changed.is_empty() {
            let kept: BTreeSet<RenewalId> = change(tx, &written.changed).await?.into_iter().collect();
            written.changed.retain(|change| kept.contains(&change.renewal_id));
        }
        Ok(written)
    }
}

impl Claim {
    async fn lock(&self, tx: &mut Tx) -> Result<Vec<FactsRow>, StoreError> {
        let now = tx.now_param().await?;
        let (after_time, after_id) = self.request.after.unzip();
        let params = [
            now,
            Param::Time(after_time),
            Param::maybe_text(after_id.map(|id| id.to_string())),
            Param::Int(i64::from(self.request.rows_max)),
            self.only.clone(),
        ];
        tx.rows(&statement::CLAIM_FACTS, &params).await
    }
}

impl FactsRow {
    fn into_locked(self) -> Result<Locked, StoreError> {
        let renewal_id = RenewalId(uuid("renewals", &self.renewal_id)?);
        Ok(Locked {
            now: self.now,
            renewal_id,
            subscription_id: SubscriptionId(self.subscription_id.clone()),
            next_attempt_at: self.next_attempt_at,
            facts: self.into_facts(renewal_id),
        })
    }

    fn into_facts(self, renewal_id: RenewalId) -> Result<ClaimFacts, String> {
        let attempts: Vec<AttemptJson> =
            serde_json::from_value(self.attempts).map_err(|error| format!("its attempts cannot be read: {error}"))?;
        Ok(ClaimFacts {
            renewal_id,
            subscription_id: SubscriptionId(self.subscription_id),
            customer_id: CustomerId(self.customer_id),
            plan_id: PlanId(self.plan_id),
            payment_id: PaymentId(self.payment_id),
            series: u32::try_from(self.series).map_err(|_| format!("its series is {}", self.series))?,
            amount: self.amount.ok_or("it has no amount")?,
            currency: self.currency.ok_or("it has no currency")?,
            order_name: self.order_name,
            period_start: self.period_start,
            period_end: self.period_end.ok_or("it has no end of the period")?,
            access_until: self.access_until,
            next_attempt_at: self.next_attempt_at,
            lease_epoch: self.lease_epoch,
            unsettled_claims: u32::try_from(self.unsettled_claims).unwrap_or(u32::MAX),
            cancel_at_period_end: self.cancel_at_period_end,
            period_is_next: self.period_is_next,
            commanded: self.commanded,
            payer: Payer { name: self.payer_name, email: self.payer_email, phone: self.payer_phone },
            keys: self.keys.into_iter().map(Into::into).collect(),
            attempts: attempts.into_iter().map(AttemptJson::into_past).collect::<Result<_, _>>()?,
            now: self.now,
        })
    }
}

#[derive(Serialize)]
struct AttemptOut<'a> {
    attempt_id: crate::domain::ids::AttemptId,
    renewal_id: RenewalId,
    run_id: crate::domain::ids::RunId,
    number: u32,
    payment_id: &'a str,
    series: u32,
    idempotency_key: &'a str,
    billing_key_id: &'a str,
    channel_key: Option<&'a str>,
    pg_provider: Option<&'a str>,
    request_body: &'a str,
    request_hash: &'a str,
    protocol_version: i64,
    #[serde(serialize_with = "as_stamp")]
    started_at: DateTime<Utc>,
    lease_epoch: i64,
    #[serde(serialize_with = "as_stamp")]
    lease_until: DateTime<Utc>,
}

impl<'a> From<&'a Attempt> for AttemptOut<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        Self {
            attempt_id: attempt.id,
            renewal_id: attempt.renewal.id,
            run_id: attempt.run_id,
            number: attempt.number,
            payment_id: attempt.renewal.payment_id.as_str(),
            series: attempt.renewal.series,
            idempotency_key: &attempt.idempotency_key,
            billing_key_id: attempt.billing_key_id.as_str(),
            channel_key: attempt.channel_key.as_deref(),
            pg_provider: attempt.pg_provider.as_deref(),
            request_body: &attempt.request.body,
            request_hash: &attempt.request.hash,
            protocol_version: PROTOCOL_VERSION,
            started_at: attempt.started_at,
            lease_epoch: attempt.lease_epoch,
            lease_until: attempt.lease_until,
        }
    }
}

/// Writes leases and attempts; an attempt whose row was not written is not handed out.
async fn record(tx: &mut Tx, attempts: &mut Vec<Attempt>) -> Result<(), StoreError> {
    let rows = bulk(&attempts.iter().map(AttemptOut::from).collect::<Vec<_>>())?;
    let rows: Vec<IdRow> = tx.rows(&statement::CLAIM_RECORD, &[rows]).await?;
    let recorded: BTreeSet<String> = rows.into_iter().map(|row| row.id).collect();
    attempts.retain(|attempt| recorded.contains(&attempt.renewal.id.to_string()));
    Ok(())
}

pub(super) async fn claim(
    store: &SqlStore,
    request: &ClaimRequest,
    decide: ClaimDecider,
) -> Result<Claimed, StoreError> {
    let only = only_param(request.only.as_deref())?;
    let written = store.perform(Claim { request: request.clone(), only, decide }).await?;
    Ok(written.committed())
}

#[derive(Serialize)]
struct GivenOut<'a> {
    renewal_id: RenewalId,
    attempt_id: crate::domain::ids::AttemptId,
    lease_epoch: i64,
    note: &'a str,
}

struct GiveBack {
    rows: Param,
}

impl Step for GiveBack {
    const NAME: &'static str = "giving claims back";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let now = tx.now_param().await?;
        tx.execute(&statement::GIVE_BACK, &[self.rows.clone(), now]).await.map(|_| ())
    }
}

pub(super) async fn give_back(store: &SqlStore, given: &[GivenBack]) -> Result<(), StoreError> {
    if given.is_empty() {
        return Ok(());
    }
    let rows: Vec<GivenOut<'_>> = given
        .iter()
        .map(|back| GivenOut {
            renewal_id: back.renewal_id,
            attempt_id: back.attempt_id,
            lease_epoch: back.lease_epoch,
            note: &back.note,
        })
        .collect();
    store.perform(GiveBack { rows: bulk(&rows)? }).await
}
