//! What people are shown.

use super::SqlStore;
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::ids::CustomerId;
use crate::store::StoreError;
use crate::store::read::{AccessRow, Backlog, Health, RenewalRow, Timeline};
use chrono::{DateTime, Utc};
use uuid::Uuid;

struct ReadBacklog;

#[derive(sqlx::FromRow)]
struct StateRow {
    state: String,
    renewals: i64,
}

#[derive(sqlx::FromRow)]
struct TimesRow {
    due_now: i64,
    waits_for_key: i64,
    next_attempt_at: Option<DateTime<Utc>>,
    oldest_unknown: Option<DateTime<Utc>>,
    oldest_unknown_id: Option<String>,
    unknown_look_up_at: Option<DateTime<Utc>>,
    unsettled: i64,
    oldest_unsettled: Option<DateTime<Utc>>,
    oldest_unsettled_id: Option<String>,
    next_look_up_at: Option<DateTime<Utc>>,
    refunds_open: i64,
}

impl Step for ReadBacklog {
    const NAME: &'static str = "reading the backlog";
    const LANE: Lane = Lane::Read;
    type Output = Backlog;

    async fn run(&self, tx: &mut Tx) -> Result<Backlog, StoreError> {
        let states: Vec<StateRow> = tx.rows(&statement::BACKLOG_STATES, &[]).await?;
        let now = tx.now_param().await?;
        let times: TimesRow = tx.row(&statement::BACKLOG_TIMES, &[now]).await?;
        Ok(Backlog {
            by_state: states.into_iter().map(|row| (row.state, row.renewals)).collect(),
            due_now: times.due_now,
            waits_for_key: times.waits_for_key,
            next_attempt_at: times.next_attempt_at,
            oldest_unknown: times.oldest_unknown,
            oldest_unknown_id: times.oldest_unknown_id,
            unknown_look_up_at: times.unknown_look_up_at,
            unsettled: times.unsettled,
            oldest_unsettled: times.oldest_unsettled,
            oldest_unsettled_id: times.oldest_unsettled_id,
            next_look_up_at: times.next_look_up_at,
            refunds_open: times.refunds_open,
        })
    }
}

pub(super) async fn backlog(store: &SqlStore) -> Result<Backlog, StoreError> {
    store.perform(ReadBacklog).await
}

struct ReadHealth;

impl Step for ReadHealth {
    const NAME: &'static str = "reading the database's own settings";
    // Nothing is written; but on SQLite only who may write gets past the beginning.
    const LANE: Lane = Lane::Write;
    type Output = Health;

    async fn run(&self, tx: &mut Tx) -> Result<Health, StoreError> {
        tx.row(&statement::HEALTH, &[]).await
    }
}

pub(super) async fn health(store: &SqlStore) -> Result<Health, StoreError> {
    store.perform(ReadHealth).await
}

struct NeedsPerson(u32);

impl Step for NeedsPerson {
    const NAME: &'static str = "reading what needs a person";
    const LANE: Lane = Lane::Read;
    type Output = Vec<RenewalRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<RenewalRow>, StoreError> {
        tx.rows(&statement::NEEDS_PERSON, &[Param::Int(i64::from(self.0))]).await
    }
}

pub(super) async fn needs_person(store: &SqlStore, rows_max: u32) -> Result<Vec<RenewalRow>, StoreError> {
    store.perform(NeedsPerson(rows_max)).await
}

struct SubscriptionsOf(String, u32);

impl Step for SubscriptionsOf {
    const NAME: &'static str = "reading a customer's subscriptions";
    const LANE: Lane = Lane::Read;
    type Output = Vec<AccessRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<AccessRow>, StoreError> {
        let asked = [Param::text(&*self.0), Param::Int(i64::from(self.1))];
        tx.rows(&statement::SUBSCRIPTIONS_OF, &asked).await
    }
}

pub(super) async fn subscriptions_of(
    store: &SqlStore,
    customer: &CustomerId,
    rows_max: u32,
) -> Result<Vec<AccessRow>, StoreError> {
    store.perform(SubscriptionsOf(customer.0.clone(), rows_max)).await
}

struct ReadTimeline(String);

#[derive(sqlx::FromRow)]
struct FoundRow {
    subscription_id: String,
}

impl Step for ReadTimeline {
    const NAME: &'static str = "reading a timeline";
    const LANE: Lane = Lane::Read;
    type Output = Option<Timeline>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<Timeline>, StoreError> {
        let as_uuid = Uuid::parse_str(&self.0).ok().map(|id| id.to_string());
        let asked = [Param::text(&*self.0), Param::maybe_text(as_uuid)];
        let found: Vec<FoundRow> = tx.rows(&statement::TIMELINE_FIND, &asked).await?;
        let Some(found) = found.into_iter().next() else { return Ok(None) };
        let id = [Param::text(found.subscription_id)];
        let subscription: AccessRow = tx.row(&statement::TIMELINE_SUBSCRIPTION, &id).await?;
        Ok(Some(Timeline {
            subscription,
            renewals: tx.rows(&statement::TIMELINE_RENEWALS, &id).await?,
            attempts: tx.rows(&statement::TIMELINE_ATTEMPTS, &id).await?,
            payments: tx.rows(&statement::TIMELINE_PAYMENTS, &id).await?,
            refunds: tx.rows(&statement::TIMELINE_REFUNDS, &id).await?,
            events: tx.rows(&statement::TIMELINE_EVENTS, &id).await?,
            actions: tx.rows(&statement::TIMELINE_ACTIONS, &id).await?,
            keys: tx.rows(&statement::TIMELINE_KEYS, &id).await?,
        }))
    }
}

pub(super) async fn timeline(store: &SqlStore, id: &str) -> Result<Option<Timeline>, StoreError> {
    store.perform(ReadTimeline(id.to_owned())).await
}
