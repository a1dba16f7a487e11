//! Planning and charging beside each other: what is planned is charged while the rest is planned, where no brake can trip.

use super::brakes::{GROWTH, fridays, tripped, world};
use crate::world::{On, World};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use renewd::clock::Clock;
use renewd::domain::brakes::Brake;
use renewd::engine::run::{RunRequest, Scope};
use renewd::gateway::simulator::{Rule, Trouble, When};
use renewd::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;

crate::on_both_databases! {
    what_is_planned_is_charged_while_the_rest_is_planned,
    what_is_planned_is_charged_though_the_rest_cannot_be_planned,
    where_a_brake_needs_the_whole_plan_nothing_is_charged_before_it,
    what_becomes_due_while_it_is_planned_and_charged_is_measured,
    what_another_run_records_meanwhile_is_measured,
    a_run_that_is_to_stop_plans_no_further,
    one_run_renews_nobody_twice,
    who_is_behind_is_planned_by_the_run_that_finds_the_last_one_paid,
    results_that_cannot_come_are_not_waited_for,
}

/// Before the renewal of `subscription` is planned, this is done.
async fn before_planning(world: &World, on: On, subscription: &str, body: &str) {
    let when = format!("BEFORE INSERT ON renewals FOR EACH ROW WHEN (new.subscription_id = '{subscription}')");
    let statements = match on {
        On::Postgres => vec![
            format!("CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN new; END $$"),
            format!("CREATE TRIGGER first {when} EXECUTE FUNCTION first()"),
        ],
        On::Sqlite => vec![format!("CREATE TRIGGER first {when} BEGIN {body}; END")],
    };
    for statement in statements {
        world.texts(&statement).await;
    }
}

async fn paid(world: &World) -> Vec<String> {
    world.texts("SELECT subscription_id FROM renewals WHERE state = 'paid' ORDER BY 1").await
}

/// SQLite has one writer, and nothing that waits: there the order of the work is seen in the next test only.
async fn what_is_planned_is_charged_while_the_rest_is_planned(on: On) {
    let mut world = world(on, &[], 2).await;
    if on == On::Postgres {
        let until_paid = "FOR tries IN 1..1000 LOOP
            EXIT WHEN EXISTS (SELECT FROM renewals WHERE subscription_id = 'sub-0' AND state = 'paid');
            PERFORM pg_sleep(0.02);
            IF tries = 1000 THEN RAISE EXCEPTION 'sub-0 is not charged before all is planned'; END IF;
        END LOOP";
        before_planning(&world, on, "sub-1", until_paid).await;
    }
    world.engine.limits.plan_rows_max = 1;
    assert_eq!(world.run().await.paid, 2);
}

/// A run that plans one subscription at a time, and cannot plan the second. Answers which were paid.
async fn paid_though_the_plan_fails(on: On, settings: &[(&'static str, &str)]) -> Vec<String> {
    let mut world = world(on, settings, 2).await;
    let refuse = match on {
        On::Postgres => "RAISE EXCEPTION 'refused'",
        On::Sqlite => "SELECT raise(ABORT, 'refused')",
    };
    before_planning(&world, on, "sub-1", refuse).await;
    world.engine.limits.plan_rows_max = 1;
    assert!(world.try_run(&[]).await.unwrap_err().to_string().contains("recording a page of the plan"));
    paid(&world).await
}

async fn what_is_planned_is_charged_though_the_rest_cannot_be_planned(on: On) {
    assert_eq!(paid_though_the_plan_fails(on, &[]).await, ["sub-0"]);
    assert_eq!(paid_though_the_plan_fails(on, &[("brakes.charges_max", "2")]).await, ["sub-0"], "surely within it");
}

async fn where_a_brake_needs_the_whole_plan_nothing_is_charged_before_it(on: On) {
    for brake in [("brakes.charges_max", "1"), ("brakes.sums_max", "110000 KRW")] {
        assert_eq!(paid_though_the_plan_fails(on, &[brake]).await, [""; 0], "{brake:?}");
    }
}

/// An import comes between the count and the plan: five are due where three were, and four are ordinary.
async fn what_becomes_due_while_it_is_planned_and_charged_is_measured(on: On) {
    let mut world = world(on, &GROWTH, 3).await;
    fridays(&world, 2, &[]).await;
    for number in 0..3 {
        world.subscribe_until(&format!("zz-{number}"), &format!("bk-zz-{number}"), "2026-03-31").await;
    }
    let end = world.texts("SELECT CAST(current_period_end AS text) FROM subscriptions WHERE id = 'sub-0'").await;
    let import = format!("UPDATE subscriptions SET current_period_end = '{}' WHERE id LIKE 'zz-%'", end[0]);
    before_planning(&world, on, "sub-0", &import).await;
    world.engine.limits.plan_rows_max = 1;
    let report = world.run().await;
    assert_eq!((report.status.as_str(), tripped(&report)), ("failed", vec![Brake::Growth]), "{report:?}");
    assert_eq!(report.due, 6, "all is planned, and looked at by a person");
    assert!(report.paid <= 4 && report.paid + report.left_due == 6, "{report:?}");
}

/// The same import, planned by another run: three of its renewals are recorded before this run's own.
async fn what_another_run_records_meanwhile_is_measured(on: On) {
    let mut world = world(on, &GROWTH, 3).await;
    fridays(&world, 2, &[]).await;
    for number in 0..3 {
        world.subscribe_until(&format!("zz-{number}"), &format!("bk-zz-{number}"), "2026-03-31").await;
    }
    let end = world.texts("SELECT CAST(current_period_end AS text) FROM subscriptions WHERE id = 'sub-0'").await;
    let id = match on {
        On::Postgres => "gen_random_uuid()",
        On::Sqlite => "'01920000-0000-7000-8000-00000000000' || substr(s.id, 4)",
    };
    let columns = "plan_id, business_date, period_start, period_end, amount, currency, order_name, state, next_attempt_at, \
        access_until, created_at, updated_at";
    let new: Vec<String> = columns.split(',').map(|column| format!("new.{}", column.trim())).collect();
    let import = format!(
        "UPDATE subscriptions SET current_period_end = '{}' WHERE id LIKE 'zz-%';
        INSERT INTO renewals (id, subscription_id, customer_id, payment_id, planned_by, {columns})
        SELECT {id}, s.id, s.customer_id, substr(new.payment_id, 1, 35) || substr('abc', 1 + CAST(substr(s.id, 4) AS integer), 1), {}, {}
        FROM subscriptions s WHERE s.id LIKE 'zz-%'",
        end[0],
        if on == On::Postgres { "gen_random_uuid()" } else { "'01920000-0000-7000-8000-000000000009'" },
        new.join(", "),
    );
    before_planning(&world, on, "sub-0", &import).await;
    world.engine.limits.plan_rows_max = 1;
    let report = world.run().await;
    assert_eq!((report.status.as_str(), tripped(&report)), ("failed", vec![Brake::Growth]), "{report:?}");
    assert!(report.paid <= 4, "{report:?}");
    // Neither the day's retries nor another run of the date begin to count anew.
    for scope in [Scope::Planned, Scope::Whole] {
        world.clock.pass(TimeDelta::minutes(15));
        let again =
            world.run_as(RunRequest { trigger: "test".to_owned(), scope, ..RunRequest::default() }).await.unwrap();
        assert_eq!((tripped(&again), again.paid), (vec![Brake::Growth], 0), "{again:?}");
    }
    let due = world.texts("SELECT subscription_id FROM renewals WHERE state = 'due' ORDER BY 1").await;
    assert_eq!(world.try_run(&[&due[0]]).await.unwrap().paid, 1, "one that somebody names");
}

/// The order to stop comes while the second of three is planned.
async fn a_run_that_is_to_stop_plans_no_further(on: On) {
    // SQLite's statements cannot be made to wait for the order.
    if on == On::Sqlite {
        return;
    }
    // With this brake nothing is charged before all is planned.
    let mut world = world(on, &[("brakes.sums_max", "900000 KRW")], 3).await;
    world.texts("CREATE TABLE asked_to_stop (n integer)").await;
    let until_asked = "FOR tries IN 1..3000 LOOP
        EXIT WHEN EXISTS (SELECT FROM asked_to_stop);
        PERFORM pg_sleep(0.02);
    END LOOP";
    before_planning(&world, on, "sub-1", until_asked).await;
    world.engine.limits.plan_rows_max = 1;
    let shutdown = Shutdown::new(Duration::from_secs(8));
    let request = RunRequest { trigger: "test".to_owned(), ..RunRequest::default() };
    let stop = async {
        while world.texts("SELECT subscription_id FROM renewals").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        shutdown.request();
        world.texts("INSERT INTO asked_to_stop VALUES (1)").await;
    };
    let (report, ()) = tokio::join!(world.engine.run(&request, &shutdown), stop);
    assert_eq!(report.unwrap().status, "interrupted");
    assert_eq!(world.texts("SELECT subscription_id FROM renewals ORDER BY 1").await, ["sub-0", "sub-1"]);
    assert_eq!(world.run_after(TimeDelta::minutes(1)).await.paid, 3, "the next run goes on");
}

/// Its period ended a month ago, and so did the next one now.
async fn fall_behind(world: &World, id: &str) {
    let month =
        "current_period_start = '2025-11-29T15:00:00.000000Z', current_period_end = '2025-12-30T15:00:00.000000Z'";
    world.texts(&format!("UPDATE subscriptions SET {month} WHERE id = '{id}'")).await;
}

/// Two periods are due, one after the other: the second is for the next run, also where the first is paid before the plan
/// comes to its end.
async fn one_run_renews_nobody_twice(on: On) {
    let mut world = world(on, &[("business.max_overdue", "60days")], 0).await;
    world.subscribe("zz-behind", "bk-zz").await;
    fall_behind(&world, "zz-behind").await;
    for number in 0..60 {
        world.subscribe(&format!("sub-{number}"), &format!("bk-{number}")).await;
    }
    world.engine.limits.plan_rows_max = 1;
    let report = world.run().await;
    assert_eq!(world.charges("zz-behind").len(), 1, "{report:?}");
    world.run_after(TimeDelta::hours(1)).await;
    assert_eq!(world.charges("zz-behind").len(), 2);
}

/// The last period was taken without an answer; the run that finds it paid plans the next one, like any other that is due.
async fn who_is_behind_is_planned_by_the_run_that_finds_the_last_one_paid(on: On) {
    let world = world(on, &[("business.max_overdue", "60days")], 0).await;
    world.subscribe("behind", "bk-behind").await;
    fall_behind(&world, "behind").await;
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::Hidden).times(20));
    let first = world.run().await;
    assert_eq!((first.paid, world.charges("behind").len()), (0, 1), "{first:?}");
    world.simulator.model().clear_rules();
    let found = world.run_after(TimeDelta::hours(1)).await;
    assert_eq!((found.paid, world.charges("behind").len()), (2, 2), "{found:?}");
}

/// A clock on which whoever lingers for more results does so for ever.
struct Lingering {
    inner: Arc<dyn Clock>,
    linger: Duration,
}

#[async_trait]
impl Clock for Lingering {
    fn now(&self) -> DateTime<Utc> {
        self.inner.now()
    }

    fn uptime(&self) -> Duration {
        self.inner.uptime()
    }

    async fn sleep(&self, time: Duration) {
        if time == self.linger {
            std::future::pending::<()>().await;
        }
        self.inner.sleep(time).await;
    }

    fn is_test(&self) -> bool {
        self.inner.is_test()
    }
}

/// More is due than may be claimed at once: what is claimed next waits for the places of what is settled, and that must not
/// wait for it.
async fn results_that_cannot_come_are_not_waited_for(on: On) {
    let mut world = world(on, &[("charge.settle_linger", "19ms"), ("charge.settle_rows_max", "4")], 9).await;
    world.engine.clock =
        Arc::new(Lingering { inner: Arc::new(world.clock.clone()), linger: Duration::from_millis(19) });
    let report = tokio::time::timeout(Duration::from_secs(120), world.run()).await.expect("it lingers for nothing");
    assert_eq!(report.paid, 9);
}
