//! What the API service, or somebody with SQL, writes beside the port: the same on every store.

use super::ground::{Ground, Tables, customer};
use chrono::{DateTime, SecondsFormat, Utc};
use renewd::domain::charge::BillingKey;
use renewd::store::memory::{MemoryStore, rows};
use renewd::store::{PlanRow, StoreError};

/// The refusal, in words.
pub type Done = Result<(), String>;

impl Ground {
    async fn outside(&self, sql: &str, in_memory: impl FnOnce(&MemoryStore) -> Result<(), StoreError>) -> Done {
        match &self.tables {
            Tables::Sql { .. } => self.sql(sql).await.map_err(|refusal| refusal.to_string()),
            Tables::Memory(store) => in_memory(store).map_err(|refusal| refusal.to_string()),
        }
    }

    pub async fn set_cancel(&self, id: &str, cancel: bool) {
        let sql = format!("UPDATE subscriptions SET cancel_at_period_end = {cancel} WHERE id = '{id}'");
        self.outside(&sql, |store| store.set_cancel_at_period_end(id, cancel)).await.unwrap();
    }

    pub async fn set_standing(&self, id: &str, status: &'static str, tier: &str) {
        let sql = format!("UPDATE subscriptions SET status = '{status}', tier = '{tier}' WHERE id = '{id}'");
        let change = |row: &mut rows::Subscription| (row.status, row.tier) = (status, tier.to_owned());
        self.outside(&sql, |store| store.change_subscription(id, change)).await.unwrap();
    }

    pub async fn set_period_end(&self, id: &str, end: DateTime<Utc>) {
        let text = stamp(end);
        let sql = format!("UPDATE subscriptions SET current_period_end = '{text}' WHERE id = '{id}'");
        let change = |row: &mut rows::Subscription| row.row.current_period_end = end;
        self.outside(&sql, |store| store.change_subscription(id, change)).await.unwrap();
    }

    pub async fn set_next_plan(&self, id: &str, plan: &str) {
        let sql = format!("UPDATE subscriptions SET next_plan_id = '{plan}' WHERE id = '{id}'");
        self.outside(&sql, |store| store.set_next_plan(id, Some(plan))).await.unwrap();
    }

    /// The plan `max`, for 99,000 KRW a month.
    pub async fn add_plan_max(&self) {
        let sql = "INSERT INTO plans (id, name, amount, currency, interval, tier, fallback_tier, order_name) \
            VALUES ('max', 'Max', 99000, 'KRW', 'P1M', 'max', 'free', 'Max')";
        let [id, name, currency, interval, tier, fallback_tier, order_name] =
            ["max", "Max", "KRW", "P1M", "max", "free", "Max"].map(str::to_owned);
        let plan = PlanRow { id, name, amount: 99_000, currency, interval, tier, fallback_tier, order_name };
        self.outside(sql, |store| store.put_plan(plan)).await.unwrap();
    }

    pub async fn remove_plan(&self, id: &str) -> Done {
        self.outside(&format!("DELETE FROM plans WHERE id = '{id}'"), |store| store.remove_plan(id)).await
    }

    /// A key of the customer of `subscription`, written at `created_at`.
    pub async fn add_key(&self, id: &str, subscription: &str, usable: bool, created_at: DateTime<Utc>) {
        let (customer_id, text) = (customer(subscription).id, stamp(created_at));
        let state = if usable { "usable" } else { "unusable" };
        let sql = format!(
            "INSERT INTO billing_keys (id, customer_id, billing_key, state, created_at) \
             VALUES ('{id}', '{customer_id}', 'key of {id}', '{state}', '{text}')"
        );
        let key = renewd::store::BillingKeyRow {
            id: id.to_owned(),
            customer_id,
            billing_key: BillingKey::new(format!("key of {id}")),
            channel_key: None,
            pg_provider: None,
        };
        let add = |store: &MemoryStore| {
            store.add_billing_key(key)?;
            store.set_key_usable(id, usable)?;
            store.change_billing_key(id, |row| row.created_at = created_at)
        };
        self.outside(&sql, add).await.unwrap();
    }

    pub async fn set_key_usable(&self, id: &str, usable: bool) {
        let state = if usable { "usable" } else { "unusable" };
        let sql = format!("UPDATE billing_keys SET state = '{state}' WHERE id = '{id}'");
        self.outside(&sql, |store| store.set_key_usable(id, usable)).await.unwrap();
    }

    pub async fn rename_key(&self, id: &str, new: &str) {
        let sql = format!("UPDATE billing_keys SET id = '{new}' WHERE id = '{id}'");
        self.outside(&sql, |store| store.change_billing_key(id, |row| row.id = new.to_owned())).await.unwrap();
    }

    pub async fn replace_key(&self, id: &str, key: &str) -> Done {
        let sql = format!("UPDATE billing_keys SET billing_key = '{key}' WHERE id = '{id}'");
        let change = |row: &mut rows::BillingKey| row.billing_key = BillingKey::new(key);
        self.outside(&sql, |store| store.change_billing_key(id, change)).await
    }

    /// As if by hand: a currency that nobody can read, in every renewal of this subscription.
    pub async fn spoil_currency(&self, subscription: &str) {
        let sql = format!("UPDATE renewals SET currency = 'won' WHERE subscription_id = '{subscription}'");
        let change = |store: &MemoryStore| {
            let rows = store.renewals();
            let mut ids = rows.iter().filter(|row| row.subscription_id.as_str() == subscription).map(|row| row.id);
            ids.try_for_each(|id| store.change_renewal(id, |row| row.currency = Some("won".to_owned())))
        };
        self.outside(&sql, change).await.unwrap();
    }

    pub async fn remove_key(&self, id: &str) -> Done {
        self.outside(&format!("DELETE FROM billing_keys WHERE id = '{id}'"), |store| store.remove_billing_key(id)).await
    }

    /// Sets the state of every renewal.
    pub async fn set_states(&self, state: &str) -> Done {
        let new = renewd::domain::renewal::State::parse(state).unwrap();
        let change = |store: &MemoryStore| {
            let ids: Vec<_> = store.renewals().iter().map(|row| row.id).collect();
            ids.into_iter().try_for_each(|id| store.change_renewal(id, |row| row.state = new))
        };
        self.outside(&format!("UPDATE renewals SET state = '{state}'"), change).await
    }

    /// Sets how long access lasts while any renewal is collected.
    pub async fn set_access_until(&self, time: DateTime<Utc>) {
        let change = |store: &MemoryStore| {
            let ids: Vec<_> = store.renewals().iter().map(|row| row.id).collect();
            ids.into_iter().try_for_each(|id| store.change_renewal(id, |row| row.access_until = time))
        };
        self.outside(&format!("UPDATE renewals SET access_until = '{}'", stamp(time)), change).await.unwrap();
    }

    /// Changes every attempt, by SQL or by hand.
    pub async fn change_attempts(&self, assignment: &str, change: impl Fn(&mut rows::Attempt)) -> Done {
        let all = |store: &MemoryStore| {
            let ids: Vec<_> = store.attempts().iter().map(|row| row.id).collect();
            ids.into_iter().try_for_each(|id| store.change_attempt(id, &change))
        };
        self.outside(&format!("UPDATE attempts SET {assignment}"), all).await
    }

    /// A second attempt beside the only one, as open as that.
    pub async fn add_second_attempt(&self, id: uuid::Uuid) -> Done {
        let sql = format!(
            "INSERT INTO attempts (id, renewal_id, run_id, number, payment_id, series, idempotency_key, \
             billing_key_id, request_body, request_hash, protocol_version, state, started_at) \
             SELECT '{id}', renewal_id, run_id, 2, payment_id, series, 'another', billing_key_id, request_body, \
             request_hash, protocol_version, state, started_at FROM attempts"
        );
        let add = |store: &MemoryStore| {
            let first = rows::Attempt::clone(&store.attempts()[0]);
            let id = renewd::domain::ids::AttemptId(id);
            store.add_attempt(rows::Attempt { id, number: 2, idempotency_key: "another".to_owned(), ..first })
        };
        self.outside(&sql, add).await
    }
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
