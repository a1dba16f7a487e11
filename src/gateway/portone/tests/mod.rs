//! The client over real HTTP: against the simulator, and against servers that mean harm.

mod answers;
mod contract;
mod hostile;
mod schema;
mod tls;

use super::{PortOne, Settings};
use crate::clock::{Clock, SettableClock};
use crate::domain::charge::{Attempt, BillingKey, ClaimedRenewal, CustomData, Order, Payer};
use crate::domain::ids::{AttemptId, PaymentId, RenewalId, RunId};
use crate::domain::money::{Currency, Money};
use crate::gateway::Gateway;
use crate::gateway::simulator::{Rule, Simulator, SimulatorSettings, Trouble, When};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const SECRET: &str = "portone-api-secret-canary";
const PAYMENT_ID: &str = "rn0123456789abcdefghijklmnopqrstuv";

fn noon() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-01-30T03:00:00Z").unwrap().to_utc()
}

fn settings(base_url: String) -> Settings {
    Settings {
        base_url,
        api_secret: SecretString::from(SECRET),
        store_id: "store-simulator".to_owned(),
        product_type: None,
        locale: None,
        connect_timeout: Duration::from_secs(2),
        first_byte_timeout: Duration::from_secs(5),
        call_timeout: Duration::from_secs(10),
        body_bytes_max: 1 << 20,
    }
}

fn client(base_url: String) -> PortOne {
    PortOne::new(settings(base_url), Arc::new(SettableClock::at(noon()))).unwrap()
}

fn order() -> Order {
    Order {
        payment_id: PaymentId::from(PAYMENT_ID),
        customer_id: "cust_1".into(),
        payer: Payer::default(),
        order_name: "Pro 1개월".to_owned(),
        amount: Money::new(9900, Currency::parse("KRW").unwrap()).unwrap(),
        channel_key: None,
        custom_data: CustomData { subscription: "sub_1".into(), period_start: noon(), attempt: 1 },
    }
}

/// The `number`th attempt at the one renewal of these tests.
fn attempt(gateway: &PortOne, key: &str, number: u32) -> Attempt {
    let order = order();
    Attempt {
        id: AttemptId(Uuid::nil()),
        run_id: RunId(Uuid::nil()),
        renewal: ClaimedRenewal {
            id: RenewalId(Uuid::nil()),
            subscription_id: "sub_1".into(),
            customer_id: order.customer_id.clone(),
            plan_id: "pro".into(),
            payment_id: order.payment_id.clone(),
            series: 0,
            amount: order.amount,
            period_start: noon(),
            period_end: noon() + TimeDelta::days(31),
            access_until: noon() + TimeDelta::days(7),
            declines: Vec::new(),
            first_declined_at: None,
            known_transactions: Vec::new(),
            customer_keys: Vec::new(),
            look_ups: 0,
            unknown_since: None,
        },
        number,
        idempotency_key: format!("{PAYMENT_ID}-{number}"),
        request: gateway.freeze(&order),
        billing_key_id: "bkrow_1".into(),
        billing_key: Some(BillingKey::new(key)),
        channel_key: None,
        pg_provider: None,
        started_at: noon(),
        maybe_sent: false,
        lease_epoch: 1,
        lease_until: noon() + TimeDelta::minutes(5),
    }
}

/// A simulator and a client of it, on one clock that stands still until it is set.
struct World {
    simulator: Simulator,
    gateway: PortOne,
    clock: SettableClock,
}

impl World {
    async fn start() -> Self {
        Self::start_with(|_| {}, |_| {}).await
    }

    async fn start_with(simulator: impl FnOnce(&mut SimulatorSettings), client: impl FnOnce(&mut Settings)) -> Self {
        let clock = SettableClock::at(noon());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let mut theirs = SimulatorSettings::new(shared.clone());
        theirs.api_secret = SecretString::from(SECRET);
        simulator(&mut theirs);
        let simulator = Simulator::start(theirs).await.unwrap();
        let mut ours = settings(simulator.base_url());
        client(&mut ours);
        Self { gateway: PortOne::new(ours, shared).unwrap(), simulator, clock }
    }

    fn rule(&self, trouble: Trouble) -> Rule {
        Rule::new(When::Always, trouble)
    }

    fn trouble(&self, trouble: Trouble) {
        self.simulator.model().add_rule(self.rule(trouble));
    }

    fn later(&self, by: TimeDelta) {
        self.clock.set(self.clock.now() + by);
    }

    fn successes(&self) -> u32 {
        self.simulator.model().ledger().successes(PAYMENT_ID)
    }

    fn sends(&self) -> u32 {
        self.simulator.model().ledger().sends(PAYMENT_ID)
    }
}
