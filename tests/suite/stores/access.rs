//! What the API service reads, and the standing of subscriptions whose period ended.

use super::ground::{Ground, Tables, batch, now, period_end, utc};
use super::on_all;
use chrono::{DateTime, TimeDelta, Utc};
use renewd::domain::access::AccessChange;
use renewd::domain::event::EventKind;
use renewd::domain::renewal::State;
use renewd::store::sql::Database;
use sqlx::{AssertSqlSafe, Column, Executor, SqlSafeStr, Statement};
use std::collections::BTreeSet;

on_all!(
    the_views_have_the_columns_that_are_promised,
    access_lasts_while_a_renewal_is_collected,
    the_state_of_the_billing_key_is_told,
    a_customers_subscriptions_are_found_the_latest_first,
    what_ended_is_found_in_order,
    a_standing_is_written_only_for_the_period_it_was_decided_from,
);

/// The columns of a view; in memory those of its only row.
async fn columns(ground: &Ground, view: &'static str) -> BTreeSet<String> {
    let of = format!("SELECT * FROM {view}");
    if let Tables::Memory(store) = &ground.tables {
        let rows = store.rows(view);
        return rows[0].as_object().unwrap().keys().cloned().collect();
    }
    match ground.database() {
        Database::Postgres(pools) => {
            let prepared = (&pools.main).prepare(AssertSqlSafe(of).into_sql_str()).await.unwrap();
            prepared.columns().iter().map(|column| column.name().to_owned()).collect()
        }
        Database::Sqlite(pools) => {
            let prepared = (&pools.writer).prepare(AssertSqlSafe(of).into_sql_str()).await.unwrap();
            prepared.columns().iter().map(|column| column.name().to_owned()).collect()
        }
    }
}

fn promised(names: &str) -> BTreeSet<String> {
    names.split(", ").map(str::to_owned).collect()
}

async fn the_views_have_the_columns_that_are_promised(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    assert_eq!(
        columns(&ground, "renewal_results").await,
        promised(
            "subscription_id, renewal_id, period_start, period_end, amount, currency, state, payment_id, pg_tx_id, \
         paid_at, attempt_count, last_decline_class, last_decline_reason, last_pg_code, last_pg_message, \
         next_attempt_at, updated_at"
        )
    );
    assert_eq!(
        columns(&ground, "subscription_access").await,
        promised(
            "subscription_id, customer_id, plan_id, tier, status, current_period_end, access_until, \
         cancel_at_period_end, billing_key_state"
        )
    );
}

async fn access_lasts_while_a_renewal_is_collected(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    let until = async || ground.timeline("sub_1").await.unwrap().unwrap().subscription.access_until;
    assert_eq!(until().await, period_end());
    ground.plan(&["sub_1"]).await;
    let grace = period_end() + TimeDelta::days(7);
    for state in ["due", "unknown", "review"] {
        ground.set_states(state).await.unwrap();
        assert_eq!(until().await, grace, "{state}");
    }
    for state in ["canceled", "lapsed", "failed"] {
        ground.set_states(state).await.unwrap();
        assert_eq!(until().await, period_end(), "{state}");
    }
    ground.set_states("due").await.unwrap();
    ground.set_access_until(utc("2026-01-01T00:00:00Z")).await;
    assert_eq!(until().await, period_end(), "what was paid for is never cut short");
}

async fn the_state_of_the_billing_key_is_told(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    let state = async || ground.timeline("sub_1").await.unwrap().unwrap().subscription.billing_key_state;
    assert_eq!(state().await, "usable");
    ground.set_key_usable("bk_sub_1", false).await;
    assert_eq!(state().await, "unusable");
    ground.remove_key("bk_sub_1").await.unwrap();
    assert_eq!(state().await, "missing");
}

async fn what_ended_is_found_in_order(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2", "sub_3"]).await;
    let found = async |before, after: Option<(DateTime<Utc>, &str)>| {
        let after = after.map(|(end, id)| (end, id.into()));
        let facts = ground.access_facts(before, after, 9).await.unwrap();
        facts.into_iter().map(|facts| facts.subscription_id.0).collect::<Vec<_>>()
    };
    assert_eq!(found(now(), None).await, Vec::<String>::new());
    ground.set_cancel("sub_2", true).await;
    assert_eq!(found(now(), None).await, Vec::<String>::new(), "it was paid for until its end");
    let later = period_end() + TimeDelta::seconds(1);
    assert_eq!(found(later, None).await, ["sub_1", "sub_2", "sub_3"]);
    assert_eq!(found(later, Some((period_end(), "sub_1"))).await, ["sub_2", "sub_3"]);
    let facts = ground.access_facts(later, None, 1).await.unwrap();
    assert_eq!((facts[0].renewal.unwrap().1, facts[0].fallback_tier.as_str()), (State::Due, "free"));
    // Whose period ended first comes first, whatever its id.
    ground.set_period_end("sub_3", period_end() - TimeDelta::hours(1)).await;
    assert_eq!(found(later, None).await, ["sub_3", "sub_1", "sub_2"]);
    assert_eq!(found(later, Some((period_end() - TimeDelta::hours(1), "sub_3"))).await, ["sub_1", "sub_2"]);
    assert_eq!(found(later, Some((period_end(), "sub_1"))).await, ["sub_2"]);
}

async fn a_standing_is_written_only_for_the_period_it_was_decided_from(ground: Ground) {
    let renewal = ground.subscribed_and_planned(&["sub_1"]).await[0];
    let change = |end| AccessChange {
        cancel_at_period_end: false,
        subscription_id: "sub_1".into(),
        current_period_end: end,
        status: "downgraded",
        tier: Some("free".to_owned()),
        events: vec![ground.event(EventKind::SubscriptionDowngraded, "sub_1", renewal)],
    };
    let moved = change(period_end() - TimeDelta::days(1));
    assert_eq!(ground.record_access(&[moved]).await.unwrap(), []);
    let canceled = AccessChange { cancel_at_period_end: true, ..change(period_end()) };
    assert_eq!(ground.record_access(&[canceled]).await.unwrap(), [], "a change of mind meanwhile");
    assert_eq!(ground.count("events", "true").await, 0);
    assert_eq!(ground.record_access(&[change(period_end())]).await.unwrap(), ["sub_1".into()]);
    assert_eq!(ground.count("subscriptions", "status = 'downgraded' AND tier = 'free'").await, 1);
    assert_eq!(ground.record_access(&[change(period_end())]).await.unwrap(), [], "once");
    assert_eq!(ground.count("events", "true").await, 1);
}

async fn a_customers_subscriptions_are_found_the_latest_first(ground: Ground) {
    let mut rows = batch(&["sub_1", "sub_2", "sub_3", "sub_4"]);
    for row in &mut rows.subscriptions[..3] {
        row.customer_id = "user_sub_1".to_owned();
    }
    rows.subscriptions[1].current_period_end += TimeDelta::days(9);
    ground.import(rows).await.unwrap();
    let found = async |customer: &str, rows_max| {
        let rows = ground.subscriptions_of(&customer.into(), rows_max).await.unwrap();
        rows.into_iter().map(|row| row.subscription_id).collect::<Vec<_>>()
    };
    assert_eq!(found("user_sub_1", 9).await, ["sub_2", "sub_1", "sub_3"]);
    assert_eq!(found("user_sub_1", 2).await, ["sub_2", "sub_1"]);
    assert_eq!(found("user_sub_4", 9).await, ["sub_4"]);
    assert_eq!(found("sub_1", 9).await, Vec::<String>::new());
    let row = &ground.subscriptions_of(&"user_sub_4".into(), 1).await.unwrap()[0];
    assert_eq!(*row, ground.timeline("sub_4").await.unwrap().unwrap().subscription);
}
