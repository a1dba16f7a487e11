//! Pages: everything comes once, whatever is added meanwhile; and a client's key opens one run.

use super::ground::{Ground, now, payment_id};
use super::{on_all, on_both};
use chrono::{Days, TimeDelta};
use renewd::domain::due::PlannedRenewal;
use renewd::domain::ids::RunId;
use renewd::domain::renewal::State;
use renewd::store::search::{ClientKey, KeyedRun, RenewalPage, RunPage};
use renewd::store::sql::{ALL_STATEMENTS, Database};
use renewd::store::{NewRun, Store};
use sqlx::{AssertSqlSafe, Row};
use std::sync::Arc;

on_all!(
    each_thing_that_is_searched_for_finds_what_meets_it,
    renewals_come_once_each_while_others_are_planned,
    runs_come_once_each_while_others_are_opened,
    a_key_opens_one_run_whoever_asks,
    a_key_keeps_what_it_was_asked_for_with,
);

mod by_index {
    use super::*;

    on_both!(every_page_is_found_by_an_index);
}

fn run(ground: &Ground) -> NewRun {
    NewRun {
        id: ground.run_id(),
        trigger: "test".to_owned(),
        business_date: now().date_naive(),
        zone: "Asia/Seoul".to_owned(),
        actor: "test".to_owned(),
        started_at: now(),
    }
}

fn key(text: &str, asked: &str) -> ClientKey {
    ClientKey { key: text.to_owned(), asked: asked.to_owned() }
}

const PAGE: RenewalPage =
    RenewalPage { state: None, subscription: None, payment: None, business_date: None, before: None, rows_max: 9 };

/// The subscriptions that a page shows.
async fn found(ground: &Ground, page: &RenewalPage) -> Vec<String> {
    ground.renewals_page(page).await.unwrap().into_iter().map(|row| row.subscription_id).collect()
}

async fn each_thing_that_is_searched_for_finds_what_meets_it(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2", "sub_3"]).await;
    ground.plan(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    ground.settle(&[ground.paid(&attempt)]).await.unwrap();
    let yesterday = now().date_naive() - Days::new(1);
    let other = PlannedRenewal { business_date: yesterday, ..ground.planned("sub_2") };
    let canceled = PlannedRenewal { state: State::Canceled, next_attempt_at: None, ..ground.planned("sub_3") };
    ground.record_plan(ground.run_id(), &[other, canceled]).await.unwrap();
    let of = |state| RenewalPage { state: Some(state), ..PAGE };
    let by = |id: &str| RenewalPage { subscription: Some(id.into()), ..PAGE };
    let under = |id: &str| RenewalPage { payment: Some(payment_id(id)), ..PAGE };
    let on = |date| RenewalPage { business_date: Some(date), ..PAGE };
    let today = now().date_naive();
    let cases: Vec<(RenewalPage, &[&str])> = vec![
        (PAGE, &["sub_3", "sub_2", "sub_1"]),
        (RenewalPage { rows_max: 2, ..PAGE }, &["sub_3", "sub_2"]),
        (of(State::Paid), &["sub_1"]),
        (of(State::Due), &["sub_2"]),
        (of(State::Canceled), &["sub_3"]),
        (of(State::Review), &[]),
        (by("sub_2"), &["sub_2"]),
        (by("sub_9"), &[]),
        (under("sub_1"), &["sub_1"]),
        (under("sub_9"), &[]),
        (on(yesterday), &["sub_2"]),
        (on(today), &["sub_3", "sub_1"]),
        (RenewalPage { state: Some(State::Paid), ..on(today) }, &["sub_1"]),
        (RenewalPage { state: Some(State::Paid), ..on(yesterday) }, &[]),
        (RenewalPage { state: Some(State::Due), ..by("sub_2") }, &["sub_2"]),
        (RenewalPage { state: Some(State::Paid), ..by("sub_2") }, &[]),
        (RenewalPage { business_date: Some(today), ..by("sub_2") }, &[]),
        (RenewalPage { subscription: Some("sub_2".into()), ..under("sub_1") }, &[]),
        (RenewalPage { subscription: Some("sub_1".into()), ..under("sub_1") }, &["sub_1"]),
    ];
    for (page, wanted) in cases {
        assert_eq!(found(&ground, &page).await, wanted, "{page:?}");
    }
}

async fn renewals_come_once_each_while_others_are_planned(ground: Ground) {
    let early = ["sub_1", "sub_2", "sub_3", "sub_4", "sub_5"];
    let late = ["sub_6", "sub_7"];
    ground.subscribe(&[&early[..], &late].concat()).await;
    for id in early {
        ground.plan(&[id]).await;
    }
    for state in [None, Some(State::Due)] {
        let (mut seen, mut before, mut late) = (Vec::new(), None, late.iter());
        loop {
            let page = RenewalPage { state, before, rows_max: 2, ..PAGE };
            let rows = ground.renewals_page(&page).await.unwrap();
            let Some(last) = rows.last() else { break };
            before = Some(renewd::domain::ids::RenewalId(last.id.parse().unwrap()));
            seen.extend(rows.into_iter().map(|row| row.subscription_id).filter(|id| early.contains(&id.as_str())));
            if let Some(id) = late.next() {
                ground.plan(&[id]).await;
            }
        }
        assert_eq!(seen, ["sub_5", "sub_4", "sub_3", "sub_2", "sub_1"]);
    }
}

async fn runs_come_once_each_while_others_are_opened(ground: Ground) {
    let mut opened = Vec::new();
    for minutes in [0, 0, 1, 2, 2] {
        let run = NewRun { started_at: now() + TimeDelta::minutes(minutes), ..run(&ground) };
        ground.open_run(&run).await.unwrap();
        opened.insert(0, run.id.to_string());
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let rows = ground.runs_page(&RunPage { before, rows_max: 2 }).await.unwrap();
        let Some(last) = rows.last() else { break };
        before = Some((last.started_at, RunId(last.id.parse().unwrap())));
        seen.extend(rows.into_iter().map(|row| row.id));
        let newer = NewRun { started_at: now() + TimeDelta::minutes(9), ..run(&ground) };
        ground.open_run(&newer).await.unwrap();
    }
    assert_eq!(seen, opened);
}

async fn a_key_opens_one_run_whoever_asks(ground: Ground) {
    let stores = [Arc::clone(&ground.store), ground.neighbour(Arc::new(ground.clock.clone())).await];
    let asking = (0..8_usize).map(|number| {
        let (store, run): (Arc<dyn Store>, NewRun) = (Arc::clone(&stores[number % 2]), run(&ground));
        tokio::spawn(async move { (run.id, store.open_run_once(&run, &key("nightly", "a")).await.unwrap()) })
    });
    let mut opened = Vec::new();
    let mut told = Vec::new();
    for answer in asking.collect::<Vec<_>>() {
        match answer.await.unwrap() {
            (id, None) => opened.push(id.to_string()),
            (_, Some(before)) => told.push(before.id),
        }
    }
    assert_eq!((opened.len(), told.len()), (1, 7));
    assert!(told.iter().all(|id| *id == opened[0]), "{told:?}");
    let rows: Vec<String> = ground.runs(9).await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(rows, opened, "one row");
}

async fn a_key_keeps_what_it_was_asked_for_with(ground: Ground) {
    assert_eq!(ground.run_of_key("k").await.unwrap(), None);
    let first = run(&ground);
    assert_eq!(ground.open_run_once(&first, &key("k", "a")).await.unwrap(), None);
    let kept = Some(KeyedRun { id: first.id.to_string(), asked: "a".to_owned() });
    assert_eq!(ground.run_of_key("k").await.unwrap(), kept);
    assert_eq!(ground.open_run_once(&run(&ground), &key("k", "b")).await.unwrap(), kept);
    assert_eq!(ground.open_run_once(&run(&ground), &key("K", "b")).await.unwrap(), None);
    // Runs without a key are as many as are opened, and one id is one run.
    ground.open_run(&run(&ground)).await.unwrap();
    ground.open_run(&run(&ground)).await.unwrap();
    ground.open_run(&first).await.unwrap_err();
    assert_eq!(ground.runs(9).await.unwrap().len(), 4);
}

async fn every_page_is_found_by_an_index(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    for (name, asked, indexes) in [
        ("renewals_page", "(NULL, NULL, NULL, NULL, NULL, 9)", &["renewals_by_state", "renewals_by_date"][..]),
        ("runs_latest", "(9, NULL, NULL)", &["runs_latest"]),
        ("backlog_states", "", &["renewals_by_state"]),
    ] {
        let statement = ALL_STATEMENTS.iter().find(|statement| statement.name == name).unwrap();
        let plan = match ground.database() {
            Database::Postgres(pools) => {
                let mut tx = pools.main.begin().await.unwrap();
                // A table of one row is read whole, unless it must not be.
                sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut *tx).await.unwrap();
                sqlx::query("SET LOCAL plan_cache_mode = force_generic_plan").execute(&mut *tx).await.unwrap();
                let prepare = format!("PREPARE page_of_{name} AS {}", statement.postgres);
                sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *tx).await.unwrap();
                let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE page_of_{name}{asked}"));
                let rows = sqlx::query(explain).fetch_all(&mut *tx).await.unwrap();
                rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>()
            }
            Database::Sqlite(pools) => {
                let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", statement.sqlite));
                let rows = sqlx::query(explain).fetch_all(&pools.writer).await.unwrap();
                rows.iter().map(|row| row.get::<String, _>("detail")).collect()
            }
        };
        let is_whole = |line: &&String| {
            ["renewals", "runs"]
                .iter()
                .any(|table| line.contains(&format!("Seq Scan on {table}")) || line.as_str() == format!("SCAN {table}"))
        };
        let whole: Vec<&String> = plan.iter().filter(is_whole).collect();
        assert!(whole.is_empty() && !plan.is_empty(), "{name} reads a whole table: {plan:#?}");
        let used: Vec<&str> = ["renewals_by_state", "renewals_by_date", "runs_latest"]
            .into_iter()
            .filter(|index| plan.iter().any(|line| line.contains(index)))
            .collect();
        assert_eq!(used, indexes, "{plan:#?}");
    }
}
