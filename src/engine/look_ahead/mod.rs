//! Looking ahead: what is going to be renewed is announced, and what would go wrong on the day is found out before it.
//!
//! Nothing is charged, and no renewal is made. A gateway that does not answer costs the early notice and nothing else:
//! what was not found out early is found out on the day. Memory is bounded by one page of subscriptions.

mod asking;
pub mod report;

use super::run::{Run, RunRequest};
use super::{Engine, RunError, spans};
use crate::domain::claim::RenewalChange;
use crate::domain::ids::SubscriptionId;
use crate::domain::look_ahead::{self, Found, LookAheadFacts, LookedAhead, Looking};
use crate::shutdown::Shutdown;
use crate::store::LookAheadPage;
use asking::Asking;
use report::LookAheadReport;
use std::collections::HashSet;
use tracing::Instrument;

/// How far to look. Days are business days.
#[derive(Clone, Debug)]
pub struct LookAheadRequest {
    /// Who asked: `cli`, `schedule`.
    pub trigger: String,
    pub actor: String,
    /// The gateway is asked about what ends within these days; 0 asks about nothing.
    pub days: u32,
    /// What ends within these days is announced; 0 announces nothing.
    pub notice_days: u32,
    /// Payment schedules are asked for too.
    pub schedules: bool,
}

impl Engine {
    /// Looks at what ends soon. Has a row among the runs; done again on the same day, it goes on where it ended.
    ///
    /// # Errors
    /// [`RunError`] when the database failed. A gateway that failed is told by the report.
    pub async fn look_ahead(
        &self,
        request: &LookAheadRequest,
        shutdown: &Shutdown,
    ) -> Result<LookAheadReport, RunError> {
        let asked = RunRequest {
            trigger: format!("look-ahead ({})", request.trigger),
            actor: request.actor.clone(),
            ..RunRequest::default()
        };
        let run = self.open(&asked, shutdown).await?;
        let mut report = LookAheadReport::new(&run, self.started(&run));
        let looking = async {
            let ended = self.look_at_pages(&run, request, &mut report).await;
            report.close(&run, ended.as_ref().err(), self.now(&run));
            self.close_looked(&run, report.looked(), ended).await
        };
        looking.instrument(spans::run(run.id)).await?;
        Ok(report)
    }

    async fn look_at_pages(
        &self,
        run: &Run,
        request: &LookAheadRequest,
        report: &mut LookAheadReport,
    ) -> Result<(), RunError> {
        if run.refunds_wait() {
            // Whoever cancelled since the backup would be told that they are going to be charged.
            report.problem = Some("the database may have been put back from a backup: nothing was told".to_owned());
            return Ok(());
        }
        let ends_before = self.looking(run, |at| at.ends_before(request.days.max(request.notice_days)));
        let rows_max = self.limits.plan_rows_max;
        let mut page = LookAheadPage { ends_after: self.started(run), ends_before, after: None, rows_max };
        let mut asking = Asking::default();
        loop {
            let facts = self.store.look_ahead_facts(&page).await?;
            let Some(last) = facts.last() else { break };
            page.after = Some((last.current_period_end, last.subscription_id.clone()));
            self.announce(run, &facts, request, report).await?;
            let to_ask = |facts: &LookAheadFacts| self.looking(run, |at| look_ahead::is_asked(facts, request.days, at));
            let to_ask: Vec<LookAheadFacts> = facts.into_iter().filter(to_ask).collect();
            self.ask_page(run, to_ask, request, (&mut asking, report)).await?;
            if run.shutdown.requested() {
                break;
            }
        }
        report.problem = asking.problem();
        let held = asking.into_held();
        self.record_found(run, held, report).await
    }

    /// Tells who is going to be charged, and how much.
    async fn announce(
        &self,
        run: &Run,
        facts: &[LookAheadFacts],
        request: &LookAheadRequest,
        report: &mut LookAheadReport,
    ) -> Result<(), RunError> {
        let notices: Vec<LookedAhead> = self.looking(run, |at| {
            facts.iter().filter_map(|facts| look_ahead::notice(facts, request.notice_days, at)).collect()
        });
        if notices.is_empty() {
            return Ok(());
        }
        let written: HashSet<SubscriptionId> = self.store.record_look_ahead(&notices).await?.into_iter().collect();
        let again = facts.iter().filter(|facts| facts.noticed.is_some() && written.contains(&facts.subscription_id));
        report.announced += written.len() as u64;
        report.announced_again += again.count() as u64;
        Ok(())
    }

    /// Records what the gateway said, and holds what it would charge by itself.
    async fn record_found(
        &self,
        run: &Run,
        found: Vec<(LookAheadFacts, Found)>,
        report: &mut LookAheadReport,
    ) -> Result<(), RunError> {
        if found.is_empty() {
            return Ok(());
        }
        let looked: Vec<LookedAhead> =
            self.looking(run, |at| found.iter().map(|(facts, found)| look_ahead::looked(facts, found, at)).collect());
        let held = self.looking(run, |at| {
            let held = found.iter().map(|(facts, found)| look_ahead::held_by_schedule(facts, found, at));
            held.filter_map(Result::transpose).collect::<Result<Vec<RenewalChange>, _>>()
        })?;
        let written: HashSet<SubscriptionId> = self.store.record_look_ahead(&looked).await?.into_iter().collect();
        if !held.is_empty() {
            report.held += self.store.change_renewals(&held).await?.len() as u64;
        }
        for (facts, found) in found.iter().filter(|(facts, _)| written.contains(&facts.subscription_id)) {
            report.found(facts, found);
        }
        Ok(())
    }

    fn looking<T>(&self, run: &Run, look: impl FnOnce(&Looking<'_>) -> T) -> T {
        let new_id = || self.new_id();
        let (business_date, now) = (run.business_date, self.started(run));
        look(&Looking { policy: &self.policy, business_date, now, new_id: &new_id })
    }
}
