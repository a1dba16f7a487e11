//! Money at the gateway that is not recorded here: made due for a look-up, which settles it by the same steps as ever.

use super::report::{Finding, ReconcileReport};
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{AttemptId, EventId, SubscriptionId};
use crate::domain::payment::{LookUp, Payment};
use crate::domain::reconcile::{
    Difference, FoundPayment, KnownPayment, KnownRenewal, Standing, WantedPayment, compare, is_forgotten, lost_attempt,
};
use crate::domain::renewal::State;
use crate::domain::settlement::PaymentRecord;
use crate::domain::verdict::as_seen;
use crate::engine::restore::Forgotten;
use crate::engine::run::Run;
use crate::engine::{Engine, RunError};
use crate::store::{DuePage, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use std::collections::HashMap;

/// Who saw it, for the observation.
pub(super) const SEEN_BY: &str = "reconcile";

/// The same, of money that waits for an earlier period of its subscription.
const SEEN_AHEAD: &str = "reconcile, ahead of its subscription";

/// Its subscription has to come through an earlier period first, and no payment for that one was found.
const AHEAD: &str = "an earlier period of its subscription was not paid in this range: reconcile from an earlier day";

/// A page of ours, sorted by what is to be done.
#[derive(Default)]
struct Sorted {
    /// To be looked up and settled, with the series of their names.
    adopt: Vec<(Payment, KnownPayment, Option<u32>)>,
    plan: Vec<SubscriptionId>,
    /// To be sorted again when something of their subscription came through.
    later: Vec<Payment>,
    differ: Vec<KnownPayment>,
    unknown: Vec<(Payment, &'static str)>,
    /// Asked for by a database that has forgotten it: what this one says of cancellations may be old.
    forgotten: Forgotten,
}

impl Engine {
    /// Settles one page of listed payments.
    pub(in crate::engine) async fn settle_listed(
        &self,
        run: &Run,
        listed: Vec<Payment>,
        report: &mut ReconcileReport,
    ) -> Result<(), RunError> {
        let mut waiting = listed;
        while !waiting.is_empty() {
            let mut sorted = self.sort(waiting, report).await?;
            // Before any of it is adopted: afterwards nothing shows any more that it was forgotten.
            self.hold_for(run, &sorted.forgotten, report).await?;
            let planned = self.plan_lost(run, sorted.plan).await?;
            let adopted = self.adopt(run, sorted.adopt, report).await?;
            self.confirm(run, sorted.differ, report).await?;
            if planned + adopted == 0 {
                sorted.unknown.extend(sorted.later.drain(..).map(|payment| (payment, AHEAD)));
            }
            self.tell_unknown(run, &sorted.unknown, report).await?;
            waiting = sorted.later;
        }
        Ok(())
    }

    /// Tries again to place the money that was found ahead of its subscription: the period before it may be paid by now,
    /// and the next one must not be planned, or lapse, as if nobody had paid for it.
    pub(in crate::engine) async fn place_seen(&self, run: &Run, report: &mut ReconcileReport) -> Result<(), RunError> {
        if run.is_stopping() {
            return Ok(());
        }
        let mut waiting = self.store.unplaced(SEEN_AHEAD, self.limits.claim_rows_max).await?;
        waiting.retain(|id| !report.unknown.iter().any(|told| told.payment_id == *id));
        let looking = waiting.into_iter().map(|id| async move { self.gateway.payment(&id).await });
        let looked: Vec<LookUp> = stream::iter(looking).buffered(self.limits.concurrency).collect().await;
        let found = looked.into_iter().filter_map(|found| match found {
            LookUp::Found(payment) => Some(*payment),
            LookUp::NotFound | LookUp::Failed(_) | LookUp::Unauthorized(_) => None,
        });
        self.settle_listed(run, found.collect(), report).await
    }

    async fn sort(&self, listed: Vec<Payment>, report: &mut ReconcileReport) -> Result<Sorted, RunError> {
        let mut known = self.known(&listed).await?;
        let mut sorted = Sorted::default();
        for payment in listed {
            let Some(known) = known.remove(payment.id.as_str()) else { continue };
            if is_forgotten(&payment, &known, &self.policy) {
                sorted.forgotten.add(&payment);
            }
            match compare(Some(&payment), &known, &self.policy) {
                Standing::Agreed => report.agreed += 1,
                Standing::Adopt { series, .. } => sorted.adopt.push((payment, known, Some(series))),
                Standing::Open(_) => sorted.adopt.push((payment, known, None)),
                Standing::Plan(subscription) => {
                    sorted.plan.push(subscription);
                    sorted.later.push(payment);
                }
                Standing::Ahead => sorted.later.push(payment),
                Standing::Differs(_) => sorted.differ.push(known),
                Standing::Unknown(why) => sorted.unknown.push((payment, why)),
            }
        }
        Ok(sorted)
    }

    /// What is known of these payments, by their names.
    pub(in crate::engine) async fn known(
        &self,
        payments: &[Payment],
    ) -> Result<HashMap<String, KnownPayment>, StoreError> {
        let wanted: Vec<WantedPayment> = payments.iter().map(WantedPayment::of).collect();
        let known = self.store.known_payments(&wanted).await?;
        Ok(known.into_iter().map(|known| (known.payment_id.0.clone(), known)).collect())
    }

    /// Plans the next renewals of these subscriptions again, as the planner does; answers how many are new.
    async fn plan_lost(&self, run: &Run, subscriptions: Vec<SubscriptionId>) -> Result<usize, RunError> {
        if subscriptions.is_empty() {
            return Ok(0);
        }
        let rows_max = u32::try_from(subscriptions.len()).unwrap_or(u32::MAX);
        // Paid for already, so due, whatever the date.
        let ends_before = self.started(run) + TimeDelta::days(36_500);
        let page = DuePage { ends_before, after: None, rows_max, only: Some(subscriptions), not_again_in: None };
        let facts = self.store.due_facts(&page).await?;
        let planned: Vec<_> = self.decide_page(run, &facts).into_iter().map(|(_, planned)| planned).collect();
        // Counted as recorded: what cannot be must not be tried for ever.
        Ok(self.store.record_plan(run.id, &planned).await?.len())
    }

    /// Looks these up and settles what the look-ups say; answers how many were settled as paid.
    async fn adopt(
        &self,
        run: &Run,
        adopt: Vec<(Payment, KnownPayment, Option<u32>)>,
        report: &mut ReconcileReport,
    ) -> Result<usize, RunError> {
        if adopt.is_empty() {
            return Ok(0);
        }
        let now = self.now(run);
        let found: Vec<FoundPayment> =
            adopt.iter().filter_map(|(payment, known, series)| self.found(payment, known, *series, now)).collect();
        self.store.wake(run.id, &found, SEEN_BY).await?;
        self.sweep_late(run).await?;
        self.resolve(run).await?;
        let payments: Vec<Payment> = adopt.into_iter().map(|(payment, ..)| payment).collect();
        let known = self.known(&payments).await?;
        let before = report.adopted;
        let settled = payments.iter().filter_map(|payment| Some((payment, known.get(payment.id.as_str())?)));
        let differ = settled.filter_map(|(payment, known)| self.after_look_up(payment, known, report)).collect();
        self.tell_differences(run, differ, report).await?;
        Ok(usize::try_from(report.adopted - before).unwrap_or(0))
    }

    pub(in crate::engine) fn found(
        &self,
        payment: &Payment,
        known: &KnownPayment,
        series: Option<u32>,
        now: DateTime<Utc>,
    ) -> Option<FoundPayment> {
        let KnownRenewal { id, series: own, .. } = known.renewal.as_ref()?;
        let is_lost = series.is_some() && !known.attempted;
        let lost_attempt = is_lost.then(|| lost_attempt(payment, known, AttemptId(self.new_id()), now)).flatten();
        // Without any billing key of the customer's there is nothing to verify it by.
        (lost_attempt.is_some() || !is_lost).then(|| FoundPayment {
            renewal_id: *id,
            series: series.unwrap_or(*own),
            record: as_seen(payment, Some(*id)),
            lost_attempt,
        })
    }

    /// Counts what became of a payment that was looked up; answers what is still to be told.
    fn after_look_up(
        &self,
        payment: &Payment,
        known: &KnownPayment,
        report: &mut ReconcileReport,
    ) -> Option<(Finding, Option<PaymentRecord>)> {
        let finding = |kind| Finding::new(kind, Some(payment), known);
        let is_paid = known.renewal.as_ref().is_some_and(|renewal| renewal.state == State::Paid);
        // In order, and on its way back by rule: nothing for a person either.
        let goes_back = known.recorded.as_ref().is_some_and(|recorded| recorded.verified && recorded.cancelled > 0);
        match compare(Some(payment), known, &self.policy) {
            Standing::Agreed if is_paid || goes_back => report.adopted(payment, known),
            // Its look-up told it to a person already.
            Standing::Agreed => report.differs(finding(Difference::NotAsOrdered)),
            Standing::Open(_) => report.open += 1,
            Standing::Differs(kind) => {
                let renewal_id = known.renewal.as_ref().map(|renewal| renewal.id);
                return Some((finding(kind), Some(as_seen(payment, renewal_id))));
            }
            _ => report.differs(finding(Difference::Unsettled)),
        }
        None
    }

    async fn tell_unknown(
        &self,
        run: &Run,
        unknown: &[(Payment, &'static str)],
        report: &mut ReconcileReport,
    ) -> Result<(), RunError> {
        let now = self.now(run);
        // Nobody can say yet what this money is for; that it was taken is kept all the same.
        let seen_by = |why| if why == AHEAD { SEEN_AHEAD } else { SEEN_BY };
        let seen: Vec<_> =
            unknown.iter().map(|(payment, why)| (as_seen(payment, None), seen_by(*why).to_owned())).collect();
        self.store.observe(&seen).await?;
        let event = |(payment, why): &(Payment, &'static str)| {
            let payload = json!({
                "severity": "critical", "payment_id": payment.id, "status": payment.status.as_str(),
                "amount": payment.total, "currency": payment.currency, "reason": why,
            });
            NewEvent::of_all(EventId(self.new_id()), EventKind::PaymentUnknown, &payment.id, payload, now)
        };
        let events: Vec<NewEvent> = unknown.iter().map(event).collect();
        unknown.iter().for_each(|(payment, why)| report.unknown(payment, why));
        Ok(self.store.tell(&events).await?)
    }
}
