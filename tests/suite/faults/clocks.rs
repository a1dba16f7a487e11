//! Machines whose clocks are wrong.

use super::database::execute;
use crate::world::{On, World, clone_app, config_at};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use renewd::app::App;
use renewd::clock::{Clock, SystemClock};
use renewd::engine::run::RunRequest;
use renewd::engine::{Silent, report::RunReport};
use renewd::gateway::simulator::{Simulator, SimulatorSettings};
use renewd::shutdown::Shutdown;
use renewd::store::{Paused, Switch};
use std::sync::Arc;
use std::time::Duration;

/// A machine's clock that is off by this much.
struct Off(TimeDelta);

#[async_trait]
impl Clock for Off {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.0
    }

    fn uptime(&self) -> Duration {
        SystemClock.uptime()
    }

    fn is_test(&self) -> bool {
        false
    }
}

/// At any time of the day, so that the test may run at any time: the quiet minute is far from now.
fn always() -> [(&'static str, &'static str); 2] {
    let seoul = SystemClock.now() + TimeDelta::hours(9);
    let quiet = if (6..18).contains(&seoul.hour()) { "00:33-00:34" } else { "12:33-12:34" };
    [("charge.window", "00:00-24:00"), ("charge.quiet", quiet)]
}

async fn run(world: &World, gateway: &Simulator, off: TimeDelta) -> RunReport {
    let config = config_at(&world.app, &gateway.base_url(), &always());
    let app = App { config, clock: Arc::new(Off(off)), ..clone_app(&world.app) };
    let engine = app.engine(app.database().await.unwrap(), Arc::new(Silent)).await.unwrap();
    engine.run(&RunRequest::default(), &Shutdown::new(Duration::from_secs(8))).await.unwrap()
}

/// Two hours early it charges nothing that is due in an hour, two hours late it charges what is due now: the server's
/// clock counts, and the gateway's agrees with it.
#[tokio::test]
async fn a_worker_whose_clock_is_two_hours_off_charges_what_is_due_and_nothing_else() {
    let world = World::with(On::Postgres, &always()).await;
    let gateway = Simulator::start(SimulatorSettings::new(Arc::new(SystemClock))).await.unwrap();
    let url = world.app.config.database.url.expose();
    for name in ["now", "in-an-hour"] {
        world.subscribe(name, &format!("bk-{name}")).await;
    }
    execute(
        url,
        "UPDATE subscriptions
        SET current_period_start = now() - interval '30 days', current_period_end = now() + interval '1 minute'",
    )
    .await
    .unwrap();
    // Planned while nothing may be charged.
    let paused = Paused { at: SystemClock.now(), by: "test".to_owned(), reason: "test".to_owned() };
    world.store.set_switch(&Switch { paused: Some(paused) }).await.unwrap();
    assert_eq!(run(&world, &gateway, TimeDelta::zero()).await.paid, 0);
    world.store.set_switch(&Switch { paused: None }).await.unwrap();
    execute(
        url,
        "UPDATE renewals SET next_attempt_at = now() + interval '1 hour' WHERE subscription_id = 'in-an-hour';
        UPDATE renewals SET next_attempt_at = now() WHERE subscription_id = 'now'",
    )
    .await
    .unwrap();
    assert_eq!(run(&world, &gateway, TimeDelta::hours(2)).await.paid, 1);
    let charged = gateway.model().ledger().charges().to_vec();
    assert_eq!((charged.len(), charged[0].subscription.as_deref()), (1, Some("now")));
    execute(url, "UPDATE renewals SET next_attempt_at = now() WHERE subscription_id = 'in-an-hour'").await.unwrap();
    assert_eq!(run(&world, &gateway, TimeDelta::hours(-2)).await.paid, 1);
    assert_eq!(gateway.model().ledger().charges().len(), 2);
}
