//! What is recorded here and not agreed there: looked up one by one, because a listing decides nothing, and told to a
//! person. Paid stays paid: what a difference means for the period is theirs to say.

use super::adopt::SEEN_BY;
use super::report::{Finding, ReconcileReport};
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{EventId, PaymentId};
use crate::domain::payment::LookUp;
use crate::domain::reconcile::{KnownPayment, Standing, compare};
use crate::domain::settlement::PaymentRecord;
use crate::domain::verdict::as_seen;
use crate::engine::run::Run;
use crate::engine::{Engine, RunError, spans};
use crate::store::RecordedPage;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use std::collections::HashSet;
use tracing::Instrument;

impl Engine {
    /// Pages through what is recorded of a span of time, and looks up what the gateway's listing did not show.
    pub(super) async fn confirm_recorded(
        &self,
        run: &Run,
        (from, until): (DateTime<Utc>, DateTime<Utc>),
        handled: &HashSet<PaymentId>,
        report: &mut ReconcileReport,
    ) -> Result<(), RunError> {
        let mut page = RecordedPage { from, until, after: None, rows_max: self.limits.plan_rows_max };
        loop {
            let rows = self.store.recorded_payments(&page).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            page.after = Some(*last);
            report.recorded += rows.len() as u64;
            let missing = rows.into_iter().map(|(_, known)| known).filter(|known| !handled.contains(&known.payment_id));
            self.confirm(run, missing.collect(), report).await?;
            if run.is_stopping() {
                return Ok(());
            }
        }
    }

    /// Looks these up, and tells what still differs.
    pub(super) async fn confirm(
        &self,
        run: &Run,
        known: Vec<KnownPayment>,
        report: &mut ReconcileReport,
    ) -> Result<(), RunError> {
        let looking = known.into_iter().map(|known| async {
            let asking = self.gateway.payment(&known.payment_id);
            let found = asking.instrument(spans::payment(&known.payment_id)).await;
            (known, found)
        });
        let mut looked = stream::iter(looking).buffer_unordered(self.limits.concurrency);
        let mut differ = Vec::new();
        while let Some((known, found)) = looked.next().await {
            let payment = match &found {
                LookUp::Found(payment) => Some(&**payment),
                LookUp::NotFound => None,
                LookUp::Failed(_) => {
                    report.unanswered += 1;
                    continue;
                }
                LookUp::Unauthorized(why) => {
                    run.stop_unauthorized(why);
                    report.unanswered += 1;
                    continue;
                }
            };
            if let Standing::Differs(kind) = compare(payment, &known, &self.policy) {
                let finding = Finding::new(kind, payment, &known);
                let record = payment.map(|payment| as_seen(payment, finding.renewal_id));
                differ.push((finding, record));
            }
        }
        self.tell_differences(run, differ, report).await
    }

    /// Keeps what was seen, and tells each once as a case for a person; the renewals stay as they are.
    pub(super) async fn tell_differences(
        &self,
        run: &Run,
        differ: Vec<(Finding, Option<PaymentRecord>)>,
        report: &mut ReconcileReport,
    ) -> Result<(), RunError> {
        let seen: Vec<_> =
            differ.iter().filter_map(|(_, record)| Some((record.clone()?, SEEN_BY.to_owned()))).collect();
        self.store.observe(&seen).await?;
        let events: Vec<NewEvent> = differ.iter().map(|(finding, _)| self.event_of(run, finding)).collect();
        self.store.tell(&events).await?;
        for (finding, _) in differ {
            let (payment, kind) = (&finding.payment_id, finding.kind.as_str());
            tracing::error!(
                payment.id = %payment,
                renewal.id = finding.renewal_id.map(|id| id.to_string()),
                subscription.id = finding.subscription_id.as_ref().map(|id| id.as_str()),
                kind,
                "payment {payment}: {}",
                finding.advice
            );
            report.differs(finding);
        }
        Ok(())
    }

    fn event_of(&self, run: &Run, finding: &Finding) -> NewEvent {
        let kind = EventKind::RenewalReview;
        NewEvent {
            id: EventId(self.new_id()),
            kind,
            subscription_id: finding.subscription_id.clone(),
            renewal_id: finding.renewal_id,
            attempt_id: None,
            dedupe: format!("{}:{}:{}", kind.as_str(), finding.payment_id, finding.kind.as_str()),
            payload: json!({ "severity": "critical", "reason": finding.advice, "difference": finding }),
            created_at: self.now(run),
        }
    }
}
