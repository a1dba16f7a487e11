//! Late look-ups: what is due for one, and what becomes of it.

use super::attempts::AttemptFacts;
use super::settled::GuardRow;
use super::stamp::as_stamp_opt;
use super::writes::Writes;
use crate::domain::ids::{PaymentId, RenewalId, SubscriptionId};
use crate::domain::renewal::State;
use crate::domain::settlement::{PaymentRecord, Settlement};
use crate::store::{LateChange, LateFacts};
use chrono::{DateTime, Utc};
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
}

impl LateRow {
    /// `None`, and a warning, for one that cannot be read: it is passed over, for it ended, and nothing will be charged
    /// for it.
    pub fn into_facts(self) -> Option<LateFacts> {
        let Self { attempt, retired, late_look_ups, since } = self;
        let renewal = attempt.renewal_id.clone();
        let subscription_id = SubscriptionId(attempt.subscription_id.clone());
        let payment_id = PaymentId(attempt.payment_id.clone());
        let (subscription_canceled, period_is_next) = (attempt.cancel_at_period_end, attempt.period_is_next);
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
            period_is_next,
            attempt,
        })
    }
}

/// When to look again, or never.
#[derive(Serialize)]
pub struct LookedOut {
    pub renewal_id: RenewalId,
    pub payment_id: String,
    pub from_state: State,
    pub retired: bool,
    #[serde(serialize_with = "as_stamp_opt")]
    pub next_look_up_at: Option<DateTime<Utc>>,
}

impl LookedOut {
    fn again(facts: &LateFacts, next_look_up_at: Option<DateTime<Utc>>) -> Self {
        Self {
            renewal_id: facts.renewal_id,
            payment_id: facts.payment_id.0.clone(),
            from_state: facts.state,
            retired: facts.retired,
            next_look_up_at,
        }
    }

    /// If the money came in under a payment id that was given up, that id needs no further look.
    fn given_up(payment: Option<&PaymentRecord>, renewal_id: RenewalId, from_state: State) -> Option<Self> {
        let payment_id = payment?.payment_id.0.clone();
        Some(Self { renewal_id, payment_id, from_state, retired: true, next_look_up_at: None })
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
