//! Resolving what an earlier process left open: every claim whose lease ended, and every unknown outcome that is due
//! for a look-up. A look-up comes first, always; the same attempt is sent again only when the gateway still does not
//! know it after ten minutes.

use super::charge::Outcome;
use super::run::Run;
use super::settle::Finished;
use super::{Engine, RunError, spans};
use crate::domain::look_ups::{NOT_RECEIVED_AFTER, UNCERTAIN_UNTIL};
use crate::domain::settle::Learned;
use crate::domain::verdict::Verdict;
use crate::store::TakenOver;
use futures_util::stream::{self, StreamExt};
use std::time::Duration;
use tracing::Instrument;

impl Engine {
    pub(super) async fn resolve(&self, run: &Run) -> Result<(), RunError> {
        while !run.is_stopping() {
            let rows = u32::try_from(self.limits.concurrency).unwrap_or(u32::MAX).min(self.limits.claim_rows_max);
            let claimed = self.clock.uptime();
            let taken = self.store.take_over(rows, self.limits.lease, self.policy.claims_unsettled_max).await?;
            if taken.is_empty() {
                return Ok(());
            }
            let left = taken.iter().filter(|taken| taken.was_left).count() as u64;
            run.report.taken_over(&taken, left);
            self.meter.taken_over(left);
            let looking = taken.into_iter().map(|left| {
                let span = spans::attempt(left.attempt.get());
                self.resolve_one(run, left, claimed).instrument(span)
            });
            let finished: Vec<Finished> = tokio::select! {
                biased;
                finished = stream::iter(looking).buffer_unordered(self.limits.concurrency).collect() => finished,
                // What is not looked up yet stays under its lease, for the next run.
                () = self.out_of_time(run) => return Ok(()),
            };
            for batch in batches(finished, self.limits.settle_rows_max) {
                self.settle_batch(run, batch).await?;
            }
        }
        Ok(())
    }

    async fn resolve_one(&self, run: &Run, left: TakenOver, claimed: Duration) -> Finished {
        let TakenOver { attempt, may_resend, cancel_at_period_end, .. } = left;
        let verdict = self.look_up(run, attempt.get()).await;
        let now = self.now(run);
        let age = now - attempt.get().started_at;
        let never_arrived = match &verdict {
            Verdict::NotReceived => age >= NOT_RECEIVED_AFTER,
            // The gateway has only ever seen earlier attempts of this payment.
            Verdict::Stale => age >= UNCERTAIN_UNTIL,
            _ => false,
        };
        let outcome = if never_arrived && may_resend && !run.looks_only && self.policy.is_open_at(now) {
            let outcome = self.charge(run, &attempt, claimed).await;
            self.watch_channel(run, attempt.get(), &outcome);
            outcome
        } else {
            // An old attempt that is only looked up says nothing of what its channel does with a charge today.
            Outcome::Learned(Learned::Verdict(verdict))
        };
        Finished { attempt, outcome, canceled: cancel_at_period_end, place: None }
    }
}

fn batches(mut all: Vec<Finished>, rows_max: usize) -> Vec<Vec<Finished>> {
    let mut batches = Vec::new();
    while !all.is_empty() {
        let rest = all.split_off(all.len().min(rows_max.max(1)));
        batches.push(std::mem::replace(&mut all, rest));
    }
    batches
}
