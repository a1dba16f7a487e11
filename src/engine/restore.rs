//! Noticing that the database was put back from a backup, before anything is charged.
//!
//! Every attempt is committed before it is sent, and no attempt is ever deleted. So money at the gateway under a name
//! that only this installation can derive, without its attempt here, has one explanation: commits were lost. Nothing
//! would be charged twice even so (the names are derived again, and the gateway lets each succeed once); but cancellations
//! may be lost with the rest, and those nobody can repair. So the money is adopted, and charging waits for a person.
//!
//! Two runs at once do not suspect each other: the listing is read first and the database after it, and whatever the
//! listing shows was committed before it was sent. An approval that comes late has its attempt here.

use super::reconcile::report::ReconcileReport;
use super::reconcile::{LIST_TRIES, PAGE_SIZE};
use super::run::Run;
use super::{Engine, RunError};
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::EventId;
use crate::domain::payment::Payment;
use crate::domain::reconcile::{is_forgotten, is_ours};
use crate::store::{Paused, Switch};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

/// Without an earlier run that compared, this far back.
const LOOK_BACK: TimeDelta = TimeDelta::days(2);

/// Both clocks may differ by some minutes, and so may the time at which a payment counts as made.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);

/// What was lost is adopted from this long before: a payment is made with its first attempt, and paid up to a ladder later.
const LADDER: TimeDelta = TimeDelta::days(30);

/// Runs read to find the latest that compared.
const RUNS_READ: u32 = 50;

/// Pages compared at most: ten thousand payments since the last run, most of them not ours.
const PAGES_MAX: u32 = 50;

/// Subscriptions named in the switch's reason; the event names more.
const NAMED_MAX: usize = 20;

/// Who holds charging where a restored backup is suspected.
pub(super) const BY: &str = "renewd";

/// The first word of a held run's problem, and of the switch's reason.
const SUSPECTED: &str = "restore_suspected";

impl Engine {
    /// One listing of what the gateway made since the last run. Holds all charging if this database has forgotten any of it.
    ///
    /// # Errors
    /// [`RunError`] for a database that fails, and for a gateway that fails once a restore is suspected. One that does not
    /// list at all only costs this early notice: no charge depends on it.
    pub(super) async fn compare_with_gateway(&self, run: &Run) -> Result<(), RunError> {
        if run.is_stopping() {
            return Ok(());
        }
        let (since, now) = (self.compared_until(run).await?, self.store.now().await?);
        match self.forgotten(since, now).await {
            Ok(None) => {}
            Ok(Some(0)) => run.report.compared(),
            Ok(Some(forgotten)) => self.hold(run, (since, now), forgotten).await?,
            Err(RunError::Gateway(why)) => {
                tracing::warn!(run.id = %run.id, "not compared with the gateway's payments: {why}; the next run does it");
            }
            Err(failed) => return Err(failed),
        }
        Ok(())
    }

    /// When the latest run ended that compared: what it and all before it did was in the database by then.
    async fn compared_until(&self, run: &Run) -> Result<DateTime<Utc>, RunError> {
        let own = run.id.to_string();
        let runs = self.store.runs(RUNS_READ).await?;
        let compared = runs.iter().filter(|row| row.id != own && row.figures["compared"] == true);
        let latest = compared.max_by_key(|row| row.finished_at);
        let since = latest.and_then(|row| {
            // What a held run left over was told then: it holds nothing a second time.
            let was_held = row.error.as_ref().is_some_and(|error| error.starts_with(SUSPECTED));
            row.finished_at.map(|at| if was_held { at } else { at - OVERLAP })
        });
        Ok(since.unwrap_or(self.started(run) - LOOK_BACK))
    }

    /// How many payments of the first page that has any were forgotten here; `None` if there are too many to compare.
    async fn forgotten(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Option<usize>, RunError> {
        for number in 0..PAGES_MAX {
            let page = self.list((from, until), number, LIST_TRIES).await?;
            let ours: Vec<_> = page.items.into_iter().filter(is_ours).collect();
            if !ours.is_empty() {
                let known = self.known(&ours).await?;
                let is_lost = |payment: &&Payment| {
                    known.get(payment.id.as_str()).is_some_and(|known| is_forgotten(payment, known, &self.policy))
                };
                let forgotten = ours.iter().filter(is_lost).count();
                if forgotten > 0 {
                    return Ok(Some(forgotten));
                }
            }
            if u64::from(number + 1) * u64::from(PAGE_SIZE) >= page.total {
                return Ok(Some(0));
            }
        }
        tracing::warn!(
            "only the first {} payments since the last run were compared: reconcile the rest",
            PAGES_MAX * PAGE_SIZE
        );
        Ok(None)
    }

    /// Adopts what was lost, and holds all charging until a person says that it may go on.
    async fn hold(
        &self,
        run: &Run,
        (since, now): (DateTime<Utc>, DateTime<Utc>),
        forgotten: usize,
    ) -> Result<(), RunError> {
        let what = format!(
            "{SUSPECTED}: the gateway took money that this database does not remember asking for ({forgotten} or more since {since}); was it restored from a backup?"
        );
        run.suspect_restore();
        let before = self.store.switch().await?.paused;
        let next = format!("Cancellations made since {since} may be lost: enter them again, then `renewd resume`");
        // First of all: whatever fails after this, nothing is charged.
        self.pause(now, &format!("{what} {next}"), before.as_ref()).await?;
        let mut report = ReconcileReport::new(run, (since - LADDER, now), self.started(run));
        self.reconcile_range(run, (since - LADDER, now), &mut report).await?;
        let mut names: Vec<&str> = report.adoptions.iter().map(|one| one.subscription_id.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let more = names.len().saturating_sub(NAMED_MAX);
        names.truncate(NAMED_MAX);
        let reason = format!(
            "{what} {} payment(s) adopted, for {}{}; {} difference(s) and {} unknown payment(s) need a look. {next}",
            report.adopted,
            if names.is_empty() { "nobody".to_owned() } else { names.join(", ") },
            if more > 0 { format!(" and {more} more") } else { String::new() },
            report.findings.len(),
            report.payments_unknown,
        );
        self.store.tell(&[self.suspicion(run, &reason, &report)]).await?;
        self.pause(now, &reason, before.as_ref()).await?;
        // Reconciled whole: what is left over is told, and holds nothing a second time.
        if !run.is_stopping() {
            run.report.compared();
        }
        run.stop_told_by(Some(EventKind::RestoreSuspected), reason);
        Ok(())
    }

    /// Keeps the reason of whoever had paused before.
    async fn pause(&self, at: DateTime<Utc>, reason: &str, before: Option<&Paused>) -> Result<(), RunError> {
        let reason = match before.filter(|before| before.by != BY) {
            Some(before) => format!("{reason} (paused before by {}: {})", before.by, before.reason),
            None => reason.to_owned(),
        };
        let paused = Paused { at, by: BY.to_owned(), reason };
        Ok(self.store.set_switch(&Switch { paused: Some(paused) }).await?)
    }

    fn suspicion(&self, run: &Run, reason: &str, report: &ReconcileReport) -> NewEvent {
        let kind = EventKind::RestoreSuspected;
        NewEvent {
            id: EventId(self.new_id()),
            kind,
            subscription_id: None,
            renewal_id: None,
            attempt_id: None,
            dedupe: format!("{}:{}", kind.as_str(), run.id),
            payload: json!({ "severity": "critical", "reason": reason, "reconciled": report }),
            created_at: self.now(run),
        }
    }
}
