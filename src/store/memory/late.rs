//! Late look-ups: renewals that ended and payment ids that were given up, because money can turn up late.

use super::MemoryStore;
use super::open::attempt_facts;
use super::rows::{Renewal, Retired, Seen};
use super::settle::{guards, write};
use super::tables::Tables;
use crate::domain::ids::{PaymentId, RenewalId};
use crate::domain::renewal::State;
use crate::domain::settlement::PaymentRecord;
use crate::store::rows::late::{LateRow, LookedOut, found, judge};
use crate::store::rows::money::PaymentOut;
use crate::store::{LateChange, LateFacts, StoreError};
use chrono::{DateTime, Utc};

/// A payment id that is due for a late look-up.
struct Wanted<'t> {
    due_at: DateTime<Utc>,
    renewal_id: RenewalId,
    payment_id: &'t PaymentId,
    retired: bool,
    look_ups: i64,
    since: DateTime<Utc>,
}

impl<'t> Wanted<'t> {
    fn ended(row: &'t Renewal) -> Option<Self> {
        let is_over = matches!(row.state, State::Due | State::Failed | State::Canceled | State::Lapsed | State::Review);
        Some(Self {
            due_at: row.next_look_up_at.filter(|_| is_over && row.attempt_count > 0)?,
            renewal_id: row.id,
            payment_id: &row.payment_id,
            retired: false,
            look_ups: row.look_ups,
            since: row.ended_at.unwrap_or(row.updated_at),
        })
    }

    fn given_up(row: &'t Retired) -> Option<Self> {
        Some(Self {
            due_at: row.next_look_up_at?,
            renewal_id: row.renewal_id,
            payment_id: &row.payment_id,
            retired: true,
            look_ups: row.look_ups,
            since: row.retired_at,
        })
    }

    /// With the last attempt that was made under the payment id.
    fn read(self, tables: &Tables, now: DateTime<Utc>) -> Option<LateRow> {
        let attempts = tables.attempts_of(self.renewal_id);
        let last = attempts.filter(|attempt| attempt.payment_id == *self.payment_id).last()?;
        let attempt = attempt_facts(tables, tables.whole(last)?, now);
        Some(LateRow { attempt, retired: self.retired, late_look_ups: self.look_ups, since: self.since })
    }
}

pub(super) fn late_facts(store: &MemoryStore, rows_max: u32) -> Result<Vec<LateFacts>, StoreError> {
    let rows_max = rows_max as usize;
    store.read(|tables, now| {
        let is_open = |one: &Wanted<'_>| !tables.refunds.has(one.payment_id);
        let ended = tables.renewals().iter().filter_map(Wanted::ended).filter(is_open);
        let given_up = tables.retired.iter().filter_map(Wanted::given_up).filter(is_open);
        let (ended, given_up) = (first(ended, now, rows_max), first(given_up, now, rows_max));
        let mut all: Vec<_> = ended.into_iter().chain(given_up).collect();
        all.sort_by_key(|one| (one.due_at, one.renewal_id));
        let rows = all.into_iter().filter_map(|one| one.read(tables, now)).take(rows_max);
        Ok(rows.filter_map(LateRow::into_facts).collect())
    })
}

/// Those that are due, the longest waiting first.
fn first<'t>(wanted: impl Iterator<Item = Wanted<'t>>, now: DateTime<Utc>, rows_max: usize) -> Vec<Wanted<'t>> {
    let mut wanted: Vec<_> = wanted.filter(|one| one.due_at <= now).collect();
    wanted.sort_by_key(|one| (one.due_at, one.renewal_id));
    wanted.truncate(rows_max);
    wanted
}

pub(super) fn record_late(store: &MemoryStore, changes: &[LateChange]) -> Result<(), StoreError> {
    store.write(|tables, now| {
        let settlements = found(changes);
        let guards = guards(store, tables, settlements.iter().map(|(_, settlement)| *settlement), now);
        let (writes, looked) = judge(changes, &guards);
        write(store, tables, writes)?;
        looked.iter().try_for_each(|one| look_again(tables, one, now))
    })
}

/// Nothing turned up (or, with no next time, nothing more is expected): when to look again.
fn look_again(tables: &mut Tables, one: &LookedOut, now: DateTime<Utc>) -> Result<(), StoreError> {
    if one.retired {
        tables.retired.change(&one.payment_id.as_str().into(), |row| {
            row.next_look_up_at = one.next_look_up_at;
            row.look_ups += 1;
        });
        return Ok(());
    }
    if !tables.renewals().get(&one.renewal_id).is_some_and(|row| row.state == one.from_state) {
        return Ok(());
    }
    tables.change_renewal(one.renewal_id, |row| {
        row.next_look_up_at = one.next_look_up_at;
        row.look_ups += 1;
        row.updated_at = now;
    })
}

pub(super) fn observe(store: &MemoryStore, seen: &[(PaymentRecord, String)]) -> Result<(), StoreError> {
    store.write(|tables, now| {
        for (payment, by) in seen {
            tables.add_observation(Seen { payment: PaymentOut::new(payment, None, by), recorded_at: now });
        }
        Ok(())
    })
}
