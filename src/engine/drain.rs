//! Draining: claims go out ahead of the slots, charges run beside each other, outcomes are settled in batches.

use super::channel::is_answered;
use super::charge::Outcome;
use super::claims::{Batch, Pass, Progress};
use super::pipeline::{Pipeline, Place};
use super::run::Run;
use super::settle::Finished;
use super::{Engine, RunError, spans};
use crate::domain::charge::Attempt;
use crate::domain::ids::RenewalId;
use crate::store::{Committed, StoreError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::Instrument;

/// A claim that goes on while charges do: it is awaited to its end, never dropped to look at something else.
type ClaimUnderWay<'a> = BoxFuture<'a, Result<Option<Batch>, StoreError>>;

/// Where outcomes go to be settled.
pub(super) type ToSettle = mpsc::Sender<Finished>;

/// A charge that came to its end.
pub(super) struct Charged {
    pub took: Duration,
    /// It was not given back.
    pub sent: bool,
    /// The gateway said for sure what became of it.
    pub answered: bool,
}

impl Engine {
    /// Claims and charges until nothing more is due, or charging stops. One attempt at a time on each billing key: who has
    /// two subscriptions has a second turn when the first is settled.
    pub(super) async fn drain(&self, run: &Run) -> Result<(), RunError> {
        self.drain_once(run, None).await?;
        let mut before = usize::MAX;
        loop {
            let waiting = run.take_waiting();
            // Where nobody's turn came, another worker holds the keys: it is charging them.
            if waiting.is_empty() || waiting.len() >= before || run.is_stopping() {
                return Ok(());
            }
            before = waiting.len();
            self.drain_once(run, Some(Arc::new(waiting))).await?;
        }
    }

    async fn drain_once(&self, run: &Run, only: Option<Arc<BTreeSet<RenewalId>>>) -> Result<(), RunError> {
        let (out, finished) = mpsc::channel(self.limits.settle_rows_max);
        let settling = self.settle_all(run, finished);
        let pipeline = Pipeline::new(self.slots_max(), self.ahead_max(), self.wait_max());
        let pass = Pass { channel: None, only, pipeline };
        let charging = async { self.claim_and_charge(run, &pass, out).await };
        let (settled, charged) = tokio::join!(settling, charging);
        settled?;
        charged.map_err(RunError::from)
    }

    /// One pass: claims and charges until nothing more is due in it, or charging stops.
    pub(super) async fn claim_and_charge(&self, run: &Run, pass: &Pass, out: ToSettle) -> Result<(), StoreError> {
        let mut progress = Progress::default();
        let mut failed = None;
        let mut under_way = FuturesUnordered::new();
        let mut claiming: Option<ClaimUnderWay<'_>> = None;
        let out_of_time = self.out_of_time(run);
        tokio::pin!(out_of_time);
        loop {
            if claiming.is_none() && !progress.over && !out.is_closed() {
                claiming = Some(Box::pin(self.claim_next(run, pass, progress.after)));
            }
            let is_claiming = claiming.is_some();
            if !is_claiming && under_way.is_empty() {
                return failed.map_or(Ok(()), Err);
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
                    progress.follow(&batch);
                    self.progress.more(batch.claimed.attempts.len() as u64);
                    for attempt in batch.claimed.attempts {
                        let place = Some(pass.pipeline.hold());
                        under_way.push(self.charge_and_hand_over(run, (attempt, batch.uptime), place, out.clone()));
                    }
                }
                Some(charged) = under_way.next(), if !under_way.is_empty() => {
                    if charged.sent {
                        pass.pipeline.took(charged.took, self.clock.uptime());
                    }
                }
            }
        }
    }

    /// How many claims may wait for a slot: as many as settle in one batch, and no more than the rate can send in time.
    pub(super) fn ahead_max(&self) -> usize {
        self.sendable().min(self.limits.concurrency + self.limits.settle_rows_max)
    }

    /// The slots, as far as the agreed rate can fill them in time: what is claimed beyond that would be given back.
    fn slots_max(&self) -> usize {
        self.sendable().clamp(1, self.limits.concurrency.max(1))
    }

    /// How many claims the agreed rate can send before they are given back.
    fn sendable(&self) -> usize {
        let sendable = |rate: u32| u128::from(rate).saturating_mul(self.wait_max().as_millis()) / 1000;
        let rate = self.limits.rate_per_second_max;
        rate.map_or(usize::MAX, |rate| usize::try_from(sendable(rate)).unwrap_or(usize::MAX))
    }

    /// How long a claim may wait for a slot: half of the time after which it is given back.
    pub(super) fn wait_max(&self) -> Duration {
        self.limits.send_within / 2
    }

    /// The order to stop came, and the time for requests under way is over: what is not settled stays under its lease.
    pub(super) async fn out_of_time(&self, run: &Run) {
        run.shutdown.wait().await;
        self.clock.sleep(run.shutdown.time_left().unwrap_or_default()).await;
    }

    /// Charges one attempt, claimed at the given uptime, and hands its outcome to the settle.
    pub(super) async fn charge_and_hand_over(
        &self,
        run: &Run,
        (attempt, claimed): (Committed<Attempt>, Duration),
        place: Option<Place>,
        out: ToSettle,
    ) -> Charged {
        let started = self.clock.uptime();
        // A panic over one row ends that row only: its claim stays under its lease and is resolved by a look-up.
        let span = spans::attempt(attempt.get());
        let charging = AssertUnwindSafe(self.charge(run, &attempt, claimed)).catch_unwind();
        let outcome = charging.instrument(span.clone()).await;
        let took = self.clock.uptime().saturating_sub(started);
        let answered = outcome.as_ref().is_ok_and(is_answered);
        let sent = matches!(outcome, Ok(Outcome::Learned(_)));
        match outcome {
            Ok(outcome) => self.hand_over(run, attempt, outcome, place, &out).await,
            Err(_) => tracing::error!(
                parent: &span,
                "charging renewal {} panicked: it stays claimed and will be looked up",
                attempt.get().renewal.id
            ),
        }
        Charged { took, sent, answered }
    }

    async fn hand_over(
        &self,
        run: &Run,
        attempt: Committed<Attempt>,
        outcome: Outcome,
        place: Option<Place>,
        out: &ToSettle,
    ) {
        self.watch_channel(run, attempt.get(), &outcome);
        // The send fails only when settling ended with an error; the claim is then resolved by the next run.
        let _ = out.send(Finished { attempt, outcome, canceled: false, place }).await;
    }
}

/// Drives the claim under way to its end and empties its place.
async fn finish(claiming: &mut Option<ClaimUnderWay<'_>>) -> Result<Option<Batch>, StoreError> {
    let Some(claim) = claiming.as_mut() else { return Ok(None) };
    let batch = claim.await;
    *claiming = None;
    batch
}
