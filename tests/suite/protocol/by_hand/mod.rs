//! What people type, against a real gateway: each command's promise, each refusal, and what two of them at once come to.

mod refunding;
mod resolving;
mod retrying;

use crate::world::World;
use renewd::domain::action::Hand;
use renewd::engine::by_hand::ByHandError;
use renewd::shutdown::Shutdown;
use renewd::store::read::{ActionRow, RenewalRow};
use std::time::Duration;

pub const SUB: &str = "sub";

pub fn hand() -> Hand {
    Hand::of("haneul").because("the customer called").seeing("ticket 7")
}

pub fn no_hurry() -> Shutdown {
    Shutdown::new(Duration::from_secs(8))
}

/// What was refused, in one line.
#[track_caller]
pub fn refused<T>(result: Result<T, ByHandError>) -> String {
    match result {
        Err(ByHandError::Refused(refusal)) => {
            format!("{}; {}; {}", refusal.what, refusal.money, refusal.hints.join("; "))
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it went through"),
    }
}

pub async fn state(world: &World) -> String {
    world.timeline(SUB).await.renewals.last().map(|row: &RenewalRow| row.state.clone()).unwrap_or_default()
}

pub async fn actions(world: &World) -> Vec<ActionRow> {
    world.timeline(SUB).await.actions
}

/// What the gateway took for the subscription, payment by payment.
pub fn taken(world: &World) -> Vec<i64> {
    world.charges(SUB).iter().map(|charge| charge.amount).collect()
}

/// What it gave back, of anybody's.
pub fn given_back(world: &World) -> Vec<i64> {
    world.simulator.model().ledger().given_back().iter().map(|back| back.amount).collect()
}
