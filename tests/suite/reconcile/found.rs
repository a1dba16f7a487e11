//! Paid at the gateway, and not recorded here: adopted by its renewal in any state, or shown as nobody's.

use super::ground::{backup, reconcile, tell_otherwise};
use crate::world::{On, World, clone_app, config_at, key};
use chrono::TimeDelta;
use renewd::app::App;
use renewd::domain::payment::Payment;
use renewd::domain::reconcile::Difference;
use renewd::engine::Silent;
use renewd::gateway::simulator::{Route, Trouble, When};
use std::fmt::Write;
use std::sync::Arc;

crate::on_both_databases! {
    an_approval_that_came_late_is_adopted_before_its_next_look_up,
    money_that_is_not_as_ordered_goes_to_a_person,
    a_card_that_was_lost_with_the_copy_leaves_the_money_to_a_person,
    money_of_a_cancellation_that_may_be_old_goes_to_a_person,
    more_than_a_page_is_adopted,
    another_installations_payments_are_nobodys,
    what_a_reconciliation_finds_unsettled_is_not_sent_again,
}

/// Failed, and approved an hour later; the late sweep would come after six.
async fn an_approval_that_came_late_is_adopted_before_its_next_look_up(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    world.rule(When::Always, Trouble::LateApproval { secs: 3_600 });
    assert_eq!(world.run().await.declined, 1);
    world.clock.pass(TimeDelta::hours(2));
    let report = reconcile(&world).await;
    assert_eq!((report.adopted, report.needs_a_look()), (1, false), "{report:?}");
    assert_eq!(report.adoptions[0].subscription_id, "sub".into());
    let renewal = world.renewal("sub").await;
    assert_eq!((renewal.state.as_str(), renewal.attempt_count), ("paid", 1));
    assert_eq!(world.charges("sub").len(), 1);
}

async fn money_that_is_not_as_ordered_goes_to_a_person(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    let copy = backup(&world, on).await;
    assert_eq!(world.run().await.paid, 1);
    let mut world = world.on_database(&copy).await;
    tell_otherwise(&mut world, |payment: &mut Payment| payment.total = Some(1));
    // The look-ups of the engine go through the same gateway.
    let report = reconcile(&world).await;
    let renewal = world.renewal("sub").await;
    assert_eq!(renewal.state, "review");
    assert!(renewal.review_reason.unwrap().contains("amount differs"));
    assert_eq!(report.differences[&Difference::NotAsOrdered], 1, "{report:?}");
    assert_eq!(world.period_end("sub").await, crate::world::instant(crate::world::PERIOD_END), "not extended");
}

async fn a_card_that_was_lost_with_the_copy_leaves_the_money_to_a_person(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk-old").await;
    let copy = backup(&world, on).await;
    world.clock.pass(TimeDelta::minutes(1));
    world.import(&key("sub", "bk-new")).await;
    assert_eq!(world.run().await.paid, 1);
    let world = world.on_database(&copy).await;
    let report = reconcile(&world).await;
    assert_eq!(report.differences.get(&Difference::NotAsOrdered), Some(&1), "{report:?}");
    assert!(world.renewal("sub").await.review_reason.unwrap().contains("billing key"));
}

/// Cancelled in the copy, paid after a change of mind that the copy does not know: not given back by rule.
async fn money_of_a_cancellation_that_may_be_old_goes_to_a_person(on: On) {
    let world = World::with(on, &[("charge.refund_late", "true")]).await;
    world.subscribe("sub", "bk").await;
    world.cancel("sub").await;
    let copy = backup(&world, on).await;
    world.subscribe("sub", "bk").await;
    assert_eq!(world.run().await.paid, 1);

    let mut world = world.on_database(&copy).await;
    let config =
        config_at(&world.app, &world.simulator.base_url(), &[("database.url", &copy), ("charge.refund_late", "true")]);
    let app = App { config, ..clone_app(&world.app) };
    world.engine = app.engine(Arc::clone(&world.store), Arc::new(Silent)).await.unwrap();
    let report = reconcile(&world).await;
    assert_eq!(report.differences.get(&Difference::NotAsOrdered), Some(&1), "{report:?}");
    assert_eq!(world.renewal("sub").await.state, "review");
    world.run_after(TimeDelta::minutes(20)).await;
    assert_eq!(world.simulator.model().ledger().given_back().len(), 0);
}

/// A hundred are listed at once.
async fn more_than_a_page_is_adopted(on: On) {
    const SUBSCRIPTIONS: usize = 205;
    let world = World::new(on).await;
    let mut lines = String::new();
    for n in 0..SUBSCRIPTIONS {
        writeln!(lines, r#"{{"type":"customer","id":"user-{n}"}}"#).unwrap();
        writeln!(lines, r#"{{"type":"billing_key","customer":"user-{n}","billing_key":"bk-{n}"}}"#).unwrap();
        writeln!(lines, r#"{{"type":"subscription","id":"{n}","customer":"user-{n}","plan":"pro","current_period_start":"{}","current_period_end":"{}"}}"#, crate::world::PERIOD_START, crate::world::PERIOD_END).unwrap();
    }
    world.import(&lines).await;
    let copy = backup(&world, on).await;
    assert_eq!(world.run().await.paid, SUBSCRIPTIONS as u64);
    let agreed = reconcile(&world).await;
    assert_eq!((agreed.agreed, agreed.recorded), (SUBSCRIPTIONS as u64, SUBSCRIPTIONS as u64));
    assert!(!agreed.needs_a_look());

    let world = world.on_database(&copy).await;
    let asked = world.simulator.model().ledger().requests(Route::List);
    let report = reconcile(&world).await;
    assert_eq!(world.simulator.model().ledger().requests(Route::List) - asked, 3, "three pages");
    assert_eq!((report.adopted, report.held.is_some()), (SUBSCRIPTIONS as u64, true));
    let paid = world.texts("SELECT CAST(count(*) AS text) FROM renewals WHERE state = 'paid'").await;
    assert_eq!(paid, [SUBSCRIPTIONS.to_string()]);
    assert_eq!(world.simulator.model().ledger().charges().len(), SUBSCRIPTIONS, "nobody twice");
}

async fn another_installations_payments_are_nobodys(on: On) {
    let other = World::new(on).await;
    other.subscribe("theirs", "bk-theirs").await;
    assert_eq!(other.run().await.paid, 1);

    let mut world = World::new(on).await;
    world.subscribe("theirs", "bk-theirs").await;
    let config = config_at(&world.app, &other.simulator.base_url(), &[]);
    let app = App { config, ..clone_app(&world.app) };
    let engine = app.engine(Arc::clone(&world.store), Arc::new(Silent)).await.unwrap();
    world.engine = engine;
    let report = reconcile(&world).await;
    assert_eq!((report.payments_unknown, report.adopted, report.needs_a_look()), (1, 0, true), "{report:?}");
    assert_eq!(report.unknown[0].payment_id.0, other.renewal("theirs").await.payment_id);
    assert!(world.timeline("theirs").await.renewals.is_empty(), "nothing is planned for it");
    // What another installation took holds nothing up here.
    let run = world.run().await;
    assert_eq!((run.status.as_str(), run.paid, run.compared), ("completed", 1, true));
}

async fn what_a_reconciliation_finds_unsettled_is_not_sent_again(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    world.subscribe("other", "bk-other").await;
    let hidden = || world.rule(When::Subscription("other".to_owned()), Trouble::Hidden);
    hidden();
    world.rule(When::Subscription("sub".to_owned()), Trouble::RequestLost);
    assert_eq!(world.run().await.unknown, 2);
    world.simulator.model().clear_rules();
    // Something of ours that is open makes it look at all that is.
    hidden();
    // Later than a look-up that finds nothing may send the same attempt again.
    world.clock.pass(TimeDelta::hours(1));
    let report = reconcile(&world).await;
    assert_eq!((report.ours, report.open, report.needs_a_look()), (1, 1, false), "{report:?}");
    assert!(world.charges("sub").is_empty(), "reconciling charges nothing");
    world.run_after(TimeDelta::hours(6)).await;
    assert_eq!(world.charges("sub").len(), 1, "a run does");
}
