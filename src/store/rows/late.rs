//! Late look-ups: what is due for one, and what becomes of it.

use super::attempts::AttemptFacts;
use super::settled::GuardRow;
use super::stamp::as_stamp_opt;
use super::writes::Writes;
use crate::domain::ids::{PaymentId, RenewalId, SubscriptionId};
use crate::domain::renewal::State;
use crate::domain::settlement::{PaymentRecord, Settlement};
use crate::store::{LateChange, LateFacts, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The last attempt under a payment id that is looked up late.
#[derive(sqlx::FromRow)]
pub struct LateRow {
    #[sqlx(flatten)]
    pub attempt: AttemptFacts,
    pub retired: bool,
    pub late_look_ups: i64,
    pub since: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
}

impl LateRow {
    /// One that cannot be read ended all the same, and nothing will be charged for it: it is put off, and told in the log,
    /// so that it holds up nobody else.
    ///
    /// # Errors
    /// What to write about a row that cannot be read; [`StoreError::Row`] where not even its renewal's id can be.
    fn into_facts(self) -> Result<Result<LateFacts, LookedOut>, StoreError> {
        let Self { attempt, retired, late_look_ups, since, due_at } = self;
        let renewal_id = attempt.renewal_id()?;
        let subscription_id = SubscriptionId(attempt.subscription_id.clone());
        let payment_id = PaymentId(attempt.payment_id.clone());
        let (subscription_canceled, period_is_next) = (attempt.cancel_at_period_end, attempt.period_is_next);
        let state = attempt.state.clone();
        let (epoch, now) = (attempt.lease_epoch, attempt.now);
        let read = State::parse(&state).ok_or_else(|| format!("its state is \"{state}\""));
        let read = read.and_then(|known| attempt.into_attempt(epoch, now).map(|attempt| (known, attempt)));
        let (state, attempt) = match read {
            Ok(read) => read,
            Err(problem) => {
                tracing::error!(
                    renewal.id = %renewal_id, payment.id = %payment_id,
                    "payment {payment_id} cannot be looked up ({problem}): if money turns up late under it, only \
                     `renewd reconcile` tells; mend the row of renewal {renewal_id}"
                );
                let next_look_up_at = Some(now + PUT_OFF);
                let payment_id = payment_id.0;
                return Ok(Err(LookedOut {
                    renewal_id,
                    payment_id,
                    from_state: state,
                    retired,
                    due_at: Some(due_at),
                    next_look_up_at,
                }));
            }
        };
        Ok(Ok(LateFacts {
            renewal_id,
            subscription_id,
            state,
            payment_id,
            retired,
            look_ups: u32::try_from(late_look_ups).unwrap_or(u32::MAX),
            since,
            due_at,
            subscription_canceled,
            period_is_next,
            attempt,
        }))
    }
}

/// What can be looked up, and what is to be put off.
///
/// # Errors
/// [`StoreError::Row`] where not even a renewal's id can be read.
pub fn read(rows: Vec<LateRow>) -> Result<(Vec<LateFacts>, Vec<LookedOut>), StoreError> {
    let (mut readable, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        match row.into_facts()? {
            Ok(facts) => readable.push(facts),
            Err(put_off) => unreadable.push(put_off),
        }
    }
    Ok((readable, unreadable))
}

/// All of them, or none.
///
/// # Errors
/// [`StoreError::Row`] where one of them cannot be read.
pub fn read_all(rows: Vec<LateRow>) -> Result<Vec<LateFacts>, StoreError> {
    let (readable, unreadable) = read(rows)?;
    match unreadable.into_iter().next() {
        None => Ok(readable),
        Some(bad) => Err(StoreError::Row {
            table: "attempts",
            key: bad.payment_id,
            problem: "cannot be read, so what it was ordered for is not known: mend the row".to_owned(),
        }),
    }
}

/// A row that cannot be read is tried again after this: somebody may have mended it.
const PUT_OFF: TimeDelta = TimeDelta::days(1);

/// When to look again, or never.
#[derive(Serialize)]
pub struct LookedOut {
    pub renewal_id: RenewalId,
    pub payment_id: String,
    pub from_state: String,
    pub retired: bool,
    /// Only if it is still due as it was read: a payment that was found since is not put off. `None`: whatever it says.
    #[serde(serialize_with = "as_stamp_opt")]
    pub due_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "as_stamp_opt")]
    pub next_look_up_at: Option<DateTime<Utc>>,
}

impl LookedOut {
    fn again(facts: &LateFacts, next_look_up_at: Option<DateTime<Utc>>) -> Self {
        Self {
            renewal_id: facts.renewal_id,
            payment_id: facts.payment_id.0.clone(),
            from_state: facts.state.as_str().to_owned(),
            retired: facts.retired,
            due_at: Some(facts.due_at),
            next_look_up_at,
        }
    }

    /// If the money came in under a payment id that was given up, that id needs no further look.
    fn given_up(payment: Option<&PaymentRecord>, renewal_id: RenewalId, from_state: State) -> Option<Self> {
        let payment_id = payment?.payment_id.0.clone();
        let from_state = from_state.as_str().to_owned();
        Some(Self { renewal_id, payment_id, from_state, retired: true, due_at: None, next_look_up_at: None })
    }
}

/// The settlements among late changes, with the states that they were decided from.
pub fn found(changes: &[LateChange]) -> Vec<(State, &Settlement)> {
    let found = changes.iter().filter_map(|change| match change {
        LateChange::Found { from, settlement } => Some((*from, &**settlement)),
        LateChange::LookAgain { .. } => None,
    });
    found.collect()
}

/// What late changes write, each only if its renewal is still in the state that it was decided from: of two payments of
/// one renewal the second is only kept, and judged again by the next look-up.
pub fn judge<'a>(changes: &'a [LateChange], guards: &BTreeMap<RenewalId, GuardRow>) -> (Writes<'a>, Vec<LookedOut>) {
    let (mut writes, mut found) = (Writes::default(), BTreeSet::new());
    // A payment id can stand in a batch twice: with its renewal, and as one that was given up.
    let mut looked = BTreeMap::new();
    for change in changes {
        match change {
            LateChange::LookAgain { facts, next_look_up_at } => {
                let again = LookedOut::again(facts, *next_look_up_at);
                looked.entry((again.retired, again.payment_id.clone())).or_insert(again);
            }
            LateChange::Found { from, settlement } => {
                let Some(row) = guards.get(&settlement.renewal_id) else { continue };
                if row.state == from.as_str() && found.insert(settlement.renewal_id) {
                    writes.add(settlement, row, *from);
                    let over = LookedOut::given_up(settlement.payment.as_ref(), settlement.renewal_id, *from);
                    looked.extend(over.map(|over| ((over.retired, over.payment_id.clone()), over)));
                } else {
                    writes.observe(settlement, row);
                }
            }
        }
    }
    (writes, looked.into_values().collect())
}
