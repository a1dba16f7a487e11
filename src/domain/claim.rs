//! Whether a renewal that is due may be charged now, decided from facts read under the claim's locks.

use super::attempt::AttemptState;
use super::charge::{Attempt, BillingKey, ClaimedRenewal, CustomData, FrozenRequest, Order, Payer};
use super::decline::DeclineClass;
use super::dunning::PastDecline;
use super::event::{EventKind, NewEvent};
use super::ids::{AttemptId, BillingKeyId, CustomerId, EventId, PaymentId, PlanId, RenewalId, RunId, SubscriptionId};
use super::money::{Currency, Money};
use super::policy::Policy;
use super::renewal::{Event, Illegal, State, transition};
use super::{payment_id, requirements, waiting};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

/// A usable billing key of the customer.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFacts {
    pub id: BillingKeyId,
    pub key: BillingKey,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
    pub usable: bool,
}

/// An earlier attempt of the renewal.
#[derive(Clone, Debug, PartialEq)]
pub struct PastAttempt {
    pub number: u32,
    pub state: AttemptState,
    pub billing_key_id: BillingKeyId,
    pub transaction_id: Option<String>,
    pub class: Option<DeclineClass>,
    pub settled_at: Option<DateTime<Utc>>,
}

/// A renewal under the claim's lock.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimFacts {
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub customer_id: CustomerId,
    pub plan_id: PlanId,
    pub payment_id: PaymentId,
    pub series: u32,
    pub amount: i64,
    pub currency: String,
    pub order_name: String,
    pub period_start: DateTime<Utc>,
    pub period_end: DateTime<Utc>,
    pub access_until: DateTime<Utc>,
    pub next_attempt_at: DateTime<Utc>,
    pub lease_epoch: i64,
    /// Claims since the last settle: a row that kills the process must not be claimed for ever.
    pub unsettled_claims: u32,
    pub cancel_at_period_end: bool,
    /// The subscription is `active` or `past_due` and still at `period_start`.
    pub period_is_next: bool,
    pub payer: Payer,
    /// All keys of the customer, the newest first, unusable ones included.
    pub keys: Vec<KeyFacts>,
    /// Oldest first.
    pub attempts: Vec<PastAttempt>,
    /// The database's clock, under the lock.
    pub now: DateTime<Utc>,
}

/// What becomes of a claimed row.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimDecision {
    /// Commit this attempt and hand it out.
    Charge(Box<Attempt>),
    /// Not now: leave the row as it is (its channel is stopped, for one).
    Skip,
    /// It is not charged; the row changes instead.
    Change(RenewalChange),
}

/// A change of a renewal that no attempt is part of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RenewalChange {
    pub renewal_id: RenewalId,
    /// Only if the renewal is still in this state: the change was decided from it.
    pub from: State,
    pub to: State,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    /// Only if it waited so when the change was decided: another run may have been faster.
    pub waited_for_key: bool,
    pub review_reason: Option<String>,
    pub events: Vec<NewEvent>,
}

/// What a claim is made with, beside the facts.
pub struct Claiming<'a> {
    pub run_id: RunId,
    pub lease: TimeDelta,
    pub policy: &'a Policy,
    /// Channels that stopped charging in this run.
    pub stopped: &'a BTreeSet<String>,
    /// A later pass of the run over one channel; `None` in the first, over all.
    pub again: Option<Again<'a>>,
    /// The request's body, as the gateway writes it.
    pub freeze: &'a dyn Fn(&Order) -> FrozenRequest,
    pub new_id: &'a dyn Fn() -> Uuid,
}

/// One channel that is tried again by the same run.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    pub channel: &'a str,
    /// When the run started: what it charged since has had its turn, whatever came of it.
    pub since: DateTime<Utc>,
}

/// The name under which a channel is stopped: its key, or for renewals that name none, the gateway's own choice.
pub fn channel_name(channel_key: Option<&str>) -> &str {
    channel_key.unwrap_or("default")
}

/// Decides one locked row.
///
/// # Errors
/// [`Illegal`] if the facts are not of a due renewal.
pub fn decide(facts: &ClaimFacts, with: &Claiming<'_>) -> Result<ClaimDecision, Illegal> {
    if facts.cancel_at_period_end {
        return refuse(facts, Event::CancelSeen, None, with);
    }
    if !with.policy.is_open_at(facts.now) {
        return Ok(ClaimDecision::Skip);
    }
    if facts.unsettled_claims >= with.policy.claims_unsettled_max {
        let reason = format!("claimed {} times without an outcome: it may end the process", facts.unsettled_claims);
        return refuse(facts, Event::NeedsPerson, Some(reason), with);
    }
    if is_never_tried(facts) && facts.period_start + with.policy.max_overdue < facts.now {
        return refuse(facts, Event::TooLate, None, with);
    }
    if !payment_id::is_well_formed(facts.payment_id.as_str()) {
        let reason = "its payment id is not one that every payment gateway takes: the row was edited".to_owned();
        return refuse(facts, Event::NeedsPerson, Some(reason), with);
    }
    if !facts.period_is_next {
        let reason = "the subscription is no longer at this period: it was moved by somebody else".to_owned();
        return refuse(facts, Event::NeedsPerson, Some(reason), with);
    }
    let Some(key) = facts.keys.iter().find(|key| key.usable) else {
        return refuse(facts, Event::KeyMissing, None, with);
    };
    let channel_key = key.channel_key.clone().or_else(|| with.policy.channel_key.clone());
    let channel = channel_name(channel_key.as_deref());
    if with.stopped.contains(channel) || with.again.is_some_and(|again| !takes(&again, channel, facts)) {
        return Ok(ClaimDecision::Skip);
    }
    let policy = with.policy;
    let lacking = requirements::missing(
        key.pg_provider.as_deref(),
        &facts.payer,
        policy.product_type.as_deref(),
        policy.locale.as_deref(),
    );
    if !lacking.is_empty() {
        let provider = key.pg_provider.as_deref().unwrap_or("the payment gateway");
        let reason = format!("{provider} demands {}: fill it in, then retry", lacking.join(", "));
        return refuse(facts, Event::NeedsPerson, Some(reason), with);
    }
    match Currency::parse(&facts.currency).and_then(|currency| Money::new(facts.amount, currency)) {
        Ok(amount) => Ok(ClaimDecision::Charge(Box::new(attempt(facts, key, channel_key, amount, with)))),
        Err(problem) => refuse(facts, Event::NeedsPerson, Some(problem.to_string()), with),
    }
}

/// Whether a later pass is about this renewal.
fn takes(again: &Again<'_>, channel: &str, facts: &ClaimFacts) -> bool {
    let had_its_turn = |past: &PastAttempt| {
        past.state != AttemptState::NotCharged && past.settled_at.is_some_and(|at| at >= again.since)
    };
    channel == again.channel && !facts.attempts.iter().any(had_its_turn)
}

/// Nothing of it ever reached the gateway.
fn is_never_tried(facts: &ClaimFacts) -> bool {
    facts.attempts.iter().all(|past| past.state == AttemptState::NotCharged)
}

fn refuse(
    facts: &ClaimFacts,
    event: Event,
    review_reason: Option<String>,
    with: &Claiming<'_>,
) -> Result<ClaimDecision, Illegal> {
    let (to, effects) = transition(State::Due, event)?;
    let tell = |kind: &EventKind| {
        NewEvent::of_renewal(
            EventId((with.new_id)()),
            *kind,
            (&facts.subscription_id, facts.renewal_id, None),
            json!({
                "amount": facts.amount,
                "currency": facts.currency,
                "next_attempt_at": null,
                "reason": review_reason.as_deref().or((event == Event::KeyMissing).then_some("no_billing_key")),
            }),
            facts.now,
        )
    };
    let events = effects.tells.iter().map(tell).collect();
    Ok(ClaimDecision::Change(RenewalChange {
        renewal_id: facts.renewal_id,
        from: State::Due,
        to,
        // A change of mind goes on where the ladder was.
        next_attempt_at: (event == Event::CancelSeen).then_some(facts.next_attempt_at),
        next_look_up_at: waiting::late_look_up(to, facts.now),
        waits_for_key: event == Event::KeyMissing,
        waited_for_key: false,
        review_reason,
        events,
    }))
}

fn attempt(
    facts: &ClaimFacts,
    key: &KeyFacts,
    channel_key: Option<String>,
    amount: Money,
    with: &Claiming<'_>,
) -> Attempt {
    let number = facts.attempts.iter().map(|past| past.number).max().unwrap_or(0).saturating_add(1);
    let order = Order {
        payment_id: facts.payment_id.clone(),
        customer_id: facts.customer_id.clone(),
        payer: facts.payer.clone(),
        order_name: facts.order_name.clone(),
        amount,
        channel_key: channel_key.clone(),
        custom_data: CustomData {
            subscription: facts.subscription_id.clone(),
            period_start: facts.period_start,
            attempt: number,
        },
    };
    Attempt {
        id: AttemptId((with.new_id)()),
        run_id: with.run_id,
        renewal: renewal(facts, amount),
        number,
        idempotency_key: format!("{}-{number}", facts.payment_id),
        request: (with.freeze)(&order),
        billing_key_id: key.id.clone(),
        billing_key: Some(key.key.clone()),
        channel_key,
        pg_provider: key.pg_provider.clone(),
        started_at: facts.now,
        maybe_sent: false,
        lease_epoch: facts.lease_epoch.saturating_add(1),
        lease_until: facts.now + with.lease,
    }
}

fn renewal(facts: &ClaimFacts, amount: Money) -> ClaimedRenewal {
    let declines = past_declines(&facts.attempts);
    ClaimedRenewal {
        id: facts.renewal_id,
        subscription_id: facts.subscription_id.clone(),
        customer_id: facts.customer_id.clone(),
        plan_id: facts.plan_id.clone(),
        payment_id: facts.payment_id.clone(),
        series: facts.series,
        amount,
        period_start: facts.period_start,
        period_end: facts.period_end,
        access_until: facts.access_until,
        first_declined_at: declines.first().map(|decline| decline.at),
        declines,
        known_transactions: facts.attempts.iter().filter_map(|past| past.transaction_id.clone()).collect(),
        customer_keys: facts.keys.iter().map(|key| key.key.clone()).collect(),
        look_ups: 0,
        unknown_since: None,
    }
}

/// The declines among earlier attempts, oldest first: what the ladder counts.
pub fn past_declines(attempts: &[PastAttempt]) -> Vec<PastDecline> {
    attempts
        .iter()
        .filter(|past| past.state == AttemptState::Declined)
        .filter_map(|past| {
            past.settled_at.map(|at| PastDecline { at, class: past.class.unwrap_or(DeclineClass::Unknown) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
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
            settled_at: Some(now()),
        };
        let given_back =
            PastAttempt { number: 2, state: AttemptState::NotCharged, transaction_id: None, ..past.clone() };
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
            class: None,
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
}
