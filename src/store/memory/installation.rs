//! What is fixed when the tables are made, the clock, and the kill switch.

use super::MemoryStore;
use super::rows::Installed;
use super::tables::Tables;
use crate::store::rows::same_key;
use crate::store::{Installation, Migrated, Pinned, SchemaProblem, StoreError, Switch};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

/// The version of the schema whose constraints are kept here.
const VERSION: i64 = 9;

/// The id key where none is given: fixed, as chance is not this store's, and nothing here outlives the process.
const PAYMENT_ID_KEY: &str = "6d656d6f72796d656d6f72796d656d6f72796d656d6f72796d656d6f72796d65";

pub(super) fn now(store: &MemoryStore) -> Result<DateTime<Utc>, StoreError> {
    store.read(|_, now| Ok(now))
}

pub(super) fn check_schema(store: &MemoryStore) -> Result<(), StoreError> {
    store.read(|_, _| Ok(()))
}

pub(super) fn migrate(store: &MemoryStore, key: Option<SecretString>) -> Result<Migrated, StoreError> {
    let mut tables = store.lock();
    if let Some(installed) = tables.installation.get(&()) {
        same_key(key.as_ref(), installed.payment_id_key.expose_secret())?;
        return Ok(Migrated { before: VERSION, after: VERSION });
    }
    let installed = Installed {
        payment_id_key: key.unwrap_or_else(|| SecretString::from(PAYMENT_ID_KEY)),
        pinned: None,
        clock_high_water: store.clock.now(),
    };
    tables.installation.put((), installed);
    tables.commit();
    Ok(Migrated { before: 0, after: VERSION })
}

pub(super) fn installation(store: &MemoryStore) -> Result<Installation, StoreError> {
    store.read(|tables, _| {
        let row = tables.installation.get(&()).ok_or(StoreError::Schema(SchemaProblem::Missing))?;
        Ok(Installation { payment_id_key: row.payment_id_key.clone(), pinned: row.pinned.clone() })
    })
}

pub(super) fn pin(store: &MemoryStore, wanted: &Pinned) -> Result<Pinned, StoreError> {
    store.write(|tables, _| {
        let mut pinned = wanted.clone();
        tables.installation.change(&(), |row| pinned = row.pinned.get_or_insert(pinned.clone()).clone());
        Ok(pinned)
    })
}

pub(super) fn switch(store: &MemoryStore) -> Result<Switch, StoreError> {
    store.read(|tables, _| Ok(Switch { paused: tables.paused.get(&()).cloned() }))
}

pub(super) fn set_switch(store: &MemoryStore, switch: &Switch) -> Result<(), StoreError> {
    store.write(|tables, _| {
        turn(tables, switch);
        Ok(())
    })
}

pub(super) fn turn(tables: &mut Tables, switch: &Switch) {
    match &switch.paused {
        Some(paused) => tables.paused.put((), paused.clone()),
        None => tables.paused.remove(()),
    }
}
