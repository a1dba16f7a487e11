//! Settling: a batch of outcomes in one transaction, each guarded by the lease that it was found under.

use super::SqlStore;
use super::rows::{EventOut, PaymentOut, bulk, review_event, uuid};
use super::session::{Lane, Step, Tx};
use super::settle_rows::{GuardRow, PERIOD_NOT_MOVED, SettledOut, Standing, WantedOut, payment_of};
use super::statement::{self, Param};
use crate::domain::event::NewEvent;
use crate::domain::ids::RenewalId;
use crate::domain::renewal::State;
use crate::domain::settlement::Settlement;
use crate::store::{Settled, StoreError};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// What observations of a settle say whose lease was gone.
const FENCE_LOST: &str = "a settle whose lease was lost";

struct Settle {
    batch: Vec<Settlement>,
}

impl Step for Settle {
    const NAME: &'static str = "settling";
    const LANE: Lane = Lane::Settle;
    type Output = Settled;

    async fn run(&self, tx: &mut Tx) -> Result<Settled, StoreError> {
        let guards = guards(tx, self.batch.iter()).await?;
        let mut done = Settled::default();
        let mut writes = Writes::default();
        for settlement in &self.batch {
            let Some(row) = guards.get(&settlement.renewal_id) else {
                done.fence_lost.push(settlement.renewal_id);
                continue;
            };
            match row.standing(settlement) {
                Standing::Held => {
                    if writes.add(settlement, row, State::Charging) {
                        done.settled.push(settlement.renewal_id);
                    } else {
                        done.period_not_moved.push(settlement.renewal_id);
                    }
                }
                Standing::Repeated => done.settled.push(settlement.renewal_id),
                Standing::Lost => {
                    done.fence_lost.push(settlement.renewal_id);
                    writes.observe(settlement, row);
                }
            }
        }
        writes.write(tx).await?;
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

/// All that a batch writes, gathered before the first statement.
#[derive(Default)]
pub(super) struct Writes<'a> {
    settled: Vec<SettledOut<'a>>,
    payments: Vec<PaymentOut>,
    events: Vec<&'a NewEvent>,
    found_out: Vec<NewEvent>,
    observed: Vec<PaymentOut>,
    now: Option<DateTime<Utc>>,
}

impl<'a> Writes<'a> {
    /// Adds a settlement that holds its guard; `false` if its period cannot move.
    pub(super) fn add(&mut self, settlement: &'a Settlement, row: &GuardRow, from: State) -> bool {
        let period = settlement.period.as_ref().filter(|period| row.current_period_end == period.from());
        let moves = period.is_some() || settlement.period.is_none();
        self.now = Some(row.now);
        self.settled.push(SettledOut::new(settlement, row, from, period));
        self.payments.extend(payment_of(settlement, ""));
        self.events.extend(&settlement.events);
        if !moves {
            let renewal = settlement.renewal_id;
            self.found_out.push(review_event(&settlement.subscription_id, renewal, PERIOD_NOT_MOVED, row.now));
        }
        moves
    }

    /// Keeps the payment of a settlement that lost its lease; the rest of it is void.
    pub(super) fn observe(&mut self, settlement: &Settlement, row: &GuardRow) {
        self.now = Some(row.now);
        self.observed.extend(payment_of(settlement, FENCE_LOST));
    }

    pub(super) async fn write(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let Some(now) = self.now.map(Param::time) else { return Ok(()) };
        if !self.settled.is_empty() {
            let told: Vec<EventOut<'_>> =
                self.events.iter().copied().chain(&self.found_out).map(EventOut::from).collect();
            let params = [bulk(&self.settled)?, bulk(&self.payments)?, now.clone(), bulk(&told)?];
            tx.execute(&statement::SETTLE_RECORD, &params).await?;
        }
        if !self.observed.is_empty() {
            tx.execute(&statement::SETTLE_WAKE, &[bulk(&self.observed)?, now]).await?;
        }
        Ok(())
    }
}
