//! One line of a plan: a subscription, what would become of it, and why.

use crate::domain::claim::RenewalChange;
use crate::domain::due::{Disposition, PlannedRenewal};
use crate::domain::renewal::State;
use crate::store::read::OpenRenewalRow;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// What a run would do with a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Charge,
    /// Nothing now: its time has not come.
    Wait,
    /// Nothing, unless something changes.
    Skip,
}

/// One subscription of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanLine {
    pub subscription_id: String,
    pub plan_id: String,
    pub action: Action,
    /// Why, in words.
    pub reason: &'static str,
    /// The channel that it would be charged on; `None` without a usable billing key.
    pub channel: Option<String>,
    /// Minor units.
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub period_start: DateTime<Utc>,
    pub period_end: Option<DateTime<Utc>>,
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Its renewal, where an earlier run planned it.
    pub renewal_id: Option<String>,
}

const CANCELED: &str = "cancelled by the customer";
const LAPSED: &str = "ended too long ago";
const NO_KEY: &str = "no billing key";
const PERSON: &str = "needs a person";
const GRACE_OVER: &str = "its grace is over";
const CLOSED: &str = "outside of the charging window";
const LATER: &str = "its next attempt is later";
const FIRST: &str = "first charge";
const RETRY: &str = "retry";
const UNKNOWN: &str = "outcome unknown, is looked up first";
const CHARGING: &str = "being charged";

/// A subscription that planning would find.
pub(super) fn of_due(
    disposition: Disposition,
    planned: PlannedRenewal,
    channel: Option<String>,
    at: DateTime<Utc>,
) -> PlanLine {
    let is_now = planned.next_attempt_at.is_some_and(|next| next <= at);
    let (action, reason) = match disposition {
        Disposition::Renew if is_now => (Action::Charge, FIRST),
        Disposition::Renew => (Action::Wait, CLOSED),
        Disposition::Cancel => (Action::Skip, CANCELED),
        Disposition::Lapse => (Action::Skip, LAPSED),
        Disposition::NoKey => (Action::Skip, NO_KEY),
        Disposition::Review => (Action::Skip, PERSON),
    };
    PlanLine {
        subscription_id: planned.subscription_id.0,
        plan_id: planned.plan_id.0,
        action,
        reason,
        channel,
        amount: planned.amount,
        currency: planned.currency,
        period_start: planned.period_start,
        period_end: planned.period_end,
        next_attempt_at: planned.next_attempt_at,
        renewal_id: None,
    }
}

/// A renewal that an earlier run planned, with the change that planning would make of it. `is_open`: charges may start at
/// this time of day.
pub(super) fn of_open(
    row: OpenRenewalRow,
    change: Option<&RenewalChange>,
    channel: Option<String>,
    (at, is_open): (DateTime<Utc>, bool),
) -> PlanLine {
    let next_attempt_at = change.map_or(row.next_attempt_at, |change| change.next_attempt_at);
    let state = change.map_or(row.state.as_str(), |change| change.to.as_str());
    let waits_for_key = change.map_or(row.waits_for_key, |change| change.waits_for_key);
    let due = || match next_attempt_at {
        _ if row.cancel_at_period_end => (Action::Skip, CANCELED),
        _ if waits_for_key || channel.is_none() => (Action::Skip, NO_KEY),
        _ if !row.period_is_next => (Action::Skip, PERSON),
        Some(next) if next > at => (Action::Wait, LATER),
        Some(_) if !is_open => (Action::Wait, CLOSED),
        Some(_) if row.attempt_count == 0 => (Action::Charge, FIRST),
        Some(_) => (Action::Charge, RETRY),
        None => (Action::Skip, PERSON),
    };
    let (action, reason) = match state {
        state if state == State::Due.as_str() => due(),
        state if state == State::Charging.as_str() => (Action::Skip, CHARGING),
        state if state == State::Unknown.as_str() => (Action::Skip, UNKNOWN),
        state if state == State::Canceled.as_str() => (Action::Skip, CANCELED),
        state if state == State::Lapsed.as_str() => (Action::Skip, LAPSED),
        state if state == State::Failed.as_str() => (Action::Skip, GRACE_OVER),
        _ => (Action::Skip, PERSON),
    };
    PlanLine {
        subscription_id: row.subscription_id,
        plan_id: row.plan_id,
        action,
        reason,
        channel,
        amount: row.amount,
        currency: row.currency,
        period_start: row.period_start,
        period_end: row.period_end,
        next_attempt_at,
        renewal_id: Some(row.id),
    }
}
