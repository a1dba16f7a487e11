//! What people do by hand: one step with the record of who and why.

use super::installation::turn;
use super::late::look_again;
use super::plan::change;
use super::refunds::want;
use super::rows::Action;
use super::settle::{guards, write};
use super::tables::Tables;
use super::{MemoryStore, import, read};
use crate::domain::attempt::AttemptState;
use crate::domain::renewal::State;
use crate::domain::settlement::Settlement;
use crate::store::act::{Act, Doing, Mark, Move, Seen};
use crate::store::read::ActionRow;
use crate::store::rows::actions::accepted;
use crate::store::{LateChange, StoreError};
use chrono::{DateTime, Utc};
use std::cmp::Reverse;

pub(super) fn act(store: &MemoryStore, act: &Act) -> Result<bool, StoreError> {
    store.write(|tables, now| {
        // Refused before anything is written.
        if !done(store, tables, &act.doing, now)? {
            return Ok(false);
        }
        tables.add_action(act.action.clone())?;
        tables.tell(&act.events)?;
        Ok(true)
    })
}

fn done(store: &MemoryStore, tables: &mut Tables, doing: &Doing, now: DateTime<Utc>) -> Result<bool, StoreError> {
    match doing {
        Doing::Note => Ok(true),
        Doing::Turn(switch) => {
            turn(tables, switch);
            Ok(true)
        }
        Doing::NewKey(key) => import::import_key(tables, key.clone(), now).map(|()| true),
        Doing::Move(mark, one) => Ok(stands(tables, mark) && moved(tables, one, now)?),
        Doing::Settle(mark, settlement) => Ok(stands(tables, mark) && settled(store, tables, settlement, now)?),
        Doing::GiveBack(mark, refund) => Ok(stands(tables, mark) && want(tables, refund, now)),
    }
}

fn stands(tables: &Tables, mark: &Mark) -> bool {
    let id = mark.renewal_id;
    let Some(row) = tables.renewals().get(&id) else { return false };
    let Some(sub) = tables.subscription(&row.subscription_id) else { return false };
    let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
    let is_paid_by = tables.payments().iter().filter(|row| row.payment.renewal_id == Some(id)).count();
    let seen = Seen {
        state: row.state.as_str().to_owned(),
        updated_at: row.updated_at,
        cancel_at_period_end: sub.row.cancel_at_period_end,
        attempts: count(tables.attempts_of(id).count()),
        payments: count(is_paid_by),
        refunds: count(tables.refunds.iter().filter(|row| row.wanted.renewal_id == id).count()),
    };
    seen == mark.seen
}

fn moved(tables: &mut Tables, one: &Move, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let id = one.change.renewal_id;
    if change(tables, std::slice::from_ref(&one.change), now)?.is_empty() {
        return Ok(false);
    }
    if let Some(note) = &one.close_attempt {
        let epoch = tables.renewals().get(&id).map(|row| row.lease_epoch);
        let open = tables.attempts_of(id).find(|row| row.state == AttemptState::Open).map(|row| row.id);
        open.map_or(Ok(()), |open| {
            tables.change_attempt(open, |row| {
                row.state = AttemptState::NotCharged;
                row.settled_at = Some(now);
                row.settled_epoch = epoch;
                row.note = Some(note.clone());
            })
        })?;
    }
    if let Some(key) = &one.billing_key {
        import::import_key(tables, key.clone(), now)?;
    }
    tables.change_renewal(id, |row| row.commanded_until = one.commanded_until)?;
    Ok(true)
}

fn settled(
    store: &MemoryStore,
    tables: &mut Tables,
    settlement: &Settlement,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let guards = guards(store, tables, std::iter::once(settlement), now);
    let found = [LateChange::Found { from: State::Review, settlement: Box::new(settlement.clone()) }];
    let Some((writes, looked)) = accepted(&found, &guards) else { return Ok(false) };
    write(store, tables, writes)?;
    looked.iter().try_for_each(|one| look_again(tables, one, now))?;
    Ok(true)
}

pub(super) fn actions(store: &MemoryStore, rows_max: u32) -> Result<Vec<ActionRow>, StoreError> {
    store.read(|tables, _| {
        let mut rows: Vec<&Action> = tables.actions().iter().collect();
        rows.sort_by_key(|row| Reverse((row.created_at, row.id)));
        Ok(rows.into_iter().take(rows_max as usize).map(read::action).collect())
    })
}
