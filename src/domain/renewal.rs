//! The state machine of a renewal: every transition there is, as one pure function.
//!
//! What is absent on purpose: no transition leaves `unknown` because time passed, and none leaves `paid`, `refunded`
//! or `review` without a person's command.

use super::attempt::AttemptState;
use super::event::EventKind;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Where a renewal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its next attempt, or for a new billing key.
    Due,
    /// Claimed under a lease; its attempt is open.
    Charging,
    /// The outcome of its open attempt is not known; waits for a look-up.
    Unknown,
    /// Paid, verified, and the period moved.
    Paid,
    /// The ladder or the grace is over.
    Failed,
    /// The customer cancelled before it was charged.
    Canceled,
    /// Found too late to be charged by surprise.
    Lapsed,
    /// A person must look.
    Review,
    /// Paid and given back.
    Refunded,
}

impl State {
    pub const ALL: [Self; 9] = [
        Self::Due,
        Self::Charging,
        Self::Unknown,
        Self::Paid,
        Self::Failed,
        Self::Canceled,
        Self::Lapsed,
        Self::Review,
        Self::Refunded,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Charging => "charging",
            Self::Unknown => "unknown",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Lapsed => "lapsed",
            Self::Review => "review",
            Self::Refunded => "refunded",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Money may still be collected without a person's doing.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Due | Self::Charging | Self::Unknown)
    }

    /// Until when a customer whose period ends at `period_start` has access, as `subscription_access` shows it: through
    /// the grace only where the next period may still be paid.
    pub fn access_until(self, period_start: DateTime<Utc>, grace_end: DateTime<Utc>) -> DateTime<Utc> {
        if self.is_open() || self == Self::Review { period_start.max(grace_end) } else { period_start }
    }
}

/// What can happen to a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A worker takes it, and commits an attempt with it.
    Claimed,
    /// A worker takes over what another one left.
    TakenOver,
    /// The attempt was proved not to have been charged: nothing else changed.
    GivenBack,
    /// Our configuration or rules were refused; it may be tried again.
    RefusedForNow,
    /// A look-up showed the money, and everything matched.
    Paid,
    /// A look-up showed the money, and nobody wants the period any more: it is given back.
    PaidUnwanted,
    /// A definite decline; a later attempt is planned.
    DeclinedWillRetry,
    /// A definite decline; nothing more with this billing key.
    DeclinedAwaitsKey,
    /// A definite decline, and the ladder is over.
    DeclinedForGood,
    /// A definite decline, and the customer cancelled meanwhile: nothing more is tried.
    DeclinedCanceled,
    /// No answer; the attempt stays open.
    Unclear,
    /// A human must look: a mismatch, a refusal that is not the customer's, a row that cannot be read.
    NeedsPerson,
    /// Never tried, and by now too long over to be charged by surprise.
    TooLate,
    /// The customer cancelled.
    CancelSeen,
    /// The attempt was not received, and the customer cancelled meanwhile.
    CanceledUncharged,
    /// The customer changed their mind before the period ended.
    Resumed,
    /// There is no usable billing key.
    KeyMissing,
    /// There is a usable billing key again.
    KeyArrived,
    /// The grace ended while it waited.
    GraceOver,
    /// It had as many attempts as the card networks allow.
    AttemptsOver,
    /// Its billing key had its attempt of the day for another renewal.
    KeyRests,
    /// The money was given back, whole.
    Refunded,
    /// A person's command: charge it, whatever its ladder says.
    RetryCommanded,
    /// A person's answer to a review: the money is there, as a look-up verified.
    ResolvedPaid,
    /// A person's answer to a review: nothing was charged, and nothing more is tried.
    ResolvedNotCharged,
    /// The same, and the customer had cancelled.
    ResolvedCanceled,
}

impl Event {
    pub const ALL: [Self; 26] = [
        Self::Claimed,
        Self::TakenOver,
        Self::GivenBack,
        Self::RefusedForNow,
        Self::Paid,
        Self::PaidUnwanted,
        Self::DeclinedWillRetry,
        Self::DeclinedAwaitsKey,
        Self::DeclinedForGood,
        Self::DeclinedCanceled,
        Self::Unclear,
        Self::NeedsPerson,
        Self::TooLate,
        Self::CancelSeen,
        Self::CanceledUncharged,
        Self::Resumed,
        Self::KeyMissing,
        Self::KeyArrived,
        Self::GraceOver,
        Self::AttemptsOver,
        Self::KeyRests,
        Self::Refunded,
        Self::RetryCommanded,
        Self::ResolvedPaid,
        Self::ResolvedNotCharged,
        Self::ResolvedCanceled,
    ];
}

/// What a transition brings with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    /// What becomes of the open attempt; `None` leaves the attempts alone.
    pub attempt: Option<AttemptState>,
    /// The subscription's period moves: only ever with a verified payment.
    pub moves_period: bool,
    /// What is told.
    pub tells: &'static [EventKind],
}

const SILENT: Effects = Effects { attempt: None, moves_period: false, tells: &[] };

const fn closes(attempt: AttemptState, tells: &'static [EventKind]) -> Effects {
    Effects { attempt: Some(attempt), moves_period: false, tells }
}

const fn tells(tells: &'static [EventKind]) -> Effects {
    Effects { attempt: None, moves_period: false, tells }
}

/// This event cannot happen in this state: a bug in renewd, or a row edited by hand. Nothing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a renewal that is {} cannot take the step {event:?}; nothing was changed", state.as_str())]
pub struct Illegal {
    pub state: State,
    pub event: Event,
}

/// The state after `event`, and what comes with it.
///
/// # Errors
/// [`Illegal`] for every pair that has no transition.
pub fn transition(state: State, event: Event) -> Result<(State, Effects), Illegal> {
    use State::{Canceled, Charging, Due, Failed, Lapsed, Paid, Refunded, Review, Unknown};
    Ok(match (state, event) {
        (Due, Event::Claimed) => (Charging, SILENT),
        (Charging | Unknown, Event::TakenOver) => (Charging, SILENT),
        (Charging, Event::GivenBack) => (Due, closes(AttemptState::NotCharged, &[])),
        (Charging, Event::RefusedForNow) => (Due, closes(AttemptState::Refused, &[])),

        (Charging, Event::Paid) => (Paid, PAID),
        // Money that turns up late is money: only a verified look-up brings this event.
        (Due | Failed | Canceled | Lapsed, Event::Paid) => (Paid, PAID_LATE),

        // By the time the money was there nobody wanted the period: the renewal ends as if it had not been charged, and
        // becomes `refunded` when the money is back.
        (Charging, Event::PaidUnwanted) => (Canceled, closes(AttemptState::Paid, &[EventKind::RenewalCanceled])),
        (Due, Event::PaidUnwanted) => (Canceled, tells(&[EventKind::RenewalCanceled])),
        (Failed | Canceled | Lapsed, Event::PaidUnwanted) => (state, SILENT),

        (Charging, Event::DeclinedWillRetry) => (Due, closes(AttemptState::Declined, &[EventKind::RenewalDeclined])),
        (Charging, Event::DeclinedAwaitsKey) => {
            (Due, closes(AttemptState::Declined, &[EventKind::RenewalDeclined, EventKind::BillingKeyMissing]))
        }
        (Charging, Event::DeclinedForGood) => {
            (Failed, closes(AttemptState::Declined, &[EventKind::RenewalDeclined, EventKind::RenewalFailed]))
        }

        // One message: what was declined is no matter to somebody who left.
        (Charging, Event::DeclinedCanceled) => {
            (Canceled, closes(AttemptState::Declined, &[EventKind::RenewalCanceled]))
        }

        // The attempt stays open: until a look-up tells, no other may start.
        (Charging, Event::Unclear) => (Unknown, SILENT),

        (Charging, Event::NeedsPerson) => (Review, closes(AttemptState::Refused, &[EventKind::RenewalReview])),
        // Money that turns up for one that is under review stays with that person.
        (Due | Failed | Canceled | Lapsed | Review, Event::NeedsPerson) => (Review, tells(&[EventKind::RenewalReview])),

        (Due, Event::TooLate) => (Lapsed, tells(&[EventKind::RenewalLapsed])),
        (Due, Event::CancelSeen) => (Canceled, tells(&[EventKind::RenewalCanceled])),
        (Charging, Event::CanceledUncharged) => {
            (Canceled, closes(AttemptState::NotCharged, &[EventKind::RenewalCanceled]))
        }
        (Canceled, Event::Resumed) => (Due, SILENT),
        (Due, Event::KeyMissing) => (Due, tells(&[EventKind::BillingKeyMissing])),
        (Due, Event::KeyArrived | Event::KeyRests) => (Due, SILENT),
        (Due, Event::GraceOver | Event::AttemptsOver) => (Failed, tells(&[EventKind::RenewalFailed])),

        (Paid | Failed | Canceled | Lapsed | Review, Event::Refunded) => {
            (Refunded, tells(&[EventKind::PaymentRefunded]))
        }
        (Due | Failed | Lapsed | Review, Event::RetryCommanded) => (Due, SILENT),

        // An attempt that a review left open is closed by the person's answer; one that is closed stays as it is.
        (Review, Event::ResolvedPaid) => (Paid, PAID),
        (Review, Event::ResolvedNotCharged) => (Failed, tells(&[EventKind::RenewalFailed])),
        (Review, Event::ResolvedCanceled) => (Canceled, tells(&[EventKind::RenewalCanceled])),
        _ => return Err(Illegal { state, event }),
    })
}

const PAID: Effects =
    Effects { attempt: Some(AttemptState::Paid), moves_period: true, tells: &[EventKind::RenewalPaid] };
const PAID_LATE: Effects = Effects { attempt: None, moves_period: true, tells: &[EventKind::RenewalPaid] };

#[cfg(test)]
mod tests {
    use super::*;

    fn legal() -> impl Iterator<Item = (State, Event, State, Effects)> {
        State::ALL.into_iter().flat_map(|state| {
            Event::ALL
                .into_iter()
                .filter_map(move |event| transition(state, event).ok().map(|(to, effects)| (state, event, to, effects)))
        })
    }

    #[test]
    fn only_a_verified_payment_moves_a_period_or_ends_as_paid() {
        for (from, event, to, effects) in legal() {
            let paid = matches!(event, Event::Paid | Event::ResolvedPaid);
            assert_eq!(effects.moves_period, paid, "{from:?} {event:?}");
            assert_eq!(to == State::Paid, paid, "{from:?} {event:?}");
        }
    }

    #[test]
    fn nothing_but_a_person_leaves_paid_refunded_or_review() {
        for (from, event, to, _) in legal() {
            if from != to && matches!(from, State::Paid | State::Refunded | State::Review) {
                let by_a_person = [
                    Event::Refunded,
                    Event::RetryCommanded,
                    Event::ResolvedPaid,
                    Event::ResolvedNotCharged,
                    Event::ResolvedCanceled,
                ];
                assert!(by_a_person.contains(&event), "{from:?} {event:?}");
            }
        }
        assert!(transition(State::Paid, Event::RetryCommanded).is_err(), "a paid renewal is never charged again");
    }

    #[test]
    fn an_attempt_is_closed_by_leaving_charging_except_into_unknown() {
        for (from, event, to, effects) in legal() {
            let leaves = from == State::Charging && to != State::Charging && to != State::Unknown;
            let resolved = event == Event::ResolvedPaid;
            assert_eq!(effects.attempt.is_some(), leaves || resolved, "{from:?} {event:?} {to:?}");
        }
    }

    #[test]
    fn unknown_is_left_only_by_taking_it_over_to_look() {
        let exits: Vec<Event> =
            legal().filter(|(from, ..)| *from == State::Unknown).map(|(_, event, ..)| event).collect();
        assert_eq!(exits, [Event::TakenOver]);
    }

    #[test]
    fn a_decline_is_invented_by_nothing_but_a_decline() {
        for (from, event, _, effects) in legal() {
            let declined = effects.attempt == Some(AttemptState::Declined);
            let said_so = matches!(
                event,
                Event::DeclinedWillRetry | Event::DeclinedAwaitsKey | Event::DeclinedForGood | Event::DeclinedCanceled
            );
            assert_eq!(declined, said_so, "{from:?} {event:?}");
        }
    }

    /// Every transition there is: state, event, state.
    const TABLE: [&str; 47] = [
        "due Claimed charging",
        "due Paid paid",
        "due PaidUnwanted canceled",
        "due NeedsPerson review",
        "due TooLate lapsed",
        "due CancelSeen canceled",
        "due KeyMissing due",
        "due KeyArrived due",
        "due GraceOver failed",
        "due AttemptsOver failed",
        "due KeyRests due",
        "due RetryCommanded due",
        "charging TakenOver charging",
        "charging GivenBack due",
        "charging RefusedForNow due",
        "charging Paid paid",
        "charging PaidUnwanted canceled",
        "charging DeclinedWillRetry due",
        "charging DeclinedAwaitsKey due",
        "charging DeclinedForGood failed",
        "charging DeclinedCanceled canceled",
        "charging Unclear unknown",
        "charging NeedsPerson review",
        "charging CanceledUncharged canceled",
        "unknown TakenOver charging",
        "paid Refunded refunded",
        "failed Paid paid",
        "failed PaidUnwanted failed",
        "failed NeedsPerson review",
        "failed Refunded refunded",
        "failed RetryCommanded due",
        "canceled Paid paid",
        "canceled PaidUnwanted canceled",
        "canceled NeedsPerson review",
        "canceled Resumed due",
        "canceled Refunded refunded",
        "lapsed Paid paid",
        "lapsed PaidUnwanted lapsed",
        "lapsed NeedsPerson review",
        "lapsed Refunded refunded",
        "lapsed RetryCommanded due",
        "review NeedsPerson review",
        "review Refunded refunded",
        "review RetryCommanded due",
        "review ResolvedPaid paid",
        "review ResolvedNotCharged failed",
        "review ResolvedCanceled canceled",
    ];

    #[test]
    fn the_whole_table() {
        let table: Vec<String> =
            legal().map(|(from, event, to, _)| format!("{} {event:?} {}", from.as_str(), to.as_str())).collect();
        assert_eq!(table.join(", "), TABLE.join(", "));
        assert!(transition(State::Charging, Event::Claimed).is_err(), "a claimed renewal is not claimed again");
        assert!(transition(State::Unknown, Event::Claimed).is_err(), "no new attempt while one is unresolved");
    }
}
