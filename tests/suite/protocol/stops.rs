//! What stops charging: nothing that was claimed is lost, and nobody's card is blamed.

use crate::told::Told;
use crate::world::{On, World};
use chrono::TimeDelta;
use renewd::clock::SystemClock;
use renewd::engine::limits::ChannelLimit;
use renewd::engine::report::RunReport;
use renewd::engine::run::RunRequest;
use renewd::engine::{RunError, Silent};
use renewd::gateway::simulator::{Route, Rule, Trouble, When};
use renewd::shutdown::Shutdown;
use renewd::store::{Paused, Switch};
use std::sync::Arc;
use std::time::Duration;

crate::on_both_databases! {
    refused_credentials_stop_the_run_and_leave_everything_due,
    a_channel_that_is_not_found_stops_alone,
    our_credentials_at_the_payment_gateway_stop_the_channel_at_once,
    our_contract_stops_the_channel_after_three_customers,
    a_gateway_that_cannot_be_reached_takes_nothing,
    the_kill_switch_stops_every_claim,
    outside_the_window_nothing_is_sent,
    clocks_that_disagree_hold_all_charging,
    outcomes_that_still_wait_do_not_stop_those_that_are_due,
    a_claim_that_waited_too_long_is_given_back_unsent,
    what_was_given_back_is_claimed_again_when_all_is_planned,
    who_is_told_to_stop_while_an_earlier_id_is_looked_up_sends_nothing,
    nothing_is_sent_again_outside_the_window,
    a_gateway_that_knows_no_billing_key_at_all_is_the_wrong_one,
}

async fn world(on: On, subscriptions: usize, billing_key: &str) -> World {
    world_with(on, &[], subscriptions, billing_key).await
}

async fn world_with(on: On, settings: &[(&'static str, &str)], subscriptions: usize, billing_key: &str) -> World {
    let world = World::with(on, &[&[("charge.concurrency", "2")], settings].concat()).await;
    for number in 0..subscriptions {
        world.subscribe(&format!("sub-{number}"), &format!("bk-{number}{billing_key}")).await;
    }
    world
}

async fn states(world: &World, subscriptions: usize) -> Vec<String> {
    let mut states = Vec::new();
    for number in 0..subscriptions {
        states.push(world.renewal(&format!("sub-{number}")).await.state);
    }
    states
}

async fn refused_credentials_stop_the_run_and_leave_everything_due(on: On) {
    for trouble in [Trouble::Unauthorized, Trouble::Forbidden] {
        let world = world(on, 6, "").await;
        world.rule(When::Always, trouble);
        let report = world.run().await;
        assert_eq!(report.status, "failed");
        assert!(report.problem.unwrap().contains("credentials"));
        assert_eq!(states(&world, 6).await, ["due"; 6]);
        for number in 0..6 {
            let renewal = world.renewal(&format!("sub-{number}")).await;
            assert_eq!(renewal.decline_count, 0);
            let attempts = world.attempts(&format!("sub-{number}")).await;
            assert!(attempts.iter().all(|attempt| attempt.state == "not_charged"), "{attempts:?}");
        }
        world.simulator.model().clear_rules();
        assert_eq!(world.run_after(TimeDelta::minutes(1)).await.paid, 6, "and the next run charges them");
        assert_eq!(world.simulator.model().ledger().charges().len(), 6);
    }
}

async fn a_channel_that_is_not_found_stops_alone(on: On) {
    let world = world(on, 3, "-no-channel").await;
    world.subscribe("sub-fine", "bk-fine").await;
    world
        .import(
            r#"{"type":"billing_key","customer":"user-sub-fine","billing_key":"bk-fine","channel_key":"channel-2"}"#,
        )
        .await;
    let report = world.run().await;
    assert_eq!((report.status.as_str(), report.paid), ("failed", 1));
    assert_eq!(report.stopped_channels.len(), 1);
    assert_eq!(states(&world, 3).await, ["due"; 3]);
    assert_eq!(world.charges("sub-fine").len(), 1);
}

async fn our_credentials_at_the_payment_gateway_stop_the_channel_at_once(on: On) {
    let world = world(on, 6, "-credentials").await;
    let report = world.run().await;
    assert_eq!((report.status.as_str(), report.declined), ("failed", 0));
    assert_eq!(states(&world, 6).await, ["due"; 6]);
    let refused = world.simulator.model().ledger().declined().len();
    assert!((1..=4).contains(&refused), "{refused} were tried before it stopped");
}

async fn our_contract_stops_the_channel_after_three_customers(on: On) {
    for ending in ["contract", "kcp-merchant-limit"] {
        one_contract(on, ending).await;
    }
}

async fn one_contract(on: On, ending: &str) {
    let world = world(on, 2, &format!("-{ending}")).await;
    let report = world.run().await;
    assert_eq!((report.status.as_str(), report.declined), ("completed", 0), "it may be one card company's");
    assert_eq!(states(&world, 2).await, ["due"; 2]);
    for number in 2..8 {
        world.subscribe(&format!("sub-{number}"), &format!("bk-{number}-{ending}")).await;
    }
    let report = world.run().await;
    assert_eq!((report.status.as_str(), report.declined), ("failed", 0));
    assert_eq!(states(&world, 8).await, ["due"; 8]);
}

async fn a_gateway_that_cannot_be_reached_takes_nothing(on: On) {
    // Nobody listens on the discard port of this machine.
    let world = World::with(on, &[]).await;
    world.subscribe("sub-0", "bk-0").await;
    let elsewhere = World::with(on, &[]).await;
    let dead = elsewhere.simulator.base_url();
    elsewhere.simulator.stop().await;
    let app = renewd::app::App {
        config: crate::world::config_at(&world.app, &dead, &[]),
        ..crate::world::clone_app(&world.app)
    };
    let mut engine = app.engine(Arc::clone(&world.store), Arc::new(Silent)).await.unwrap();
    let request = RunRequest { trigger: "test".into(), ..Default::default() };
    let shutdown = Shutdown::new(Duration::from_secs(8));
    let report = engine.run(&request, &shutdown).await.unwrap();
    assert!(report.problem.as_ref().unwrap().contains("could not list its payments"), "{report:?}");
    assert_eq!((report.due, report.left_due), (1, 1));
    assert!(world.attempts("sub-0").await.is_empty());

    // It goes away between the listing and the charge.
    engine.gateway = Arc::new(Told { charges: engine.gateway, ..Told::by(&world.engine.gateway) });
    let report = engine.run(&request, &Shutdown::new(Duration::from_secs(8))).await.unwrap();
    assert_eq!(report.status, "failed");
    assert!(report.problem.as_ref().unwrap().contains("could not be reached"), "{report:?}");
    assert_eq!(report.left_due, 1);
    assert_eq!(states(&world, 1).await, ["due"]);
    assert_eq!(world.attempts("sub-0").await[0].state, "not_charged");
    assert_eq!(world.run_after(TimeDelta::minutes(1)).await.paid, 1);
}

async fn the_kill_switch_stops_every_claim(on: On) {
    let world = world(on, 3, "").await;
    let paused = Paused { at: world.store.now().await.unwrap(), by: "ops".into(), reason: "a drill".into() };
    world.store.set_switch(&Switch { paused: Some(paused) }).await.unwrap();
    let report = world.run().await;
    assert_eq!((report.paid, report.paused, report.left_due), (0, true, 3));
    assert!(world.simulator.model().ledger().charges().is_empty());
    world.store.set_switch(&Switch { paused: None }).await.unwrap();
    assert_eq!(world.run().await.paid, 3);
}

async fn outside_the_window_nothing_is_sent(on: On) {
    let world = world(on, 2, "").await;
    world.run_after(TimeDelta::hours(11)).await;
    assert!(world.simulator.model().ledger().charges().is_empty(), "nine in the evening is too late");
    assert_eq!(states(&world, 2).await, ["due"; 2]);
    assert_eq!(world.run_after(TimeDelta::hours(12)).await.paid, 2, "and nine in the morning is not");
}

async fn clocks_that_disagree_hold_all_charging(on: On) {
    let world = World::with(on, &[("charge.window", "00:00-24:00"), ("charge.quiet", "03:33-03:34")]).await;
    world.subscribe("sub-0", "bk-0").await;
    // The same database and the same gateway (which lives in January), by the machine's clock.
    let app = renewd::app::App { clock: Arc::new(SystemClock), ..crate::world::clone_app(&world.app) };
    let engine = app.engine(app.database().await.unwrap(), Arc::new(Silent)).await.unwrap();
    let refused = engine.run(&RunRequest::default(), &Shutdown::new(Duration::from_secs(8))).await.unwrap_err();
    assert!(matches!(refused, RunError::ClockSkew { .. }), "{refused}");
    assert!(world.timeline("sub-0").await.renewals.is_empty(), "nothing was planned, nothing charged");
    assert!(world.simulator.model().ledger().charges().is_empty());
}

/// What is only looked up was charged on another day: it says nothing of what its channel does now.
async fn outcomes_that_still_wait_do_not_stop_those_that_are_due(on: On) {
    let world = World::new(on).await;
    for number in 0..66 {
        let ending = if number % 3 == 0 { "-pending" } else { "" };
        world.subscribe(&format!("sub-{number}"), &format!("bk-{number}{ending}")).await;
    }
    let report = world.run().await;
    assert_eq!((report.paid, report.unknown), (44, 22));
    world.subscribe("sub-new", "bk-new").await;
    let report = world.run_after(TimeDelta::minutes(2)).await;
    assert_eq!((report.status.as_str(), report.paid, report.unknown), ("completed", 1, 22), "{report:?}");
}

/// The second claim waits for its channel's only slot while time passes: the world may have changed meanwhile. Answers the
/// run's report and how many charges were sent.
async fn a_claim_waits_too_long(world: &mut World) -> (RunReport, u64) {
    let slow = ChannelLimit { concurrency: Some(1), ..Default::default() };
    world.engine.limits.channels.insert("default".to_owned(), slow);
    world.rule(When::Always, Trouble::SlowApproval { millis: 600 });
    let sent = |world: &World| world.simulator.model().ledger().requests(Route::Charge);
    let clock = world.clock.clone();
    let time_passes = async {
        // The first one is under way, and the other waits for its slot.
        while sent(world) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        clock.pass(TimeDelta::seconds(21));
    };
    let (report, ()) = tokio::join!(world.run(), time_passes);
    (report, sent(world))
}

async fn a_claim_that_waited_too_long_is_given_back_unsent(on: On) {
    let mut world = world_with(on, &[("brakes.sums_max", "1000000 KRW")], 2, "").await;
    let (report, sent) = a_claim_waits_too_long(&mut world).await;
    assert_eq!((report.paid, report.left_due, sent), (1, 1, 1), "{report:?}");
    assert_eq!(world.run().await.paid, 1, "and the next run charges it");
}

/// A run that charges while it plans looks at what is due once more when the plan is over.
async fn what_was_given_back_is_claimed_again_when_all_is_planned(on: On) {
    let mut world = world(on, 2, "").await;
    let (report, sent) = a_claim_waits_too_long(&mut world).await;
    assert_eq!((report.paid, report.left_due, sent), (2, 0, 2), "{report:?}");
    let mut attempts = [world.timeline("sub-0").await, world.timeline("sub-1").await].map(|row| row.attempts.len());
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2], "one of them was given back first");
}

/// The last question before a charge is whether it may still be sent, however long the gateway took to answer another one.
async fn who_is_told_to_stop_while_an_earlier_id_is_looked_up_sends_nothing(on: On) {
    let world = world(on, 1, "").await;
    let insufficient = Trouble::Decline { name: "insufficient".to_owned() };
    world.simulator.model().add_rule(Rule::new(When::Always, insufficient).times(1));
    assert_eq!(world.run().await.declined, 1);
    let first = world.renewal("sub-0").await.payment_id;
    world.rule(When::Payment(first.clone()), Trouble::MaxTransactions);
    assert_eq!(world.run_after(TimeDelta::days(1)).await.paid, 0, "the next charge has another id");

    world.clock.pass(TimeDelta::days(1));
    let slow = Rule::new(When::Payment(first), Trouble::Delay { millis: 2_000 }).on(Route::LookUp);
    world.simulator.model().add_rule(slow);
    let look_ups = || world.simulator.model().ledger().requests(Route::LookUp);
    let before = look_ups();
    let shutdown = Shutdown::new(Duration::from_secs(3_000));
    let request = RunRequest { trigger: "test".to_owned(), ..RunRequest::default() };
    let (report, ()) = tokio::join!(world.engine.run(&request, &shutdown), async {
        // The run's first question, and two about the attempt before, come first.
        while look_ups() < before + 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shutdown.request();
    });
    let report = report.unwrap();
    assert_eq!((report.status.as_str(), report.left_due), ("interrupted", 1), "{report:?}");
    let attempts = world.attempts("sub-0").await;
    assert_eq!((attempts.len(), attempts[2].state.as_str()), (3, "not_charged"), "it was claimed, and given back");
    assert_eq!(world.simulator.model().ledger().sends(&attempts[2].payment_id), 0);
}

async fn nothing_is_sent_again_outside_the_window(on: On) {
    let world = world(on, 1, "").await;
    world.rule(When::Always, Trouble::RequestLost);
    assert_eq!(world.run().await.unknown, 1);
    world.simulator.model().clear_rules();
    let sends = world.simulator.model().ledger().requests(Route::Charge);
    world.run_after(TimeDelta::hours(12)).await;
    assert_eq!(world.simulator.model().ledger().requests(Route::Charge), sends, "ten in the evening");
    assert_eq!(world.run_after(TimeDelta::hours(12)).await.paid, 1);
}

/// With another store's secret every key is unknown: it must not cost every customer their card.
async fn a_gateway_that_knows_no_billing_key_at_all_is_the_wrong_one(on: On) {
    let world = world(on, 40, "").await;
    world.rule(When::Always, Trouble::BillingKeyNotFound);
    let report = world.run().await;
    assert_eq!(report.status, "failed");
    assert!((20..=26).contains(&report.declined), "{} were lost before it stopped", report.declined);
    assert!(report.left_due >= 14, "{}", report.left_due);
}
