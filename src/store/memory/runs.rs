//! The rows of runs.

use super::MemoryStore;
use super::rows::Covered;
use super::tables::Tables;
use crate::domain::ids::RunId;
use crate::store::read::{Coverage, CoverageDay, RunRow};
use crate::store::search::{ClientKey, KeyedRun, RunPage};
use crate::store::{ClosedRun, NewRun, StoreError};
use chrono::NaiveDate;
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub(super) fn open_run(store: &MemoryStore, run: &NewRun) -> Result<(), StoreError> {
    store.write(|tables, _| open(tables, run))
}

pub(super) fn open_run_once(
    store: &MemoryStore,
    run: &NewRun,
    key: &ClientKey,
) -> Result<Option<KeyedRun>, StoreError> {
    store.write(|tables, _| {
        if let Some(before) = tables.client_keys.get(&key.key) {
            return Ok(Some(before.clone()));
        }
        open(tables, run)?;
        tables.client_keys.put(key.key.clone(), KeyedRun { id: run.id.to_string(), asked: key.asked.clone() });
        Ok(None)
    })
}

pub(super) fn run_of_key(store: &MemoryStore, key: &str) -> Result<Option<KeyedRun>, StoreError> {
    store.read(|tables, _| Ok(tables.client_keys.get(key).cloned()))
}

fn open(tables: &mut Tables, run: &NewRun) -> Result<(), StoreError> {
    if tables.runs.has(&run.id) {
        let problem = "is there already".to_owned();
        return Err(StoreError::Row { table: "runs", key: run.id.to_string(), problem });
    }
    let row = RunRow {
        id: run.id.to_string(),
        trigger: run.trigger.clone(),
        business_date: run.business_date,
        zone: run.zone.clone(),
        status: "running".to_owned(),
        actor: run.actor.clone(),
        figures: serde_json::json!({}),
        error: None,
        started_at: run.started_at,
        finished_at: None,
    };
    tables.runs.put(run.id, row);
    Ok(())
}

pub(super) fn close_run(store: &MemoryStore, run: &ClosedRun) -> Result<(), StoreError> {
    store.write(|tables, _| {
        tables.runs.change(&run.id, |row| {
            row.status.clone_from(&run.status);
            row.figures = run.figures.clone();
            row.error.clone_from(&run.error);
            row.finished_at = Some(run.finished_at);
        });
        for entry in &run.coverage {
            let key = (entry.business_date, entry.run_id);
            if !tables.coverage.has(&key) {
                tables.coverage.put(key, Covered { entry: entry.clone(), recorded_at: run.finished_at });
            }
        }
        tables.tell(&run.events)
    })
}

pub(super) fn runs_page(store: &MemoryStore, page: &RunPage) -> Result<Vec<RunRow>, StoreError> {
    let before = page.before.map(|(started, id)| (started, id.to_string()));
    store.read(|tables, _| {
        let is_after = |row: &&RunRow| before.as_ref().is_none_or(|(at, id)| (row.started_at, &row.id) < (*at, id));
        let mut rows: Vec<&RunRow> = tables.runs.iter().filter(is_after).collect();
        rows.sort_by_key(|row| Reverse((row.started_at, &row.id)));
        Ok(rows.into_iter().take(page.rows_max as usize).cloned().collect())
    })
}

pub(super) fn run(store: &MemoryStore, id: RunId) -> Result<Option<RunRow>, StoreError> {
    store.read(|tables, _| Ok(tables.runs.get(&id).cloned()))
}

pub(super) fn coverage(store: &MemoryStore, from: NaiveDate) -> Result<Coverage, StoreError> {
    store.read(|tables, _| {
        let covering = tables.coverage.iter().filter(|row| row.entry.covers);
        let first_covered = covering.map(|row| row.entry.business_date).min();
        let mut days: BTreeMap<NaiveDate, CoverageDay> = BTreeMap::new();
        for row in tables.coverage.iter().filter(|row| row.entry.business_date >= from) {
            let date = row.entry.business_date;
            add(days.entry(date).or_insert_with(|| blank(date)), row);
        }
        Ok(Coverage { first_covered, days: days.into_values().collect() })
    })
}

fn blank(business_date: NaiveDate) -> CoverageDay {
    CoverageDay {
        business_date,
        covered: false,
        covered_by: None,
        runs: 0,
        planned: 0,
        paid: 0,
        declined: 0,
        failed: 0,
        canceled: 0,
        lapsed: 0,
        no_billing_key: 0,
        unknown: 0,
        review: 0,
    }
}

/// Rows come in the order of their runs' ids.
fn add(day: &mut CoverageDay, row: &Covered) {
    let entry = &row.entry;
    if entry.covers {
        day.covered = true;
        day.covered_by.get_or_insert_with(|| entry.run_id.to_string());
    }
    day.runs += 1;
    let sums = [
        (&mut day.planned, entry.planned),
        (&mut day.paid, entry.paid),
        (&mut day.declined, entry.declined),
        (&mut day.failed, entry.failed),
        (&mut day.canceled, entry.canceled),
        (&mut day.lapsed, entry.lapsed),
        (&mut day.no_billing_key, entry.no_billing_key),
        (&mut day.unknown, entry.unknown),
        (&mut day.review, entry.review),
    ];
    for (sum, count) in sums {
        *sum = sum.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
