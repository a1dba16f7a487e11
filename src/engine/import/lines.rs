//! renewd's own import format: JSON lines, one row a line, in any order.

use super::{BadLines, ImportSettings, Parsed, without_value};
use crate::domain::charge::BillingKey;
use crate::domain::money::{Currency, Money};
use crate::domain::period::{Interval, default_anchor_day};
use crate::store::{BillingKeyRow, CustomerRow, PlanRow, SubscriptionRow};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Plan(Plan),
    Customer(Customer),
    BillingKey(Key),
    Subscription(Subscription),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    id: String,
    name: String,
    amount: i64,
    currency: String,
    interval: String,
    tier: String,
    fallback_tier: String,
    order_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Customer {
    id: String,
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    customer: String,
    billing_key: String,
    channel_key: Option<String>,
    pg_provider: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription {
    id: String,
    customer: String,
    plan: String,
    next_plan: Option<String>,
    current_period_start: DateTime<Utc>,
    current_period_end: DateTime<Utc>,
    anchor_day: Option<i64>,
    #[serde(default)]
    cancel_at_period_end: bool,
}

/// Reads and checks every line.
///
/// # Errors
/// [`BadLines`] with every line that is wrong, by number.
pub fn lines(text: &str, settings: &ImportSettings) -> Result<Parsed, BadLines> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Line>(line) {
            Ok(line) => reader.take(number, line),
            Err(err) => reader.bad.add(number, format!("not an import line: {}", without_value(&err))),
        }
    }
    reader.finish(settings)
}

#[derive(Default)]
struct Reader {
    parsed: Parsed,
    bad: BadLines,
    seen: BTreeMap<(&'static str, String), usize>,
    subscriptions: Vec<(usize, Subscription)>,
}

impl Reader {
    fn take(&mut self, number: usize, line: Line) {
        match line {
            Line::Plan(plan) => self.plan(number, plan),
            Line::Customer(customer) => self.customer(number, customer),
            Line::BillingKey(key) => self.key(number, key),
            Line::Subscription(subscription) => {
                if self.is_first(number, "subscription", &subscription.id) {
                    self.subscriptions.push((number, subscription));
                }
            }
        }
    }

    fn is_first(&mut self, number: usize, kind: &'static str, id: &str) -> bool {
        if id.trim().is_empty() {
            self.bad.add(number, format!("the {kind} has an empty id"));
            return false;
        }
        match self.seen.insert((kind, id.to_owned()), number) {
            None => true,
            Some(first) => {
                self.bad.add(number, format!("{kind} {id:?} stands on line {first} already"));
                false
            }
        }
    }

    fn plan(&mut self, number: usize, plan: Plan) {
        if !self.is_first(number, "plan", &plan.id) {
            return;
        }
        let money = Currency::parse(&plan.currency).and_then(|currency| Money::new(plan.amount, currency));
        if let Err(err) = money {
            self.bad.add(number, format!("plan {:?}: {err}", plan.id));
        }
        if let Err(err) = Interval::parse(&plan.interval) {
            self.bad.add(number, format!("plan {:?}: {err}", plan.id));
        }
        self.parsed.batch.plans.push(PlanRow {
            id: plan.id,
            name: plan.name,
            amount: plan.amount,
            currency: plan.currency,
            interval: plan.interval,
            tier: plan.tier,
            fallback_tier: plan.fallback_tier,
            order_name: plan.order_name,
        });
    }

    fn customer(&mut self, number: usize, customer: Customer) {
        if self.is_first(number, "customer", &customer.id) {
            let Customer { id, name, email, phone } = customer;
            self.parsed.batch.customers.push(CustomerRow { id, name, email, phone });
        }
    }

    fn key(&mut self, number: usize, key: Key) {
        if let Some(problem) = key_problem(&key.billing_key) {
            self.bad.add(number, problem);
            return;
        }
        let id = billing_key_id(&key.billing_key);
        if !self.is_first(number, "billing key", &id) {
            return;
        }
        self.parsed.customer_refs.entry(key.customer.clone()).or_insert(number);
        self.parsed.batch.billing_keys.push(BillingKeyRow {
            id,
            customer_id: key.customer,
            billing_key: BillingKey::new(key.billing_key),
            channel_key: key.channel_key,
            pg_provider: key.pg_provider,
        });
    }

    fn finish(mut self, settings: &ImportSettings) -> Result<Parsed, BadLines> {
        let intervals: BTreeMap<String, Interval> = self
            .parsed
            .batch
            .plans
            .iter()
            .filter_map(|plan| Some((plan.id.clone(), Interval::parse(&plan.interval).ok()?)))
            .collect();
        for (number, subscription) in std::mem::take(&mut self.subscriptions) {
            self.subscription(number, subscription, &intervals, settings);
        }
        if self.bad.0.is_empty() {
            return Ok(self.parsed);
        }
        self.bad.0.sort_by_key(|problem| problem.line);
        Err(self.bad)
    }

    fn subscription(
        &mut self,
        number: usize,
        line: Subscription,
        intervals: &BTreeMap<String, Interval>,
        settings: &ImportSettings,
    ) {
        let (start, end) = (line.current_period_start, line.current_period_end);
        if start >= end {
            self.bad.add(number, format!("subscription {:?}: its period ends at or before its start", line.id));
        }
        if line.anchor_day.is_some_and(|day| !(1..=31).contains(&day)) {
            self.bad.add(number, format!("subscription {:?}: anchor_day must be from 1 to 31", line.id));
        }
        // A plan that is only in the database is a matter of months or of days alike: the default is the same.
        let interval = intervals.get(&line.plan).copied().unwrap_or(Interval::Months(1));
        let anchor_day =
            line.anchor_day.unwrap_or_else(|| i64::from(default_anchor_day(start, end, interval, settings.zone)));
        for plan in [Some(&line.plan), line.next_plan.as_ref()].into_iter().flatten() {
            self.parsed.plan_refs.entry(plan.clone()).or_insert(number);
        }
        self.parsed.customer_refs.entry(line.customer.clone()).or_insert(number);
        self.parsed.batch.subscriptions.push(SubscriptionRow {
            id: line.id,
            customer_id: line.customer,
            plan_id: line.plan,
            next_plan_id: line.next_plan,
            current_period_start: start,
            current_period_end: end,
            anchor_day,
            cancel_at_period_end: line.cancel_at_period_end,
        });
    }
}

/// The row of an imported key is named after the key, without giving it away: the same key is the same row.
pub fn billing_key_id(key: &str) -> String {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(key.as_bytes()));
    format!("bk_{}", &hash[..24])
}

/// What is wrong with a text that should be a billing key, if anything. Card numbers are refused: renewd stores none.
pub fn key_problem(key: &str) -> Option<&'static str> {
    let digits = key.chars().filter(|c| !matches!(c, ' ' | '-')).collect::<String>();
    if key.trim().is_empty() || key.chars().any(char::is_whitespace) && !is_card_number(&digits) {
        Some("the billing key is empty or holds white space")
    } else if key == "NEEDS_CONFIRMATION" {
        Some("NEEDS_CONFIRMATION is not a billing key: the issue was never confirmed")
    } else if is_card_number(&digits) {
        Some("this is a card number, not a billing key: it is not stored")
    } else {
        None
    }
}

/// 13 to 19 digits that pass the Luhn check.
fn is_card_number(text: &str) -> bool {
    if !(13..=19).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = text
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}
