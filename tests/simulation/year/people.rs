//! Who subscribes, and what they do: react to what they are told, or not, and change their minds while a run is under way.

use super::super::auditor::Violation;
use super::Size;
use super::cards::Card;
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use renewd::domain::charge::BillingKey;
use renewd::domain::renewal::State;
use renewd::gateway::simulator::{GatewayModel, KeyInfo, Scheduled};
use renewd::store::memory::MemoryStore;
use renewd::store::memory::rows::KeyState;
use renewd::store::{BillingKeyRow, CustomerRow, ImportBatch, PlanRow, SubscriptionRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

const PLANS: [(&str, i64); 2] = [("basic", 9_900), ("pro", 55_000)];

/// The payment gateways of the cards.
const PGS: [&str; 4] = ["toss", "kcp", "inicis", "kakao"];

/// One customer in so many has two subscriptions on one card.
const SHARES: usize = 10;

/// On this day the price of `pro` rises; on the second nobody answers at the gateway until the next morning.
const PRICE_RISES: i64 = 20;
const GATEWAY_AWAY: i64 = 33;

pub struct People {
    size: Size,
    store: MemoryStore,
    model: Arc<Mutex<GatewayModel>>,
    random: fastrand::Rng,
    cards: BTreeMap<String, Card>,
    cards_given: u64,
    first_ends: BTreeMap<String, i64>,
    prices: BTreeSet<i64>,
    /// Attempts of each subscription that cancelled, by then.
    canceled: BTreeMap<String, usize>,
    /// What was to be paid for with keys that the gateway knows no more.
    refused: Vec<Option<(String, i64)>>,
    away: bool,
    rests: bool,
}

impl People {
    pub fn new(size: Size, store: MemoryStore, model: Arc<Mutex<GatewayModel>>) -> Self {
        Self {
            size,
            store,
            model,
            random: fastrand::Rng::with_seed(size.seed ^ 0x22),
            cards: BTreeMap::new(),
            cards_given: 0,
            first_ends: BTreeMap::new(),
            prices: PLANS.iter().map(|(_, amount)| *amount).collect(),
            canceled: BTreeMap::new(),
            refused: Vec::new(),
            away: false,
            rests: false,
        }
    }

    pub fn first_ends(&self) -> BTreeMap<String, i64> {
        self.first_ends.clone()
    }

    pub fn prices(&self) -> BTreeSet<i64> {
        self.prices.clone()
    }

    pub fn gateway_is_away(&self) -> bool {
        self.away
    }

    /// Nobody does anything any more, and no card fails that did not before.
    pub fn rest(&mut self) {
        self.rests = true;
        self.away = false;
        self.cards.values_mut().for_each(|card| card.health = super::cards::Health::Good);
    }

    pub fn move_in(&mut self, now: DateTime<Utc>) -> ImportBatch {
        let plan = |(id, amount): (&str, i64)| PlanRow {
            id: id.to_owned(),
            name: id.to_owned(),
            amount,
            currency: "KRW".to_owned(),
            interval: "P1M".to_owned(),
            tier: id.to_owned(),
            fallback_tier: "free".to_owned(),
            order_name: id.to_owned(),
        };
        let mut batch = ImportBatch { plans: PLANS.into_iter().map(plan).collect(), ..ImportBatch::default() };
        for number in 0..self.size.subscriptions {
            let customer = self.customer_of(number);
            if customer == number {
                let id = format!("customer-{customer}");
                batch.customers.push(CustomerRow { id, name: None, email: None, phone: None });
                let card = self.new_card(customer);
                batch.billing_keys.push(card);
            }
            // Ends are spread over a month.
            let end = now + TimeDelta::days(1 + i64::try_from(number % 30).unwrap());
            let local = end + TimeDelta::hours(9);
            self.first_ends.insert(name(number), end.timestamp_micros());
            batch.subscriptions.push(SubscriptionRow {
                id: name(number),
                customer_id: format!("customer-{customer}"),
                plan_id: PLANS[number % 2].0.to_owned(),
                next_plan_id: None,
                current_period_start: end - TimeDelta::days(31),
                current_period_end: end,
                anchor_day: i64::from(local.day()),
                cancel_at_period_end: false,
            });
        }
        batch
    }

    /// Neighbours share a customer; sometimes both are due on the same day.
    fn customer_of(&self, number: usize) -> usize {
        let partner = number.checked_sub(30).filter(|partner| partner % SHARES == 0 && (partner / 30) % 2 == 0);
        partner.unwrap_or(number)
    }

    fn new_card(&mut self, customer: usize) -> BillingKeyRow {
        self.cards_given += 1;
        let pg = PGS[customer % PGS.len()];
        let key = format!("bk-{pg}-{customer}-{}", self.cards_given);
        self.cards.insert(key.clone(), Card::new());
        BillingKeyRow {
            id: format!("card-{customer}-{}", self.cards_given),
            customer_id: format!("customer-{customer}"),
            billing_key: BillingKey::new(key),
            channel_key: None,
            pg_provider: None,
        }
    }

    /// The gateway did not know the key that this was to be paid with.
    pub fn refuse(&mut self, purpose: Option<(String, i64)>) {
        self.refused.push(purpose);
    }

    pub fn refused(&self) -> &[Option<(String, i64)>] {
        &self.refused
    }

    /// Whose card paid: the subscription that it was for, if it is one of that customer's, or the customer's own.
    pub fn payer(&self, key: &str, purpose: &Option<(String, i64)>) -> String {
        let customer: usize = key.split('-').nth(2).unwrap().parse().unwrap();
        let is_theirs = |(subscription, _): &&(String, i64)| self.customer_of(number(subscription)) == customer;
        let own = purpose.as_ref().filter(is_theirs).map(|(subscription, _)| subscription.clone());
        own.unwrap_or_else(|| name(customer))
    }

    /// What the card behind a billing key says when it is charged now.
    pub fn card_says(&mut self, key: &str, now: i64) -> Option<&'static str> {
        let haste = if self.rests { f64::MIN_POSITIVE } else { self.size.haste };
        let Self { cards, random, .. } = self;
        cards.get_mut(key)?.says(now, random, haste)
    }

    /// What is planned for the day.
    pub fn morning(&mut self, day: i64) {
        self.away = day == GATEWAY_AWAY && !self.rests;
        if day == PRICE_RISES {
            self.store.set_price("pro", 59_000).unwrap();
            self.prices.insert(59_000);
        }
    }

    /// While a run is under way.
    pub fn meanwhile(&mut self) {
        if !self.rests && self.chance(0.002) {
            let number = self.random.usize(..self.size.subscriptions);
            match self.random.u8(..3) {
                0 => self.cancel(number),
                1 => self.change_their_mind(number),
                _ => self.give_new_card(self.customer_of(number)),
            }
        }
    }

    /// Mail is read in the evening.
    pub fn evening(&mut self) {
        if self.rests {
            return;
        }
        for renewal in self.store.renewals() {
            if renewal.state != State::Due || renewal.decline_count == 0 && !renewal.waits_for_key {
                continue;
            }
            let number = number(renewal.subscription_id.as_str());
            let cares = if renewal.waits_for_key { 0.25 } else { 0.05 };
            if self.chance(cares) {
                self.give_new_card(self.customer_of(number));
            } else if self.chance(0.02) {
                self.cancel(number);
            }
        }
        for number in 0..self.size.subscriptions {
            if self.chance(0.0007) {
                self.cancel(number);
            }
            if self.canceled.contains_key(&name(number)) && self.chance(0.02) {
                self.change_their_mind(number);
            }
        }
        self.gateway_forgets();
    }

    /// Customers delete a card in their wallet: the gateway knows, and nobody tells renewd. And
    /// sometimes somebody else schedules a payment with it.
    fn gateway_forgets(&mut self) {
        let usable = self.store.billing_keys();
        for key in usable.iter().filter(|key| key.state == KeyState::Usable) {
            if self.chance(0.0001) {
                let info = KeyInfo { deleted: true, ..KeyInfo::default() };
                self.model.lock().unwrap().set_key(key.billing_key.expose(), info);
            } else if self.chance(0.0001) {
                let subscriptions = self.store.subscriptions();
                let theirs = subscriptions.iter().find(|row| row.row.customer_id == key.customer_id).unwrap();
                let scheduled = Scheduled {
                    id: format!("schedule-{}", key.id),
                    billing_key: key.billing_key.expose().to_owned(),
                    due_at: theirs.row.current_period_end + TimeDelta::days(5),
                };
                self.model.lock().unwrap().add_schedule(scheduled);
            }
        }
    }

    fn chance(&mut self, chance: f64) -> bool {
        self.random.f64() < chance * self.size.haste
    }

    fn cancel(&mut self, number: usize) {
        let name = name(number);
        self.store.set_cancel_at_period_end(&name, true).unwrap();
        let attempts = self.attempts_of(&name);
        self.canceled.entry(name).or_insert(attempts);
    }

    fn change_their_mind(&mut self, number: usize) {
        let name = name(number);
        self.store.set_cancel_at_period_end(&name, false).unwrap();
        self.canceled.remove(&name);
    }

    fn give_new_card(&mut self, customer: usize) {
        let card = self.new_card(customer);
        self.store.add_billing_key(card).unwrap();
    }

    fn attempts_of(&self, subscription: &str) -> usize {
        let renewals = self.store.renewals();
        let of = renewals.iter().filter(|renewal| renewal.subscription_id.as_str() == subscription);
        of.map(|renewal| usize::try_from(renewal.attempt_count).unwrap()).sum()
    }

    /// Those who cancelled and were tried again since.
    pub fn charged_after_all(&self) -> Vec<Violation> {
        if self.canceled.is_empty() {
            return Vec::new();
        }
        let mut attempts: BTreeMap<&str, usize> = BTreeMap::new();
        let renewals = self.store.renewals();
        for renewal in &renewals {
            *attempts.entry(renewal.subscription_id.as_str()).or_default() +=
                usize::try_from(renewal.attempt_count).unwrap();
        }
        let tried = |name: &str| attempts.get(name).copied().unwrap_or(0);
        let charged = self.canceled.iter().filter(|(name, before)| tried(name) > **before);
        charged
            .map(|(name, before)| Violation {
                promise: "nothing after a cancellation",
                what: format!("{name}: {} attempts, {before} before", tried(name)),
            })
            .collect()
    }
}

fn name(number: usize) -> String {
    format!("subscription-{number}")
}

fn number(name: &str) -> usize {
    name.rsplit('-').next().unwrap().parse().unwrap()
}
