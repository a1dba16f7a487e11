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
    /// A person said so.
    ByHand,
}

impl RefundReason {
    pub const ALL: [Self; 3] = [Self::Late, Self::CanceledDuringCharge, Self::ByHand];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::CanceledDuringCharge => "canceled_during_charge",
            Self::ByHand => "by_hand",
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
            Self::ByHand => "given back by hand",
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

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Wanted, Self::Requested, Self::Done, Self::Failed].into_iter().find(|state| state.as_str() == word)
    }
}

/// A refund as it is decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewRefund {
    pub payment_id: PaymentId,
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    /// Minor units: what is given back.
    pub amount: i64,
    pub currency: String,
    pub reason: RefundReason,
    /// Fixed for as long as the refund lives.
    pub idempotency_key: String,
    /// Counts from 1 within the payment.
    pub number: u32,
    /// Tells a person's refunds of one payment apart; empty where a rule gives back.
    pub reference: String,
    /// What the gateway showed as given back when this was decided, in minor units.
    pub back_before: i64,
    /// What of the payment stays after this, in minor units.
    pub left_after: i64,
    /// What the gateway is told as the reason, where a person gave one.
    pub told: Option<String>,
    /// With this, no money of the renewal stays.
    pub ends_renewal: bool,
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
            idempotency_key: idempotency_key(&renewal.payment_id, 1),
            number: 1,
            reference: String::new(),
            back_before: 0,
            left_after: 0,
            told: None,
            ends_renewal: true,
        }
    }

    /// As it is asked for the first time, of a renewal in `state`.
    pub fn asked_first(&self, state: State, now: DateTime<Utc>) -> RefundFacts {
        RefundFacts {
            payment_id: self.payment_id.clone(),
            renewal_id: self.renewal_id,
            subscription_id: self.subscription_id.clone(),
            amount: self.amount,
            currency: self.currency.clone(),
            reason: self.reason,
            idempotency_key: self.idempotency_key.clone(),
            number: self.number,
            back_before: self.back_before,
            left_after: self.left_after,
            told: self.told.clone(),
            ends_renewal: self.ends_renewal,
            tries: 0,
            wanted_at: now,
            renewal_state: state,
        }
    }
}

/// Under which one refund of a payment is asked for, however often.
pub fn idempotency_key(payment: &PaymentId, number: u32) -> String {
    format!("{payment}-refund-{number}")
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
    pub number: u32,
    /// What was given back before, in minor units.
    pub back_before: i64,
    /// What of the payment stays after this, in minor units.
    pub left_after: i64,
    pub told: Option<String>,
    pub ends_renewal: bool,
    /// Tries before this one.
    pub tries: u32,
    pub wanted_at: DateTime<Utc>,
    pub renewal_state: State,
}

impl RefundFacts {
    /// All that is there goes back.
    pub fn is_whole(&self) -> bool {
        self.left_after == 0
    }

    /// What must still be there for this to go through: nobody else gave anything back since it was decided.
    pub fn cancellable(&self) -> i64 {
        self.amount.saturating_add(self.left_after)
    }

    /// What the gateway shows as given back once this is.
    fn back_after(&self) -> i64 {
        self.back_before.saturating_add(self.amount)
    }

    pub fn told_gateway(&self) -> &str {
        self.told.as_deref().unwrap_or(self.reason.told_gateway())
    }
}

/// What asking led to.
#[derive(Clone, Debug, PartialEq)]
pub struct RefundChange {
    pub payment_id: PaymentId,
    pub number: u32,
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
    let (shown, can_turn) = match shown(facts, found) {
        Shown::Back => {
            let note = if facts.is_whole() { "all of it is back" } else { "this part of it is back" };
            return change(facts, RefundState::Done, note.to_owned(), now, new_id);
        }
        Shown::NotBack(shown) => (shown, true),
        Shown::OtherSum(shown) => (shown, false),
    };
    let note = cut(&format!("{asked}; {shown}"));
    // What no look-up showed is not known, and is asked again however long it takes.
    let is_too_long = now - facts.wanted_at >= GIVE_UP_AFTER && matches!(found, LookUp::Found(_));
    let to = if is_too_long || !can_turn { RefundState::Failed } else { RefundState::Requested };
    change(facts, to, note, now, new_id)
}

/// What a look-up shows of a refund.
enum Shown {
    Back,
    /// Instead of what is asked for.
    NotBack(String),
    /// Somebody else gave back another sum: the gateway refuses this one for ever.
    OtherSum(String),
}

fn shown(facts: &RefundFacts, found: &LookUp) -> Shown {
    let payment = match found {
        LookUp::Found(payment) if payment.id == facts.payment_id.as_str() => payment,
        LookUp::Found(_) => return Shown::NotBack("the look-up answered with another payment".to_owned()),
        LookUp::NotFound => return Shown::NotBack("the look-up does not find it".to_owned()),
        LookUp::Unauthorized(why) | LookUp::Failed(why) => return Shown::NotBack(format!("the look-up failed: {why}")),
    };
    let is_back = match (&payment.status, facts.is_whole()) {
        (PaymentStatus::Cancelled, true) => payment.cancelled >= facts.back_after(),
        (PaymentStatus::PartialCancelled, false) => payment.cancelled == facts.back_after(),
        _ => false,
    };
    if is_back {
        return Shown::Back;
    }
    let shown = format!("{} with {} given back", payment.status.as_str(), payment.cancelled);
    if facts.reason == RefundReason::ByHand && payment.cancelled != facts.back_before {
        return Shown::OtherSum(format!("{shown}, by somebody else since this was decided"));
    }
    Shown::NotBack(shown)
}

fn change(
    facts: &RefundFacts,
    to: RefundState,
    note: String,
    now: DateTime<Utc>,
    new_id: &dyn Fn() -> Uuid,
) -> RefundChange {
    let (event, kind) = match to {
        RefundState::Done => (facts.ends_renewal.then_some(Event::Refunded), Some(EventKind::PaymentRefunded)),
        RefundState::Failed => (Some(Event::NeedsPerson), Some(EventKind::RenewalReview)),
        RefundState::Wanted | RefundState::Requested => (None, None),
    };
    let asked = match now - facts.wanted_at {
        long if long >= GIVE_UP_AFTER => format!("not given back after {} days of asking", GIVE_UP_AFTER.num_days()),
        _ => "not given back".to_owned(),
    };
    let review_reason = (to == RefundState::Failed).then(|| cut(&format!("{asked}: {note}")));
    // Where somebody moved the renewal meanwhile, what became of the money is told all the same.
    let step = event.and_then(|event| transition(facts.renewal_state, event).ok());
    let tell = |kind| self::event(facts, kind, review_reason.as_deref(), now, new_id);
    let again = AGAIN_AFTER[(facts.tries as usize).min(AGAIN_AFTER.len() - 1)];
    RefundChange {
        payment_id: facts.payment_id.clone(),
        number: facts.number,
        renewal_id: facts.renewal_id,
        to,
        next_try_at: (to == RefundState::Requested).then(|| now + again),
        note,
        renewal: step.map(|(state, _)| (facts.renewal_state, state)),
        events: kind.map(tell).into_iter().collect(),
        review_reason,
    }
}

/// Told once per refund: a renewal can have had several payments, and a payment several refunds.
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
        "left": facts.left_after,
        "reason": facts.reason,
        "review_reason": review_reason,
    });
    let subject = (&facts.subscription_id, facts.renewal_id, None);
    let event = NewEvent::of_renewal(EventId(new_id()), kind, subject, payload, now);
    let number = if facts.number == 1 { String::new() } else { format!(":{}", facts.number) };
    NewEvent { dedupe: format!("{}:{}:refund{number}", kind.as_str(), facts.payment_id), ..event }
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
        RefundFacts { tries, ..new.asked_first(State::Canceled, now()) }
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

    /// 10,000 of 55,000, after 5,000 went back before.
    fn part() -> RefundFacts {
        RefundFacts {
            amount: 10_000,
            reason: RefundReason::ByHand,
            number: 2,
            back_before: 5_000,
            left_after: 40_000,
            ends_renewal: false,
            renewal_state: State::Paid,
            ..facts(0)
        }
    }

    #[test]
    fn a_part_is_back_when_the_sum_says_so_and_leaves_the_renewal_paid() {
        assert_eq!(part().cancellable(), 50_000);
        let done = decided(&part(), &back(PaymentStatus::PartialCancelled, 15_000), TimeDelta::zero());
        assert_eq!((done.to, done.renewal, done.number), (RefundState::Done, None, 2));
        assert_eq!(
            (done.events[0].dedupe.as_str(), &done.events[0].payload["left"]),
            ("payment.refunded:rn00:refund:2", &40_000.into())
        );
        let waits = decided(&part(), &back(PaymentStatus::PartialCancelled, 5_000), TimeDelta::zero());
        assert_eq!(waits.to, RefundState::Requested);
    }

    #[test]
    fn another_sum_given_back_meanwhile_ends_a_persons_refund_at_once() {
        for (status, cancelled) in [
            (PaymentStatus::PartialCancelled, 6_000),
            (PaymentStatus::PartialCancelled, 21_000),
            (PaymentStatus::Cancelled, 55_000),
        ] {
            let failed = decided(&part(), &back(status, cancelled), TimeDelta::zero());
            assert_eq!((failed.to, failed.next_try_at, failed.renewal), (RefundState::Failed, None, None));
            assert!(failed.review_reason.unwrap().contains("somebody else"));
            assert_eq!(failed.events[0].kind, EventKind::RenewalReview);
        }
        let whole = RefundFacts { amount: 50_000, left_after: 0, ends_renewal: true, ..part() };
        let done = decided(&whole, &back(PaymentStatus::Cancelled, 55_000), TimeDelta::zero());
        assert_eq!((done.to, done.renewal), (RefundState::Done, Some((State::Paid, State::Refunded))));
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for reason in RefundReason::ALL {
            assert_eq!(RefundReason::parse(reason.as_str()), Some(reason));
        }
    }
}
