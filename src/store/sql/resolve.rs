//! Taking over what an earlier worker left open.

use super::SqlStore;
use super::attempts::AttemptFacts;
use super::plan::tell;
use super::rows::{bulk, events_param, review_event};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param, as_stamp};
use crate::domain::charge::Attempt;
use crate::domain::ids::{RenewalId, SubscriptionId};
use crate::store::{Committed, StoreError, TakenOver};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::time::Duration;

struct TakeOver {
    rows_max: u32,
    lease: TimeDelta,
    claims_max: u32,
}

/// An attempt under its new lease, not committed yet.
struct Taken {
    attempt: Attempt,
    may_resend: bool,
    cancel_at_period_end: bool,
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
            if let Some(one) = self.take(tx, row).await? {
                taken.push(one);
            }
        }
        let leases: Vec<LeaseOut> = taken.iter().map(LeaseOut::from).collect();
        tx.execute(&statement::TAKE_OVER_RECORD, &[bulk(&leases)?, Param::time(now)]).await?;
        Ok(taken)
    }
}

impl TakeOver {
    /// Rebuilds one attempt; one that cannot be read, or ends processes, goes to a person and holds up nobody else.
    async fn take(&self, tx: &mut Tx, row: AttemptFacts) -> Result<Option<Taken>, StoreError> {
        let renewal = row.renewal_id()?;
        let subscription = SubscriptionId(row.subscription_id.clone());
        let (now, cancel_at_period_end) = (row.now, row.cancel_at_period_end);
        let may_resend = !cancel_at_period_end && !row.paused && row.period_is_next;
        let lease_epoch = row.lease_epoch.saturating_add(1);
        let claims = row.unsettled_claims;
        let readable = if claims >= i64::from(self.claims_max) {
            Err(format!("it was claimed {claims} times without an outcome, and may be what ends the process"))
        } else {
            row.into_attempt(lease_epoch, now + self.lease)
        };
        match readable {
            Ok(attempt) => Ok(Some(Taken { attempt, may_resend, cancel_at_period_end })),
            Err(problem) => {
                let reason = format!("the open attempt cannot be resolved: {problem}; it may have been charged");
                let params = [Param::text(renewal.to_string()), Param::text(&*reason), Param::time(now)];
                tx.execute(&statement::ATTEMPT_UNREADABLE, &params).await?;
                let event = review_event(&subscription, renewal, &reason, now);
                tell(tx, events_param(std::iter::once(&event))?).await?;
                Ok(None)
            }
        }
    }
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
    Ok(taken
        .into_iter()
        .map(|one| TakenOver {
            // Only here, after the commit.
            attempt: Committed(one.attempt),
            may_resend: one.may_resend,
            cancel_at_period_end: one.cancel_at_period_end,
        })
        .collect())
}
