//! What the gateway told: kept once, claimed by one at a time, recorded under its claim, forgotten when it is over.

use super::ground::{Ground, LEASE, batch, now, period_end};
use super::on_all;
use chrono::{DateTime, TimeDelta, Utc};
use renewd::domain::charge::BillingKey;
use renewd::domain::ids::BillingKeyId;
use renewd::domain::notice::{Kept, KeptSubject, KeyHeard, KeyNow, Next, Notice, NoticeKind, Outcome, Subject};

on_all!(
    a_message_is_kept_once_however_often_it_comes,
    a_message_about_a_key_is_kept_under_the_keys_name,
    what_is_claimed_is_nobody_elses_until_its_time_is_up,
    the_longest_waiting_comes_first,
    an_outcome_is_recorded_under_its_claim_only,
    what_is_over_is_forgotten_and_what_waits_is_not,
    keys_are_marked_as_the_gateway_has_them,
    who_has_another_key_or_cancelled_is_not_keyless,
);

fn told(id: &str) -> Notice {
    Notice {
        id: id.to_owned(),
        kind: NoticeKind::Paid,
        subject: Subject::Payment((&*format!("rn-{id}")).into()),
        happened_at: Some(now() - TimeDelta::seconds(1)),
    }
}

fn of_key(id: &str, key: &str) -> Notice {
    Notice { kind: NoticeKind::KeyDeleted, subject: Subject::Key(BillingKey::new(key)), ..told(id) }
}

async fn claimed(ground: &Ground) -> Vec<Kept> {
    let mut claimed = ground.claim_notices(9, LEASE).await.unwrap();
    claimed.sort_by(|a, b| a.id.cmp(&b.id));
    claimed
}

async fn a_message_is_kept_once_however_often_it_comes(ground: Ground) {
    assert!(ground.keep_notices(&[]).await.unwrap().is_empty());
    let mut new = ground.keep_notices(&[told("b"), told("a"), told("b")]).await.unwrap();
    new.sort();
    assert_eq!(new, ["a", "b"]);
    let other = Notice { kind: NoticeKind::Disputed, ..told("a") };
    assert_eq!(ground.keep_notices(&[other, told("c")]).await.unwrap(), ["c"], "the first of a name stays");
    let kept = claimed(&ground).await;
    assert_eq!(kept.len(), 3);
    assert_eq!(
        kept[0],
        Kept {
            id: "a".to_owned(),
            kind: NoticeKind::Paid,
            subject: KeptSubject::Payment("rn-a".into()),
            happened_at: Some(now() - TimeDelta::seconds(1)),
            received_at: now(),
            tries: 1,
        }
    );
    ground.record_notices(&[kept[0].done("looked up")]).await.unwrap();
    assert!(ground.keep_notices(&[told("a")]).await.unwrap().is_empty(), "nor when it is over");
}

async fn a_message_about_a_key_is_kept_under_the_keys_name(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    let new = ground.keep_notices(&[of_key("k", "billing-key-sub_1"), of_key("x", "not-here")]).await.unwrap();
    assert_eq!(new, ["k"], "a key that is not stored here is nobody's");
    let kept = claimed(&ground).await;
    let KeptSubject::Key(id, key) = &kept[0].subject else { panic!("{kept:?}") };
    assert_eq!(*key, BillingKey::new("billing-key-sub_1"));
    assert_eq!(ground.count("webhooks", &format!("billing_key_id = '{id}' AND payment_id IS NULL")).await, 1);
    assert_ne!(id.as_str(), "billing-key-sub_1");
}

async fn what_is_claimed_is_nobody_elses_until_its_time_is_up(ground: Ground) {
    ground.keep_notices(&[told("a")]).await.unwrap();
    assert_eq!(claimed(&ground).await[0].tries, 1);
    assert!(claimed(&ground).await.is_empty());
    ground.clock.set(now() + TimeDelta::from_std(LEASE).unwrap() - TimeDelta::seconds(1));
    assert!(claimed(&ground).await.is_empty());
    ground.clock.set(now() + TimeDelta::from_std(LEASE).unwrap());
    assert_eq!(claimed(&ground).await[0].tries, 2, "whoever had it is gone");
}

async fn the_longest_waiting_comes_first(ground: Ground) {
    ground.keep_notices(&[told("z")]).await.unwrap();
    ground.clock.set(now() + TimeDelta::seconds(1));
    ground.keep_notices(&[told("a"), told("b")]).await.unwrap();
    let ids = |kept: Vec<Kept>| kept.into_iter().map(|kept| kept.id).collect::<Vec<_>>();
    assert_eq!(ids(ground.claim_notices(1, LEASE).await.unwrap()), ["z"]);
    assert_eq!(ids(ground.claim_notices(1, LEASE).await.unwrap()), ["a"]);
}

async fn an_outcome_is_recorded_under_its_claim_only(ground: Ground) {
    ground.keep_notices(&[told("a")]).await.unwrap();
    let first = claimed(&ground).await.remove(0);
    ground.clock.set(now() + TimeDelta::from_std(LEASE).unwrap());
    let second = claimed(&ground).await.remove(0);
    ground.record_notices(&[first.done("too late")]).await.unwrap();
    assert_eq!(ground.count("webhooks", "state = 'pending' AND note IS NULL").await, 1);
    let at: DateTime<Utc> = now() + TimeDelta::hours(3);
    let again = Outcome { next: Next::Again(at), ..second.done("no answer") };
    ground.record_notices(&[again]).await.unwrap();
    assert_eq!(ground.count("webhooks", "state = 'pending' AND note = 'no answer'").await, 1);
    assert!(claimed(&ground).await.is_empty());
    ground.clock.set(at);
    let third = claimed(&ground).await.remove(0);
    ground.record_notices(&[Outcome { next: Next::GivenUp, ..third.done("enough") }]).await.unwrap();
    ground.record_notices(&[third.done("after its end")]).await.unwrap();
    assert_eq!(ground.count("webhooks", "state = 'given_up' AND note = 'enough' AND next_try_at IS NULL").await, 1);
}

async fn what_is_over_is_forgotten_and_what_waits_is_not(ground: Ground) {
    ground.keep_notices(&[told("a"), told("b"), told("c")]).await.unwrap();
    let kept = claimed(&ground).await;
    ground.record_notices(&[kept[0].done(""), kept[1].done("")]).await.unwrap();
    assert_eq!(ground.forget_notices(now(), 9).await.unwrap(), 0, "not yet");
    let later = now() + TimeDelta::seconds(1);
    assert_eq!(ground.forget_notices(later, 1).await.unwrap(), 1);
    assert_eq!(ground.forget_notices(later, 9).await.unwrap(), 1);
    assert_eq!(ground.forget_notices(later, 9).await.unwrap(), 0);
    assert_eq!(ground.count("webhooks", "state = 'pending'").await, 1);
}

async fn key_id(ground: &Ground, message: &str, key: &str) -> BillingKeyId {
    ground.keep_notices(&[of_key(message, key)]).await.unwrap();
    let kept = claimed(ground).await.remove(0);
    let KeptSubject::Key(id, _) = kept.subject else { panic!("about a key") };
    id
}

async fn keys_are_marked_as_the_gateway_has_them(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2"]).await;
    let id = key_id(&ground, "k", "billing-key-sub_1").await;
    let hear = async |found| ground.hear_keys(&[KeyHeard { id: id.clone(), found }]).await.unwrap();
    for _ in 0..2 {
        let gone = hear(KeyNow::Gone).await;
        let keyless: Vec<_> = gone.keyless.iter().map(|one| (one.subscription_id.as_str(), one.period_start)).collect();
        assert_eq!((keyless, gone.back.len()), (vec![("sub_1", period_end())], 0), "told again if nobody was told");
    }
    assert_eq!(ground.count("billing_keys", "state = 'unusable' AND unusable_reason IS NOT NULL").await, 1);
    ground.clock.set(now() + TimeDelta::seconds(1));
    assert!(hear(KeyNow::IssuedAt(now())).await.back.is_empty(), "issued before it was marked");
    let back = hear(KeyNow::IssuedAt(now() + TimeDelta::microseconds(1))).await;
    assert_eq!((back.back, back.keyless), (vec![id.clone()], vec![]));
    assert_eq!(ground.count("billing_keys", "state = 'usable' AND unusable_reason IS NULL").await, 2);
    assert!(hear(KeyNow::IssuedAt(now() + TimeDelta::days(1))).await.back.is_empty(), "it is usable already");
}

async fn who_has_another_key_or_cancelled_is_not_keyless(ground: Ground) {
    let mut rows = batch(&["sub_1", "sub_2"]);
    let mut second = rows.billing_keys[0].clone();
    second.id = "another".to_owned();
    second.billing_key = BillingKey::new("billing-key-another");
    rows.billing_keys.push(second);
    rows.subscriptions[1].cancel_at_period_end = true;
    ground.import(rows).await.unwrap();
    for (message, key) in [("k1", "billing-key-sub_1"), ("k2", "billing-key-sub_2")] {
        let id = key_id(&ground, message, key).await;
        assert!(ground.hear_keys(&[KeyHeard { id, found: KeyNow::Gone }]).await.unwrap().keyless.is_empty(), "{key}");
    }
    let another = KeyHeard { id: BillingKeyId("another".to_owned()), found: KeyNow::Gone };
    assert_eq!(ground.hear_keys(&[another]).await.unwrap().keyless.len(), 1, "the last one");
}
