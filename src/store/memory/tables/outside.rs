//! The tables that the API service writes, with their constraints.

use super::Tables;
use super::constraints::refused;
use crate::domain::money::MINOR_MAX;
use crate::store::StoreError;
use crate::store::memory::rows::{BillingKey, Customer, Plan, Subscription};

const NEW_KEY: &str = "a new billing key is a new row of billing_keys";

impl Tables {
    /// Adds a plan, or changes it.
    pub fn put_plan(&mut self, row: Plan) -> Result<(), StoreError> {
        named("plans", &row.id)?;
        amount("plans", &row.id, row.amount)?;
        self.plans.put(row.id.clone(), row);
        Ok(())
    }

    /// Deletes a plan that no subscription is on.
    pub fn remove_plan(&mut self, id: &str) -> Result<(), StoreError> {
        let is_on = |sub: &Subscription| sub.row.plan_id == id || sub.row.next_plan_id.as_deref() == Some(id);
        if self.subscriptions.iter().any(is_on) {
            return refused("plans", id, "subscriptions are on it");
        }
        self.plans.remove(id.to_owned());
        Ok(())
    }

    pub fn put_customer(&mut self, row: Customer) -> Result<(), StoreError> {
        named("customers", &row.id)?;
        self.customers.put(row.id.clone(), row);
        Ok(())
    }

    /// Adds a billing key, or changes its row: the key itself stays.
    pub fn put_key(&mut self, row: BillingKey) -> Result<(), StoreError> {
        named("billing_keys", &row.id)?;
        if row.billing_key.expose().is_empty() {
            return refused("billing_keys", row.id, "it has no billing key");
        }
        if !self.customers.has(&row.customer_id) {
            return refused("billing_keys", row.id, "there is no such customer");
        }
        if self.billing_keys.get(&row.id).is_some_and(|before| before.billing_key != row.billing_key) {
            return refused("billing_keys", row.id, NEW_KEY);
        }
        self.billing_keys.put(row.id.clone(), row);
        Ok(())
    }

    /// Deletes a billing key that is not being charged.
    pub fn remove_key(&mut self, id: &str) -> Result<(), StoreError> {
        if self.open_attempts().any(|(attempt, ..)| attempt.billing_key_id.as_str() == id) {
            return refused("billing_keys", id, "this billing key is being charged: set its state to unusable instead");
        }
        self.billing_keys.remove(id.to_owned());
        Ok(())
    }

    /// Adds a subscription, or changes it.
    pub fn put_subscription(&mut self, row: Subscription) -> Result<(), StoreError> {
        let (table, id) = ("subscriptions", &row.row.id);
        named(table, id)?;
        if !self.customers.has(&row.row.customer_id) {
            return refused(table, id, "there is no such customer");
        }
        let plans = std::iter::once(&row.row.plan_id).chain(&row.row.next_plan_id);
        if plans.into_iter().any(|plan| !self.plans.has(plan)) {
            return refused(table, id, "there is no such plan");
        }
        if !(1..=31).contains(&row.row.anchor_day) {
            return refused(table, id, "its anchor day is not one of a month");
        }
        if row.row.current_period_start >= row.row.current_period_end {
            return refused(table, id, "its period ends before it starts");
        }
        self.subscriptions.put(id.clone(), row);
        Ok(())
    }

    /// Changes a subscription, if it is there.
    pub fn change_subscription(&mut self, id: &str, change: impl FnOnce(&mut Subscription)) -> Result<(), StoreError> {
        let Some(mut row) = self.subscriptions.get(id).cloned() else { return Ok(()) };
        change(&mut row);
        self.put_subscription(row)
    }

    /// Changes a billing key's row, if it is there.
    pub fn change_key(&mut self, id: &str, change: impl FnOnce(&mut BillingKey)) -> Result<(), StoreError> {
        let Some(mut row) = self.billing_keys.get(id).cloned() else { return Ok(()) };
        let key = row.billing_key.clone();
        change(&mut row);
        if row.billing_key != key {
            return refused("billing_keys", id, NEW_KEY);
        }
        if row.id != id {
            self.billing_keys.remove(id.to_owned());
        }
        self.put_key(row)
    }
}

fn named(table: &'static str, id: &str) -> Result<(), StoreError> {
    if id.is_empty() { refused(table, id, "its id is empty") } else { Ok(()) }
}

/// An amount in minor units that the databases take.
pub(super) fn amount(table: &'static str, key: impl ToString, amount: i64) -> Result<(), StoreError> {
    if (1..=MINOR_MAX).contains(&amount) { Ok(()) } else { refused(table, key, "its amount is out of range") }
}
