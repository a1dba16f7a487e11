//! Taking over what an earlier worker left open.

use super::SqlStore;
use super::plan::tell;
use super::rows::{bulk, events_param};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param, as_stamp};
use crate::domain::ids::RenewalId;
use crate::store::rows::attempts::AttemptFacts;
use crate::store::rows::taken::{Taken, Unreadable, committed, take};
use crate::store::{StoreError, TakenOver};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::time::Duration;

struct TakeOver {
    rows_max: u32,
    lease: TimeDelta,
    claims_max: u32,
}

#[derive(Serialize)]
struct LeaseOut {
    renewal_id: RenewalId,
    lease_epoch: i64,
    #[serde(serialize_with = "as_stamp")]
    lease_until: DateTime<Utc>,
}

impl Step for TakeOver {
    const NAME: &'static str = "taking over what was left open";
    const LANE: Lane = Lane::Write;
    type Output = Vec<Taken>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Taken>, StoreError> {
        let now = tx.now_param().await?;
        let params = [now, Param::Int(i64::from(self.rows_max))];
        let rows: Vec<AttemptFacts> = tx.rows(&statement::TAKE_OVER_FACTS, &params).await?;
        let Some(now) = rows.first().map(|row| row.now) else { return Ok(Vec::new()) };
        let mut taken = Vec::with_capacity(rows.len());
        for row in rows {
            match take(row, self.lease, self.claims_max)? {
                Ok(one) => taken.push(one),
                Err(unreadable) => show(tx, &unreadable).await?,
            }
        }
        let leases: Vec<LeaseOut> = taken.iter().map(LeaseOut::from).collect();
        tx.execute(&statement::TAKE_OVER_RECORD, &[bulk(&leases)?, Param::time(now)]).await?;
        Ok(taken)
    }
}

/// Gives an attempt that cannot be resolved to a person.
async fn show(tx: &mut Tx, unreadable: &Unreadable) -> Result<(), StoreError> {
    let Unreadable { renewal_id, reason, event, next_look_up_at, now } = unreadable;
    let params =
        [Param::text(renewal_id.to_string()), Param::text(&**reason), Param::time(*now), Param::Time(*next_look_up_at)];
    tx.execute(&statement::ATTEMPT_UNREADABLE, &params).await?;
    tell(tx, events_param(std::iter::once(event))?).await
}

impl From<&Taken> for LeaseOut {
    fn from(taken: &Taken) -> Self {
        Self {
            renewal_id: taken.attempt.renewal.id,
            lease_epoch: taken.attempt.lease_epoch,
            lease_until: taken.attempt.lease_until,
        }
    }
}

pub(super) async fn take_over(
    store: &SqlStore,
    rows_max: u32,
    lease: Duration,
    claims_max: u32,
) -> Result<Vec<TakenOver>, StoreError> {
    let lease = TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX);
    let taken = store.perform(TakeOver { rows_max, lease, claims_max }).await?;
    Ok(committed(taken))
}
