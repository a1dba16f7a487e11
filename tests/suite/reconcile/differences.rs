//! Recorded here, and otherwise at the gateway: told to a person once, and nothing that is paid is changed.

use super::ground::{list_at_most, observations, reconcile, tell_otherwise};
use crate::world::{On, World};
use chrono::TimeDelta;
use renewd::domain::payment::{Payment, PaymentStatus};
use renewd::domain::reconcile::Difference;
use renewd::engine::reconcile::report::ReconcileReport;
use renewd::gateway::simulator::{Route, Rule, Trouble, When};

crate::on_both_databases! {
    where_both_sides_agree_there_is_nothing_to_tell,
    paid_here_and_unknown_there,
    paid_here_and_failed_there,
    another_amount_there,
    given_back_there,
    partly_given_back_there,
    a_listing_that_is_wrong_is_not_believed,
    a_look_up_without_an_answer_says_so,
    a_gateway_that_does_not_list_ends_it,
    a_time_that_holds_too_many_is_listed_in_parts,
    a_payment_that_was_made_before_the_range_is_looked_up_with_its_own_day,
}

const SUB: &str = "sub";

async fn paid(on: On) -> World {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    assert_eq!(world.run().await.paid, 1);
    world
}

/// One difference of this kind, one event however often it is found, and the renewal as it was.
async fn differs(world: &World, kind: Difference, there: Option<&str>) -> ReconcileReport {
    let report = reconcile(world).await;
    assert_eq!((report.findings.len(), report.differences.get(&kind)), (1, Some(&1)), "{report:?}");
    assert_eq!(report.findings[0].status_there.as_deref(), there);
    assert_eq!(report.findings[0].subscription_id, Some(SUB.into()));
    assert!(report.needs_a_look());
    assert_eq!(world.renewal(SUB).await.state, "paid", "paid stays paid");
    reconcile(world).await;
    let told = world.timeline(SUB).await.events;
    let told: Vec<_> = told.iter().filter(|event| event.kind == "renewal.review").collect();
    assert_eq!(told.len(), 1, "told once");
    assert_eq!(told[0].payload["severity"], "critical");
    assert_eq!(told[0].payload["difference"]["kind"], kind.as_str());
    report
}

async fn where_both_sides_agree_there_is_nothing_to_tell(on: On) {
    let world = paid(on).await;
    let report = reconcile(&world).await;
    let counts = (report.listed, report.ours, report.recorded, report.agreed);
    assert_eq!((counts, report.needs_a_look(), report.adopted), ((1, 1, 1, 1), false, 0), "{report:?}");
    assert_eq!(report.status, "completed");
    let runs = world.store.runs(1).await.unwrap();
    assert_eq!((runs[0].trigger.as_str(), runs[0].status.as_str()), ("reconcile (test)", "completed"));
    assert_eq!(runs[0].figures["agreed"], 1);
}

async fn paid_here_and_unknown_there(on: On) {
    let world = paid(on).await;
    world.simulator.model().reset();
    differs(&world, Difference::NotThere, None).await;
}

async fn paid_here_and_failed_there(on: On) {
    let mut world = paid(on).await;
    tell_otherwise(&mut world, |payment: &mut Payment| payment.status = PaymentStatus::Failed);
    differs(&world, Difference::NotPaidThere, Some("FAILED")).await;
    let payment = world.renewal(SUB).await.payment_id;
    assert_eq!(observations(&world, on, &payment, "reconcile").await, 1, "what was seen is kept");
}

async fn another_amount_there(on: On) {
    let mut world = paid(on).await;
    tell_otherwise(&mut world, |payment: &mut Payment| payment.total = Some(99_000));
    let report = differs(&world, Difference::OtherAmount, Some("PAID")).await;
    assert_eq!((report.findings[0].amount_here, report.findings[0].amount_there), (Some(55_000), Some(99_000)));
}

async fn given_back_there(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.rule(When::Always, Trouble::Cancelled { secs: 3_600 });
    assert_eq!(world.run().await.paid, 1);
    assert!(!reconcile(&world).await.needs_a_look());
    world.clock.pass(TimeDelta::hours(2));
    let report = differs(&world, Difference::GivenBack, Some("CANCELLED")).await;
    assert_eq!(report.findings[0].cancelled_there, Some(55_000));
}

async fn partly_given_back_there(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk").await;
    world.rule(When::Always, Trouble::PartlyCancelled { secs: 3_600, amount: 5_000 });
    assert_eq!(world.run().await.paid, 1);
    world.clock.pass(TimeDelta::hours(2));
    let report = differs(&world, Difference::GivenBack, Some("PARTIAL_CANCELLED")).await;
    assert_eq!(report.findings[0].cancelled_there, Some(5_000));
}

async fn a_listing_that_is_wrong_is_not_believed(on: On) {
    let mut world = paid(on).await;
    let gateway = std::sync::Arc::clone(&world.engine.gateway);
    let listed_wrong = std::sync::atomic::AtomicBool::new(true);
    // The listing is asked first, the look-up after it.
    tell_otherwise(&mut world, move |payment: &mut Payment| {
        if listed_wrong.swap(false, std::sync::atomic::Ordering::SeqCst) {
            payment.total = Some(1);
        }
    });
    assert!(!reconcile(&world).await.needs_a_look(), "the look-up says that all is well");
    world.engine.gateway = gateway;
}

async fn a_look_up_without_an_answer_says_so(on: On) {
    let mut world = paid(on).await;
    tell_otherwise(&mut world, |payment: &mut Payment| payment.total = Some(1));
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Error { status: 500 }).on(Route::LookUp));
    let report = reconcile(&world).await;
    assert_eq!((report.unanswered, report.findings.len(), report.needs_a_look()), (1, 0, true), "{report:?}");
}

async fn a_gateway_that_does_not_list_ends_it(on: On) {
    let world = paid(on).await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Error { status: 500 }).on(Route::List).times(2));
    assert!(!reconcile(&world).await.needs_a_look(), "asked again");
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Unauthorized).on(Route::List));
    let now = world.store.now().await.unwrap();
    let request = renewd::engine::reconcile::ReconcileRequest {
        trigger: "test".to_owned(),
        actor: "test".to_owned(),
        from: now - TimeDelta::days(2),
        until: now,
    };
    let shutdown = renewd::shutdown::Shutdown::new(std::time::Duration::from_secs(8));
    assert!(world.engine.reconcile(&request, &shutdown).await.is_err());
    let runs = world.store.runs(1).await.unwrap();
    assert_eq!(runs[0].status, "failed");
}

/// Declined on one day and paid on another under the same name: the gateway lists it under the first.
async fn a_payment_that_was_made_before_the_range_is_looked_up_with_its_own_day(on: On) {
    let world = World::new(on).await;
    world.subscribe(SUB, "bk-insufficient-once").await;
    world.run().await;
    let first = world.store.now().await.unwrap();
    assert_eq!(world.run_after(TimeDelta::days(1)).await.paid, 1);
    let now = world.store.now().await.unwrap();
    let second = super::ground::reconcile_between(&world, now - TimeDelta::hours(2), now).await;
    assert_eq!((second.listed, second.recorded, second.needs_a_look()), (0, 0, false), "{second:?}");
    let hour = TimeDelta::hours(1);
    let of_first = super::ground::reconcile_between(&world, first - hour, first + hour).await;
    assert_eq!((of_first.listed, of_first.recorded, of_first.agreed), (1, 1, 1), "{of_first:?}");
}

async fn a_time_that_holds_too_many_is_listed_in_parts(on: On) {
    let mut world = paid(on).await;
    list_at_most(&mut world, TimeDelta::hours(7));
    let before = world.simulator.model().ledger().requests(Route::List);
    let report = reconcile(&world).await;
    // Two days are halved three times; each half is asked for once.
    assert_eq!(world.simulator.model().ledger().requests(Route::List) - before, 15);
    assert_eq!((report.agreed, report.recorded, report.needs_a_look()), (1, 1, false), "{report:?}");
}
