//! The standing of subscriptions whose period ended.

use super::SqlStore;
use super::plan::tell;
use super::rows::{IdRow, bulk, events_param};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param, as_stamp};
use crate::domain::access::{AccessChange, AccessFacts};
use crate::domain::ids::{RenewalId, SubscriptionId};
use crate::domain::renewal::State;
use crate::store::StoreError;
use crate::store::rows::uuid;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeSet;

struct ReadAccess {
    ended_before: DateTime<Utc>,
    after: Option<(DateTime<Utc>, SubscriptionId)>,
    rows_max: u32,
}

#[derive(sqlx::FromRow)]
struct AccessFactsRow {
    subscription_id: String,
    past_due: bool,
    current_period_end: DateTime<Utc>,
    cancel_at_period_end: bool,
    fallback_tier: String,
    renewal_id: Option<String>,
    renewal_state: Option<String>,
    decline_count: i64,
    waits_for_key: bool,
}

impl Step for ReadAccess {
    const NAME: &'static str = "reading which periods ended";
    const LANE: Lane = Lane::Read;
    type Output = Vec<AccessFactsRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<AccessFactsRow>, StoreError> {
        let (after_end, after_id) = self.after.clone().unzip();
        let params = [
            Param::time(self.ended_before),
            Param::Time(after_end),
            Param::maybe_text(after_id.map(|id| id.0)),
            Param::Int(i64::from(self.rows_max)),
        ];
        tx.rows(&statement::ACCESS_FACTS, &params).await
    }
}

pub(super) async fn access_facts(
    store: &SqlStore,
    ended_before: DateTime<Utc>,
    after: Option<(DateTime<Utc>, SubscriptionId)>,
    rows_max: u32,
) -> Result<Vec<AccessFacts>, StoreError> {
    let rows = store.perform(ReadAccess { ended_before, after, rows_max }).await?;
    rows.into_iter().map(AccessFacts::try_from).collect()
}

impl TryFrom<AccessFactsRow> for AccessFacts {
    type Error = StoreError;

    fn try_from(row: AccessFactsRow) -> Result<Self, StoreError> {
        let state = row.renewal_state.as_deref().and_then(State::parse);
        let renewal = row.renewal_id.map(|id| uuid("renewals", &id)).transpose()?.map(RenewalId);
        Ok(Self {
            subscription_id: SubscriptionId(row.subscription_id),
            past_due: row.past_due,
            current_period_end: row.current_period_end,
            cancel_at_period_end: row.cancel_at_period_end,
            fallback_tier: row.fallback_tier,
            renewal: renewal.zip(state),
            decline_count: u32::try_from(row.decline_count).unwrap_or(u32::MAX),
            waits_for_key: row.waits_for_key,
        })
    }
}

#[derive(Serialize)]
struct AccessOut<'a> {
    subscription_id: &'a str,
    #[serde(serialize_with = "as_stamp")]
    current_period_end: DateTime<Utc>,
    cancel_at_period_end: bool,
    status: &'static str,
    tier: Option<&'a str>,
}

struct RecordAccess {
    changes: Vec<AccessChange>,
}

impl Step for RecordAccess {
    const NAME: &'static str = "recording new standings";
    const LANE: Lane = Lane::Write;
    type Output = Vec<SubscriptionId>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<SubscriptionId>, StoreError> {
        let rows: Vec<AccessOut<'_>> = self
            .changes
            .iter()
            .map(|change| AccessOut {
                subscription_id: change.subscription_id.as_str(),
                current_period_end: change.current_period_end,
                cancel_at_period_end: change.cancel_at_period_end,
                status: change.status,
                tier: change.tier.as_deref(),
            })
            .collect();
        let now = tx.now_param().await?;
        let rows: Vec<IdRow> = tx.rows(&statement::ACCESS_RECORD, &[bulk(&rows)?, now]).await?;
        let written: BTreeSet<SubscriptionId> = rows.into_iter().map(|row| SubscriptionId(row.id)).collect();
        let told = self.changes.iter().filter(|change| written.contains(&change.subscription_id));
        tell(tx, events_param(told.flat_map(|change| &change.events))?).await?;
        Ok(written.into_iter().collect())
    }
}

pub(super) async fn record_access(
    store: &SqlStore,
    changes: &[AccessChange],
) -> Result<Vec<SubscriptionId>, StoreError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    store.perform(RecordAccess { changes: changes.to_vec() }).await
}
