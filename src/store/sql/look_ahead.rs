//! Looking ahead: who is going to be renewed, and what was found out about that.

use super::SqlStore;
use super::plan::tell;
use super::rows::{IdRow, bulk, events_param};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::ids::SubscriptionId;
use crate::domain::look_ahead::{LookAheadFacts, LookedAhead};
use crate::store::read::UnseenCode;
use crate::store::rows::look_ahead::{KEY_GONE, LookAheadRow, LookedOut, gone, told};
use crate::store::{LookAheadPage, StoreError};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

struct ReadAhead {
    page: LookAheadPage,
}

impl Step for ReadAhead {
    const NAME: &'static str = "reading what is going to be renewed";
    const LANE: Lane = Lane::Read;
    type Output = Vec<LookAheadRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<LookAheadRow>, StoreError> {
        let (after_end, after_id) = self.page.after.clone().unzip();
        let params = [
            Param::time(self.page.ends_after),
            Param::time(self.page.ends_before),
            Param::Time(after_end),
            Param::maybe_text(after_id.map(|id| id.0)),
            Param::Int(i64::from(self.page.rows_max)),
        ];
        tx.rows(&statement::LOOK_AHEAD_FACTS, &params).await
    }
}

pub(super) async fn look_ahead_facts(
    store: &SqlStore,
    page: &LookAheadPage,
) -> Result<Vec<LookAheadFacts>, StoreError> {
    let rows = store.perform(ReadAhead { page: page.clone() }).await?;
    rows.into_iter().map(LookAheadRow::into_facts).collect()
}

struct RecordAhead {
    looked: Vec<LookedAhead>,
}

impl Step for RecordAhead {
    const NAME: &'static str = "recording what was found out early";
    const LANE: Lane = Lane::Write;
    type Output = Vec<SubscriptionId>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<SubscriptionId>, StoreError> {
        let now = tx.now().await?;
        let gone = gone(&self.looked);
        if !gone.is_empty() {
            let params = [bulk(&gone)?, Param::text(KEY_GONE), Param::time(now)];
            tx.execute(&statement::KEYS_GONE, &params).await?;
        }
        let rows = bulk(&self.looked.iter().map(|one| LookedOut::new(one, now)).collect::<Vec<_>>())?;
        let rows: Vec<IdRow> = tx.rows(&statement::LOOK_AHEAD_RECORD, &[rows]).await?;
        let written: BTreeSet<SubscriptionId> = rows.into_iter().map(|row| SubscriptionId(row.id)).collect();
        tell(tx, events_param(told(&self.looked, &written).into_iter())?).await?;
        Ok(written.into_iter().collect())
    }
}

pub(super) async fn record_look_ahead(
    store: &SqlStore,
    looked: &[LookedAhead],
) -> Result<Vec<SubscriptionId>, StoreError> {
    if looked.is_empty() {
        return Ok(Vec::new());
    }
    store.perform(RecordAhead { looked: looked.to_vec() }).await
}

struct ReadUnseen {
    since: DateTime<Utc>,
    rows_max: u32,
}

impl Step for ReadUnseen {
    const NAME: &'static str = "reading unseen codes";
    const LANE: Lane = Lane::Read;
    type Output = Vec<UnseenCode>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<UnseenCode>, StoreError> {
        let params = [Param::time(self.since), Param::Int(i64::from(self.rows_max))];
        tx.rows(&statement::UNSEEN_CODES, &params).await
    }
}

pub(super) async fn unseen_codes(
    store: &SqlStore,
    since: DateTime<Utc>,
    rows_max: u32,
) -> Result<Vec<UnseenCode>, StoreError> {
    store.perform(ReadUnseen { since, rows_max }).await
}
