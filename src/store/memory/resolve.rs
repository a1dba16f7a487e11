//! Taking over what an earlier worker left open.

use super::open::attempt_facts;
use super::rows::{Attempt, Renewal, Subscription};
use super::tables::Tables;
use super::{Guard, MemoryStore};
use crate::domain::renewal::State;
use crate::store::rows::taken::{Taken, Unreadable, committed, take};
use crate::store::{StoreError, TakenOver};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

pub(super) fn take_over(
    store: &MemoryStore,
    rows_max: u32,
    lease: Duration,
    claims_max: u32,
) -> Result<Vec<TakenOver>, StoreError> {
    let lease = TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX);
    let waits_for_lease = !store.is_left_out(Guard::ExpiredLeaseForTakeOver);
    let is_free = store.is_left_out(Guard::KillSwitch);
    let taken = store.write(|tables, now| {
        let is_left = |(_, renewal, _): &(&Attempt, &Renewal, &Subscription)| match renewal.state {
            State::Charging => !waits_for_lease || renewal.lease_until.is_some_and(|until| until <= now),
            State::Unknown => renewal.next_look_up_at.is_some_and(|at| at <= now),
            _ => false,
        };
        let mut left: Vec<_> = tables.open_attempts().filter(is_left).collect();
        left.sort_by_key(|(attempt, ..)| (attempt.started_at, attempt.id));
        left.truncate(rows_max as usize);
        let rows: Vec<_> = left.into_iter().map(|whole| attempt_facts(tables, whole, now)).collect();
        let mut taken = Vec::with_capacity(rows.len());
        for mut row in rows {
            row.paused &= !is_free;
            match take(row, lease, claims_max)? {
                Ok(one) => {
                    record(tables, &one, now)?;
                    taken.push(one);
                }
                Err(unreadable) => show(tables, &unreadable)?,
            }
        }
        Ok(taken)
    })?;
    Ok(committed(taken))
}

fn record(tables: &mut Tables, taken: &Taken, now: DateTime<Utc>) -> Result<(), StoreError> {
    let attempt = &taken.attempt;
    tables.change_renewal(attempt.renewal.id, |row| {
        row.state = State::Charging;
        row.lease_epoch = attempt.lease_epoch;
        row.lease_until = Some(attempt.lease_until);
        row.unsettled_claims += 1;
        row.next_look_up_at = None;
        row.updated_at = now;
    })
}

/// Gives an attempt that cannot be resolved to a person.
fn show(tables: &mut Tables, unreadable: &Unreadable) -> Result<(), StoreError> {
    tables.change_renewal(unreadable.renewal_id, |row| {
        row.state = State::Review;
        row.review_reason = Some(unreadable.reason.clone());
        row.lease_until = None;
        row.next_look_up_at = unreadable.next_look_up_at;
        row.ended_at = row.ended_at.or(Some(unreadable.now));
        row.updated_at = unreadable.now;
    })?;
    tables.tell([&unreadable.event])
}
