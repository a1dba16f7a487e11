//! Closing a run: its figures, its status, one event.

use super::report::RunReport;
use super::run::Run;
use super::{Engine, RunError};
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::EventId;
use crate::store::ClosedRun;

impl Engine {
    pub(super) async fn close(&self, run: &Run, ended: Result<(), RunError>) -> Result<RunReport, RunError> {
        let problem = match &ended {
            Err(err) => Some(err.to_string()),
            Ok(()) => run.problem(),
        };
        let status = match (&problem, run.shutdown.requested()) {
            (Some(_), _) => "failed",
            (None, true) => "interrupted",
            (None, false) => "completed",
        };
        let backlog = self.store.backlog().await;
        let finished_at = self.now(run);
        let mut report = run.report.finish(status, problem.clone(), backlog.ok(), finished_at);
        let covers = run.covers(&report);
        if covers {
            report.caught_up = run.book.caught_up();
        }
        let figures = serde_json::to_value(&report).unwrap_or_default();
        let kind = if problem.is_some() { EventKind::RunFailed } else { EventKind::RunCompleted };
        let event = NewEvent {
            id: EventId(self.new_id()),
            kind,
            subscription_id: None,
            renewal_id: None,
            attempt_id: None,
            dedupe: format!("{}:{}", kind.as_str(), run.id),
            payload: figures.clone(),
            created_at: finished_at,
        };
        let closed = ClosedRun {
            id: run.id,
            status: status.to_owned(),
            figures,
            error: problem,
            finished_at,
            events: self.tell_tripped(run, &report.brakes).into_iter().chain([event]).collect(),
            coverage: run.book.entries(run.id, &report, covers),
        };
        // Why the steps failed is worth more to the reader than that the row could not be closed either.
        let written = self.store.close_run(&closed).await;
        ended?;
        written?;
        tracing::info!(run.id = %run.id, status, paid = report.paid, declined = report.declined, "run {} {status}", run.id);
        Ok(report)
    }
}

impl Run {
    /// Why the run could not do all its work, if it could not.
    fn problem(&self) -> Option<String> {
        let stops = self.stops();
        stops.run.or_else(|| {
            let channels: Vec<String> = stops.channels.union(&stops.open).cloned().collect();
            (!channels.is_empty()).then(|| format!("charging stopped on {}", channels.join(", ")))
        })
    }
}
