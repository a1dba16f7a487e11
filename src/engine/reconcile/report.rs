//! What a reconciliation found: counts of everything, and the first of each kind by name.

use super::super::RunError;
use super::super::close::Looked;
use super::super::run::Run;
use crate::domain::ids::{PaymentId, RenewalId, SubscriptionId};
use crate::domain::payment::Payment;
use crate::domain::reconcile::{Difference, KnownPayment};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// So many of each kind are named; all are counted.
const NAMED_MAX: usize = 1_000;

/// The figures of one reconciliation. Counts are of payments; sums are in minor units.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReconcileReport {
    pub run_id: String,
    /// `completed`, `failed`, `interrupted`.
    pub status: String,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// Payments of the range at the gateway, whoever made them.
    pub listed: u64,
    /// Those of them whose names say that renewd made them.
    pub ours: u64,
    /// Payments recorded here whose first attempt was in the range.
    pub recorded: u64,
    /// Listed, and recorded so, or nothing was taken.
    pub agreed: u64,
    /// Explained by a claim that is not settled yet.
    pub open: u64,
    /// Paid there and not recorded here: settled now.
    pub adopted: u64,
    /// Adopted, by currency, in minor units.
    pub adopted_amounts: BTreeMap<String, i64>,
    /// What a person must look at, by kind.
    pub differences: BTreeMap<Difference, u64>,
    /// Paid there under a name like ours, for no renewal that this database can tell.
    pub payments_unknown: u64,
    /// Recorded here, not agreed there, and the look-up had no answer.
    pub unanswered: u64,
    pub adoptions: Vec<Adoption>,
    pub findings: Vec<Finding>,
    pub unknown: Vec<UnknownPayment>,
    pub problem: Option<String>,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
}

/// Money that was taken there and is recorded now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Adoption {
    pub subscription_id: SubscriptionId,
    pub renewal_id: RenewalId,
    pub payment_id: PaymentId,
    /// Minor units.
    pub amount: Option<i64>,
    pub currency: Option<String>,
}

/// Something that differs, for a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub kind: Difference,
    pub payment_id: PaymentId,
    pub subscription_id: Option<SubscriptionId>,
    pub renewal_id: Option<RenewalId>,
    /// The gateway's word; `None` where it knows no such payment.
    pub status_there: Option<String>,
    /// Minor units.
    pub amount_there: Option<i64>,
    pub cancelled_there: Option<i64>,
    pub amount_here: Option<i64>,
    pub currency: Option<String>,
    pub advice: &'static str,
}

/// A payment that no renewal can be told for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnknownPayment {
    pub payment_id: PaymentId,
    pub status: String,
    /// Minor units.
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub why: &'static str,
}

impl ReconcileReport {
    pub(in crate::engine) fn new(
        run: &Run,
        (from, until): (DateTime<Utc>, DateTime<Utc>),
        started_at: DateTime<Utc>,
    ) -> Self {
        Self { run_id: run.id.to_string(), from, until, started_at, ..Self::default() }
    }

    /// A person must look, or it must be reconciled again.
    pub fn needs_a_look(&self) -> bool {
        !self.differences.is_empty() || self.payments_unknown > 0 || self.unanswered > 0
    }

    /// As the run's row keeps it.
    pub(in crate::engine) fn looked(&self) -> Looked {
        Looked {
            status: self.status.clone(),
            problem: self.problem.clone(),
            figures: serde_json::to_value(self).unwrap_or_default(),
            finished_at: self.finished_at,
        }
    }

    pub(in crate::engine) fn close(&mut self, run: &Run, failed: Option<&RunError>, finished_at: DateTime<Utc>) {
        self.problem = failed.map(ToString::to_string).or_else(|| run.stops().run);
        self.finished_at = finished_at;
        self.status = match (&self.problem, run.shutdown.requested()) {
            (Some(_), _) => "failed",
            (None, true) => "interrupted",
            (None, false) => "completed",
        }
        .to_owned();
    }

    pub(super) fn adopted(&mut self, payment: &Payment, known: &KnownPayment) {
        let Some(renewal) = &known.renewal else { return };
        self.adopted += 1;
        if let (Some(currency), Some(total)) = (&payment.currency, payment.total) {
            let sum = self.adopted_amounts.entry(currency.clone()).or_default();
            *sum = sum.saturating_add(total);
        }
        if self.adoptions.len() < NAMED_MAX {
            self.adoptions.push(Adoption {
                subscription_id: renewal.subscription_id.clone(),
                renewal_id: renewal.id,
                payment_id: known.payment_id.clone(),
                amount: payment.total,
                currency: payment.currency.clone(),
            });
        }
    }

    pub(super) fn differs(&mut self, finding: Finding) {
        *self.differences.entry(finding.kind).or_default() += 1;
        if self.findings.len() < NAMED_MAX {
            self.findings.push(finding);
        }
    }

    pub(super) fn unknown(&mut self, payment: &Payment, why: &'static str) {
        self.payments_unknown += 1;
        if self.unknown.len() < NAMED_MAX {
            self.unknown.push(UnknownPayment {
                payment_id: PaymentId(payment.id.clone()),
                status: payment.status.as_str().to_owned(),
                amount: payment.total,
                currency: payment.currency.clone(),
                why,
            });
        }
    }
}

impl Finding {
    pub(super) fn new(kind: Difference, payment: Option<&Payment>, known: &KnownPayment) -> Self {
        let recorded = known.recorded.as_ref();
        let currency = payment.and_then(|payment| payment.currency.clone());
        Self {
            kind,
            payment_id: known.payment_id.clone(),
            subscription_id: known.renewal.as_ref().map(|renewal| renewal.subscription_id.clone()),
            renewal_id: known.renewal.as_ref().map(|renewal| renewal.id),
            status_there: payment.map(|payment| payment.status.as_str().to_owned()),
            amount_there: payment.and_then(|payment| payment.total),
            cancelled_there: payment.map(|payment| payment.cancelled),
            amount_here: recorded.and_then(|recorded| recorded.total),
            currency: currency.or_else(|| recorded.and_then(|recorded| recorded.currency.clone())),
            advice: kind.advice(),
        }
    }
}
