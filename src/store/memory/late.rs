//! Late look-ups: renewals that ended and payment ids that were given up, because money can turn up late.

use super::MemoryStore;
use super::open::attempt_facts;
use super::rows::{Attempt, Renewal, Retired, Seen};
use super::settle::{guards, write};
use super::tables::Tables;
use crate::domain::ids::{PaymentId, RenewalId};
use crate::domain::renewal::State;
use crate::domain::settlement::PaymentRecord;
use crate::store::rows::late::{LateRow, LookedOut, found, judge, read, read_all};
use crate::store::rows::money::PaymentOut;
use crate::store::{LateChange, LateFacts, StoreError};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

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
        let attempt = attempt_facts(tables, tables.whole(self.last_attempt(tables)?)?, now);
        let Self { retired, look_ups: late_look_ups, since, due_at, .. } = self;
        Some(LateRow { attempt, retired, late_look_ups, since, due_at })
    }

    fn last_attempt(&self, tables: &'t Tables) -> Option<&'t Attempt> {
        let attempts = tables.attempts_of(self.renewal_id);
        attempts.filter(|attempt| attempt.payment_id == *self.payment_id).last()
    }
}

pub(super) fn late_facts(store: &MemoryStore, rows_max: u32) -> Result<Vec<LateFacts>, StoreError> {
    let rows_max = rows_max as usize;
    store.write(|tables, now| {
        let (readable, unreadable) = read(due(tables, rows_max, now))?;
        unreadable.iter().try_for_each(|one| look_again(tables, one, now))?;
        Ok(readable)
    })
}

fn due(tables: &Tables, rows_max: usize, now: DateTime<Utc>) -> Vec<LateRow> {
    let is_open =
        |one: &Wanted<'_>| tables.refunds_of(one.payment_id).next().is_none() && one.last_attempt(tables).is_some();
    let ended = tables.renewals().iter().filter_map(Wanted::ended).filter(is_open);
    let given_up = tables.retired.iter().filter_map(Wanted::given_up).filter(is_open);
    let (ended, given_up) = (first(ended, now, rows_max), first(given_up, now, rows_max));
    let mut all: Vec<_> = ended.into_iter().chain(given_up).collect();
    all.sort_by_key(|one| (one.due_at, one.renewal_id));
    all.into_iter().filter_map(|one| one.read(tables, now)).take(rows_max).collect()
}

/// Those that are due, the longest waiting first.
fn first<'t>(wanted: impl Iterator<Item = Wanted<'t>>, now: DateTime<Utc>, rows_max: usize) -> Vec<Wanted<'t>> {
    let mut wanted: Vec<_> = wanted.filter(|one| one.due_at <= now).collect();
    wanted.sort_by_key(|one| (one.due_at, one.renewal_id));
    wanted.truncate(rows_max);
    wanted
}

pub(super) fn unplaced(store: &MemoryStore, seen_by: &str, rows_max: u32) -> Result<Vec<PaymentId>, StoreError> {
    store.read(|tables, _| {
        let mut since: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
        for row in tables.observations().iter().filter(|row| row.payment.seen_by == seen_by) {
            let id = row.payment.payment_id.as_str();
            if tables.payments().get(id).is_none() {
                let first = since.entry(id).or_insert(row.recorded_at);
                *first = (*first).min(row.recorded_at);
            }
        }
        let mut ids: Vec<_> = since.into_iter().map(|(id, first)| (first, id)).collect();
        ids.sort_unstable();
        Ok(ids.into_iter().take(rows_max as usize).map(|(_, id)| PaymentId(id.to_owned())).collect())
    })
}

/// All payment ids that a renewal has or had, whether or not a look-up is due.
pub(super) fn case_facts(store: &MemoryStore, id: RenewalId) -> Result<Vec<LateFacts>, StoreError> {
    store.read(|tables, now| {
        let own = tables.renewals().get(&id).map(|row| Wanted {
            due_at: row.next_look_up_at.unwrap_or(row.updated_at),
            renewal_id: id,
            payment_id: &row.payment_id,
            retired: false,
            look_ups: row.look_ups,
            since: row.ended_at.unwrap_or(row.updated_at),
        });
        // Money under an earlier id takes it back.
        let now_uses = own.as_ref().map(|own| own.payment_id);
        let is_other = |row: &&Retired| row.renewal_id == id && Some(&row.payment_id) != now_uses;
        let given_up = tables.retired.iter().filter(is_other).map(|row| Wanted {
            due_at: row.next_look_up_at.unwrap_or(row.retired_at),
            renewal_id: id,
            payment_id: &row.payment_id,
            retired: true,
            look_ups: row.look_ups,
            since: row.retired_at,
        });
        read_all(own.into_iter().chain(given_up).filter_map(|one| one.read(tables, now)).collect())
    })
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
pub(super) fn look_again(tables: &mut Tables, one: &LookedOut, now: DateTime<Utc>) -> Result<(), StoreError> {
    let is_as_read = |next: Option<DateTime<Utc>>| one.due_at.is_none() || next == one.due_at;
    if one.retired {
        tables.retired.change(&one.payment_id.as_str().into(), |row| {
            if !is_as_read(row.next_look_up_at) {
                return;
            }
            row.next_look_up_at = one.next_look_up_at;
            row.look_ups += 1;
        });
        return Ok(());
    }
    let is_still = |row: &Renewal| row.state.as_str() == one.from_state && is_as_read(row.next_look_up_at);
    if !tables.renewals().get(&one.renewal_id).is_some_and(is_still) {
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
