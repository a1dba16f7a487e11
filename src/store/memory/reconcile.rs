//! What is known of payments that the gateway lists, and those that are found there brought to a look-up.

use super::MemoryStore;
use super::rows::{Attempt, Renewal, Retired, Seen};
use super::tables::Tables;
use crate::domain::event::NewEvent;
use crate::domain::ids::{AttemptId, BillingKeyId, PaymentId, RenewalId, RunId};
use crate::domain::reconcile::{
    FoundPayment, KnownPayment, KnownRenewal, KnownSubscription, RecordedPayment, WantedPayment,
};
use crate::domain::renewal::State;
use crate::store::rows::found::FoundOut;
use crate::store::{RecordedPage, StoreError};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn known_payments(store: &MemoryStore, wanted: &[WantedPayment]) -> Result<Vec<KnownPayment>, StoreError> {
    store.read(|tables, _| Ok(wanted.iter().map(|wanted| known(tables, wanted)).collect()))
}

fn known(tables: &Tables, wanted: &WantedPayment) -> KnownPayment {
    let renewal = renewal_of(tables, wanted);
    let subscription_id = renewal.map(|row| &row.subscription_id).or(wanted.subscription_id.as_ref());
    let subscription = subscription_id.and_then(|id| tables.subscription(id));
    let recorded = tables.payments().get(wanted.payment_id.as_str());
    // What is to be given back from here counts as given back.
    let refunds = tables.refunds_of(&wanted.payment_id).map(|row| row.wanted.back_before + row.wanted.amount);
    let refund = refunds.max().unwrap_or(0);
    let is_asked = |attempt: &Attempt| {
        attempt.payment_id == wanted.payment_id && wanted.attempt.is_none_or(|number| attempt.number == number)
    };
    let customer = renewal.filter(|_| recorded.is_none()).map(|row| row.customer_id.as_str());
    let keys = customer.map(|id| tables.keys_of(id)).unwrap_or_default();
    KnownPayment {
        payment_id: wanted.payment_id.clone(),
        renewal: renewal.map(|row| KnownRenewal {
            id: row.id,
            subscription_id: row.subscription_id.clone(),
            state: row.state,
            payment_id: row.payment_id.clone(),
            series: row.series,
        }),
        recorded: recorded.map(|row| RecordedPayment {
            total: row.payment.amount,
            cancelled: row.payment.cancelled_amount.max(refund),
            currency: row.payment.currency.clone(),
            verified: row.payment.verified,
        }),
        subscription: subscription.map(|sub| KnownSubscription {
            id: sub.row.id.as_str().into(),
            current_period_end: sub.row.current_period_end,
            renews: sub.is_live(),
        }),
        attempted: renewal.is_some_and(|row| tables.attempts_of(row.id).any(is_asked)),
        keys: keys.into_iter().map(|key| (BillingKeyId(key.id.clone()), key.billing_key.clone())).collect(),
    }
}

/// By its payment id, by one that it gave up, or by its subscription and period.
fn renewal_of<'t>(tables: &'t Tables, wanted: &WantedPayment) -> Option<&'t Renewal> {
    let by_name = || tables.renewals().iter().find(|row| row.payment_id == wanted.payment_id);
    let given_up = || tables.retired.get(&wanted.payment_id).and_then(|row| tables.renewals().get(&row.renewal_id));
    let by_period = || tables.renewal_from(wanted.subscription_id.as_ref()?.as_str(), wanted.period_start?);
    by_name().or_else(given_up).or_else(by_period)
}

pub(super) fn recorded_payments(
    store: &MemoryStore,
    page: &RecordedPage,
) -> Result<Vec<(AttemptId, KnownPayment)>, StoreError> {
    let (after, before) = page.bounds();
    store.read(|tables, _| {
        let is_first = |attempt: &Attempt| {
            let mut of_payment =
                tables.attempts_of(attempt.renewal_id).filter(|other| other.payment_id == attempt.payment_id);
            of_payment.next().is_some_and(|first| first.id == attempt.id)
        };
        let rows = tables.attempts().iter().filter(|attempt| after < attempt.id && attempt.id < before);
        let recorded = rows.filter(|attempt| is_first(attempt)).filter(|attempt| {
            tables.payments().get(attempt.payment_id.as_str()).is_some_and(|row| row.payment.verified)
        });
        let answer = |attempt: &Attempt| {
            let payment_id = attempt.payment_id.clone();
            let wanted = WantedPayment { payment_id, subscription_id: None, period_start: None, attempt: None };
            let mut known = known(tables, &wanted);
            known.renewal = tables.renewals().get(&attempt.renewal_id).map(|row| KnownRenewal {
                id: row.id,
                subscription_id: row.subscription_id.clone(),
                state: row.state,
                payment_id: row.payment_id.clone(),
                series: row.series,
            });
            (attempt.id, known)
        };
        Ok(recorded.take(page.rows_max as usize).map(answer).collect())
    })
}

pub(super) fn wake(store: &MemoryStore, run: RunId, found: &[FoundPayment], seen_by: &str) -> Result<(), StoreError> {
    store.write(|tables, now| {
        let numbers = free_numbers(tables, found);
        for one in found {
            let row = FoundOut::new(run, one, seen_by);
            tables.add_observation(Seen { payment: row.seen.clone(), recorded_at: now });
            let Some(renewal) = tables.renewals().get(&one.renewal_id).filter(|row| waits(row)).cloned() else {
                continue;
            };
            let added = bring_back(tables, &renewal, (one, &row, numbers.get(&one.record.payment_id)), now)?;
            let payment_id = &one.record.payment_id;
            let is_current = renewal.payment_id == *payment_id;
            if !is_current {
                give_up(tables, &renewal, payment_id, one.series, now);
            }
            tables.change_renewal(renewal.id, |row| {
                row.attempt_count += i64::from(added);
                row.next_look_up_at = if is_current { Some(now) } else { row.next_look_up_at };
                row.updated_at = now;
            })?;
        }
        Ok(())
    })
}

fn waits(row: &Renewal) -> bool {
    matches!(row.state, State::Due | State::Unknown | State::Failed | State::Canceled | State::Lapsed | State::Review)
}

/// The numbers of the attempts that are brought back: one that another attempt took since, or that another payment of
/// these takes, is not taken twice.
fn free_numbers(tables: &Tables, found: &[FoundPayment]) -> BTreeMap<PaymentId, u32> {
    let mut of_renewals: BTreeMap<RenewalId, BTreeMap<&PaymentId, u32>> = BTreeMap::new();
    for one in found {
        let Some(lost) = &one.lost_attempt else { continue };
        of_renewals.entry(one.renewal_id).or_default().insert(&one.record.payment_id, lost.number);
    }
    let mut free = BTreeMap::new();
    for (renewal_id, wanted) in of_renewals {
        let mut taken: BTreeSet<u32> = tables.attempts_of(renewal_id).map(|attempt| attempt.number).collect();
        let mut last = taken.iter().chain(wanted.values()).max().copied().unwrap_or_default();
        for (payment_id, number) in wanted {
            let number = if taken.insert(number) {
                number
            } else {
                last += 1;
                last
            };
            free.insert(payment_id.clone(), number);
        }
    }
    free
}

/// Adds the lost attempt; `false` if none is.
fn bring_back(
    tables: &mut Tables,
    renewal: &Renewal,
    (found, row, number): (&FoundPayment, &FoundOut<'_>, Option<&u32>),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let (Some(lost), Some(number)) = (&found.lost_attempt, number) else { return Ok(false) };
    let payment_id = found.record.payment_id.clone();
    tables.add_attempt(Attempt {
        id: lost.id,
        renewal_id: renewal.id,
        run_id: row.run_id,
        number: *number,
        idempotency_key: format!("{payment_id}-{number}"),
        payment_id,
        series: found.series,
        billing_key_id: lost.billing_key_id.clone(),
        channel_key: lost.channel_key.clone(),
        pg_provider: found.record.pg_provider.clone(),
        request_body: row.request_body.to_owned(),
        request_hash: row.request_hash.clone(),
        protocol_version: row.protocol_version,
        state: row.attempt_state,
        started_at: lost.started_at,
        settled_at: Some(now),
        settled_epoch: None,
        transaction_id: found.record.transaction_id.clone(),
        pg_code: None,
        pg_message: None,
        decline_class: None,
        decline_reason: None,
        decline_matched_by: None,
        note: Some(row.note.to_owned()),
    })?;
    Ok(true)
}

fn give_up(tables: &mut Tables, renewal: &Renewal, payment_id: &PaymentId, series: u32, now: DateTime<Utc>) {
    if tables.retired.has(payment_id) {
        return tables.retired.change(payment_id, |row| row.next_look_up_at = Some(now));
    }
    let row = Retired {
        payment_id: payment_id.clone(),
        renewal_id: renewal.id,
        series,
        retired_at: now,
        next_look_up_at: Some(now),
        look_ups: 0,
    };
    tables.retired.put(payment_id.clone(), row);
}

pub(super) fn tell(store: &MemoryStore, events: &[NewEvent]) -> Result<(), StoreError> {
    store.write(|tables, _| tables.tell(events))
}
