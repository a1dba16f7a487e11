//! Sums for people: what was taken, what was refused, and what is still expected.

use super::SqlStore;
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::store::read::{AtRisk, Taking};
use crate::store::{StoreError, first_id};
use chrono::{DateTime, NaiveDate, Utc};

struct ReadTakings(NaiveDate, DateTime<Utc>);

impl Step for ReadTakings {
    const NAME: &'static str = "reading what was taken";
    const LANE: Lane = Lane::Read;
    type Output = Vec<Taking>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<Taking>, StoreError> {
        let since = Param::text(first_id(self.1).to_string());
        tx.rows(&statement::TAKINGS, &[Param::date(self.0), since]).await
    }
}

pub(super) async fn takings(
    store: &SqlStore,
    from: NaiveDate,
    since: DateTime<Utc>,
) -> Result<Vec<Taking>, StoreError> {
    store.perform(ReadTakings(from, since)).await
}

struct ReadAtRisk;

impl Step for ReadAtRisk {
    const NAME: &'static str = "reading what is at risk";
    const LANE: Lane = Lane::Read;
    type Output = Vec<AtRisk>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<AtRisk>, StoreError> {
        tx.rows(&statement::AT_RISK, &[]).await
    }
}

pub(super) async fn at_risk(store: &SqlStore) -> Result<Vec<AtRisk>, StoreError> {
    store.perform(ReadAtRisk).await
}
