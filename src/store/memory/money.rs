//! Sums for people: what was taken, what was refused, and what is still expected.

use super::MemoryStore;
use super::rows::Renewal;
use crate::domain::attempt::AttemptState;
use crate::domain::money::MINOR_MAX;
use crate::domain::renewal::State;
use crate::store::read::{AtRisk, Taking};
use crate::store::{StoreError, first_id};
use chrono::{DateTime, NaiveDate, Utc};
use std::collections::BTreeMap;

/// How many, and how much in minor units.
type Sum = (i64, i64);

fn add(sum: &mut Sum, minor: Option<i64>) {
    *sum = (sum.0 + 1, sum.1.saturating_add(minor.unwrap_or(0)).min(MINOR_MAX));
}

pub(super) fn takings(store: &MemoryStore, from: NaiveDate, since: DateTime<Utc>) -> Result<Vec<Taking>, StoreError> {
    let first = first_id(since);
    store.read(|tables, _| {
        let mut sums: BTreeMap<_, Sum> = BTreeMap::new();
        for attempt in tables.attempts().iter().filter(|row| row.id >= first && is_told(row.state)) {
            let run = tables.runs.get(&attempt.run_id).filter(|run| run.business_date >= from);
            let renewal = tables.renewals().get(&attempt.renewal_id);
            let Some((run, renewal)) = run.zip(renewal) else { continue };
            let Some(currency) = renewal.currency.clone() else { continue };
            let reason = attempt.decline_reason.map(|reason| reason.as_str().to_owned());
            let key = (run.business_date, currency, attempt.state.as_str(), reason, attempt.pg_provider.clone());
            add(sums.entry(key).or_default(), renewal.amount);
        }
        let row = |((business_date, currency, state, decline_reason, pg_provider), (attempts, minor))| {
            let state = String::from(state);
            Taking { business_date, currency, state, decline_reason, pg_provider, attempts, minor }
        };
        Ok(sums.into_iter().map(row).collect())
    })
}

fn is_told(state: AttemptState) -> bool {
    matches!(state, AttemptState::Paid | AttemptState::Declined | AttemptState::Refused)
}

pub(super) fn at_risk(store: &MemoryStore) -> Result<Vec<AtRisk>, StoreError> {
    store.read(|tables, _| {
        let mut sums: BTreeMap<_, Sum> = BTreeMap::new();
        let is_late = |row: &&Renewal| match row.state {
            State::Unknown | State::Review => true,
            State::Due => row.waits_for_key || row.decline_count > 0,
            State::Charging | State::Paid | State::Failed | State::Canceled | State::Lapsed | State::Refunded => false,
        };
        for row in tables.renewals().iter().filter(is_late) {
            let key = (row.state.as_str(), row.waits_for_key, row.currency.clone());
            add(sums.entry(key).or_default(), row.amount);
        }
        let row = |((state, waits_for_key, currency), (renewals, minor))| AtRisk {
            state: String::from(state),
            waits_for_key,
            currency,
            renewals,
            minor,
        };
        Ok(sums.into_iter().map(row).collect())
    })
}
