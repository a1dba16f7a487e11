//! What people do by hand: written whole with who and why, or not at all where the renewal is no longer as they saw it.

use super::ground::{Ground, LEASE, billing_key, next_period_end, now, payment, payment_id, period_end, utc};
use super::on_all;
use chrono::TimeDelta;
use renewd::chance::Chance;
use renewd::domain::action::{ActionKind, Hand, NewAction};
use renewd::domain::charge::{Attempt, BillingKey};
use renewd::domain::claim::{ClaimDecision, ClaimFacts, RenewalChange};
use renewd::domain::event::EventKind;
use renewd::domain::ids::{ActionId, RenewalId};
use renewd::domain::payment::{LookUp, Payment, PaymentStatus};
use renewd::domain::refund::{self, NewRefund, RefundFacts, RefundReason, idempotency_key};
use renewd::domain::renewal::State;
use renewd::domain::settlement::Settlement;
use renewd::store::act::{Act, Doing, Mark, Move, Seen};
use renewd::store::{BillingKeyRow, Paused, Switch};
use serde_json::json;
use std::sync::{Arc, Mutex};

on_all!(
    a_note_is_kept_with_who_and_why,
    the_switch_is_turned_with_its_record,
    a_move_is_written_with_its_key_its_command_and_its_record,
    a_new_card_is_kept_with_its_record_and_is_the_one_that_is_charged,
    a_renewal_that_changed_since_is_left_alone_and_nothing_is_recorded,
    a_command_stands_for_its_time_over_a_downgrade,
    an_attempt_that_a_review_left_open_is_closed_as_not_charged,
    money_of_a_review_moves_the_period_with_its_record,
    money_of_a_review_is_not_accepted_for_a_period_that_moved,
    one_refund_of_a_payment_at_a_time_and_each_reference_once,
    a_part_does_not_end_its_renewal_and_an_old_answer_does_not_end_the_next_part,
    the_payment_ids_of_a_case_are_read_though_no_look_up_is_due,
    the_keys_of_a_timeline_have_no_keys_in_them; sql: what_people_did_is_only_ever_added_to
);

fn action(ground: &Ground, kind: ActionKind) -> NewAction {
    let hand = Hand::of("haneul").because("the customer called").seeing("ticket 7");
    NewAction::new(ActionId(ground.chance.id(now())), kind, &hand, now()).with(json!({ "n": 1 }))
}

fn act(ground: &Ground, doing: Doing) -> Act {
    let action = NewAction { subscription_id: Some("sub_1".into()), ..action(ground, ActionKind::Retry) };
    Act { action, doing, events: Vec::new() }
}

async fn mark(ground: &Ground) -> Mark {
    let timeline = ground.timeline("sub_1").await.unwrap().unwrap();
    let renewal = &timeline.renewals[0];
    Mark { renewal_id: RenewalId(renewal.id.parse().unwrap()), seen: Seen::of(renewal, &timeline) }
}

fn moved(mark: &Mark, to: State) -> Move {
    Move {
        change: RenewalChange {
            renewal_id: mark.renewal_id,
            from: State::parse(&mark.seen.state).unwrap(),
            to,
            next_attempt_at: (to == State::Due).then(now),
            next_look_up_at: None,
            waits_for_key: false,
            waited_for_key: false,
            access_until: None,
            review_reason: None,
            events: Vec::new(),
        },
        commanded_until: Some(now() + TimeDelta::hours(1)),
        billing_key: None,
        close_attempt: None,
    }
}

async fn failed(ground: &Ground) -> Mark {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.set_states("failed").await.unwrap();
    mark(ground).await
}

async fn a_new_card_is_kept_with_its_record_and_is_the_one_that_is_charged(ground: Ground) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let customer_id = ground.timeline("sub_1").await.unwrap().unwrap().subscription.customer_id;
    let key = BillingKeyRow {
        id: "key-new".to_owned(),
        customer_id,
        billing_key: BillingKey::new("billing-key-new"),
        channel_key: Some("channel-key-1".to_owned()),
        pg_provider: Some("TOSSPAYMENTS".to_owned()),
    };
    let new_card = Act { doing: Doing::NewKey(key), ..act(&ground, Doing::Note) };
    assert!(ground.act(&new_card).await.unwrap());
    let timeline = ground.timeline("sub_1").await.unwrap().unwrap();
    let newest = &timeline.keys[0];
    assert_eq!((newest.id.as_str(), newest.state.as_str()), ("key-new", "usable"));
    assert_eq!(
        (newest.channel_key.as_deref(), newest.pg_provider.as_deref()),
        (Some("channel-key-1"), Some("TOSSPAYMENTS"))
    );
    assert_eq!(timeline.actions.len(), 1);
    // Twice is once: a browser that sends again changes nothing.
    let again = Act { action: action(&ground, ActionKind::NewCard), ..new_card };
    assert!(ground.act(&again).await.unwrap());
    assert_eq!(ground.timeline("sub_1").await.unwrap().unwrap().keys.len(), timeline.keys.len());
}

async fn a_note_is_kept_with_who_and_why(ground: Ground) {
    for _ in 0..2 {
        let note = Act { action: action(&ground, ActionKind::Reconcile), doing: Doing::Note, events: Vec::new() };
        assert!(ground.act(&note).await.unwrap());
    }
    let rows = ground.actions(9).await.unwrap();
    assert_eq!((rows.len(), ground.actions(1).await.unwrap().len()), (2, 1));
    let row = &rows[0];
    assert_eq!((row.kind.as_str(), row.actor.as_str(), row.created_at), ("reconcile", "haneul", now()));
    assert_eq!((row.reason.as_deref(), row.evidence.as_deref()), (Some("the customer called"), Some("ticket 7")));
    assert_eq!((&row.details, &row.subscription_id), (&json!({ "n": 1 }), &None));
}

async fn the_switch_is_turned_with_its_record(ground: Ground) {
    let paused = Paused { at: now(), by: "haneul".to_owned(), reason: "prices".to_owned() };
    let doing = Doing::Turn(Switch { paused: Some(paused.clone()) });
    let mut event = ground.event(EventKind::ChargingPaused, "sub_1", ground.planned("sub_1").id);
    (event.subscription_id, event.renewal_id) = (None, None);
    let pause = Act { action: action(&ground, ActionKind::Pause), doing, events: vec![event] };
    assert!(ground.act(&pause).await.unwrap());
    assert_eq!(ground.switch().await.unwrap().paused, Some(paused));
    assert_eq!((ground.count("actions", "true").await, ground.count("events", "true").await), (1, 1));
}

async fn a_move_is_written_with_its_key_its_command_and_its_record(ground: Ground) {
    let mark = failed(&ground).await;
    ground.pass(TimeDelta::minutes(1));
    let key = BillingKeyRow { id: "bk_new".to_owned(), billing_key: BillingKey::new("new"), ..billing_key("sub_1") };
    let by = Move { billing_key: Some(key), ..moved(&mark, State::Due) };
    assert!(ground.act(&act(&ground, Doing::Move(mark, by))).await.unwrap());
    let timeline = ground.timeline("sub_1").await.unwrap().unwrap();
    assert_eq!((timeline.renewals[0].state.as_str(), timeline.renewals[0].next_attempt_at), ("due", Some(now())));
    assert_eq!((timeline.keys[0].id.as_str(), timeline.keys.len()), ("bk_new", 2), "the newest is first");
    assert_eq!((timeline.actions.len(), timeline.actions[0].actor.as_str()), (1, "haneul"));
    let attempt = ground.claim_one().await;
    assert_eq!(attempt.billing_key_id, "bk_new".into());
}

/// Each thing that can happen between a look and a command.
async fn a_renewal_that_changed_since_is_left_alone_and_nothing_is_recorded(ground: Ground) {
    let mark = failed(&ground).await;
    let by = Move {
        billing_key: Some(BillingKeyRow { id: "bk_new".to_owned(), ..billing_key("sub_1") }),
        ..moved(&mark, State::Due)
    };
    let stale = [
        Seen { state: "due".to_owned(), ..mark.seen.clone() },
        Seen { updated_at: mark.seen.updated_at - TimeDelta::microseconds(1), ..mark.seen.clone() },
        Seen { cancel_at_period_end: true, ..mark.seen.clone() },
        Seen { attempts: 1, ..mark.seen.clone() },
        Seen { payments: 1, ..mark.seen.clone() },
        Seen { refunds: 1, ..mark.seen.clone() },
    ];
    for seen in stale {
        let stale = Mark { seen: seen.clone(), ..mark.clone() };
        assert!(!ground.act(&act(&ground, Doing::Move(stale, by.clone()))).await.unwrap(), "{seen:?}");
    }
    let other = Mark { renewal_id: ground.planned("other").id, ..mark.clone() };
    assert!(!ground.act(&act(&ground, Doing::Move(other, by.clone()))).await.unwrap());
    // The statement's own guard, where the mark is right and the change is not.
    let mut wrong = by.clone();
    wrong.change.from = State::Lapsed;
    assert!(!ground.act(&act(&ground, Doing::Move(mark.clone(), wrong))).await.unwrap());
    assert_eq!((ground.state("sub_1").await.as_str(), ground.count("actions", "true").await), ("failed", 0));
    assert_eq!(ground.count("billing_keys", "true").await, 1);
    assert!(ground.act(&act(&ground, Doing::Move(mark, by))).await.unwrap(), "and as it was seen it goes through");
}

/// What a claim's decision is told of the first renewal.
async fn claimed(ground: &Ground) -> Option<(bool, bool)> {
    let told: Arc<Mutex<Option<(bool, bool)>>> = Arc::default();
    let tells = Arc::clone(&told);
    let look = move |facts: &ClaimFacts| {
        *tells.lock().unwrap() = Some((facts.commanded, facts.period_is_next));
        ClaimDecision::Skip
    };
    ground.claim(&ground.request(9), Arc::new(look)).await.unwrap();
    *told.lock().unwrap()
}

async fn a_command_stands_for_its_time_over_a_downgrade(ground: Ground) {
    let mark = failed(&ground).await;
    ground.set_standing("sub_1", "downgraded", "free").await;
    let by = moved(&mark, State::Due);
    assert!(ground.act(&act(&ground, Doing::Move(mark, by))).await.unwrap());
    assert_eq!(claimed(&ground).await, Some((true, true)));
    ground.set_access_until(now()).await;
    let waiting = |rows: Vec<renewd::domain::waiting::WaitingFacts>| rows[0].commanded;
    assert!(waiting(ground.waiting_facts(None, now(), 9).await.unwrap()));
    ground.pass(TimeDelta::hours(1));
    assert_eq!(claimed(&ground).await, Some((false, false)), "then it is as it was");
    assert!(!waiting(ground.waiting_facts(None, now(), 9).await.unwrap()));
}

/// Three claims without a settle: a person must look, and the attempt is still open.
async fn left_open(ground: &Ground) -> Mark {
    ground.subscribed_and_planned(&["sub_1"]).await;
    ground.claim_one().await;
    ground.pass(TimeDelta::hours(1));
    assert!(ground.take_over(9, LEASE, 1).await.unwrap().is_empty());
    assert_eq!(ground.state("sub_1").await, "review");
    mark(ground).await
}

async fn an_attempt_that_a_review_left_open_is_closed_as_not_charged(ground: Ground) {
    let mark = left_open(&ground).await;
    let by = Move { close_attempt: Some("by hand".to_owned()), ..moved(&mark, State::Due) };
    assert!(ground.act(&act(&ground, Doing::Move(mark, by))).await.unwrap());
    let attempts = ground.timeline("sub_1").await.unwrap().unwrap().attempts;
    assert_eq!((attempts[0].state.as_str(), attempts[0].note.as_deref()), ("not_charged", Some("by hand")));
    let again = ground.claim_one().await;
    assert_eq!(again.number, 2, "another one may start now");
}

/// A review, and the money of its only attempt, as a look-up proves it.
async fn reviewed(ground: &Ground) -> (Mark, Settlement) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let paid = ground.paid(&ground.claim_one().await);
    ground.pass(TimeDelta::hours(1));
    ground.take_over(9, LEASE, 1).await.unwrap();
    (mark(ground).await, paid)
}

async fn money_of_a_review_moves_the_period_with_its_record(ground: Ground) {
    let (mark, paid) = reviewed(&ground).await;
    assert!(ground.act(&act(&ground, Doing::Settle(mark.clone(), paid.clone()))).await.unwrap());
    let timeline = ground.timeline("sub_1").await.unwrap().unwrap();
    assert_eq!((timeline.renewals[0].state.as_str(), timeline.attempts[0].state.as_str()), ("paid", "paid"));
    assert_eq!(timeline.subscription.current_period_end, next_period_end());
    assert_eq!((timeline.payments.len(), timeline.actions.len()), (1, 1));
    assert!(!ground.act(&act(&ground, Doing::Settle(mark, paid))).await.unwrap(), "once");
    assert_eq!(ground.count("actions", "true").await, 1);
}

async fn money_of_a_review_is_not_accepted_for_a_period_that_moved(ground: Ground) {
    let (_, paid) = reviewed(&ground).await;
    ground.set_period_end("sub_1", utc("2026-05-01T00:00:00Z")).await;
    let mark = mark(&ground).await;
    assert!(!ground.act(&act(&ground, Doing::Settle(mark, paid))).await.unwrap());
    assert_eq!((ground.state("sub_1").await.as_str(), ground.count("payments", "true").await), ("review", 0));
    assert_eq!((ground.count("actions", "true").await, ground.count("events", "kind = 'renewal.paid'").await), (0, 0));
}

fn wanted(mark: &Mark, number: u32, reference: &str, amount: i64) -> NewRefund {
    let payment_id = payment_id("sub_1");
    NewRefund {
        renewal_id: mark.renewal_id,
        subscription_id: "sub_1".into(),
        amount,
        currency: "KRW".to_owned(),
        reason: RefundReason::ByHand,
        idempotency_key: idempotency_key(&payment_id, number),
        number,
        reference: reference.to_owned(),
        back_before: 0,
        left_after: 55_000 - amount,
        told: Some("goodwill".to_owned()),
        ends_renewal: false,
        payment_id,
    }
}

async fn paid(ground: &Ground) -> (Mark, Attempt) {
    ground.subscribed_and_planned(&["sub_1"]).await;
    let attempt = ground.claim_one().await;
    ground.settle(&[ground.paid(&attempt)]).await.unwrap();
    (mark(ground).await, attempt)
}

async fn give_back(ground: &Ground, number: u32, reference: &str) -> bool {
    let mark = mark(ground).await;
    let refund = wanted(&mark, number, reference, 5_000);
    ground.act(&act(ground, Doing::GiveBack(mark, refund))).await.unwrap()
}

async fn one_refund_of_a_payment_at_a_time_and_each_reference_once(ground: Ground) {
    let (before, attempt) = paid(&ground).await;
    let first = wanted(&before, 1, "5000", 5_000);
    assert!(ground.act(&act(&ground, Doing::GiveBack(before.clone(), first.clone()))).await.unwrap());
    assert!(!ground.act(&act(&ground, Doing::GiveBack(before, first))).await.unwrap(), "typed twice at once");
    assert!(!give_back(&ground, 2, "other").await, "one is under way");
    let facts = ground.refund_facts(9).await.unwrap();
    assert_eq!((facts.len(), facts[0].cancellable(), facts[0].told_gateway()), (1, 55_000, "goodwill"));
    done(&ground, &attempt, &facts[0]).await;
    assert!(!give_back(&ground, 2, "5000").await, "the same reference");
    assert!(!give_back(&ground, 1, "other").await, "the same number");
    assert!(give_back(&ground, 2, "other").await);
    assert_eq!((ground.count("refunds", "true").await, ground.count("actions", "true").await), (2, 2));
}

/// A run that asked and saw it back; answers how many refunds it could record.
async fn done(ground: &Ground, attempt: &Attempt, facts: &RefundFacts) -> usize {
    let cancelled = facts.back_before + facts.amount;
    let shown = Payment { cancelled, ..payment(attempt, PaymentStatus::PartialCancelled) };
    let found = LookUp::Found(Box::new(shown));
    let change = refund::decide(facts, "200", &found, now(), &|| ground.chance.id(now()));
    ground.record_refunds(&[change]).await.unwrap().len()
}

async fn a_part_does_not_end_its_renewal_and_an_old_answer_does_not_end_the_next_part(ground: Ground) {
    let (_, attempt) = paid(&ground).await;
    assert!(give_back(&ground, 1, "first").await);
    let first = ground.refund_facts(9).await.unwrap().remove(0);
    assert_eq!(done(&ground, &attempt, &first).await, 1);
    assert_eq!(ground.state("sub_1").await, "paid");
    assert!(give_back(&ground, 2, "second").await);
    assert_eq!(done(&ground, &attempt, &first).await, 0, "another run that asked for the first part comes late");
    let open = ground.refund_facts(9).await.unwrap();
    assert_eq!((open.len(), open[0].number, open[0].tries), (1, 2, 0));
    assert_eq!(ground.backlog().await.unwrap().refunds_open, 1);
}

async fn the_payment_ids_of_a_case_are_read_though_no_look_up_is_due(ground: Ground) {
    let mark = left_open(&ground).await;
    assert!(ground.late_facts(9).await.unwrap().is_empty(), "none is due");
    let case = ground.case_facts(mark.renewal_id).await.unwrap();
    assert_eq!((case.len(), case[0].payment_id.clone()), (1, payment_id("sub_1")));
    assert_eq!((case[0].state, case[0].period_is_next, case[0].retired), (State::Review, true, false));
    assert!(ground.case_facts(ground.planned("other").id).await.unwrap().is_empty());
    assert_eq!(case[0].attempt.renewal.period_start, period_end());
}

async fn the_keys_of_a_timeline_have_no_keys_in_them(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    let timeline = ground.timeline("sub_1").await.unwrap().unwrap();
    assert_eq!((timeline.keys[0].id.as_str(), timeline.keys[0].state.as_str()), ("bk_sub_1", "usable"));
    assert!(!serde_json::to_string(&timeline).unwrap().contains("billing-key-sub_1"));
}

async fn what_people_did_is_only_ever_added_to(ground: Ground) {
    let note = Act { action: action(&ground, ActionKind::Reconcile), doing: Doing::Note, events: Vec::new() };
    ground.act(&note).await.unwrap();
    ground.sql("UPDATE actions SET actor = 'nobody'").await.unwrap_err();
    ground.sql("DELETE FROM actions").await.unwrap_err();
    ground.sql("UPDATE actions SET actor = ''").await.unwrap_err();
    assert_eq!(ground.count("actions", "actor = 'haneul'").await, 1);
}
