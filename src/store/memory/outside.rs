//! The tables as others use them: the API service, which writes some of them, and an auditor, who reads them all.

use super::import::import_key;
use super::rows::{Attempt, BillingKey, Event, KeyState, Renewal, Retired, Seen, Subscription};
use super::tables::Tables;
use super::{MemoryStore, read};
use crate::domain::ids::{AttemptId, RenewalId};
use crate::store::read::AccessRow;
use crate::store::{BillingKeyRow, PlanRow, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// A row of the view `renewal_results`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RenewalResult {
    pub subscription_id: String,
    pub renewal_id: String,
    pub period_start: DateTime<Utc>,
    pub period_end: Option<DateTime<Utc>>,
    /// Minor units.
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub state: &'static str,
    pub payment_id: String,
    pub pg_tx_id: Option<String>,
    pub paid_at: Option<DateTime<Utc>>,
    pub attempt_count: i64,
    pub last_decline_class: Option<&'static str>,
    pub last_decline_reason: Option<&'static str>,
    pub last_pg_code: Option<String>,
    pub last_pg_message: Option<String>,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
}

/// What the API service writes. A row that is not there is no error, as in SQL.
impl MemoryStore {
    /// Cancels a subscription, or takes the cancellation back.
    ///
    /// # Errors
    /// [`StoreError::Schema`] before the migration.
    pub fn set_cancel_at_period_end(&self, subscription: &str, cancel: bool) -> Result<(), StoreError> {
        self.change_subscription(subscription, |row| row.row.cancel_at_period_end = cancel)
    }

    /// Changes the plan with the next renewal; `None` takes the change back.
    ///
    /// # Errors
    /// [`StoreError::Row`] if there is no such plan.
    pub fn set_next_plan(&self, subscription: &str, plan: Option<&str>) -> Result<(), StoreError> {
        self.change_subscription(subscription, |row| row.row.next_plan_id = plan.map(str::to_owned))
    }

    /// Changes anything about a subscription, as somebody with SQL could.
    ///
    /// # Errors
    /// [`StoreError::Row`] for what the constraints refuse.
    pub fn change_subscription(&self, id: &str, change: impl FnOnce(&mut Subscription)) -> Result<(), StoreError> {
        self.write(|tables, _| tables.change_subscription(id, change))
    }

    /// Adds a plan, or changes it: a price in minor units, for renewals that are planned later.
    ///
    /// # Errors
    /// [`StoreError::Row`] for what the constraints refuse.
    pub fn put_plan(&self, plan: PlanRow) -> Result<(), StoreError> {
        self.write(|tables, _| tables.put_plan(plan))
    }

    /// Changes a plan's price, in minor units, for renewals that are planned later.
    ///
    /// # Errors
    /// [`StoreError::Row`] for an amount that is out of range.
    pub fn set_price(&self, plan: &str, amount: i64) -> Result<(), StoreError> {
        self.write(|tables, _| match tables.plans().get(plan).cloned() {
            Some(row) => tables.put_plan(PlanRow { amount, ..row }),
            None => Ok(()),
        })
    }

    /// Deletes a plan.
    ///
    /// # Errors
    /// [`StoreError::Row`] while subscriptions are on it.
    pub fn remove_plan(&self, plan: &str) -> Result<(), StoreError> {
        self.write(|tables, _| tables.remove_plan(plan))
    }

    /// Adds a billing key, which is the newest from now on.
    ///
    /// # Errors
    /// [`StoreError::Row`] if there is no such customer, or the row has another key.
    pub fn add_billing_key(&self, key: BillingKeyRow) -> Result<(), StoreError> {
        self.write(|tables, now| import_key(tables, key, now))
    }

    /// Marks a key as one that cannot be charged, or as usable again.
    ///
    /// # Errors
    /// [`StoreError::Schema`] before the migration.
    pub fn set_key_usable(&self, key: &str, usable: bool) -> Result<(), StoreError> {
        self.change_billing_key(key, |row| {
            row.state = if usable { KeyState::Usable } else { KeyState::Unusable };
        })
    }

    /// Changes anything about a billing key's row but the key.
    ///
    /// # Errors
    /// [`StoreError::Row`] for what the constraints refuse.
    pub fn change_billing_key(&self, id: &str, change: impl FnOnce(&mut BillingKey)) -> Result<(), StoreError> {
        self.write(|tables, _| tables.change_key(id, change))
    }

    /// Deletes a billing key.
    ///
    /// # Errors
    /// [`StoreError::Row`] while it is being charged.
    pub fn remove_billing_key(&self, id: &str) -> Result<(), StoreError> {
        self.write(|tables, _| tables.remove_key(id))
    }
}

/// What nobody should write, and somebody with SQL could try: the constraints are the same.
impl MemoryStore {
    /// Changes anything about a renewal but its subscription and its period.
    ///
    /// # Errors
    /// [`StoreError::Row`] for what the constraints refuse, such as a paid renewal that is to be due again.
    pub fn change_renewal(&self, id: RenewalId, change: impl FnOnce(&mut Renewal)) -> Result<(), StoreError> {
        self.write(|tables, _| tables.change_renewal(id, change))
    }

    /// Changes anything about an open attempt but what it sends.
    ///
    /// # Errors
    /// [`StoreError::Row`] for what the constraints refuse, such as any change of a closed attempt.
    pub fn change_attempt(&self, id: AttemptId, change: impl FnOnce(&mut Attempt)) -> Result<(), StoreError> {
        self.write(|tables, _| tables.change_attempt(id, change))
    }

    /// Adds an attempt.
    ///
    /// # Errors
    /// [`StoreError::Row`] for what the constraints refuse, such as a second open attempt of a renewal.
    pub fn add_attempt(&self, row: Attempt) -> Result<(), StoreError> {
        self.write(|tables, _| tables.add_attempt(row))
    }
}

/// What an auditor reads, and the views of the API service. Lists are in order of their keys; rows are shared.
impl MemoryStore {
    /// The view `renewal_results`.
    pub fn renewal_results(&self) -> Vec<RenewalResult> {
        self.lock().renewals().iter().map(RenewalResult::from).collect()
    }

    /// The view `subscription_access`.
    pub fn subscription_access(&self) -> Vec<AccessRow> {
        let tables = self.lock();
        tables.subscriptions().iter().map(|sub| read::access(&tables, sub)).collect()
    }

    pub fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        self.lock().subscriptions().shared()
    }

    pub fn billing_keys(&self) -> Vec<Arc<BillingKey>> {
        self.lock().billing_keys().shared()
    }

    pub fn renewals(&self) -> Vec<Arc<Renewal>> {
        self.lock().renewals().shared()
    }

    pub fn attempts(&self) -> Vec<Arc<Attempt>> {
        self.lock().attempts().shared()
    }

    pub fn payments(&self) -> Vec<Arc<Seen>> {
        self.lock().payments().shared()
    }

    pub fn observations(&self) -> Vec<Arc<Seen>> {
        self.lock().observations().shared()
    }

    pub fn retired_payments(&self) -> Vec<Arc<Retired>> {
        self.lock().retired.shared()
    }

    pub fn events(&self) -> Vec<Arc<Event>> {
        self.lock().events().shared()
    }

    /// Any table or view by its name in the SQL schema, as JSON with its columns; empty for a name that is none.
    pub fn rows(&self, table: &str) -> Vec<Value> {
        match table {
            "renewal_results" => json(self.renewal_results()),
            "subscription_access" => json(self.subscription_access()),
            _ => stored(&self.lock(), table),
        }
    }
}

fn stored(tables: &Tables, table: &str) -> Vec<Value> {
    match table {
        "plans" => json(tables.plans().iter()),
        "customers" => json(tables.customers().iter()),
        "billing_keys" => json(tables.billing_keys().iter()),
        "subscriptions" => json(tables.subscriptions().iter()),
        "renewals" => json(tables.renewals().iter()),
        "attempts" => json(tables.attempts().iter()),
        "payments" => json(tables.payments().iter()),
        "observations" => json(tables.observations().iter()),
        "retired_payments" => json(tables.retired.iter()),
        "refunds" => json(tables.refunds.iter()),
        "actions" => json(tables.actions().iter()),
        "events" => json(tables.events().iter()),
        "look_aheads" => json(tables.look_aheads.iter()),
        "outbox" => json(tables.outbox.iter().map(|id| serde_json::json!({ "event_id": id }))),
        "deliveries" => json(tables.deliveries.iter()),
        "webhooks" => json(tables.webhooks.iter()),
        "runs" => json(tables.runs.iter()),
        "coverage_runs" => json(tables.coverage.iter()),
        _ => Vec::new(),
    }
}

fn json<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Vec<Value> {
    rows.into_iter().filter_map(|row| serde_json::to_value(row).ok()).collect()
}

impl From<&Renewal> for RenewalResult {
    fn from(row: &Renewal) -> Self {
        Self {
            subscription_id: row.subscription_id.0.clone(),
            renewal_id: row.id.to_string(),
            period_start: row.period_start,
            period_end: row.period_end,
            amount: row.amount,
            currency: row.currency.clone(),
            state: row.state.as_str(),
            payment_id: row.payment_id.0.clone(),
            pg_tx_id: row.pg_tx_id.clone(),
            paid_at: row.paid_at,
            attempt_count: row.attempt_count,
            last_decline_class: row.last_decline_class.map(|class| class.as_str()),
            last_decline_reason: row.last_decline_reason.map(|reason| reason.as_str()),
            last_pg_code: row.last_pg_code.clone(),
            last_pg_message: row.last_pg_message.clone(),
            next_attempt_at: row.next_attempt_at,
            updated_at: row.updated_at,
        }
    }
}
