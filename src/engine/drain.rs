//! Draining: claims go out ahead of the slots, charges run beside each other, outcomes are settled in batches.

use super::charge::Outcome;
use super::pace::Paces;
use super::pipeline::{Pipeline, Place};
use super::run::Run;
use super::settle::Finished;
use super::{Engine, RunError};
use crate::domain::charge::{Attempt, Order};
use crate::domain::claim::{self, ClaimDecision, ClaimFacts, Claiming};
use crate::domain::ids::RenewalId;
use crate::store::{ClaimDecider, ClaimRequest, Claimed, Committed, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How far the claims of this run have come.
#[derive(Default)]
struct Progress {
    /// A run claims each renewal at most once: its claims go on behind the last one.
    after: Option<(DateTime<Utc>, RenewalId)>,
    charges: u64,
    over: bool,
}

/// A claim on its way back, with our uptime before it was asked for.
struct Batch {
    claimed: Claimed,
    asked: u32,
    uptime: Duration,
}

/// A claim that goes on while charges do: it is awaited to its end, never dropped to look at something else.
type ClaimUnderWay<'a> = BoxFuture<'a, Result<Option<Batch>, StoreError>>;

impl Engine {
    /// Claims and charges until nothing more is due, or charging stops.
    pub(super) async fn drain(&self, run: &Run) -> Result<(), RunError> {
        let (out, finished) = mpsc::channel(self.limits.settle_rows_max);
        let settling = self.settle_all(run, finished);
        let charging = self.claim_and_charge(run, out);
        let (settled, charged) = tokio::join!(settling, charging);
        settled?;
        charged
    }

    async fn claim_and_charge(&self, run: &Run, out: mpsc::Sender<Finished>) -> Result<(), RunError> {
        let paces = Paces::new(&self.limits);
        let pipeline = Pipeline::new(self.limits.concurrency, self.ahead_max());
        let mut progress = Progress::default();
        let mut failed = None;
        let mut under_way = FuturesUnordered::new();
        let mut claiming: Option<ClaimUnderWay<'_>> = None;
        let out_of_time = self.out_of_time(run);
        tokio::pin!(out_of_time);
        loop {
            if claiming.is_none() && !progress.over && !out.is_closed() {
                let (after, left) = (progress.after, run.charges_max.map(|max| max.saturating_sub(progress.charges)));
                claiming = Some(Box::pin(self.claim_next(run, &pipeline, after, left)));
            }
            let is_claiming = claiming.is_some();
            if !is_claiming && under_way.is_empty() {
                return failed.map_or(Ok(()), Err).map_err(RunError::from);
            }
            tokio::select! {
                biased;
                () = &mut out_of_time => return Ok(()),
                batch = finish(&mut claiming), if is_claiming => {
                    let batch = match batch {
                        Ok(Some(batch)) => batch,
                        Ok(None) => { progress.over = true; continue }
                        // Nothing more is claimed; what is under way is still charged, verified and settled.
                        Err(err) => { progress.over = true; failed = Some(err); continue }
                    };
                    progress.follow(run, &batch);
                    self.progress.more(batch.claimed.attempts.len() as u64);
                    for attempt in batch.claimed.attempts {
                        under_way.push(self.charge_and_hand_over(run, &paces, (attempt, batch.uptime), pipeline.hold(), out.clone()));
                    }
                }
                Some(took) = under_way.next(), if !under_way.is_empty() => pipeline.took(took),
            }
        }
    }

    /// How many claims may wait for a slot: as many as settle in one batch, and no more than the rate can send in half of
    /// the time that a claim may wait.
    fn ahead_max(&self) -> usize {
        let ahead = self.limits.concurrency + self.limits.settle_rows_max;
        let sendable = |rate: u32| u64::from(rate).saturating_mul(self.limits.send_within.as_secs() / 2);
        let bound = self.limits.rate_per_second_max.and_then(|rate| usize::try_from(sendable(rate)).ok());
        bound.map_or(ahead, |bound| ahead.min(bound))
    }

    /// The order to stop came, and the time for requests under way is over: what is not settled stays under its lease.
    pub(super) async fn out_of_time(&self, run: &Run) {
        run.shutdown.wait().await;
        self.clock.sleep(run.shutdown.time_left().unwrap_or_default()).await;
    }

    /// The next batch when there is room for it; `None` when nothing more may be claimed.
    async fn claim_next(
        &self,
        run: &Run,
        pipeline: &Arc<Pipeline>,
        after: Option<(DateTime<Utc>, RenewalId)>,
        left: Option<u64>,
    ) -> Result<Option<Batch>, StoreError> {
        let room = pipeline.room(self.limits.concurrency.div_ceil(2)).await;
        let bounds = [room as u64, u64::from(self.limits.claim_rows_max), left.unwrap_or(u64::MAX)];
        let rows = bounds.into_iter().min().and_then(|rows| u32::try_from(rows).ok()).unwrap_or(0);
        if rows == 0 || run.is_stopping() {
            return Ok(None);
        }
        let uptime = self.clock.uptime();
        let request =
            ClaimRequest { run_id: run.id, rows_max: rows, lease: self.limits.lease, after, only: run.only.clone() };
        let claimed = self.store.claim(&request, self.decider(run)).await?;
        Ok(Some(Batch { claimed, asked: rows, uptime }))
    }

    /// The domain's decision with all that it needs, to be asked under the claim's locks.
    fn decider(&self, run: &Run) -> ClaimDecider {
        let (run_id, stopped) = (run.id, run.stops().channels);
        let (policy, gateway) = (Arc::clone(&self.policy), Arc::clone(&self.gateway));
        let (clock, chance) = (Arc::clone(&self.clock), Arc::clone(&self.chance));
        let lease = TimeDelta::from_std(self.limits.lease).unwrap_or(TimeDelta::MAX);
        Arc::new(move |facts: &ClaimFacts| {
            let freeze = |order: &Order| gateway.freeze(order);
            let new_id = || chance.id(clock.now());
            let with = Claiming { run_id, lease, policy: &policy, stopped: &stopped, freeze: &freeze, new_id: &new_id };
            claim::decide(facts, &with).unwrap_or_else(|illegal| {
                tracing::error!(renewal.id = %facts.renewal_id, "renewal {}: {illegal}", facts.renewal_id);
                ClaimDecision::Skip
            })
        })
    }

    /// Charges one attempt and hands its outcome to the settle; answers how long the charge took.
    async fn charge_and_hand_over(
        &self,
        run: &Run,
        paces: &Paces,
        (attempt, claimed): (Committed<Attempt>, Duration),
        place: Place,
        out: mpsc::Sender<Finished>,
    ) -> Duration {
        let started = self.clock.uptime();
        // A panic over one row ends that row only: its claim stays under its lease and is resolved by a look-up.
        let charged = AssertUnwindSafe(self.charge(run, paces, &attempt, claimed)).catch_unwind().await;
        let took = self.clock.uptime().saturating_sub(started);
        match charged {
            Ok(outcome) => self.hand_over(run, attempt, outcome, place, &out).await,
            Err(_) => tracing::error!(
                renewal.id = %attempt.get().renewal.id,
                "charging renewal {} panicked: it stays claimed and will be looked up",
                attempt.get().renewal.id
            ),
        }
        took
    }

    async fn hand_over(
        &self,
        run: &Run,
        attempt: Committed<Attempt>,
        outcome: Outcome,
        place: Place,
        out: &mpsc::Sender<Finished>,
    ) {
        self.watch_channel(run, attempt.get(), &outcome);
        // The send fails only when settling ended with an error; the claim is then resolved by the next run.
        let _ = out.send(Finished { attempt, outcome, canceled: false, place: Some(place) }).await;
    }
}

/// Drives the claim under way to its end and empties its place.
async fn finish(claiming: &mut Option<ClaimUnderWay<'_>>) -> Result<Option<Batch>, StoreError> {
    let Some(claim) = claiming.as_mut() else { return Ok(None) };
    let batch = claim.await;
    *claiming = None;
    batch
}

impl Progress {
    fn follow(&mut self, run: &Run, batch: &Batch) {
        let claimed = &batch.claimed;
        self.after = claimed.last.or(self.after);
        self.charges += claimed.attempts.len() as u64;
        self.over = claimed.seen < batch.asked || claimed.paused;
        run.report.claimed(claimed);
    }
}
