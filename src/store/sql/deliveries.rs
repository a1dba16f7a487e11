//! Events on their way to the sinks: handed over, claimed, recorded, shown, and changed by hand.

use super::SqlStore;
use super::rows::{IdRow, bulk, events_param};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::delivery::{RATE_SPAN, Recorded, Sending, SinkName, Told};
use crate::domain::ids::EventId;
use crate::store::StoreError;
use crate::store::outbox::{
    DeliveriesLeft, DeliveryClaim, DeliveryFilter, DeliveryRow, ManualChange, Router, first_event_at,
};
use crate::store::rows::deliveries::{NewDeliveryOut, RecordedOut, SendingRow, ShownRow, ToldRow};
use crate::store::rows::uuid;
use chrono::TimeDelta;
use std::collections::BTreeMap;

struct Route {
    rows_max: u32,
    decide: Router,
}

#[derive(sqlx::FromRow)]
struct RecentRow {
    sink: String,
    events: i64,
}

impl Step for Route {
    const NAME: &'static str = "handing events to the sinks";
    const LANE: Lane = Lane::Write;
    type Output = u32;

    async fn run(&self, tx: &mut Tx) -> Result<u32, StoreError> {
        let rows: Vec<ToldRow> = tx.rows(&statement::OUTBOX_FACTS, &[Param::Int(i64::from(self.rows_max))]).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let events = rows.into_iter().map(ToldRow::into_told).collect::<Result<Vec<Told>, _>>()?;
        let now = tx.now().await?;
        let since = Param::text(first_event_at(now - RATE_SPAN).to_string());
        let recent: Vec<RecentRow> =
            tx.rows(&statement::DELIVERIES_RECENT, &[bulk(&SinkName::FOR_PEOPLE)?, since]).await?;
        let routed = (self.decide)(&events, &counts(recent));
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let deliveries: Vec<NewDeliveryOut<'_>> = routed.iter().map(NewDeliveryOut::from).collect();
        tx.execute(&statement::OUTBOX_ROUTE, &[bulk(&ids)?, bulk(&deliveries)?, Param::time(now)]).await?;
        Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
    }
}

fn counts(rows: Vec<RecentRow>) -> BTreeMap<SinkName, u32> {
    let count = |events: i64| u32::try_from(events).unwrap_or(u32::MAX);
    rows.into_iter().filter_map(|row| Some((SinkName::parse(&row.sink)?, count(row.events)))).collect()
}

pub(super) async fn route_events(store: &SqlStore, rows_max: u32, decide: Router) -> Result<u32, StoreError> {
    store.perform(Route { rows_max, decide }).await
}

struct Claim(DeliveryClaim);

impl Step for Claim {
    const NAME: &'static str = "claiming deliveries";
    const LANE: Lane = Lane::Write;
    type Output = Vec<SendingRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<SendingRow>, StoreError> {
        let Self(claim) = self;
        let now = tx.now().await?;
        let until = now + TimeDelta::from_std(claim.lease).unwrap_or(RATE_SPAN);
        let params = [
            Param::text(claim.sink.as_str()),
            Param::text(claim.claim.to_string()),
            Param::time(now),
            Param::time(until),
            Param::Int(i64::from(claim.rows_max)),
        ];
        tx.rows(&statement::DELIVERY_CLAIM, &params).await
    }
}

pub(super) async fn claim_deliveries(store: &SqlStore, claim: &DeliveryClaim) -> Result<Vec<Sending>, StoreError> {
    let rows = store.perform(Claim(*claim)).await?;
    rows.into_iter().map(|row| row.into_sending(claim)).collect()
}

struct Record(Vec<Recorded>);

impl Step for Record {
    const NAME: &'static str = "recording deliveries";
    const LANE: Lane = Lane::Settle;
    type Output = Vec<IdRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<IdRow>, StoreError> {
        let now = Param::time(tx.now().await?);
        let rows = bulk(&self.0.iter().map(RecordedOut::from).collect::<Vec<_>>())?;
        tx.rows(&statement::DELIVERY_RECORD, &[rows, now]).await
    }
}

pub(super) async fn record_deliveries(store: &SqlStore, sent: &[Recorded]) -> Result<Vec<EventId>, StoreError> {
    if sent.is_empty() {
        return Ok(Vec::new());
    }
    let rows = store.perform(Record(sent.to_vec())).await?;
    rows.iter().map(|row| uuid("deliveries", &row.id).map(EventId)).collect()
}

struct Change(ManualChange);

#[derive(sqlx::FromRow)]
struct ChangedRow {
    changed: i64,
}

impl Step for Change {
    const NAME: &'static str = "changing deliveries by hand";
    const LANE: Lane = Lane::Write;
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64, StoreError> {
        let Self(change) = self;
        let (from, to) = change.manual.states();
        let params = [
            Param::maybe_text(change.event_id.map(|id| id.to_string())),
            Param::maybe_text(change.sink.map(SinkName::as_str)),
            Param::maybe_text(change.since.map(|since| first_event_at(since).to_string())),
            bulk(from)?,
            Param::text(to),
            Param::text(&*change.reason),
            Param::time(tx.now().await?),
        ];
        let row: ChangedRow = tx.row(&statement::DELIVERY_CHANGE, &params).await?;
        if row.changed > 0 {
            super::plan::tell(tx, events_param(std::iter::once(&change.action))?).await?;
            super::act::record(tx, &change.recorded).await?;
        }
        Ok(u64::try_from(row.changed).unwrap_or(0))
    }
}

pub(super) async fn change_deliveries(store: &SqlStore, change: &ManualChange) -> Result<u64, StoreError> {
    store.perform(Change(change.clone())).await
}

struct List(DeliveryFilter);

impl Step for List {
    const NAME: &'static str = "reading deliveries";
    const LANE: Lane = Lane::Read;
    type Output = Vec<ShownRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<ShownRow>, StoreError> {
        let Self(filter) = self;
        let params = [
            Param::maybe_text(filter.state),
            Param::maybe_text(filter.kind.map(|kind| kind.as_str())),
            Param::maybe_text(filter.subscription.as_ref().map(|id| id.as_str())),
            Param::maybe_text(filter.sink.map(SinkName::as_str)),
            Param::Int(i64::from(filter.rows_max)),
        ];
        tx.rows(&statement::DELIVERIES_LIST, &params).await
    }
}

pub(super) async fn deliveries(store: &SqlStore, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
    store.perform(List(filter.clone())).await?.into_iter().map(ShownRow::into_row).collect()
}

struct Left;

impl Step for Left {
    const NAME: &'static str = "counting what is not delivered";
    const LANE: Lane = Lane::Read;
    type Output = Vec<DeliveriesLeft>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<DeliveriesLeft>, StoreError> {
        tx.rows(&statement::DELIVERIES_LEFT, &[]).await
    }
}

pub(super) async fn deliveries_left(store: &SqlStore) -> Result<Vec<DeliveriesLeft>, StoreError> {
    let mut left = store.perform(Left).await?;
    // The databases disagree on where no sink sorts.
    left.sort_by(|one, other| (&one.sink, &one.state).cmp(&(&other.sink, &other.state)));
    Ok(left)
}
