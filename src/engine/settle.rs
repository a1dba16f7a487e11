//! Settling: outcomes are gathered into batches, and each batch is one transaction on the store's own connection.
//!
//! A slot of the pipeline is free again only when its outcome is durable, so that outcomes cannot pile up in memory.

use super::backoff::Intervals;
use super::charge::Outcome;
use super::meter::Counted;
use super::pipeline::Place;
use super::run::Run;
use super::{Engine, RunError, spans};
use crate::domain::charge::Attempt;
use crate::domain::claim::channel_name;
use crate::domain::renewal::State;
use crate::domain::settle::{Settling, settle};
use crate::domain::settlement::Settlement;
use crate::store::{Committed, GivenBack, Settled, StoreError};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::Instrument;

/// How often a batch is offered to a database that is away; after that the leases expire and the next run looks up.
const SETTLE_TRIES: u32 = 5;

/// What became of one attempt, on its way to the database.
pub(super) struct Finished {
    pub attempt: Committed<Attempt>,
    pub outcome: Outcome,
    /// The customer cancelled since the claim.
    pub canceled: bool,
    /// Given back when this is settled.
    pub place: Option<Place>,
}

impl Engine {
    /// Settles what arrives until every sender is gone.
    pub(super) async fn settle_all(&self, run: &Run, mut finished: mpsc::Receiver<Finished>) -> Result<(), RunError> {
        while let Some(first) = finished.recv().await {
            let batch = self.gather(first, &mut finished).await;
            if let Err(err) = self.settle_batch(run, batch).await {
                // What is claimed and not sent yet stays unsent: what came of it could not be recorded either.
                run.stop(format!("outcomes cannot be recorded ({err})"));
                return Err(err);
            }
        }
        Ok(())
    }

    /// Lingers for more to record with the first, but not where nothing is left that could come: those that wait to be
    /// claimed wait for the places of these.
    async fn gather(&self, first: Finished, finished: &mut mpsc::Receiver<Finished>) -> Vec<Finished> {
        let mut batch = vec![first];
        let linger = self.clock.sleep(self.limits.settle_linger);
        tokio::pin!(linger);
        while batch.len() < self.limits.settle_rows_max {
            let first = batch.first().and_then(|first| first.place.as_ref());
            let is_all = first.is_some_and(|place| place.held() <= batch.len());
            tokio::select! {
                biased;
                more = finished.recv() => match more {
                    Some(one) => batch.push(one),
                    None => break,
                },
                () = std::future::ready(()), if is_all => break,
                () = &mut linger => break,
            }
        }
        batch
    }

    /// Decides and records one batch.
    pub(super) async fn settle_batch(&self, run: &Run, batch: Vec<Finished>) -> Result<(), RunError> {
        let now = self.now(run);
        let new_id = || self.new_id();
        let mut settlements = Vec::with_capacity(batch.len());
        let mut given = Vec::new();
        for finished in &batch {
            let attempt = finished.attempt.get();
            let at = Settling { policy: &self.policy, now, new_id: &new_id, canceled: finished.canceled };
            match &finished.outcome {
                Outcome::Learned(learned) => settlements.push(settle(attempt, State::Charging, learned, &at)?),
                Outcome::GivenBack { why } => given.push(give_back(attempt, why.clone())),
            }
        }
        if !settlements.is_empty() {
            let settled = self.settle_durably(&settlements).await?;
            report(run, &batch, &settlements, &settled);
            self.count(&batch, &settlements, &settled);
            self.progress.done(settlements.len() as u64);
        }
        if !given.is_empty() {
            self.store.give_back(&given).await?;
            run.report.given_back(given.len() as u64);
            // What was never sent is no charge.
            run.release_charges(u32::try_from(given.len()).unwrap_or(u32::MAX));
            let given = batch.iter().filter(|finished| matches!(finished.outcome, Outcome::GivenBack { .. }));
            run.count_given_back(given.map(|finished| finished.attempt.get()));
        }
        // Durable now: their places are free.
        for finished in batch {
            run.report.let_go(finished.attempt.get());
            drop(finished.place);
        }
        Ok(())
    }

    /// Counts what is on disk now, for whoever watches.
    fn count(&self, batch: &[Finished], settlements: &[Settlement], settled: &Settled) {
        let channels = batch.iter().map(|finished| finished.attempt.get());
        let channels: HashMap<_, _> =
            channels.map(|attempt| (attempt.renewal.id, attempt.channel_key.as_deref())).collect();
        for settlement in settlements.iter().filter(|one| settled.settled.contains(&one.renewal_id)) {
            let recorded = settlement.as_recorded(settled.as_canceled.contains(&settlement.renewal_id));
            let channel = channel_name(channels.get(&settlement.renewal_id).copied().flatten());
            let is_declined = recorded.declined && recorded.state == State::Due;
            let payment = recorded.payment.as_ref().filter(|payment| payment.verified);
            let taken = payment.and_then(|payment| Some((payment.total?, payment.currency.as_deref()?)));
            let result = if is_declined { "declined" } else { recorded.state.as_str() };
            self.meter.settled(&Counted { channel, result, taken });
        }
    }

    async fn settle_durably(&self, settlements: &[Settlement]) -> Result<Settled, StoreError> {
        let mut waits = Intervals::new(Duration::from_secs(1), Duration::from_secs(8));
        let mut tries = 1;
        loop {
            match self.store.settle(settlements).instrument(spans::settle()).await {
                Err(err) if err.may_pass() && tries < SETTLE_TRIES => {
                    tracing::warn!(error = %err, "the database is away: {} outcomes wait for it", settlements.len());
                    self.clock.sleep(waits.next(&*self.chance)).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

fn give_back(attempt: &Attempt, note: String) -> GivenBack {
    GivenBack { renewal_id: attempt.renewal.id, attempt_id: attempt.id, lease_epoch: attempt.lease_epoch, note }
}

fn report(run: &Run, batch: &[Finished], settlements: &[Settlement], settled: &Settled) {
    let renewals = batch.iter().map(|finished| &finished.attempt.get().renewal);
    let amounts: HashMap<_, _> = renewals.map(|renewal| (renewal.id, renewal.amount)).collect();
    let written: HashSet<_> = settled.settled.iter().collect();
    let as_canceled: HashSet<_> = settled.as_canceled.iter().collect();
    for settlement in settlements {
        if written.contains(&settlement.renewal_id) {
            let recorded = settlement.as_recorded(as_canceled.contains(&settlement.renewal_id));
            run.report.settled(recorded);
            let amount = amounts.get(&settlement.renewal_id).filter(|_| recorded.declined);
            amount.into_iter().for_each(|amount| run.report.declined(*amount));
        } else {
            tracing::warn!(
                subscription.id = %settlement.subscription_id,
                renewal.id = %settlement.renewal_id,
                payment.id = %settlement.payment_id,
                "renewal {}: another worker took over before this outcome was recorded; it is looked up again",
                settlement.renewal_id
            );
        }
    }
    let moved = |settlement: &&Settlement| settled.period_not_moved.contains(&settlement.renewal_id);
    for settlement in settlements.iter().filter(moved) {
        tracing::error!(
            subscription.id = %settlement.subscription_id,
            renewal.id = %settlement.renewal_id,
            payment.id = %settlement.payment_id,
            "renewal {} is paid, but its subscription was moved by somebody else",
            settlement.renewal_id
        );
    }
}
