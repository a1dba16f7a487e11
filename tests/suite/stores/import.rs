//! Importing: all rows or none, and an id that exists is updated.

use super::ground::{Ground, batch, period_end, subscription};
use super::on_all;
use renewd::store::{ImportBatch, ImportRefs, SubscriptionRow};

on_all!(
    all_rows_are_written_or_none,
    an_id_that_exists_is_updated,
    a_period_that_was_paid_for_is_not_taken_back,
    a_spent_key_is_not_brought_back,
    known_ids_are_told_from_unknown_ones,
);

async fn all_rows_are_written_or_none(ground: Ground) {
    let mut broken = batch(&["sub_1", "sub_2"]);
    broken.subscriptions[1].customer_id = "nobody".to_owned();
    ground.import(broken).await.unwrap_err();
    for table in ["plans", "customers", "billing_keys", "subscriptions"] {
        assert_eq!(ground.count(table, "true").await, 0, "{table}");
    }
}

async fn an_id_that_exists_is_updated(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    let mut again = batch(&["sub_1"]);
    again.plans[0].amount = 66_000;
    again.customers[0].email = Some("sky@example.com".to_owned());
    again.subscriptions[0].cancel_at_period_end = true;
    ground.import(again).await.unwrap();
    assert_eq!(ground.count("plans", "amount = 66000").await, 1);
    assert_eq!(ground.count("customers", "email = 'sky@example.com' AND name = '김하늘'").await, 1);
    assert_eq!(ground.count("subscriptions", "cancel_at_period_end AND tier = 'pro'").await, 1);
    assert_eq!(ground.count("billing_keys", "true").await, 1);
}

async fn a_period_that_was_paid_for_is_not_taken_back(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.settle(&[ground.paid(&ground.claim_one().await)]).await.unwrap();
    ground.subscribe(&["sub_1"]).await;
    assert_eq!(ground.count("subscriptions", "current_period_end = '2026-02-27T15:00:00.000000Z'").await, 1);
    let later = SubscriptionRow {
        current_period_start: period_end(),
        current_period_end: super::ground::utc("2027-01-01T00:00:00Z"),
        ..subscription("sub_1")
    };
    ground.import(ImportBatch { subscriptions: vec![later], ..ImportBatch::default() }).await.unwrap();
    assert_eq!(ground.count("subscriptions", "current_period_end = '2027-01-01T00:00:00.000000Z'").await, 1);
}

async fn a_spent_key_is_not_brought_back(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    ground.set_key_usable("bk_sub_1", false).await;
    ground.subscribe(&["sub_1"]).await;
    assert_eq!(ground.count("billing_keys", "state = 'unusable'").await, 1);
}

async fn known_ids_are_told_from_unknown_ones(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let asked = ImportRefs { plans: set(&["pro", "max"]), customers: set(&["user_sub_1", "pro"]) };
    let known = ground.known_ids(&asked).await.unwrap();
    assert_eq!(known, ImportRefs { plans: set(&["pro"]), customers: set(&["user_sub_1"]) });
}
