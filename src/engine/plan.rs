//! Planning: first the renewals that wait and whose world changed, then the subscriptions that became due.
//! In keyset pages, so that memory is bounded by one page however many are due, and what is planned can be charged while
//! the rest still is.

use super::run::{Run, Scope};
use super::{Engine, RunError};
use crate::domain::brakes::Charges;
use crate::domain::due::{self, Disposition, PlannedRenewal, SubscriptionFacts};
use crate::domain::waiting;
use crate::store::DuePage;
use std::collections::HashSet;
use tokio::sync::watch;

/// How far a page of the plan is.
enum Page {
    /// So many of its subscriptions are to be charged; nothing is recorded yet.
    Decided(u64),
    /// What it holds can be claimed.
    Recorded,
}

impl Engine {
    /// Plans, and charges what is planned: from the first page on where no brake can trip, else when all is planned and
    /// measured.
    pub(super) async fn plan_and_charge(&self, run: &Run) -> Result<(), RunError> {
        self.plan_waiting(run).await?;
        self.keep_held(run).await?;
        if run.scope == Scope::Whole {
            if let Some(due) = self.surely_within_brakes(run).await? {
                return self.plan_while_charging(run, due).await;
            }
            self.plan_due(run, |_| ()).await?;
        }
        self.hold_by_brakes(run).await?;
        self.drain(run).await
    }

    /// Charges each page when it is recorded. `due` was planned by earlier runs.
    async fn plan_while_charging(&self, run: &Run, mut due: Charges) -> Result<(), RunError> {
        let (pages, mut planned) = watch::channel(());
        let planning = async move {
            self.plan_due(run, |page| match page {
                Page::Decided(charges) => {
                    due.count += charges;
                    due.first += charges;
                    self.hold_if_too_many(run, &due);
                }
                Page::Recorded => drop(pages.send(())),
            })
            .await
        };
        // Drains after each page, and once more when all is planned. What was given back unsent is claimed again by the next
        // of these, so at most once a page.
        let charging = async {
            loop {
                // Who plans is gone when the plan is over, however it ended.
                let is_over = planned.changed().await.is_err();
                self.drain(run).await?;
                if is_over || run.is_stopping() {
                    return Ok(());
                }
            }
        };
        let (planned, charged): (_, Result<(), RunError>) = tokio::join!(planning, charging);
        let Err(why) = planned else { return charged };
        // The run ends with the plan's error. What was charged meanwhile and nobody wants goes back all the same.
        let refunded = match charged {
            Ok(()) => self.refund(run).await,
            failed => failed,
        };
        if let Err(err) = refunded {
            tracing::error!(run.id = %run.id, "while the plan failed, charging or its refunds failed too: {err}; the next run goes on with both");
        }
        Err(why)
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

    async fn plan_due(&self, run: &Run, mut on: impl FnMut(Page)) -> Result<(), RunError> {
        let mut after = None;
        // The rest is planned by the next run, which has the time for it.
        while !run.shutdown.requested() {
            let facts = self.store.due_facts(&self.due_page(run, after)).await?;
            let Some(last) = facts.last() else {
                run.book.tell_lapsed(run.id);
                break;
            };
            after = Some((last.current_period_end, last.id.clone()));
            let decided = self.decide_page(run, &facts);
            let charges = decided.iter().filter(|(disposition, _)| *disposition == Disposition::Renew).count();
            on(Page::Decided(charges as u64));
            let renewals: Vec<PlannedRenewal> = decided.iter().map(|(_, planned)| planned.clone()).collect();
            let new: HashSet<_> = self.store.record_plan(run.id, &renewals).await?.into_iter().collect();
            for (disposition, planned) in decided.iter().filter(|(_, planned)| new.contains(&planned.id)) {
                run.report.planned(*disposition);
                self.count_planned(run, *disposition, planned);
            }
            on(Page::Recorded);
        }
        Ok(())
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
            not_again_in: Some((run.id, self.started(run))),
        }
    }

    pub(super) fn decide_page(&self, run: &Run, facts: &[SubscriptionFacts]) -> Vec<(Disposition, PlannedRenewal)> {
        let new_id = || self.new_id();
        let at = due::Planning { business_date: run.business_date, now: self.started(run), new_id: &new_id };
        facts.iter().map(|facts| due::decide(facts, &self.policy, &at)).collect()
    }
}
