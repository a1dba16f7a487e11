//! What a run has ahead of it: what is open, what is due, and where it would be charged.

use super::MemoryStore;
use super::plan::is_asked_for;
use super::rows::Renewal;
use super::tables::Tables;
use crate::domain::ids::{CustomerId, RenewalId, SubscriptionId};
use crate::domain::renewal::State;
use crate::store::StoreError;
use crate::store::read::{DueSum, KeyChannel, OpenRenewalRow};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn open_renewals(
    store: &MemoryStore,
    after: Option<RenewalId>,
    rows_max: u32,
) -> Result<Vec<OpenRenewalRow>, StoreError> {
    store.read(|tables, _| {
        let comes_after = |row: &&Renewal| after.is_none_or(|after| row.id > after);
        let rows = tables.renewals().iter().filter(comes_after).filter_map(|row| shown(tables, row));
        Ok(rows.take(rows_max as usize).collect())
    })
}

fn shown(tables: &Tables, row: &Renewal) -> Option<OpenRenewalRow> {
    let sub = tables.subscription(&row.subscription_id)?;
    let (canceled, period_is_next) = (sub.row.cancel_at_period_end, sub.is_at(row.period_start));
    let is_told = match row.state {
        State::Due | State::Charging | State::Unknown | State::Review => true,
        State::Canceled => !canceled && period_is_next,
        State::Paid | State::Failed | State::Lapsed | State::Refunded => false,
    };
    is_told.then(|| OpenRenewalRow {
        id: row.id.to_string(),
        subscription_id: row.subscription_id.0.clone(),
        customer_id: row.customer_id.0.clone(),
        plan_id: row.plan_id.0.clone(),
        period_start: row.period_start,
        period_end: row.period_end,
        amount: row.amount,
        currency: row.currency.clone(),
        state: row.state.as_str().to_owned(),
        next_attempt_at: row.next_attempt_at,
        waits_for_key: row.waits_for_key,
        attempt_count: row.attempt_count,
        cancel_at_period_end: canceled,
        period_is_next,
    })
}

pub(super) fn channels_of(store: &MemoryStore, customers: &[CustomerId]) -> Result<Vec<KeyChannel>, StoreError> {
    let wanted: BTreeSet<&CustomerId> = customers.iter().collect();
    store.read(|tables, _| {
        let channel = |customer: &&CustomerId| {
            let key = tables.keys_of(customer.as_str()).into_iter().find(|key| key.is_usable())?;
            Some(KeyChannel { customer_id: customer.0.clone(), channel_key: key.channel_key.clone() })
        };
        Ok(wanted.iter().filter_map(channel).collect())
    })
}

pub(super) fn due_now(store: &MemoryStore, only: Option<&[SubscriptionId]>) -> Result<Vec<DueSum>, StoreError> {
    store.read(|tables, now| {
        let mut sums: BTreeMap<&str, DueSum> = BTreeMap::new();
        let is_due = |row: &&Renewal| {
            row.state == State::Due
                && row.next_attempt_at.is_some_and(|at| at <= now)
                && is_asked_for(only, row.subscription_id.as_str())
        };
        for row in tables.renewals().iter().filter(is_due) {
            let Some(currency) = row.currency.as_deref() else { continue };
            let blank = || DueSum { currency: currency.to_owned(), renewals: 0, first: 0, minor: 0 };
            let sum = sums.entry(currency).or_insert_with(blank);
            sum.renewals += 1;
            sum.first += i64::from(row.attempt_count == 0);
            sum.minor = sum.minor.saturating_add(row.amount.unwrap_or(0));
        }
        Ok(sums.into_values().collect())
    })
}
