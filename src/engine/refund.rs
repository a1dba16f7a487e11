//! Giving money back: asked for under the refund's one key, then looked up; only the look-up says that it is back.
//!
//! The kill switch holds charging, not this: money that nobody wants to have paid goes back while charging is paused. But
//! where a restored backup is suspected, what the database says of cancellations is not to be trusted: refunds wait too. Two
//! runs may ask for the same refund, and one may ask again for what it asked before it ended: the gateway gives back the
//! whole amount once.

use super::run::Run;
use super::{Engine, RunError, spans};
use crate::domain::payment::LookUp;
use crate::domain::refund::{self, RefundChange, RefundFacts, RefundState};
use crate::gateway::{Cancellation, CancellationStatus, GatewayError};
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeMap;
use tracing::Instrument;

impl Engine {
    /// Asks for every refund that is due, once.
    pub(super) async fn refund(&self, run: &Run) -> Result<(), RunError> {
        while !run.is_stopping() && !run.refunds_wait() {
            let facts = self.store.refund_facts(self.limits.claim_rows_max).await?;
            if facts.is_empty() {
                return Ok(());
            }
            // Collected: a stream that holds its closure could not move between the runtime's threads.
            let asking: Vec<_> = facts.iter().map(|facts| self.refund_one(run, facts)).collect();
            let asked: Vec<Option<RefundChange>> = tokio::select! {
                biased;
                asked = stream::iter(asking).buffer_unordered(self.limits.concurrency).collect() => asked,
                // What was asked for and not recorded is asked for again: under the same key that does no harm.
                () = self.out_of_time(run) => return Ok(()),
            };
            let changes: Vec<RefundChange> = asked.into_iter().flatten().collect();
            self.record_refunds(run, &facts, &changes).await?;
        }
        Ok(())
    }

    /// `None` where the run ended or our credentials were refused: nothing is known of this refund, and nothing counts.
    pub(super) async fn refund_one(&self, run: &Run, facts: &RefundFacts) -> Option<RefundChange> {
        if run.is_stopping() {
            return None;
        }
        let cancellation = cancellation(facts);
        let asking = async {
            let said = self.gateway.cancel(&cancellation).await;
            (said, self.gateway.payment(&facts.payment_id).await)
        };
        let (said, found) = asking.instrument(spans::refund(facts)).await;
        // Credentials that may not give back may still charge: only a look-up that is refused stops the run.
        if let LookUp::Unauthorized(why) = &found {
            run.stop_unauthorized(why);
            return None;
        }
        Some(refund::decide(facts, &words(&said), &found, self.now(run), &|| self.new_id()))
    }

    pub(super) async fn record_refunds(
        &self,
        run: &Run,
        facts: &[RefundFacts],
        changes: &[RefundChange],
    ) -> Result<(), RunError> {
        let written = self.store.record_refunds(changes).await?;
        let known: BTreeMap<_, _> = facts.iter().map(|facts| (&facts.payment_id, facts)).collect();
        for change in changes.iter().filter(|change| written.contains(&change.payment_id)) {
            let Some(facts) = known.get(&change.payment_id) else { continue };
            match change.to {
                RefundState::Done => run.report.refunded(facts),
                RefundState::Failed => {
                    run.report.refund_failed();
                    tracing::error!(
                        renewal.id = %change.renewal_id,
                        payment.id = %change.payment_id,
                        "payment {} was not given back: {}; give it back in PortOne's console",
                        change.payment_id, change.note
                    );
                }
                RefundState::Wanted | RefundState::Requested => tracing::warn!(
                    renewal.id = %change.renewal_id,
                    payment.id = %change.payment_id,
                    "payment {} is not back yet: {}; it is asked for again",
                    change.payment_id, change.note
                ),
            }
        }
        Ok(())
    }
}

/// Only while all of it is there that was there when it was decided: whoever gave back a part since decides about the
/// rest, and a repeat gives back no more.
fn cancellation(facts: &RefundFacts) -> Cancellation {
    let is_all = facts.is_whole() && facts.back_before == 0;
    Cancellation {
        payment_id: facts.payment_id.clone(),
        amount: (!is_all).then_some(facts.amount),
        cancellable: Some(facts.cancellable()),
        reason: facts.told_gateway().to_owned(),
        idempotency_key: facts.idempotency_key.clone(),
    }
}

fn words(said: &Result<CancellationStatus, GatewayError>) -> String {
    match said {
        Ok(CancellationStatus::Requested) => "the gateway took the request".to_owned(),
        Ok(CancellationStatus::Succeeded) => "the gateway says that it is done".to_owned(),
        Ok(CancellationStatus::Failed) => "the gateway says that it failed".to_owned(),
        Err(error) => error.to_string(),
    }
}
