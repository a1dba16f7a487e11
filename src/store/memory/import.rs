//! Rows that the API service would write, in bulk and all or nothing.

use super::MemoryStore;
use super::rows::{BillingKey, KeyState, Subscription};
use super::tables::Tables;
use crate::store::{BillingKeyRow, ImportBatch, ImportRefs, StoreError, SubscriptionRow};
use chrono::{DateTime, Utc};

pub(super) fn import(store: &MemoryStore, batch: ImportBatch) -> Result<(), StoreError> {
    store.write(|tables, now| {
        batch.plans.into_iter().try_for_each(|row| tables.put_plan(row))?;
        batch.customers.into_iter().try_for_each(|row| tables.put_customer(row))?;
        batch.billing_keys.into_iter().try_for_each(|row| import_key(tables, row, now))?;
        batch.subscriptions.into_iter().try_for_each(|row| import_subscription(tables, row, now))
    })
}

/// A key that the gateway called unusable stays so: importing it again does not bring it back.
pub(super) fn import_key(tables: &mut Tables, row: BillingKeyRow, now: DateTime<Utc>) -> Result<(), StoreError> {
    let before = tables.billing_keys().get(&row.id);
    let state = before.map_or(KeyState::Usable, |before| before.state);
    let unusable_reason = before.and_then(|before| before.unusable_reason.clone());
    let created_at = before.map_or(now, |before| before.created_at);
    tables.put_key(BillingKey {
        id: row.id,
        customer_id: row.customer_id,
        billing_key: row.billing_key,
        channel_key: row.channel_key,
        pg_provider: row.pg_provider,
        state,
        unusable_reason,
        created_at,
        updated_at: now,
    })
}

/// A period that was paid for is not taken back: an imported period counts only where it ends later.
fn import_subscription(tables: &mut Tables, mut row: SubscriptionRow, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Some(plan) = tables.plans().get(&row.plan_id) else { return Ok(()) };
    let (mut tier, mut status) = (plan.tier.clone(), "active");
    if let Some(before) = tables.subscriptions().get(&row.id)
        && row.current_period_end <= before.row.current_period_end
    {
        status = before.status;
        row.current_period_start = before.row.current_period_start;
        row.current_period_end = before.row.current_period_end;
        if status == "downgraded" {
            tier.clone_from(&before.tier);
        }
    }
    tables.put_subscription(Subscription { row, tier, status, updated_at: now })
}

pub(super) fn known_ids(store: &MemoryStore, ids: &ImportRefs) -> Result<ImportRefs, StoreError> {
    store.read(|tables, _| {
        let plans = ids.plans.iter().filter(|id| tables.plans().has(*id));
        let customers = ids.customers.iter().filter(|id| tables.customers().has(*id));
        Ok(ImportRefs { plans: plans.cloned().collect(), customers: customers.cloned().collect() })
    })
}
