//! Reconciling: what the gateway lists and what is recorded here, joined by payment id, both ways.
//!
//! Money there that is not recorded here is made due for a look-up, and settled like everything else; what cannot be
//! settled so is told to a person. Nothing is charged, and nothing that is paid is changed.
//!
//! Memory is bounded by one window of the listing: the names of as many payments as the gateway lists of one range.

mod adopt;
mod confirm;
pub(super) mod listing;
pub mod report;

use super::run::{Run, RunRequest};
use super::{Engine, RunError, spans};
use crate::domain::ids::PaymentId;
use crate::gateway::ListedBy;
use crate::shutdown::Shutdown;
use chrono::{DateTime, Utc};
use listing::{Range, Window};
use report::ReconcileReport;
use std::collections::HashSet;
use tracing::Instrument;

/// What to reconcile.
#[derive(Clone, Debug)]
pub struct ReconcileRequest {
    /// Who asked: `cli`, `schedule`.
    pub trigger: String,
    pub actor: String,
    /// Payments that the gateway made from then on
    pub from: DateTime<Utc>,
    /// to then.
    pub until: DateTime<Utc>,
}

impl Engine {
    /// Compares both sides and settles what a look-up can settle. Has a row among the runs.
    ///
    /// # Errors
    /// [`RunError`] when the database failed or the gateway could not list; what was settled until then is settled.
    pub async fn reconcile(
        &self,
        request: &ReconcileRequest,
        shutdown: &Shutdown,
    ) -> Result<ReconcileReport, RunError> {
        let asked = RunRequest {
            trigger: format!("reconcile ({})", request.trigger),
            actor: request.actor.clone(),
            ..RunRequest::default()
        };
        let mut run = self.open(&asked, shutdown).await?;
        run.looks_only = true;
        let span = spans::run(run.id);
        self.reconcile_opened(request, &run).instrument(span).await
    }

    async fn reconcile_opened(&self, request: &ReconcileRequest, run: &Run) -> Result<ReconcileReport, RunError> {
        let mut report = ReconcileReport::new(run, (request.from, request.until), self.started(run));
        let ended = match self.reconcile_range(run, (request.from, request.until), &mut report).await {
            Ok(()) => self.place_seen(run, &mut report).await,
            failed => failed,
        };
        if ended.is_ok() && !run.is_stopping() {
            report.compared = self.was_compared(run, request.from, &report).await?;
        }
        report.close(run, ended.as_ref().err(), self.now(run));
        self.close_looked(run, report.looked(), ended).await?;
        Ok(report)
    }

    /// The same within a run that goes on.
    pub(super) async fn reconcile_range(
        &self,
        run: &Run,
        range: Range,
        report: &mut ReconcileReport,
    ) -> Result<(), RunError> {
        let mut ranges = vec![range];
        while !run.is_stopping() {
            let Some(window) = self.next_window(ListedBy::Created, &mut ranges).await? else { break };
            self.reconcile_window(run, window, report).await?;
        }
        Ok(())
    }

    async fn reconcile_window(&self, run: &Run, window: Window, report: &mut ReconcileReport) -> Result<(), RunError> {
        let (range, pages) = (window.range, window.pages());
        report.listed += window.first.total;
        let mut handled: HashSet<PaymentId> = HashSet::new();
        let mut page = window.first;
        for number in 1..=pages {
            let ours = self.ours_among(page.items).await;
            report.ours += ours.len() as u64;
            handled.extend(ours.iter().map(|payment| PaymentId(payment.id.clone())));
            self.settle_listed(run, ours, report).await?;
            if number == pages || run.is_stopping() {
                break;
            }
            page = self.list(ListedBy::Created, range, number).await?;
        }
        if run.is_stopping() {
            return Ok(());
        }
        self.confirm_recorded(run, range, &handled, report).await
    }
}
