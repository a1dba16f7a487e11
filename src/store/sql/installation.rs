//! What is fixed when a database is made, the clock, and the kill switch.

use super::SqlStore;
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::store::{Installation, Paused, Pinned, StoreError, Switch};
use chrono::{DateTime, Utc};
use secrecy::SecretString;

struct Now;

impl Step for Now {
    const NAME: &'static str = "reading the clock";
    // Read without moving the stored mark: the steps that decide by the time move it.
    const LANE: Lane = Lane::Read;
    type Output = DateTime<Utc>;

    async fn run(&self, tx: &mut Tx) -> Result<DateTime<Utc>, StoreError> {
        tx.now().await
    }
}

pub(super) async fn now(store: &SqlStore) -> Result<DateTime<Utc>, StoreError> {
    store.perform(Now).await
}

#[derive(sqlx::FromRow)]
pub(super) struct InstallationRow {
    pub payment_id_key: String,
    store_id: Option<String>,
    channel_type: Option<String>,
}

impl InstallationRow {
    fn pinned(&self) -> Option<Pinned> {
        let (store_id, channel_type) = self.store_id.clone().zip(self.channel_type.clone())?;
        Some(Pinned { store_id, channel_type })
    }
}

struct ReadInstallation;

impl Step for ReadInstallation {
    const NAME: &'static str = "reading the installation";
    const LANE: Lane = Lane::Read;
    type Output = InstallationRow;

    async fn run(&self, tx: &mut Tx) -> Result<InstallationRow, StoreError> {
        tx.row(&statement::INSTALLATION_READ, &[]).await
    }
}

pub(super) async fn installation(store: &SqlStore) -> Result<Installation, StoreError> {
    let row = store.perform(ReadInstallation).await?;
    Ok(Installation { pinned: row.pinned(), payment_id_key: SecretString::from(row.payment_id_key) })
}

struct Pin(Pinned);

impl Step for Pin {
    const NAME: &'static str = "pinning the store";
    const LANE: Lane = Lane::Write;
    type Output = InstallationRow;

    async fn run(&self, tx: &mut Tx) -> Result<InstallationRow, StoreError> {
        let Self(wanted) = self;
        let params = [Param::text(&*wanted.store_id), Param::text(&*wanted.channel_type)];
        tx.execute(&statement::INSTALLATION_PIN, &params).await?;
        tx.row(&statement::INSTALLATION_READ, &[]).await
    }
}

pub(super) async fn pin(store: &SqlStore, wanted: &Pinned) -> Result<Pinned, StoreError> {
    let row = store.perform(Pin(wanted.clone())).await?;
    Ok(row.pinned().unwrap_or_else(|| wanted.clone()))
}

#[derive(sqlx::FromRow)]
struct SwitchRow {
    paused_at: Option<DateTime<Utc>>,
    paused_by: Option<String>,
    paused_reason: Option<String>,
}

struct ReadSwitch;

impl Step for ReadSwitch {
    const NAME: &'static str = "reading the kill switch";
    const LANE: Lane = Lane::Read;
    type Output = SwitchRow;

    async fn run(&self, tx: &mut Tx) -> Result<SwitchRow, StoreError> {
        tx.row(&statement::SWITCH_READ, &[]).await
    }
}

pub(super) async fn switch(store: &SqlStore) -> Result<Switch, StoreError> {
    let row = store.perform(ReadSwitch).await?;
    let paused = row.paused_at.map(|at| Paused {
        at,
        by: row.paused_by.unwrap_or_default(),
        reason: row.paused_reason.unwrap_or_default(),
    });
    Ok(Switch { paused })
}

struct SetSwitch(Switch);

impl Step for SetSwitch {
    const NAME: &'static str = "turning the kill switch";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        turn(tx, &self.0).await
    }
}

/// Waits for claims that are about to commit: afterwards none follows.
pub(super) async fn turn(tx: &mut Tx, switch: &Switch) -> Result<(), StoreError> {
    let paused = switch.paused.as_ref();
    let params = [
        Param::Time(paused.map(|paused| paused.at)),
        Param::maybe_text(paused.map(|paused| paused.by.as_str())),
        Param::maybe_text(paused.map(|paused| paused.reason.as_str())),
    ];
    tx.execute(&statement::SWITCH_SET, &params).await.map(|_| ())
}

pub(super) async fn set_switch(store: &SqlStore, switch: &Switch) -> Result<(), StoreError> {
    store.perform(SetSwitch(switch.clone())).await
}
