//! The rows of runs.

use super::SqlStore;
use super::plan::tell;
use super::rows::{bulk, events_param};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::ids::RunId;
use crate::store::read::{Coverage, RunRow};
use crate::store::search::{ClientKey, KeyedRun, RunPage};
use crate::store::{ClosedRun, NewRun, StoreError};
use chrono::NaiveDate;

struct Open(NewRun, Option<ClientKey>);

impl Step for Open {
    const NAME: &'static str = "opening a run";
    const LANE: Lane = Lane::Write;
    /// The run that was there before.
    type Output = Option<KeyedRun>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<KeyedRun>, StoreError> {
        let Self(run, key) = self;
        let params = [
            Param::text(run.id.to_string()),
            Param::text(&*run.trigger),
            Param::date(run.business_date),
            Param::text(&*run.zone),
            Param::text(&*run.actor),
            Param::time(run.started_at),
            Param::maybe_text(key.as_ref().map(|key| &*key.key)),
            Param::maybe_text(key.as_ref().map(|key| &*key.asked)),
        ];
        let opened = tx.execute(&statement::RUN_OPEN, &params).await? > 0;
        match key {
            Some(key) if !opened => of_key(tx, &key.key).await,
            _ => Ok(None),
        }
    }
}

async fn of_key(tx: &mut Tx, key: &str) -> Result<Option<KeyedRun>, StoreError> {
    Ok(tx.rows(&statement::RUN_OF_KEY, &[Param::text(key)]).await?.into_iter().next())
}

pub(super) async fn open_run(store: &SqlStore, run: &NewRun) -> Result<(), StoreError> {
    store.perform(Open(run.clone(), None)).await.map(|_| ())
}

pub(super) async fn open_run_once(
    store: &SqlStore,
    run: &NewRun,
    key: &ClientKey,
) -> Result<Option<KeyedRun>, StoreError> {
    store.perform(Open(run.clone(), Some(key.clone()))).await
}

struct OfKey(String);

impl Step for OfKey {
    const NAME: &'static str = "reading the run of a client's key";
    const LANE: Lane = Lane::Read;
    type Output = Option<KeyedRun>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<KeyedRun>, StoreError> {
        of_key(tx, &self.0).await
    }
}

pub(super) async fn run_of_key(store: &SqlStore, key: &str) -> Result<Option<KeyedRun>, StoreError> {
    store.perform(OfKey(key.to_owned())).await
}

struct Close(ClosedRun);

impl Step for Close {
    const NAME: &'static str = "closing a run";
    const LANE: Lane = Lane::Settle;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let Self(run) = self;
        let params = [
            Param::text(run.id.to_string()),
            Param::text(&*run.status),
            Param::text(run.figures.to_string()),
            Param::maybe_text(run.error.as_deref()),
            Param::time(run.finished_at),
        ];
        tx.execute(&statement::RUN_CLOSE, &params).await?;
        if !run.coverage.is_empty() {
            let rows = [bulk(&run.coverage)?, Param::time(run.finished_at)];
            tx.execute(&statement::COVERAGE_RECORD, &rows).await?;
        }
        tell(tx, events_param(run.events.iter())?).await
    }
}

pub(super) async fn close_run(store: &SqlStore, run: &ClosedRun) -> Result<(), StoreError> {
    store.perform(Close(run.clone())).await
}

impl Step for RunPage {
    const NAME: &'static str = "reading runs";
    const LANE: Lane = Lane::Read;
    type Output = Vec<RunRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<RunRow>, StoreError> {
        let (started, id) = self.before.unzip();
        let params = [
            Param::Int(i64::from(self.rows_max)),
            Param::Time(started),
            Param::maybe_text(id.map(|id| id.to_string())),
        ];
        tx.rows(&statement::RUNS_LATEST, &params).await
    }
}

pub(super) async fn runs_page(store: &SqlStore, page: &RunPage) -> Result<Vec<RunRow>, StoreError> {
    store.perform(*page).await
}

struct One(RunId);

impl Step for One {
    const NAME: &'static str = "reading a run";
    const LANE: Lane = Lane::Read;
    type Output = Option<RunRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<RunRow>, StoreError> {
        let rows = tx.rows(&statement::RUN_READ, &[Param::text(self.0.to_string())]).await?;
        Ok(rows.into_iter().next())
    }
}

pub(super) async fn run(store: &SqlStore, id: RunId) -> Result<Option<RunRow>, StoreError> {
    store.perform(One(id)).await
}

struct ReadCoverage(NaiveDate);

#[derive(sqlx::FromRow)]
struct FirstRow {
    first_covered: Option<NaiveDate>,
}

impl Step for ReadCoverage {
    const NAME: &'static str = "reading the coverage";
    const LANE: Lane = Lane::Read;
    type Output = Coverage;

    async fn run(&self, tx: &mut Tx) -> Result<Coverage, StoreError> {
        let first: FirstRow = tx.row(&statement::COVERAGE_FIRST, &[]).await?;
        let days = tx.rows(&statement::COVERAGE_DAYS, &[Param::date(self.0)]).await?;
        Ok(Coverage { first_covered: first.first_covered, days })
    }
}

pub(super) async fn coverage(store: &SqlStore, from: NaiveDate) -> Result<Coverage, StoreError> {
    store.perform(ReadCoverage(from)).await
}
