//! Reconciling: what the gateway lists and what is recorded here, joined by payment id, both ways.
//!
//! Money there that is not recorded here is made due for a look-up, and settled like everything else; what cannot be
//! settled so is told to a person. Nothing is charged, and nothing that is paid is changed.
//!
//! Memory is bounded by one window of the listing: the names of at most [`LISTED_MAX`] payments.

mod adopt;
mod confirm;
pub(super) mod listing;
pub mod report;

use super::run::{Run, RunRequest};
use super::{Engine, RunError, spans};
use crate::domain::ids::PaymentId;
use crate::gateway::{ListedBy, PaymentPage};
use crate::shutdown::Shutdown;
use chrono::{DateTime, TimeDelta, Utc};
use listing::{LISTED_MAX, PAGE_SIZE};
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
        range: (DateTime<Utc>, DateTime<Utc>),
        report: &mut ReconcileReport,
    ) -> Result<(), RunError> {
        let mut windows = vec![range];
        while let Some((from, until)) = windows.pop() {
            if run.is_stopping() {
                return Ok(());
            }
            let first = self.list(ListedBy::Created, (from, until), 0).await?;
            if first.total > u64::from(LISTED_MAX) && until - from > TimeDelta::seconds(1) {
                let middle = from + (until - from) / 2;
                // The earlier half first: a subscription's periods are settled in their order.
                windows.push((middle, until));
                windows.push((from, middle));
            } else {
                self.reconcile_window(run, (from, until), first, report).await?;
            }
        }
        Ok(())
    }

    async fn reconcile_window(
        &self,
        run: &Run,
        (from, until): (DateTime<Utc>, DateTime<Utc>),
        first: PaymentPage,
        report: &mut ReconcileReport,
    ) -> Result<(), RunError> {
        let pages = u32::try_from(first.total).unwrap_or(u32::MAX).min(LISTED_MAX).div_ceil(PAGE_SIZE);
        report.listed += first.total;
        let mut handled: HashSet<PaymentId> = HashSet::new();
        let mut page = first;
        for number in 1..=pages {
            let ours = self.ours_among(page.items).await;
            report.ours += ours.len() as u64;
            handled.extend(ours.iter().map(|payment| PaymentId(payment.id.clone())));
            self.settle_listed(run, ours, report).await?;
            if number == pages || run.is_stopping() {
                break;
            }
            page = self.list(ListedBy::Created, (from, until), number).await?;
        }
        if run.is_stopping() {
            return Ok(());
        }
        self.confirm_recorded(run, (from, until), &handled, report).await
    }
}
