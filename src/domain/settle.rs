//! From what was learned about an attempt to what is recorded: the protocol's verdict table, as one pure function.

use super::answer::Conclusion;
use super::charge::Attempt;
use super::decline::{Decline, DeclineClass, Reason};
use super::draft::Draft;
use super::dunning::{self, Heard, History, Outcome};
use super::look_ups;
use super::policy::Policy;
use super::refund::RefundReason;
use super::renewal::{Event, Illegal, State};
use super::settlement::Settlement;
use super::verdict::{Verdict, Verified};
use super::waiting::late_look_up;
use chrono::{DateTime, Days, TimeDelta, Utc};
use uuid::Uuid;

/// What the engine learned about one claimed attempt.
#[expect(clippy::large_enum_variant, reason = "one per charge under way, and most are the large one")]
#[derive(Clone, Debug, PartialEq)]
pub enum Learned {
    /// What the last look-up proved.
    Verdict(Verdict),
    /// What the charge's own answer proved, where a look-up does not know better.
    Concluded(Conclusion),
}

/// The moment of settling.
pub struct Settling<'a> {
    pub policy: &'a Policy,
    pub now: DateTime<Utc>,
    pub new_id: &'a dyn Fn() -> Uuid,
    /// The customer cancelled since the claim, as far as a take-over saw; of late money, that nobody wants its period.
    pub canceled: bool,
}

/// What is recorded for `attempt`, from `state` (`charging` unless money turned up late).
///
/// # Errors
/// [`Illegal`] where the state machine has no such step: a bug, and nothing is written.
pub fn settle(attempt: &Attempt, state: State, learned: &Learned, at: &Settling<'_>) -> Result<Settlement, Illegal> {
    match learned {
        Learned::Verdict(verdict) => by_verdict(attempt, state, verdict, at),
        Learned::Concluded(conclusion) => by_conclusion(attempt, state, conclusion, at),
    }
}

fn by_verdict(attempt: &Attempt, state: State, verdict: &Verdict, at: &Settling<'_>) -> Result<Settlement, Illegal> {
    match verdict {
        Verdict::Paid(proof) => paid(attempt, state, proof, at),
        Verdict::Mismatch { parts, record } => {
            let reason = format!("PAID at the gateway, but not as ordered: {} differs", parts.join(", "));
            Ok(Draft::new(attempt, state, Event::NeedsPerson, at)?.review(reason).money(record))
        }
        Verdict::Cancelled { record } => {
            let reason = format!("{} at the gateway: {} given back", record.status, record.cancelled);
            Ok(Draft::new(attempt, state, Event::NeedsPerson, at)?.review(reason).money(record))
        }
        Verdict::Declined { decline, transaction_id } => {
            declined(attempt, state, decline, transaction_id.as_deref(), at)
        }
        Verdict::Uncertain { decline, transaction_id } if at.now - attempt.started_at >= look_ups::UNCERTAIN_UNTIL => {
            still_failed(attempt, state, decline, transaction_id.as_deref(), at)
        }
        Verdict::Uncertain { decline, .. } => {
            let note = format!("FAILED with {}: the outcome may still be a success", decline.reason.as_str());
            unclear(attempt, state, &note, at)
        }
        Verdict::NotReceived if at.canceled && at.now - attempt.started_at >= look_ups::NOT_RECEIVED_AFTER => {
            let next = late_look_up(State::Canceled, at.now);
            Ok(Draft::new(attempt, state, Event::CanceledUncharged, at)?
                .note("never received, and cancelled meanwhile")
                .finish(|settled| settled.next_look_up_at = next))
        }
        Verdict::NotReceived => unclear(attempt, state, "the gateway does not know the payment (yet)", at),
        Verdict::Stale => unclear(attempt, state, "the gateway shows an older failure only", at),
        Verdict::Wait { status } => unclear(attempt, state, &format!("{status} at the gateway"), at),
        Verdict::NoAnswer { why } | Verdict::Unauthorized { why } => unclear(attempt, state, why, at),
    }
}

/// Whether the customer cancelled meanwhile is only known under the settle's lock: what to record then goes with it.
fn paid(attempt: &Attempt, state: State, proof: &Verified, at: &Settling<'_>) -> Result<Settlement, Illegal> {
    let mut settled = Draft::new(attempt, state, Event::Paid, at)?.paid(proof);
    if at.policy.refund_late_cancel {
        let reason = RefundReason::CanceledDuringCharge;
        let back = Draft::new(attempt, state, Event::PaidUnwanted, at)?.given_back(proof, reason);
        settled.if_canceled = Some(Box::new(back));
    }
    Ok(settled)
}

fn by_conclusion(
    attempt: &Attempt,
    state: State,
    conclusion: &Conclusion,
    at: &Settling<'_>,
) -> Result<Settlement, Illegal> {
    match conclusion {
        Conclusion::BillingKeyGone => declined(attempt, state, &Decline::billing_key_gone(), None, at),
        Conclusion::SeriesUsedUp => {
            let note = "MAX_TRANSACTION_COUNT_REACHED: goes on under a new payment id";
            Ok(Draft::new(attempt, state, Event::RefusedForNow, at)?.note(note).next_series())
        }
        Conclusion::Refused { reason } => {
            Ok(Draft::new(attempt, state, Event::NeedsPerson, at)?.review(reason.clone()).finish(|_| ()))
        }
    }
}

/// A FAILED that stood for a day is a failure; under a used order number the next attempt needs another one.
fn still_failed(
    attempt: &Attempt,
    state: State,
    decline: &Decline,
    transaction_id: Option<&str>,
    at: &Settling<'_>,
) -> Result<Settlement, Illegal> {
    if decline.reason == Reason::DuplicateOrder {
        return Ok(Draft::new(attempt, state, Event::RefusedForNow, at)?
            .decline(decline, transaction_id)
            .next_series());
    }
    let transient = Decline { class: DeclineClass::Transient, ..decline.clone() };
    declined(attempt, state, &transient, transaction_id, at)
}

fn declined(
    attempt: &Attempt,
    state: State,
    decline: &Decline,
    transaction_id: Option<&str>,
    at: &Settling<'_>,
) -> Result<Settlement, Illegal> {
    if decline.stops_channel() {
        return refused_by_our_contract(attempt, state, decline, transaction_id, at);
    }
    if decline.needs_person() {
        let reason = format!(
            "{} {}: {}",
            decline.reason.as_str(),
            decline.pg_code.as_deref().unwrap_or("(no code)"),
            decline.pg_message.as_deref().unwrap_or("(no message)")
        );
        let draft = Draft::new(attempt, state, Event::NeedsPerson, at)?.decline(decline, transaction_id);
        return Ok(draft.review(reason).finish(|_| ()));
    }
    let outcome = next_attempt(attempt, decline, at);
    let event = match &outcome {
        Outcome::RetryAt(_) => Event::DeclinedWillRetry,
        Outcome::AwaitNewKey => Event::DeclinedAwaitsKey,
        Outcome::GiveUp(_) => Event::DeclinedForGood,
    };
    let record = |event: Event| {
        let draft = Draft::new(attempt, state, event, at)?.decline(decline, transaction_id);
        Ok(draft.finish(|settled| {
            settled.declined = true;
            settled.first_declined_at = Some(attempt.renewal.first_declined_at.unwrap_or(at.now));
            settled.key_unusable = (decline.class == DeclineClass::Hard).then(|| attempt.billing_key_id.clone());
            match outcome {
                // Kept where the customer cancelled: a change of mind goes on where the ladder was.
                Outcome::RetryAt(next) => settled.next_attempt_at = Some(next),
                Outcome::AwaitNewKey => settled.waits_for_key = event == Event::DeclinedAwaitsKey,
                Outcome::GiveUp(_) => {}
            }
            // An approval may come after the decline: nobody fails at the end of the grace without one more look.
            settled.next_look_up_at = late_look_up(settled.state, at.now).or(Some(attempt.renewal.access_until));
        }))
    };
    let mut settled = record(event)?;
    settled.if_canceled = Some(Box::new(record(Event::DeclinedCanceled)?));
    Ok(settled)
}

/// Our contract or credentials, not this card: it counts against nobody, and waits for the next business day so that
/// one card company's refusal does not stand first in every run.
fn refused_by_our_contract(
    attempt: &Attempt,
    state: State,
    decline: &Decline,
    transaction_id: Option<&str>,
    at: &Settling<'_>,
) -> Result<Settlement, Illegal> {
    let zone = at.policy.zone;
    let tomorrow = zone.date_of(at.now).checked_add_days(Days::new(1));
    let next = tomorrow.map(|date| zone.at(date, at.policy.dunning.time_of_day));
    let draft = Draft::new(attempt, state, Event::RefusedForNow, at)?.decline(decline, transaction_id);
    // After the grace there is none: a person decides then.
    let while_access_lasts = next.filter(|next| *next < attempt.renewal.access_until);
    Ok(draft.finish(|settled| settled.next_attempt_at = while_access_lasts))
}

fn next_attempt(attempt: &Attempt, decline: &Decline, at: &Settling<'_>) -> Outcome {
    let renewal = &attempt.renewal;
    let history = History { first_declined_at: renewal.first_declined_at, declines: renewal.declines.clone() };
    let heard = Heard { class: decline.class, reason: decline.reason };
    dunning::next_attempt(heard, &history, at.now, renewal.access_until, at.policy.zone, &at.policy.dunning)
}

/// Nothing is known: the attempt stays open, and the payment is looked up again; after a week a person must look.
fn unclear(attempt: &Attempt, state: State, note: &str, at: &Settling<'_>) -> Result<Settlement, Illegal> {
    let since = attempt.renewal.unknown_since.unwrap_or(attempt.started_at);
    let Some(next) = look_ups::next_unknown(since, at.now) else {
        let reason = format!("no outcome after {} days: {note}", look_ups::REVIEW_AFTER.num_days());
        return Ok(Draft::new(attempt, state, Event::NeedsPerson, at)?.review(reason).finish(|_| ()));
    };
    let look_ups = attempt.renewal.look_ups.saturating_add(1);
    Ok(Draft::new(attempt, state, Event::Unclear, at)?.note(note).finish(|settled| {
        settled.next_look_up_at = Some(next);
        settled.unknown_since = Some(since);
        settled.look_ups = look_ups;
        // Nobody is cut off while their money may have been taken.
        settled.access_until = settled.access_until.max(next + TimeDelta::days(1));
    }))
}

#[cfg(test)]
mod tests;
