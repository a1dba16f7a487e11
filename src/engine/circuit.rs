//! Open circuits: channels that stopped answering are tried again when all others are done, by one charge a minute. The
//! first that is answered, whatever the answer, closes the circuit, and what is still due there is charged: one at a time
//! at first, then two, then four, so that a gateway that has just come back is not met by a herd.
//!
//! What does not live here: when a circuit opens (`channel`), and channels that were refused for our contract or our
//! credentials: those stay stopped, because only a person can mend them.

use super::claims::{Pass, Progress};
use super::drain::ToSettle;
use super::pipeline::Pipeline;
use super::run::Run;
use super::{Engine, RunError};
use crate::store::StoreError;
use futures_util::future::join_all;
use std::time::Duration;
use tokio::sync::mpsc;

/// From one probe to the next, and from the end of the other channels' work to the first.
const PROBE_EVERY: Duration = Duration::from_secs(60);

/// What came of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Answered,
    Unanswered,
    /// Nothing could be sent: nothing more is due there, or nothing more may be charged.
    Nothing,
}

impl Engine {
    /// Tries every channel again whose circuit is open; whether there was any.
    pub(super) async fn try_open_circuits(&self, run: &Run) -> Result<bool, RunError> {
        let open = run.stops().open;
        if open.is_empty() || self.limits.circuit_probes_max == 0 || run.is_stopping() {
            return Ok(false);
        }
        let (out, finished) = mpsc::channel(self.limits.settle_rows_max);
        let settling = self.settle_all(run, finished);
        let trying = async {
            let out = out;
            // Each on its own: one that answers does not wait for one that does not.
            join_all(open.iter().map(|channel| self.recover(run, (channel, open.len()), &out))).await
        };
        let (settled, tried) = tokio::join!(settling, trying);
        settled?;
        tried.into_iter().collect::<Result<(), StoreError>>()?;
        Ok(true)
    }

    /// Probes one of `beside` channels until it answers, and drains its backlog; gives up after too many probes.
    async fn recover(&self, run: &Run, (channel, beside): (&str, usize), out: &ToSettle) -> Result<(), StoreError> {
        let mut progress = Progress::default();
        let (mut unanswered, max) = (0, self.limits.circuit_probes_max);
        while unanswered < max && run.circuit_is_open(channel) && !out.is_closed() {
            if !self.wait_to_probe(run).await {
                return Ok(());
            }
            run.probe_circuit(channel, true);
            let probe = self.probe_once(run, channel, &mut progress, out).await;
            run.probe_circuit(channel, false);
            match probe? {
                Probe::Nothing => return Ok(()),
                Probe::Unanswered => {
                    unanswered += 1;
                    tracing::warn!(run.id = %run.id, channel, "probe {unanswered} of {max} of {channel} was not answered");
                }
                Probe::Answered => {
                    unanswered = 0;
                    run.close_circuit(channel);
                    self.claim_and_charge(run, &self.backlog_of(channel, beside), out.clone()).await?;
                }
            }
        }
        Ok(())
    }

    /// `false` if charging stopped meanwhile.
    async fn wait_to_probe(&self, run: &Run) -> bool {
        tokio::select! {
            biased;
            () = run.stopping() => false,
            () = self.clock.sleep(PROBE_EVERY) => true,
        }
    }

    /// One charge of one renewal that is due on the channel.
    async fn probe_once(
        &self,
        run: &Run,
        channel: &str,
        progress: &mut Progress,
        out: &ToSettle,
    ) -> Result<Probe, StoreError> {
        let Some(batch) = self.claim_probe(run, channel, progress).await? else { return Ok(Probe::Nothing) };
        self.progress.more(batch.claimed.attempts.len() as u64);
        let mut answered = false;
        for attempt in batch.claimed.attempts {
            tokio::select! {
                biased;
                charged = self.charge_and_hand_over(run, (attempt, batch.uptime), None, out.clone()) => {
                    answered = charged.answered;
                }
                // It stays under its lease, and is looked up by the next run.
                () = self.out_of_time(run) => {}
            }
        }
        Ok(if answered { Probe::Answered } else { Probe::Unanswered })
    }

    /// What is due on the channel, from the first: the passes before went by it.
    fn backlog_of(&self, channel: &str, beside: usize) -> Pass {
        let limit = self.limits.channels.get(channel).and_then(|limit| limit.concurrency);
        let slots = (self.limits.concurrency / beside.max(1)).min(limit.unwrap_or(usize::MAX)).max(1);
        let pipeline = Pipeline::ramping(slots, self.ahead_max(), self.wait_max());
        Pass { channel: Some(channel.to_owned()), only: None, pipeline }
    }
}
