//! Late look-ups: renewals that ended and payment ids that were given up, because money can turn up late.

use super::SqlStore;
use super::attempts::AttemptFacts;
use super::rows::{PaymentOut, bulk};
use super::session::{Lane, Step, Tx};
use super::settle::{Writes, guards};
use super::statement::{self, Param, as_stamp_opt};
use crate::domain::ids::{PaymentId, RenewalId, SubscriptionId};
use crate::domain::renewal::State;
use crate::domain::settlement::PaymentRecord;
use crate::store::{LateChange, LateFacts, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;

#[derive(sqlx::FromRow)]
struct LateRow {
    #[sqlx(flatten)]
    attempt: AttemptFacts,
    retired: bool,
    late_look_ups: i64,
    since: DateTime<Utc>,
}

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
    // One that cannot be read is passed over: it ended, and nothing will be charged for it.
    Ok(rows.into_iter().filter_map(into_facts).collect())
}

fn into_facts(row: LateRow) -> Option<LateFacts> {
    let LateRow { attempt, retired, late_look_ups, since } = row;
    let renewal = attempt.renewal_id.clone();
    let subscription_id = SubscriptionId(attempt.subscription_id.clone());
    let payment_id = PaymentId(attempt.payment_id.clone());
    let subscription_canceled = attempt.cancel_at_period_end;
    let state = State::parse(&attempt.state);
    let (epoch, now) = (attempt.lease_epoch, attempt.now);
    let unreadable = |problem: String| {
        tracing::warn!(renewal.id = %renewal, %problem, "a late look-up is not possible: the row cannot be read");
    };
    let attempt = attempt.into_attempt(epoch, now).map_err(unreadable).ok()?;
    Some(LateFacts {
        renewal_id: attempt.renewal.id,
        subscription_id,
        state: state?,
        payment_id,
        retired,
        look_ups: u32::try_from(late_look_ups).unwrap_or(u32::MAX),
        since,
        subscription_canceled,
        attempt,
    })
}

#[derive(Serialize)]
struct LookedOut {
    renewal_id: RenewalId,
    payment_id: String,
    from_state: &'static str,
    retired: bool,
    #[serde(serialize_with = "as_stamp_opt")]
    next_look_up_at: Option<DateTime<Utc>>,
}

struct RecordLate {
    changes: Vec<LateChange>,
}

impl Step for RecordLate {
    const NAME: &'static str = "recording late look-ups";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let mut looked = Vec::new();
        let mut found = Vec::new();
        for change in &self.changes {
            match change {
                LateChange::LookAgain { facts, next_look_up_at } => looked.push(LookedOut {
                    renewal_id: facts.renewal_id,
                    payment_id: facts.payment_id.0.clone(),
                    from_state: facts.state.as_str(),
                    retired: facts.retired,
                    next_look_up_at: *next_look_up_at,
                }),
                LateChange::Found { from, settlement } => found.push((*from, &**settlement)),
            }
        }
        if !found.is_empty() {
            let guards = guards(tx, found.iter().map(|(_, settlement)| *settlement)).await?;
            let mut writes = Writes::default();
            for (from, settlement) in found {
                let Some(row) = guards.get(&settlement.renewal_id) else { continue };
                if row.state == from.as_str() {
                    writes.add(settlement, row, from);
                    looked.extend(given_up(settlement.payment.as_ref(), settlement.renewal_id, from));
                } else {
                    writes.observe(settlement, row);
                }
            }
            writes.write(tx).await?;
        }
        if looked.is_empty() {
            return Ok(());
        }
        let now = tx.now_param().await?;
        tx.execute(&statement::LATE_LOOK_AGAIN, &[bulk(&looked)?, now]).await.map(|_| ())
    }
}

/// If the money came in under a payment id that was given up, that id needs no further look.
fn given_up(payment: Option<&PaymentRecord>, renewal_id: RenewalId, from: State) -> Option<LookedOut> {
    let payment_id = payment?.payment_id.0.clone();
    Some(LookedOut { renewal_id, payment_id, from_state: from.as_str(), retired: true, next_look_up_at: None })
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
