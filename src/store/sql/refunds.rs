//! Refunds: what is to be asked for now, and what asking led to. They are wanted by a settle, with the payment itself.

use super::SqlStore;
use super::rows::{IdRow, bulk, events_param};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::ids::PaymentId;
use crate::domain::refund::{RefundChange, RefundFacts};
use crate::store::StoreError;
use crate::store::rows::refunds::{RefundFactsRow, RefundOut, events_of_written};

struct ReadRefunds {
    rows_max: u32,
}

impl Step for ReadRefunds {
    const NAME: &'static str = "reading what is to be given back";
    const LANE: Lane = Lane::Read;
    type Output = Vec<RefundFactsRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<RefundFactsRow>, StoreError> {
        let now = tx.now_param().await?;
        tx.rows(&statement::REFUND_FACTS, &[now, Param::Int(i64::from(self.rows_max))]).await
    }
}

pub(super) async fn refund_facts(store: &SqlStore, rows_max: u32) -> Result<Vec<RefundFacts>, StoreError> {
    let rows = store.perform(ReadRefunds { rows_max }).await?;
    rows.into_iter().map(RefundFactsRow::into_facts).collect()
}

struct RecordRefunds {
    changes: Vec<RefundChange>,
}

impl Step for RecordRefunds {
    const NAME: &'static str = "recording refunds";
    const LANE: Lane = Lane::Settle;
    type Output = Vec<PaymentId>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<PaymentId>, StoreError> {
        let now = tx.now_param().await?;
        let rows = bulk(&self.changes.iter().map(RefundOut::from).collect::<Vec<_>>())?;
        let rows: Vec<IdRow> = tx.rows(&statement::REFUND_RECORD, &[rows, now]).await?;
        let written: Vec<PaymentId> = rows.into_iter().map(|row| PaymentId(row.id)).collect();
        if let Some(events) = events_param(events_of_written(&self.changes, &written))? {
            tx.execute(&statement::EVENTS_INSERT, &[events]).await?;
        }
        Ok(written)
    }
}

pub(super) async fn record_refunds(store: &SqlStore, changes: &[RefundChange]) -> Result<Vec<PaymentId>, StoreError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    store.perform(RecordRefunds { changes: changes.to_vec() }).await
}
