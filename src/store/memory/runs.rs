//! The rows of runs.

use super::MemoryStore;
use crate::domain::ids::RunId;
use crate::store::read::RunRow;
use crate::store::{ClosedRun, NewRun, StoreError};
use std::cmp::Reverse;

pub(super) fn open_run(store: &MemoryStore, run: &NewRun) -> Result<(), StoreError> {
    store.write(|tables, _| {
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
    })
}

pub(super) fn close_run(store: &MemoryStore, run: &ClosedRun) -> Result<(), StoreError> {
    store.write(|tables, _| {
        tables.runs.change(&run.id, |row| {
            row.status.clone_from(&run.status);
            row.figures = run.figures.clone();
            row.error.clone_from(&run.error);
            row.finished_at = Some(run.finished_at);
        });
        tables.tell(&run.events)
    })
}

pub(super) fn runs(store: &MemoryStore, rows_max: u32) -> Result<Vec<RunRow>, StoreError> {
    store.read(|tables, _| {
        let mut rows: Vec<&RunRow> = tables.runs.iter().collect();
        rows.sort_by_key(|row| Reverse((row.started_at, &row.id)));
        Ok(rows.into_iter().take(rows_max as usize).cloned().collect())
    })
}

pub(super) fn run(store: &MemoryStore, id: RunId) -> Result<Option<RunRow>, StoreError> {
    store.read(|tables, _| Ok(tables.runs.get(&id).cloned()))
}
