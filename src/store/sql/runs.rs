//! The rows of runs.

use super::SqlStore;
use super::plan::tell;
use super::rows::{bulk, events_param};
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::ids::RunId;
use crate::store::read::{Coverage, RunRow};
use crate::store::{ClosedRun, NewRun, StoreError};
use chrono::NaiveDate;

struct Open(NewRun);

impl Step for Open {
    const NAME: &'static str = "opening a run";
    const LANE: Lane = Lane::Write;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let Self(run) = self;
        let params = [
            Param::text(run.id.to_string()),
            Param::text(&*run.trigger),
            Param::date(run.business_date),
            Param::text(&*run.zone),
            Param::text(&*run.actor),
            Param::time(run.started_at),
        ];
        tx.execute(&statement::RUN_OPEN, &params).await.map(|_| ())
    }
}

pub(super) async fn open_run(store: &SqlStore, run: &NewRun) -> Result<(), StoreError> {
    store.perform(Open(run.clone())).await
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

struct Latest(u32);

impl Step for Latest {
    const NAME: &'static str = "reading the latest runs";
    const LANE: Lane = Lane::Read;
    type Output = Vec<RunRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<RunRow>, StoreError> {
        tx.rows(&statement::RUNS_LATEST, &[Param::Int(i64::from(self.0))]).await
    }
}

pub(super) async fn runs(store: &SqlStore, rows_max: u32) -> Result<Vec<RunRow>, StoreError> {
    store.perform(Latest(rows_max)).await
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
