//! Charging one claimed attempt: send, understand the answer, look up, and repeat the same attempt where that is safe.
//!
//! No other attempt is ever started here, and nothing is recorded: the outcome goes to the settle.

use super::Engine;
use super::backoff::Intervals;
use super::run::Run;
use super::spans;
use crate::domain::answer::{Answer, Conclusion, NextStep, Stop, next};
use crate::domain::charge::Attempt;
use crate::domain::claim::channel_name;
use crate::domain::decline::Reason;
use crate::domain::look_ups::UNCERTAIN_UNTIL;
use crate::domain::payment::{LookUp, PaymentStatus};
use crate::domain::payment_id::derive;
use crate::domain::settle::Learned;
use crate::domain::verdict::Verdict;
use crate::store::Committed;
use chrono::TimeDelta;
use std::time::Duration;
use tracing::Instrument;

/// The first wait between two sends or look-ups of an attempt; it doubles, with full jitter.
const REPEAT_FIRST: Duration = Duration::from_secs(2);
const REPEAT_LONGEST: Duration = Duration::from_secs(40);

/// Nothing starts for so long on a channel whose payment gateway declined because it is asked too often.
const RATE_LIMITED_WAIT: Duration = Duration::from_secs(5);

/// How charging one attempt ended.
#[expect(clippy::large_enum_variant, reason = "one per charge under way, and most are the large one")]
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Learned(Learned),
    /// Nothing arrived at the gateway: the renewal is due as it was, and the attempt does not count.
    GivenBack {
        why: String,
    },
}

/// One attempt on its way.
struct Sending<'a> {
    attempt: &'a Attempt,
    /// Our uptime before the claim was asked for.
    claimed: Duration,
    sends: u32,
    /// An earlier send may have arrived.
    maybe_sent: bool,
    waits: Intervals,
}

impl Engine {
    /// Charges one attempt that was claimed at the uptime `claimed`.
    pub(super) async fn charge(&self, run: &Run, committed: &Committed<Attempt>, claimed: Duration) -> Outcome {
        let attempt = committed.get();
        let channel = channel_name(attempt.channel_key.as_deref());
        let waits = Intervals::new(REPEAT_FIRST, REPEAT_LONGEST);
        let mut sending = Sending { attempt, claimed, sends: 0, maybe_sent: attempt.maybe_sent, waits };
        loop {
            let (step, seen) = match self.send_and_look(run, committed, &mut sending).await {
                Ok(sent) => sent,
                Err(why) => return self.given_up(&sending, why),
            };
            match (step, seen) {
                (NextStep::NotCharged(stop), _) => {
                    if let Some(why) = self.not_charged(run, &mut sending, stop, channel).await {
                        return Outcome::GivenBack { why };
                    }
                }
                (NextStep::SlowDown { wait }, _) => {
                    run.paces.slow_down(channel, wait, &*self.clock);
                    if !self.wait_to_repeat(run, &mut sending, Some(wait)).await {
                        run.stop_channel(channel, "the gateway asks to slow down (429)");
                        return self.given_up(&sending, "the gateway asks to slow down (429)");
                    }
                }
                (NextStep::LookUp, seen) => {
                    let seen = self.look_again_until_definite(run, &mut sending, seen).await;
                    self.heed(run, &seen, channel);
                    return judged(seen);
                }
                (NextStep::LookUpThen(conclusion), seen) => {
                    return Outcome::Learned(weigh(conclusion, seen, self.now(run) - attempt.started_at));
                }
                (NextStep::RepeatSame, seen) => {
                    if seen.is_definite() || !self.wait_to_repeat(run, &mut sending, None).await {
                        return judged(seen);
                    }
                }
            }
        }
    }

    /// Sends the attempt once and looks up what came of it, in one slot. The error is why it must not be sent now.
    async fn send_and_look(
        &self,
        run: &Run,
        committed: &Committed<Attempt>,
        sending: &mut Sending<'_>,
    ) -> Result<(NextStep, Verdict), &'static str> {
        let attempt = committed.get();
        let channel = channel_name(attempt.channel_key.as_deref());
        let by = sending.claimed.saturating_add(self.waits_at_most(sending));
        let turn = tokio::select! {
            biased;
            () = run.stopping() => None,
            turn = run.paces.turn(channel, by, &*self.clock) => turn,
        };
        let Some(_turn) = turn else {
            let stopped = self.may_not_send(run, sending, channel);
            return Err(stopped.unwrap_or("its turn at the agreed rate would come too late"));
        };
        if !self.earlier_ids_failed(attempt).await {
            return Err("an earlier payment id of it does not show failed: it may have been paid");
        }
        if let Some(why) = self.may_not_send(run, sending, channel) {
            return Err(why);
        }
        let answer = self.gateway.charge(committed).instrument(spans::charge()).await;
        let only_send = !sending.maybe_sent;
        sending.sends += 1;
        sending.maybe_sent |= !is_surely_unprocessed(&answer);
        tracing::debug!(attempt.id = %attempt.id, answer = ?answer, "attempt {} answered", attempt.id);
        let step = next(&answer, only_send);
        let seen = match &step {
            NextStep::NotCharged(_) | NextStep::SlowDown { .. } => {
                Verdict::NoAnswer { why: "nothing was looked up".to_owned() }
            }
            NextStep::LookUp | NextStep::LookUpThen(_) | NextStep::RepeatSame => self.look_up(run, attempt).await,
        };
        Ok((step, seen))
    }

    /// The payment ids that were given up must still show failed: an approval can come late, and under another id nothing
    /// at the gateway would stop a second charge. The late sweep records what is found there.
    async fn earlier_ids_failed(&self, attempt: &Attempt) -> bool {
        let (renewal, policy) = (&attempt.renewal, &self.policy);
        for series in 0..renewal.series {
            let key = &policy.payment_id_key;
            let id = derive(key, &policy.store_id, &renewal.subscription_id, renewal.period_start, series);
            let failed = match self.gateway.payment(&id).await {
                LookUp::Found(payment) => payment.status == PaymentStatus::Failed,
                LookUp::NotFound => true,
                LookUp::Unauthorized(_) | LookUp::Failed(_) => false,
            };
            if !failed {
                return false;
            }
        }
        true
    }

    /// Why the attempt must not be sent now. Asked last of all before each send.
    fn may_not_send(&self, run: &Run, sending: &Sending<'_>, channel: &str) -> Option<&'static str> {
        let since_claim = self.clock.uptime().saturating_sub(sending.claimed);
        if run.is_stopping() {
            Some("charging stopped before it was sent")
        } else if (sending.sends == 0 || !sending.maybe_sent) && since_claim > self.limits.send_within {
            Some("too long since the claim: the world may have changed")
        } else if since_claim + self.limits.call_timeout > self.limits.lease {
            Some("the lease would end before the answer")
        } else if run.holds(channel) {
            Some("its channel stopped before it was sent")
        } else {
            None
        }
    }

    fn given_up(&self, sending: &Sending<'_>, why: &str) -> Outcome {
        if sending.maybe_sent {
            judged(Verdict::NoAnswer { why: why.to_owned() })
        } else {
            Outcome::GivenBack { why: why.to_owned() }
        }
    }

    /// Stops what an answer tells to stop. An unreachable gateway is tried again first: `None` sends again.
    async fn not_charged(&self, run: &Run, sending: &mut Sending<'_>, stop: Stop, channel: &str) -> Option<String> {
        match stop {
            Stop::Run { why } => Some(run.stop_unauthorized(&why)),
            Stop::Channel { why } => {
                run.stop_channel(channel, &why);
                Some(format!("the channel cannot charge ({why})"))
            }
            Stop::Unreachable { .. } if self.wait_to_repeat(run, sending, None).await => None,
            Stop::Unreachable { why } => {
                let why = format!("the gateway could not be reached ({why})");
                run.stop(why.clone());
                Some(why)
            }
        }
    }

    /// The payment gateway behind the channel is asked too often: that is not about this card, so the channel slows down.
    fn heed(&self, run: &Run, seen: &Verdict, channel: &str) {
        if matches!(seen, Verdict::Declined { decline, .. } if decline.reason == Reason::RateLimited) {
            tracing::warn!(run.id = %run.id, channel, "the payment gateway behind {channel} is asked too often: slower");
            run.paces.slow_down(channel, RATE_LIMITED_WAIT, &*self.clock);
        }
    }

    /// The charge was answered: only the look-up is repeated, never the charge.
    async fn look_again_until_definite(&self, run: &Run, sending: &mut Sending<'_>, mut seen: Verdict) -> Verdict {
        loop {
            let again =
                matches!(seen, Verdict::Stale | Verdict::NotReceived | Verdict::NoAnswer { .. } | Verdict::Wait { .. });
            if !again || !self.wait_to_repeat(run, sending, None).await {
                return seen;
            }
            sending.sends += 1;
            seen = self.look_up(run, sending.attempt).await;
        }
    }

    /// How long after its claim it may be sent at the latest. Until it may have arrived the claim itself grows old: the
    /// customer may have cancelled meanwhile.
    fn waits_at_most(&self, sending: &Sending<'_>) -> Duration {
        if sending.sends > 0 && sending.maybe_sent { self.limits.repeats_within } else { self.limits.send_within }
    }

    /// Waits before the same attempt is sent or looked up again; `false` when it must not be.
    async fn wait_to_repeat(&self, run: &Run, sending: &mut Sending<'_>, asked: Option<Duration>) -> bool {
        let wait = sending.waits.next(&*self.chance).saturating_add(asked.unwrap_or_default());
        let since_claim = self.clock.uptime().saturating_sub(sending.claimed);
        let in_time = since_claim + wait <= self.waits_at_most(sending);
        if sending.sends >= self.limits.sends_max || !in_time || run.is_stopping() {
            return false;
        }
        tokio::select! {
            biased;
            () = run.stopping() => false,
            () = self.clock.sleep(wait) => true,
        }
    }
}

/// The answer proved that this attempt was not charged; a look-up may still know of money that an earlier one took.
fn weigh(conclusion: Conclusion, seen: Verdict, age: TimeDelta) -> Learned {
    if seen.money().is_some() {
        return Learned::Verdict(seen);
    }
    match (&seen, &conclusion) {
        // The series moves on only when the used-up id still shows failed a day after it was last tried: an approval
        // can come late, and under another id nothing would stop a second charge.
        (Verdict::Declined { .. } | Verdict::Uncertain { .. } | Verdict::Stale, Conclusion::SeriesUsedUp)
            if age >= UNCERTAIN_UNTIL =>
        {
            Learned::Concluded(conclusion)
        }
        (_, Conclusion::SeriesUsedUp) => Learned::Verdict(seen),
        _ => Learned::Concluded(conclusion),
    }
}

fn judged(verdict: Verdict) -> Outcome {
    Outcome::Learned(Learned::Verdict(verdict))
}

/// The gateway cannot have begun to work on it.
fn is_surely_unprocessed(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::NotSent { .. }
            | Answer::RateLimited { .. }
            | Answer::Unauthorized { .. }
            | Answer::ChannelNotFound
            | Answer::BillingKeyGone { .. }
            | Answer::Refused { .. }
    )
}
