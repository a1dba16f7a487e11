//! Attempts as the steps read them: the earlier ones of a renewal, and those that are gone on with.

use super::rows::{Attempt, Renewal, Subscription};
use super::tables::Tables;
use crate::domain::claim::PastAttempt;
use crate::store::rows::attempts::{AttemptFacts, AttemptJson};
use chrono::{DateTime, Utc};

/// An earlier attempt, as a claim reads it.
pub(super) fn past(attempt: &Attempt) -> PastAttempt {
    PastAttempt {
        number: attempt.number,
        state: attempt.state,
        billing_key_id: attempt.billing_key_id.clone(),
        transaction_id: attempt.transaction_id.clone(),
        class: attempt.decline_class,
        settled_at: attempt.settled_at,
    }
}

fn past_json(attempt: &Attempt) -> AttemptJson {
    AttemptJson {
        number: attempt.number,
        state: attempt.state.as_str().to_owned(),
        billing_key_id: attempt.billing_key_id.0.clone(),
        transaction_id: attempt.transaction_id.clone(),
        class: attempt.decline_class,
        settled_at: attempt.settled_at,
    }
}

/// An attempt with its renewal and its subscription, in the row that the SQL stores read.
pub(super) fn attempt_facts(
    tables: &Tables,
    (attempt, renewal, sub): (&Attempt, &Renewal, &Subscription),
    now: DateTime<Utc>,
) -> AttemptFacts {
    let key = tables.billing_keys().get(attempt.billing_key_id.as_str());
    let past: Vec<AttemptJson> = tables.attempts_of(renewal.id).map(past_json).collect();
    let keys = tables.keys_of(renewal.customer_id.as_str());
    AttemptFacts {
        now,
        renewal_id: renewal.id.to_string(),
        subscription_id: renewal.subscription_id.0.clone(),
        customer_id: renewal.customer_id.0.clone(),
        plan_id: renewal.plan_id.0.clone(),
        state: renewal.state.as_str().to_owned(),
        amount: renewal.amount,
        currency: renewal.currency.clone(),
        period_start: renewal.period_start,
        period_end: renewal.period_end,
        access_until: renewal.access_until,
        first_declined_at: renewal.first_declined_at,
        look_ups: renewal.look_ups,
        unknown_since: renewal.unknown_since,
        lease_epoch: renewal.lease_epoch,
        unsettled_claims: renewal.unsettled_claims,
        attempt_id: attempt.id.to_string(),
        run_id: attempt.run_id.to_string(),
        number: i64::from(attempt.number),
        payment_id: attempt.payment_id.0.clone(),
        series: i64::from(attempt.series),
        idempotency_key: attempt.idempotency_key.clone(),
        billing_key_id: attempt.billing_key_id.0.clone(),
        channel_key: attempt.channel_key.clone(),
        pg_provider: attempt.pg_provider.clone(),
        request_body: attempt.request_body.clone(),
        request_hash: attempt.request_hash.clone(),
        started_at: attempt.started_at,
        billing_key: key.map(|key| key.billing_key.expose().to_owned()),
        cancel_at_period_end: sub.row.cancel_at_period_end,
        period_is_next: sub.is_at(renewal.period_start),
        paused: tables.is_paused(),
        attempts: serde_json::to_value(past).unwrap_or_default(),
        keys: keys.into_iter().map(|key| key.billing_key.expose().to_owned()).collect(),
    }
}
