//! After the money: who is past due, who is downgraded.

use super::run::Run;
use super::{Engine, RunError};
use crate::domain::access::{self, AccessChange};
use chrono::{DateTime, Utc};
use std::collections::HashSet;

impl Engine {
    pub(super) async fn update_access(&self, run: &Run) -> Result<(), RunError> {
        let now = self.now(run);
        // With `at_run` the cancelled are found before their period is over.
        let ended_before = if self.policy.downgrade_at_run { self.policy.due_before(run.business_date) } else { now };
        self.access_pages((now, ended_before), |change| run.report.access(change)).await
    }

    /// Every page of those whose period ended before the second instant, judged at the first; `told` hears what was written.
    pub(super) async fn access_pages(
        &self,
        (now, ended_before): (DateTime<Utc>, DateTime<Utc>),
        mut told: impl FnMut(&AccessChange) + Send,
    ) -> Result<(), RunError> {
        let mut after = None;
        loop {
            let page = self.store.access_facts(ended_before, after, self.limits.plan_rows_max).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.current_period_end, last.subscription_id.clone()));
            let changes: Vec<_> =
                page.iter().filter_map(|facts| access::decide(facts, &self.policy, now, &|| self.new_id())).collect();
            if !changes.is_empty() {
                let written: HashSet<_> = self.store.record_access(&changes).await?.into_iter().collect();
                changes.iter().filter(|change| written.contains(&change.subscription_id)).for_each(&mut told);
            }
        }
    }
}
