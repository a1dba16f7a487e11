//! Which subscriptions are due, and what becomes of each: facts in, one disposition out.

use super::date::first_allowed;
use super::event::{EventKind, NewEvent};
use super::ids::{CustomerId, EventId, PaymentId, PlanId, RenewalId, SubscriptionId};
use super::look_ahead;
use super::money::{Currency, Money};
use super::payment_id;
use super::period::Interval;
use super::policy::Policy;
use super::renewal::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

/// A subscription as the planner reads it. Texts that the API service wrote are raw: a row that cannot be read is a
/// disposition of its own, and holds up nobody else.
#[derive(Clone, Debug, PartialEq)]
pub struct SubscriptionFacts {
    pub id: SubscriptionId,
    pub customer_id: CustomerId,
    /// The plan of the next period: `next_plan_id` where one is set.
    pub plan_id: PlanId,
    pub amount: i64,
    pub currency: String,
    pub interval: String,
    pub order_name: String,
    pub current_period_start: DateTime<Utc>,
    pub current_period_end: DateTime<Utc>,
    pub anchor_day: i64,
    pub cancel_at_period_end: bool,
    pub has_usable_key: bool,
    /// Another renewal of it reaches into the next period, and money was or may have been taken for that one.
    pub overlaps_other: bool,
    /// A payment schedule at the gateway that would charge the billing key too, as of the last look.
    pub schedule_id: Option<String>,
}

/// A renewal as planning records it: one row, whatever its disposition, so that nothing due is invisible.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedRenewal {
    pub id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub customer_id: CustomerId,
    pub plan_id: PlanId,
    pub business_date: NaiveDate,
    pub period_start: DateTime<Utc>,
    /// `None` only where the row could not be read (then the state is `review`).
    pub period_end: Option<DateTime<Utc>>,
    /// Minor units; `None` only where the row could not be read.
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub order_name: String,
    pub payment_id: PaymentId,
    pub state: State,
    /// When it may be claimed; `None` while it waits for a billing key, and in final states.
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    pub access_until: DateTime<Utc>,
    pub review_reason: Option<String>,
    pub events: Vec<NewEvent>,
}

/// Why a subscription that ends soon is not charged, or that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    Renew,
    Cancel,
    Lapse,
    NoKey,
    Review,
}

/// The moment of planning: the date that is planned for, the clock, and where ids come from.
pub struct Planning<'a> {
    pub business_date: NaiveDate,
    pub now: DateTime<Utc>,
    pub new_id: &'a dyn Fn() -> Uuid,
}

/// What the next period costs and when it ends.
struct Terms {
    amount: Money,
    period_end: DateTime<Utc>,
}

/// Decides what becomes of a due subscription. Every due subscription gets exactly one row.
pub fn decide(facts: &SubscriptionFacts, policy: &Policy, at: &Planning<'_>) -> (Disposition, PlannedRenewal) {
    let terms = read_terms(facts, policy);
    let disposition = disposition(facts, &terms, policy, at.now);
    let mut planned = blank(facts, policy, at);
    match &terms {
        Ok(terms) => {
            planned.amount = Some(terms.amount.minor());
            planned.currency = Some(terms.amount.currency().code().to_owned());
            planned.period_end = Some(terms.period_end);
        }
        Err(problem) => planned.review_reason = Some(problem.clone()),
    }
    if let (Disposition::Review, Ok(_), Some(schedule)) = (disposition, &terms, &facts.schedule_id) {
        planned.review_reason = Some(look_ahead::scheduled(schedule));
    }
    planned.state = match disposition {
        Disposition::Renew | Disposition::NoKey => State::Due,
        Disposition::Cancel => State::Canceled,
        Disposition::Lapse => State::Lapsed,
        Disposition::Review => State::Review,
    };
    planned.waits_for_key = disposition == Disposition::NoKey;
    if disposition == Disposition::Renew {
        let earliest = policy.due_at(facts.current_period_end).max(at.now);
        planned.next_attempt_at = first_allowed(earliest, policy.zone, &policy.window, &policy.quiet);
    }
    planned.events = told(&planned, disposition, at);
    (disposition, planned)
}

fn disposition(
    facts: &SubscriptionFacts,
    terms: &Result<Terms, String>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Disposition {
    // A cancelled subscription is left alone even when its row cannot be read: there is nothing to charge.
    if facts.cancel_at_period_end {
        Disposition::Cancel
    } else if facts.current_period_end + policy.max_overdue < now {
        Disposition::Lapse
    } else if terms.is_err() || facts.schedule_id.is_some() {
        Disposition::Review
    } else if !facts.has_usable_key {
        Disposition::NoKey
    } else {
        Disposition::Renew
    }
}

fn read_terms(facts: &SubscriptionFacts, policy: &Policy) -> Result<Terms, String> {
    if facts.overlaps_other {
        return Err(
            "another renewal reaches into this period: the subscription was moved while it was paid for".to_owned()
        );
    }
    let currency = Currency::parse(&facts.currency).map_err(|err| format!("plan {}: {err}", facts.plan_id))?;
    let amount = Money::new(facts.amount, currency).map_err(|err| format!("plan {}: {err}", facts.plan_id))?;
    let interval = Interval::parse(&facts.interval).map_err(|err| format!("plan {}: {err}", facts.plan_id))?;
    let anchor_day = u8::try_from(facts.anchor_day)
        .ok()
        .filter(|day| (1..=31).contains(day))
        .ok_or_else(|| format!("anchor_day is {}, not a day from 1 to 31", facts.anchor_day))?;
    let period_end =
        interval.next_end(facts.current_period_end, anchor_day, policy.zone).map_err(|err| err.to_string())?;
    Ok(Terms { amount, period_end })
}

fn blank(facts: &SubscriptionFacts, policy: &Policy, at: &Planning<'_>) -> PlannedRenewal {
    PlannedRenewal {
        id: RenewalId((at.new_id)()),
        subscription_id: facts.id.clone(),
        customer_id: facts.customer_id.clone(),
        plan_id: facts.plan_id.clone(),
        business_date: at.business_date,
        period_start: facts.current_period_end,
        period_end: None,
        amount: None,
        currency: None,
        order_name: facts.order_name.clone(),
        payment_id: payment_id::derive(
            &policy.payment_id_key,
            &policy.store_id,
            &facts.id,
            facts.current_period_end,
            0,
        ),
        state: State::Due,
        next_attempt_at: None,
        waits_for_key: false,
        access_until: facts.current_period_end + policy.grace,
        review_reason: None,
        events: Vec::new(),
    }
}

fn told(planned: &PlannedRenewal, disposition: Disposition, at: &Planning<'_>) -> Vec<NewEvent> {
    let kind = match disposition {
        Disposition::Renew => return Vec::new(),
        Disposition::Cancel => EventKind::RenewalCanceled,
        Disposition::Lapse => EventKind::RenewalLapsed,
        Disposition::NoKey => EventKind::BillingKeyMissing,
        Disposition::Review => EventKind::RenewalReview,
    };
    let payload = json!({
        "amount": planned.amount,
        "currency": planned.currency,
        "period_start": planned.period_start,
        "access_until": planned.state.access_until(planned.period_start, planned.access_until),
        "next_attempt_at": planned.next_attempt_at,
        "reason": planned.review_reason.as_deref().or((disposition == Disposition::NoKey).then_some("no_billing_key")),
    });
    vec![NewEvent::of_renewal(
        EventId((at.new_id)()),
        kind,
        (&planned.subscription_id, planned.id, None),
        payload,
        at.now,
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{ids, now, period_end, policy, subscription, utc};
    use chrono::TimeDelta;

    fn decided(facts: &SubscriptionFacts, now: DateTime<Utc>) -> (Disposition, PlannedRenewal) {
        let (policy, new_id) = (policy(), ids());
        let at = Planning { business_date: policy.zone.date_of(now), now, new_id: &new_id };
        decide(facts, &policy, &at)
    }

    #[test]
    fn tomorrows_period_is_renewed_from_its_end_at_the_plans_price() {
        let (disposition, planned) = decided(&subscription(), now());
        assert_eq!((disposition, planned.state), (Disposition::Renew, State::Due));
        assert_eq!((planned.amount, planned.currency.as_deref()), (Some(55_000), Some("KRW")));
        assert_eq!((planned.period_start, planned.period_end), (period_end(), Some(utc("2026-02-27T15:00:00Z"))));
        assert_eq!(planned.next_attempt_at, Some(now()));
        assert_eq!(planned.access_until, period_end() + TimeDelta::days(7));
        assert!(planned.events.is_empty());
        assert_eq!(decided(&subscription(), now()).1.payment_id, planned.payment_id, "planned again, named the same");
    }

    #[test]
    fn nothing_is_charged_before_its_day_or_in_the_night() {
        let early = utc("2026-01-28T01:00:00Z");
        assert_eq!(decided(&subscription(), early).1.next_attempt_at, Some(utc("2026-01-30T00:00:00Z")));
        let night = utc("2026-01-30T13:30:00Z");
        assert_eq!(decided(&subscription(), night).1.next_attempt_at, Some(utc("2026-01-31T00:00:00Z")));
    }

    #[test]
    fn a_cancelled_one_is_left_alone_and_one_without_a_key_waits() {
        let canceled = SubscriptionFacts { cancel_at_period_end: true, has_usable_key: false, ..subscription() };
        let (disposition, planned) = decided(&canceled, now());
        assert_eq!((disposition, planned.state, planned.next_attempt_at), (Disposition::Cancel, State::Canceled, None));

        let (disposition, planned) = decided(&SubscriptionFacts { has_usable_key: false, ..subscription() }, now());
        assert_eq!((disposition, planned.state), (Disposition::NoKey, State::Due));
        assert!(planned.waits_for_key && planned.next_attempt_at.is_none());
        assert_eq!(planned.events[0].kind, EventKind::BillingKeyMissing);
    }

    #[test]
    fn a_missed_night_is_caught_up_and_a_long_past_one_is_no_surprise() {
        let late = period_end() + TimeDelta::days(3);
        assert_eq!(decided(&subscription(), late).0, Disposition::Renew);
        let (disposition, planned) = decided(&subscription(), late + TimeDelta::seconds(1));
        assert_eq!((disposition, planned.state, planned.next_attempt_at), (Disposition::Lapse, State::Lapsed, None));
        assert_eq!(planned.events[0].kind, EventKind::RenewalLapsed);
    }

    #[test]
    fn a_row_that_cannot_be_read_is_shown_to_a_person() {
        type Spoil = fn(&mut SubscriptionFacts);
        let spoilt: [Spoil; 7] = [
            |facts| facts.overlaps_other = true,
            |facts| facts.amount = 0,
            |facts| facts.amount = -1,
            |facts| facts.amount = i64::MAX,
            |facts| facts.currency = "WON".into(),
            |facts| facts.interval = "monthly".into(),
            |facts| facts.anchor_day = 32,
        ];
        for spoil in spoilt {
            let mut facts = subscription();
            spoil(&mut facts);
            let (disposition, planned) = decided(&facts, now());
            assert_eq!((disposition, planned.state), (Disposition::Review, State::Review));
            assert!(planned.review_reason.is_some() && planned.amount.is_none() && planned.next_attempt_at.is_none());
        }
    }

    #[test]
    fn what_the_gateway_would_charge_by_itself_is_not_charged_twice() {
        let scheduled = SubscriptionFacts { schedule_id: Some("s-1".to_owned()), ..subscription() };
        let (disposition, planned) = decided(&scheduled, now());
        assert_eq!((disposition, planned.state, planned.next_attempt_at), (Disposition::Review, State::Review, None));
        assert!(planned.review_reason.unwrap().contains("s-1"));
        assert_eq!(planned.amount, Some(55_000), "a person can have it charged after all");
        let canceled = SubscriptionFacts { cancel_at_period_end: true, ..scheduled };
        assert_eq!(decided(&canceled, now()).0, Disposition::Cancel);
    }

    #[test]
    fn due_is_what_ends_before_the_end_of_tomorrow_in_seoul() {
        let policy = policy();
        let before = policy.due_before("2026-01-30".parse().unwrap());
        assert_eq!(before, utc("2026-01-31T15:00:00Z"), "the end of 31 January in Seoul");
        assert_eq!(policy.due_at(period_end()), utc("2026-01-29T15:00:00Z"), "the start of 30 January");
    }
}
