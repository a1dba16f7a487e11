//! What the daemon does, job by job. Each asks the engine, and looks at the tables first: no tick carries a decision.

use super::super::error::{CliError, incomplete};
use super::super::look_ahead;
use super::super::reconcile;
use super::super::run as one_run;
use super::keeper::Failure;
use crate::config::Schedule;
use crate::engine::deliver::Dispatcher;
use crate::engine::look_ahead::LookAheadRequest;
use crate::engine::reconcile::ReconcileRequest;
use crate::engine::run::{RunRequest, Scope};
use crate::engine::{Engine, RunError};
use crate::shutdown::Shutdown;
use crate::store::StoreError;
use crate::store::read::RunRow;
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Runs read to find today's; far more than a day of two daemons has.
pub(super) const RUNS_READ: u32 = 500;

/// Who asked for the daemon's runs, as the runs' rows say it.
pub(super) const RENEWALS: &str = "schedule";
const RETRIES: &str = "schedule (retries)";

/// How long one round of telling may begin new messages; the next round goes on where it ended.
const DELIVER_WITHIN: Duration = Duration::from_secs(60);

/// A job with a cron line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// A whole run.
    Renewals,
    /// A run over what earlier ones planned, where there is anything to do.
    Retries,
    /// Who is past due, who is downgraded.
    Downgrades,
    /// Yesterday's and today's payments against the gateway's list.
    Reconciliation,
    /// Announcing what is going to be renewed, and finding out early what would go wrong.
    LookAhead,
}

impl Job {
    pub(super) const ALL: [Self; 5] =
        [Self::Renewals, Self::Retries, Self::Downgrades, Self::Reconciliation, Self::LookAhead];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Renewals => "renewals",
            Self::Retries => "retries",
            Self::Downgrades => "downgrades",
            Self::Reconciliation => "reconciliation",
            Self::LookAhead => "look ahead",
        }
    }

    /// Its setting, and the line that is set.
    pub(super) fn setting(self, schedule: &Schedule) -> (&'static str, &str) {
        let [renewals, retries, downgrades, reconciliation, look_ahead] = schedule.lines();
        match self {
            Self::Renewals => renewals,
            Self::Retries => retries,
            Self::Downgrades => downgrades,
            Self::Reconciliation => reconciliation,
            Self::LookAhead => look_ahead,
        }
    }

    /// Those that charge wait for each other: the limits of `[charge]` are a run's, and two runs would have them twice.
    pub(super) fn charges(self) -> bool {
        matches!(self, Self::Renewals | Self::Retries)
    }

    /// When the runs began that did this job to its end; `None` where a second time costs nothing.
    pub(super) fn done_by(self, runs: &[RunRow]) -> Option<Vec<DateTime<Utc>>> {
        let trigger = match self {
            Self::Renewals => RENEWALS.to_owned(),
            Self::Reconciliation => format!("reconcile ({RENEWALS})"),
            Self::LookAhead => format!("look-ahead ({RENEWALS})"),
            Self::Retries | Self::Downgrades => return None,
        };
        let done = runs.iter().filter(|run| run.trigger == trigger && run.status == "completed");
        Some(done.map(|run| run.started_at).collect())
    }
}

/// What the jobs work with.
pub(super) struct Work {
    pub engine: Arc<Engine>,
    pub dispatcher: Dispatcher,
    pub look_ahead: LookAheadRequest,
    pub actor: String,
    /// Notified when something came due that should not wait for its tick.
    pub charge_soon: Arc<Notify>,
    pub shutdown: Shutdown,
}

impl Work {
    /// Does one job to its end.
    ///
    /// # Errors
    /// [`Failure`]: what happened, and whether it is worth trying again before the next tick.
    pub(super) async fn perform(&self, job: Job) -> Result<(), Failure> {
        match job {
            Job::Renewals => self.run(RENEWALS, Scope::Whole).await,
            Job::Retries => self.retry().await,
            Job::Downgrades => self.downgrade().await,
            Job::Reconciliation => self.reconcile().await,
            Job::LookAhead => self.look_ahead().await,
        }
    }

    /// Tells whoever is to be told, until nothing is left to tell now.
    ///
    /// # Errors
    /// As [`Work::perform`]. A sink that fails is no failure of the job: its events stay, and are sent later.
    pub(super) async fn deliver_events(&self) -> Result<(), Failure> {
        let delivered = self.dispatcher.deliver(DELIVER_WITHIN, &self.shutdown).await.map_err(of_store)?;
        one_run::tell_of_troubles(&delivered);
        Ok(())
    }

    /// Looks into what the gateway told.
    ///
    /// # Errors
    /// As [`Work::perform`]. A gateway that does not answer is no failure of the job: it is asked again later.
    pub(super) async fn hear(&self) -> Result<(), Failure> {
        let heard = self.engine.hear(&self.actor, &self.shutdown).await.map_err(of_run)?;
        if heard.keys_back > 0 {
            self.charge_soon.notify_one();
        }
        if heard.messages > 0 {
            tracing::info!(
                looked_up = heard.looked_up,
                adopted = heard.adopted,
                "{} webhook(s) were looked into",
                heard.messages
            );
        }
        Ok(())
    }

    async fn retry(&self) -> Result<(), Failure> {
        if self.engine.has_planned_work().await.map_err(of_store)? {
            return self.run(RETRIES, Scope::Planned).await;
        }
        tracing::debug!("nothing to retry or to look up");
        Ok(())
    }

    async fn run(&self, trigger: &str, scope: Scope) -> Result<(), Failure> {
        let request =
            RunRequest { trigger: trigger.to_owned(), actor: self.actor.clone(), scope, ..RunRequest::default() };
        let report = self.engine.run(&request, &self.shutdown).await.map_err(of_run)?;
        report.log_what_is_open(self.engine.policy.zone);
        one_run::completed(&report, self.engine.policy.zone).map_err(Failure::until_next_tick)
    }

    async fn downgrade(&self) -> Result<(), Failure> {
        let changes = self.engine.refresh_access().await.map_err(of_run)?;
        tracing::debug!(past_due = changes.past_due, downgraded = changes.downgraded, "access is up to date");
        if changes.past_due + changes.downgraded > 0 {
            tracing::info!("{} subscription(s) are past due now, {} downgraded", changes.past_due, changes.downgraded);
        }
        Ok(())
    }

    async fn look_ahead(&self) -> Result<(), Failure> {
        let report = self.engine.look_ahead(&self.look_ahead, &self.shutdown).await.map_err(of_run)?;
        look_ahead::verdict(&report).map_err(Failure::until_next_tick)
    }

    async fn reconcile(&self) -> Result<(), Failure> {
        let zone = self.engine.policy.zone;
        let until = self.engine.store.now().await.map_err(of_store)?;
        let request = ReconcileRequest {
            trigger: RENEWALS.to_owned(),
            actor: self.actor.clone(),
            from: zone.start_of(zone.date_of(until) - TimeDelta::days(1)),
            until,
        };
        let report = self.engine.reconcile(&request, &self.shutdown).await.map_err(of_run)?;
        match reconcile::verdict(&report) {
            Err(error) if report.problem.is_some() => Err(Failure::until_next_tick(error)),
            // The job is done; what it found needs a person.
            Err(error) => {
                tracing::error!(hint = "renewd reconcile", "reconciled with the gateway: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Whether it is likely to be gone in a minute: the work is then tried again before its next tick.
pub(super) fn passes(error: &StoreError) -> bool {
    error.may_pass()
}

fn of_store(error: StoreError) -> Failure {
    Failure { passes: passes(&error), error: error.into() }
}

fn of_run(error: RunError) -> Failure {
    let passes = matches!(&error, RunError::Store(error) if passes(error));
    Failure { passes, error: error.into() }
}

impl Failure {
    fn until_next_tick(error: CliError) -> Self {
        Self { passes: false, error }
    }

    /// A bug. The job goes on at its next tick.
    pub(super) fn of_panic(said: &str) -> Self {
        let error = incomplete(format!("it panicked: {said}"))
            .money("what was charged and not recorded yet is looked up by the next run; nothing is charged twice")
            .hint("report this: it is a bug");
        Self::until_next_tick(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(trigger: &str, status: &str, hour: u32) -> RunRow {
        RunRow {
            id: String::new(),
            trigger: trigger.to_owned(),
            business_date: chrono::NaiveDate::MIN,
            zone: String::new(),
            status: status.to_owned(),
            actor: String::new(),
            figures: serde_json::json!({}),
            error: None,
            started_at: DateTime::UNIX_EPOCH + TimeDelta::hours(hour.into()),
            finished_at: None,
        }
    }

    #[test]
    fn what_charges_takes_turns_and_what_does_not_waits_for_nothing() {
        let in_turns: Vec<Job> = Job::ALL.into_iter().filter(|job| job.charges()).collect();
        assert_eq!(in_turns, [Job::Renewals, Job::Retries]);
    }

    #[test]
    fn only_a_whole_run_that_was_completed_has_done_the_renewals() {
        let rows = [
            run("schedule", "completed", 1),
            run("schedule", "failed", 2),
            run("schedule", "running", 3),
            run("schedule", "interrupted", 4),
            run("schedule (retries)", "completed", 5),
            // A person's run may have been for one subscription only.
            run("cli", "completed", 6),
            run("reconcile (schedule)", "completed", 7),
            run("look-ahead (schedule)", "completed", 8),
            run("look-ahead (cli)", "completed", 9),
        ];
        let hour = |hours| DateTime::UNIX_EPOCH + TimeDelta::hours(hours);
        assert_eq!(Job::Renewals.done_by(&rows), Some(vec![hour(1)]));
        assert_eq!(Job::Reconciliation.done_by(&rows), Some(vec![hour(7)]));
        assert_eq!(Job::LookAhead.done_by(&rows), Some(vec![hour(8)]));
        assert_eq!((Job::Retries.done_by(&rows), Job::Downgrades.done_by(&rows)), (None, None));
    }

    #[test]
    fn what_a_person_must_mend_is_not_tried_every_few_seconds() {
        assert!(!passes(&StoreError::Schema(crate::store::SchemaProblem::Missing)));
        assert!(!of_run(RunError::ClockSkew { seconds: 600 }).passes);
    }
}
