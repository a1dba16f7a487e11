//! `resolve`: a person's answer to a renewal under review, held against what the gateway shows.
//!
//! Only a verified payment is ever `paid`: money that is not as ordered (another sum, another key, somebody else's custom
//! data) buys no period by anybody's word. It is given back, or explained; the period is then the API service's to give.

use super::Refusal;
use crate::domain::charge::Attempt;
use crate::domain::claim::RenewalChange;
use crate::domain::draft::Draft;
use crate::domain::event::NewEvent;
use crate::domain::ids::{EventId, PaymentId, RenewalId, SubscriptionId};
use crate::domain::look_ups::{NOT_RECEIVED_AFTER, UNCERTAIN_UNTIL};
use crate::domain::payment::{LookUp, PaymentStatus};
use crate::domain::renewal::{Event, State, transition};
use crate::domain::settle::Settling;
use crate::domain::settlement::Settlement;
use crate::domain::verdict::{Verdict, Verified};
use crate::domain::waiting::late_look_up;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The least that has to be said against the gateway, in characters.
pub const AGAINST_WORDS_MIN: usize = 20;

const STAYS: &str = "nothing was changed: the renewal stays under review, and is not charged";

/// What a person says became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The money was taken, as ordered: the period is given.
    Paid,
    /// Nothing was charged: it ends without money.
    NotCharged,
    /// The money is back with the customer.
    Refunded,
    /// Nothing was charged: it is charged again now.
    Retry,
}

/// A renewal under review, with what its look-ups show.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewFacts {
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub state: State,
    pub cancel_at_period_end: bool,
    /// The subscription still ends where this renewal's period starts.
    pub period_is_next: bool,
    /// Money of it is being given back right now.
    pub refund_is_open: bool,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub period_start: DateTime<Utc>,
    pub access_until: DateTime<Utc>,
    /// One for each payment id that it has or had.
    pub looks: Vec<Look>,
    /// A person speaks against what the gateway shows, and says why.
    pub against: bool,
    pub now: DateTime<Utc>,
}

/// What one payment id shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    pub payment_id: PaymentId,
    pub shows: Shows,
}

/// A look-up, as far as money goes.
#[expect(clippy::large_enum_variant, reason = "a handful of a command's look-ups")]
#[derive(Clone, Debug, PartialEq)]
pub enum Shows {
    /// PAID, everything as ordered.
    Verified(Verified, Attempt),
    /// PAID, and these parts are not as ordered, or nothing was ordered from here.
    OtherMoney(String),
    /// All of it is back.
    AllBack,
    /// A part of it is back; sums in minor units.
    PartBack { cancelled: i64, total: Option<i64> },
    /// It may still become money.
    Waits(String),
    /// No money was taken.
    NoMoney,
    /// Nobody can tell now.
    NoAnswer(String),
}

impl Shows {
    /// What a verdict on an attempt says of money, at `now`.
    pub fn of(verdict: Verdict, attempt: &Attempt, is_open: bool, now: DateTime<Utc>) -> Self {
        let age = now - attempt.started_at;
        match verdict {
            Verdict::Paid(proof) => Self::Verified(proof, attempt.clone()),
            Verdict::Mismatch { parts, .. } => {
                Self::OtherMoney(format!("PAID, and not as ordered: {} differs", parts.join(", ")))
            }
            Verdict::Cancelled { record } if record.status == PaymentStatus::Cancelled.as_str() => Self::AllBack,
            Verdict::Cancelled { record } => Self::PartBack { cancelled: record.cancelled, total: record.total },
            Verdict::Uncertain { decline, .. } if age < UNCERTAIN_UNTIL => {
                Self::Waits(format!("FAILED with {}, which may hide a success", decline.reason.as_str()))
            }
            Verdict::Stale if is_open && age < UNCERTAIN_UNTIL => {
                Self::Waits("FAILED, of an earlier attempt".to_owned())
            }
            Verdict::NotReceived if age < NOT_RECEIVED_AFTER => Self::Waits("not known at the gateway yet".to_owned()),
            Verdict::Declined { .. } | Verdict::Uncertain { .. } | Verdict::Stale | Verdict::NotReceived => {
                Self::NoMoney
            }
            Verdict::Wait { status } => Self::Waits(status),
            Verdict::NoAnswer { why } | Verdict::Unauthorized { why } => Self::NoAnswer(why),
        }
    }

    /// What a look-up of a payment id says that nothing was ever sent under from here.
    pub fn of_unsent(found: &LookUp) -> Self {
        match found {
            LookUp::NotFound => Self::NoMoney,
            LookUp::Failed(why) | LookUp::Unauthorized(why) => Self::NoAnswer(why.clone()),
            LookUp::Found(payment) => match &payment.status {
                PaymentStatus::Failed => Self::NoMoney,
                PaymentStatus::Paid | PaymentStatus::PartialCancelled | PaymentStatus::Cancelled => {
                    Self::OtherMoney(format!("{}, and nothing was sent from here", payment.status.as_str()))
                }
                other => Self::Waits(other.as_str().to_owned()),
            },
        }
    }

    /// The same, where our own books hold money under this payment id that is not all back: what was seen once is not
    /// undone by a gateway that forgot it, or whose look-ups are behind.
    #[must_use]
    pub fn beside_money_on_record(self, status: &str) -> Self {
        match self {
            Self::NoMoney => Self::OtherMoney(format!("no money now, and it was recorded here as {status}")),
            other => other,
        }
    }

    /// For a person, in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Verified(..) => "PAID, as ordered".to_owned(),
            Self::OtherMoney(words) | Self::Waits(words) => words.clone(),
            Self::AllBack => "CANCELLED: all of it is back".to_owned(),
            Self::PartBack { cancelled, total } => {
                format!("PARTIAL_CANCELLED: {cancelled} of {} given back", total.unwrap_or_default())
            }
            Self::NoMoney => "no money taken".to_owned(),
            Self::NoAnswer(why) => format!("no answer ({why})"),
        }
    }
}

/// What is done.
#[expect(clippy::large_enum_variant, reason = "one per command")]
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// The period moves with the proof.
    Paid(Settlement),
    /// The renewal ends; an attempt that is open is closed as not charged.
    Ends(RenewalChange),
    /// It may be charged again: what a retry asks for comes next.
    Retry,
}

/// What becomes of the renewal by a person's `answer`.
///
/// # Errors
/// [`Refusal`], above all where the gateway shows something else.
pub fn decide(answer: Answer, facts: &ReviewFacts, at: &Settling<'_>) -> Result<Resolution, Refusal> {
    let id = facts.renewal_id;
    if facts.state != State::Review {
        return Err(Refusal::new(
            format!("renewal {id} is {}, not under review", facts.state.as_str()),
            "nothing was changed",
        )
        .hint(format!("see it: renewd show {id}")));
    }
    if facts.refund_is_open {
        return Err(Refusal::new(format!("money of renewal {id} is on its way back"), STAYS)
            .hint("every run asks for it until it is back; then answer")
            .for_now());
    }
    if let Some(look) = facts.looks.iter().find(|look| matches!(look.shows, Shows::NoAnswer(_))) {
        return Err(Refusal::new(format!("{} could not be looked up: {}", look.payment_id, look.shows.words()), STAYS)
            .hint("no answer counts without a look-up: try again when the gateway answers")
            .for_now());
    }
    match answer {
        Answer::Paid => paid(facts, at),
        Answer::NotCharged => not_charged(facts, at),
        Answer::Refunded => refunded(facts, at),
        Answer::Retry => retry(facts),
    }
}

fn paid(facts: &ReviewFacts, at: &Settling<'_>) -> Result<Resolution, Refusal> {
    let mut verified = Vec::new();
    for look in &facts.looks {
        match &look.shows {
            Shows::Verified(proof, attempt) => verified.push((proof, attempt)),
            Shows::OtherMoney(_) | Shows::PartBack { .. } => {
                return Err(contradicts("paid", look)
                    .hint(format!("give it back: renewd refund {} --reason …", look.payment_id))
                    .hint("or mend what differs here (a billing key that was deleted, a setting), and answer again")
                    .hint("a period is given by a verified payment only; one that you give all the same is yours to write, \
                           in subscriptions"));
            }
            _ => {}
        }
    }
    let [(proof, attempt)] = verified[..] else {
        if let Some(look) = facts.looks.first().filter(|_| verified.is_empty()) {
            return Err(contradicts("paid", look).hint("if nothing was charged: --as not-charged, or --as retry"));
        }
        let ids: Vec<String> = facts.looks.iter().map(|look| look.payment_id.to_string()).collect();
        return Err(Refusal::new(format!("more than one payment was taken: {}", ids.join(", ")), STAYS)
            .hint("give all but one back first: renewd refund PAYMENT_ID --reason …"));
    };
    if !facts.period_is_next {
        return Err(Refusal::new(
            format!("subscription {} is no longer at this period: the money would buy nothing", facts.subscription_id),
            STAYS,
        )
        .hint(format!("give it back: renewd refund {} --reason …", attempt.renewal.payment_id)));
    }
    let draft = Draft::new(attempt, facts.state, Event::ResolvedPaid, at)
        .map_err(|illegal| Refusal::new(illegal.to_string(), STAYS))?;
    Ok(Resolution::Paid(draft.paid(proof)))
}

fn not_charged(facts: &ReviewFacts, at: &Settling<'_>) -> Result<Resolution, Refusal> {
    for look in &facts.looks {
        let refusal = || contradicts("not-charged", look);
        match &look.shows {
            Shows::Verified(..) => {
                return Err(refusal()
                    .hint("--as paid gives the period")
                    .hint(format!("renewd refund {} --reason … gives the money back", look.payment_id)));
            }
            Shows::AllBack | Shows::PartBack { .. } => {
                return Err(refusal().hint("if all of it is back: --as refunded"));
            }
            Shows::OtherMoney(_) | Shows::Waits(_) if !facts.against => {
                return Err(refusal().hint("--against-gateway \"what you know and it does not\" goes on all the same"));
            }
            _ => {}
        }
    }
    let event = if facts.cancel_at_period_end { Event::ResolvedCanceled } else { Event::ResolvedNotCharged };
    ends(facts, event, at)
}

fn refunded(facts: &ReviewFacts, at: &Settling<'_>) -> Result<Resolution, Refusal> {
    let mut is_back = false;
    for look in &facts.looks {
        let refusal = || contradicts("refunded", look);
        match &look.shows {
            Shows::AllBack => is_back = true,
            Shows::Verified(..) | Shows::OtherMoney(_) | Shows::PartBack { .. } if facts.against => is_back = true,
            Shows::Verified(..) | Shows::OtherMoney(_) | Shows::PartBack { .. } => {
                return Err(refusal()
                    .hint(format!("give it back: renewd refund {} --reason …", look.payment_id))
                    .hint("if it went back another way: --against-gateway \"how, when, and where that can be seen\""));
            }
            Shows::Waits(_) => return Err(refusal().hint("wait until its outcome is known").for_now()),
            Shows::NoMoney | Shows::NoAnswer(_) => {}
        }
    }
    if is_back {
        return ends(facts, Event::Refunded, at);
    }
    Err(Refusal::new("the gateway shows no money that could have been given back", STAYS)
        .hint("if nothing was charged: --as not-charged"))
}

/// Nothing overrules this one: what took money, or may, is never asked for again.
fn retry(facts: &ReviewFacts) -> Result<Resolution, Refusal> {
    for look in &facts.looks {
        match &look.shows {
            Shows::NoMoney => {}
            Shows::Waits(_) | Shows::NoAnswer(_) => {
                return Err(contradicts("retry", look).hint("wait until its outcome is known").for_now());
            }
            Shows::Verified(..) => {
                return Err(contradicts("retry", look).hint("--as paid gives the period"));
            }
            Shows::AllBack => return Err(contradicts("retry", look).hint("--as refunded ends it")),
            Shows::OtherMoney(_) | Shows::PartBack { .. } => {
                return Err(contradicts("retry", look)
                    .hint(format!("give it back: renewd refund {} --reason …", look.payment_id)));
            }
        }
    }
    Ok(Resolution::Retry)
}

fn ends(facts: &ReviewFacts, event: Event, at: &Settling<'_>) -> Result<Resolution, Refusal> {
    let (to, effects) = transition(facts.state, event).map_err(|illegal| Refusal::new(illegal.to_string(), STAYS))?;
    let events = effects.tells.iter().map(|kind| {
        let subject = (&facts.subscription_id, facts.renewal_id, None);
        let payload = json!({
            "amount": facts.amount,
            "currency": facts.currency,
            "access_until": to.access_until(facts.period_start, facts.access_until),
            "by": "a person",
        });
        NewEvent::of_renewal(EventId((at.new_id)()), *kind, subject, payload, at.now).each_time()
    });
    // Against a gateway that shows nothing but somebody else's money there is nothing more to look for.
    let is_settled = facts.looks.iter().all(|look| matches!(look.shows, Shows::OtherMoney(_)));
    Ok(Resolution::Ends(RenewalChange {
        renewal_id: facts.renewal_id,
        from: facts.state,
        to,
        next_attempt_at: None,
        next_look_up_at: late_look_up(to, at.now).filter(|_| !is_settled),
        waits_for_key: false,
        waited_for_key: false,
        access_until: None,
        review_reason: None,
        events: events.collect(),
    }))
}

fn contradicts(said: &str, look: &Look) -> Refusal {
    let what = format!(
        "the gateway says otherwise: {} cannot be answered as {said}, it shows {}",
        look.payment_id,
        look.shows.words()
    );
    Refusal::new(what, STAYS)
}

#[cfg(test)]
mod tests;
