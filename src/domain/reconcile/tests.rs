use super::*;
use crate::domain::fixtures::{key, now, payment as listed, period_end, policy};
use chrono::TimeDelta;
use uuid::Uuid;

/// A payment under the name that our key gives.
fn payment(status: PaymentStatus) -> Payment {
    let policy = policy();
    let name = payment_id::derive(&policy.payment_id_key, &policy.store_id, &"sub_1".into(), period_end(), 0);
    Payment { id: name.0, ..listed(status) }
}

fn renewal(state: State) -> KnownRenewal {
    KnownRenewal {
        id: RenewalId(Uuid::from_u128(1)),
        subscription_id: "sub_1".into(),
        state,
        payment_id: PaymentId(payment(PaymentStatus::Paid).id),
        series: 0,
    }
}

fn known(state: State) -> KnownPayment {
    KnownPayment {
        payment_id: PaymentId(payment(PaymentStatus::Paid).id),
        renewal: Some(renewal(state)),
        recorded: None,
        subscription: Some(KnownSubscription { id: "sub_1".into(), current_period_end: period_end(), renews: true }),
        attempted: true,
        keys: vec![("bk_2".into(), BillingKey::new("of another card")), ("bk_1".into(), key())],
    }
}

fn recorded() -> KnownPayment {
    let money = RecordedPayment { total: Some(55_000), cancelled: 0, currency: Some("KRW".to_owned()), verified: true };
    KnownPayment { recorded: Some(money), ..known(State::Paid) }
}

fn lost() -> KnownPayment {
    KnownPayment { renewal: None, attempted: false, keys: Vec::new(), ..known(State::Due) }
}

fn with_end(current_period_end: DateTime<Utc>, renews: bool) -> KnownPayment {
    let subscription = KnownSubscription { id: "sub_1".into(), current_period_end, renews };
    KnownPayment { subscription: Some(subscription), ..lost() }
}

#[test]
fn what_is_recorded_and_paid_there_agrees() {
    assert_eq!(compare(Some(&payment(PaymentStatus::Paid)), &recorded(), &policy()), Standing::Agreed);
}

#[test]
fn what_is_recorded_and_told_otherwise_there_is_a_difference() {
    let paid = payment(PaymentStatus::Paid);
    let given_back = |status| Payment { cancelled: 10_000, ..payment(status) };
    for (there, difference) in [
        (None, Difference::NotThere),
        (Some(payment(PaymentStatus::Failed)), Difference::NotPaidThere),
        (Some(payment(PaymentStatus::Ready)), Difference::NotPaidThere),
        (Some(Payment { total: Some(1), ..paid.clone() }), Difference::OtherAmount),
        (Some(Payment { currency: Some("USD".into()), ..paid }), Difference::OtherAmount),
        (Some(given_back(PaymentStatus::PartialCancelled)), Difference::GivenBack),
        (Some(given_back(PaymentStatus::Cancelled)), Difference::GivenBack),
    ] {
        assert_eq!(compare(there.as_ref(), &recorded(), &policy()), Standing::Differs(difference), "{there:?}");
    }
}

#[test]
fn what_was_given_back_and_is_recorded_so_agrees() {
    let there = Payment { cancelled: 55_000, ..payment(PaymentStatus::Cancelled) };
    let refunded = KnownPayment { renewal: Some(renewal(State::Refunded)), ..recorded() };
    assert_eq!(compare(Some(&there), &refunded, &policy()), Standing::Agreed);
    let mut noted = recorded();
    noted.recorded.as_mut().unwrap().cancelled = 55_000;
    assert_eq!(compare(Some(&there), &noted, &policy()), Standing::Agreed);
}

#[test]
fn money_that_is_not_recorded_is_adopted_by_any_renewal_that_has_none() {
    for state in [State::Due, State::Failed, State::Canceled, State::Lapsed, State::Review] {
        for status in [PaymentStatus::Paid, PaymentStatus::Cancelled, PaymentStatus::PartialCancelled] {
            let standing = compare(Some(&payment(status)), &known(state), &policy());
            assert_eq!(standing, Standing::Adopt { renewal: renewal(state), series: 0 });
        }
    }
    for state in [State::Charging, State::Unknown] {
        let standing = compare(Some(&payment(PaymentStatus::Paid)), &known(state), &policy());
        assert_eq!(standing, Standing::Open(renewal(state).id), "its own look-up settles it");
    }
    let beside = Standing::Differs(Difference::PaidBeside);
    assert_eq!(compare(Some(&payment(PaymentStatus::Paid)), &known(State::Paid), &policy()), beside);
    assert_eq!(compare(Some(&payment(PaymentStatus::Paid)), &known(State::Refunded), &policy()), beside);
}

#[test]
fn where_no_money_was_taken_there_is_nothing_to_adopt() {
    for status in [PaymentStatus::Failed, PaymentStatus::Ready, PaymentStatus::Pending] {
        assert_eq!(compare(Some(&payment(status)), &known(State::Due), &policy()), Standing::Agreed);
    }
}

#[test]
fn what_cannot_be_read_is_never_taken_for_agreement() {
    let unread = payment(PaymentStatus::Other("UNREADABLE".to_owned()));
    assert!(matches!(compare(Some(&unread), &known(State::Due), &policy()), Standing::Unknown(_)));
    assert!(matches!(compare(Some(&unread), &recorded(), &policy()), Standing::Differs(_)));
    assert!(is_forgotten(&unread, &KnownPayment { attempted: false, ..known(State::Due) }, &policy()));
}

#[test]
fn a_later_series_of_the_same_renewal_is_known_by_its_derivation() {
    let policy = policy();
    let name = payment_id::derive(&policy.payment_id_key, &policy.store_id, &"sub_1".into(), period_end(), 2);
    let later = Payment { id: name.0, ..payment(PaymentStatus::Paid) };
    let standing = compare(Some(&later), &known(State::Due), &policy);
    assert_eq!(standing, Standing::Adopt { renewal: renewal(State::Due), series: 2 });
    let open = compare(Some(&later), &known(State::Unknown), &policy);
    assert!(matches!(open, Standing::Adopt { series: 2, .. }), "the claim is of another name: {open:?}");
    let squatted = Payment { id: "rn00".to_owned(), ..later };
    assert!(matches!(compare(Some(&squatted), &known(State::Due), &policy), Standing::Unknown(_)));
}

#[test]
fn a_lost_renewal_is_planned_where_its_subscription_still_stands() {
    let paid = payment(PaymentStatus::Paid);
    assert_eq!(compare(Some(&paid), &lost(), &policy()), Standing::Plan("sub_1".into()));
    let earlier = period_end() - TimeDelta::days(30);
    assert_eq!(compare(Some(&paid), &with_end(earlier, true), &policy()), Standing::Ahead);
    let later = period_end() + TimeDelta::days(30);
    assert!(matches!(compare(Some(&paid), &with_end(later, true), &policy()), Standing::Unknown(_)));
    assert!(matches!(compare(Some(&paid), &with_end(period_end(), false), &policy()), Standing::Unknown(_)));
    let nobody = KnownPayment { subscription: None, ..lost() };
    assert!(matches!(compare(Some(&paid), &nobody, &policy()), Standing::Unknown(_)));
}

#[test]
fn only_money_without_its_attempt_means_that_commits_were_lost() {
    let paid = payment(PaymentStatus::Paid);
    let unattempted = |state| KnownPayment { attempted: false, ..known(state) };
    assert!(is_forgotten(&paid, &unattempted(State::Due), &policy()));
    assert!(is_forgotten(&paid, &unattempted(State::Unknown), &policy()), "only a later attempt explains it");
    assert!(is_forgotten(&paid, &lost(), &policy()));
    assert!(is_forgotten(&paid, &KnownPayment { subscription: None, ..lost() }, &policy()));

    assert!(!is_forgotten(&paid, &known(State::Failed), &policy()), "an approval that came late");
    assert!(!is_forgotten(&paid, &known(State::Charging), &policy()), "another run is at it");
    assert!(!is_forgotten(&paid, &recorded(), &policy()));
    assert!(!is_forgotten(&payment(PaymentStatus::Failed), &unattempted(State::Due), &policy()));
    let past = period_end() + TimeDelta::days(30);
    assert!(!is_forgotten(&paid, &with_end(past, true), &policy()), "the period was brought in as paid");
    let foreign = Payment { id: "rnofanotherdatabase".to_owned(), ..paid.clone() };
    assert!(!is_forgotten(&foreign, &lost(), &policy()));
    let silent = Payment { custom_data: None, ..paid };
    assert!(!is_forgotten(&silent, &lost(), &policy()));
}

#[test]
fn a_forgotten_attempt_is_told_by_the_payment() {
    let id = AttemptId(Uuid::from_u128(9));
    let attempt = lost_attempt(&payment(PaymentStatus::Paid), &known(State::Due), id, now()).unwrap();
    assert_eq!((attempt.number, attempt.billing_key_id), (1, "bk_1".into()), "the key that was charged");
    let other = Payment { billing_key: None, ..payment(PaymentStatus::Paid) };
    let attempt = lost_attempt(&other, &known(State::Due), id, now()).unwrap();
    assert_eq!(attempt.billing_key_id, "bk_2".into(), "the newest, where none matches");
    assert!(lost_attempt(&other, &lost(), id, now()).is_none());
}
