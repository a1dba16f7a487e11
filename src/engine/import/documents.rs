//! The documents of a user collection, one JSON object a line, as subscriptions: for whoever kept the subscription on
//! the user. The user becomes the customer and the subscription of the same id.

use super::lines::{billing_key_id, key_problem};
use super::{BadLines, ImportSettings, Parsed, without_value};
use crate::domain::charge::BillingKey;
use crate::domain::date::Zone;
use crate::domain::period::{Interval, default_anchor_day};
use crate::store::{BillingKeyRow, CustomerRow, PlanRow, SubscriptionRow};
use chrono::{DateTime, Days, Months, Utc};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// One document. Other fields are the API service's own and are passed over.
#[derive(Deserialize)]
struct Document {
    id: String,
    tier: Option<String>,
    subscription_plan: Option<String>,
    subscription_expires_at: Option<Timestamp>,
    #[serde(default)]
    subscription_cancel_requested: Option<bool>,
    billing_key: Option<String>,
}

/// A time as text, or as an exported Firestore timestamp.
#[derive(Deserialize)]
#[serde(untagged)]
enum Timestamp {
    Text(DateTime<Utc>),
    Exported {
        #[serde(rename = "_seconds", alias = "seconds")]
        seconds: i64,
        #[serde(rename = "_nanoseconds", alias = "nanoseconds", default)]
        nanoseconds: u32,
    },
}

impl Timestamp {
    fn instant(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Text(time) => Some(*time),
            Self::Exported { seconds, nanoseconds } => DateTime::from_timestamp(*seconds, *nanoseconds),
        }
    }
}

/// Reads the documents of `text` over `plans`, which were read from a file of plan lines.
///
/// # Errors
/// [`BadLines`] with every document that is wrong, by line.
pub fn documents(text: &str, plans: Vec<PlanRow>, settings: &ImportSettings) -> Result<Parsed, BadLines> {
    let intervals: BTreeMap<String, Interval> =
        plans.iter().filter_map(|plan| Some((plan.id.clone(), Interval::parse(&plan.interval).ok()?))).collect();
    let mut parsed = Parsed::default();
    parsed.batch.plans = plans;
    let mut bad = BadLines::default();
    let mut seen = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = index + 1;
        let document = match serde_json::from_str::<Document>(line) {
            Ok(document) => document,
            Err(err) => {
                bad.add(number, format!("not a user document: {}", without_value(&err)));
                continue;
            }
        };
        if !seen.insert(document.id.clone()) {
            bad.add(number, format!("user {:?} stands on an earlier line already", document.id));
        } else if document.billing_key.as_ref().is_some_and(|key| !keys.insert(key.clone())) {
            bad.add(number, format!("user {:?} has the billing key of an earlier line", document.id));
        } else if let Err(problem) = take(&mut parsed, number, document, &intervals, settings.zone) {
            bad.add(number, problem);
        }
    }
    if bad.0.is_empty() { Ok(parsed) } else { Err(bad) }
}

fn take(
    parsed: &mut Parsed,
    number: usize,
    document: Document,
    intervals: &BTreeMap<String, Interval>,
    zone: Zone,
) -> Result<(), String> {
    let user = &document.id;
    let (Some(plan), Some(expires)) = (&document.subscription_plan, &document.subscription_expires_at) else {
        // Nobody on a free tier has anything to renew.
        parsed.skipped += 1;
        return Ok(());
    };
    let interval = intervals.get(plan).ok_or_else(|| {
        format!("user {user:?} (tier {:?}) is on plan {plan:?}, which --plans does not hold", document.tier)
    })?;
    let end = expires.instant().ok_or_else(|| format!("user {user:?}: subscription_expires_at is out of range"))?;
    let start = period_start(end, *interval, zone)
        .ok_or_else(|| format!("user {user:?}: subscription_expires_at is out of range"))?;
    if let Some(key) = document.billing_key {
        if let Some(problem) = key_problem(&key) {
            return Err(format!("user {user:?}: {problem}"));
        }
        parsed.batch.billing_keys.push(BillingKeyRow {
            id: billing_key_id(&key),
            customer_id: user.clone(),
            billing_key: BillingKey::new(key),
            channel_key: None,
            pg_provider: None,
        });
    }
    parsed.plan_refs.entry(plan.clone()).or_insert(number);
    parsed.batch.customers.push(CustomerRow { id: user.clone(), name: None, email: None, phone: None });
    parsed.batch.subscriptions.push(SubscriptionRow {
        id: user.clone(),
        customer_id: user.clone(),
        plan_id: plan.clone(),
        next_plan_id: None,
        current_period_start: start,
        current_period_end: end,
        anchor_day: i64::from(default_anchor_day(start, end, *interval, zone)),
        cancel_at_period_end: document.subscription_cancel_requested.unwrap_or(false),
    });
    Ok(())
}

/// A document tells only when the period ends: it began one interval earlier.
fn period_start(end: DateTime<Utc>, interval: Interval, zone: Zone) -> Option<DateTime<Utc>> {
    let date = zone.date_of(end);
    let start = match interval {
        Interval::Days(days) => date.checked_sub_days(Days::new(u64::from(days)))?,
        Interval::Months(months) => date.checked_sub_months(Months::new(months))?,
    };
    Some(zone.at(start, zone.time_of(end)))
}
