//! Edges: rows that somebody edited, payment ids that were given up, changes of mind, long pauses.

use crate::world::{On, World, clone_app, config_at};
use chrono::TimeDelta;
use renewd::app::App;
use renewd::engine::Silent;
use renewd::engine::run::RunRequest;
use renewd::gateway::simulator::{Rule, Trouble, When};
use renewd::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

crate::on_both_databases! {
    a_database_that_forgot_everything_charges_nothing_twice,
    an_id_that_is_given_up_is_looked_up_again_before_the_next_one_is_charged,
    a_subscription_that_was_edited_while_its_outcome_is_unknown_is_not_charged_for_the_same_time_again,
    a_renewal_that_was_never_tried_is_not_charged_long_after_its_period_began,
    nobody_who_cancelled_loses_what_was_paid_for_months_ahead,
    a_change_of_mind_does_not_try_a_declined_card_twice_a_day,
}

const SUB: &str = "sub";

async fn an_id_that_is_given_up_is_looked_up_again_before_the_next_one_is_charged(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    let late = Trouble::LateApproval { secs: 25 * 3600 };
    world.simulator.model().add_rule(Rule::new(When::Always, late).times(1));
    assert_eq!(world.run().await.declined, 1);
    world.clock.pass(TimeDelta::days(1));
    world.rule(When::Always, Trouble::MaxTransactions);
    world.run().await;
    world.simulator.model().clear_rules();
    world.run_after(TimeDelta::hours(24)).await;
    assert_eq!(world.charges(SUB).len(), 1, "{:?}", world.charges(SUB));
}

async fn a_subscription_that_was_edited_while_its_outcome_is_unknown_is_not_charged_for_the_same_time_again(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.rule(When::Always, Trouble::Hidden);
    assert_eq!(world.run().await.unknown, 1);
    world.simulator.model().clear_rules();
    world.import(r#"{"type":"subscription","id":"sub","customer":"user-sub","plan":"pro","current_period_start":"2025-12-31T00:00:00+09:00","current_period_end":"2026-01-31T01:00:00+09:00","anchor_day":31}"#).await;
    world.run_after(TimeDelta::minutes(2)).await;
    assert_eq!(world.charges(SUB).len(), 1, "{:?}", world.charges(SUB));
}

async fn a_renewal_that_was_never_tried_is_not_charged_long_after_its_period_began(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.run_after(TimeDelta::hours(12)).await;
    assert_eq!(world.renewal(SUB).await.state, "due");
    world.run_after(TimeDelta::hours(12 + 5 * 24)).await;
    assert!(world.charges(SUB).is_empty(), "over for five days, max_overdue is three");
}

async fn nobody_who_cancelled_loses_what_was_paid_for_months_ahead(on: On) {
    let world = World::with(on, &[("business.downgrade", "at_run")]).await;
    world.subscribe(SUB, "bk").await;
    world.import(r#"{"type":"subscription","id":"sub","customer":"user-sub","plan":"pro","current_period_start":"2025-12-31T00:00:00+09:00","current_period_end":"2026-12-31T00:00:00+09:00","anchor_day":31,"cancel_at_period_end":true}"#).await;
    assert_eq!(world.run().await.downgraded, 0, "it was paid for until December");
}

async fn a_change_of_mind_does_not_try_a_declined_card_twice_a_day(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-insufficient").await;
    assert_eq!(world.run().await.declined, 1);
    world.cancel(SUB).await;
    world.run_after(TimeDelta::hours(1)).await;
    world.import(r#"{"type":"subscription","id":"sub","customer":"user-sub","plan":"pro","current_period_start":"2025-12-31T00:00:00+09:00","current_period_end":"2026-01-31T00:00:00+09:00","anchor_day":31}"#).await;
    world.run_after(TimeDelta::hours(1)).await;
    assert_eq!(world.attempts(SUB).await.len(), 1, "one soft attempt a day");
}

/// A restored backup, at its worst: nothing of the charge is left. The derived payment id finds it again.
async fn a_database_that_forgot_everything_charges_nothing_twice(on: On) {
    let settings = [("gateway.payment_id_key", "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed")];
    let before = World::with(on, &settings).await;
    before.subscribe(SUB, "bk").await;
    assert_eq!(before.run().await.paid, 1);
    // Later than any idempotency key is remembered.
    before.clock.pass(TimeDelta::hours(4));

    let after = World::with(on, &settings).await;
    after.subscribe(SUB, "bk").await;
    let config = config_at(&after.app, &before.simulator.base_url(), &settings);
    let app = App { config, ..clone_app(&after.app) };
    let engine = app.engine(Arc::clone(&after.store), Arc::new(Silent)).await.unwrap();
    let report = engine.run(&RunRequest::default(), &Shutdown::new(Duration::from_secs(8))).await.unwrap();
    assert_eq!((report.paid, before.charges(SUB).len()), (1, 1), "adopted, not charged");
    assert_eq!(after.renewal(SUB).await.payment_id, before.renewal(SUB).await.payment_id);
    assert_eq!(after.period_end(SUB).await, before.period_end(SUB).await);
}
