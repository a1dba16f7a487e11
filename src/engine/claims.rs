//! Claims: which renewals a pass of the run takes next, and how far it has come.

use super::Engine;
use super::pipeline::Pipeline;
use super::run::Run;
use super::spans;
use crate::domain::charge::Order;
use crate::domain::claim::{self, Again, ClaimDecision, ClaimFacts, Claiming};
use crate::domain::ids::RenewalId;
use crate::store::{ClaimDecider, ClaimRequest, Claimed, Committed, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::Instrument;

/// One way through what is due: all channels, or one whose circuit is tried again.
pub(super) struct Pass {
    pub channel: Option<String>,
    /// Only these, in a pass for those that waited for their billing keys.
    pub only: Option<Arc<BTreeSet<RenewalId>>>,
    pub pipeline: Arc<Pipeline>,
}

/// Where a claim goes on: behind the last row that was looked at.
pub(super) type Cursor = Option<(DateTime<Utc>, RenewalId)>;

/// How far a pass has come. It claims each renewal at most once: its claims go on behind the last one.
#[derive(Default)]
pub(super) struct Progress {
    pub after: Cursor,
    pub over: bool,
}

/// A claim on its way back, with our uptime before it was asked for.
pub(super) struct Batch {
    pub claimed: Claimed,
    pub asked: u32,
    pub uptime: Duration,
}

impl Progress {
    pub fn follow(&mut self, batch: &Batch) {
        let claimed = &batch.claimed;
        self.after = claimed.last.or(self.after);
        self.over = claimed.seen < batch.asked || claimed.paused;
    }
}

impl Engine {
    /// The next batch when there is room for it; `None` when nothing more may be claimed.
    pub(super) async fn claim_next(&self, run: &Run, pass: &Pass, after: Cursor) -> Result<Option<Batch>, StoreError> {
        let room = pass.pipeline.room(self.limits.concurrency.div_ceil(2)).await;
        let bound = u32::try_from(room).unwrap_or(u32::MAX).min(self.limits.claim_rows_max);
        // Where the circuit has opened again the rest of its backlog waits, like the channel.
        let is_held = pass.channel.as_deref().is_some_and(|channel| run.holds(channel));
        // What was asked for is done before a brake is asked whether more may be.
        if run.is_stopping() || is_held || run.charges_left() == Some(0) {
            return Ok(None);
        }
        let rows = run.reserve_charges(self.within_brakes(run, bound).await?);
        if rows == 0 {
            return Ok(None);
        }
        let batch = self.claim(run, after, rows, self.decider(run, pass.channel.clone(), pass.only.clone())).await?;
        run.release_charges(rows.saturating_sub(claimed_rows(&batch)));
        Ok(Some(batch))
    }

    /// One claim of a channel, from `progress` on; `None` if nothing more of it may be claimed.
    pub(super) async fn claim_probe(
        &self,
        run: &Run,
        channel: &str,
        progress: &mut Progress,
    ) -> Result<Option<Batch>, StoreError> {
        if run.charges_left() == Some(0) || run.reserve_charges(self.within_brakes(run, 1).await?) == 0 {
            return Ok(None);
        }
        while !progress.over && !run.is_stopping() {
            let chosen = Arc::new(Mutex::new(None));
            let decide = only_one(self.decider(run, Some(channel.to_owned()), None), Arc::clone(&chosen));
            let batch = self.claim(run, progress.after, self.limits.claim_rows_max, decide).await?;
            progress.follow(&batch);
            if !batch.claimed.attempts.is_empty() {
                // The next probe goes on behind this one, not behind the page that it was found in.
                *progress = Progress { after: *lock(&chosen), over: false };
                return Ok(Some(batch));
            }
        }
        run.release_charges(1);
        Ok(None)
    }

    async fn claim(&self, run: &Run, after: Cursor, rows: u32, decide: ClaimDecider) -> Result<Batch, StoreError> {
        let _alone = run.claiming.lock().await;
        let uptime = self.clock.uptime();
        let request =
            ClaimRequest { run_id: run.id, rows_max: rows, lease: self.limits.lease, after, only: run.only.clone() };
        let claimed = self.store.claim(&request, decide).instrument(spans::claim()).await?;
        run.report.claimed(&claimed);
        run.wait_for_keys(&claimed.waiting);
        run.count_claimed(claimed.attempts.iter().map(Committed::get));
        Ok(Batch { claimed, asked: rows, uptime })
    }

    /// The domain's decision with all that it needs, to be asked under the claim's locks.
    fn decider(&self, run: &Run, channel: Option<String>, only: Option<Arc<BTreeSet<RenewalId>>>) -> ClaimDecider {
        let (run_id, since, stopped) = (run.id, self.started(run), run.held());
        let (policy, gateway) = (Arc::clone(&self.policy), Arc::clone(&self.gateway));
        let (clock, chance) = (Arc::clone(&self.clock), Arc::clone(&self.chance));
        let lease = TimeDelta::from_std(self.limits.lease).unwrap_or(TimeDelta::MAX);
        Arc::new(move |facts: &ClaimFacts| {
            if only.as_ref().is_some_and(|only| !only.contains(&facts.renewal_id)) {
                return ClaimDecision::Skip;
            }
            let freeze = |order: &Order| gateway.freeze(order);
            let new_id = || chance.id(clock.now());
            let again = channel.as_deref().map(|channel| Again { channel, since });
            let (policy, stopped) = (&policy, &stopped);
            let with = Claiming { run_id, lease, policy, stopped, again, freeze: &freeze, new_id: &new_id };
            claim::decide(facts, &with).unwrap_or_else(|illegal| {
                tracing::error!(
                    subscription.id = %facts.subscription_id,
                    renewal.id = %facts.renewal_id,
                    payment.id = %facts.payment_id,
                    "renewal {}: {illegal}",
                    facts.renewal_id
                );
                ClaimDecision::Skip
            })
        })
    }
}

/// Lets one row be charged, and no other. The step may run several times: the row that it chose may be chosen again.
fn only_one(decide: ClaimDecider, chosen: Arc<Mutex<Cursor>>) -> ClaimDecider {
    Arc::new(move |facts: &ClaimFacts| {
        let decision = decide(facts);
        if !matches!(decision, ClaimDecision::Charge(_)) {
            return decision;
        }
        let this = (facts.next_attempt_at, facts.renewal_id);
        match *lock(&chosen).get_or_insert(this) == this {
            true => decision,
            false => ClaimDecision::Skip,
        }
    })
}

fn lock(chosen: &Mutex<Cursor>) -> std::sync::MutexGuard<'_, Cursor> {
    chosen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn claimed_rows(batch: &Batch) -> u32 {
    u32::try_from(batch.claimed.attempts.len()).unwrap_or(u32::MAX)
}
