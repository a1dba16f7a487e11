//! Which rows are charged, and what becomes of the others.

use super::*;
use crate::domain::fixtures::{claim_facts, ids, now, policy, utc};

fn decided(facts: &ClaimFacts, stopped: &[&str]) -> ClaimDecision {
    decided_again(facts, stopped, None)
}

fn decided_again(facts: &ClaimFacts, stopped: &[&str], again: Option<Again<'_>>) -> ClaimDecision {
    let (policy, new_id) = (policy(), ids());
    let with = Claiming {
        run_id: RunId(Uuid::nil()),
        lease: TimeDelta::minutes(10),
        policy: &policy,
        stopped: &stopped.iter().map(|name| (*name).to_owned()).collect(),
        again,
        freeze: &|order| FrozenRequest { body: order.amount.to_string(), hash: "h".to_owned() },
        new_id: &new_id,
    };
    decide(facts, &with).unwrap()
}

fn change(facts: &ClaimFacts) -> RenewalChange {
    match decided(facts, &[]) {
        ClaimDecision::Change(change) => change,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_claim_freezes_the_request_and_takes_the_next_epoch() {
    let ClaimDecision::Charge(attempt) = decided(&claim_facts(), &[]) else { panic!("not charged") };
    assert_eq!((attempt.number, attempt.idempotency_key.as_str()), (1, "rn0000-1"));
    assert_eq!((attempt.lease_epoch, attempt.lease_until), (5, now() + TimeDelta::minutes(10)));
    assert_eq!((attempt.request.body.as_str(), attempt.maybe_sent), ("55,000 KRW", false));
}

#[test]
fn a_later_attempt_has_its_own_number_and_key_and_knows_the_earlier_ones() {
    let past = PastAttempt {
        number: 1,
        state: AttemptState::Declined,
        billing_key_id: "bk_1".into(),
        transaction_id: Some("tx-1".to_owned()),
        class: Some(DeclineClass::Soft),
        settled_at: Some(now() - TimeDelta::days(1)),
    };
    let given_back = PastAttempt { number: 2, state: AttemptState::NotCharged, transaction_id: None, ..past.clone() };
    let facts = ClaimFacts { attempts: vec![past, given_back], ..claim_facts() };
    let ClaimDecision::Charge(attempt) = decided(&facts, &[]) else { panic!("not charged") };
    assert_eq!((attempt.number, attempt.idempotency_key.as_str()), (3, "rn0000-3"));
    assert_eq!(attempt.renewal.known_transactions, ["tx-1"]);
    assert_eq!(attempt.renewal.declines.len(), 1, "only declines count on the ladder");
}

#[test]
fn a_cancelled_customer_is_not_charged_whatever_else_is_wrong() {
    let facts = ClaimFacts { cancel_at_period_end: true, keys: vec![], unsettled_claims: 9, ..claim_facts() };
    let change = change(&facts);
    assert_eq!((change.from, change.to), (State::Due, State::Canceled));
    assert_eq!(change.events[0].kind, EventKind::RenewalCanceled);
}

#[test]
fn a_later_pass_is_about_one_channel_and_what_had_no_turn_yet() {
    let again = |facts: &ClaimFacts, channel| {
        let again = Again { channel, since: now() };
        matches!(decided_again(facts, &[], Some(again)), ClaimDecision::Charge(_))
    };
    let mut facts = claim_facts();
    assert!(again(&facts, "channel-1") && !again(&facts, "channel-2"));
    let past = |state, settled_at| PastAttempt {
        number: 1,
        state,
        billing_key_id: "bk_1".into(),
        transaction_id: None,
        class: Some(DeclineClass::Transient),
        settled_at: Some(settled_at),
    };
    facts.attempts = vec![past(AttemptState::Declined, now() - TimeDelta::hours(1))];
    assert!(again(&facts, "channel-1"), "by an earlier run");
    facts.attempts = vec![past(AttemptState::NotCharged, now())];
    assert!(again(&facts, "channel-1"), "given back by this one");
    facts.attempts = vec![past(AttemptState::Declined, now())];
    assert!(!again(&facts, "channel-1"), "declined by this one, and due again already");
}

#[test]
fn outside_the_window_and_on_a_stopped_channel_it_stays_due() {
    let night = ClaimFacts { now: utc("2026-01-30T14:30:00Z"), ..claim_facts() };
    assert_eq!(decided(&night, &[]), ClaimDecision::Skip);
    assert_eq!(decided(&claim_facts(), &["channel-1"]), ClaimDecision::Skip);
    assert!(matches!(decided(&claim_facts(), &["channel-2"]), ClaimDecision::Charge(_)));
}

#[test]
fn a_row_that_was_claimed_again_and_again_is_shown_to_a_person() {
    assert!(matches!(decided(&ClaimFacts { unsettled_claims: 2, ..claim_facts() }, &[]), ClaimDecision::Charge(_)));
    assert_eq!(change(&ClaimFacts { unsettled_claims: 3, ..claim_facts() }).to, State::Review);
}

#[test]
fn what_was_never_tried_is_not_charged_long_after_its_period_began() {
    let late = ClaimFacts { now: utc("2026-02-04T01:00:00Z"), ..claim_facts() };
    assert_eq!(change(&late).to, State::Lapsed);
    let tried = PastAttempt {
        number: 1,
        state: AttemptState::Declined,
        billing_key_id: "bk_1".into(),
        transaction_id: None,
        class: Some(DeclineClass::Soft),
        settled_at: Some(now()),
    };
    let dunning = ClaimFacts { attempts: vec![tried], ..late };
    assert!(matches!(decided(&dunning, &[]), ClaimDecision::Charge(_)), "the ladder goes on");
}

#[test]
fn a_period_that_somebody_moved_is_not_charged() {
    assert_eq!(change(&ClaimFacts { period_is_next: false, ..claim_facts() }).to, State::Review);
}

#[test]
fn the_newest_usable_key_is_charged_and_none_means_waiting() {
    let mut facts = claim_facts();
    let older = KeyFacts { id: "bk_0".into(), ..facts.keys[0].clone() };
    facts.keys[0].usable = false;
    facts.keys.push(older);
    let ClaimDecision::Charge(attempt) = decided(&facts, &[]) else { panic!("not charged") };
    assert_eq!(attempt.billing_key_id, "bk_0".into());
    facts.keys[1].usable = false;
    let change = change(&facts);
    assert_eq!((change.to, change.waits_for_key, change.next_attempt_at), (State::Due, true, None));
}

#[test]
fn a_persons_command_stands_over_lateness_and_window_and_not_over_the_night() {
    let commanded = |time| ClaimFacts { commanded: true, now: utc(time), ..claim_facts() };
    assert!(matches!(decided(&commanded("2026-02-04T13:30:00Z"), &[]), ClaimDecision::Charge(_)), "22:30");
    assert_eq!(decided(&commanded("2026-01-30T14:30:00Z"), &[]), ClaimDecision::Skip, "23:30");
    let canceled = ClaimFacts { cancel_at_period_end: true, ..commanded("2026-01-30T01:00:00Z") };
    assert_eq!(change(&canceled).to, State::Canceled);
}

#[test]
fn a_card_that_said_no_to_another_renewal_today_rests_until_tomorrow() {
    let mut facts = claim_facts();
    facts.keys[0].tries = vec![KeyTry {
        state: AttemptState::Declined,
        class: Some(DeclineClass::Soft),
        under_way: false,
        started_at: now(),
        settled_at: Some(now()),
    }];
    let rests = change(&facts);
    assert_eq!((rests.to, rests.next_attempt_at), (State::Due, Some(utc("2026-01-31T01:00:00Z"))));
    assert!(rests.events.is_empty(), "nobody was declined");
    let commanded = ClaimFacts { commanded: true, ..facts.clone() };
    assert!(matches!(decided(&commanded, &[]), ClaimDecision::Charge(_)), "a person says that the card has money now");
    let last_day = ClaimFacts { access_until: utc("2026-01-31T01:00:00Z"), ..facts.clone() };
    assert_eq!(decided(&last_day, &[]), ClaimDecision::Skip, "no retry is planned after access ends");
    facts.keys[0].tries[0].state = AttemptState::Open;
    facts.keys[0].tries[0].under_way = true;
    assert_eq!(decided(&facts, &[]), ClaimDecision::Wait);
}

#[test]
fn the_sixteenth_attempt_in_thirty_days_is_not_made_whoever_wants_it() {
    let past = |days| PastAttempt {
        number: 1,
        state: AttemptState::Declined,
        billing_key_id: "bk_0".into(),
        transaction_id: None,
        class: Some(DeclineClass::Hard),
        settled_at: Some(now() - TimeDelta::days(days)),
    };
    let with = |attempts| ClaimFacts { attempts, ..claim_facts() };
    let fifteen: Vec<_> = (1..=15).map(past).collect();
    assert_eq!(change(&with(fifteen.clone())).to, State::Failed);
    assert_eq!(change(&with(fifteen.clone())).events[0].kind, EventKind::RenewalFailed);
    let mut older = fifteen.clone();
    older[0] = past(30);
    assert!(matches!(decided(&with(older), &[]), ClaimDecision::Charge(_)), "thirty days ago is long ago");
    let mut unsent = fifteen;
    unsent[0].state = AttemptState::NotCharged;
    assert!(matches!(decided(&with(unsent), &[]), ClaimDecision::Charge(_)), "what was not sent does not count");
}

#[test]
fn what_the_payment_gateway_demands_and_is_missing_needs_a_person() {
    let mut facts = claim_facts();
    facts.keys[0].pg_provider = Some("INICIS_V2".to_owned());
    let change = change(&facts);
    assert_eq!(change.to, State::Review);
    let reason = change.review_reason.unwrap();
    assert_eq!(reason, "INICIS_V2 demands customer.name, customer.phone, customer.email: fill it in, then retry");
}

#[test]
fn an_amount_that_is_none_is_never_charged() {
    for amount in [0, -1, i64::MAX] {
        assert_eq!(change(&ClaimFacts { amount, ..claim_facts() }).to, State::Review);
    }
    assert_eq!(change(&ClaimFacts { currency: "WON".to_owned(), ..claim_facts() }).to, State::Review);
}
