//! Planning: first the renewals that wait and whose world changed, then the subscriptions that became due.
//! In keyset pages, so that memory is bounded by one page however many are due, and what is planned can be charged while
//! the rest still is.

use super::planning::Planning;
use super::run::{Run, Scope};
use super::{Engine, RunError};
use crate::domain::due::{self, Disposition, PlannedRenewal, SubscriptionFacts};
use crate::domain::waiting;
use crate::store::DuePage;
use std::collections::HashSet;

impl Engine {
    /// Plans, and charges what is planned: from the first page on where no brake can trip, else when all is planned and
    /// measured.
    pub(super) async fn plan_and_charge(&self, run: &Run) -> Result<(), RunError> {
        self.plan_waiting(run).await?;
        let planning = Planning::default();
        if run.scope == Scope::Whole && self.is_surely_within_brakes(run).await? {
            let (planned, charged) = tokio::join!(self.plan_due(run, &planning), self.drain_planned(run, &planning));
            charged?;
            return planned;
        }
        if run.scope == Scope::Whole {
            self.plan_due(run, &planning).await?;
        }
        self.hold_by_brakes(run).await?;
        self.drain(run).await
    }

    /// Drains again and again until all is planned and nothing of it is left. What was given back unsent is claimed again by
    /// the next of these, so at most once a page.
    async fn drain_planned(&self, run: &Run, planning: &Planning) -> Result<(), RunError> {
        loop {
            let seen = planning.so_far();
            self.drain(run).await?;
            if seen.is_over || run.is_stopping() {
                return Ok(());
            }
            planning.more_than(seen).await;
        }
    }

    async fn plan_waiting(&self, run: &Run) -> Result<(), RunError> {
        let mut after = None;
        loop {
            let over_before = self.started(run) - self.policy.max_overdue;
            let page = self.store.waiting_facts(after, over_before, self.limits.plan_rows_max).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.renewal_id);
            let now = self.started(run);
            let mut changes = Vec::new();
            for facts in &page {
                changes.extend(waiting::decide(facts, &self.policy, now, &|| self.new_id())?);
            }
            if !changes.is_empty() {
                let written: HashSet<_> = self.store.change_renewals(&changes).await?.into_iter().collect();
                changes
                    .iter()
                    .filter(|change| written.contains(&change.renewal_id))
                    .for_each(|change| run.report.changed(change));
            }
        }
    }

    async fn plan_due(&self, run: &Run, planning: &Planning) -> Result<(), RunError> {
        // However it ends: whoever waits for the next page must not wait for ever.
        let _over = planning.until_dropped();
        let mut after = None;
        loop {
            let facts = self.store.due_facts(&self.due_page(run, after)).await?;
            let Some(last) = facts.last() else {
                run.book.tell_lapsed(run.id);
                return Ok(());
            };
            after = Some((last.current_period_end, last.id.clone()));
            let decided = self.decide_page(run, &facts);
            let renewals: Vec<PlannedRenewal> = decided.iter().map(|(_, planned)| planned.clone()).collect();
            let new: HashSet<_> = self.store.record_plan(run.id, &renewals).await?.into_iter().collect();
            for (disposition, planned) in decided.iter().filter(|(_, planned)| new.contains(&planned.id)) {
                run.report.planned(*disposition);
                self.count_planned(run, *disposition, planned);
            }
            planning.one_more();
        }
    }

    pub(super) fn due_page(
        &self,
        run: &Run,
        after: Option<(chrono::DateTime<chrono::Utc>, crate::domain::ids::SubscriptionId)>,
    ) -> DuePage {
        DuePage {
            ends_before: self.policy.due_before(run.business_date),
            after,
            rows_max: self.limits.plan_rows_max,
            only: run.only.clone(),
            moved_since: Some(self.started(run)),
        }
    }

    pub(super) fn decide_page(&self, run: &Run, facts: &[SubscriptionFacts]) -> Vec<(Disposition, PlannedRenewal)> {
        let new_id = || self.new_id();
        let at = due::Planning { business_date: run.business_date, now: self.started(run), new_id: &new_id };
        facts.iter().map(|facts| due::decide(facts, &self.policy, &at)).collect()
    }
}
