//! Noticing that the database was put back from a backup, before anything is charged.
//!
//! Every attempt is committed before it is sent, and no attempt is ever deleted. So money at the gateway under a name
//! that only this installation can derive, without its attempt here, has one explanation: commits were lost. Nothing
//! would be charged twice even so (the names are derived again, and the gateway lets each succeed once); but cancellations
//! may be lost with the rest, and those nobody can repair. So the money is adopted, and charging waits for a person.
//!
//! Two runs at once do not suspect each other: the listing is read first and the database after it, and whatever the
//! listing shows was committed before it was sent. An approval that comes late has its attempt here.

use super::reconcile::listing::Range;
use super::reconcile::report::ReconcileReport;
use super::run::Run;
use super::{Engine, RunError};
use crate::domain::brakes::{Brake, Tripped};
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::EventId;
use crate::domain::payment::Payment;
use crate::domain::reconcile::is_forgotten;
use crate::gateway::{GatewayError, ListedBy};
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

/// Subscriptions named in the switch's reason; the event names more.
const NAMED_MAX: usize = 20;

/// Who holds charging where a restored backup is suspected.
const BY: &str = "renewd";

/// The first word of a held run's problem, and of the switch's reason.
const SUSPECTED: &str = "restore_suspected";

/// Charging is held for a restored backup. A person who runs commands as the user `renewd` pauses under that name too.
pub(super) fn is_hold(paused: &Paused) -> bool {
    paused.by == BY && paused.reason.starts_with(SUSPECTED)
}

/// What the gateway lists since the last run that compared.
pub(super) struct Listed {
    range: Range,
    /// How many this database does not remember, on the first page that has any; `None` where the run stopped before all
    /// were compared.
    forgotten: Option<usize>,
}

/// Payments that were found and that this database does not remember asking for.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    count: usize,
    /// When the latest of them was made or paid; `None` where that is not told.
    latest: Option<DateTime<Utc>>,
    is_undated: bool,
}

impl Forgotten {
    pub fn add(&mut self, payment: &Payment) {
        let at = payment.paid_at.max(payment.requested_at);
        self.count += 1;
        self.latest = self.latest.max(at);
        self.is_undated |= at.is_none();
    }

    fn is_after(&self, since: DateTime<Utc>) -> bool {
        self.is_undated || self.latest.is_some_and(|latest| latest >= since)
    }
}

impl Run {
    /// A run that could not ask the gateway what it took charges nobody.
    pub(super) fn trip_comparison(&self, why: &GatewayError) {
        let why = format!(
            "the gateway could not list its payments ({why}), so nobody knows whether this database forgot any, as one that is put back from a backup does: nothing was charged, and the next run asks again"
        );
        self.report.tripped(Tripped::of_all(Brake::Comparison, why.clone()));
        self.stop_told_by(Some(EventKind::BrakeTripped), why);
    }
}

impl Engine {
    /// Compares, unless a person has let the comparison go: then the next run compares from where the last one did.
    pub(super) async fn compare_unless_let_go(
        &self,
        run: &Run,
        listed: Result<Listed, RunError>,
    ) -> Result<(), RunError> {
        match self.compare(run, listed).await {
            Err(RunError::Gateway(why)) if run.is_let_go(Brake::Comparison) => {
                tracing::error!(run.id = %run.id, "not compared with the gateway ({why}), and let go by a person");
                Ok(())
            }
            compared => compared,
        }
    }

    /// What the gateway made since the last run, and what changed there: a payment that was made before a backup may have
    /// been paid after it. Holds nothing and changes nothing.
    ///
    /// # Errors
    /// [`RunError::Store`] for a database that fails; [`RunError::Gateway`] for a gateway that does not list, after which
    /// nothing may be charged.
    pub(super) async fn list_since_compared(&self, run: &Run) -> Result<Listed, RunError> {
        let (since, now) = (self.compared_until(run).await?, self.store.now().await?);
        // Where charging stopped already nobody is asked.
        let forgotten = if run.is_stopping() { None } else { self.forgotten(run, (since, now)).await? };
        Ok(Listed { range: (since, now), forgotten })
    }

    /// Holds all charging if this database has forgotten any of what was listed.
    async fn compare(&self, run: &Run, listed: Result<Listed, RunError>) -> Result<(), RunError> {
        match listed {
            // Other processes must know, even where this one is about to stop.
            Ok(Listed { range, forgotten: Some(forgotten @ 1..) }) => self.hold(run, range, forgotten).await,
            _ if run.is_stopping() => Ok(()),
            Ok(Listed { forgotten, .. }) => {
                if forgotten.is_some() {
                    run.report.compared();
                }
                Ok(())
            }
            Err(why) => Err(why),
        }
    }

    /// When the latest run ended that compared: what it and all before it did was in the database by then.
    async fn compared_until(&self, run: &Run) -> Result<DateTime<Utc>, RunError> {
        let own = run.id.to_string();
        let runs = self.store.runs(RUNS_READ).await?;
        let compared = runs.iter().filter(|row| row.id != own && row.figures["compared"] == true);
        let latest = compared.max_by_key(|row| row.finished_at);
        let since = latest.and_then(|row| {
            // What a held run left over was told then: it holds nothing a second time.
            let was_held =
                row.error.as_ref().is_some_and(|error| error.starts_with(SUSPECTED)) || row.figures["held"].is_string();
            row.finished_at.map(|at| if was_held { at } else { at - OVERLAP })
        });
        Ok(since.unwrap_or(self.started(run) - LOOK_BACK))
    }

    /// How many payments of the first page that has any were forgotten here; `None` if the run stopped before the end.
    async fn forgotten(&self, run: &Run, range: Range) -> Result<Option<usize>, RunError> {
        let among = |by| self.forgotten_among(run, by, range);
        let (created, changed) = tokio::join!(among(ListedBy::Created), among(ListedBy::Changed));
        // What one of them shows is not undone by what became of the other.
        for listed in [&created, &changed] {
            if let Ok(Some(forgotten @ 1..)) = listed {
                return Ok(Some(*forgotten));
            }
        }
        Ok(created?.and(changed?))
    }

    async fn forgotten_among(&self, run: &Run, by: ListedBy, range: Range) -> Result<Option<usize>, RunError> {
        let mut ranges = vec![range];
        while let Some(window) = self.next_window(by, &mut ranges).await? {
            let (range, pages) = (window.range, window.pages());
            let mut page = window.first;
            for number in 1..=pages {
                if let forgotten @ 1.. = self.forgotten_of(page.items).await? {
                    return Ok(Some(forgotten));
                }
                if number == pages {
                    break;
                }
                if run.is_stopping() {
                    return Ok(None);
                }
                page = self.list(by, range, number).await?;
            }
        }
        Ok(Some(0))
    }

    async fn forgotten_of(&self, page: Vec<Payment>) -> Result<usize, RunError> {
        let ours = self.ours_among(page).await;
        if ours.is_empty() {
            return Ok(0);
        }
        let known = self.known(&ours).await?;
        let is_lost = |payment: &&Payment| {
            known.get(payment.id.as_str()).is_some_and(|known| is_forgotten(payment, known, &self.policy))
        };
        Ok(ours.iter().filter(is_lost).count())
    }

    /// Holds all charging for what a reconciliation or a webhook brought up before any run compared. What an earlier run
    /// was told of holds nothing a second time.
    pub(super) async fn hold_for(
        &self,
        run: &Run,
        forgotten: &Forgotten,
        report: &mut ReconcileReport,
    ) -> Result<(), RunError> {
        if forgotten.count == 0 || run.refunds_wait() {
            return Ok(());
        }
        run.suspect_restore();
        let since = self.compared_until(run).await?;
        if forgotten.is_after(since) {
            let reason = format!("{} {}", suspected(forgotten.count, since), next_steps(since));
            self.hold_told(run, self.store.now().await?, &reason).await?;
            tracing::error!(run.id = %run.id, "charging is held: {reason}");
            report.held = Some(reason);
        }
        Ok(())
    }

    /// A reconciliation that held charging has compared, if it looked as far back as a run would.
    pub(super) async fn was_compared(
        &self,
        run: &Run,
        from: DateTime<Utc>,
        report: &ReconcileReport,
    ) -> Result<bool, RunError> {
        Ok(report.held.is_some() && from <= self.compared_until(run).await?)
    }

    /// First of all, and told first: whatever fails after this, nothing is charged, and somebody knows why.
    async fn hold_told(&self, run: &Run, now: DateTime<Utc>, reason: &str) -> Result<Option<Paused>, RunError> {
        let before = self.store.switch().await?.paused;
        self.store.tell(&[self.suspicion(run, "held", json!({ "severity": "critical", "reason": reason }))]).await?;
        self.pause(now, reason, before.as_ref()).await?;
        Ok(before)
    }

    /// Adopts what was lost, and holds all charging until a person says that it may go on.
    async fn hold(&self, run: &Run, (since, now): Range, forgotten: usize) -> Result<(), RunError> {
        run.suspect_restore();
        let (what, next) = (suspected(forgotten, since), next_steps(since));
        let before = self.hold_told(run, now, &format!("{what} {next}")).await?;
        let mut report = ReconcileReport::new(run, (since - LADDER, now), self.started(run));
        match self.reconcile_range(run, (since - LADDER, now), &mut report).await {
            // Not "nobody knows whether anything was forgotten": it was, and no person who let the comparison go meant that.
            Err(RunError::Gateway(why)) => {
                let reason = format!(
                    "{what} It is adopted by the next run: the gateway could not list its payments ({why}). {next}"
                );
                run.stop_told_by(Some(EventKind::RestoreSuspected), reason);
                return Ok(());
            }
            reconciled => reconciled?,
        }
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
        let told = json!({ "severity": "warning", "reason": reason, "reconciled": report });
        self.store.tell(&[self.suspicion(run, "reconciled", told)]).await?;
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
        let reason = match before.filter(|before| !is_hold(before)) {
            Some(before) => format!("{reason} (paused before by {}: {})", before.by, before.reason),
            None => reason.to_owned(),
        };
        let paused = Paused { at, by: BY.to_owned(), reason };
        Ok(self.store.set_switch(&Switch { paused: Some(paused) }).await?)
    }

    fn suspicion(&self, run: &Run, what: &str, payload: serde_json::Value) -> NewEvent {
        let of = format!("{}:{what}", run.id);
        NewEvent::of_all(EventId(self.new_id()), EventKind::RestoreSuspected, of, payload, self.now(run))
    }
}

fn suspected(forgotten: usize, since: DateTime<Utc>) -> String {
    format!(
        "{SUSPECTED}: the gateway took money that this database does not remember asking for ({forgotten} or more since {since}); was it restored from a backup?"
    )
}

fn next_steps(since: DateTime<Utc>) -> String {
    format!("Cancellations made since {since} may be lost: enter them again, then `renewd resume`")
}
