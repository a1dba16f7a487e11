//! What is worked on: its ids stand on every line of the log that is said meanwhile, whichever module says it.
//!
//! Those with ids are at level ERROR: a span below the log's level is none, and its ids would be missing where they are
//! needed most. The steps below have none and are at level DEBUG: they are made where a collector is told how long each
//! took, and cost nothing elsewhere.

use crate::domain::charge::Attempt;
use crate::domain::delivery::Told;
use crate::domain::ids::{PaymentId, RunId};
use crate::domain::refund::RefundFacts;
use tracing::{Span, debug_span, error_span};

pub(super) fn run(id: RunId) -> Span {
    error_span!("run", run.id = %id)
}

pub(super) fn attempt(attempt: &Attempt) -> Span {
    let renewal = &attempt.renewal;
    error_span!(
        "attempt",
        subscription.id = %renewal.subscription_id,
        renewal.id = %renewal.id,
        attempt.id = %attempt.id,
        payment.id = %renewal.payment_id
    )
}

pub(super) fn refund(facts: &RefundFacts) -> Span {
    error_span!("refund", renewal.id = %facts.renewal_id, payment.id = %facts.payment_id)
}

pub(super) fn event(event: &Told) -> Span {
    error_span!(
        "event",
        event.id = %event.id,
        event.kind = event.kind,
        subscription.id = event.subscription_id.as_ref().map(|id| id.as_str()),
        renewal.id = event.renewal_id.map(|id| id.to_string()),
        payment.id = event.payment_id(),
        run.id = event.run_id()
    )
}

pub(super) fn claim() -> Span {
    debug_span!("claim")
}

/// One request that asks for money.
pub(super) fn charge() -> Span {
    debug_span!("charge")
}

pub(super) fn look_up() -> Span {
    debug_span!("look_up")
}

pub(super) fn settle() -> Span {
    debug_span!("settle")
}

pub(super) fn payment(id: &PaymentId) -> Span {
    error_span!("payment", payment.id = %id)
}
