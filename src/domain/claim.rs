//! Whether a renewal that is due may be charged now, decided from facts read under the claim's locks.

use super::attempt::AttemptState;
use super::charge::{Attempt, BillingKey, ClaimedRenewal, CustomData, FrozenRequest, Order, Payer};
use super::date::first_allowed;
use super::decline::DeclineClass;
use super::dunning::PastDecline;
use super::event::{EventKind, NewEvent};
use super::ids::{AttemptId, BillingKeyId, CustomerId, EventId, PaymentId, PlanId, RenewalId, RunId, SubscriptionId};
use super::key_turn::{self, KeyTry, KeyTurn};
use super::money::{Currency, Money};
use super::policy::Policy;
use super::renewal::{Event, Illegal, State, transition};
use super::{payment_id, requirements, waiting};
use chrono::{DateTime, Days, TimeDelta, Utc};
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
    /// Somebody else decides about it at this moment, or decided just now.
    pub is_held: bool,
    /// Lately, for other renewals; of the key that would be charged only.
    pub tries: Vec<KeyTry>,
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
    /// The subscription is still at `period_start`, and `active`, `past_due`, or, by a person's command, downgraded.
    pub period_is_next: bool,
    /// A person's command to charge it stands: over its ladder, its lateness, its card's rest and the charging window.
    pub commanded: bool,
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
    /// Its billing key is being charged for another renewal: leave the row as it is, and come back when that is settled.
    Wait,
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
    /// Access lasts longer than before, because the next attempt comes later; `None` leaves it as it is.
    pub access_until: Option<DateTime<Utc>>,
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
    let is_night = with.policy.is_quiet_at(facts.now);
    if is_night || !(facts.commanded || with.policy.is_open_at(facts.now)) {
        return Ok(ClaimDecision::Skip);
    }
    if facts.unsettled_claims >= with.policy.claims_unsettled_max {
        let reason = format!("claimed {} times without an outcome: it may end the process", facts.unsettled_claims);
        return refuse(facts, Event::NeedsPerson, Some(reason), with);
    }
    if is_never_tried(facts) && !facts.commanded && lateness(facts).is_too_late(with.policy, facts.now) {
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
    if attempts_lately(facts, with.policy) >= with.policy.dunning.attempts_max as usize {
        return refuse(facts, Event::AttemptsOver, None, with);
    }
    let Some(key) = chargeable(&facts.keys) else {
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
    match key_turn::turn(key, &facts.attempts, facts.now, policy.zone) {
        KeyTurn::Busy => return Ok(ClaimDecision::Wait),
        KeyTurn::Tomorrow if !facts.commanded => return rest_until_tomorrow(facts, with),
        KeyTurn::Tomorrow | KeyTurn::Free => {}
    }
    match Currency::parse(&facts.currency).and_then(|currency| Money::new(facts.amount, currency)) {
        Ok(amount) => Ok(ClaimDecision::Charge(Box::new(attempt(facts, key, channel_key, amount, with)))),
        Err(problem) => refuse(facts, Event::NeedsPerson, Some(problem.to_string()), with),
    }
}

/// The key that is charged: the newest one that can be.
pub fn chargeable(keys: &[KeyFacts]) -> Option<&KeyFacts> {
    keys.iter().find(|key| key.usable)
}

/// Attempts that reached the gateway in the days that the card networks count in.
fn attempts_lately(facts: &ClaimFacts, policy: &Policy) -> usize {
    let since = facts.now - TimeDelta::days(i64::from(policy.dunning.attempts_days));
    let counts = |past: &&PastAttempt| {
        past.state != AttemptState::NotCharged && past.settled_at.is_none_or(|settled| settled > since)
    };
    facts.attempts.iter().filter(counts).count()
}

/// The card had its attempt of the day for another renewal: this one comes tomorrow, if access lasts until then.
fn rest_until_tomorrow(facts: &ClaimFacts, with: &Claiming<'_>) -> Result<ClaimDecision, Illegal> {
    let (zone, dunning) = (with.policy.zone, &with.policy.dunning);
    let tomorrow = zone.date_of(facts.now).checked_add_days(Days::new(1));
    let next = tomorrow.and_then(|date| {
        first_allowed(zone.at(date, dunning.time_of_day), zone, &with.policy.window, &with.policy.quiet)
    });
    match (next.filter(|next| *next < facts.access_until), refuse(facts, Event::KeyRests, None, with)?) {
        (Some(next), ClaimDecision::Change(change)) => {
            Ok(ClaimDecision::Change(RenewalChange { next_attempt_at: Some(next), ..change }))
        }
        _ => Ok(ClaimDecision::Skip),
    }
}

/// Whether a later pass is about this renewal.
fn takes(again: &Again<'_>, channel: &str, facts: &ClaimFacts) -> bool {
    let had_its_turn = |past: &PastAttempt| {
        past.state != AttemptState::NotCharged && past.settled_at.is_some_and(|at| at >= again.since)
    };
    channel == again.channel && !facts.attempts.iter().any(had_its_turn)
}

fn was_declined(facts: &ClaimFacts) -> bool {
    facts.attempts.iter().any(|past| past.state == AttemptState::Declined)
}

/// Since when a renewal waits that nobody tried.
#[derive(Clone, Copy, Debug)]
pub struct Lateness {
    pub period_start: DateTime<Utc>,
    /// It may have come due long after its period began: a key arrived, a card had to rest.
    pub due_since: Option<DateTime<Utc>>,
    pub access_until: DateTime<Utc>,
}

impl Lateness {
    /// A charge would come as a surprise: its period began long ago, and nothing happened since that a customer who still
    /// has access would expect to be charged for.
    pub fn is_too_late(&self, policy: &Policy, now: DateTime<Utc>) -> bool {
        let is_long_ago = |at: DateTime<Utc>| at + policy.max_overdue < now;
        is_long_ago(self.period_start) && (self.access_until <= now || self.due_since.is_none_or(is_long_ago))
    }
}

fn lateness(facts: &ClaimFacts) -> Lateness {
    let (period_start, access_until) = (facts.period_start, facts.access_until);
    Lateness { period_start, due_since: Some(facts.next_attempt_at), access_until }
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
                "period_start": facts.period_start,
                "access_until": to.access_until(facts.period_start, facts.access_until),
                "next_attempt_at": null,
                "reason": review_reason.as_deref().or((event == Event::KeyMissing).then_some("no_billing_key")),
            }),
            facts.now,
        )
        .each_time()
    };
    let events = effects.tells.iter().map(tell).collect();
    Ok(ClaimDecision::Change(RenewalChange {
        renewal_id: facts.renewal_id,
        from: State::Due,
        to,
        // A change of mind goes on where the ladder was.
        next_attempt_at: (event == Event::CancelSeen).then_some(facts.next_attempt_at),
        // What was declined is looked at once more before it fails, as when it was settled.
        next_look_up_at: waiting::late_look_up(to, facts.now)
            .or((to == State::Due && was_declined(facts)).then_some(facts.access_until)),
        waits_for_key: event == Event::KeyMissing,
        waited_for_key: false,
        access_until: None,
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
mod tests;
