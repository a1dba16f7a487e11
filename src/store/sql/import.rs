//! Rows that the API service would write, in bulk and all or nothing.

use super::SqlStore;
use super::rows::bulk;
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param, Statement, as_stamp};
use crate::store::{BillingKeyRow, ImportBatch, ImportRefs, StoreError, SubscriptionRow};
use chrono::{DateTime, Utc};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct BillingKeyOut<'a> {
    id: &'a str,
    customer_id: &'a str,
    billing_key: &'a str,
    channel_key: Option<&'a str>,
    pg_provider: Option<&'a str>,
}

impl<'a> From<&'a BillingKeyRow> for BillingKeyOut<'a> {
    fn from(row: &'a BillingKeyRow) -> Self {
        Self {
            id: &row.id,
            customer_id: &row.customer_id,
            billing_key: row.billing_key.expose(),
            channel_key: row.channel_key.as_deref(),
            pg_provider: row.pg_provider.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct SubscriptionOut<'a> {
    id: &'a str,
    customer_id: &'a str,
    plan_id: &'a str,
    next_plan_id: Option<&'a str>,
    #[serde(serialize_with = "as_stamp")]
    current_period_start: DateTime<Utc>,
    #[serde(serialize_with = "as_stamp")]
    current_period_end: DateTime<Utc>,
    anchor_day: i64,
    cancel_at_period_end: bool,
}

impl<'a> From<&'a SubscriptionRow> for SubscriptionOut<'a> {
    fn from(row: &'a SubscriptionRow) -> Self {
        Self {
            id: &row.id,
            customer_id: &row.customer_id,
            plan_id: &row.plan_id,
            next_plan_id: row.next_plan_id.as_deref(),
            current_period_start: row.current_period_start,
            current_period_end: row.current_period_end,
            anchor_day: row.anchor_day,
            cancel_at_period_end: row.cancel_at_period_end,
        }
    }
}

/// The tables in the order in which they refer to each other.
struct Import {
    tables: Vec<(&'static Statement, Param)>,
}

impl Step for Import {
    const NAME: &'static str = "importing";
    const LANE: Lane = Lane::Write;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let now = tx.now_param().await?;
        for (statement, rows) in &self.tables {
            tx.execute(statement, &[rows.clone(), now.clone()]).await?;
        }
        Ok(())
    }
}

pub(super) async fn import(store: &SqlStore, batch: ImportBatch) -> Result<(), StoreError> {
    let keys: Vec<BillingKeyOut<'_>> = batch.billing_keys.iter().map(BillingKeyOut::from).collect();
    let subscriptions: Vec<SubscriptionOut<'_>> = batch.subscriptions.iter().map(SubscriptionOut::from).collect();
    let tables = vec![
        (&statement::IMPORT_PLANS, bulk(&batch.plans)?),
        (&statement::IMPORT_CUSTOMERS, bulk(&batch.customers)?),
        (&statement::IMPORT_BILLING_KEYS, bulk(&keys)?),
        (&statement::IMPORT_SUBSCRIPTIONS, bulk(&subscriptions)?),
    ];
    store.perform(Import { tables }).await
}

struct Known {
    plans: Param,
    customers: Param,
}

#[derive(sqlx::FromRow)]
struct KnownRow {
    kind: String,
    id: String,
}

impl Step for Known {
    const NAME: &'static str = "looking up ids";
    const LANE: Lane = Lane::Read;
    type Output = Vec<KnownRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<KnownRow>, StoreError> {
        tx.rows(&statement::KNOWN_IDS, &[self.plans.clone(), self.customers.clone()]).await
    }
}

pub(super) async fn known_ids(store: &SqlStore, ids: &ImportRefs) -> Result<ImportRefs, StoreError> {
    let (plans, customers): (Vec<&String>, Vec<&String>) = (ids.plans.iter().collect(), ids.customers.iter().collect());
    let rows = store.perform(Known { plans: bulk(&plans)?, customers: bulk(&customers)? }).await?;
    let (plans, customers): (Vec<KnownRow>, Vec<KnownRow>) = rows.into_iter().partition(|row| row.kind == "plan");
    Ok(ImportRefs {
        plans: plans.into_iter().map(|row| row.id).collect(),
        customers: customers.into_iter().map(|row| row.id).collect(),
    })
}
