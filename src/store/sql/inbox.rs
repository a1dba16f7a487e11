//! What the gateway told by itself: kept, claimed, recorded, forgotten.

use super::SqlStore;
use super::rows::{IdRow, bulk};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::ids::BillingKeyId;
use crate::domain::notice::{Kept, KeyHeard, Notice, Outcome};
use crate::store::StoreError;
use crate::store::inbox::{Inbox, KeysHeard};
use crate::store::rows::look_ahead::KEY_GONE;
use crate::store::rows::notices::{KeylessRow, NoticeOut, NoticeRow, OutcomeOut, sorted};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

struct Keep(Param);

impl Step for Keep {
    const NAME: &'static str = "keeping what the gateway told";
    const LANE: Lane = Lane::Settle;
    type Output = Vec<IdRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<IdRow>, StoreError> {
        let now = Param::time(tx.now().await?);
        tx.rows(&statement::WEBHOOKS_KEEP, &[self.0.clone(), now]).await
    }
}

struct Claim {
    rows_max: u32,
    lease: Duration,
}

impl Step for Claim {
    const NAME: &'static str = "claiming what the gateway told";
    const LANE: Lane = Lane::Write;
    type Output = Vec<NoticeRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<NoticeRow>, StoreError> {
        let now = tx.now().await?;
        let until = now + TimeDelta::from_std(self.lease).unwrap_or(TimeDelta::MAX);
        let params = [Param::time(now), Param::time(until), Param::Int(i64::from(self.rows_max))];
        tx.rows(&statement::WEBHOOKS_CLAIM, &params).await
    }
}

struct Record(Param);

impl Step for Record {
    const NAME: &'static str = "recording what became of what the gateway told";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.execute(&statement::WEBHOOKS_RECORD, std::slice::from_ref(&self.0)).await.map(|_| ())
    }
}

struct Forget {
    before: DateTime<Utc>,
    rows_max: u32,
}

impl Step for Forget {
    const NAME: &'static str = "forgetting what the gateway told long ago";
    const LANE: Lane = Lane::Write;
    type Output = u64;

    async fn run(&self, tx: &mut Tx) -> Result<u64, StoreError> {
        let params = [Param::time(self.before), Param::Int(i64::from(self.rows_max))];
        tx.execute(&statement::WEBHOOKS_FORGET, &params).await
    }
}

struct HearKeys(Vec<KeyHeard>);

impl Step for HearKeys {
    const NAME: &'static str = "marking billing keys as the gateway has them";
    const LANE: Lane = Lane::Write;
    type Output = (Vec<IdRow>, Vec<KeylessRow>);

    async fn run(&self, tx: &mut Tx) -> Result<Self::Output, StoreError> {
        let now = Param::time(tx.now().await?);
        let (gone, issued) = sorted(&self.0);
        let (mut back, mut keyless) = (Vec::new(), Vec::new());
        if !issued.is_empty() {
            back = tx.rows(&statement::KEYS_BACK, &[bulk(&issued)?, now.clone()]).await?;
        }
        if !gone.is_empty() {
            let gone = bulk(&gone)?;
            tx.execute(&statement::KEYS_GONE, &[gone.clone(), Param::text(KEY_GONE), now]).await?;
            keyless = tx.rows(&statement::KEYLESS, &[gone]).await?;
        }
        Ok((back, keyless))
    }
}

#[async_trait]
impl Inbox for SqlStore {
    async fn keep_notices(&self, notices: &[Notice]) -> Result<Vec<String>, StoreError> {
        if notices.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<NoticeOut<'_>> = notices.iter().map(NoticeOut::from).collect();
        let new = self.perform(Keep(bulk(&rows)?)).await?;
        Ok(new.into_iter().map(|row| row.id).collect())
    }

    async fn claim_notices(&self, rows_max: u32, lease: Duration) -> Result<Vec<Kept>, StoreError> {
        let rows = self.perform(Claim { rows_max, lease }).await?;
        rows.into_iter().map(NoticeRow::into_kept).collect()
    }

    async fn record_notices(&self, outcomes: &[Outcome]) -> Result<(), StoreError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let rows: Vec<OutcomeOut<'_>> = outcomes.iter().map(OutcomeOut::from).collect();
        self.perform(Record(bulk(&rows)?)).await
    }

    async fn forget_notices(&self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        self.perform(Forget { before, rows_max }).await
    }

    async fn hear_keys(&self, heard: &[KeyHeard]) -> Result<KeysHeard, StoreError> {
        if heard.is_empty() {
            return Ok(KeysHeard::default());
        }
        let (back, keyless) = self.perform(HearKeys(heard.to_vec())).await?;
        Ok(KeysHeard {
            back: back.into_iter().map(|row| BillingKeyId(row.id)).collect(),
            keyless: keyless.into_iter().map(KeylessRow::into_keyless).collect::<Result<_, _>>()?,
        })
    }
}
