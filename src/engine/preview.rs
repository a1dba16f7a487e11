//! What a run would do, without doing it: the same facts and the same decisions, and nothing is recorded.

use super::run::RunRequest;
use super::{Engine, RunError};
use crate::domain::due::{self, Disposition, Planning};
use crate::store::DuePage;
use chrono::NaiveDate;
use serde::Serialize;
use std::collections::BTreeMap;

/// A plan for one business date.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Preview {
    pub business_date: NaiveDate,
    /// What would be charged, by plan and currency.
    pub charges: Vec<ChargeLine>,
    /// What would not be charged, by reason.
    pub skipped: BTreeMap<String, u64>,
}

/// What one plan would bring in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChargeLine {
    pub plan_id: String,
    pub currency: String,
    pub renewals: u64,
    /// Minor units.
    pub minor: i64,
}

impl Engine {
    /// What a run of `request` would do now.
    ///
    /// # Errors
    /// [`RunError::Store`].
    pub async fn preview(&self, request: &RunRequest) -> Result<Preview, RunError> {
        let now = self.store.now().await?;
        let business_date = request.business_date.unwrap_or_else(|| self.policy.zone.date_of(now));
        let new_id = || self.new_id();
        let at = Planning { business_date, now, new_id: &new_id };
        let mut sums = Sums::default();
        let only = (!request.only.is_empty()).then(|| request.only.clone());
        let mut page = DuePage {
            ends_before: self.policy.due_before(business_date),
            after: None,
            rows_max: self.limits.plan_rows_max,
            only: only.clone(),
        };
        loop {
            let facts = self.store.due_facts(&page).await?;
            let Some(last) = facts.last() else { break };
            page.after = Some((last.current_period_end, last.id.clone()));
            for facts in &facts {
                let (disposition, planned) = due::decide(facts, &self.policy, &at);
                match disposition {
                    Disposition::Renew => sums.charge(planned.plan_id.as_str(), planned.currency, planned.amount),
                    Disposition::Cancel => sums.skip("cancelled by the customer"),
                    Disposition::Lapse => sums.skip("ended too long ago"),
                    Disposition::NoKey => sums.skip("no billing key"),
                    Disposition::Review => sums.skip("needs a person"),
                }
            }
        }
        self.preview_retries(only.as_deref(), &mut sums).await?;
        Ok(sums.finish(business_date))
    }

    /// Renewals of earlier runs whose next attempt has come.
    async fn preview_retries(
        &self,
        only: Option<&[crate::domain::ids::SubscriptionId]>,
        sums: &mut Sums,
    ) -> Result<(), RunError> {
        let mut after = None;
        loop {
            let page = self.store.claimable(after.clone(), self.limits.plan_rows_max).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id.clone());
            for renewal in page {
                let wanted = only.is_none_or(|ids| ids.iter().any(|id| id.as_str() == renewal.subscription_id));
                match (wanted, renewal.cancel_at_period_end) {
                    (false, _) => {}
                    (true, true) => sums.skip("cancelled by the customer"),
                    (true, false) => sums.charge(&renewal.plan_id, renewal.currency, renewal.amount),
                }
            }
        }
    }
}

#[derive(Default)]
struct Sums {
    charges: BTreeMap<(String, String), (u64, i64)>,
    skipped: BTreeMap<String, u64>,
}

impl Sums {
    fn charge(&mut self, plan: &str, currency: Option<String>, minor: Option<i64>) {
        let sum = self.charges.entry((plan.to_owned(), currency.unwrap_or_default())).or_default();
        sum.0 += 1;
        sum.1 = sum.1.saturating_add(minor.unwrap_or(0));
    }

    fn skip(&mut self, why: &str) {
        *self.skipped.entry(why.to_owned()).or_default() += 1;
    }

    fn finish(self, business_date: NaiveDate) -> Preview {
        let line = |((plan_id, currency), (renewals, minor))| ChargeLine { plan_id, currency, renewals, minor };
        Preview { business_date, charges: self.charges.into_iter().map(line).collect(), skipped: self.skipped }
    }
}
