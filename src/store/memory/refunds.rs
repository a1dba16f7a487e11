//! Refunds: what is to be asked for now, and what asking led to.

use super::MemoryStore;
use super::rows::Refund;
use super::tables::Tables;
use crate::domain::ids::PaymentId;
use crate::domain::refund::{NewRefund, RefundChange, RefundFacts, RefundState};
use crate::store::StoreError;
use crate::store::rows::refunds::events_of_written;
use chrono::{DateTime, Utc};

/// Wanted once; one of a payment at a time, and each reference of it once. Answers whether it is new.
pub(super) fn want(tables: &mut Tables, new: &NewRefund, now: DateTime<Utc>) -> bool {
    let is_in_its_way = |row: &Refund| {
        row.next_try_at.is_some() || row.wanted.number == new.number || row.wanted.reference == new.reference
    };
    if tables.refunds_of(&new.payment_id).any(is_in_its_way) {
        return false;
    }
    let row = Refund {
        wanted: new.clone(),
        state: RefundState::Wanted,
        tries: 0,
        next_try_at: Some(now),
        note: None,
        wanted_at: now,
        updated_at: now,
    };
    tables.refunds.put((new.payment_id.clone(), new.number), row);
    true
}

pub(super) fn refund_facts(store: &MemoryStore, rows_max: u32) -> Result<Vec<RefundFacts>, StoreError> {
    store.read(|tables, now| {
        let mut due: Vec<&Refund> =
            tables.refunds.iter().filter(|row| row.next_try_at.is_some_and(|at| at <= now)).collect();
        due.sort_by_key(|row| (row.next_try_at, row.wanted.payment_id.clone()));
        Ok(due.into_iter().take(rows_max as usize).filter_map(|row| facts(tables, row)).collect())
    })
}

fn facts(tables: &Tables, row: &Refund) -> Option<RefundFacts> {
    let wanted = &row.wanted;
    let renewal_state = tables.renewals().get(&wanted.renewal_id)?.state;
    Some(RefundFacts { tries: row.tries, ..wanted.asked_first(renewal_state, row.wanted_at) })
}

pub(super) fn record_refunds(store: &MemoryStore, changes: &[RefundChange]) -> Result<Vec<PaymentId>, StoreError> {
    store.write(|tables, now| {
        let mut written = Vec::new();
        for change in changes {
            let refund = tables.refunds.get(&(change.payment_id.clone(), change.number));
            if refund.is_some_and(|row| row.next_try_at.is_some()) {
                record(tables, change, now)?;
                written.push(change.payment_id.clone());
            }
        }
        tables.tell(events_of_written(changes, &written))?;
        Ok(written)
    })
}

fn record(tables: &mut Tables, change: &RefundChange, now: DateTime<Utc>) -> Result<(), StoreError> {
    tables.refunds.change(&(change.payment_id.clone(), change.number), |row| {
        row.state = change.to;
        row.next_try_at = change.next_try_at;
        row.tries += 1;
        row.note = Some(change.note.clone());
        row.updated_at = now;
    });
    let Some((from, to)) = change.renewal else { return Ok(()) };
    if !tables.renewals().get(&change.renewal_id).is_some_and(|row| row.state == from) {
        return Ok(());
    }
    tables.change_renewal(change.renewal_id, |row| {
        row.state = to;
        row.review_reason = change.review_reason.clone().or(row.review_reason.take());
        row.next_look_up_at = None;
        row.next_attempt_at = None;
        row.updated_at = now;
    })
}
