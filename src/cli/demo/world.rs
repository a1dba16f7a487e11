//! The demo's customers: several hundred subscriptions that end within a week, with every case that a real week has.

use serde_json::{Value, json};

/// How many subscriptions there are.
pub const SUBSCRIPTIONS: u32 = 360;

/// The first period ends on this day of the week's six.
const END_DAYS: [&str; 6] = ["01-30", "01-31", "02-01", "02-02", "02-03", "02-04"];

/// What happens to a subscription's card. The simulator reads the endings of billing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Card {
    Works,
    /// The billing key's ending.
    Trouble(&'static str),
    None,
}

/// One plan and how it is sold.
struct Plan {
    id: &'static str,
    amount: i64,
    currency: &'static str,
    interval: &'static str,
}

const PLANS: [Plan; 3] = [
    Plan { id: "pro", amount: 55_000, currency: "KRW", interval: "P1M" },
    Plan { id: "basic", amount: 9_900, currency: "KRW", interval: "P30D" },
    Plan { id: "global", amount: 49_00, currency: "USD", interval: "P1Y" },
];

/// The subscription whose customer brings a new card during the week.
pub const NEW_CARD: u32 = 3;

/// The world as import lines.
pub fn lines() -> String {
    let plans = PLANS.iter().map(plan);
    let customers = (0..SUBSCRIPTIONS).flat_map(customer);
    plans.chain(customers).map(|line| format!("{line}\n")).collect()
}

/// The line that brings the new card.
pub fn new_card() -> String {
    key(NEW_CARD, "billing-key-demo-new").to_string()
}

fn plan(plan: &Plan) -> Value {
    json!({
        "type": "plan", "id": plan.id, "name": plan.id, "amount": plan.amount, "currency": plan.currency,
        "interval": plan.interval, "tier": plan.id, "fallback_tier": "free",
        "order_name": format!("Demo {} 정기결제", plan.id),
    })
}

fn customer(number: u32) -> Vec<Value> {
    let user = format!("user_{number}");
    let mut lines = vec![json!({
        "type": "customer", "id": user, "name": "김하늘", "email": format!("{user}@example.com"), "phone": "01000000000",
    })];
    match card(number) {
        Card::Works => lines.push(key(number, &format!("billing-key-demo-{number}"))),
        Card::Trouble(ending) => lines.push(key(number, &format!("billing-key-demo-{number}-{ending}"))),
        Card::None => {}
    }
    let plan = match number % 10 {
        0..=5 => &PLANS[0],
        6..=8 => &PLANS[1],
        _ => &PLANS[2],
    };
    let (start, end) = period(number);
    lines.push(json!({
        "type": "subscription", "id": format!("sub_{number}"), "customer": user, "plan": plan.id,
        "current_period_start": start, "current_period_end": end, "cancel_at_period_end": number % 24 == 6,
    }));
    lines
}

fn key(number: u32, billing_key: &str) -> Value {
    json!({ "type": "billing_key", "customer": format!("user_{number}"), "billing_key": billing_key })
}

fn period(number: u32) -> (String, String) {
    // One customer was forgotten for longer than anybody should be charged for by surprise.
    let end = if number == 13 { "01-20" } else { END_DAYS[(number / 24) as usize % END_DAYS.len()] };
    ("2026-01-01T00:00:00+09:00".to_owned(), format!("2026-{end}T00:00:00+09:00"))
}

fn card(number: u32) -> Card {
    match (number, number % 24) {
        (11, _) => Card::Trouble("squatted"),
        (35, _) => Card::Trouble("other-amount"),
        (59, _) => Card::Trouble("pending"),
        (_, 0) => Card::Trouble("insufficient-once"),
        (_, 1) => Card::Trouble("insufficient"),
        (_, 2) => Card::Trouble("lost"),
        (_, 3) => Card::Trouble("expired"),
        (_, 4) => Card::Trouble("maintenance-once"),
        (_, 5) => Card::Trouble("timeout"),
        (_, 7) => Card::None,
        (_, 8) => Card::Trouble("deleted"),
        (_, 9) => Card::Trouble("kcp-limit-twice"),
        (_, 10) => Card::Trouble("refer"),
        _ => Card::Works,
    }
}
