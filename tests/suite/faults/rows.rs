//! Rows that say nonsense, say something else by now, or mean harm: each costs itself only, and never a wrong charge.

use crate::world::{On, PERIOD_END, World, instant};
use async_trait::async_trait;
use chrono::TimeDelta;
use renewd::domain::charge::{Attempt, BillingKey, FrozenRequest, Order};
use renewd::domain::ids::PaymentId;
use renewd::domain::payment::LookUp;
use renewd::gateway::simulator::{Rule, Trouble, When};
use renewd::gateway::{
    Answer, BillingKeyStatus, Cancellation, CancellationStatus, Gateway, GatewayError, IssuedKey, PaymentPage,
    PaymentRange, Schedule, ScheduleRange,
};
use renewd::store::Committed;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::sync::Arc;

crate::on_both_databases! {
    rows_that_cannot_be_read_hold_up_nobody,
    a_panic_over_one_row_ends_that_row_only,
    a_price_that_changes_between_plan_and_charge_is_charged_next_time,
    a_period_that_was_set_back_by_hand_is_not_charged_again,
    an_attempt_that_is_sent_again_after_its_key_was_forgotten_takes_no_second_payment,
    names_that_are_statements_are_names,
    amounts_that_are_none_are_refused_where_they_are_written,
}

/// Does these statements as somebody with the database's password would; the refusal in the database's own words.
async fn execute(world: &World, statements: &str) -> Result<(), String> {
    let (url, statements) = (world.app.config.database.url.expose(), AssertSqlSafe(statements.to_owned()));
    let done = if url.starts_with("sqlite") {
        sqlx::raw_sql(statements).execute(&mut SqliteConnection::connect(url).await.unwrap()).await.map(|_| ())
    } else {
        sqlx::raw_sql(statements).execute(&mut PgConnection::connect(url).await.unwrap()).await.map(|_| ())
    };
    done.map_err(|refusal| refusal.to_string())
}

/// Plans that no import would take, each with a subscription of its own.
const NONSENSE: [(&str, &str); 4] =
    [("KRW", "P1Q"), ("KRW", "every month"), ("won", "P1M"), ("KRW", "P99999999999999999999D")];

async fn rows_that_cannot_be_read_hold_up_nobody(on: On) {
    let world = World::new(on).await;
    for (number, (currency, interval)) in NONSENSE.iter().enumerate() {
        let id = format!("a-nonsense-{number}");
        world.subscribe(&id, &format!("bk-{number}")).await;
        execute(&world, &format!("INSERT INTO plans (id, name, amount, currency, interval, tier, fallback_tier, order_name) VALUES ('{id}', 'Odd', 100, '{currency}', '{interval}', 'pro', 'free', 'Odd')")).await.unwrap();
        execute(&world, &format!("UPDATE subscriptions SET plan_id = '{id}' WHERE id = '{id}'")).await.unwrap();
    }
    world.subscribe("b-fine", "bk-fine").await;
    let report = world.run().await;
    assert_eq!((report.paid, report.review), (1, NONSENSE.len() as u64), "{report:?}");
    for number in 0..NONSENSE.len() {
        let renewal = world.renewal(&format!("a-nonsense-{number}")).await;
        assert!(renewal.state == "review" && renewal.review_reason.is_some(), "{renewal:?}");
    }
    assert_eq!(world.simulator.model().ledger().charges().len(), 1);
}

/// The real client, but one payment brings down whoever charges it.
struct Cursed {
    inner: Arc<dyn Gateway>,
    subscription: &'static str,
}

#[async_trait]
impl Gateway for Cursed {
    fn freeze(&self, order: &Order) -> FrozenRequest {
        self.inner.freeze(order)
    }

    async fn charge(&self, attempt: &Committed<Attempt>) -> Answer {
        assert_ne!(attempt.get().renewal.subscription_id.0, self.subscription, "cursed");
        self.inner.charge(attempt).await
    }

    async fn payment(&self, id: &PaymentId) -> LookUp {
        self.inner.payment(id).await
    }

    async fn payments(&self, range: &PaymentRange) -> Result<PaymentPage, GatewayError> {
        self.inner.payments(range).await
    }

    async fn cancel(&self, cancellation: &Cancellation) -> Result<CancellationStatus, GatewayError> {
        self.inner.cancel(cancellation).await
    }

    async fn billing_key(&self, key: &BillingKey) -> Result<BillingKeyStatus, GatewayError> {
        self.inner.billing_key(key).await
    }

    async fn issued_key(&self, key: &BillingKey) -> Result<Option<IssuedKey>, GatewayError> {
        self.inner.issued_key(key).await
    }

    async fn schedules(&self, range: &ScheduleRange) -> Result<Vec<Schedule>, GatewayError> {
        self.inner.schedules(range).await
    }

    fn clock_skew(&self) -> Option<TimeDelta> {
        self.inner.clock_skew()
    }
}

async fn a_panic_over_one_row_ends_that_row_only(on: On) {
    let mut world = World::new(on).await;
    for name in ["sub-1", "sub-2", "sub-3"] {
        world.subscribe(name, &format!("bk-{name}")).await;
    }
    let blessed = Arc::clone(&world.engine.gateway);
    world.engine.gateway = Arc::new(Cursed { inner: Arc::clone(&blessed), subscription: "sub-2" });
    assert_eq!(world.run().await.paid, 2);
    assert_eq!(world.renewal("sub-2").await.state, "charging", "it stays claimed: nobody knows how far it came");
    world.engine.gateway = blessed;
    world.run_after(TimeDelta::minutes(11)).await;
    let report = world.run_after(TimeDelta::hours(1)).await;
    assert_eq!(world.renewal("sub-2").await.state, "paid", "{report:?}");
    assert_eq!(world.charges("sub-2").len(), 1);
}

async fn a_price_that_changes_between_plan_and_charge_is_charged_next_time(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    // Planned at ten in the evening, when nothing is charged.
    world.run_after(TimeDelta::hours(12)).await;
    assert_eq!(world.renewal("sub").await.state, "due");
    execute(&world, "UPDATE plans SET amount = 99000").await.unwrap();
    assert_eq!(world.run_after(TimeDelta::hours(12)).await.paid, 1);
    assert_eq!(world.charges("sub")[0].amount, 55_000, "what was planned was told to the customer");
}

async fn a_period_that_was_set_back_by_hand_is_not_charged_again(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    assert_eq!(world.run().await.paid, 1);
    assert!(world.period_end("sub").await > instant(PERIOD_END));
    let (start, end) = ("2025-12-30T15:00:00.000000Z", "2026-01-30T15:00:00.000000Z");
    let back = format!("UPDATE subscriptions SET current_period_start = '{start}', current_period_end = '{end}'");
    execute(&world, &back).await.unwrap();
    world.run_after(TimeDelta::hours(5)).await;
    assert_eq!(world.timeline("sub").await.renewals.len(), 1, "one renewal for each period, for ever");
    assert_eq!(world.charges("sub").len(), 1);
}

/// The gateway forgets idempotency keys after three hours; it never forgets a payment id.
async fn an_attempt_that_is_sent_again_after_its_key_was_forgotten_takes_no_second_payment(on: On) {
    let world = World::with(on, &[("charge.repeats_max", "3")]).await;
    world.subscribe("sub", "bk").await;
    world.rule(When::Always, Trouble::AnswerLost);
    world.rule(When::Always, Trouble::Hidden);
    assert_eq!(world.run().await.unknown, 1);
    let payment = world.charges("sub")[0].payment_id.clone();
    let sends = |world: &World| world.simulator.model().ledger().sends(&payment);
    let before = sends(&world);
    // One look-up still sees nothing, so that it is sent once more.
    world.simulator.model().clear_rules();
    world.simulator.model().add_rule(Rule::new(When::Payment(payment.clone()), Trouble::Hidden).times(1));
    assert_eq!(world.run_after(TimeDelta::hours(4)).await.paid, 1);
    assert_eq!((sends(&world), world.charges("sub").len()), (before + 1, 1));
    assert_eq!(world.attempts("sub").await.len(), 1);
}

async fn names_that_are_statements_are_names(on: On) {
    const NAMES: [&str; 4] =
        ["x'); DROP TABLE payments; --", "../../payments", "$1 OR 1=1", "{\\\"id\\\": null}\\u001b[31m\\nrenewal paid"];
    let world = World::new(on).await;
    for (number, name) in NAMES.iter().enumerate() {
        world.subscribe(name, &format!("bk-{number}")).await;
    }
    let report = world.run().await;
    assert_eq!(report.paid, NAMES.len() as u64, "{report:?}");
    for name in NAMES {
        let name: String = serde_json::from_str(&format!("\"{name}\"")).unwrap();
        assert_eq!((world.charges(&name).len(), world.renewal(&name).await.state.as_str()), (1, "paid"), "{name}");
    }
}

async fn amounts_that_are_none_are_refused_where_they_are_written(on: On) {
    let world = World::new(on).await;
    world.subscribe("sub", "bk").await;
    for amount in ["0", "-55000", "9007199254740992", "NULL"] {
        let refusal = execute(&world, &format!("UPDATE plans SET amount = {amount}")).await;
        assert!(refusal.is_err(), "{amount} was taken");
    }
    assert_eq!(world.run().await.paid, 1);
}
