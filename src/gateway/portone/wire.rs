//! PortOne's JSON, as far as renewd reads it.
//!
//! They may add members, words and cases at any time, so every member is optional and unknown ones are ignored. A
//! member that decides about money must have its documented type, else the whole answer is unreadable, which decides
//! nothing; in the others a wrong type counts as absent.

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// What stands in an object. Without this a list of values would be read as the members in their order, and a list is
/// nothing that PortOne says.
#[derive(Debug, Default)]
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Members(PhantomData)).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// The answer to a charge; only whether `payment` is there matters.
#[derive(Debug, Deserialize)]
pub(super) struct Charged {
    #[serde(default)]
    pub payment: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Any error.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient_text")]
    pub message: Option<String>,
    #[serde(deserialize_with = "lenient_text")]
    pub pg_code: Option<String>,
    #[serde(deserialize_with = "lenient_text")]
    pub pg_message: Option<String>,
}

/// One payment, whatever its status.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WirePayment {
    pub id: Option<String>,
    pub status: Option<String>,
    pub transaction_id: Option<String>,
    pub store_id: Option<String>,
    pub channel: Option<Object<WireChannel>>,
    pub amount: Option<Object<WireAmount>>,
    pub currency: Option<String>,
    pub billing_key: Option<String>,
    pub custom_data: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub pg_tx_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub requested_at: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub paid_at: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub failed_at: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub failure: Option<Object<WireFailure>>,
    #[serde(deserialize_with = "lenient")]
    pub cancellations: Option<Vec<Object<WireCancellation>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireChannel {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub key: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub pg_provider: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireAmount {
    pub total: Option<i64>,
    pub cancelled: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireFailure {
    #[serde(deserialize_with = "lenient_text")]
    pub reason: Option<String>,
    #[serde(deserialize_with = "lenient_text")]
    pub pg_code: Option<String>,
    #[serde(deserialize_with = "lenient_text")]
    pub pg_message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireCancellation {
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub total_amount: Option<i64>,
}

/// A page of payments. The items are read one by one, so that one that cannot be read hides none of the others.
#[derive(Debug, Deserialize)]
pub(super) struct WirePage {
    pub items: Vec<serde_json::Value>,
    #[serde(default)]
    pub page: Option<Object<WirePageInfo>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePageInfo {
    #[serde(default)]
    pub total_count: Option<u64>,
}

/// The answer to a cancellation.
#[derive(Debug, Deserialize)]
pub(super) struct Cancelled {
    #[serde(default)]
    pub cancellation: Option<Object<WireCancellation>>,
}

/// What a billing key's look-up says; the rest of it is not ours to know.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireBillingKey {
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub customer: Option<Object<WireCustomer>>,
    #[serde(deserialize_with = "lenient")]
    pub channels: Option<Vec<Object<WireChannel>>>,
}

/// Whose it is; everything else about them is none of our business.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireCustomer {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
}

/// A list of what is scheduled.
#[derive(Debug, Deserialize)]
pub(super) struct WireSchedules {
    pub items: Vec<Object<WireSchedule>>,
}

/// One charge that the gateway makes by itself; whose and how much is not asked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireSchedule {
    pub status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub payment_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub time_to_pay: Option<String>,
}

/// A charge without its billing key. The members stand in alphabetical order, always: equal orders are equal bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChargeBody<'a> {
    pub amount: AmountBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_key: Option<&'a str>,
    pub currency: &'a str,
    pub custom_data: String,
    pub customer: CustomerBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<&'a str>,
    pub order_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_type: Option<&'a str>,
    pub store_id: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct AmountBody {
    pub total: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomerBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a str>,
    pub id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<NameBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct NameBody<'a> {
    pub full: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_cancellable_amount: Option<i64>,
    pub reason: &'a str,
    pub requester: &'a str,
    pub store_id: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct ListBody<'a> {
    pub filter: FilterBody<'a>,
    pub page: PageBody,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilterBody<'a> {
    pub from: String,
    pub sort_by: &'a str,
    pub sort_order: &'a str,
    pub store_id: &'a str,
    pub timestamp_type: &'a str,
    pub until: String,
}

#[derive(Serialize)]
pub(super) struct ScheduleListBody<'a> {
    pub filter: ScheduleFilterBody<'a>,
    pub page: PageBody,
}

/// No `Debug`: it holds a billing key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScheduleFilterBody<'a> {
    pub billing_key: &'a str,
    pub from: String,
    pub status: [&'a str; 3],
    pub store_id: &'a str,
    pub until: String,
}

#[derive(Debug, Serialize)]
pub(super) struct PageBody {
    pub number: u32,
    pub size: u32,
}

/// Absent where it is not what it should be.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(from)?).ok())
}

/// A text or a number as text: payment gateways' codes are both.
fn lenient_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(from)? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}
