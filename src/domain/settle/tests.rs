//! The verdict table, row by row: what is recorded for each thing that can be learned.

use super::*;
use crate::domain::attempt::AttemptState;
use crate::domain::dunning::PastDecline;
use crate::domain::event::EventKind;
use crate::domain::fixtures::{attempt, failed, found, ids, now, payment, period_end, policy, utc};
use crate::domain::payment::{LookUp, Payment, PaymentStatus};
use crate::domain::verdict::judge;

struct Case {
    attempt: Attempt,
    now: DateTime<Utc>,
    canceled: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self { attempt: attempt(), now: now(), canceled: false }
    }
}

impl Case {
    fn learned(&self, learned: &Learned) -> Settlement {
        let (policy, new_id) = (policy(), ids());
        let at = Settling { policy: &policy, now: self.now, new_id: &new_id, canceled: self.canceled };
        settle(&self.attempt, State::Charging, learned, &at).unwrap()
    }

    fn look_up(&self, seen: &LookUp) -> Settlement {
        self.learned(&Learned::Verdict(judge(&self.attempt, seen, &policy())))
    }

    fn payment(&self, payment: Payment) -> Settlement {
        self.look_up(&found(payment))
    }
}

fn told(settled: &Settlement) -> Vec<EventKind> {
    settled.events.iter().map(|event| event.kind).collect()
}

#[test]
fn paid_moves_the_period_and_is_told_once() {
    let settled = Case::default().payment(payment(PaymentStatus::Paid));
    assert_eq!((settled.state, settled.attempt.state), (State::Paid, AttemptState::Paid));
    assert!(settled.period.is_some() && settled.payment.as_ref().unwrap().verified);
    assert!(!settled.perishable, "a payment never grows old");
    assert_eq!(settled.lease_epoch, 5);
    assert_eq!(told(&settled), [EventKind::RenewalPaid]);
}

#[test]
fn a_mismatch_is_recorded_and_extends_nothing() {
    let settled = Case::default().payment(Payment { total: Some(1), ..payment(PaymentStatus::Paid) });
    assert_eq!(settled.state, State::Review);
    assert!(settled.period.is_none() && !settled.payment.as_ref().unwrap().verified && !settled.perishable);
    assert_eq!(settled.review_reason.as_deref(), Some("PAID at the gateway, but not as ordered: amount differs"));
    assert_eq!(told(&settled), [EventKind::RenewalReview]);
}

#[test]
fn a_soft_decline_climbs_the_ladder() {
    let settled = Case::default().payment(failed("REJECT_CARD_PAYMENT"));
    assert_eq!((settled.state, settled.attempt.state), (State::Due, AttemptState::Declined));
    assert_eq!(settled.next_attempt_at, Some(utc("2026-01-31T01:00:00Z")), "ten in the morning, a day later");
    assert!(settled.declined && settled.perishable && settled.period.is_none() && settled.key_unusable.is_none());
    assert_eq!(settled.first_declined_at, Some(now()));
    assert_eq!(told(&settled), [EventKind::RenewalDeclined]);
    assert_eq!(settled.events[0].payload["next_attempt_at"], "2026-01-31T01:00:00Z");
}

#[test]
fn a_hard_decline_waits_for_another_card() {
    let settled = Case::default().payment(failed("INVALID_STOPPED_CARD"));
    assert_eq!((settled.state, settled.next_attempt_at, settled.waits_for_key), (State::Due, None, true));
    assert_eq!(settled.key_unusable, Some("bk_1".into()));
    assert_eq!(told(&settled), [EventKind::RenewalDeclined, EventKind::BillingKeyMissing]);
}

#[test]
fn the_end_of_the_ladder_fails_the_renewal_and_looks_once_more_later() {
    let mut case = Case { now: now() + TimeDelta::days(7), ..Case::default() };
    case.attempt.started_at = case.now;
    case.attempt.renewal.first_declined_at = Some(now());
    let decline = |days| PastDecline { at: now() + TimeDelta::days(days), class: DeclineClass::Soft };
    case.attempt.renewal.declines = [0, 1, 3, 5].map(decline).to_vec();
    case.attempt.renewal.access_until = period_end() + TimeDelta::days(30);
    let settled = case.payment(Payment { failed_at: Some(case.now), ..failed("REJECT_CARD_PAYMENT") });
    assert_eq!(settled.state, State::Failed);
    assert_eq!(settled.next_look_up_at, Some(case.now + TimeDelta::hours(1)));
    assert_eq!(told(&settled), [EventKind::RenewalDeclined, EventKind::RenewalFailed]);
}

#[test]
fn our_contract_is_nobodys_decline() {
    let settled = Case::default().payment(failed("INVALID_API_KEY"));
    assert_eq!((settled.state, settled.attempt.state, settled.declined), (State::Due, AttemptState::Refused, false));
    assert_eq!(settled.next_attempt_at, Some(utc("2026-01-31T01:00:00Z")));
    assert!(settled.events.is_empty());
}

#[test]
fn no_answer_keeps_the_attempt_open_and_looks_again() {
    for seen in [
        LookUp::NotFound,
        LookUp::Failed("reset".into()),
        LookUp::Unauthorized("UNAUTHORIZED".into()),
        found(payment(PaymentStatus::Ready)),
        found(payment(PaymentStatus::Pending)),
        found(payment(PaymentStatus::Other("SOON".into()))),
        found(Payment { failed_at: Some(now() - TimeDelta::days(1)), ..failed("REJECT_CARD_PAYMENT") }),
        found(failed("ALREADY_PROCESSED_PAYMENT")),
    ] {
        let settled = Case::default().look_up(&seen);
        assert_eq!((settled.state, settled.attempt.state), (State::Unknown, AttemptState::Open), "{seen:?}");
        assert_eq!(settled.next_look_up_at, Some(now() + TimeDelta::minutes(1)));
        assert!(!settled.declined && settled.events.is_empty() && settled.next_attempt_at.is_none());
    }
}

#[test]
fn unknown_never_becomes_failed_by_time() {
    for days in [1, 3, 6] {
        let case = Case { now: now() + TimeDelta::days(days), ..Case::default() };
        assert_eq!(case.look_up(&LookUp::NotFound).state, State::Unknown, "day {days}");
    }
    let case = Case { now: now() + TimeDelta::days(7), ..Case::default() };
    let settled = case.look_up(&LookUp::NotFound);
    assert_eq!(settled.state, State::Review);
    assert_eq!(told(&settled), [EventKind::RenewalReview]);
}

#[test]
fn nobody_is_cut_off_while_the_outcome_is_unknown() {
    let mut case = Case { now: now() + TimeDelta::days(6), ..Case::default() };
    case.attempt.renewal.access_until = case.now;
    let settled = case.look_up(&LookUp::NotFound);
    assert!(settled.access_until > settled.next_look_up_at.unwrap());
}

#[test]
fn a_failure_that_may_hide_a_success_counts_after_a_day() {
    let case = Case { now: now() + TimeDelta::days(1), ..Case::default() };
    let settled = case.payment(failed("ALREADY_PROCESSED_PAYMENT"));
    assert_eq!((settled.state, settled.declined), (State::Due, false));
    assert_eq!((settled.series, settled.retired_payment_id.as_ref()), (1, Some(&"rn00".into())));
    assert_ne!(settled.payment_id, "rn00".into());
    assert_eq!(settled.next_attempt_at, Some(case.now), "the day has passed");
}

#[test]
fn a_used_up_payment_id_goes_on_under_the_next_a_day_later() {
    let settled = Case::default().learned(&Learned::Concluded(Conclusion::SeriesUsedUp));
    assert_eq!((settled.state, settled.series, settled.attempt.state), (State::Due, 1, AttemptState::Refused));
    assert_eq!(settled.next_attempt_at, Some(now() + TimeDelta::hours(24)));
    assert_eq!(settled.retired_payment_id, Some("rn00".into()));
}

#[test]
fn a_key_that_is_gone_is_a_hard_decline() {
    let settled = Case::default().learned(&Learned::Concluded(Conclusion::BillingKeyGone));
    assert_eq!((settled.state, settled.waits_for_key, settled.declined), (State::Due, true, true));
    assert_eq!(settled.key_unusable, Some("bk_1".into()));
}

#[test]
fn a_refusal_that_is_not_the_customers_needs_a_person() {
    let reason = "PAYMENT_SCHEDULE_ALREADY_EXISTS".to_owned();
    let settled = Case::default().learned(&Learned::Concluded(Conclusion::Refused { reason }));
    assert_eq!((settled.state, settled.attempt.state, settled.declined), (State::Review, AttemptState::Refused, false));
}

#[test]
fn money_that_was_given_back_needs_a_person() {
    for status in [PaymentStatus::Cancelled, PaymentStatus::PartialCancelled] {
        let settled = Case::default().payment(Payment { cancelled: 55_000, ..payment(status) });
        assert_eq!(settled.state, State::Review);
        assert_eq!(settled.payment.unwrap().cancelled, 55_000);
    }
}

#[test]
fn a_cancelled_customer_whose_charge_never_arrived_is_not_charged_again() {
    let soon = Case { canceled: true, now: now() + TimeDelta::minutes(9), ..Case::default() };
    assert_eq!(soon.look_up(&LookUp::NotFound).state, State::Unknown, "it may still arrive");
    let later = Case { canceled: true, now: now() + TimeDelta::minutes(10), ..Case::default() };
    let settled = later.look_up(&LookUp::NotFound);
    assert_eq!((settled.state, settled.attempt.state), (State::Canceled, AttemptState::NotCharged));
    assert!(settled.next_look_up_at.is_some(), "money can turn up late");
}

#[test]
fn no_event_carries_a_billing_key_or_the_customers_details() {
    for settled in [
        Case::default().payment(payment(PaymentStatus::Paid)),
        Case::default().payment(failed("REJECT_CARD_PAYMENT")),
        Case::default().payment(Payment { total: Some(1), ..payment(PaymentStatus::Paid) }),
    ] {
        let text = serde_json::to_string(&settled).unwrap();
        assert!(!text.contains("billing-key-1"), "{text}");
    }
}
