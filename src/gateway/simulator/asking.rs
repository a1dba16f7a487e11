//! What else the simulated gateway is asked: look-ups, listings, cancellations, billing keys.

use super::behaviour::{Route, Stage, Subject, Trouble};
use super::keys::Opened;
use super::model::GatewayModel;
use super::record::{CancelRecord, Record, Status, time};
use super::reply::Reply;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

/// `(number + 1) * size` of a listing must not exceed this.
const LISTED_MAX: u64 = 60_000;

/// A cancellation request as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct CancelCall<'a> {
    pub payment_id: &'a str,
    pub idempotency_key: Option<&'a str>,
    pub body: &'a [u8],
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelOrder {
    reason: String,
    amount: Option<i64>,
    current_cancellable_amount: Option<i64>,
    store_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listing {
    page: ListingPage,
    filter: ListingFilter,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct ListingPage {
    number: u64,
    size: u64,
}

impl Default for ListingPage {
    fn default() -> Self {
        Self { number: 0, size: 10 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListingFilter {
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    store_id: Option<String>,
    timestamp_type: Option<String>,
    sort_order: Option<String>,
}

impl GatewayModel {
    /// A look-up arrives; `store_id` as its query says.
    pub fn payment(&mut self, now: DateTime<Utc>, payment_id: &str, store_id: Option<&str>) -> Reply {
        self.advance(now);
        self.ledger.count(Route::LookUp);
        let subject = self.subject_of(payment_id);
        if let Some(reply) = self.at_the_door(Route::LookUp, &subject) {
            return reply;
        }
        if let Some(reply) = self.foreign_store(store_id) {
            return reply;
        }
        let view = self.take(Route::LookUp, Stage::View, &subject);
        let payment = self.payments.get(payment_id);
        let seen = match view {
            Some(Trouble::Hidden) => None,
            Some(_) => payment.and_then(|payment| payment.earlier.as_ref()),
            None => payment.map(|payment| &payment.now),
        };
        let reply = match seen {
            Some(record) => Reply::json(200, &record.to_json()),
            None => Reply::error(404, "PAYMENT_NOT_FOUND", "no such payment"),
        };
        self.on_its_way(Route::LookUp, &subject, reply)
    }

    /// A listing arrives; `request_body` as its query says.
    pub fn payments(&mut self, now: DateTime<Utc>, request_body: Option<&str>) -> Reply {
        self.advance(now);
        self.ledger.count(Route::List);
        let subject = Subject::default();
        if let Some(reply) = self.at_the_door(Route::List, &subject) {
            return reply;
        }
        let reply = match serde_json::from_str::<Listing>(request_body.unwrap_or("{}")) {
            Ok(listing) => self.list(now, &listing),
            Err(err) => Reply::error(400, "INVALID_REQUEST", &err.to_string()),
        };
        self.on_its_way(Route::List, &subject, reply)
    }

    /// A cancellation arrives.
    pub fn cancel(&mut self, now: DateTime<Utc>, call: &CancelCall<'_>) -> Reply {
        self.advance(now);
        self.ledger.count(Route::Cancel);
        let subject = self.subject_of(call.payment_id);
        if let Some(reply) = self.at_the_door(Route::Cancel, &subject) {
            return reply;
        }
        let key = match self.idempotency.open(now, call.idempotency_key, (call.payment_id, call.body)) {
            Opened::New(key) => key,
            Opened::Replay(reply) => return self.on_its_way(Route::Cancel, &subject, reply),
            Opened::Refused(reply) => return reply,
        };
        let reply = match serde_json::from_slice(call.body) {
            Ok(order) => self.cancel_order(now, call.payment_id, &order, &subject),
            Err(err) => Reply::error(400, "INVALID_REQUEST", &err.to_string()),
        };
        self.idempotency.close(key.as_deref(), &reply);
        self.on_its_way(Route::Cancel, &subject, reply)
    }

    /// A billing key's look-up arrives.
    pub fn billing_key(&mut self, now: DateTime<Utc>, key: &str, store_id: Option<&str>) -> Reply {
        self.advance(now);
        self.ledger.count(Route::BillingKey);
        let subject = Subject { billing_key: Some(key.to_owned()), ..Subject::default() };
        if let Some(reply) = self.at_the_door(Route::BillingKey, &subject) {
            return reply;
        }
        if let Some(reply) = self.foreign_store(store_id) {
            return reply;
        }
        let by_name = super::hints::read(key).map(|hint| hint.trouble);
        if by_name == Some(Trouble::BillingKeyNotFound) {
            return Reply::error(404, "BILLING_KEY_NOT_FOUND", "no such billing key");
        }
        let deleted =
            self.keys.get(key).is_some_and(|info| info.deleted) || by_name == Some(Trouble::BillingKeyDeleted);
        let reply = Reply::json(200, &self.key_json(now, key, deleted));
        self.on_its_way(Route::BillingKey, &subject, reply)
    }

    fn subject_of(&self, payment_id: &str) -> Subject {
        let record = self.record(payment_id);
        Subject {
            payment_id: Some(payment_id.to_owned()),
            subscription: record.and_then(|record| record.subscription.clone()),
            billing_key: record.and_then(|record| record.billing_key.clone()),
        }
    }

    pub(super) fn foreign_store(&self, store_id: Option<&str>) -> Option<Reply> {
        let foreign = store_id.is_some_and(|store| store != self.settings.store_id);
        foreign.then(|| Reply::error(403, "FORBIDDEN", "not allowed for this store"))
    }

    fn list(&self, now: DateTime<Utc>, listing: &Listing) -> Reply {
        let ListingPage { number, size } = listing.page;
        if size == 0 || number.saturating_add(1).saturating_mul(size) > LISTED_MAX {
            return Reply::error(400, "INVALID_REQUEST", "(number + 1) * size must be from 1 to 60000");
        }
        if let Some(reply) = self.foreign_store(listing.filter.store_id.as_deref()) {
            return reply;
        }
        let until = listing.filter.until.unwrap_or(now);
        let from = listing.filter.from.unwrap_or(until - TimeDelta::days(90));
        let by_creation = listing.filter.timestamp_type.as_deref() == Some("CREATED_AT");
        let payments = self.created.iter().filter_map(|id| self.payments.get(id));
        let mut found: Vec<&Record> = payments
            .filter(|payment| {
                let at = if by_creation { payment.created_at } else { payment.now.changed_at };
                from <= at && at <= until
            })
            .map(|payment| &payment.now)
            .collect();
        if listing.filter.sort_order.as_deref() != Some("ASC") {
            found.reverse();
        }
        let first = usize::try_from(number * size).unwrap_or(usize::MAX);
        let rows = usize::try_from(size).unwrap_or(usize::MAX);
        let items: Vec<Value> = found.iter().skip(first).take(rows).map(|record| record.to_json()).collect();
        let page = json!({ "number": number, "size": size, "totalCount": found.len() });
        Reply::json(200, &json!({ "items": items, "page": page }))
    }

    fn cancel_order(&mut self, now: DateTime<Utc>, id: &str, order: &CancelOrder, subject: &Subject) -> Reply {
        if let Some(reply) = self.foreign_store(order.store_id.as_deref()) {
            return reply;
        }
        let Some(record) = self.record(id) else {
            return Reply::error(404, "PAYMENT_NOT_FOUND", "no such payment");
        };
        if let Some((kind, message)) = not_cancellable(record, order) {
            return Reply::error(409, kind, message);
        }
        if order.amount.is_some_and(|amount| amount <= 0) {
            return Reply::error(400, "INVALID_REQUEST", "amount must be positive");
        }
        match self.take(Route::Cancel, Stage::Outcome, subject) {
            Some(Trouble::CancellationStays { status }) => {
                let amount = order.amount.unwrap_or_else(|| self.record(id).map_or(0, Record::cancellable));
                let told = CancelRecord { id: self.new_id(), amount, reason: order.reason.clone(), at: now };
                Reply::json(200, &json!({ "cancellation": told.to_json(&status) }))
            }
            Some(Trouble::DeclineWith { code, message }) => Reply::pg_provider(&code, &message),
            _ => match self.give_back(id, order.amount, &order.reason, now) {
                Some(done) => Reply::json(200, &json!({ "cancellation": done.to_json("SUCCEEDED") })),
                None => Reply::error(409, "PAYMENT_NOT_PAID", "nothing to cancel"),
            },
        }
    }

    fn key_json(&self, now: DateTime<Utc>, key: &str, deleted: bool) -> Value {
        let (pg_provider, channel_key) = self.channel(key, None);
        let channel = json!({
            "type": self.settings.channel_type, "key": channel_key,
            "pgProvider": pg_provider, "pgMerchantId": "simulator",
        });
        let customer = match self.keys.get(key).and_then(|info| info.customer.as_deref()) {
            Some(id) => json!({ "id": id }),
            None => json!({}),
        };
        let mut told = json!({
            "status": if deleted { "DELETED" } else { "ISSUED" },
            "billingKey": key,
            "merchantId": "merchant-simulator",
            "storeId": self.settings.store_id,
            "channels": [channel],
            "customer": customer,
            "issuedAt": time(now - TimeDelta::days(365)),
        });
        if deleted {
            told["deletedAt"] = json!(time(now));
        }
        told
    }
}

fn not_cancellable(record: &Record, order: &CancelOrder) -> Option<(&'static str, &'static str)> {
    let left = record.cancellable();
    match record.status {
        Status::Cancelled => Some(("PAYMENT_ALREADY_CANCELLED", "all of it was given back")),
        Status::Ready | Status::PayPending | Status::Failed => Some(("PAYMENT_NOT_PAID", "nothing was paid")),
        Status::Paid | Status::PartialCancelled => {
            if order.current_cancellable_amount.is_some_and(|expected| expected != left) {
                Some(("CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN", "another amount is left to cancel"))
            } else if order.amount.is_some_and(|amount| amount > left) {
                Some(("CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT", "more than is left to cancel"))
            } else {
                None
            }
        }
    }
}
