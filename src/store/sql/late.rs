//! Late look-ups: renewals that ended and payment ids that were given up, because money can turn up late.

use super::SqlStore;
use super::rows::bulk;
use super::session::{Lane, Step, Tx};
use super::settle::{guards, write};
use super::statement::{self, Param};
use crate::domain::ids::PaymentId;
use crate::domain::settlement::PaymentRecord;
use crate::store::rows::late::{LateRow, found, judge, read};
use crate::store::rows::money::PaymentOut;
use crate::store::{LateChange, LateFacts, StoreError};
use std::collections::BTreeMap;

struct ReadLate {
    rows_max: u32,
}

impl Step for ReadLate {
    const NAME: &'static str = "reading what is due for a late look-up";
    const LANE: Lane = Lane::Read;
    type Output = Vec<LateRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<LateRow>, StoreError> {
        let now = tx.now_param().await?;
        tx.rows(&statement::LATE_FACTS, &[now, Param::Int(i64::from(self.rows_max))]).await
    }
}

pub(super) async fn late_facts(store: &SqlStore, rows_max: u32) -> Result<Vec<LateFacts>, StoreError> {
    let rows = store.perform(ReadLate { rows_max }).await?;
    let (readable, unreadable) = read(rows)?;
    if !unreadable.is_empty() {
        store.perform(PutOff { rows: bulk(&unreadable)? }).await?;
    }
    Ok(readable)
}

struct PutOff {
    rows: Param,
}

impl Step for PutOff {
    const NAME: &'static str = "putting off late look-ups that cannot be made";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let now = tx.now_param().await?;
        tx.execute(&statement::LATE_LOOK_AGAIN, &[self.rows.clone(), now]).await.map(|_| ())
    }
}

#[derive(sqlx::FromRow)]
struct UnplacedRow {
    payment_id: String,
}

struct Unplaced {
    seen_by: String,
    rows_max: u32,
}

impl Step for Unplaced {
    const NAME: &'static str = "reading what could not be placed";
    const LANE: Lane = Lane::Read;
    type Output = Vec<UnplacedRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<UnplacedRow>, StoreError> {
        let params = [Param::text(&*self.seen_by), Param::Int(i64::from(self.rows_max))];
        tx.rows(&statement::UNPLACED, &params).await
    }
}

pub(super) async fn unplaced(store: &SqlStore, seen_by: &str, rows_max: u32) -> Result<Vec<PaymentId>, StoreError> {
    let rows = store.perform(Unplaced { seen_by: seen_by.to_owned(), rows_max }).await?;
    Ok(rows.into_iter().map(|row| PaymentId(row.payment_id)).collect())
}

struct RecordLate {
    changes: Vec<LateChange>,
}

impl Step for RecordLate {
    const NAME: &'static str = "recording late look-ups";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let found = found(&self.changes);
        let guards = match found.is_empty() {
            true => BTreeMap::new(),
            false => guards(tx, found.iter().map(|(_, settlement)| *settlement)).await?,
        };
        let (writes, looked) = judge(&self.changes, &guards);
        write(tx, &writes).await?;
        if looked.is_empty() {
            return Ok(());
        }
        let now = tx.now_param().await?;
        tx.execute(&statement::LATE_LOOK_AGAIN, &[bulk(&looked)?, now]).await.map(|_| ())
    }
}

pub(super) async fn record_late(store: &SqlStore, changes: &[LateChange]) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    store.perform(RecordLate { changes: changes.to_vec() }).await
}

struct Observe {
    rows: Param,
}

impl Step for Observe {
    const NAME: &'static str = "keeping what was seen";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let now = tx.now_param().await?;
        tx.execute(&statement::OBSERVE, &[self.rows.clone(), now]).await.map(|_| ())
    }
}

pub(super) async fn observe(store: &SqlStore, seen: &[(PaymentRecord, String)]) -> Result<(), StoreError> {
    if seen.is_empty() {
        return Ok(());
    }
    let rows: Vec<PaymentOut> = seen.iter().map(|(payment, by)| PaymentOut::new(payment, None, by)).collect();
    store.perform(Observe { rows: bulk(&rows)? }).await
}
