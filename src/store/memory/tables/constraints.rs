//! What may be written: the constraints and triggers of the SQL schema.

use super::Tables;
use crate::domain::attempt::AttemptState;
use crate::domain::ids::{AttemptId, RenewalId};
use crate::domain::renewal::State;
use crate::store::StoreError;
use crate::store::memory::rows::{Action, Attempt, Event, Renewal, Seen};
use crate::store::memory::table::Table;

/// A constraint's no.
pub(super) fn refused<T>(table: &'static str, key: impl ToString, problem: &str) -> Result<T, StoreError> {
    Err(StoreError::Row { table, key: key.to_string(), problem: problem.to_owned() })
}

impl Tables {
    /// Adds a renewal; `false`, and nothing, if there is one of that id, period or payment id. With `is_free`, only the
    /// id counts.
    pub fn add_renewal(&mut self, row: Renewal, is_free: bool) -> Result<bool, StoreError> {
        let period = (row.subscription_id.clone(), row.period_start);
        let is_taken = self.periods.has(&period) || self.payment_ids.has(&row.payment_id);
        if self.renewals.has(&row.id) || (is_taken && !is_free) {
            return Ok(false);
        }
        if self.subscription(&row.subscription_id).is_none() {
            return refused("renewals", row.id, "there is no such subscription");
        }
        complete(&row)?;
        self.periods.put(period, row.id);
        self.payment_ids.put(row.payment_id.clone(), row.id);
        self.renewals.put(row.id, row);
        Ok(true)
    }

    /// Changes a renewal, if it is there. Its subscription and period stay.
    pub fn change_renewal(&mut self, id: RenewalId, change: impl FnOnce(&mut Renewal)) -> Result<(), StoreError> {
        let Some(before) = self.renewals.get(&id) else { return Ok(()) };
        let (state, payment_id) = (before.state, before.payment_id.clone());
        self.renewals.change(&id, change);
        let Some(row) = self.renewals.get(&id) else { return Ok(()) };
        let is_final = matches!(state, State::Paid | State::Refunded) && row.state != state;
        if is_final && (state, row.state) != (State::Paid, State::Refunded) {
            return refused("renewals", id, "a paid or refunded renewal is never charged again");
        }
        complete(row)?;
        if row.payment_id != payment_id {
            let new = row.payment_id.clone();
            if self.payment_ids.has(&new) {
                return refused("renewals", id, "renewals_one_payment_id");
            }
            self.payment_ids.remove(payment_id);
            self.payment_ids.put(new, id);
        }
        Ok(())
    }

    /// Adds an attempt: at most one of a renewal is open, and numbers and idempotency keys are used once.
    pub fn add_attempt(&mut self, row: Attempt) -> Result<(), StoreError> {
        if !self.renewals.has(&row.renewal_id) {
            return refused("attempts", row.id, "there is no such renewal");
        }
        if self.attempts.has(&row.id) {
            return refused("attempts", row.id, "is there already");
        }
        if row.state == AttemptState::Open {
            unique("attempts_one_open", &mut self.open, row.renewal_id, row.id)?;
        }
        unique("attempts_one_number", &mut self.numbers, (row.renewal_id, row.number), row.id)?;
        unique("attempts_one_idempotency_key", &mut self.idempotency_keys, row.idempotency_key.clone(), row.id)?;
        settled(&row)?;
        self.tried.put((row.billing_key_id.clone(), row.id), row.id);
        self.attempts.put(row.id, row);
        Ok(())
    }

    /// Changes an attempt, if it is there: what it sends is frozen, and one that is closed stays as it is.
    pub fn change_attempt(&mut self, id: AttemptId, change: impl FnOnce(&mut Attempt)) -> Result<(), StoreError> {
        let Some(before) = self.attempts.get(&id).cloned() else { return Ok(()) };
        if before.state != AttemptState::Open {
            return refused("attempts", id, "an attempt that is closed does not change");
        }
        self.attempts.change(&id, change);
        let Some(row) = self.attempts.get(&id) else { return Ok(()) };
        if sent(row) != sent(&before) {
            return refused("attempts", id, "what an attempt sends is frozen");
        }
        settled(row)?;
        if row.state != AttemptState::Open {
            self.open.remove(before.renewal_id);
        }
        Ok(())
    }

    /// Records money, once per payment id. Rows are only ever added: there is no other way to write this table.
    pub fn add_payment(&mut self, row: Seen) {
        if !self.payments.has(&row.payment.payment_id) {
            self.payments.put(row.payment.payment_id.clone(), row);
        }
    }

    /// Keeps a sight of a payment; the same sight is kept once.
    pub fn add_observation(&mut self, row: Seen) {
        let seen = &row.payment;
        let sight =
            (seen.payment_id.clone(), seen.status.clone(), seen.cancelled_amount, seen.verified, seen.seen_by.clone());
        let number = self.observations.len();
        if !self.sights.has(&sight) {
            self.sights.put(sight, number);
            self.observations.put(number, row);
        }
    }

    /// Records what somebody did. Rows are only ever added: there is no other way to write this table.
    pub fn add_action(&mut self, row: Action) -> Result<(), StoreError> {
        if self.actions.has(&row.id) || row.actor.is_empty() {
            return refused("actions", row.id, "is there already, or names nobody");
        }
        self.actions.put(row.id, row);
        Ok(())
    }

    /// Tells events, each once.
    pub fn tell<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) -> Result<(), StoreError> {
        for event in events {
            if self.told.has(&event.dedupe) {
                continue;
            }
            if self.events.has(&event.id) {
                return refused("events", event.id, "is there already, and tells something else");
            }
            self.told.put(event.dedupe.clone(), event.id);
            self.events.put(event.id, event.clone());
            self.outbox.put(event.id, event.id);
        }
        Ok(())
    }
}

fn unique<K: Ord + Clone>(
    name: &'static str,
    index: &mut Table<K, AttemptId>,
    key: K,
    id: AttemptId,
) -> Result<(), StoreError> {
    if index.has(&key) {
        return refused("attempts", id, name);
    }
    index.put(key, id);
    Ok(())
}

fn complete(row: &Renewal) -> Result<(), StoreError> {
    let is_complete = row.amount.is_some() && row.currency.is_some() && row.period_end.is_some();
    if !is_complete && !matches!(row.state, State::Review | State::Canceled | State::Lapsed) {
        return refused("renewals", row.id, "renewals_complete");
    }
    if (row.state == State::Charging) != row.lease_until.is_some() {
        return refused("renewals", row.id, "renewals_leased");
    }
    if row.period_end.is_some_and(|end| end <= row.period_start) {
        return refused("renewals", row.id, "renewals_period");
    }
    match row.amount {
        Some(amount) => super::outside::amount("renewals", row.id, amount),
        None => Ok(()),
    }
}

fn settled(row: &Attempt) -> Result<(), StoreError> {
    if (row.state == AttemptState::Open) == row.settled_at.is_none() {
        return Ok(());
    }
    refused("attempts", row.id, "attempts_settled")
}

/// What an attempt sends.
fn sent(row: &Attempt) -> impl PartialEq + '_ {
    (&row.payment_id, row.number, &row.idempotency_key, &row.billing_key_id, &row.request_body)
}
