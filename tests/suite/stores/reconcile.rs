//! What is known of a payment at the gateway, and what becomes of one that is found there.

use super::ground::{Ground, LEASE, now, payment, payment_id, period_end};
use super::on_all;
use chrono::TimeDelta;
use renewd::chance::Chance;
use renewd::domain::charge::Attempt;
use renewd::domain::event::EventKind;
use renewd::domain::ids::AttemptId;
use renewd::domain::payment::PaymentStatus;
use renewd::domain::reconcile::{FoundPayment, KnownPayment, LostAttempt, WantedPayment};
use renewd::domain::renewal::State;
use renewd::domain::verdict::as_seen;
use renewd::store::RecordedPage;

on_all!(
    a_payment_is_known_by_its_name_or_by_its_period,
    money_that_is_recorded_is_told_without_any_key,
    recorded_payments_come_by_their_first_attempt_in_pages,
    what_is_found_is_due_for_a_late_look_up_with_its_lost_attempt,
    what_is_found_under_another_name_is_looked_up_beside,
    what_is_claimed_or_paid_is_left_alone,
    a_number_that_is_taken_is_not_taken_twice,
    two_payments_that_were_found_together_take_two_numbers,
    the_same_is_told_once,
);

fn wanted(name: &str, subscription: Option<&str>, attempt: Option<u32>) -> WantedPayment {
    WantedPayment {
        payment_id: name.into(),
        subscription_id: subscription.map(Into::into),
        period_start: subscription.map(|_| period_end()),
        attempt,
    }
}

async fn known(ground: &Ground, wanted: WantedPayment) -> KnownPayment {
    let mut known = ground.known_payments(&[wanted]).await.unwrap();
    assert_eq!(known.len(), 1);
    known.remove(0)
}

/// As the listing showed it, with an attempt that nobody remembers.
fn found(ground: &Ground, attempt: &Attempt, lost: Option<u32>) -> FoundPayment {
    FoundPayment {
        renewal_id: attempt.renewal.id,
        series: attempt.renewal.series,
        record: as_seen(&payment(attempt, PaymentStatus::Paid), Some(attempt.renewal.id)),
        lost_attempt: lost.map(|number| LostAttempt {
            id: AttemptId(ground.chance.id(now())),
            number,
            billing_key_id: attempt.billing_key_id.clone(),
            channel_key: Some("channel-1".to_owned()),
            started_at: now() - TimeDelta::hours(1),
        }),
    }
}

/// The attempt of a renewal that was declined, and waits for the next.
async fn declined(ground: &Ground) -> Attempt {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    ground.settle(&[ground.declined(&attempt)]).await.unwrap();
    attempt
}

async fn a_payment_is_known_by_its_name_or_by_its_period(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.subscribe(&["sub_2"]).await;
    let name = payment_id("sub_1");
    for asked in [wanted(name.as_str(), None, None), wanted("rnother", Some("sub_1"), None)] {
        let known = known(&ground, asked.clone()).await;
        assert_eq!(known.payment_id, asked.payment_id);
        let renewal = known.renewal.unwrap();
        assert_eq!((renewal.state, renewal.payment_id, renewal.series), (State::Due, name.clone(), 0));
        let subscription = known.subscription.unwrap();
        assert_eq!((subscription.current_period_end, subscription.renews), (period_end(), true));
        assert_eq!((known.recorded, known.attempted, known.keys.len()), (None, false, 1));
    }
    let unplanned = known(&ground, wanted("rnother", Some("sub_2"), Some(1))).await;
    assert_eq!((unplanned.renewal, unplanned.subscription.map(|one| one.id)), (None, Some("sub_2".into())));
    let nobodys = known(&ground, wanted("rnother", Some("sub_9"), None)).await;
    assert_eq!((nobodys.renewal, nobodys.subscription, nobodys.keys.len()), (None, None, 0));

    ground.claim_all().await;
    for (attempt, attempted) in [(None, true), (Some(1), true), (Some(2), false)] {
        assert_eq!(known(&ground, wanted(name.as_str(), None, attempt)).await.attempted, attempted, "{attempt:?}");
    }
}

async fn money_that_is_recorded_is_told_without_any_key(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    ground.settle(&[ground.paid(&attempt)]).await.unwrap();
    let known = known(&ground, wanted(payment_id("sub_1").as_str(), None, None)).await;
    let recorded = known.recorded.unwrap();
    assert_eq!((recorded.total, recorded.cancelled, recorded.verified), (Some(55_000), 0, true));
    assert_eq!((recorded.currency.as_deref(), known.keys.len()), (Some("KRW"), 0));
    assert_eq!(known.renewal.unwrap().state, State::Paid);
}

async fn recorded_payments_come_by_their_first_attempt_in_pages(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2", "sub_3"]).await;
    let claimed = ground.claim_all().await;
    let paid: Vec<_> = claimed.attempts.iter().take(2).map(|attempt| ground.paid(attempt.get())).collect();
    ground.settle(&paid).await.unwrap();
    let page = |from, until| RecordedPage { from, until, after: None, rows_max: 1 };
    let first = ground.recorded_payments(&page(now(), now())).await.unwrap();
    assert_eq!(first.len(), 1);
    let next = RecordedPage { after: Some(first[0].0), ..page(now(), now()) };
    let second = ground.recorded_payments(&next).await.unwrap();
    assert_eq!(second.len(), 1);
    assert_ne!(second[0].1.payment_id, first[0].1.payment_id);
    assert!(second[0].1.recorded.is_some() && second[0].1.renewal.is_some());
    let last = RecordedPage { after: Some(second[0].0), ..page(now(), now()) };
    assert_eq!(ground.recorded_payments(&last).await.unwrap().len(), 0, "the third is not paid");
    let millisecond = TimeDelta::milliseconds(1);
    for (from, until) in
        [(now() + millisecond, now() + TimeDelta::days(1)), (period_end() - TimeDelta::days(9), now() - millisecond)]
    {
        assert_eq!(ground.recorded_payments(&page(from, until)).await.unwrap().len(), 0, "{from} {until}");
    }
}

async fn what_is_found_is_due_for_a_late_look_up_with_its_lost_attempt(ground: Ground) {
    let attempt = declined(&ground).await;
    let one = found(&ground, &attempt, Some(2));
    ground.wake(ground.run_id(), std::slice::from_ref(&one), "reconcile").await.unwrap();
    let late = ground.late_facts(9).await.unwrap();
    assert_eq!(late.len(), 1);
    let again = &late[0].attempt;
    assert_eq!((again.number, again.started_at), (2, now() - TimeDelta::hours(1)));
    assert_eq!(again.idempotency_key, format!("{}-2", payment_id("sub_1")));
    assert_eq!(
        ground.count("attempts", "state = 'paid' AND settled_at IS NOT NULL AND note LIKE '%forgotten%'").await,
        1
    );
    assert_eq!(ground.count("renewals", "attempt_count = 2 AND state = 'due'").await, 1);
    assert_eq!(ground.count("observations", "seen_by = 'reconcile' AND status = 'PAID' AND NOT verified").await, 1);
    ground.wake(ground.run_id(), &[found(&ground, &attempt, None)], "reconcile").await.unwrap();
    assert_eq!(ground.count("attempts", "true").await, 2);
    assert_eq!(ground.count("observations", "true").await, 1, "the same sight");
    assert_eq!(ground.count("renewals", "attempt_count = 2").await, 1);
}

async fn what_is_found_under_another_name_is_looked_up_beside(ground: Ground) {
    let mut attempt = declined(&ground).await;
    attempt.renewal.payment_id = "rnnext".into();
    attempt.renewal.series = 1;
    let one = found(&ground, &attempt, Some(2));
    let look_up_at = async || ground.timeline("sub_1").await.unwrap().unwrap().renewals[0].next_look_up_at;
    let before = look_up_at().await;
    ground.wake(ground.run_id(), std::slice::from_ref(&one), "reconcile").await.unwrap();
    let late = ground.late_facts(9).await.unwrap();
    assert_eq!(late.len(), 1);
    assert_eq!((late[0].retired, late[0].payment_id.as_str(), late[0].attempt.renewal.series), (true, "rnnext", 1));
    assert_eq!(look_up_at().await, before, "its own name is looked up no sooner");
    ground.wake(ground.run_id(), &[found(&ground, &attempt, None)], "reconcile").await.unwrap();
    assert_eq!(ground.count("retired_payments", "payment_id = 'rnnext' AND series = 1").await, 1);
    let known = known(&ground, wanted("rnnext", None, Some(2))).await;
    assert!(known.attempted && known.renewal.unwrap().payment_id == payment_id("sub_1"));
}

async fn what_is_claimed_or_paid_is_left_alone(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    ground.wake(ground.run_id(), &[found(&ground, &attempt, Some(7))], "reconcile").await.unwrap();
    assert_eq!(ground.count("renewals", "state = 'charging' AND next_look_up_at IS NULL").await, 1);
    ground.settle(&[ground.paid(&attempt)]).await.unwrap();
    ground.wake(ground.run_id(), &[found(&ground, &attempt, Some(7))], "reconcile").await.unwrap();
    assert_eq!(ground.count("renewals", "state = 'paid' AND next_look_up_at IS NULL AND attempt_count = 1").await, 1);
    assert_eq!(ground.count("attempts", "true").await, 1);
    assert_eq!(ground.count("retired_payments", "true").await, 0);
    assert_eq!(ground.count("observations", "true").await, 1, "what was seen is kept");
    assert_eq!(ground.take_over(9, LEASE, 3).await.unwrap().len(), 0);
}

async fn a_number_that_is_taken_is_not_taken_twice(ground: Ground) {
    let mut attempt = declined(&ground).await;
    attempt.renewal.payment_id = "rnnext".into();
    ground.wake(ground.run_id(), &[found(&ground, &attempt, Some(1))], "reconcile").await.unwrap();
    assert_eq!(ground.count("attempts", "number = 2 AND idempotency_key = 'rnnext-2'").await, 1);
    assert_eq!(ground.count("renewals", "attempt_count = 2").await, 1);
}

async fn two_payments_that_were_found_together_take_two_numbers(ground: Ground) {
    let attempt = declined(&ground).await;
    let named = |name: &str, number| {
        let mut other = attempt.clone();
        other.renewal.payment_id = name.into();
        found(&ground, &other, Some(number))
    };
    let lost = [named("rn-b", 1), named("rn-c", 3), named("rn-a", 3), named("rn-d", 2)];
    ground.wake(ground.run_id(), &lost, "reconcile").await.unwrap();
    for (name, number) in [("rn-a", 3), ("rn-b", 4), ("rn-c", 5), ("rn-d", 2)] {
        let condition = format!("payment_id = '{name}' AND number = {number} AND idempotency_key = '{name}-{number}'");
        assert_eq!(ground.count("attempts", &condition).await, 1, "{condition}");
    }
    assert_eq!(ground.count("renewals", "attempt_count = 5").await, 1);
    assert_eq!(ground.late_facts(9).await.unwrap().len(), 4);
}

async fn the_same_is_told_once(ground: Ground) {
    let renewals = ground.subscribed_and_planned(&["sub_1"]).await;
    for _ in 0..2 {
        let event = ground.event(EventKind::PaymentUnknown, "sub_1", renewals[0]);
        ground.tell(&[event]).await.unwrap();
    }
    assert_eq!(ground.count("events", "kind = 'payment.unknown'").await, 1);
}
