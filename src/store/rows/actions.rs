//! What people do by hand, as it is written; and whether money that a person accepts may be.

use super::late::{LookedOut, judge};
use super::settled::GuardRow;
use super::stamp::as_stamp;
use super::writes::Writes;
use crate::domain::action::NewAction;
use crate::domain::ids::RenewalId;
use crate::store::LateChange;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A row of `actions`.
#[derive(Serialize)]
pub struct ActionOut<'a> {
    id: String,
    kind: &'static str,
    actor: &'a str,
    reason: Option<&'a str>,
    evidence: Option<&'a str>,
    subscription_id: Option<&'a str>,
    renewal_id: Option<RenewalId>,
    payment_id: Option<&'a str>,
    run_id: Option<crate::domain::ids::RunId>,
    details: &'a Value,
    #[serde(serialize_with = "as_stamp")]
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a NewAction> for ActionOut<'a> {
    fn from(action: &'a NewAction) -> Self {
        Self {
            id: action.id.to_string(),
            kind: action.kind.as_str(),
            actor: &action.actor,
            reason: action.reason.as_deref(),
            evidence: action.evidence.as_deref(),
            subscription_id: action.subscription_id.as_ref().map(crate::domain::ids::SubscriptionId::as_str),
            renewal_id: action.renewal_id,
            payment_id: action.payment_id.as_ref().map(crate::domain::ids::PaymentId::as_str),
            run_id: action.run_id,
            details: &action.details,
            created_at: action.created_at,
        }
    }
}

/// What accepting money writes; `None` where its renewal is elsewhere by now, or its period cannot move: by a person's word
/// it is all of it or nothing.
pub fn accepted<'a>(
    found: &'a [LateChange],
    guards: &BTreeMap<RenewalId, GuardRow>,
) -> Option<(Writes<'a>, Vec<LookedOut>)> {
    let may = |change: &LateChange| match change {
        LateChange::LookAgain { .. } => true,
        LateChange::Found { from, settlement } => guards.get(&settlement.renewal_id).is_some_and(|row| {
            let moves = settlement.period.as_ref().is_none_or(|period| period.from() == row.current_period_end);
            row.state == from.as_str() && moves
        }),
    };
    found.iter().all(may).then(|| judge(found, guards))
}
