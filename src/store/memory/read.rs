//! What people are shown.

use super::MemoryStore;
use super::rows::{Action, Attempt, BillingKey, Event, Refund, Renewal, Seen, Subscription};
use super::tables::Tables;
use crate::domain::ids::{CustomerId, PaymentId, RenewalId, SubscriptionId};
use crate::domain::renewal::State;
use crate::store::StoreError;
use crate::store::read::{
    AccessRow, ActionRow, AttemptRow, Backlog, EventRow, KeyRow, PaymentRow, RefundRow, RenewalRow, Timeline,
};
use crate::store::search::RenewalPage;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use uuid::Uuid;

pub(super) fn backlog(store: &MemoryStore) -> Result<Backlog, StoreError> {
    store.read(|tables, now| {
        let mut backlog = Backlog::default();
        for row in tables.renewals().iter() {
            if row.state != State::Paid {
                *backlog.by_state.entry(row.state.as_str().to_owned()).or_default() += 1;
            }
            let next_look_up_at = row.next_look_up_at.filter(|_| row.attempt_count > 0);
            backlog.next_look_up_at = earlier(backlog.next_look_up_at, next_look_up_at);
            if row.state == State::Due {
                backlog.due_now += i64::from(row.next_attempt_at.is_some_and(|at| at <= now));
                backlog.waits_for_key += i64::from(row.waits_for_key);
                backlog.next_attempt_at = earlier(backlog.next_attempt_at, row.next_attempt_at);
            }
        }
        let (mut unknown, mut unsettled) = (Vec::new(), Vec::new());
        for (attempt, renewal, _) in tables.open_attempts() {
            match renewal.state {
                State::Unknown => {
                    backlog.unknown_look_up_at = earlier(backlog.unknown_look_up_at, renewal.next_look_up_at);
                    unknown.push((attempt.started_at, renewal.id));
                }
                State::Charging if renewal.lease_until.is_some_and(|until| until <= now) => {
                    unsettled.push((attempt.started_at, renewal.id));
                }
                _ => {}
            }
        }
        let oldest =
            |all: &[(DateTime<Utc>, RenewalId)]| all.iter().min().map(|(at, id)| (*at, id.to_string())).unzip();
        (backlog.oldest_unknown, backlog.oldest_unknown_id) = oldest(&unknown);
        (backlog.oldest_unsettled, backlog.oldest_unsettled_id) = oldest(&unsettled);
        backlog.unsettled = i64::try_from(unsettled.len()).unwrap_or(i64::MAX);
        backlog.refunds_open = tables.refunds.iter().map(|row| i64::from(row.next_try_at.is_some())).sum();
        Ok(backlog)
    })
}

fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

pub(super) fn needs_person(store: &MemoryStore, rows_max: u32) -> Result<Vec<RenewalRow>, StoreError> {
    store.read(|tables, _| {
        let is_shown = |row: &&Renewal| matches!(row.state, State::Review | State::Unknown) || row.period_not_moved;
        let mut rows: Vec<&Renewal> = tables.renewals().iter().filter(is_shown).collect();
        rows.sort_by_key(|row| (row.created_at, row.id));
        Ok(rows.into_iter().take(rows_max as usize).map(renewal).collect())
    })
}

pub(super) fn subscriptions_of(
    store: &MemoryStore,
    customer: &CustomerId,
    rows_max: u32,
) -> Result<Vec<AccessRow>, StoreError> {
    store.read(|tables, _| {
        let theirs = tables.subscriptions().iter().filter(|sub| sub.row.customer_id == customer.as_str());
        let mut rows: Vec<AccessRow> = theirs.map(|sub| access(tables, sub)).collect();
        rows.sort_by(|one, other| {
            (other.current_period_end, &one.subscription_id).cmp(&(one.current_period_end, &other.subscription_id))
        });
        rows.truncate(rows_max as usize);
        Ok(rows)
    })
}

pub(super) fn renewals_page(store: &MemoryStore, page: &RenewalPage) -> Result<Vec<RenewalRow>, StoreError> {
    store.read(|tables, _| {
        let paid = page.payment.as_ref().map(|payment| of_payment(tables, payment));
        let is_wanted = |row: &&Renewal| {
            page.state.is_none_or(|state| row.state == state)
                && page.subscription.as_ref().is_none_or(|id| row.subscription_id == *id)
                && paid.as_ref().is_none_or(|paid| paid.contains(&row.id))
                && page.business_date.is_none_or(|date| row.business_date == date)
                && page.before.is_none_or(|before| row.id < before)
        };
        let rows = tables.renewals().iter().rev().filter(is_wanted);
        Ok(rows.take(page.rows_max as usize).map(renewal).collect())
    })
}

/// The renewals that a payment id is, was, or paid for.
fn of_payment(tables: &Tables, payment: &PaymentId) -> BTreeSet<RenewalId> {
    let named = tables.renewals().iter().filter(|row| row.payment_id == *payment).map(|row| row.id);
    let retired = tables.retired.get(payment).map(|row| row.renewal_id);
    let money = tables.payments().get(payment.as_str()).and_then(|row| row.payment.renewal_id);
    named.chain(retired).chain(money).collect()
}

pub(super) fn timeline(store: &MemoryStore, id: &str) -> Result<Option<Timeline>, StoreError> {
    store.read(|tables, _| Ok(find(tables, id).and_then(|found| whole(tables, found))))
}

/// Which subscription is meant: by its id, a renewal's, or a payment's.
fn find<'t>(tables: &'t Tables, id: &str) -> Option<&'t Subscription> {
    let of = |id: RenewalId| tables.renewals().get(&id).and_then(|row| tables.subscription(&row.subscription_id));
    let by_uuid = || of(RenewalId(Uuid::parse_str(id).ok()?));
    let by_payment = || tables.renewals().iter().find(|row| row.payment_id.as_str() == id).and_then(|row| of(row.id));
    let by_retired = || of(tables.retired.get(&PaymentId::from(id))?.renewal_id);
    let by_money = || of(tables.payments().get(id)?.payment.renewal_id?);
    let itself = tables.subscriptions().get(id);
    itself.or_else(by_uuid).or_else(by_payment).or_else(by_retired).or_else(by_money)
}

fn whole(tables: &Tables, sub: &Subscription) -> Option<Timeline> {
    let id = SubscriptionId(sub.row.id.clone());
    let mut renewals: Vec<&Renewal> = tables.renewals().iter().filter(|row| row.subscription_id == id).collect();
    renewals.sort_by_key(|row| row.period_start);
    let mut payments: Vec<&Seen> = tables
        .payments()
        .iter()
        .filter(|row| row.payment.renewal_id.is_some_and(|paid| renewals.iter().any(|renewal| renewal.id == paid)))
        .collect();
    payments.sort_by_key(|row| row.recorded_at);
    let mut refunds: Vec<&Refund> = tables.refunds.iter().filter(|row| row.wanted.subscription_id == id).collect();
    refunds.sort_by_key(|row| row.wanted_at);
    let events = tables.events().iter().filter(|event| event.subscription_id.as_ref() == Some(&id));
    Some(Timeline {
        subscription: access(tables, sub),
        attempts: renewals.iter().flat_map(|row| tables.attempts_of(row.id)).map(attempt).collect(),
        renewals: renewals.into_iter().map(renewal).collect(),
        payments: payments.into_iter().map(payment).collect(),
        refunds: refunds.into_iter().map(refund).collect(),
        events: events.map(event).collect(),
        actions: actions_of(tables, &id),
        keys: tables.keys_of(&sub.row.customer_id).into_iter().map(key).collect(),
    })
}

/// A row of `subscription_access`.
pub(super) fn access(tables: &Tables, sub: &Subscription) -> AccessRow {
    let end = sub.row.current_period_end;
    let collected = tables
        .renewal_from(&sub.row.id, end)
        .filter(|renewal| matches!(renewal.state, State::Due | State::Charging | State::Unknown | State::Review));
    let keys = tables.keys_of(&sub.row.customer_id);
    let billing_key_state = match keys.iter().any(|key| key.is_usable()) {
        true => "usable",
        false if keys.is_empty() => "missing",
        false => "unusable",
    };
    AccessRow {
        subscription_id: sub.row.id.clone(),
        customer_id: sub.row.customer_id.clone(),
        plan_id: sub.row.plan_id.clone(),
        tier: sub.tier.clone(),
        status: sub.status.to_owned(),
        current_period_end: end,
        access_until: collected.map_or(end, |renewal| renewal.access_until.max(end)),
        cancel_at_period_end: sub.row.cancel_at_period_end,
        billing_key_state: billing_key_state.to_owned(),
    }
}

fn renewal(row: &Renewal) -> RenewalRow {
    RenewalRow {
        id: row.id.to_string(),
        subscription_id: row.subscription_id.0.clone(),
        plan_id: row.plan_id.0.clone(),
        business_date: row.business_date,
        period_start: row.period_start,
        period_end: row.period_end,
        amount: row.amount,
        currency: row.currency.clone(),
        state: row.state.as_str().to_owned(),
        payment_id: row.payment_id.0.clone(),
        attempt_count: row.attempt_count,
        decline_count: row.decline_count,
        next_attempt_at: row.next_attempt_at,
        next_look_up_at: row.next_look_up_at,
        waits_for_key: row.waits_for_key,
        access_until: row.access_until,
        review_reason: row.review_reason.clone(),
        canceled_during_charge: row.canceled_during_charge,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// An attempt as it is shown.
pub(super) fn attempt(row: &Attempt) -> AttemptRow {
    AttemptRow {
        id: row.id.to_string(),
        renewal_id: row.renewal_id.to_string(),
        run_id: row.run_id.to_string(),
        number: i64::from(row.number),
        payment_id: row.payment_id.0.clone(),
        billing_key_id: row.billing_key_id.0.clone(),
        channel_key: row.channel_key.clone(),
        pg_provider: row.pg_provider.clone(),
        state: row.state.as_str().to_owned(),
        started_at: row.started_at,
        settled_at: row.settled_at,
        transaction_id: row.transaction_id.clone(),
        pg_code: row.pg_code.clone(),
        pg_message: row.pg_message.clone(),
        decline_class: row.decline_class.map(|class| class.as_str().to_owned()),
        decline_reason: row.decline_reason.map(|reason| reason.as_str().to_owned()),
        note: row.note.clone(),
    }
}

fn payment(row: &Seen) -> PaymentRow {
    let seen = &row.payment;
    PaymentRow {
        payment_id: seen.payment_id.clone(),
        renewal_id: seen.renewal_id.map(|id| id.to_string()),
        status: seen.status.clone(),
        amount: seen.amount,
        currency: seen.currency.clone(),
        cancelled_amount: seen.cancelled_amount,
        pg_provider: seen.pg_provider.clone(),
        pg_tx_id: seen.pg_tx_id.clone(),
        paid_at: seen.paid_at,
        verified: seen.verified,
        recorded_at: row.recorded_at,
    }
}

fn refund(row: &Refund) -> RefundRow {
    let wanted = &row.wanted;
    RefundRow {
        payment_id: wanted.payment_id.0.clone(),
        renewal_id: wanted.renewal_id.to_string(),
        amount: wanted.amount,
        currency: wanted.currency.clone(),
        reason: wanted.reason.as_str().to_owned(),
        state: row.state.as_str().to_owned(),
        tries: i64::from(row.tries),
        next_try_at: row.next_try_at,
        note: row.note.clone(),
        wanted_at: row.wanted_at,
        updated_at: row.updated_at,
        number: i64::from(wanted.number),
        reference: wanted.reference.clone(),
        left_after: wanted.left_after,
    }
}

fn actions_of(tables: &Tables, id: &SubscriptionId) -> Vec<ActionRow> {
    let mut rows: Vec<&Action> =
        tables.actions().iter().filter(|row| row.subscription_id.as_ref() == Some(id)).collect();
    rows.sort_by_key(|row| (row.created_at, row.id));
    rows.into_iter().map(action).collect()
}

/// What somebody did, as it is shown.
pub(super) fn action(row: &Action) -> ActionRow {
    ActionRow {
        id: row.id.to_string(),
        kind: row.kind.as_str().to_owned(),
        actor: row.actor.clone(),
        reason: row.reason.clone(),
        evidence: row.evidence.clone(),
        subscription_id: row.subscription_id.as_ref().map(ToString::to_string),
        renewal_id: row.renewal_id.map(|id| id.to_string()),
        payment_id: row.payment_id.as_ref().map(ToString::to_string),
        run_id: row.run_id.map(|id| id.to_string()),
        details: row.details.clone(),
        created_at: row.created_at,
    }
}

fn key(row: &BillingKey) -> KeyRow {
    KeyRow {
        id: row.id.clone(),
        channel_key: row.channel_key.clone(),
        pg_provider: row.pg_provider.clone(),
        state: if row.is_usable() { "usable" } else { "unusable" }.to_owned(),
        unusable_reason: row.unusable_reason.clone(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn event(row: &Event) -> EventRow {
    EventRow {
        id: row.id.to_string(),
        kind: row.kind.as_str().to_owned(),
        renewal_id: row.renewal_id.map(|id| id.to_string()),
        payload: row.payload.clone(),
        created_at: row.created_at,
    }
}
