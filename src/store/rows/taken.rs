//! What a take-over makes of the open attempts that it found.

use super::attempts::AttemptFacts;
use super::told::review_event;
use crate::domain::charge::Attempt;
use crate::domain::event::NewEvent;
use crate::domain::ids::{RenewalId, SubscriptionId};
use crate::domain::renewal::State;
use crate::domain::waiting::late_look_up;
use crate::store::{Committed, StoreError, TakenOver};
use chrono::{DateTime, TimeDelta, Utc};

/// An attempt under its new lease, not committed yet.
pub struct Taken {
    pub attempt: Attempt,
    pub was_left: bool,
    pub may_resend: bool,
    pub cancel_at_period_end: bool,
}

/// An attempt that goes to a person. It stays open: nothing else may charge its renewal.
pub struct Unreadable {
    pub renewal_id: RenewalId,
    pub reason: String,
    pub event: NewEvent,
    /// Where it can be read, its money may still be seen.
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
}

/// Rebuilds one attempt; one that cannot be read, or ends processes, goes to a person and holds up nobody else.
///
/// # Errors
/// [`StoreError::Row`] where not even the renewal's id can be read.
pub fn take(row: AttemptFacts, lease: TimeDelta, claims_max: u32) -> Result<Result<Taken, Unreadable>, StoreError> {
    let renewal_id = row.renewal_id()?;
    let subscription = SubscriptionId(row.subscription_id.clone());
    let (now, cancel_at_period_end) = (row.now, row.cancel_at_period_end);
    let was_left = row.state == State::Charging.as_str();
    let may_resend = !cancel_at_period_end && !row.paused && row.period_is_next && row.billing_key.is_some();
    let lease_epoch = row.lease_epoch.saturating_add(1);
    let claims = row.unsettled_claims;
    let readable = row.into_attempt(lease_epoch, now + lease).map_err(|problem| (problem, None)).and_then(|attempt| {
        let look_up = late_look_up(State::Review, now);
        let problem = || format!("it was claimed {claims} times without an outcome, and may be what ends the process");
        if claims < i64::from(claims_max) { Ok(attempt) } else { Err((problem(), look_up)) }
    });
    Ok(readable.map(|attempt| Taken { attempt, was_left, may_resend, cancel_at_period_end }).map_err(
        |(problem, next_look_up_at)| {
            let reason = format!("the open attempt cannot be resolved: {problem}; it may have been charged");
            let event = review_event(&subscription, renewal_id, &reason, now);
            Unreadable { renewal_id, reason, event, next_look_up_at, now }
        },
    ))
}

/// Hands out what is committed: to be called after the commit, and nowhere else.
pub fn committed(taken: Vec<Taken>) -> Vec<TakenOver> {
    let hand_out = |one: Taken| TakenOver {
        attempt: Committed(one.attempt),
        was_left: one.was_left,
        may_resend: one.may_resend,
        cancel_at_period_end: one.cancel_at_period_end,
    };
    taken.into_iter().map(hand_out).collect()
}
