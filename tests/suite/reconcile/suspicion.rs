//! What is taken for a restored backup, and what is not.

use super::ground::paused;
use crate::world::{On, World, clone_app};
use chrono::TimeDelta;
use renewd::app::App;
use renewd::chance::Seeded;
use renewd::engine::Silent;
use renewd::engine::run::RunRequest;
use renewd::gateway::simulator::{Route, Trouble, When};
use renewd::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

crate::on_both_databases! {
    an_ordinary_run_asks_for_two_listings_and_suspects_nothing,
    runs_beside_each_other_do_not_suspect_each_other,
    an_approval_that_comes_late_is_no_restored_backup,
    an_outcome_that_is_not_known_yet_is_no_restored_backup,
}

async fn an_ordinary_run_asks_for_two_listings_and_suspects_nothing(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    for _ in 0..3 {
        let before = world.simulator.model().ledger().requests(Route::List);
        let report = world.run_after(TimeDelta::minutes(1)).await;
        assert_eq!((report.status.as_str(), report.compared, report.problem), ("completed", true, None));
        assert_eq!(world.simulator.model().ledger().requests(Route::List) - before, 2, "made, and changed");
    }
    assert_eq!(paused(&world).await, None);
}

async fn runs_beside_each_other_do_not_suspect_each_other(on: On) {
    let world = World::new(on).await;
    for n in 0..40 {
        world.subscribe(&format!("sub-{n}"), &format!("bk-{n}")).await;
    }
    world.rule(When::Always, Trouble::SlowApproval { millis: 3 });
    let engine = |seed| {
        let app = App { chance: Arc::new(Seeded::new(seed)), ..clone_app(&world.app) };
        let store = Arc::clone(&world.store);
        async move { app.engine(store, Arc::new(Silent)).await.unwrap() }
    };
    let request = RunRequest { trigger: "test".to_owned(), actor: "test".to_owned(), ..RunRequest::default() };
    let runs = (0..6_u64).map(|seed| {
        let (engine, request) = (engine(seed + 7), request.clone());
        async move {
            // One after the other, so that later ones list what earlier ones are just taking.
            tokio::time::sleep(Duration::from_millis(15 * seed)).await;
            engine.await.run(&request, &Shutdown::new(Duration::from_secs(8))).await.unwrap()
        }
    });
    let reports = futures_util::future::join_all(runs).await;
    assert!(reports.iter().all(|report| report.compared && report.problem.is_none()), "{reports:?}");
    assert_eq!(reports.iter().map(|report| report.paid).sum::<u64>(), 40);
    assert_eq!(paused(&world).await, None);
}

async fn an_approval_that_comes_late_is_no_restored_backup(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    world.rule(When::Always, Trouble::LateApproval { secs: 60 });
    assert_eq!(world.run().await.declined, 1);
    let report = world.run_after(TimeDelta::minutes(2)).await;
    assert_eq!((report.status.as_str(), report.problem), ("completed", None));
    assert_eq!(paused(&world).await, None);
}

async fn an_outcome_that_is_not_known_yet_is_no_restored_backup(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    world.rule(When::Always, Trouble::Hidden);
    assert_eq!(world.run().await.unknown, 1);
    let report = world.run_after(TimeDelta::seconds(5)).await;
    assert_eq!((report.compared, report.problem), (true, None));
    assert_eq!(paused(&world).await, None);
}
