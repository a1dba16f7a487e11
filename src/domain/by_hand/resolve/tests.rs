use super::*;
use crate::domain::fixtures::{attempt, failed, found, ids, now, payment, period_end, policy};
use crate::domain::payment::Payment;
use crate::domain::verdict::judge;
use chrono::TimeDelta;

const LATER: TimeDelta = TimeDelta::hours(48);

fn look(found: &LookUp, after: TimeDelta) -> Look {
    let attempt = attempt();
    let shows = Shows::of(judge(&attempt, found, &policy()), &attempt, false, now() + after);
    Look { payment_id: attempt.renewal.payment_id.clone(), shows }
}

fn facts(looks: Vec<Look>) -> ReviewFacts {
    ReviewFacts {
        renewal_id: attempt().renewal.id,
        subscription_id: "sub_1".into(),
        state: State::Review,
        cancel_at_period_end: false,
        period_is_next: true,
        refund_is_open: false,
        amount: Some(55_000),
        currency: Some("KRW".to_owned()),
        period_start: period_end(),
        access_until: period_end() + TimeDelta::days(7),
        looks,
        against: false,
        now: now() + LATER,
    }
}

fn decided(answer: Answer, facts: &ReviewFacts) -> Result<Resolution, Refusal> {
    let (policy, new_id) = (policy(), ids());
    decide(answer, facts, &Settling { policy: &policy, now: facts.now, new_id: &new_id, canceled: false })
}

fn paid() -> LookUp {
    found(payment(PaymentStatus::Paid))
}

fn squatted() -> LookUp {
    found(Payment { total: Some(1), ..payment(PaymentStatus::Paid) })
}

fn back(status: PaymentStatus, cancelled: i64) -> LookUp {
    found(Payment { cancelled, ..payment(status) })
}

/// Every thing that a look-up can show, by name.
fn shown() -> Vec<(&'static str, Look)> {
    let late = |found: &LookUp| look(found, LATER);
    vec![
        ("paid", late(&paid())),
        ("other", late(&squatted())),
        ("back", late(&back(PaymentStatus::Cancelled, 55_000))),
        ("part", late(&back(PaymentStatus::PartialCancelled, 100))),
        ("waits", late(&found(payment(PaymentStatus::Pending)))),
        ("early 404", look(&LookUp::NotFound, TimeDelta::minutes(9))),
        ("none", late(&LookUp::NotFound)),
        ("failed", late(&found(failed("REJECT_CARD_PAYMENT")))),
        ("silent", late(&LookUp::Failed("reset".into()))),
    ]
}

fn allowed(answer: Answer, against: bool) -> Vec<&'static str> {
    let is_allowed = |look: &Look| decided(answer, &ReviewFacts { against, ..facts(vec![look.clone()]) }).is_ok();
    shown().iter().filter(|(_, look)| is_allowed(look)).map(|(name, _)| *name).collect()
}

#[test]
fn what_each_answer_may_say_of_what_the_gateway_shows() {
    assert_eq!(allowed(Answer::Paid, false), ["paid"]);
    assert_eq!(allowed(Answer::NotCharged, false), ["none", "failed"]);
    assert_eq!(allowed(Answer::Refunded, false), ["back"]);
    assert_eq!(allowed(Answer::Retry, false), ["none", "failed"]);
}

#[test]
fn speaking_against_the_gateway_never_gives_a_period_and_never_charges() {
    assert_eq!(allowed(Answer::Paid, true), ["paid"]);
    assert_eq!(allowed(Answer::Retry, true), ["none", "failed"]);
    assert_eq!(allowed(Answer::NotCharged, true), ["other", "waits", "early 404", "none", "failed"]);
    assert_eq!(allowed(Answer::Refunded, true), ["paid", "other", "back", "part"]);
}

#[test]
fn a_verified_payment_moves_the_period_with_its_proof() {
    let Resolution::Paid(settled) = decided(Answer::Paid, &facts(vec![look(&paid(), LATER)])).unwrap() else {
        panic!("not paid")
    };
    assert_eq!((settled.state, settled.perishable), (State::Paid, false));
    assert!(settled.period.is_some() && settled.payment.is_some_and(|payment| payment.verified));
}

#[test]
fn paid_is_refused_where_the_period_is_over_or_the_money_is_twice_there() {
    let over = ReviewFacts { period_is_next: false, ..facts(vec![look(&paid(), LATER)]) };
    assert!(decided(Answer::Paid, &over).unwrap_err().what.contains("no longer at this period"));
    let twice = facts(vec![look(&paid(), LATER), look(&paid(), LATER)]);
    assert!(decided(Answer::Paid, &twice).unwrap_err().what.contains("more than one payment"));
    let beside = facts(vec![look(&paid(), LATER), look(&squatted(), LATER)]);
    assert!(decided(Answer::Paid, &beside).unwrap_err().what.contains("amount differs"));
}

#[test]
fn one_payment_id_with_money_stands_against_all_that_have_none() {
    let mixed = facts(vec![look(&LookUp::NotFound, LATER), look(&paid(), LATER)]);
    for answer in [Answer::NotCharged, Answer::Retry, Answer::Refunded] {
        assert!(decided(answer, &mixed).is_err(), "{answer:?}");
    }
    assert!(decided(Answer::Paid, &mixed).is_ok());
}

#[test]
fn it_ends_as_failed_or_as_the_customer_wanted_and_is_looked_up_later() {
    let none = facts(vec![look(&LookUp::NotFound, LATER)]);
    for (cancel_at_period_end, to) in [(false, State::Failed), (true, State::Canceled)] {
        let facts = ReviewFacts { cancel_at_period_end, ..none.clone() };
        let Resolution::Ends(change) = decided(Answer::NotCharged, &facts).unwrap() else { panic!("no end") };
        assert_eq!((change.from, change.to, change.events.len()), (State::Review, to, 1));
        assert!(change.next_look_up_at.is_some(), "money can still turn up");
    }
    let against = ReviewFacts { against: true, ..facts(vec![look(&squatted(), LATER)]) };
    let Resolution::Ends(change) = decided(Answer::NotCharged, &against).unwrap() else { panic!("no end") };
    assert_eq!(change.next_look_up_at, None, "what it shows is known, and not ours");
}

#[test]
fn only_a_review_is_answered_and_not_while_money_is_on_its_way_back() {
    for state in State::ALL.into_iter().filter(|state| *state != State::Review) {
        let facts = ReviewFacts { state, ..facts(vec![look(&paid(), LATER)]) };
        assert!(decided(Answer::Paid, &facts).unwrap_err().what.contains("not under review"));
    }
    let open = ReviewFacts { refund_is_open: true, ..facts(vec![look(&LookUp::NotFound, LATER)]) };
    assert!(decided(Answer::Retry, &open).unwrap_err().what.contains("on its way back"));
}

#[test]
fn an_id_that_nothing_was_sent_under_shows_nothing_or_a_stranger() {
    assert_eq!(Shows::of_unsent(&LookUp::NotFound), Shows::NoMoney);
    assert_eq!(Shows::of_unsent(&found(payment(PaymentStatus::Failed))), Shows::NoMoney);
    assert!(matches!(Shows::of_unsent(&paid()), Shows::OtherMoney(_)));
    assert!(matches!(Shows::of_unsent(&found(payment(PaymentStatus::Ready))), Shows::Waits(_)));
    assert!(matches!(Shows::of_unsent(&LookUp::Failed("x".into())), Shows::NoAnswer(_)));
}

#[test]
fn an_answer_that_is_contradicted_is_named_as_it_was_typed() {
    for (answer, typed) in
        [(Answer::NotCharged, "not-charged"), (Answer::Refunded, "refunded"), (Answer::Retry, "retry")]
    {
        let refusal = decided(answer, &facts(vec![look(&paid(), LATER)])).unwrap_err();
        assert!(refusal.what.contains(&format!("cannot be answered as {typed}, it shows PAID")), "{}", refusal.what);
    }
}
