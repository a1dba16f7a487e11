//! The late sweep: renewals that ended without money, and payment ids that were given up, are looked up a few times
//! more. An approval can come after the failure that was told.

use super::run::Run;
use super::{Engine, RunError, spans};
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::EventId;
use crate::domain::late::{self, Late};
use crate::domain::policy::Policy;
use crate::domain::refund::is_unwanted;
use crate::domain::settle::Settling;
use crate::domain::settlement::PaymentRecord;
use crate::domain::verdict::Verdict;
use crate::store::{LateChange, LateFacts};
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use std::collections::HashSet;
use tracing::Instrument;

impl Engine {
    pub(super) async fn sweep_late(&self, run: &Run) -> Result<(), RunError> {
        let mut judged = HashSet::new();
        while !run.is_stopping() {
            let facts = self.store.late_facts(self.limits.claim_rows_max).await?;
            // What could not be recorded comes again: once is enough for one run.
            if facts.iter().all(|facts| judged.contains(&facts.payment_id)) {
                return Ok(());
            }
            let looking = facts.into_iter().map(|facts| async {
                let verdict = self.look_up(run, &facts.attempt).instrument(spans::attempt(&facts.attempt)).await;
                (facts, verdict)
            });
            let seen: Vec<_> = stream::iter(looking).buffer_unordered(self.limits.concurrency).collect().await;
            let (mut changes, mut found) = (Vec::new(), HashSet::new());
            for (facts, verdict) in seen {
                // A second payment of the same renewal is judged when the first one is recorded.
                if found.contains(&facts.renewal_id) {
                    continue;
                }
                judged.insert(facts.payment_id.clone());
                let change = self.decide_late(run, facts, &verdict).await?;
                if let LateChange::Found { settlement, .. } = &change {
                    found.insert(settlement.renewal_id);
                }
                changes.push(change);
            }
            self.store.record_late(&changes).await?;
        }
        Ok(())
    }

    async fn decide_late(&self, run: &Run, facts: LateFacts, verdict: &Verdict) -> Result<LateChange, RunError> {
        let judged = self.judge_late(run, &facts, verdict)?;
        Ok(match judged {
            Late::LookAgain(next_look_up_at) => LateChange::LookAgain { facts: Box::new(facts), next_look_up_at },
            Late::Found(settlement) => {
                run.report.settled(&settlement);
                LateChange::Found { from: facts.state, settlement }
            }
            Late::Beside => {
                if let Some(record) = verdict.money() {
                    tracing::error!(
                        subscription.id = %facts.subscription_id,
                        renewal.id = %facts.renewal_id,
                        payment.id = %facts.payment_id,
                        "renewal {} is {}, and there is money under {} as well: give it back",
                        facts.renewal_id, facts.state.as_str(), facts.payment_id
                    );
                    self.store.observe(&[(record.clone(), "late sweep".to_owned())]).await?;
                    self.store.tell(&[self.beside(run, &facts, record)]).await?;
                }
                LateChange::LookAgain { facts: Box::new(facts), next_look_up_at: None }
            }
        })
    }

    /// Apart from what is recorded: the decision borrows what no task may carry over an await.
    fn judge_late(&self, run: &Run, facts: &LateFacts, verdict: &Verdict) -> Result<Late, RunError> {
        let new_id = || self.new_id();
        let careful;
        let policy = if run.refunds_wait() {
            careful = Policy { refund_late: false, refund_late_cancel: false, ..(*self.policy).clone() };
            &careful
        } else {
            &*self.policy
        };
        let at = Settling {
            policy,
            now: self.now(run),
            new_id: &new_id,
            canceled: is_unwanted(&self.policy, facts.subscription_canceled, facts.period_is_next),
        };
        Ok(late::decide((&facts.attempt, facts.state), verdict, facts.since, &at)?)
    }
}

impl Engine {
    /// Money beside money is nobody's but a person's.
    fn beside(&self, run: &Run, facts: &LateFacts, record: &PaymentRecord) -> NewEvent {
        let subject = (&facts.subscription_id, facts.renewal_id, Some(facts.attempt.id));
        let payload = json!({
            "severity": "critical",
            "payment_id": facts.payment_id,
            "amount": record.total,
            "currency": record.currency,
            "reason": format!(
                "the renewal is {}, and the gateway shows {} under {} as well: give it back if it is not",
                facts.state.as_str(), record.status, facts.payment_id
            ),
        });
        let id = EventId(self.new_id());
        let mut event = NewEvent::of_renewal(id, EventKind::RenewalReview, subject, payload, self.now(run));
        event.dedupe = format!("{}:{}", event.dedupe, facts.payment_id);
        event
    }
}
