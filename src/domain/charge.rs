//! What is charged: the order as it is frozen when a renewal is claimed, and the attempt that carries it.

use super::ids::{AttemptId, BillingKeyId, CustomerId, PaymentId, PlanId, RenewalId, RunId, SubscriptionId};
use super::money::Money;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fmt;

/// PortOne's token for a stored card or wallet: with the API secret it moves money, so it cannot be printed.
#[derive(Clone)]
pub struct BillingKey(SecretString);

impl BillingKey {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The key itself, for a request to the gateway or a row of `billing_keys`, and for nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for BillingKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for BillingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BillingKey(***)")
    }
}

/// The payer's details that some payment gateways insist on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payer {
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
}

/// What travels with the payment and comes back with every look-up: enough to find the renewal again when the
/// database was restored from a backup and has forgotten it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomData {
    pub subscription: SubscriptionId,
    pub period_start: DateTime<Utc>,
    pub attempt: u32,
}

impl CustomData {
    /// The text that is sent as `customData`.
    pub fn to_text(&self) -> String {
        serde_json::json!({
            "renewd": 1,
            "subscription": self.subscription,
            "period_start": self.period_start.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            "attempt": self.attempt,
        })
        .to_string()
    }

    /// Reads what came back; `None` for anything that renewd did not write.
    pub fn from_text(text: &str) -> Option<Self> {
        // A list of the values alone would be read too, and is not how renewd writes them.
        serde_json::from_str(text).ok().filter(|_| text.trim_start().starts_with('{'))
    }
}

/// One charge as the gateway is asked for it, but for the billing key, which is added when it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub payment_id: PaymentId,
    pub customer_id: CustomerId,
    pub payer: Payer,
    pub order_name: String,
    pub amount: Money,
    /// Which channel to charge on; absent, the gateway picks the one the key was issued on.
    pub channel_key: Option<String>,
    pub custom_data: CustomData,
}

/// The request's body as it was committed with the attempt: a repeat sends the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenRequest {
    /// JSON without the billing key.
    pub body: String,
    /// SHA-256 of `body`, lower-case hex.
    pub hash: String,
}

/// One try at charging one renewal, with all that is needed to send, verify and settle it.
///
/// The fields of the renewal are copies taken under the claim's lock; `lease_epoch` is what a settle must still find.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub id: AttemptId,
    pub run_id: RunId,
    pub renewal: ClaimedRenewal,
    /// Counts from 1 within the renewal.
    pub number: u32,
    /// `"<payment id>-<number>"`, without the double quotes that the header adds.
    pub idempotency_key: String,
    pub request: FrozenRequest,
    pub billing_key_id: BillingKeyId,
    /// `None`: deleted since. It can still be looked up, and is never sent again.
    pub billing_key: Option<BillingKey>,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
    /// When the attempt was first committed, by the database's clock.
    pub started_at: DateTime<Utc>,
    /// An earlier process may have sent it: nothing but a look-up may conclude that it was not charged.
    pub maybe_sent: bool,
    pub lease_epoch: i64,
    pub lease_until: DateTime<Utc>,
}

impl Attempt {
    /// No charge of its renewal was answered before. What was claimed and given back was none, whatever its number.
    pub fn is_first(&self) -> bool {
        self.renewal.declines.is_empty() && self.renewal.known_transactions.is_empty()
    }
}

/// The renewal that an attempt charges, as it was when it was claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedRenewal {
    pub id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub customer_id: CustomerId,
    /// The plan that the next period is on.
    pub plan_id: PlanId,
    pub payment_id: PaymentId,
    /// How many payment ids before this one were used up.
    pub series: u32,
    pub amount: Money,
    pub period_start: DateTime<Utc>,
    pub period_end: DateTime<Utc>,
    /// How long the customer keeps access while this renewal is being collected.
    pub access_until: DateTime<Utc>,
    /// Earlier declines, oldest first: what the ladder counts.
    pub declines: Vec<super::dunning::PastDecline>,
    pub first_declined_at: Option<DateTime<Utc>>,
    /// Transactions that earlier attempts were settled by; a FAILED with another one is news.
    pub known_transactions: Vec<String>,
    /// Every billing key of this customer that an attempt of this renewal may have used.
    pub customer_keys: Vec<BillingKey>,
    /// Look-ups since the outcome became unknown.
    pub look_ups: u32,
    pub unknown_since: Option<DateTime<Utc>>,
}
