//! Edges: rows that end processes, rows that cannot be read, plans that are gone, payments seen too late.

use super::ground::{Ground, LEASE, now};
use super::on_all;
use chrono::TimeDelta;
use renewd::domain::claim::RenewalChange;
use renewd::domain::renewal::State;

on_all!(
    a_row_that_ends_the_process_while_it_is_resolved_is_shown_to_a_person,
    a_change_that_one_row_cannot_take_does_not_hold_up_the_others,
    a_payment_for_a_plan_that_was_deleted_still_moves_the_period,
    a_payment_seen_for_a_due_renewal_is_looked_up,
);

async fn a_row_that_ends_the_process_while_it_is_resolved_is_shown_to_a_person(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.claim_one().await;
    for _ in 0..6 {
        ground.pass(TimeDelta::from_std(LEASE).unwrap());
        ground.take_over(9, LEASE, 3).await.unwrap();
    }
    assert_eq!(ground.state("sub_1").await, "review");
}

async fn a_change_that_one_row_cannot_take_does_not_hold_up_the_others(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2"]).await;
    let mut unreadable = ground.planned("sub_1");
    (unreadable.state, unreadable.amount, unreadable.currency, unreadable.period_end, unreadable.next_attempt_at) =
        (State::Canceled, None, None, None, None);
    let other = ground.planned("sub_2");
    ground.record_plan(ground.run_id(), &[unreadable.clone(), other.clone()]).await.unwrap();
    // What `waiting::decide` makes of it once the customer has a change of mind.
    let facts = ground.waiting_facts(None, now() - TimeDelta::days(3), 9).await.unwrap();
    assert_eq!(facts.len(), 1);
    let policy = super::ground::policy();
    let change: RenewalChange =
        renewd::domain::waiting::decide(&facts[0], &policy, now(), &|| uuid::Uuid::now_v7()).unwrap().unwrap();
    ground.change_renewals(&[change]).await.unwrap();
}

async fn a_payment_for_a_plan_that_was_deleted_still_moves_the_period(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    ground.add_plan_max().await;
    let mut planned = ground.planned("sub_1");
    planned.plan_id = "max".into();
    ground.record_plan(ground.run_id(), &[planned]).await.unwrap();
    let attempt = ground.claim_one().await;
    ground.remove_plan("max").await.unwrap();
    let settled = ground.settle(&[ground.paid(&attempt)]).await.unwrap();
    let moved = ground.count("subscriptions", "current_period_end = '2026-02-27T15:00:00.000000Z'").await;
    assert_eq!((settled.period_not_moved.len() as i64) + moved, 1, "{settled:?}");
}

async fn a_payment_seen_for_a_due_renewal_is_looked_up(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let slow = ground.claim_one().await;
    ground.pass(TimeDelta::from_std(LEASE).unwrap());
    let taken = ground.take_over(9, LEASE, 3).await.unwrap();
    ground.settle(&[ground.declined(taken[0].attempt.get())]).await.unwrap();
    let paid = ground.paid(&slow);
    assert_eq!(ground.settle(std::slice::from_ref(&paid)).await.unwrap().fence_lost, [paid.renewal_id]);
    assert_eq!(ground.count("renewals", "next_look_up_at IS NOT NULL").await, 1);
}
