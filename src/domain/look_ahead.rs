//! Before the due date: whether a billing key can still be charged, whether the gateway would charge it by itself, and
//! the notice that a period is going to be paid for.
//!
//! What does not live here: no charge, and no renewal. What is found out early is told early; what happens on the day is
//! decided on the day.

use super::charge::BillingKey;
use super::claim::RenewalChange;
use super::event::{EventKind, NewEvent};
use super::ids::{BillingKeyId, EventId, PlanId, RenewalId, SubscriptionId};
use super::money::{Currency, Money};
use super::period::Interval;
use super::policy::Policy;
use super::renewal::{Event, Illegal, State, transition};
use chrono::{DateTime, Days, NaiveDate, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// A schedule so far behind the end of the period is no matter where the length of the next one cannot be read.
const SCHEDULE_DAYS: TimeDelta = TimeDelta::days(366);

/// Whether there is a billing key to charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyFound {
    /// The gateway knows it, and would charge it.
    Issued,
    /// The gateway knows none of the keys that are stored here any more.
    Gone,
    /// None is stored.
    None,
}

impl KeyFound {
    pub const ALL: [Self; 3] = [Self::Issued, Self::Gone, Self::None];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Gone => "gone",
            Self::None => "none",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|found| found.as_str() == word)
    }
}

/// A usable billing key of the customer.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredKey {
    pub id: BillingKeyId,
    pub key: BillingKey,
    pub channel_key: Option<String>,
}

/// A subscription that is going to be renewed, with what was found out about that before.
#[derive(Clone, Debug, PartialEq)]
pub struct LookAheadFacts {
    pub subscription_id: SubscriptionId,
    /// The plan of the next period, and its price as it is now.
    pub plan_id: PlanId,
    pub amount: i64,
    pub currency: String,
    pub interval: String,
    pub order_name: String,
    pub current_period_end: DateTime<Utc>,
    pub anchor_day: i64,
    /// The renewal from `current_period_end`, once it is planned.
    pub renewal: Option<(RenewalId, State)>,
    /// The newest first.
    pub keys: Vec<StoredKey>,
    pub looked_at: Option<DateTime<Utc>>,
    pub key_was: Option<KeyFound>,
    /// The price that was told, in minor units, and its currency.
    pub noticed: Option<(i64, String)>,
}

/// What the gateway said about one subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub key: KeyFound,
    /// Keys that it does not know any more.
    pub gone: Vec<BillingKeyId>,
    /// A schedule that would charge the key.
    pub schedule_id: Option<String>,
}

/// What is recorded of one subscription, while it is still to be renewed.
#[derive(Clone, Debug, PartialEq)]
pub struct LookedAhead {
    pub subscription_id: SubscriptionId,
    pub period_start: DateTime<Utc>,
    /// The gateway answered: what of the key, and which schedule.
    pub looked: Option<(KeyFound, Option<String>)>,
    /// The price that is told by this, in minor units, and its currency.
    pub noticed: Option<(i64, String)>,
    /// Keys that cannot be charged any more.
    pub gone: Vec<BillingKeyId>,
    pub events: Vec<NewEvent>,
}

/// The moment of looking.
pub struct Looking<'a> {
    pub policy: &'a Policy,
    pub business_date: NaiveDate,
    pub now: DateTime<Utc>,
    pub new_id: &'a dyn Fn() -> Uuid,
}

impl Looking<'_> {
    /// Periods that end before this instant end within `days` business days.
    pub fn ends_before(&self, days: u32) -> DateTime<Utc> {
        let last = self.business_date.checked_add_days(Days::new(u64::from(days))).unwrap_or(self.business_date);
        self.policy.zone.start_of(last.succ_opt().unwrap_or(last))
    }
}

/// Whether the gateway is asked now: once a business day, while nothing was charged yet.
pub fn is_asked(facts: &LookAheadFacts, days: u32, at: &Looking<'_>) -> bool {
    let zone = at.policy.zone;
    let is_open = facts.renewal.is_none_or(|(_, state)| state == State::Due);
    let was_asked = facts.looked_at.is_some_and(|looked| zone.date_of(looked) >= zone.date_of(at.now));
    days > 0 && is_open && !was_asked && facts.current_period_end < at.ends_before(days)
}

/// The notice that is due, if any: once for each renewal, and once more for a price that is higher than the one told.
pub fn notice(facts: &LookAheadFacts, days: u32, at: &Looking<'_>) -> Option<LookedAhead> {
    let is_near = days > 0 && facts.current_period_end < at.ends_before(days);
    let currency = Currency::parse(&facts.currency).ok()?;
    // A row that cannot be read announces nothing: a person will look at it on its day.
    let amount = Money::new(facts.amount, currency).ok()?;
    let told = facts.noticed.as_ref();
    let is_news = told.is_none_or(|(minor, code)| code != currency.code() || *minor < amount.minor());
    // Once it is planned its price is fixed, and it is about to be charged.
    if !is_near || !is_news || facts.renewal.is_some() {
        return None;
    }
    let payload = json!({
        "plan_id": facts.plan_id,
        "order_name": facts.order_name,
        "amount": amount.minor(),
        "currency": currency.code(),
        "period_start": facts.current_period_end,
        "charged_from": at.policy.zone.date_of(at.policy.due_at(facts.current_period_end)),
        "told_amount": told.map(|(minor, _)| minor),
        "told_currency": told.map(|(_, code)| code),
    });
    let price = format!("{}{}", amount.minor(), currency.code());
    Some(LookedAhead {
        noticed: Some((amount.minor(), currency.code().to_owned())),
        events: vec![event(facts, EventKind::RenewalUpcoming, &price, payload, at)],
        ..blank(facts)
    })
}

/// What is recorded of an answer. That there is no key to charge is told once, days before it matters.
pub fn looked(facts: &LookAheadFacts, found: &Found, at: &Looking<'_>) -> LookedAhead {
    let payload = json!({
        "period_start": facts.current_period_end,
        "charged_from": at.policy.zone.date_of(at.policy.due_at(facts.current_period_end)),
        "key": found.key,
        "early": true,
    });
    let missing = || event(facts, EventKind::BillingKeyMissing, "early", payload, at);
    LookedAhead {
        looked: Some((found.key, found.schedule_id.clone())),
        gone: found.gone.clone(),
        events: if is_told_missing(facts, found) { vec![missing()] } else { Vec::new() },
        ..blank(facts)
    }
}

/// Nobody was told yet that there is no key to charge. One that is planned was told when it was planned.
pub fn is_told_missing(facts: &LookAheadFacts, found: &Found) -> bool {
    let was_issued = matches!(facts.key_was, None | Some(KeyFound::Issued));
    found.key != KeyFound::Issued && was_issued && (facts.renewal.is_none() || found.key == KeyFound::Gone)
}

/// A renewal that is planned already and that the gateway would charge too goes to a person.
///
/// # Errors
/// [`Illegal`] if the facts are not of a due renewal.
pub fn held_by_schedule(
    facts: &LookAheadFacts,
    found: &Found,
    at: &Looking<'_>,
) -> Result<Option<RenewalChange>, Illegal> {
    let (Some((renewal_id, State::Due)), Some(schedule)) = (facts.renewal, &found.schedule_id) else {
        return Ok(None);
    };
    let (to, effects) = transition(State::Due, Event::NeedsPerson)?;
    let reason = scheduled(schedule);
    let tell = |kind: &EventKind| {
        let subject = (&facts.subscription_id, renewal_id, None);
        NewEvent::of_renewal(EventId((at.new_id)()), *kind, subject, json!({ "reason": reason }), at.now).each_time()
    };
    Ok(Some(RenewalChange {
        renewal_id,
        from: State::Due,
        to,
        next_attempt_at: None,
        next_look_up_at: super::waiting::late_look_up(to, at.now),
        waits_for_key: false,
        waited_for_key: false,
        access_until: None,
        events: effects.tells.iter().map(tell).collect(),
        review_reason: Some(reason.clone()),
    }))
}

/// Why a renewal that has a schedule at the gateway needs a person.
pub fn scheduled(schedule_id: &str) -> String {
    format!(
        "payment schedule {schedule_id} at the gateway would charge the same billing key: revoke it there, then retry; \
         or leave the charge to it"
    )
}

/// Until when a schedule of the gateway's would be for the same period.
pub fn schedules_until(facts: &LookAheadFacts, policy: &Policy) -> DateTime<Utc> {
    let end = facts.current_period_end;
    let day = u8::try_from(facts.anchor_day).ok().filter(|day| (1..=31).contains(day));
    let interval = Interval::parse(&facts.interval).ok();
    let next = day.zip(interval).and_then(|(day, interval)| interval.next_end(end, day, policy.zone).ok());
    next.unwrap_or(end + SCHEDULE_DAYS)
}

fn blank(facts: &LookAheadFacts) -> LookedAhead {
    LookedAhead {
        subscription_id: facts.subscription_id.clone(),
        period_start: facts.current_period_end,
        looked: None,
        noticed: None,
        gone: Vec::new(),
        events: Vec::new(),
    }
}

/// Told once per period and `what`.
fn event(facts: &LookAheadFacts, kind: EventKind, what: &str, payload: Value, at: &Looking<'_>) -> NewEvent {
    let period = facts.current_period_end.to_rfc3339_opts(SecondsFormat::Micros, true);
    NewEvent {
        id: EventId((at.new_id)()),
        kind,
        subscription_id: Some(facts.subscription_id.clone()),
        renewal_id: facts.renewal.map(|(id, _)| id),
        attempt_id: None,
        dedupe: format!("{}:{}:{period}:{what}", kind.as_str(), facts.subscription_id),
        payload,
        created_at: at.now,
    }
}

#[cfg(test)]
mod tests;
