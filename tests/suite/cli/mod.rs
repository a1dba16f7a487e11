//! The program as its users meet it: the real binary, in an empty folder and a clean environment, against SQLite files,
//! PostgreSQL and a real `renewd simulator`. What is asserted: exit codes, stdout, stderr, and what the tables hold.
//!
//! Nothing started here outlives its test: every child has a deadline, and is killed by its own handle when dropped.

mod bad_imports;
mod bad_places;
mod bad_settings;
mod brakes;
mod by_hand;
mod completions;
mod daemon;
pub mod database;
mod demo;
mod doctor;
mod documents;
mod events;
mod gateway;
mod good;
mod health;
mod left_open;
mod logs;
mod looking;
mod looking_ahead;
mod otlp;
pub mod place;
mod readme;
mod reconciling;
pub mod running;
mod secrets;
mod signals;
mod version;

use place::Place;
use running::Simulator;
use serde_json::{Value, json};

/// Within the charging window of 30 January; the periods of [`subscriber`] end in the night after.
pub const NOW: &str = "2026-01-30T10:00:00+09:00";
/// After every lease of [`NOW`] has ended.
pub const LATER: &str = "2026-01-30T10:20:00+09:00";

/// A migrated database, its subscribers, and the gateway that they are charged at.
pub struct Stage {
    pub place: Place,
    pub simulator: Simulator,
}

impl Stage {
    /// Subscribers are named `sub_…` and told by their name and billing key.
    pub fn with(subscribers: &[(&str, &str)]) -> Self {
        Self::behind(&[], subscribers)
    }

    /// The same behind a simulator with more arguments.
    pub fn behind(arguments: &[&str], subscribers: &[(&str, &str)]) -> Self {
        let mut place = Place::migrated();
        let simulator = Simulator::start(&place, arguments);
        simulator.tell(&mut place);
        place.import(&lines(subscribers));
        Self { place, simulator }
    }

    /// The first run, at [`NOW`], as JSON.
    pub fn run(&self, arguments: &[&str]) -> Value {
        let all = [&["--output", "json", "run"], arguments].concat();
        self.place.at(NOW, &all).ok().json()
    }

    /// Another run, at [`LATER`], as JSON. What the first one planned a moment after [`NOW`] is due by then.
    pub fn run_again(&self, arguments: &[&str]) -> Value {
        let all = [&["--output", "json", "run"], arguments].concat();
        self.place.at(LATER, &all).ok().json()
    }
}

/// One plan, and these subscribers on it, as import lines.
pub fn lines(subscribers: &[(&str, &str)]) -> String {
    let each = subscribers.iter().map(|(name, key)| subscriber(name, Some(key)));
    std::iter::once(plan()).chain(each).collect()
}

/// The plan `pro`, as an import line.
fn plan() -> String {
    let line = json!({
        "type": "plan", "id": "pro", "name": "Pro", "amount": 55_000, "currency": "KRW", "interval": "P1M",
        "tier": "pro", "fallback_tier": "free", "order_name": "Pro 정기결제",
    });
    format!("{line}\n")
}

/// A customer, its billing key, its subscription: an import line each.
fn subscriber(name: &str, billing_key: Option<&str>) -> String {
    let user = format!("user_{name}");
    let key = billing_key.map(|key| json!({"type": "billing_key", "customer": user, "billing_key": key}));
    let subscription = json!({
        "type": "subscription", "id": format!("sub_{name}"), "customer": user, "plan": "pro",
        "current_period_start": "2025-12-31T00:00:00+09:00", "current_period_end": "2026-01-31T00:00:00+09:00",
    });
    let customer = json!({"type": "customer", "id": user});
    [Some(customer), key, Some(subscription)].into_iter().flatten().map(|line| format!("{line}\n")).collect()
}
