//! What renewd sends to PortOne: bodies as bytes, made by pure functions.

use super::wire::{
    AmountBody, CancelBody, ChargeBody, CustomerBody, FilterBody, ListBody, NameBody, PageBody, ScheduleFilterBody,
    ScheduleListBody,
};
use crate::domain::charge::{BillingKey, FrozenRequest, Order};
use crate::gateway::{Cancellation, ListedBy, PaymentRange, ScheduleRange};
use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// One that is still to come is enough to know; a person sees some more.
const SCHEDULES_MAX: u32 = 10;

/// What every charge of this installation says beside its order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender<'a> {
    pub store_id: &'a str,
    pub product_type: Option<&'a str>,
    pub locale: Option<&'a str>,
}

/// Why a committed request cannot be sent as it was committed: its row was changed by hand, or is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the committed request does not match its hash, so it was not sent")]
pub struct ChangedRequest;

/// The body of a charge of `order`, but for the billing key, and its hash.
pub(super) fn freeze(order: &Order, sender: Sender<'_>) -> FrozenRequest {
    let currency = order.amount.currency();
    let body = ChargeBody {
        amount: AmountBody { total: order.amount.minor() },
        channel_key: order.channel_key.as_deref(),
        currency: currency.code(),
        custom_data: order.custom_data.to_text(),
        customer: CustomerBody {
            email: order.payer.email.as_deref(),
            id: order.customer_id.as_str(),
            name: order.payer.name.as_deref().map(|full| NameBody { full }),
            phone_number: order.payer.phone.as_deref(),
        },
        locale: sender.locale,
        order_name: &order.order_name,
        product_type: sender.product_type,
        store_id: sender.store_id,
    };
    let body = to_json(&body);
    FrozenRequest { hash: hash(&body), body }
}

/// The bytes of a charge: the frozen body with the billing key as its first member. The same attempt gives the same
/// bytes, always, because nothing is parsed and printed again.
///
/// # Errors
/// When the body does not match its hash, so that nothing is sent that was not committed.
pub fn charge_bytes(request: &FrozenRequest, key: &BillingKey) -> Result<Vec<u8>, ChangedRequest> {
    if hash(&request.body) != request.hash {
        return Err(ChangedRequest);
    }
    let members = request.body.strip_prefix('{').ok_or(ChangedRequest)?;
    let comma = if members.starts_with('}') { "" } else { "," };
    Ok(format!("{{\"billingKey\":{}{comma}{members}", to_json(key.expose())).into_bytes())
}

/// The body of a cancellation.
pub fn cancel_body(cancellation: &Cancellation, store_id: &str) -> String {
    to_json(&CancelBody {
        amount: cancellation.amount,
        current_cancellable_amount: cancellation.cancellable,
        reason: &cancellation.reason,
        requester: "ADMIN",
        store_id,
    })
}

/// The `requestBody` of a listing, oldest first.
pub fn list_body(range: &PaymentRange, store_id: &str) -> String {
    let (timestamp_type, sort_by) = match range.by {
        ListedBy::Created => ("CREATED_AT", "REQUESTED_AT"),
        ListedBy::Changed => ("STATUS_CHANGED_AT", "STATUS_CHANGED_AT"),
    };
    to_json(&ListBody {
        filter: FilterBody {
            from: time(range.from),
            sort_by,
            sort_order: "ASC",
            store_id,
            timestamp_type,
            until: time(range.until),
        },
        page: PageBody { number: range.page, size: range.page_size },
    })
}

/// The `requestBody` of a listing of what is scheduled for a billing key.
pub fn schedules_body(range: &ScheduleRange, store_id: &str) -> String {
    to_json(&ScheduleListBody {
        filter: ScheduleFilterBody {
            billing_key: range.billing_key.expose(),
            // Their default is the past, where nothing is scheduled any more.
            from: time(range.from),
            status: ["SCHEDULED", "STARTED", "PENDING"],
            store_id,
            until: time(range.until),
        },
        page: PageBody { number: 0, size: SCHEDULES_MAX },
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn hash(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// JSON of our own types: texts, numbers and structs of them, which always have one.
fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
