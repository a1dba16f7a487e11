//! The plan before the money: what a dry run says is what the run does, and saying it writes nothing.

use crate::world::{On, World, key};
use chrono::TimeDelta;
use renewd::engine::preview::{Action, Group, PlanLine, Preview};
use renewd::engine::run::RunRequest;
use renewd::gateway::simulator::{Trouble, When};
use std::collections::BTreeMap;

crate::on_both_databases! {
    a_dry_run_says_what_the_run_does_and_writes_nothing,
    a_later_date_is_seen_as_of_that_date,
    outside_the_window_all_of_it_waits,
    what_a_limit_leaves_over_and_which_brakes_would_hold_is_said,
}

async fn preview(world: &World, request: &RunRequest) -> (Preview, BTreeMap<String, PlanLine>) {
    let mut lines = BTreeMap::new();
    let mut hear = |line: &PlanLine| {
        assert!(lines.insert(line.subscription_id.clone(), line.clone()).is_none(), "each once: {line:?}");
    };
    let preview = world.engine.preview(request, &mut hear).await.unwrap();
    (preview, lines)
}

/// Every row of every table that a run could write to.
async fn tables(world: &World, on: On) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for table in [
        "runs",
        "renewals",
        "attempts",
        "payments",
        "observations",
        "events",
        "refunds",
        "subscriptions",
        "coverage_runs",
        "controls",
    ] {
        let sql = match on {
            On::Postgres => format!("SELECT CAST(t AS text) FROM {table} t ORDER BY 1"),
            On::Sqlite => {
                let names = format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')");
                format!("SELECT {} FROM {table} ORDER BY 1", world.texts(&names).await.join(" || '|' || "))
            }
        };
        rows.push(world.texts(&sql).await);
    }
    rows
}

fn count(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.renewals).sum()
}

/// One of each: declined yesterday and due again or later, cancelled, without a key, and so on.
async fn mixed() -> [(&'static str, &'static str); 9] {
    [
        ("retry", "bk-retry-insufficient-once"),
        ("later", "bk-later-insufficient"),
        ("hard", "bk-hard-lost"),
        ("unknown", "bk-unknown-pending"),
        ("canceled", "bk-canceled-insufficient"),
        ("resumed", "bk-resumed"),
        ("new-key", "bk-new-key-lost"),
        ("paid", "bk-paid"),
        ("waits", "bk-waits-insufficient"),
    ]
}

async fn a_dry_run_says_what_the_run_does_and_writes_nothing(on: On) {
    let world = World::with(on, &[("charge.repeats_max", "1")]).await;
    for (id, billing_key) in mixed().await {
        world.subscribe(id, billing_key).await;
    }
    world.cancel("resumed").await;
    world.run().await;
    // A day later the ladder's first rung is due, and the world has changed around some.
    world.clock.pass(TimeDelta::days(1));
    world.import(&key("new-key", "bk-new-key-fresh")).await;
    world.cancel("canceled").await;
    world.subscribe("resumed", "bk-resumed").await;
    world.subscribe_until("first", "bk-first", "2026-02-01").await;
    world.subscribe_until("left", "bk-left", "2026-02-01").await;
    world.cancel("left").await;
    world.subscribe_until("old", "bk-old", "2026-01-20").await;
    let (before, request) = (tables(&world, on).await, RunRequest::default());
    let (plan, lines) = preview(&world, &request).await;
    assert_eq!(tables(&world, on).await, before, "nothing is written");

    let said: Vec<(&str, Action, &str)> =
        lines.iter().map(|(id, line)| (id.as_str(), line.action, line.reason)).collect();
    let all = [
        ("canceled", Action::Skip, "cancelled by the customer"),
        ("first", Action::Charge, "first charge"),
        ("hard", Action::Skip, "no billing key"),
        ("later", Action::Charge, "retry"),
        ("new-key", Action::Charge, "retry"),
        ("old", Action::Skip, "ended too long ago"),
        ("resumed", Action::Charge, "first charge"),
        ("retry", Action::Charge, "retry"),
        ("unknown", Action::Skip, "outcome unknown, is looked up first"),
        ("waits", Action::Charge, "retry"),
    ];
    let rest: Vec<_> = said.iter().filter(|line| line.0 != "left").copied().collect();
    assert_eq!(rest, all);
    assert_eq!((count(&plan.charges), plan.brakes.len(), &plan.paused), (6, 0, &None));
    assert_eq!(plan.charges.iter().map(|group| group.minor).sum::<i64>(), 6 * 55_000);
    let first = plan.charges.iter().find(|group| group.reason == "first charge").unwrap();
    assert_eq!((first.renewals, first.channel.as_deref(), first.plan_id.as_str()), (2, Some("default"), "pro"));

    let report = world.run().await;
    assert_eq!(report.due, count(&plan.charges), "{report:?}");
    let later: Vec<_> = lines.iter().filter(|(_, line)| line.action == Action::Charge).map(|(id, _)| id).collect();
    for id in later {
        let tried = world.attempts(id).await.into_iter().any(|attempt| attempt.run_id == report.run_id);
        assert!(tried, "{id} was to be charged");
    }
    let again = preview(&world, &request).await.0;
    assert_eq!((count(&again.charges), again.waiting[0].reason), (0, "its next attempt is later"));
}

async fn a_later_date_is_seen_as_of_that_date(on: On) {
    let world = World::new(on).await;
    world.subscribe("declined", "bk-declined-insufficient").await;
    world.run().await;
    world.subscribe_until("then", "bk-then", "2026-02-04").await;
    let on_date = |date: &str| RunRequest { business_date: Some(date.parse().unwrap()), ..RunRequest::default() };
    let (plan, lines) = preview(&world, &on_date("2026-01-30")).await;
    assert_eq!((count(&plan.charges), lines["declined"].action), (0, Action::Wait));
    let (plan, lines) = preview(&world, &on_date("2026-02-03")).await;
    assert_eq!(plan.at, crate::world::instant("2026-02-03T09:00:00+09:00"), "when its window opens");
    assert_eq!((lines["then"].reason, lines["declined"].reason), ("first charge", "retry"));
    assert_eq!(plan.missed.len(), 3, "unless somebody runs it before");
}

async fn outside_the_window_all_of_it_waits(on: On) {
    let world = World::new(on).await;
    world.subscribe("declined", "bk-declined-insufficient").await;
    world.run().await;
    world.clock.pass(TimeDelta::hours(36));
    world.subscribe_until("first", "bk-first", "2026-02-01").await;
    let (plan, lines) = preview(&world, &RunRequest::default()).await;
    assert_eq!((count(&plan.charges), count(&plan.waiting)), (0, 2));
    assert!(lines.values().all(|line| line.reason == "outside of the charging window"), "{lines:?}");
    assert_eq!(world.run().await.due, 1, "the retry stays due; the first one's time is the morning");
}

async fn what_a_limit_leaves_over_and_which_brakes_would_hold_is_said(on: On) {
    let world = World::with(on, &[("brakes.charges_max", "2"), ("brakes.sums_max", "1000 KRW")]).await;
    for id in ["one", "two", "three"] {
        world.subscribe(id, &format!("bk-{id}")).await;
    }
    world.rule(When::Always, Trouble::Unauthorized);
    let (plan, _) = preview(&world, &RunRequest::default()).await;
    let report = world.run().await;
    assert_eq!(plan.brakes.len(), 2, "the probe that failed stopped this run, not the brakes: {report:?}");
    world.simulator.model().clear_rules();
    let (plan, _) = preview(&world, &RunRequest::default()).await;
    assert_eq!(plan.brakes, world.run().await.brakes, "as the run says it");
    let limited = RunRequest { charges_max: Some(1), ..RunRequest::default() };
    let (plan, _) = preview(&world, &limited).await;
    assert_eq!((plan.over_limit, plan.brakes.len()), (2, 0));
    let only = RunRequest { only: vec!["two".into()], ..RunRequest::default() };
    let (plan, lines) = preview(&world, &only).await;
    assert_eq!((count(&plan.charges), lines.len()), (1, 1));
    assert_eq!(plan.brakes.len(), 1, "its sum alone");
}
