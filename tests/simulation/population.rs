//! Who lives in a simulated world, and what the API service does for them.

use super::database::Change;
use super::office::Office;
use super::swarm::Swarm;
use super::world::START;
use chrono::{DateTime, TimeDelta, Utc};
use renewd::domain::charge::BillingKey;
use renewd::store::{BillingKeyRow, CustomerRow, ImportBatch, PlanRow, Store, SubscriptionRow};
use std::collections::{BTreeMap, BTreeSet};

const PLANS: [(&str, i64); 2] = [("basic", 9_900), ("pro", 55_000)];

/// A plan that nobody can read: its subscriptions go to a person, and disturb nobody else.
const BAD_PLAN: &str = "bad";

pub struct Population {
    swarm: Swarm,
    cards: u64,
}

impl Population {
    pub fn of(swarm: &Swarm) -> Self {
        Self { swarm: swarm.clone(), cards: 0 }
    }

    pub async fn move_in(&self, store: &dyn Store, office: &Office) {
        let plan = |id: &str, amount: i64, interval: &str| PlanRow {
            id: id.to_owned(),
            name: id.to_owned(),
            amount,
            currency: "KRW".to_owned(),
            interval: interval.to_owned(),
            tier: id.to_owned(),
            fallback_tier: "free".to_owned(),
            order_name: id.to_owned(),
        };
        let mut plans: Vec<_> = PLANS.iter().map(|(id, amount)| plan(id, *amount, self.swarm.interval)).collect();
        plans.push(plan(BAD_PLAN, 1, "whenever"));
        let batch = ImportBatch {
            plans,
            customers: (0..self.swarm.subscriptions).map(customer).collect(),
            billing_keys: (0..self.swarm.subscriptions).map(|number| card(number, 0)).collect(),
            subscriptions: (0..self.swarm.subscriptions).map(|number| self.subscription(number, office)).collect(),
        };
        store.import(batch).await.unwrap();
    }

    fn subscription(&self, number: usize, office: &Office) -> SubscriptionRow {
        let plan = if self.swarm.bad_rows && number == 0 {
            BAD_PLAN
        } else {
            PLANS[usize::try_from(office.between(0, 1)).unwrap()].0
        };
        let end = self.first_end(number);
        SubscriptionRow {
            id: name(number),
            customer_id: format!("customer-{number}"),
            plan_id: plan.to_owned(),
            next_plan_id: None,
            current_period_start: end - TimeDelta::days(1),
            current_period_end: end,
            anchor_day: 31,
            cancel_at_period_end: false,
        }
    }

    fn first_end(&self, number: usize) -> DateTime<Utc> {
        let start: DateTime<Utc> = START.parse().unwrap();
        start + TimeDelta::days(1 + i64::try_from(number).unwrap() % 3)
    }

    pub fn first_ends(&self) -> BTreeMap<String, i64> {
        (0..self.swarm.subscriptions).map(|number| (name(number), self.first_end(number).timestamp_micros())).collect()
    }

    pub fn prices(&self) -> BTreeSet<i64> {
        PLANS.iter().map(|(_, amount)| *amount).collect()
    }

    pub fn cancel(&self, number: usize, canceled: bool) -> Change {
        Change::Cancel { subscription: name(number), canceled }
    }

    pub fn change_plan(&self, number: usize, office: &Office) -> Change {
        let plan = PLANS[usize::try_from(office.between(0, 1)).unwrap()].0.to_owned();
        Change::NextPlan { subscription: name(number), plan }
    }

    pub fn change_price(&self, office: &Office) -> Change {
        let plan = PLANS[usize::try_from(office.between(0, 1)).unwrap()].0.to_owned();
        Change::Price { plan, amount: 100 * office.between(10, 1_000) }
    }

    pub async fn new_card(&mut self, number: usize, store: &dyn Store) {
        self.cards += 1;
        let batch = ImportBatch { billing_keys: vec![card(number, self.cards)], ..ImportBatch::default() };
        store.import(batch).await.unwrap();
    }
}

fn name(number: usize) -> String {
    format!("subscription-{number}")
}

/// The number of the subscription with this name.
pub fn number(name: &str) -> Option<usize> {
    name.strip_prefix("subscription-")?.parse().ok()
}

fn customer(number: usize) -> CustomerRow {
    CustomerRow { id: format!("customer-{number}"), name: None, email: None, phone: None }
}

fn card(number: usize, version: u64) -> BillingKeyRow {
    BillingKeyRow {
        id: format!("card-{number}-{version}"),
        customer_id: format!("customer-{number}"),
        billing_key: BillingKey::new(format!("billing-key-{number}-{version}")),
        channel_key: None,
        pg_provider: None,
    }
}

/// The subscription whose customer has this card.
pub fn owner(billing_key: &str) -> Option<String> {
    let (number, _) = billing_key.strip_prefix("billing-key-")?.split_once('-')?;
    Some(name(number.parse().ok()?))
}

/// Subscription and period start, as a charge's custom data says.
pub fn purpose(custom_data: &str) -> Option<(String, i64)> {
    let data: serde_json::Value = serde_json::from_str(custom_data).ok()?;
    let start: DateTime<Utc> = data.get("period_start")?.as_str()?.parse().ok()?;
    Some((data.get("subscription")?.as_str()?.to_owned(), start.timestamp_micros()))
}
