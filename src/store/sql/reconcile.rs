//! What is known of payments that the gateway lists, and those that are found there brought to a look-up.

use super::SqlStore;
use super::plan;
use super::rows::{bulk, events_param};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::event::NewEvent;
use crate::domain::ids::{AttemptId, RunId};
use crate::domain::reconcile::{FoundPayment, KnownPayment, WantedPayment};
use crate::store::rows::found::FoundOut;
use crate::store::rows::known::{KnownRow, WantedOut};
use crate::store::rows::uuid;
use crate::store::{RecordedPage, StoreError};

struct Known {
    wanted: Param,
}

impl Step for Known {
    const NAME: &'static str = "reading what is known of payments";
    const LANE: Lane = Lane::Read;
    type Output = Vec<KnownRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<KnownRow>, StoreError> {
        tx.rows(&statement::KNOWN_PAYMENTS, std::slice::from_ref(&self.wanted)).await
    }
}

pub(super) async fn known_payments(
    store: &SqlStore,
    wanted: &[WantedPayment],
) -> Result<Vec<KnownPayment>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<WantedOut<'_>> = wanted.iter().map(WantedOut::from).collect();
    let rows = store.perform(Known { wanted: bulk(&wanted)? }).await?;
    rows.into_iter().map(KnownRow::into_known).collect()
}

#[derive(sqlx::FromRow)]
struct RecordedRow {
    attempt_id: String,
    #[sqlx(flatten)]
    known: KnownRow,
}

struct Recorded {
    page: RecordedPage,
}

impl Step for Recorded {
    const NAME: &'static str = "reading recorded payments";
    const LANE: Lane = Lane::Read;
    type Output = Vec<RecordedRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<RecordedRow>, StoreError> {
        let (after, before) = self.page.bounds();
        let params = [
            Param::text(after.to_string()),
            Param::text(before.to_string()),
            Param::Int(i64::from(self.page.rows_max)),
        ];
        tx.rows(&statement::RECORDED_PAYMENTS, &params).await
    }
}

pub(super) async fn recorded_payments(
    store: &SqlStore,
    page: &RecordedPage,
) -> Result<Vec<(AttemptId, KnownPayment)>, StoreError> {
    let rows = store.perform(Recorded { page: *page }).await?;
    let read = |row: RecordedRow| Ok((AttemptId(uuid("attempts", &row.attempt_id)?), row.known.into_known()?));
    rows.into_iter().map(read).collect()
}

struct Wake {
    found: Param,
}

impl Step for Wake {
    const NAME: &'static str = "making payments due for a look-up";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let now = Param::time(tx.now().await?);
        tx.execute(&statement::WAKE, &[self.found.clone(), now]).await.map(|_| ())
    }
}

pub(super) async fn wake(
    store: &SqlStore,
    run: RunId,
    found: &[FoundPayment],
    seen_by: &str,
) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    let rows: Vec<FoundOut<'_>> = found.iter().map(|found| FoundOut::new(run, found, seen_by)).collect();
    store.perform(Wake { found: bulk(&rows)? }).await
}

struct Tell {
    events: Vec<NewEvent>,
}

impl Step for Tell {
    const NAME: &'static str = "telling";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        plan::tell(tx, events_param(self.events.iter())?).await
    }
}

pub(super) async fn tell(store: &SqlStore, events: &[NewEvent]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    store.perform(Tell { events: events.to_vec() }).await
}
