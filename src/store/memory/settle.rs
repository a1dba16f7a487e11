//! Settling: a batch of outcomes in one step, each guarded by the lease that it was found under.

use super::refunds::want;
use super::rows::{KeyState, Renewal, Retired, Seen};
use super::tables::Tables;
use super::{Guard, MemoryStore};
use crate::domain::attempt::AttemptState;
use crate::domain::ids::RenewalId;
use crate::domain::renewal::State;
use crate::domain::settlement::Settlement;
use crate::store::rows::settled::{GuardRow, SettledOut, Standing};
use crate::store::rows::writes::Writes;
use crate::store::{Settled, StoreError};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

pub(super) fn settle(store: &MemoryStore, batch: &[Settlement]) -> Result<Settled, StoreError> {
    store.write(|tables, now| {
        let guards = guards(store, tables, batch.iter(), now);
        let (done, writes) = Writes::judge(batch, &guards);
        write(store, tables, writes)?;
        Ok(done)
    })
}

/// What the guards of a batch compare.
pub(super) fn guards<'a>(
    store: &MemoryStore,
    tables: &Tables,
    batch: impl Iterator<Item = &'a Settlement>,
    now: DateTime<Utc>,
) -> BTreeMap<RenewalId, GuardRow> {
    let row = |settlement: &Settlement| {
        let renewal = tables.renewals().get(&settlement.renewal_id)?;
        let sub = tables.subscription(&renewal.subscription_id)?;
        let attempt = tables.attempts().get(&settlement.attempt.attempt_id)?;
        let mut row = GuardRow {
            now,
            renewal_id: renewal.id.to_string(),
            state: renewal.state.as_str().to_owned(),
            lease_epoch: renewal.lease_epoch,
            lease_is_live: renewal.lease_until.is_some_and(|until| until > now),
            current_period_end: sub.row.current_period_end,
            cancel_at_period_end: sub.row.cancel_at_period_end,
            attempt_state: attempt.state.as_str().to_owned(),
            settled_epoch: attempt.settled_epoch,
        };
        pretend(store, &mut row, settlement);
        Some((renewal.id, row))
    };
    batch.filter_map(row).collect()
}

/// What the guards would see if the ones that are left out had nothing to object to.
fn pretend(store: &MemoryStore, row: &mut GuardRow, settlement: &Settlement) {
    if store.is_left_out(Guard::LeaseEpoch) {
        row.lease_epoch = settlement.lease_epoch;
    }
    row.lease_is_live |= store.is_left_out(Guard::LiveLeaseForNegative);
    if store.is_left_out(Guard::OneDeclinePerAttempt) && row.standing(settlement) == Standing::Repeated {
        row.state = State::Charging.as_str().to_owned();
        row.attempt_state = AttemptState::Open.as_str().to_owned();
        row.lease_epoch = settlement.lease_epoch;
        row.lease_is_live = true;
    }
    if let Some(period) = &settlement.period
        && store.is_left_out(Guard::ExpectedPeriodEnd)
    {
        row.current_period_end = period.from();
    }
}

/// Writes all that was gathered.
pub(super) fn write(store: &MemoryStore, tables: &mut Tables, writes: Writes<'_>) -> Result<(), StoreError> {
    let Some(now) = writes.now else { return Ok(()) };
    for one in &writes.settled {
        close(tables, one)?;
        move_period(tables, one, now, store.is_left_out(Guard::ExpectedPeriodEnd))?;
        spend_key(tables, one, now)?;
        retire(tables, one, now);
        change(store, tables, one, now)?;
    }
    tables.tell(writes.events())?;
    for refund in writes.refunds {
        // What is wanted already stays as it is.
        let _ = want(tables, refund, now);
    }
    writes.payments.into_iter().for_each(|payment| tables.add_payment(Seen { payment, recorded_at: now }));
    if store.is_left_out(Guard::LateObservation) {
        return Ok(());
    }
    for payment in writes.observed {
        let renewal = payment.renewal_id;
        let given_up = payment.payment_id.as_str().into();
        tables.retired.change(&given_up, |row| row.next_look_up_at = Some(now));
        tables.add_observation(Seen { payment, recorded_at: now });
        renewal.map_or(Ok(()), |id| wake(tables, id, now))?;
    }
    Ok(())
}

/// An attempt that is closed stays as it is.
fn close(tables: &mut Tables, one: &SettledOut<'_>) -> Result<(), StoreError> {
    if !tables.attempts().get(&one.attempt_id).is_some_and(|row| row.state == AttemptState::Open) {
        return Ok(());
    }
    let text = |text: Option<&str>| text.map(str::to_owned);
    tables.change_attempt(one.attempt_id, |row| {
        row.state = one.attempt_state;
        row.settled_at = one.attempt_settled_at;
        row.settled_epoch = one.attempt_settled_at.map(|_| one.lease_epoch);
        row.transaction_id = text(one.transaction_id).or(row.transaction_id.take());
        row.pg_provider = text(one.pg_provider).or(row.pg_provider.take());
        row.pg_code = text(one.pg_code);
        row.pg_message = text(one.pg_message);
        row.decline_class = one.decline_class;
        row.decline_reason = one.decline_reason;
        row.decline_matched_by = one.decline_matched_by;
        row.note = text(one.note).or(row.note.take());
    })
}

/// Access follows money, and only from the period that was paid for. A plan that was deleted meanwhile takes nothing
/// away.
fn move_period(tables: &mut Tables, one: &SettledOut<'_>, now: DateTime<Utc>, is_free: bool) -> Result<(), StoreError> {
    let Some((from, to)) = one.period_from.zip(one.period_to) else { return Ok(()) };
    let is_there = |end| end == from || is_free;
    if !tables.subscriptions().get(one.subscription_id).is_some_and(|sub| is_there(sub.row.current_period_end)) {
        return Ok(());
    }
    let paid_plan = one.period_plan_id.as_ref().map(|id| id.0.clone());
    let plan = paid_plan.as_ref().and_then(|id| tables.plans().get(id)).cloned();
    tables.change_subscription(one.subscription_id, |sub| {
        sub.row.current_period_start = from;
        sub.row.current_period_end = to;
        if sub.row.next_plan_id == paid_plan {
            sub.row.next_plan_id = None;
        }
        if let Some(plan) = plan {
            sub.row.plan_id = plan.id;
            sub.tier = plan.tier;
        }
        sub.status = "active";
        sub.updated_at = now;
    })
}

fn spend_key(tables: &mut Tables, one: &SettledOut<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
    let spent = one.key_unusable.and_then(|id| tables.billing_keys().get(id)).filter(|key| key.is_usable());
    let Some(id) = spent.map(|key| key.id.clone()) else { return Ok(()) };
    tables.change_key(&id, |key| {
        key.state = KeyState::Unusable;
        key.unusable_reason = one.key_unusable_reason.map(str::to_owned);
        key.updated_at = now;
    })
}

/// An id that is given up, or that money under an earlier one takes the place of: there may be money under both.
fn retire(tables: &mut Tables, one: &SettledOut<'_>, now: DateTime<Utc>) {
    let Some(renewal) = tables.renewals().get(&one.renewal_id) else { return };
    let payment_id = renewal.payment_id.clone();
    if payment_id.as_str() == one.payment_id || tables.retired.has(&payment_id) {
        return;
    }
    let row = Retired {
        payment_id: payment_id.clone(),
        renewal_id: renewal.id,
        series: renewal.series,
        retired_at: now,
        next_look_up_at: one.retired_payment_id.map_or(Some(now), |_| one.retired_look_up_at),
        look_ups: 0,
    };
    tables.retired.put(payment_id, row);
}

fn change(
    store: &MemoryStore,
    tables: &mut Tables,
    one: &SettledOut<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let repeats = store.is_left_out(Guard::OneDeclinePerAttempt);
    let is_as_found = |row: &Renewal| {
        (row.state == one.from_state || repeats)
            && (row.lease_epoch == one.lease_epoch || repeats || store.is_left_out(Guard::LeaseEpoch))
    };
    if !tables.renewals().get(&one.renewal_id).is_some_and(is_as_found) {
        return Ok(());
    }
    let text = |text: Option<&str>| text.map(str::to_owned);
    tables.change_renewal(one.renewal_id, |row| {
        row.state = one.state;
        row.next_attempt_at = one.next_attempt_at;
        row.next_look_up_at = one.next_look_up_at;
        row.waits_for_key = one.waits_for_key;
        row.unknown_since = one.unknown_since;
        row.look_ups = i64::from(one.look_ups);
        row.decline_count += i64::from(one.declines);
        row.first_declined_at = one.first_declined_at;
        row.last_decline_class = one.decline_class.or(row.last_decline_class);
        row.last_decline_reason = one.decline_reason.or(row.last_decline_reason);
        row.last_pg_code = text(one.pg_code).or(row.last_pg_code.take());
        row.last_pg_message = text(one.pg_message).or(row.last_pg_message.take());
        row.review_reason = text(one.review_reason);
        row.access_until = one.access_until;
        row.payment_id = one.payment_id.into();
        row.series = one.series;
        row.unsettled_claims = 0;
        row.lease_until = None;
        row.canceled_during_charge = one.canceled_during_charge;
        row.period_not_moved = one.period_not_moved;
        row.paid_at = one.paid_at.or(row.paid_at);
        row.pg_tx_id = text(one.pg_tx_id).or(row.pg_tx_id.take());
        row.ended_at = (!one.is_open).then_some(now);
        row.updated_at = now;
    })
}

/// A payment was seen for a renewal that nobody holds: it is looked up.
fn wake(tables: &mut Tables, id: RenewalId, now: DateTime<Utc>) -> Result<(), StoreError> {
    let sleeps = |row: &Renewal| {
        matches!(
            row.state,
            State::Due | State::Unknown | State::Failed | State::Canceled | State::Lapsed | State::Review
        )
    };
    if !tables.renewals().get(&id).is_some_and(sleeps) {
        return Ok(());
    }
    tables.change_renewal(id, |row| {
        row.next_look_up_at = Some(now);
        row.updated_at = now;
    })
}
