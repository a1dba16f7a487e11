//! Closing a run: its figures, its status, one event; and another where somebody must be alerted by name.

use super::report::RunReport;
use super::run::Run;
use super::{Engine, RunError};
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::EventId;
use crate::store::ClosedRun;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

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
        let is_known = backlog.is_ok();
        let finished_at = self.now(run);
        let told_by = match &ended {
            Err(_) => run.stops().told_by,
            Ok(()) => run.told_by(),
        };
        let mut report = run.report.finish(status, (problem.clone(), told_by), backlog.ok(), finished_at);
        // Where nobody could read what is left, nobody knows that all was taken up.
        let covers = is_known && run.covers(&report);
        if covers {
            report.caught_up = run.book.caught_up();
        }
        let figures = serde_json::to_value(&report).unwrap_or_default();
        let kind = if problem.is_some() { EventKind::RunFailed } else { EventKind::RunCompleted };
        let event = |kind: EventKind, payload: Value| {
            NewEvent::of_all(EventId(self.new_id()), kind, run.id, payload, finished_at)
        };
        report.brakes.iter().for_each(|tripped| self.meter.braked(tripped.brake.as_str()));
        let mut events = self.tell_tripped(run, &report.brakes);
        events.push(event(kind, figures.clone()));
        if told_by == Some(EventKind::GatewayUnauthorized) {
            let payload = json!({ "reason": problem, "run_id": run.id, "left_due": report.left_due });
            events.push(event(EventKind::GatewayUnauthorized, payload));
        }
        let closed = ClosedRun {
            id: run.id,
            status: status.to_owned(),
            figures,
            error: problem,
            finished_at,
            events,
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

/// How a run ended that charged nothing.
pub(super) struct Looked {
    pub status: String,
    pub problem: Option<String>,
    /// As its command prints them.
    pub figures: Value,
    pub finished_at: DateTime<Utc>,
}

impl Engine {
    /// Closes a run that only looked: it covers no date, and is no digest.
    pub(super) async fn close_looked(
        &self,
        run: &Run,
        looked: Looked,
        ended: Result<(), RunError>,
    ) -> Result<(), RunError> {
        let Looked { status, problem, figures, finished_at } = looked;
        let (events, coverage) = (Vec::new(), Vec::new());
        let closed = ClosedRun { id: run.id, status, figures, error: problem, finished_at, events, coverage };
        // Why it failed is worth more to the reader than that the row could not be closed either.
        let written = self.store.close_run(&closed).await;
        ended?;
        Ok(written?)
    }
}

impl Run {
    /// The event that alerts in place of the run's own, where one says why.
    fn told_by(&self) -> Option<EventKind> {
        let stops = self.stops();
        let held: Vec<&String> = stops.channels.union(&stops.open).collect();
        let all_braked = !held.is_empty() && held.iter().all(|channel| self.report.is_braked(channel));
        stops.told_by.or((stops.run.is_none() && all_braked).then_some(EventKind::BrakeTripped))
    }

    /// Why the run could not do all its work, if it could not.
    fn problem(&self) -> Option<String> {
        let stops = self.stops();
        stops.run.or_else(|| {
            let channels: Vec<String> = stops.channels.union(&stops.open).cloned().collect();
            (!channels.is_empty()).then(|| format!("charging stopped on {}", channels.join(", ")))
        })
    }
}
