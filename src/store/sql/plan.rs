//! Planning: what is due, what becomes of it, and what waits.

use super::SqlStore;
use super::rows::ChangeOut;
use super::rows::{IdRow, bulk, events_param, renewal_ids};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param, as_stamp, as_stamp_opt};
use crate::domain::claim::RenewalChange;
use crate::domain::due::{PlannedRenewal, SubscriptionFacts};
use crate::domain::event::NewEvent;
use crate::domain::ids::{CustomerId, PlanId, RenewalId, RunId, SubscriptionId};
use crate::domain::renewal::State;
use crate::domain::waiting::WaitingFacts;
use crate::store::rows::told::events_of_written;
use crate::store::rows::uuid;
use crate::store::{DuePage, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeSet;

struct DueFacts {
    page: DuePage,
    only: Param,
}

#[derive(sqlx::FromRow)]
struct DueRow {
    id: String,
    customer_id: String,
    plan_id: String,
    amount: i64,
    currency: String,
    interval: String,
    order_name: String,
    current_period_start: DateTime<Utc>,
    current_period_end: DateTime<Utc>,
    anchor_day: i64,
    cancel_at_period_end: bool,
    has_usable_key: bool,
    overlaps_other: bool,
    schedule_id: Option<String>,
}

impl Step for DueFacts {
    const NAME: &'static str = "reading what is due";
    const LANE: Lane = Lane::Read;
    type Output = Vec<DueRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<DueRow>, StoreError> {
        let (after_end, after_id) = self.page.after.clone().unzip();
        let params = [
            Param::time(self.page.ends_before),
            Param::Time(after_end),
            Param::maybe_text(after_id.map(|id| id.0)),
            Param::Int(i64::from(self.page.rows_max)),
            self.only.clone(),
            Param::maybe_text(self.page.not_again_in.map(|(run, _)| run.to_string())),
            Param::Time(self.page.not_again_in.map(|(_, started)| started)),
        ];
        tx.rows(&statement::DUE_FACTS, &params).await
    }
}

struct DueCount(DueFacts);

#[derive(sqlx::FromRow)]
struct CountRow {
    due: i64,
}

impl Step for DueCount {
    const NAME: &'static str = "counting what is due";
    const LANE: Lane = Lane::Read;
    type Output = CountRow;

    async fn run(&self, tx: &mut Tx) -> Result<CountRow, StoreError> {
        let page = &self.0.page;
        let params = [Param::time(page.ends_before), Param::Int(i64::from(page.rows_max)), self.0.only.clone()];
        tx.row(&statement::DUE_COUNT, &params).await
    }
}

pub(super) async fn due_count(store: &SqlStore, page: &DuePage) -> Result<u64, StoreError> {
    let only = only_param(page.only.as_deref())?;
    let row = store.perform(DueCount(DueFacts { page: page.clone(), only })).await?;
    Ok(u64::try_from(row.due).unwrap_or_default())
}

pub(super) async fn due_facts(store: &SqlStore, page: &DuePage) -> Result<Vec<SubscriptionFacts>, StoreError> {
    let only = only_param(page.only.as_deref())?;
    let rows = store.perform(DueFacts { page: page.clone(), only }).await?;
    Ok(rows.into_iter().map(SubscriptionFacts::from).collect())
}

/// Restricts a statement to these subscriptions; `NULL` for all.
pub(super) fn only_param(only: Option<&[SubscriptionId]>) -> Result<Param, StoreError> {
    only.map_or(Ok(Param::Text(None)), bulk)
}

impl From<DueRow> for SubscriptionFacts {
    fn from(row: DueRow) -> Self {
        Self {
            id: SubscriptionId(row.id),
            customer_id: CustomerId(row.customer_id),
            plan_id: PlanId(row.plan_id),
            amount: row.amount,
            currency: row.currency,
            interval: row.interval,
            order_name: row.order_name,
            current_period_start: row.current_period_start,
            current_period_end: row.current_period_end,
            anchor_day: row.anchor_day,
            cancel_at_period_end: row.cancel_at_period_end,
            has_usable_key: row.has_usable_key,
            overlaps_other: row.overlaps_other,
            schedule_id: row.schedule_id,
        }
    }
}

#[derive(Serialize)]
struct PlannedOut<'a> {
    id: RenewalId,
    subscription_id: &'a str,
    customer_id: &'a str,
    plan_id: &'a str,
    business_date: chrono::NaiveDate,
    #[serde(serialize_with = "as_stamp")]
    period_start: DateTime<Utc>,
    #[serde(serialize_with = "as_stamp_opt")]
    period_end: Option<DateTime<Utc>>,
    amount: Option<i64>,
    currency: Option<&'a str>,
    order_name: &'a str,
    payment_id: &'a str,
    state: &'static str,
    #[serde(serialize_with = "as_stamp_opt")]
    next_attempt_at: Option<DateTime<Utc>>,
    waits_for_key: bool,
    #[serde(serialize_with = "as_stamp")]
    access_until: DateTime<Utc>,
    review_reason: Option<&'a str>,
    is_open: bool,
}

impl<'a> From<&'a PlannedRenewal> for PlannedOut<'a> {
    fn from(planned: &'a PlannedRenewal) -> Self {
        Self {
            id: planned.id,
            subscription_id: planned.subscription_id.as_str(),
            customer_id: planned.customer_id.as_str(),
            plan_id: planned.plan_id.as_str(),
            business_date: planned.business_date,
            period_start: planned.period_start,
            period_end: planned.period_end,
            amount: planned.amount,
            currency: planned.currency.as_deref(),
            order_name: &planned.order_name,
            payment_id: planned.payment_id.as_str(),
            state: planned.state.as_str(),
            next_attempt_at: planned.next_attempt_at,
            waits_for_key: planned.waits_for_key,
            access_until: planned.access_until,
            review_reason: planned.review_reason.as_deref(),
            is_open: planned.state.is_open(),
        }
    }
}

struct RecordPlan {
    run: RunId,
    rows: Param,
    /// By renewal: told only for those that were not there before.
    events: Vec<(RenewalId, NewEvent)>,
}

impl Step for RecordPlan {
    const NAME: &'static str = "recording a page of the plan";
    const LANE: Lane = Lane::Write;
    type Output = Vec<RenewalId>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<RenewalId>, StoreError> {
        let now = tx.now_param().await?;
        let params = [self.rows.clone(), Param::text(self.run.to_string()), now];
        let rows: Vec<IdRow> = tx.rows(&statement::PLAN_RECORD, &params).await?;
        let new = renewal_ids(&rows)?;
        let told: BTreeSet<RenewalId> = new.iter().copied().collect();
        let events = self.events.iter().filter(|(renewal, _)| told.contains(renewal)).map(|(_, event)| event);
        tell(tx, events_param(events)?).await?;
        Ok(new)
    }
}

pub(super) async fn record_plan(
    store: &SqlStore,
    run: RunId,
    page: &[PlannedRenewal],
) -> Result<Vec<RenewalId>, StoreError> {
    if page.is_empty() {
        return Ok(Vec::new());
    }
    let rows = bulk(&page.iter().map(PlannedOut::from).collect::<Vec<_>>())?;
    let events = page.iter().flat_map(|row| row.events.iter().map(|event| (row.id, event.clone()))).collect();
    store.perform(RecordPlan { run, rows, events }).await
}

/// Writes events, if there are any.
pub(super) async fn tell(tx: &mut Tx, events: Option<Param>) -> Result<(), StoreError> {
    match events {
        Some(events) => tx.execute(&statement::EVENTS_INSERT, &[events]).await.map(|_| ()),
        None => Ok(()),
    }
}

struct Waiting {
    after: Option<RenewalId>,
    over_before: DateTime<Utc>,
    rows_max: u32,
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    renewal_id: String,
    subscription_id: String,
    state: String,
    waits_for_key: bool,
    next_attempt_at: Option<DateTime<Utc>>,
    access_until: DateTime<Utc>,
    cancel_at_period_end: bool,
    has_usable_key: bool,
    has_new_key: bool,
    period_is_next: bool,
    never_tried: bool,
    was_declined: bool,
    is_complete: bool,
    period_start: DateTime<Utc>,
    commanded: bool,
}

impl Step for Waiting {
    const NAME: &'static str = "reading what waits";
    const LANE: Lane = Lane::Read;
    type Output = Vec<WaitingRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<WaitingRow>, StoreError> {
        let now = tx.now_param().await?;
        let after = Param::maybe_text(self.after.map(|id| id.to_string()));
        tx.rows(
            &statement::WAITING_FACTS,
            &[now, after, Param::Int(i64::from(self.rows_max)), Param::time(self.over_before)],
        )
        .await
    }
}

pub(super) async fn waiting_facts(
    store: &SqlStore,
    after: Option<RenewalId>,
    over_before: DateTime<Utc>,
    rows_max: u32,
) -> Result<Vec<WaitingFacts>, StoreError> {
    let rows = store.perform(Waiting { after, over_before, rows_max }).await?;
    rows.into_iter().map(WaitingFacts::try_from).collect()
}

impl TryFrom<WaitingRow> for WaitingFacts {
    type Error = StoreError;

    fn try_from(row: WaitingRow) -> Result<Self, StoreError> {
        let renewal_id = RenewalId(uuid("renewals", &row.renewal_id)?);
        let state = State::parse(&row.state).ok_or_else(|| StoreError::Row {
            table: "renewals",
            key: row.renewal_id,
            problem: format!("its state is \"{}\"", row.state),
        })?;
        Ok(Self {
            renewal_id,
            subscription_id: SubscriptionId(row.subscription_id),
            state,
            waits_for_key: row.waits_for_key,
            next_attempt_at: row.next_attempt_at,
            access_until: row.access_until,
            cancel_at_period_end: row.cancel_at_period_end,
            has_usable_key: row.has_usable_key,
            has_new_key: row.has_new_key,
            period_is_next: row.period_is_next,
            never_tried: row.never_tried,
            was_declined: row.was_declined,
            is_complete: row.is_complete,
            period_start: row.period_start,
            commanded: row.commanded,
        })
    }
}

struct Change {
    changes: Vec<RenewalChange>,
}

impl Step for Change {
    const NAME: &'static str = "changing renewals";
    const LANE: Lane = Lane::Write;
    type Output = Vec<RenewalId>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<RenewalId>, StoreError> {
        change(tx, &self.changes).await
    }
}

pub(super) async fn change_renewals(store: &SqlStore, changes: &[RenewalChange]) -> Result<Vec<RenewalId>, StoreError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    store.perform(Change { changes: changes.to_vec() }).await
}

/// Writes changes and what they tell, each only from the state that it was decided from.
pub(super) async fn change(tx: &mut Tx, changes: &[RenewalChange]) -> Result<Vec<RenewalId>, StoreError> {
    let now = tx.now_param().await?;
    let rows = bulk(&changes.iter().map(ChangeOut::from).collect::<Vec<_>>())?;
    let rows: Vec<IdRow> = tx.rows(&statement::RENEWALS_CHANGE, &[rows, now]).await?;
    let written = renewal_ids(&rows)?;
    tell(tx, events_param(events_of_written(changes, &written).into_iter())?).await?;
    Ok(written)
}
