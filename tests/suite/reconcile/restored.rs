//! Yesterday's copy is put back: nobody pays twice, and everything stands as it stood before.

use super::ground::{
    backup, events, list_at_most, list_otherwise, observations, paused, reconcile, reconcile_between,
    refuse_listings_after, refuse_listings_by, results, resume,
};
use crate::world::{On, World};
use chrono::TimeDelta;
use renewd::domain::action::Hand;
use renewd::domain::notice::{Notice, NoticeKind, Subject};
use renewd::domain::payment::PaymentStatus;
use renewd::engine::control;
use renewd::gateway::ListedBy;
use renewd::gateway::simulator::{Route, Rule, Trouble, When};
use renewd::shutdown::Shutdown;
use std::time::Duration;

crate::on_both_databases! {
    a_run_on_a_restored_backup_adopts_holds_and_goes_on_when_a_person_says_so,
    with_a_listing_that_shows_nothing_nobody_pays_twice_and_the_results_are_the_same,
    while_the_gateway_does_not_list_nothing_is_charged_and_what_was_sent_is_looked_up,
    a_payment_that_is_listed_unreadably_is_no_less_forgotten,
    planned_and_declined_before_the_copy_and_paid_after_it_is_adopted,
    several_lost_periods_are_adopted_in_their_order,
    what_was_found_ahead_is_placed_once_the_period_before_it_is,
    what_was_found_ahead_is_placed_by_a_later_run_and_does_not_lapse,
    a_copy_from_the_middle_of_a_run_is_settled_by_look_ups,
    a_cancellation_in_the_copy_leaves_its_lost_payment_to_a_person,
    a_hold_that_died_half_way_is_gone_on_with,
    what_one_listing_shows_is_not_undone_by_what_became_of_the_other,
    what_is_too_much_for_one_listing_is_compared_in_parts,
    where_not_all_can_be_listed_nothing_is_charged,
    what_cannot_be_adopted_holds_charging_once,
    what_was_forgotten_is_seen_behind_a_page_of_what_was_not,
    the_reason_of_an_earlier_pause_is_kept,
    a_lost_series_is_adopted_under_its_own_name,
    a_reconciliation_that_comes_first_holds_charging_too,
    a_webhook_that_comes_first_holds_charging_too,
    a_retry_that_was_lost_alone_is_no_less_forgotten,
    a_person_who_pauses_meanwhile_does_not_end_the_hold,
}

/// The plan of every subscription here, for a day at a time.
const BY_THE_DAY: &str = r#"{"type":"plan","id":"pro","name":"Pro","amount":55000,"currency":"KRW","interval":"P1D","tier":"pro","fallback_tier":"free","order_name":"Pro"}"#;

const SUBS: [&str; 4] = ["one", "two", "three", "four"];

/// Two are paid, one is declined, one has cancelled.
async fn business(on: On) -> World {
    let world = World::new(on).await;
    world.subscribe("one", "bk-1").await;
    world.subscribe("two", "bk-2").await;
    world.subscribe("three", "bk-3-insufficient").await;
    world.subscribe("four", "bk-4").await;
    world.cancel("four").await;
    world
}

async fn a_run_on_a_restored_backup_adopts_holds_and_goes_on_when_a_person_says_so(on: On) {
    let world = business(on).await;
    let copy = backup(&world, on).await;
    let first = world.run().await;
    assert_eq!((first.paid, first.compared), (2, true));
    let before = results(&world, &SUBS).await;
    world.clock.pass(TimeDelta::hours(4));

    let world = world.on_database(&copy).await;
    world.subscribe("five", "bk-5").await;
    let held = world.run().await;
    assert_eq!(held.status, "failed");
    let problem = held.problem.unwrap();
    for word in ["restore_suspected", "2 payment(s) adopted, for one, two", "Cancellations", "renewd resume"] {
        assert!(problem.contains(word), "{word} is missing in {problem}");
    }
    assert_eq!(paused(&world).await, Some(format!("renewd: {problem}")));
    assert_eq!(world.renewal("one").await.state, "paid");
    assert!(world.charges("five").is_empty(), "nothing new is charged");

    let waits = world.run().await;
    assert_eq!((waits.status.as_str(), waits.paused, waits.paid), ("completed", true, 0));
    assert!(world.charges("five").is_empty(), "held until a person resumes");

    resume(&world).await;
    let goes_on = world.run().await;
    assert_eq!((goes_on.status.as_str(), goes_on.paid, goes_on.problem), ("completed", 1, None));
    assert_eq!(world.charges("five").len(), 1);
    for id in ["one", "two"] {
        assert_eq!(world.charges(id).len(), 1, "{id} paid once");
    }
    let same = |id: &str| before.iter().filter(|line| line.starts_with(id)).cloned().collect::<Vec<_>>();
    for id in ["one", "two", "four"] {
        assert_eq!(results(&world, &[id]).await, same(id));
    }
}

async fn with_a_listing_that_shows_nothing_nobody_pays_twice_and_the_results_are_the_same(on: On) {
    let world = business(on).await;
    let copy = backup(&world, on).await;
    world.run().await;
    let before = results(&world, &SUBS).await;
    // Later than any idempotency key is remembered.
    world.clock.pass(TimeDelta::hours(4));

    let mut world = world.on_database(&copy).await;
    list_otherwise(&mut world, |page| (page.items, page.total) = (Vec::new(), 0));
    let again = world.run().await;
    assert_eq!((again.paid, again.status.as_str()), (2, "completed"));
    let attempts = |lines: &[String]| lines.iter().filter(|line| !line.contains("three")).cloned().collect::<Vec<_>>();
    assert_eq!(attempts(&results(&world, &SUBS).await), attempts(&before));
    for id in ["one", "two"] {
        assert_eq!(world.charges(id).len(), 1, "{id} paid once");
    }
}

async fn planned_and_declined_before_the_copy_and_paid_after_it_is_adopted(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk-insufficient-once").await;
    assert_eq!(world.run().await.declined, 1);
    let copy = backup(&world, on).await;
    assert_eq!(world.run_after(TimeDelta::days(1)).await.paid, 1);
    let before = results(&world, &["sub"]).await;

    let world = world.on_database(&copy).await;
    let now = world.store.now().await.unwrap();
    let report = reconcile_between(&world, now - TimeDelta::days(3), now).await;
    assert_eq!((report.adopted, report.held.is_some()), (1, true), "{report:?}");
    assert_eq!(results(&world, &["sub"]).await, before);
    world.run_after(TimeDelta::days(1)).await;
    assert_eq!(world.charges("sub").len(), 1);
}

async fn several_lost_periods_are_adopted_in_their_order(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    let copy = backup(&world, on).await;
    for days in [0, 28, 31] {
        assert_eq!(world.run_after(TimeDelta::days(days)).await.paid, 1);
    }
    let before = results(&world, &["sub"]).await;
    assert_eq!(world.charges("sub").len(), 3);

    let world = world.on_database(&copy).await;
    let now = world.store.now().await.unwrap();
    let short = reconcile_between(&world, now - TimeDelta::days(40), now).await;
    assert_eq!((short.adopted, short.payments_unknown), (0, 2), "the first period is missing: {short:?}");
    for unknown in &short.unknown {
        assert_eq!(
            observations(&world, on, unknown.payment_id.as_str(), "reconcile, ahead of its subscription").await,
            1,
            "kept"
        );
    }
    let whole = reconcile_between(&world, now - TimeDelta::days(90), now).await;
    assert_eq!((whole.adopted, whole.needs_a_look()), (3, false), "{whole:?}");
    assert_eq!(whole.adopted_amounts["KRW"], 165_000);
    assert_eq!(results(&world, &["sub"]).await, before);
}

async fn what_was_found_ahead_is_placed_once_the_period_before_it_is(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    let copy = backup(&world, on).await;
    let first = world.store.now().await.unwrap();
    for days in [0, 28, 31] {
        assert_eq!(world.run_after(TimeDelta::days(days)).await.paid, 1);
    }
    let before = results(&world, &["sub"]).await;

    let world = world.on_database(&copy).await;
    let now = world.store.now().await.unwrap();
    assert_eq!(reconcile_between(&world, now - TimeDelta::days(40), now).await.payments_unknown, 2);
    let of_one_day = reconcile_between(&world, first, first + TimeDelta::days(1)).await;
    assert_eq!((of_one_day.adopted, of_one_day.needs_a_look()), (3, false), "{of_one_day:?}");
    assert_eq!(results(&world, &["sub"]).await, before);
}

/// The copy knows of an attempt without an outcome, and nothing of the period that was paid after it. When the outcome is
/// known at last, that period is long past: it would lapse, if nobody remembered that its money was seen.
async fn what_was_found_ahead_is_placed_by_a_later_run_and_does_not_lapse(on: On) {
    let world = World::new(on).await;
    world.import(BY_THE_DAY).await;
    world.subscribe("sub", "bk").await;
    world.rule(When::Always, Trouble::Hidden);
    assert_eq!(world.run().await.unknown, 1);
    world.simulator.model().clear_rules();
    let copy = backup(&world, on).await;
    let unclear = world.renewal("sub").await.payment_id;
    assert_eq!(world.run_after(TimeDelta::hours(1)).await.paid, 1);
    assert_eq!(world.run_after(TimeDelta::days(1)).await.paid, 1);

    let world = world.on_database(&copy).await;
    let fails = Rule::new(When::Payment(unclear.to_string()), Trouble::Error { status: 500 });
    world.simulator.model().add_rule(fails.on(Route::LookUp));
    let held = world.run_after(TimeDelta::days(4)).await;
    assert!(held.problem.unwrap().contains("restore_suspected"));
    assert_eq!(world.renewal("sub").await.state, "unknown");
    world.simulator.model().clear_rules();
    resume(&world).await;
    let placed = world.run_after(TimeDelta::days(1)).await;
    assert_eq!(placed.problem, None);
    let renewals = world.timeline("sub").await.renewals;
    let paid = renewals.iter().filter(|renewal| renewal.state == "paid").count();
    assert_eq!((paid, world.charges("sub").len()), (2, 2), "{renewals:?}");
}

async fn a_copy_from_the_middle_of_a_run_is_settled_by_look_ups(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    world.rule(When::Always, Trouble::Hidden);
    assert_eq!(world.run().await.unknown, 1);
    world.simulator.model().clear_rules();
    let copy = backup(&world, on).await;
    let world = world.on_database(&copy).await;
    let report = reconcile(&world).await;
    assert_eq!((report.adopted, report.open, report.needs_a_look()), (1, 0, false), "{report:?}");
    assert_eq!(world.renewal("sub").await.state, "paid");
    let run = world.run().await;
    assert_eq!(
        (run.status.as_str(), run.problem),
        ("completed", None),
        "its attempt stands there: nothing was forgotten"
    );
}

async fn a_cancellation_in_the_copy_leaves_its_lost_payment_to_a_person(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    world.cancel("sub").await;
    let copy = backup(&world, on).await;
    world.subscribe("sub", "bk").await;
    assert_eq!(world.run().await.paid, 1);

    let world = world.on_database(&copy).await;
    let report = reconcile(&world).await;
    assert_eq!((report.adopted, report.differences.values().sum::<u64>()), (0, 1), "{report:?}");
    let renewal = world.renewal("sub").await;
    assert_eq!(renewal.state, "review", "the database says that nobody wants the period");
    assert_eq!(world.timeline("sub").await.payments.len(), 1, "the money is recorded");
}

async fn while_the_gateway_does_not_list_nothing_is_charged_and_what_was_sent_is_looked_up(on: On) {
    let world = World::new(on).await;
    world.subscribe("sent", "bk-sent").await;
    world.rule(When::Always, Trouble::Hidden);
    assert_eq!(world.run().await.unknown, 1);
    world.simulator.model().clear_rules();
    world.subscribe("due", "bk-due").await;
    world.clock.pass(TimeDelta::hours(1));
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Error { status: 500 }).on(Route::List));
    let report = world.run().await;
    let problem = report.problem.as_ref().unwrap();
    assert!(problem.contains("could not list") && problem.contains("nothing was charged"), "{problem}");
    assert_eq!((report.status.as_str(), report.compared, report.left_due), ("failed", false, 1));
    assert_eq!((world.charges("due").len(), world.charges("sent").len()), (0, 1));
    assert_eq!(world.renewal("sent").await.state, "paid");

    world.simulator.model().clear_rules();
    assert_eq!(world.run().await.paid, 1, "the next run goes on");
}

async fn a_payment_that_is_listed_unreadably_is_no_less_forgotten(on: On) {
    let world = business(on).await;
    let copy = backup(&world, on).await;
    world.run().await;
    let mut world = world.on_database(&copy).await;
    list_otherwise(&mut world, |page| {
        for payment in &mut page.items {
            (payment.status, payment.custom_data) = (PaymentStatus::Other("NEW".to_owned()), None);
        }
    });
    assert!(world.run().await.problem.unwrap().contains("2 payment(s) adopted"), "they are looked up by their names");
}

async fn a_hold_that_died_half_way_is_gone_on_with(on: On) {
    let world = business(on).await;
    let copy = backup(&world, on).await;
    world.run().await;
    world.clock.pass(TimeDelta::hours(4));

    let mut world = world.on_database(&copy).await;
    // The first listing shows what was forgotten; the reconciliation after it does not come through.
    let gateway = refuse_listings_after(&mut world, 1);
    assert!(world.run().await.problem.unwrap().contains("could not list"));
    assert!(paused(&world).await.unwrap().contains("restore_suspected"), "held first of all");
    assert_eq!(events(&world, on, "restore.suspected").await, 1, "and told before it");
    world.engine.gateway = gateway;

    let held = world.run().await;
    assert!(held.problem.unwrap().contains("2 payment(s) adopted"), "found again by the next run");
    assert_eq!(world.charges("one").len(), 1);
}

async fn what_one_listing_shows_is_not_undone_by_what_became_of_the_other(on: On) {
    for by in [ListedBy::Created, ListedBy::Changed] {
        let mut world = restored(on).await;
        refuse_listings_by(&mut world, by);
        world.run().await;
        assert!(paused(&world).await.is_some_and(|why| why.starts_with("renewd: restore_suspected")), "{by:?}");
        assert!(world.charges("five").is_empty(), "{by:?}");
    }
}

async fn what_is_too_much_for_one_listing_is_compared_in_parts(on: On) {
    let mut world = restored(on).await;
    list_at_most(&mut world, TimeDelta::hours(1));
    world.run().await;
    held_until_resumed(&world, on).await;
}

async fn where_not_all_can_be_listed_nothing_is_charged(on: On) {
    let mut world = restored(on).await;
    list_at_most(&mut world, TimeDelta::zero());
    let report = world.run().await;
    assert!(report.problem.is_some_and(|why| why.contains("60001 payments within one second")));
    assert_eq!((report.status.as_str(), world.charges("five").len()), ("failed", 0));
}

/// The subscription itself came after the copy.
async fn what_cannot_be_adopted_holds_charging_once(on: On) {
    let world = World::new(on).await;
    world.subscribe("old", "bk-old").await;
    let copy = backup(&world, on).await;
    world.subscribe("new", "bk-new").await;
    assert_eq!(world.try_run(&["new"]).await.unwrap().paid, 1);
    world.clock.pass(TimeDelta::minutes(1));

    let world = world.on_database(&copy).await;
    let held = world.run().await;
    assert!(held.problem.unwrap().contains("1 unknown payment(s)"));
    resume(&world).await;
    let goes_on = world.run().await;
    assert_eq!((goes_on.problem, goes_on.paid), (None, 1), "told once is enough");
    let report = reconcile(&world).await;
    assert_eq!(report.unknown[0].why, "its subscription is not in this database");
}

async fn what_was_forgotten_is_seen_behind_a_page_of_what_was_not(on: On) {
    let world = World::new(on).await;
    let names: Vec<String> = (0..205).map(|n| format!("sub-{n}")).collect();
    for name in &names {
        world.subscribe(name, &format!("bk-{name}")).await;
    }
    assert_eq!(world.run().await.paid, 205);
    world.subscribe("last", "bk-last").await;
    let copy = backup(&world, on).await;
    assert_eq!(world.run_after(TimeDelta::minutes(1)).await.paid, 1);

    let world = world.on_database(&copy).await;
    let held = world.run().await;
    assert!(held.problem.unwrap().contains("1 payment(s) adopted, for last"));
}

async fn the_reason_of_an_earlier_pause_is_kept(on: On) {
    let world = business(on).await;
    let copy = backup(&world, on).await;
    world.run().await;
    let world = world.on_database(&copy).await;
    let new_id = || world.app.chance.id(world.app.clock.now());
    let hand = renewd::domain::action::Hand::of("ops").because("prices");
    renewd::engine::control::pause(&*world.store, &new_id, &hand).await.unwrap();
    world.run().await;
    let reason = paused(&world).await.unwrap();
    assert!(
        reason.starts_with("renewd: restore_suspected") && reason.ends_with("(paused before by ops: prices)"),
        "{reason}"
    );
}

async fn a_lost_series_is_adopted_under_its_own_name(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    let declined = Trouble::Decline { name: "insufficient".to_owned() };
    world.simulator.model().add_rule(Rule::new(When::Always, declined).times(1));
    assert_eq!(world.run().await.declined, 1);
    let first = world.renewal("sub").await.payment_id;
    let copy = backup(&world, on).await;
    world.rule(When::Payment(first.clone()), Trouble::MaxTransactions);
    world.run_after(TimeDelta::days(1)).await;
    assert_eq!(world.run_after(TimeDelta::days(1)).await.paid, 1);
    let second = world.renewal("sub").await.payment_id;
    assert_ne!(first, second);

    let world = world.on_database(&copy).await;
    let report = reconcile(&world).await;
    assert_eq!((report.adopted, report.held.is_some()), (1, true), "{report:?}");
    let renewal = world.renewal("sub").await;
    assert_eq!((renewal.state.as_str(), renewal.payment_id), ("paid", second));
    world.run_after(TimeDelta::days(1)).await;
    assert_eq!(world.charges("sub").len(), 1);
}

/// A copy that has forgotten two payments, and a subscriber who is charged where nothing is held.
async fn restored(on: On) -> World {
    let world = business(on).await;
    let copy = backup(&world, on).await;
    assert_eq!(world.run().await.paid, 2);
    world.clock.pass(TimeDelta::hours(4));
    let world = world.on_database(&copy).await;
    world.subscribe("five", "bk-5").await;
    world
}

/// Held for one reason only, and charging goes on when a person says so.
async fn held_until_resumed(world: &World, on: On) {
    assert!(paused(world).await.is_some_and(|why| why.starts_with("renewd: restore_suspected")));
    world.run().await;
    assert!(world.charges("five").is_empty(), "held");
    resume(world).await;
    let goes_on = world.run_after(TimeDelta::minutes(1)).await;
    assert_eq!((goes_on.status.as_str(), goes_on.paid), ("completed", 1), "{:?}", goes_on.problem);
    assert_eq!(paused(world).await, None, "held once");
    assert!(events(world, on, "restore.suspected").await >= 1);
}

async fn a_reconciliation_that_comes_first_holds_charging_too(on: On) {
    let world = restored(on).await;
    let report = reconcile(&world).await;
    assert_eq!((report.adopted, report.held.is_some(), report.needs_a_look()), (2, true, true));
    assert_eq!(events(&world, on, "restore.suspected").await, 1);
    held_until_resumed(&world, on).await;
}

async fn a_webhook_that_comes_first_holds_charging_too(on: On) {
    let world = restored(on).await;
    let ledger = world.charges("one");
    let subject = Subject::Payment(ledger[0].payment_id.as_str().into());
    let notice = Notice { id: "wh-1".to_owned(), kind: NoticeKind::Paid, subject, happened_at: None };
    world.store.keep_notices(&[notice]).await.unwrap();
    let heard = world.engine.hear("test", &Shutdown::new(Duration::from_secs(8))).await.unwrap();
    assert_eq!(heard.adopted, 1);
    held_until_resumed(&world, on).await;
}

async fn a_retry_that_was_lost_alone_is_no_less_forgotten(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk-insufficient-once").await;
    assert_eq!(world.run().await.declined, 1);
    assert!(world.run_after(TimeDelta::hours(12)).await.compared);
    let copy = backup(&world, on).await;
    assert_eq!(world.run_after(TimeDelta::hours(12)).await.paid, 1);

    let world = world.on_database(&copy).await;
    world.subscribe("five", "bk-5").await;
    let held = world.run_after(TimeDelta::minutes(1)).await;
    assert!(held.problem.as_ref().is_some_and(|problem| problem.contains("restore_suspected")), "{held:?}");
    held_until_resumed(&world, on).await;
    assert_eq!(world.charges("sub").len(), 1);
}

async fn a_person_who_pauses_meanwhile_does_not_end_the_hold(on: On) {
    let world = restored(on).await;
    world.run().await;
    let new_id = || world.app.chance.id(world.app.clock.now());
    let hand = Hand::of("ops").because("looking at the restore");
    control::pause(&*world.store, &new_id, &hand).await.unwrap();
    let why = paused(&world).await.unwrap();
    assert!(why.starts_with("renewd: restore_suspected") && why.contains("looking at the restore"), "{why}");
    held_until_resumed(&world, on).await;
}
