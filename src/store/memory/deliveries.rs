//! Events on their way to the sinks: handed over, claimed, recorded, shown, and changed by hand.

use super::MemoryStore;
use super::rows::{Delivery, Event};
use super::tables::Tables;
use crate::domain::delivery::{NewDelivery, Next, RATE_SPAN, Recorded, Sending, SinkName, Told};
use crate::domain::ids::EventId;
use crate::store::StoreError;
use crate::store::outbox::{
    DeliveriesLeft, DeliveryClaim, DeliveryFilter, DeliveryRow, ManualChange, Router, first_event_at,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub(super) fn route_events(store: &MemoryStore, rows_max: u32, decide: &Router) -> Result<u32, StoreError> {
    store.write(|tables, now| {
        let ids: Vec<EventId> = tables.outbox.iter().take(rows_max as usize).copied().collect();
        let events: Vec<Told> = ids.iter().filter_map(|id| tables.events().get(id)).map(told).collect();
        for new in decide(&events, &recent(tables, now)) {
            hand_over(tables, new, now);
        }
        ids.iter().for_each(|id| tables.outbox.remove(*id));
        Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
    })
}

fn recent(tables: &Tables, now: DateTime<Utc>) -> BTreeMap<SinkName, u32> {
    let since = first_event_at(now - RATE_SPAN);
    let mut counts = BTreeMap::new();
    let is_recent = |row: &&Delivery| row.event_id >= since && row.state != "dropped";
    for row in tables.deliveries.iter().filter(is_recent).filter(|row| SinkName::FOR_PEOPLE.contains(&row.sink)) {
        *counts.entry(row.sink).or_default() += 1;
    }
    counts
}

fn hand_over(tables: &mut Tables, new: NewDelivery, now: DateTime<Utc>) {
    let key = (new.sink, new.event_id);
    if tables.deliveries.has(&key) {
        return;
    }
    let row = Delivery {
        sink: new.sink,
        event_id: new.event_id,
        subscription_id: new.subscription_id,
        state: if new.dropped.is_some() { "dropped" } else { "pending" },
        tries: 0,
        next_try_at: new.dropped.is_none().then_some(now),
        claim: None,
        note: new.dropped,
        created_at: now,
        updated_at: now,
    };
    tables.deliveries.put(key, row);
}

pub(super) fn claim_deliveries(store: &MemoryStore, claim: &DeliveryClaim) -> Result<Vec<Sending>, StoreError> {
    store.write(|tables, now| {
        let until = now + TimeDelta::from_std(claim.lease).unwrap_or(RATE_SPAN);
        let mut claimed = Vec::new();
        for id in due(tables, claim, now) {
            tables.deliveries.change(&(claim.sink, id), |row| {
                row.claim = Some(claim.claim);
                row.next_try_at = Some(until);
                row.tries += 1;
                row.updated_at = now;
            });
            let tries = tables.deliveries.get(&(claim.sink, id)).map_or(0, |row| row.tries);
            let event = tables.events().get(&id).map(told);
            claimed.extend(event.map(|event| Sending { event, sink: claim.sink, claim: claim.claim, tries }));
        }
        claimed.sort_by_key(|sending| sending.event.id);
        Ok(claimed)
    })
}

/// What may be sent now, the longest waiting first: of each subscription only its oldest event that is not over.
fn due(tables: &Tables, claim: &DeliveryClaim, now: DateTime<Utc>) -> Vec<EventId> {
    let pending = || tables.deliveries.iter().filter(|row| row.sink == claim.sink && row.state == "pending");
    // In order of the event: the first of a subscription stays.
    let mut heads = BTreeMap::new();
    for row in pending() {
        heads.entry(row.subscription_id.as_ref()).or_insert(row.event_id);
    }
    let is_next = |row: &&Delivery| {
        row.subscription_id.is_none() || heads.get(&row.subscription_id.as_ref()) == Some(&row.event_id)
    };
    let mut due: Vec<&Delivery> =
        pending().filter(|row| row.next_try_at.is_some_and(|at| at <= now)).filter(is_next).collect();
    due.sort_by_key(|row| (row.next_try_at, row.event_id));
    due.into_iter().take(claim.rows_max as usize).map(|row| row.event_id).collect()
}

pub(super) fn record_deliveries(store: &MemoryStore, sent: &[Recorded]) -> Result<Vec<EventId>, StoreError> {
    store.write(|tables, now| {
        let mut written = Vec::new();
        for recorded in sent {
            let key = (recorded.sink, recorded.event_id);
            if tables.deliveries.get(&key).is_none_or(|row| row.claim != Some(recorded.claim)) {
                continue;
            }
            tables.deliveries.change(&key, |row| {
                (row.state, row.next_try_at) = recorded.next.state();
                row.claim = None;
                row.note.clone_from(&recorded.note);
                row.tries -= u32::from(matches!(recorded.next, Next::Unsent(_)));
                row.updated_at = now;
            });
            written.push(recorded.event_id);
        }
        Ok(written)
    })
}

pub(super) fn change_deliveries(store: &MemoryStore, change: &ManualChange) -> Result<u64, StoreError> {
    store.write(|tables, now| {
        let (from, to) = change.manual.states();
        let first = change.since.map(first_event_at);
        let is_meant = |row: &&Delivery| {
            change.event_id.is_none_or(|id| id == row.event_id)
                && change.sink.is_none_or(|sink| sink == row.sink)
                && first.is_none_or(|first| row.event_id >= first)
                && from.contains(&row.state)
        };
        let keys: Vec<_> = tables.deliveries.iter().filter(is_meant).map(|row| (row.sink, row.event_id)).collect();
        for key in &keys {
            tables.deliveries.change(key, |row| {
                row.state = to;
                row.next_try_at = (to == "pending").then_some(now);
                row.tries = 0;
                row.claim = None;
                row.note = Some(change.reason.clone());
                row.updated_at = now;
            });
        }
        if !keys.is_empty() {
            tables.tell(std::iter::once(&change.action))?;
            tables.add_action(change.recorded.clone())?;
        }
        Ok(keys.len() as u64)
    })
}

pub(super) fn deliveries(store: &MemoryStore, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
    store.read(|tables, _| {
        let handed =
            tables.deliveries.iter().filter_map(|row| Some(shown(tables.events().get(&row.event_id)?, Some(row))));
        let waiting = tables.outbox.iter().filter_map(|id| Some(shown(tables.events().get(id)?, None)));
        let is_shown = |row: &DeliveryRow| {
            filter.state.is_none_or(|state| row.state == state)
                && filter.kind.is_none_or(|kind| row.event.kind == kind.as_str())
                && filter.subscription.as_ref().is_none_or(|id| row.event.subscription_id.as_ref() == Some(id))
                && filter.sink.is_none_or(|sink| row.sink.as_deref() == Some(sink.as_str()))
        };
        let mut rows: Vec<DeliveryRow> = handed.chain(waiting).filter(is_shown).collect();
        rows.sort_by(|one, other| (Reverse(one.event.id), &one.sink).cmp(&(Reverse(other.event.id), &other.sink)));
        rows.truncate(filter.rows_max as usize);
        Ok(rows)
    })
}

pub(super) fn deliveries_left(store: &MemoryStore) -> Result<Vec<DeliveriesLeft>, StoreError> {
    store.read(|tables, _| {
        let open = tables.deliveries.iter().filter(|row| matches!(row.state, "pending" | "dead"));
        let handed = open.map(|row| ((Some(row.sink.as_str()), row.state), row.event_id));
        let waiting = tables.outbox.iter().map(|id| ((None, "pending"), *id));
        let mut left: BTreeMap<_, (i64, DateTime<Utc>)> = BTreeMap::new();
        for (key, id) in handed.chain(waiting) {
            let Some(event) = tables.events().get(&id) else { continue };
            let (events, oldest) = left.entry(key).or_insert((0, event.created_at));
            *events += 1;
            *oldest = event.created_at.min(*oldest);
        }
        let row = |((sink, state), (events, oldest)): ((Option<&str>, &str), _)| DeliveriesLeft {
            sink: sink.map(str::to_owned),
            state: state.to_owned(),
            events,
            oldest,
        };
        let mut left: Vec<DeliveriesLeft> = left.into_iter().map(row).collect();
        left.sort_by(|one, other| (&one.sink, &one.state).cmp(&(&other.sink, &other.state)));
        Ok(left)
    })
}

fn told(event: &Event) -> Told {
    Told {
        id: event.id,
        kind: event.kind.as_str().to_owned(),
        subscription_id: event.subscription_id.clone(),
        renewal_id: event.renewal_id,
        payload: event.payload.clone(),
        created_at: event.created_at,
    }
}

fn shown(event: &Event, row: Option<&Delivery>) -> DeliveryRow {
    DeliveryRow {
        event: told(event),
        sink: row.map(|row| row.sink.as_str().to_owned()),
        state: row.map_or("pending", |row| row.state).to_owned(),
        tries: row.map_or(0, |row| i64::from(row.tries)),
        next_try_at: row.and_then(|row| row.next_try_at),
        note: row.and_then(|row| row.note.clone()),
        updated_at: row.map(|row| row.updated_at),
    }
}
