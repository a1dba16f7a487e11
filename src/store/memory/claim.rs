//! Claiming: the decision under the lock, and attempts that are in the tables before anything is sent.

use super::open::past;
use super::plan::{change, is_asked_for};
use super::rows::{Attempt, Renewal};
use super::tables::Tables;
use super::{Guard, MemoryStore};
use crate::domain::attempt::AttemptState;
use crate::domain::charge::{self, Payer};
use crate::domain::claim::{ClaimFacts, KeyFacts};
use crate::domain::ids::{BillingKeyId, RenewalId};
use crate::domain::key_turn::{KeyTry, matters_since};
use crate::domain::renewal::State;
use crate::store::rows::PROTOCOL_VERSION;
use crate::store::rows::claimed::{Locked, Written};
use crate::store::{ClaimDecider, ClaimRequest, Claimed, GivenBack, StoreError};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

pub(super) fn claim(store: &MemoryStore, request: &ClaimRequest, decide: &ClaimDecider) -> Result<Claimed, StoreError> {
    let sees_cancellation = !store.is_left_out(Guard::CancelUnderLock);
    let written = store.write(|tables, now| {
        if tables.is_paused() && !store.is_left_out(Guard::KillSwitch) {
            return Ok(Written { paused: true, ..Written::default() });
        }
        let locked = due(tables, request, now).into_iter().filter_map(|row| lock(tables, row, sees_cancellation, now));
        let mut written = Written::decided(locked, &**decide);
        written.paused = written.seen == 0 && tables.is_paused();
        for attempt in &written.attempts {
            record(tables, attempt)?;
        }
        let kept: BTreeSet<RenewalId> = change(tables, &written.changed, now)?.into_iter().collect();
        written.changed.retain(|change| kept.contains(&change.renewal_id));
        Ok(written)
    })?;
    Ok(written.committed())
}

/// What may be claimed now, in the order in which it is due.
fn due<'t>(tables: &'t Tables, request: &ClaimRequest, now: DateTime<Utc>) -> Vec<&'t Renewal> {
    let only = request.only.as_deref();
    let keyed = tables.renewals().iter().filter_map(|row| {
        let key = (row.next_attempt_at.filter(|at| row.state == State::Due && *at <= now)?, row.id);
        let is_wanted =
            request.after.is_none_or(|after| key > after) && is_asked_for(only, row.subscription_id.as_str());
        is_wanted.then_some((key, row))
    });
    let mut due: Vec<_> = keyed.collect();
    due.sort_by_key(|(key, _)| *key);
    due.into_iter().take(request.rows_max as usize).map(|(_, row)| row).collect()
}

fn lock(tables: &Tables, row: &Renewal, sees_cancellation: bool, now: DateTime<Utc>) -> Option<Locked> {
    let next_attempt_at = row.next_attempt_at?;
    Some(Locked {
        now,
        renewal_id: row.id,
        subscription_id: row.subscription_id.clone(),
        next_attempt_at,
        facts: facts(tables, row, next_attempt_at, sees_cancellation, now),
    })
}

fn facts(
    tables: &Tables,
    row: &Renewal,
    next_attempt_at: DateTime<Utc>,
    sees_cancellation: bool,
    now: DateTime<Utc>,
) -> Result<ClaimFacts, String> {
    let sub = tables.subscription(&row.subscription_id).ok_or("it has no subscription")?;
    let customer = tables.customers().get(row.customer_id.as_str());
    let payer = customer.map_or_else(Payer::default, |customer| Payer {
        name: customer.name.clone(),
        email: customer.email.clone(),
        phone: customer.phone.clone(),
    });
    let keys = tables.keys_of(row.customer_id.as_str()).into_iter().map(|key| KeyFacts {
        id: BillingKeyId(key.id.clone()),
        key: key.billing_key.clone(),
        channel_key: key.channel_key.clone(),
        pg_provider: key.pg_provider.clone(),
        usable: key.is_usable(),
        is_held: false,
        tries: Vec::new(),
    });
    let mut keys: Vec<KeyFacts> = keys.collect();
    if let Some(key) = keys.iter_mut().find(|key| key.usable) {
        key.tries = tries(tables, row.id, &key.id, now);
    }
    Ok(ClaimFacts {
        renewal_id: row.id,
        subscription_id: row.subscription_id.clone(),
        customer_id: row.customer_id.clone(),
        plan_id: row.plan_id.clone(),
        payment_id: row.payment_id.clone(),
        series: row.series,
        amount: row.amount.ok_or("it has no amount")?,
        currency: row.currency.clone().ok_or("it has no currency")?,
        order_name: row.order_name.clone(),
        period_start: row.period_start,
        period_end: row.period_end.ok_or("it has no end of the period")?,
        access_until: row.access_until,
        next_attempt_at,
        lease_epoch: row.lease_epoch,
        unsettled_claims: u32::try_from(row.unsettled_claims).unwrap_or(u32::MAX),
        cancel_at_period_end: sub.row.cancel_at_period_end && sees_cancellation,
        period_is_next: sub.is_at(row.period_start) || (row.is_commanded(now) && sub.ends_at(row.period_start)),
        commanded: row.is_commanded(now),
        payer,
        keys,
        attempts: tables.attempts_of(row.id).map(past).collect(),
        now,
    })
}

/// What was tried with a key lately for other renewals. What took money or was not sent is no matter.
fn tries(tables: &Tables, renewal: RenewalId, key: &BillingKeyId, now: DateTime<Utc>) -> Vec<KeyTry> {
    let since = matters_since(now);
    let is_other = |past: &&Attempt| {
        past.renewal_id != renewal
            && past.started_at >= since
            && matches!(past.state, AttemptState::Open | AttemptState::Declined)
    };
    let under_way = |past: &Attempt| {
        tables.renewals().get(&past.renewal_id).is_some_and(|renewal| renewal.state == State::Charging)
    };
    let one = |past: &Attempt| KeyTry {
        state: past.state,
        class: past.decline_class,
        under_way: under_way(past),
        started_at: past.started_at,
        settled_at: past.settled_at,
    };
    tables.tries_of(key).filter(is_other).map(one).collect()
}

/// Writes the lease and the attempt.
fn record(tables: &mut Tables, attempt: &charge::Attempt) -> Result<(), StoreError> {
    tables.change_renewal(attempt.renewal.id, |row| {
        row.state = State::Charging;
        row.lease_epoch = attempt.lease_epoch;
        row.lease_until = Some(attempt.lease_until);
        row.unsettled_claims += 1;
        row.attempt_count += 1;
        row.updated_at = attempt.started_at;
    })?;
    tables.add_attempt(Attempt {
        id: attempt.id,
        renewal_id: attempt.renewal.id,
        run_id: attempt.run_id,
        number: attempt.number,
        payment_id: attempt.renewal.payment_id.clone(),
        series: attempt.renewal.series,
        idempotency_key: attempt.idempotency_key.clone(),
        billing_key_id: attempt.billing_key_id.clone(),
        channel_key: attempt.channel_key.clone(),
        pg_provider: attempt.pg_provider.clone(),
        request_body: attempt.request.body.clone(),
        request_hash: attempt.request.hash.clone(),
        protocol_version: PROTOCOL_VERSION,
        state: AttemptState::Open,
        started_at: attempt.started_at,
        settled_at: None,
        settled_epoch: None,
        transaction_id: None,
        pg_code: None,
        pg_message: None,
        decline_class: None,
        decline_reason: None,
        decline_matched_by: None,
        note: None,
    })
}

pub(super) fn give_back(store: &MemoryStore, given: &[GivenBack]) -> Result<(), StoreError> {
    store.write(|tables, now| given.iter().try_for_each(|back| release(tables, back, now)))
}

fn release(tables: &mut Tables, back: &GivenBack, now: DateTime<Utc>) -> Result<(), StoreError> {
    let is_held = |row: &Renewal| row.state == State::Charging && row.lease_epoch == back.lease_epoch;
    if !tables.renewals().get(&back.renewal_id).is_some_and(is_held) {
        return Ok(());
    }
    if tables.attempts().get(&back.attempt_id).is_some_and(|attempt| attempt.state == AttemptState::Open) {
        tables.change_attempt(back.attempt_id, |row| {
            row.state = AttemptState::NotCharged;
            row.settled_at = Some(now);
            row.settled_epoch = Some(back.lease_epoch);
            row.note = Some(back.note.clone());
        })?;
    }
    tables.change_renewal(back.renewal_id, |row| {
        row.state = State::Due;
        row.lease_until = None;
        row.unsettled_claims = (row.unsettled_claims - 1).max(0);
        row.attempt_count = (row.attempt_count - 1).max(0);
        row.updated_at = now;
    })
}
