//! Settling: a batch of outcomes in one transaction, each guarded by the lease that it was found under.

use super::SqlStore;
use super::rows::{EventOut, bulk};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::ids::RenewalId;
use crate::domain::settlement::Settlement;
use crate::store::rows::settled::{GuardRow, WantedOut};
use crate::store::rows::uuid;
use crate::store::rows::writes::Writes;
use crate::store::{Settled, StoreError};
use std::collections::BTreeMap;

struct Settle {
    batch: Vec<Settlement>,
}

impl Step for Settle {
    const NAME: &'static str = "settling";
    const LANE: Lane = Lane::Settle;
    type Output = Settled;

    async fn run(&self, tx: &mut Tx) -> Result<Settled, StoreError> {
        let guards = guards(tx, self.batch.iter()).await?;
        let (done, writes) = Writes::judge(&self.batch, &guards);
        write(tx, &writes).await?;
        Ok(done)
    }
}

pub(super) async fn settle(store: &SqlStore, batch: &[Settlement]) -> Result<Settled, StoreError> {
    if batch.is_empty() {
        return Ok(Settled::default());
    }
    store.perform(Settle { batch: batch.to_vec() }).await
}

/// Locks the renewals of a batch and reads what its guards compare.
pub(super) async fn guards(
    tx: &mut Tx,
    batch: impl Iterator<Item = &Settlement>,
) -> Result<BTreeMap<RenewalId, GuardRow>, StoreError> {
    let wanted: Vec<WantedOut> = batch
        .map(|settlement| WantedOut { renewal_id: settlement.renewal_id, attempt_id: settlement.attempt.attempt_id })
        .collect();
    let now = tx.now_param().await?;
    let rows: Vec<GuardRow> = tx.rows(&statement::SETTLE_FACTS, &[bulk(&wanted)?, now]).await?;
    rows.into_iter().map(|row| Ok((RenewalId(uuid("renewals", &row.renewal_id)?), row))).collect()
}

/// Writes all that was gathered.
pub(super) async fn write(tx: &mut Tx, writes: &Writes<'_>) -> Result<(), StoreError> {
    let Some(now) = writes.now.map(Param::time) else { return Ok(()) };
    if !writes.settled.is_empty() {
        let told: Vec<EventOut<'_>> = writes.events().map(EventOut::from).collect();
        let (settled, payments) = (bulk(&writes.settled)?, bulk(&writes.payments)?);
        let params = [settled, payments, now.clone(), bulk(&told)?, bulk(&writes.refunds)?];
        tx.execute(&statement::SETTLE_RECORD, &params).await?;
    }
    if !writes.observed.is_empty() {
        tx.execute(&statement::SETTLE_WAKE, &[bulk(&writes.observed)?, now]).await?;
    }
    Ok(())
}
