//! Planning: what is due, what becomes of it, and what waits.

use super::rows::{Renewal, Subscription};
use super::tables::Tables;
use super::{Guard, MemoryStore};
use crate::domain::claim::RenewalChange;
use crate::domain::due::{PlannedRenewal, SubscriptionFacts};
use crate::domain::ids::{CustomerId, PlanId, RenewalId, RunId, SubscriptionId};
use crate::domain::renewal::State;
use crate::domain::waiting::WaitingFacts;
use crate::store::rows::told::events_of_written;
use crate::store::{DuePage, StoreError};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

pub(super) fn due_facts(store: &MemoryStore, page: &DuePage) -> Result<Vec<SubscriptionFacts>, StoreError> {
    let only = page.only.as_deref();
    let comes_after = |sub: &Subscription| {
        let key = (sub.row.current_period_end, &sub.row.id);
        page.after.as_ref().is_none_or(|(end, id)| key > (*end, &id.0))
    };
    store.read(|tables, _| {
        let is_due = |sub: &&Subscription| {
            sub.is_live()
                && sub.row.current_period_end < page.ends_before
                && comes_after(sub)
                && is_asked_for(only, &sub.row.id)
                && tables.renewal_from(&sub.row.id, sub.row.current_period_end).is_none()
                && !page.not_again_in.is_some_and(|run| is_renewed_in(tables, sub, run))
        };
        let mut due: Vec<&Subscription> = tables.subscriptions().iter().filter(is_due).collect();
        due.sort_by_key(|sub| (sub.row.current_period_end, &sub.row.id));
        Ok(due.into_iter().take(page.rows_max as usize).filter_map(|sub| facts(tables, sub)).collect())
    })
}

pub(super) fn due_count(store: &MemoryStore, page: &DuePage) -> Result<u64, StoreError> {
    let is_due = |sub: &&Subscription| {
        sub.is_live()
            && sub.row.current_period_end < page.ends_before
            && is_asked_for(page.only.as_deref(), &sub.row.id)
    };
    store.read(|tables, _| {
        let due = tables.subscriptions().iter().filter(is_due).take(page.rows_max as usize).count();
        Ok(due as u64)
    })
}

/// The subscription came to its period by a renewal that this run planned or charged, or that was charged beside it.
fn is_renewed_in(tables: &Tables, sub: &Subscription, (run, since): (RunId, DateTime<Utc>)) -> bool {
    let has_tried =
        |renewal| tables.attempts_of(renewal).any(|attempt| attempt.run_id == run || attempt.started_at > since);
    tables.renewals().iter().any(|row| {
        row.subscription_id.as_str() == sub.row.id
            && row.period_end == Some(sub.row.current_period_end)
            && row.state == State::Paid
            && (row.planned_by == run || has_tried(row.id))
    })
}

/// Restricts a step to these subscriptions, where given.
pub(super) fn is_asked_for(only: Option<&[SubscriptionId]>, id: &str) -> bool {
    only.is_none_or(|only| only.iter().any(|wanted| wanted.as_str() == id))
}

fn facts(tables: &Tables, sub: &Subscription) -> Option<SubscriptionFacts> {
    let row = &sub.row;
    let plan = tables.plans().get(row.next_plan_id.as_ref().unwrap_or(&row.plan_id))?;
    let overlaps = |other: &Renewal| {
        other.subscription_id.as_str() == row.id
            && other.period_start != row.current_period_end
            && other.period_end.is_some_and(|end| end > row.current_period_end)
            && matches!(other.state, State::Charging | State::Unknown | State::Review | State::Paid)
    };
    Some(SubscriptionFacts {
        id: SubscriptionId(row.id.clone()),
        customer_id: CustomerId(row.customer_id.clone()),
        plan_id: PlanId(plan.id.clone()),
        amount: plan.amount,
        currency: plan.currency.clone(),
        interval: plan.interval.clone(),
        order_name: plan.order_name.clone(),
        current_period_start: row.current_period_start,
        current_period_end: row.current_period_end,
        anchor_day: row.anchor_day,
        cancel_at_period_end: row.cancel_at_period_end,
        has_usable_key: tables.has_usable_key(&row.customer_id),
        overlaps_other: tables.renewals().iter().any(overlaps),
        schedule_id: tables.looked_ahead(&row.id, row.current_period_end).and_then(|row| row.schedule_id.clone()),
    })
}

pub(super) fn record_plan(
    store: &MemoryStore,
    run: RunId,
    page: &[PlannedRenewal],
) -> Result<Vec<RenewalId>, StoreError> {
    let is_free = store.is_left_out(Guard::OneRenewalPerPeriod);
    store.write(|tables, now| {
        let mut new = Vec::new();
        for planned in page {
            if tables.add_renewal(renewal(planned, run, now), is_free)? {
                new.push(planned.id);
            }
        }
        let told: BTreeSet<RenewalId> = new.iter().copied().collect();
        let written = page.iter().filter(|planned| told.contains(&planned.id));
        tables.tell(written.flat_map(|planned| &planned.events))?;
        Ok(new)
    })
}

fn renewal(planned: &PlannedRenewal, planned_by: RunId, now: DateTime<Utc>) -> Renewal {
    Renewal {
        id: planned.id,
        subscription_id: planned.subscription_id.clone(),
        customer_id: planned.customer_id.clone(),
        plan_id: planned.plan_id.clone(),
        business_date: planned.business_date,
        period_start: planned.period_start,
        period_end: planned.period_end,
        amount: planned.amount,
        currency: planned.currency.clone(),
        order_name: planned.order_name.clone(),
        payment_id: planned.payment_id.clone(),
        series: 0,
        state: planned.state,
        next_attempt_at: planned.next_attempt_at,
        next_look_up_at: None,
        waits_for_key: planned.waits_for_key,
        access_until: planned.access_until,
        attempt_count: 0,
        decline_count: 0,
        unsettled_claims: 0,
        lease_epoch: 0,
        lease_until: None,
        first_declined_at: None,
        last_decline_class: None,
        last_decline_reason: None,
        last_pg_code: None,
        last_pg_message: None,
        unknown_since: None,
        look_ups: 0,
        canceled_during_charge: false,
        period_not_moved: false,
        review_reason: planned.review_reason.clone(),
        paid_at: None,
        pg_tx_id: None,
        ended_at: (!planned.state.is_open()).then_some(now),
        commanded_until: None,
        planned_by,
        created_at: now,
        updated_at: now,
    }
}

pub(super) fn waiting_facts(
    store: &MemoryStore,
    after: Option<RenewalId>,
    over_before: DateTime<Utc>,
    rows_max: u32,
) -> Result<Vec<WaitingFacts>, StoreError> {
    store.read(|tables, now| {
        let waits = |renewal: &Renewal| {
            if !matches!(renewal.state, State::Due | State::Canceled) || after.is_some_and(|id| renewal.id <= id) {
                return None;
            }
            let sub = tables.subscription(&renewal.subscription_id)?;
            let canceled = sub.row.cancel_at_period_end;
            let has_usable_key = tables.has_usable_key(&sub.row.customer_id);
            let has_new_key = renewal.decline_count > 0 && tables.has_new_key(&sub.row.customer_id);
            let is_told = match renewal.state {
                State::Due => {
                    canceled
                        || renewal.access_until <= now
                        || (renewal.attempt_count == 0 && renewal.period_start < over_before)
                        || (renewal.waits_for_key && has_usable_key)
                        || has_new_key
                }
                _ => !canceled && sub.is_at(renewal.period_start) && renewal.access_until > now,
            };
            is_told.then(|| waiting(renewal, sub, (has_usable_key, has_new_key), now))
        };
        Ok(tables.renewals().iter().filter_map(waits).take(rows_max as usize).collect())
    })
}

fn waiting(
    renewal: &Renewal,
    sub: &Subscription,
    (has_usable_key, has_new_key): (bool, bool),
    now: DateTime<Utc>,
) -> WaitingFacts {
    WaitingFacts {
        renewal_id: renewal.id,
        subscription_id: renewal.subscription_id.clone(),
        state: renewal.state,
        waits_for_key: renewal.waits_for_key,
        next_attempt_at: renewal.next_attempt_at,
        access_until: renewal.access_until,
        cancel_at_period_end: sub.row.cancel_at_period_end,
        has_usable_key,
        has_new_key,
        period_is_next: sub.is_at(renewal.period_start),
        never_tried: renewal.attempt_count == 0 && renewal.decline_count == 0,
        was_declined: renewal.decline_count > 0,
        is_complete: renewal.amount.is_some() && renewal.currency.is_some() && renewal.period_end.is_some(),
        period_start: renewal.period_start,
        commanded: renewal.is_commanded(now),
    }
}

pub(super) fn change_renewals(store: &MemoryStore, changes: &[RenewalChange]) -> Result<Vec<RenewalId>, StoreError> {
    store.write(|tables, now| change(tables, changes, now))
}

/// Writes changes and what they tell, each only from the state that it was decided from. What is being given back is never
/// charged again.
pub(super) fn change(
    tables: &mut Tables,
    changes: &[RenewalChange],
    now: DateTime<Utc>,
) -> Result<Vec<RenewalId>, StoreError> {
    let mut written = Vec::new();
    for change in changes {
        let is_as_decided = |row: &Renewal| row.state == change.from && row.waits_for_key == change.waited_for_key;
        let is_charged_again = change.to == State::Due && tables.is_given_back(change.renewal_id);
        if is_charged_again || !tables.renewals().get(&change.renewal_id).is_some_and(is_as_decided) {
            continue;
        }
        tables.change_renewal(change.renewal_id, |row| {
            row.state = change.to;
            row.next_attempt_at = change.next_attempt_at;
            row.next_look_up_at = change.next_look_up_at;
            row.waits_for_key = change.waits_for_key;
            row.access_until = row.access_until.max(change.access_until.unwrap_or(row.access_until));
            row.review_reason.clone_from(&change.review_reason);
            row.unsettled_claims = 0;
            row.lease_until = None;
            row.ended_at = if change.to.is_open() { None } else { row.ended_at.or(Some(now)) };
            row.updated_at = now;
        })?;
        written.push(change.renewal_id);
    }
    tables.tell(events_of_written(changes, &written))?;
    Ok(written)
}
