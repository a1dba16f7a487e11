//! What a look ahead found and told: counts of everything, and the first findings by name.

use super::super::RunError;
use super::super::close::Looked;
use super::super::run::Run;
use crate::domain::ids::SubscriptionId;
use crate::domain::look_ahead::{Found, KeyFound, LookAheadFacts, is_told_missing};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

/// So many findings are named; all are counted.
const NAMED_MAX: usize = 1_000;

/// The figures of one look ahead. Counts are of subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LookAheadReport {
    pub run_id: String,
    pub business_date: NaiveDate,
    /// `completed`, `failed`, `interrupted`.
    pub status: String,
    /// The gateway was asked about.
    pub asked: u64,
    /// Their billing key can be charged.
    pub issued: u64,
    /// The gateway knows none of their billing keys any more.
    pub gone: u64,
    /// They have no billing key that can be charged.
    pub none: u64,
    /// The gateway would charge their billing key by itself.
    pub scheduled: u64,
    /// Of those the renewals that were planned already, and wait for a person now.
    pub held: u64,
    /// The gateway had no answer: nothing was found out early.
    pub unanswered: u64,
    /// Not asked about, because the asking ended before.
    pub not_asked: u64,
    /// Told that they are going to be charged.
    pub announced: u64,
    /// Of those the ones whose price is higher than the one that was told before.
    pub announced_again: u64,
    /// Told that there is no billing key to charge.
    pub missing_told: u64,
    pub findings: Vec<Finding>,
    /// Why it could not be completed.
    pub problem: Option<String>,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
}

/// A subscription that would not simply be charged on its day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub subscription_id: SubscriptionId,
    pub period_start: DateTime<Utc>,
    pub key: KeyFound,
    pub schedule_id: Option<String>,
}

impl LookAheadReport {
    pub(super) fn new(run: &Run, started_at: DateTime<Utc>) -> Self {
        Self {
            run_id: run.id.to_string(),
            business_date: run.business_date,
            status: "running".to_owned(),
            started_at,
            finished_at: started_at,
            ..Self::default()
        }
    }

    pub(super) fn found(&mut self, facts: &LookAheadFacts, found: &Found) {
        match found.key {
            KeyFound::Issued => self.issued += 1,
            KeyFound::Gone => self.gone += 1,
            KeyFound::None => self.none += 1,
        }
        self.scheduled += u64::from(found.schedule_id.is_some());
        self.missing_told += u64::from(is_told_missing(facts, found));
        let is_plain = found.key == KeyFound::Issued && found.schedule_id.is_none();
        if !is_plain && self.findings.len() < NAMED_MAX {
            self.findings.push(Finding {
                subscription_id: facts.subscription_id.clone(),
                period_start: facts.current_period_end,
                key: found.key,
                schedule_id: found.schedule_id.clone(),
            });
        }
    }

    /// As the run's row keeps it.
    pub(super) fn looked(&self) -> Looked {
        Looked {
            status: self.status.clone(),
            problem: self.problem.clone(),
            figures: serde_json::to_value(self).unwrap_or_default(),
            finished_at: self.finished_at,
        }
    }

    pub(super) fn close(&mut self, run: &Run, failed: Option<&RunError>, now: DateTime<Utc>) {
        self.problem = failed.map(ToString::to_string).or(self.problem.take());
        let status = match (&self.problem, run.shutdown.requested()) {
            (Some(_), _) => "failed",
            (None, true) => "interrupted",
            (None, false) => "completed",
        };
        status.clone_into(&mut self.status);
        self.finished_at = now;
        if let Some(problem) = &self.problem {
            tracing::error!(run.id = %run.id, "the look ahead is not complete: {problem}; nothing was charged");
        }
        tracing::info!(
            run.id = %run.id, asked = self.asked, gone = self.gone, scheduled = self.scheduled,
            unanswered = self.unanswered, announced = self.announced,
            "look ahead {}: {} asked, {} keys gone, {} announced", self.status, self.asked, self.gone, self.announced
        );
    }
}
