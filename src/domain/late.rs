//! Money that turns up after its renewal ended, or under a payment id that was given up: recorded always, and it buys
//! the period only where somebody still wants it.

use super::charge::Attempt;
use super::draft::Draft;
use super::look_ups;
use super::refund::RefundReason;
use super::renewal::{Event, Illegal, State};
use super::settle::Settling;
use super::settlement::Settlement;
use super::verdict::Verdict;
use chrono::{DateTime, TimeDelta, Utc};

/// What a late look-up leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Late {
    /// Nothing turned up: look again then, or never.
    LookAgain(Option<DateTime<Utc>>),
    /// Money turned up.
    Found(Box<Settlement>),
    /// Money turned up beside money: nothing of the renewal changes, and a person must give it back.
    Beside,
}

/// A look-up that was not answered is repeated after this long, whatever the plan says.
const UNANSWERED: TimeDelta = TimeDelta::hours(1);

/// What becomes of an ended renewal in `state`, or of the one whose earlier payment id this is.
///
/// # Errors
/// [`Illegal`] where the state machine has no such step.
pub fn decide(
    (attempt, state): (&Attempt, State),
    verdict: &Verdict,
    since: DateTime<Utc>,
    at: &Settling<'_>,
) -> Result<Late, Illegal> {
    match verdict {
        seen if seen.money().is_some() => found(attempt, state, seen, at),
        Verdict::NoAnswer { .. } | Verdict::Unauthorized { .. } => Ok(Late::LookAgain(Some(at.now + UNANSWERED))),
        _ => Ok(Late::LookAgain(look_ups::next_late(since, at.now))),
    }
}

fn found(attempt: &Attempt, state: State, verdict: &Verdict, at: &Settling<'_>) -> Result<Late, Illegal> {
    let review = |reason: String, record| {
        let draft = Draft::new(attempt, state, Event::NeedsPerson, at)?;
        Ok(Late::Found(Box::new(draft.review(reason).money(record))))
    };
    match (state, verdict) {
        // Its own attempt is being settled: that comes first.
        (State::Charging | State::Unknown, _) => Ok(Late::LookAgain(Some(at.now + UNANSWERED))),
        (State::Paid | State::Refunded, _) => Ok(Late::Beside),
        (State::Review, Verdict::Paid(proof)) => review(
            "the money was taken after all, as ordered: give the period or give it back".to_owned(),
            proof.record(),
        ),
        (State::Due | State::Failed | State::Lapsed, Verdict::Paid(proof)) if !at.canceled => {
            Ok(Late::Found(Box::new(Draft::new(attempt, state, Event::Paid, at)?.paid(proof))))
        }
        (_, Verdict::Paid(proof)) if at.policy.refund_late => {
            let draft = Draft::new(attempt, state, Event::PaidUnwanted, at)?;
            Ok(Late::Found(Box::new(draft.given_back(proof, RefundReason::Late))))
        }
        (_, Verdict::Paid(proof)) => review(
            format!("money turned up late, and the renewal is {}: give it back?", state.as_str()),
            proof.record(),
        ),
        (_, Verdict::Mismatch { parts, record }) => {
            review(format!("money turned up late, not as ordered: {} differs", parts.join(", ")), record)
        }
        (_, Verdict::Cancelled { record }) => review(format!("{} at the gateway, late", record.status), record),
        _ => Ok(Late::LookAgain(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{attempt, failed, found as seen, ids, now, payment, policy};
    use crate::domain::payment::{LookUp, PaymentStatus};
    use crate::domain::policy::Policy;
    use crate::domain::verdict::judge;

    fn decided(state: State, found: &LookUp, canceled: bool) -> Late {
        decided_by(&policy(), state, found, canceled)
    }

    fn decided_by(policy: &Policy, state: State, found: &LookUp, canceled: bool) -> Late {
        let new_id = ids();
        let at = Settling { policy, now: now() + TimeDelta::hours(2), new_id: &new_id, canceled };
        decide((&attempt(), state), &judge(&attempt(), found, policy), now(), &at).unwrap()
    }

    fn paid() -> LookUp {
        seen(payment(PaymentStatus::Paid))
    }

    #[test]
    fn late_money_buys_the_period_that_is_still_wanted() {
        for state in [State::Due, State::Failed, State::Lapsed] {
            let Late::Found(settled) = decided(state, &paid(), false) else { panic!("not found") };
            assert_eq!(settled.state, State::Paid);
            assert!(settled.period.is_some());
        }
    }

    #[test]
    fn late_money_that_nobody_wants_any_more_goes_to_a_person() {
        for (state, canceled) in
            [(State::Failed, true), (State::Canceled, true), (State::Canceled, false), (State::Due, true)]
        {
            let Late::Found(settled) = decided(state, &paid(), canceled) else { panic!("not found") };
            assert_eq!(settled.state, State::Review, "{state:?}");
            assert!(settled.period.is_none() && settled.payment.is_some());
        }
    }

    #[test]
    fn late_money_that_nobody_wants_is_given_back_where_that_is_the_rule() {
        let rule = Policy { refund_late: true, ..policy() };
        for (state, canceled, to) in [
            (State::Failed, true, State::Failed),
            (State::Lapsed, true, State::Lapsed),
            (State::Canceled, true, State::Canceled),
            (State::Canceled, false, State::Canceled),
            (State::Due, true, State::Canceled),
        ] {
            let Late::Found(settled) = decided_by(&rule, state, &paid(), canceled) else { panic!("not found") };
            assert_eq!((settled.state, settled.period.is_some()), (to, false), "{state:?}");
            assert_eq!(settled.refund.as_ref().unwrap().reason, RefundReason::Late);
            assert!(settled.payment.is_some() && settled.next_look_up_at.is_none() && !settled.perishable);
        }
        let Late::Found(wanted) = decided_by(&rule, State::Failed, &paid(), false) else { panic!("not found") };
        assert_eq!((wanted.state, wanted.refund.is_none()), (State::Paid, true));
    }

    #[test]
    fn what_turns_up_after_an_end_is_told_although_the_same_was_told_before_it() {
        let told = |state, canceled| {
            let Late::Found(settled) = decided(state, &paid(), canceled) else { panic!("not found") };
            settled.events.iter().map(|event| event.dedupe.clone()).collect::<Vec<_>>()
        };
        let (failed, canceled, review) =
            (told(State::Failed, true), told(State::Canceled, true), told(State::Review, true));
        assert!(!failed.is_empty() && failed != canceled && canceled != review && failed != review);
        assert_eq!(failed, told(State::Failed, true), "and once");
    }

    #[test]
    fn money_beside_money_changes_no_renewal() {
        assert_eq!(decided(State::Paid, &paid(), false), Late::Beside);
    }

    #[test]
    fn where_nothing_turned_up_it_looks_again_and_then_stops() {
        let six_hours = Late::LookAgain(Some(now() + TimeDelta::hours(6)));
        assert_eq!(decided(State::Failed, &seen(failed("REJECT_CARD_PAYMENT")), false), six_hours);
        let unanswered = Late::LookAgain(Some(now() + TimeDelta::hours(3)));
        assert_eq!(decided(State::Failed, &LookUp::Failed("reset".into()), false), unanswered);
        assert_eq!(decided(State::Unknown, &paid(), false), unanswered, "its own attempt is settled first");
    }
}
