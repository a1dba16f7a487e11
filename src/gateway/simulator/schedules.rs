//! Payment schedules: charges that the gateway was told to make by itself.
//!
//! What does not live here: no charge. A schedule is told, never carried out.

use super::behaviour::{Route, Subject, Trouble};
use super::hints;
use super::model::GatewayModel;
use super::record::time;
use super::reply::Reply;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A charge that somebody scheduled beside renewd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    pub id: String,
    pub billing_key: String,
    pub due_at: DateTime<Utc>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listing {
    filter: Filter,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    billing_key: Option<String>,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    status: Vec<String>,
    store_id: Option<String>,
}

impl GatewayModel {
    pub fn add_schedule(&mut self, scheduled: Scheduled) {
        self.schedules.push(scheduled);
    }

    /// Somebody took back everything that was scheduled for the key.
    pub fn revoke_schedules(&mut self, billing_key: &str) {
        self.schedules.retain(|scheduled| scheduled.billing_key != billing_key);
    }

    /// A listing of schedules arrives; `request_body` as its query says.
    pub fn schedules(&mut self, now: DateTime<Utc>, request_body: Option<&str>) -> Reply {
        self.advance(now);
        self.ledger.count(Route::Schedules);
        let listing = serde_json::from_str::<Listing>(request_body.unwrap_or("{}"));
        let key = listing.as_ref().ok().and_then(|listing| listing.filter.billing_key.clone());
        let subject = Subject { billing_key: key, ..Subject::default() };
        if let Some(reply) = self.at_the_door(Route::Schedules, &subject) {
            return reply;
        }
        let reply = match listing {
            Ok(listing) => self.scheduled(now, &listing.filter),
            Err(err) => Reply::error(400, "INVALID_REQUEST", &err.to_string()),
        };
        self.on_its_way(Route::Schedules, &subject, reply)
    }

    fn scheduled(&self, now: DateTime<Utc>, filter: &Filter) -> Reply {
        if let Some(reply) = self.foreign_store(filter.store_id.as_deref()) {
            return reply;
        }
        // As documented: without a range it is the past that is listed.
        let until = filter.until.unwrap_or(now);
        let from = filter.from.unwrap_or(until - TimeDelta::days(90));
        let by_name = filter.billing_key.as_deref().and_then(|key| by_name(key, now));
        let is_wanted = |one: &&Scheduled| {
            filter.billing_key.as_ref().is_none_or(|key| *key == one.billing_key)
                && from <= one.due_at
                && one.due_at <= until
                && (filter.status.is_empty() || filter.status.iter().any(|status| status == "SCHEDULED"))
        };
        let all = self.schedules.iter().chain(&by_name);
        let items: Vec<Value> = all.filter(is_wanted).map(|one| self.schedule_json(now, one)).collect();
        let page = json!({ "number": 0, "size": 10, "totalCount": items.len() });
        Reply::json(200, &json!({ "items": items, "page": page }))
    }

    fn schedule_json(&self, now: DateTime<Utc>, one: &Scheduled) -> Value {
        json!({
            "status": "SCHEDULED",
            "id": one.id,
            "merchantId": "merchant-simulator",
            "storeId": self.settings.store_id,
            "paymentId": format!("scheduled-{}", one.id),
            "billingKey": one.billing_key,
            "orderName": "scheduled",
            "isCulturalExpense": false,
            "isEscrow": false,
            "customer": {},
            "customData": "",
            "totalAmount": 1,
            "currency": "KRW",
            "createdAt": time(now - TimeDelta::days(1)),
            "timeToPay": time(one.due_at),
        })
    }
}

/// A key whose name says so has a schedule for tomorrow.
fn by_name(key: &str, now: DateTime<Utc>) -> Option<Scheduled> {
    let hint = hints::read(key).filter(|hint| hint.trouble == Trouble::ScheduleExists)?;
    let id = format!("schedule-of-{}", hint.times.unwrap_or(0));
    Some(Scheduled { id, billing_key: key.to_owned(), due_at: now + TimeDelta::days(1) })
}
