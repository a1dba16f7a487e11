//! Giving back money that nobody wants to have paid: decided with the settlement that found it, asked for until a look-up
//! shows that it is back, and then put before a person.
//!
//! Each refund has one fixed idempotency key, and asks for the whole amount only while the whole amount is there: asking
//! again, by whomever and however often, gives back no more.

use super::charge::Attempt;
use super::event::{EventKind, NewEvent};
use super::ids::{EventId, PaymentId, RenewalId, SubscriptionId};
use super::payment::{LookUp, PaymentStatus};
use super::policy::Policy;
use super::renewal::{Event, State, transition};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// After this long a refund that did not get through is put before a person.
pub const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(5);

/// Between one try and the next, by how many there were; the last one repeats. The gateway answers the same key in the
/// same way for three hours, so a refusal can only turn after that: the early tries are for answers that were lost.
const AGAIN_AFTER: [TimeDelta; 5] =
    [TimeDelta::minutes(10), TimeDelta::hours(1), TimeDelta::hours(4), TimeDelta::hours(12), TimeDelta::days(1)];

/// The longest note that is kept, in characters.
const NOTE_MAX: usize = 256;

/// Why money is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// It turned up when its renewal was over, and nobody wants the period any more.
    Late,
    /// The customer cancelled when it was being charged already.
    CanceledDuringCharge,
}

impl RefundReason {
    pub const ALL: [Self; 2] = [Self::Late, Self::CanceledDuringCharge];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::CanceledDuringCharge => "canceled_during_charge",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// What the gateway keeps as the reason: people read it in its console.
    pub fn told_gateway(self) -> &'static str {
        match self {
            Self::Late => "approved after its renewal had ended",
            Self::CanceledDuringCharge => "the subscription was cancelled while it was being charged",
        }
    }
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Not asked for yet.
    Wanted,
    /// Asked for at least once, and not seen to be back.
    Requested,
    /// A look-up showed that all of it is back.
    Done,
    /// Given up: a person must look.
    Failed,
}

impl RefundState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Requested => "requested",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// A refund as it is decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewRefund {
    pub payment_id: PaymentId,
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    /// Minor units: all that was taken.
    pub amount: i64,
    pub currency: String,
    pub reason: RefundReason,
    /// Fixed for as long as the refund lives.
    pub idempotency_key: String,
}

impl NewRefund {
    /// Gives back what `attempt` charged.
    pub fn of(attempt: &Attempt, reason: RefundReason) -> Self {
        let renewal = &attempt.renewal;
        Self {
            payment_id: renewal.payment_id.clone(),
            renewal_id: renewal.id,
            subscription_id: renewal.subscription_id.clone(),
            amount: renewal.amount.minor(),
            currency: renewal.amount.currency().code().to_owned(),
            reason,
            idempotency_key: format!("{}-refund-1", renewal.payment_id),
        }
    }
}

/// A refund that is to be asked for now.
#[derive(Clone, Debug, PartialEq)]
pub struct RefundFacts {
    pub payment_id: PaymentId,
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    /// Minor units.
    pub amount: i64,
    pub currency: String,
    pub reason: RefundReason,
    pub idempotency_key: String,
    /// Tries before this one.
    pub tries: u32,
    pub wanted_at: DateTime<Utc>,
    pub renewal_state: State,
}

/// What asking led to.
#[derive(Clone, Debug, PartialEq)]
pub struct RefundChange {
    pub payment_id: PaymentId,
    pub renewal_id: RenewalId,
    pub to: RefundState,
    /// `None` once it is over.
    pub next_try_at: Option<DateTime<Utc>>,
    /// The gateway's last word, for the timeline.
    pub note: String,
    /// The renewal's step, written only if it is still in the first of these states.
    pub renewal: Option<(State, State)>,
    pub review_reason: Option<String>,
    pub events: Vec<NewEvent>,
}

/// Whether nobody wants the period any more that late money would buy.
///
/// Where late money is given back, a subscription that ended or moved on meanwhile (`period_is_next` is false) does not
/// want it either: its customer was told that it is over.
pub fn is_unwanted(policy: &Policy, canceled: bool, period_is_next: bool) -> bool {
    canceled || (policy.refund_late && !period_is_next)
}

/// What is recorded after the gateway was asked to give the money back (`asked` is what it said) and the payment was
/// looked up again. Only the look-up decides.
pub fn decide(
    facts: &RefundFacts,
    asked: &str,
    found: &LookUp,
    now: DateTime<Utc>,
    new_id: &dyn Fn() -> Uuid,
) -> RefundChange {
    let shown = shown(facts, found);
    if shown.is_none() {
        return change(facts, RefundState::Done, "all of it is back".to_owned(), now, new_id);
    }
    let note = cut(&format!("{asked}; {}", shown.unwrap_or_default()));
    // What no look-up showed is not known, and is asked again however long it takes.
    if now - facts.wanted_at >= GIVE_UP_AFTER && matches!(found, LookUp::Found(_)) {
        return change(facts, RefundState::Failed, note, now, new_id);
    }
    change(facts, RefundState::Requested, note, now, new_id)
}

/// What the look-up shows instead of the whole amount given back; `None` where it is back.
fn shown(facts: &RefundFacts, found: &LookUp) -> Option<String> {
    let payment = match found {
        LookUp::Found(payment) if payment.id == facts.payment_id.as_str() => payment,
        LookUp::Found(_) => return Some("the look-up answered with another payment".to_owned()),
        LookUp::NotFound => return Some("the look-up does not find it".to_owned()),
        LookUp::Unauthorized(why) | LookUp::Failed(why) => return Some(format!("the look-up failed: {why}")),
    };
    let is_back = payment.status == PaymentStatus::Cancelled && payment.cancelled >= facts.amount;
    (!is_back).then(|| format!("{} with {} given back", payment.status.as_str(), payment.cancelled))
}

fn change(
    facts: &RefundFacts,
    to: RefundState,
    note: String,
    now: DateTime<Utc>,
    new_id: &dyn Fn() -> Uuid,
) -> RefundChange {
    let (event, kind) = match to {
        RefundState::Done => (Some(Event::Refunded), Some(EventKind::PaymentRefunded)),
        RefundState::Failed => (Some(Event::NeedsPerson), Some(EventKind::RenewalReview)),
        RefundState::Wanted | RefundState::Requested => (None, None),
    };
    let days = GIVE_UP_AFTER.num_days();
    let review_reason =
        (to == RefundState::Failed).then(|| cut(&format!("not given back after {days} days of asking: {note}")));
    // Where somebody moved the renewal meanwhile, what became of the money is told all the same.
    let step = event.and_then(|event| transition(facts.renewal_state, event).ok());
    let tell = |kind| self::event(facts, kind, review_reason.as_deref(), now, new_id);
    let again = AGAIN_AFTER[(facts.tries as usize).min(AGAIN_AFTER.len() - 1)];
    RefundChange {
        payment_id: facts.payment_id.clone(),
        renewal_id: facts.renewal_id,
        to,
        next_try_at: (to == RefundState::Requested).then(|| now + again),
        note,
        renewal: step.map(|(state, _)| (facts.renewal_state, state)),
        events: kind.map(tell).into_iter().collect(),
        review_reason,
    }
}

/// Told once per payment: a renewal can have had several.
fn event(
    facts: &RefundFacts,
    kind: EventKind,
    review_reason: Option<&str>,
    now: DateTime<Utc>,
    new_id: &dyn Fn() -> Uuid,
) -> NewEvent {
    let payload = json!({
        "amount": facts.amount,
        "currency": facts.currency,
        "payment_id": facts.payment_id,
        "reason": facts.reason,
        "review_reason": review_reason,
    });
    let subject = (&facts.subscription_id, facts.renewal_id, None);
    let event = NewEvent::of_renewal(EventId(new_id()), kind, subject, payload, now);
    NewEvent { dedupe: format!("{}:{}:refund", kind.as_str(), facts.payment_id), ..event }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(NOTE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{attempt, found, ids, now, payment, policy};
    use crate::domain::payment::Payment;

    fn facts(tries: u32) -> RefundFacts {
        let new = NewRefund::of(&attempt(), RefundReason::Late);
        RefundFacts {
            payment_id: new.payment_id,
            renewal_id: new.renewal_id,
            subscription_id: new.subscription_id,
            amount: new.amount,
            currency: new.currency,
            reason: new.reason,
            idempotency_key: new.idempotency_key,
            tries,
            wanted_at: now(),
            renewal_state: State::Canceled,
        }
    }

    fn back(status: PaymentStatus, cancelled: i64) -> LookUp {
        found(Payment { cancelled, ..payment(status) })
    }

    fn decided(facts: &RefundFacts, found: &LookUp, after: TimeDelta) -> RefundChange {
        decide(facts, "200", found, now() + after, &ids())
    }

    #[test]
    fn the_key_never_changes_and_the_amount_is_all_that_was_taken() {
        let new = NewRefund::of(&attempt(), RefundReason::CanceledDuringCharge);
        assert_eq!((new.idempotency_key.as_str(), new.amount, new.currency.as_str()), ("rn00-refund-1", 55_000, "KRW"));
    }

    #[test]
    fn only_a_look_up_that_shows_all_of_it_back_ends_a_refund() {
        let done = decided(&facts(0), &back(PaymentStatus::Cancelled, 55_000), TimeDelta::zero());
        assert_eq!((done.to, done.next_try_at), (RefundState::Done, None));
        assert_eq!(done.renewal, Some((State::Canceled, State::Refunded)));
        assert_eq!(done.events[0].kind, EventKind::PaymentRefunded);
        let other = Payment { id: "rn99".into(), cancelled: 55_000, ..payment(PaymentStatus::Cancelled) };
        for unclear in [
            back(PaymentStatus::Paid, 0),
            back(PaymentStatus::Paid, 55_000),
            back(PaymentStatus::Cancelled, 54_999),
            back(PaymentStatus::PartialCancelled, 100),
            found(other),
            LookUp::NotFound,
            LookUp::Failed("reset".into()),
        ] {
            let again = decided(&facts(0), &unclear, TimeDelta::zero());
            assert_eq!(again.to, RefundState::Requested, "{unclear:?}");
            assert_eq!((again.next_try_at, again.renewal), (Some(now() + TimeDelta::minutes(10)), None));
            assert!(again.events.is_empty());
        }
    }

    #[test]
    fn it_is_asked_for_less_and_less_often() {
        let hours = |tries| {
            let next = decided(&facts(tries), &back(PaymentStatus::Paid, 0), TimeDelta::zero()).next_try_at.unwrap();
            (next - now()).num_hours()
        };
        assert_eq!([0, 1, 2, 3, 4, 5, 99].map(hours), [0, 1, 4, 12, 24, 24, 24]);
    }

    #[test]
    fn after_five_days_a_person_must_look_and_is_told() {
        let paid = back(PaymentStatus::Paid, 0);
        let early = decided(&facts(9), &paid, GIVE_UP_AFTER - TimeDelta::seconds(1));
        assert_eq!(early.to, RefundState::Requested);
        let late = decided(&facts(9), &paid, GIVE_UP_AFTER);
        assert_eq!((late.to, late.next_try_at), (RefundState::Failed, None));
        assert_eq!(late.renewal, Some((State::Canceled, State::Review)));
        assert_eq!(late.events[0].kind, EventKind::RenewalReview);
        assert!(late.review_reason.unwrap().contains("PAID with 0 given back"));
        let back = back(PaymentStatus::Cancelled, 55_000);
        assert_eq!(decided(&facts(9), &back, GIVE_UP_AFTER).to, RefundState::Done, "money that is back is back");
    }

    #[test]
    fn a_renewal_that_a_person_moved_stays_where_it_is_and_the_money_is_told() {
        let moved = RefundFacts { renewal_state: State::Due, ..facts(0) };
        let done = decided(&moved, &back(PaymentStatus::Cancelled, 55_000), TimeDelta::zero());
        assert_eq!((done.to, done.renewal, done.events.len()), (RefundState::Done, None, 1));
    }

    #[test]
    fn a_period_is_wanted_as_long_as_its_subscription_stands_before_it() {
        let give_back = Policy { refund_late: true, ..policy() };
        assert!(is_unwanted(&policy(), true, true) && is_unwanted(&give_back, true, true));
        assert!(is_unwanted(&give_back, false, false), "downgraded, or moved on");
        assert!(!is_unwanted(&policy(), false, false), "as it was where nothing is given back");
        assert!(!is_unwanted(&give_back, false, true));
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for reason in RefundReason::ALL {
            assert_eq!(RefundReason::parse(reason.as_str()), Some(reason));
        }
    }
}
