//! What is known before the due date: read in order, written only of those that are still to be renewed.

use super::ground::{Ground, batch, billing_key, now, period_end, subscription};
use super::on_all;
use chrono::TimeDelta;
use renewd::domain::charge::BillingKey;
use renewd::domain::decline::{DeclineClass, MatchedBy, Reason};
use renewd::domain::event::EventKind;
use renewd::domain::ids::SubscriptionId;
use renewd::domain::look_ahead::{KeyFound, LookAheadFacts, LookedAhead};
use renewd::domain::renewal::State;
use renewd::store::{BillingKeyRow, ImportBatch, LookAheadPage, SubscriptionRow};

on_all!(
    what_is_going_to_be_renewed_is_read_in_order,
    what_was_found_out_is_kept_and_completed,
    who_cancelled_is_told_nothing,
    keys_that_are_gone_are_marked_once,
    a_schedule_is_read_by_the_plan,
    unseen_codes_are_counted_with_their_messages,
);

fn page(rows_max: u32) -> LookAheadPage {
    LookAheadPage { ends_after: now(), ends_before: now() + TimeDelta::days(7), after: None, rows_max }
}

async fn facts(ground: &Ground) -> LookAheadFacts {
    ground.look_ahead_facts(&page(9)).await.unwrap().remove(0)
}

fn looked(id: &str) -> LookedAhead {
    LookedAhead {
        subscription_id: id.into(),
        period_start: period_end(),
        looked: None,
        noticed: None,
        gone: Vec::new(),
        events: Vec::new(),
    }
}

async fn what_is_going_to_be_renewed_is_read_in_order(ground: Ground) {
    let mut batch = batch(&["sub_1", "sub_2", "sub_3", "sub_4", "sub_5"]);
    batch.subscriptions[0].current_period_end = now() + TimeDelta::days(2);
    batch.subscriptions[2].cancel_at_period_end = true;
    batch.subscriptions[3].current_period_end = now() + TimeDelta::days(7);
    batch.subscriptions[4].current_period_end = now();
    ground.import(batch).await.unwrap();
    ground.plan(&["sub_2"]).await;
    let all = ground.look_ahead_facts(&page(9)).await.unwrap();
    let ids: Vec<&str> = all.iter().map(|facts| facts.subscription_id.as_str()).collect();
    assert_eq!(ids, ["sub_2", "sub_1"], "by their ends; not cancelled, not over, not far away");
    assert_eq!(all[0].renewal.map(|(_, state)| state), Some(State::Due));
    assert_eq!((all[1].amount, all[1].keys[0].key.clone()), (55_000, BillingKey::new("billing-key-sub_1")));
    let first = ground.look_ahead_facts(&page(1)).await.unwrap();
    let after = Some((first[0].current_period_end, first[0].subscription_id.clone()));
    let second = ground.look_ahead_facts(&LookAheadPage { after, ..page(1) }).await.unwrap();
    assert_eq!(second, all[1..]);
}

async fn what_was_found_out_is_kept_and_completed(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    assert_eq!((facts(&ground).await.noticed, facts(&ground).await.looked_at), (None, None));
    let renewal = ground.planned("sub_1").id;
    let mut event = ground.event(EventKind::RenewalUpcoming, "sub_1", renewal);
    event.renewal_id = None;
    let noticed =
        LookedAhead { noticed: Some((55_000, "KRW".to_owned())), events: vec![event.clone()], ..looked("sub_1") };
    for _ in 0..2 {
        assert_eq!(
            ground.record_look_ahead(std::slice::from_ref(&noticed)).await.unwrap(),
            [SubscriptionId::from("sub_1")]
        );
    }
    assert_eq!(ground.count("events", "kind = 'renewal.upcoming'").await, 1, "told once");
    ground.pass(TimeDelta::hours(1));
    let scheduled = LookedAhead { looked: Some((KeyFound::Issued, Some("s-1".to_owned()))), ..looked("sub_1") };
    ground.record_look_ahead(&[scheduled]).await.unwrap();
    let both = facts(&ground).await;
    assert_eq!(both.noticed, Some((55_000, "KRW".to_owned())), "what was told stays");
    assert_eq!((both.looked_at, both.key_was), (Some(now() + TimeDelta::hours(1)), Some(KeyFound::Issued)));
    assert_eq!(ground.count("look_aheads", "schedule_id = 's-1'").await, 1);
    ground.record_look_ahead(&[noticed]).await.unwrap();
    assert_eq!(ground.count("look_aheads", "schedule_id = 's-1'").await, 1, "not asked for: it stays");
    let revoked = LookedAhead { looked: Some((KeyFound::Issued, None)), ..looked("sub_1") };
    ground.record_look_ahead(&[revoked]).await.unwrap();
    assert_eq!(ground.count("look_aheads", "schedule_id IS NULL").await, 1, "revoked: it goes");
}

async fn who_cancelled_is_told_nothing(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2"]).await;
    let told = |id: &str| LookedAhead {
        noticed: Some((55_000, "KRW".to_owned())),
        events: vec![ground.event(EventKind::RenewalUpcoming, id, ground.planned(id).id)],
        ..looked(id)
    };
    // Between the reading and the writing.
    let cancelled = SubscriptionRow { cancel_at_period_end: true, ..subscription("sub_1") };
    ground.import(ImportBatch { subscriptions: vec![cancelled], ..ImportBatch::default() }).await.unwrap();
    let moved = LookedAhead { period_start: now(), ..told("sub_2") };
    assert_eq!(ground.record_look_ahead(&[told("sub_1"), moved]).await.unwrap(), Vec::<SubscriptionId>::new());
    assert_eq!((ground.count("events", "true").await, ground.count("look_aheads", "true").await), (0, 0));
}

async fn keys_that_are_gone_are_marked_once(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    let newer = BillingKeyRow { id: "bk_new".to_owned(), ..billing_key("sub_1") };
    ground.pass(TimeDelta::hours(1));
    ground.import(ImportBatch { billing_keys: vec![newer], ..ImportBatch::default() }).await.unwrap();
    let ids: Vec<String> = facts(&ground).await.keys.into_iter().map(|key| key.id.0).collect();
    assert_eq!(ids, ["bk_new", "bk_sub_1"], "the newest first");
    let gone = LookedAhead {
        looked: Some((KeyFound::Issued, None)),
        gone: vec!["bk_new".into(), "bk_nobody".into()],
        ..looked("sub_1")
    };
    ground.record_look_ahead(&[gone]).await.unwrap();
    let ids: Vec<String> = facts(&ground).await.keys.into_iter().map(|key| key.id.0).collect();
    assert_eq!(ids, ["bk_sub_1"]);
    assert_eq!(ground.count("billing_keys", "state = 'unusable' AND unusable_reason LIKE '%not know it%'").await, 1);
}

async fn a_schedule_is_read_by_the_plan(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2"]).await;
    let scheduled = LookedAhead { looked: Some((KeyFound::Issued, Some("s-1".to_owned()))), ..looked("sub_1") };
    ground.record_look_ahead(&[scheduled]).await.unwrap();
    let page = renewd::store::DuePage {
        ends_before: period_end() + TimeDelta::days(1),
        after: None,
        rows_max: 9,
        only: None,
        not_again_in: None,
    };
    let due = ground.due_facts(&page).await.unwrap();
    let schedules: Vec<Option<&str>> = due.iter().map(|facts| facts.schedule_id.as_deref()).collect();
    assert_eq!(schedules, [Some("s-1"), None]);
}

async fn unseen_codes_are_counted_with_their_messages(ground: Ground) {
    let ids = ["sub_1", "sub_2", "sub_3", "sub_4", "sub_5"];
    ground.subscribed_and_planned(&ids).await;
    let claimed = ground.claim_all().await;
    let unseen = |index: usize, code: &str, message: &str, by: MatchedBy| {
        let mut settlement = ground.declined(claimed.attempts[index].get());
        let attempt = &mut settlement.attempt;
        (attempt.class, attempt.reason) = (Some(DeclineClass::Unknown), Some(Reason::Unknown));
        (attempt.pg_code, attempt.pg_message) = (Some(code.to_owned()), Some(message.to_owned()));
        attempt.matched_by = Some(by);
        settlement.if_canceled = None;
        settlement
    };
    ground.settle(&[unseen(0, "X1", "거절 B", MatchedBy::Nothing)]).await.unwrap();
    ground.pass(TimeDelta::minutes(1));
    let batch = [
        unseen(1, "X1", "거절 A", MatchedBy::Nothing),
        unseen(2, "X2", "잔액부족", MatchedBy::Message),
        unseen(3, "X1", "거절 C", MatchedBy::Nothing),
        unseen(4, "CC10", "known", MatchedBy::Code),
    ];
    ground.settle(&batch).await.unwrap();
    let codes = ground.unseen_codes(now(), 9).await.unwrap();
    let shown: Vec<_> =
        codes.iter().map(|code| (code.pg_code.as_deref().unwrap(), code.attempts, code.matched_by.as_str())).collect();
    assert_eq!(shown, [("X1", 3, "nothing"), ("X2", 1, "message")]);
    let first = &codes[0];
    assert_eq!((first.message.as_deref(), first.other_message.as_deref()), (Some("거절 A"), Some("거절 C")));
    assert_eq!((first.first_seen, first.last_seen), (now(), now() + TimeDelta::minutes(1)));
    assert_eq!((first.decline_class.as_str(), first.decline_reason.as_str()), ("unknown", "unknown"));
    assert_eq!(
        ground.unseen_codes(now() + TimeDelta::seconds(1), 9).await.unwrap()[0].attempts,
        2,
        "of that time only"
    );
    assert_eq!(ground.unseen_codes(now(), 1).await.unwrap().len(), 1);
}
