//! A payment as the simulated gateway keeps it and tells it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// Where a payment stands, in PortOne's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ready,
    PayPending,
    Paid,
    Failed,
    PartialCancelled,
    Cancelled,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::PayPending => "PAY_PENDING",
            Self::Paid => "PAID",
            Self::Failed => "FAILED",
            Self::PartialCancelled => "PARTIAL_CANCELLED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether another charge under the same id is answered by `ALREADY_PAID`.
    pub fn is_taken(self) -> bool {
        self != Self::Failed
    }
}

/// Why a payment failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgFailure {
    pub code: String,
    pub message: String,
}

/// One cancellation of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelRecord {
    pub id: String,
    pub amount: i64,
    pub reason: String,
    pub at: DateTime<Utc>,
}

impl CancelRecord {
    pub fn to_json(&self, status: &str) -> Value {
        json!({
            "status": status, "id": self.id, "totalAmount": self.amount, "taxFreeAmount": 0, "vatAmount": 0,
            "reason": self.reason, "requestedAt": time(self.at), "cancelledAt": time(self.at),
        })
    }
}

/// One payment.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub id: String,
    pub status: Status,
    pub transaction_id: String,
    pub store_id: String,
    pub channel_type: &'static str,
    pub channel_key: String,
    pub pg_provider: String,
    pub order_name: String,
    pub total: i64,
    pub currency: String,
    pub customer_id: Option<String>,
    pub custom_data: Option<String>,
    pub subscription: Option<String>,
    /// Absent where somebody paid in a browser.
    pub billing_key: Option<String>,
    pub requested_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
    pub failure: Option<PgFailure>,
    pub cancellations: Vec<CancelRecord>,
}

impl Record {
    pub fn given_back(&self) -> i64 {
        self.cancellations.iter().map(|one| one.amount).sum()
    }

    /// What can still be given back.
    pub fn cancellable(&self) -> i64 {
        self.total - self.given_back()
    }

    /// As `GET /payments/{paymentId}` tells it.
    pub fn to_json(&self) -> Value {
        let given_back = self.given_back();
        let paid = if self.paid_at.is_some() { self.total } else { 0 };
        let mut told = json!({
            "status": self.status.as_str(),
            "id": self.id,
            "transactionId": self.transaction_id,
            "merchantId": "merchant-simulator",
            "storeId": self.store_id,
            "version": "V2",
            "channel": {
                "type": self.channel_type, "key": self.channel_key,
                "pgProvider": self.pg_provider, "pgMerchantId": "simulator",
            },
            "requestedAt": time(self.requested_at),
            "updatedAt": time(self.changed_at),
            "statusChangedAt": time(self.changed_at),
            "orderName": self.order_name,
            "amount": {
                "total": self.total, "taxFree": 0, "discount": 0, "paid": paid,
                "cancelled": given_back, "cancelledTaxFree": 0,
            },
            "currency": self.currency,
            "customer": { "id": self.customer_id.as_deref().unwrap_or_default() },
            "origin": { "platformType": "API", "ipAddress": "127.0.0.1" },
        });
        self.tell_optional(&mut told);
        told
    }

    fn tell_optional(&self, told: &mut Value) {
        let mut tell = |name: &str, value: Value| told[name] = value;
        if let Some(key) = &self.billing_key {
            tell("billingKey", json!(key));
        }
        if let Some(data) = &self.custom_data {
            tell("customData", json!(data));
        }
        if let Some(at) = self.paid_at {
            tell("paidAt", json!(time(at)));
            tell("pgTxId", json!(format!("pg-{}", self.transaction_id)));
        }
        match self.status {
            Status::Paid => tell("disputes", json!([])),
            Status::Failed => tell("failedAt", json!(time(self.changed_at))),
            Status::Cancelled | Status::PartialCancelled => tell("cancelledAt", json!(time(self.changed_at))),
            Status::Ready | Status::PayPending => {}
        }
        if let Some(failure) = self.failure.as_ref().filter(|_| self.status == Status::Failed) {
            let PgFailure { code, message } = failure;
            tell("failure", json!({ "reason": message, "pgCode": code, "pgMessage": message }));
        }
        if !self.cancellations.is_empty() {
            let all: Vec<Value> = self.cancellations.iter().map(|one| one.to_json("SUCCEEDED")).collect();
            tell("cancellations", Value::Array(all));
        }
    }
}

pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
