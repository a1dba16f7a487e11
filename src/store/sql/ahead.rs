//! What a run has ahead of it: what is open, what is due, and where it would be charged.

use super::SqlStore;
use super::rows::bulk;
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::domain::ids::{CustomerId, RenewalId, SubscriptionId};
use crate::store::StoreError;
use crate::store::read::{DueSum, KeyChannel, OpenRenewalRow};

struct OpenRenewals {
    after: Option<RenewalId>,
    rows_max: u32,
}

impl Step for OpenRenewals {
    const NAME: &'static str = "reading what is open";
    const LANE: Lane = Lane::Read;
    type Output = Vec<OpenRenewalRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<OpenRenewalRow>, StoreError> {
        let after = Param::maybe_text(self.after.map(|id| id.to_string()));
        tx.rows(&statement::OPEN_RENEWALS, &[after, Param::Int(i64::from(self.rows_max))]).await
    }
}

pub(super) async fn open_renewals(
    store: &SqlStore,
    after: Option<RenewalId>,
    rows_max: u32,
) -> Result<Vec<OpenRenewalRow>, StoreError> {
    store.perform(OpenRenewals { after, rows_max }).await
}

struct ChannelsOf(Vec<CustomerId>);

impl Step for ChannelsOf {
    const NAME: &'static str = "reading the channels of billing keys";
    const LANE: Lane = Lane::Read;
    type Output = Vec<KeyChannel>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<KeyChannel>, StoreError> {
        tx.rows(&statement::CHANNELS_OF, &[bulk(&self.0)?]).await
    }
}

pub(super) async fn channels_of(store: &SqlStore, customers: &[CustomerId]) -> Result<Vec<KeyChannel>, StoreError> {
    store.perform(ChannelsOf(customers.to_vec())).await
}

struct DueNow(Option<Vec<SubscriptionId>>);

impl Step for DueNow {
    const NAME: &'static str = "summing up what is due";
    const LANE: Lane = Lane::Read;
    type Output = Vec<DueSum>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<DueSum>, StoreError> {
        let now = tx.now_param().await?;
        let only = self.0.as_deref().map_or(Ok(Param::Text(None)), bulk)?;
        tx.rows(&statement::DUE_NOW, &[now, only]).await
    }
}

pub(super) async fn due_now(store: &SqlStore, only: Option<&[SubscriptionId]>) -> Result<Vec<DueSum>, StoreError> {
    store.perform(DueNow(only.map(<[SubscriptionId]>::to_vec))).await
}
