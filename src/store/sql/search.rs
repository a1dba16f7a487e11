//! What is searched for, page by page.

use super::SqlStore;
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use crate::store::StoreError;
use crate::store::read::RenewalRow;
use crate::store::search::RenewalPage;

impl Step for RenewalPage {
    const NAME: &'static str = "searching renewals";
    const LANE: Lane = Lane::Read;
    type Output = Vec<RenewalRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<RenewalRow>, StoreError> {
        let params = [
            Param::maybe_text(self.state.map(|state| state.as_str())),
            Param::maybe_text(self.subscription.as_ref().map(|id| id.as_str())),
            Param::maybe_text(self.payment.as_ref().map(|id| id.as_str())),
            Param::maybe_text(self.business_date.map(|date| date.to_string())),
            Param::maybe_text(self.before.map(|id| id.to_string())),
            Param::Int(i64::from(self.rows_max)),
        ];
        tx.rows(&statement::RENEWALS_PAGE, &params).await
    }
}

pub(super) async fn renewals_page(store: &SqlStore, page: &RenewalPage) -> Result<Vec<RenewalRow>, StoreError> {
    store.perform(page.clone()).await
}
