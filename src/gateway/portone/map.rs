//! PortOne's answers in our words: pure functions from status and bytes.
//!
//! The status code never decides about a payment: a declined card is a 502, and so is a broken proxy. What decides is
//! whether the body speaks PortOne's language; what does not is [`Answer::Unclear`] and proves nothing.

use super::wire::{Cancelled, Charged, Problem, WireBillingKey, WirePage, WirePayment};
use super::words::told;
use crate::domain::charge::BillingKey;
use crate::domain::payment::{ChannelType, Failure, LookUp, Payment, PaymentStatus};
use crate::gateway::{Answer, BillingKeyStatus, CancellationStatus, GatewayError, PaymentPage};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// An answer as it came over the wire, with the secrets that may not come out of its texts again.
#[derive(Clone, Copy)]
pub struct Heard<'a> {
    pub status: u16,
    pub retry_after: Option<&'a str>,
    pub body: &'a [u8],
    /// Replaced wherever the gateway quotes them.
    pub hide: &'a [&'a str],
}

impl Heard<'_> {
    fn problem(&self) -> Problem {
        serde_json::from_slice(self.body).unwrap_or_default()
    }

    fn told(&self, text: &str) -> String {
        told(text, self.hide)
    }

    /// What an error calls itself: its type, else its status.
    fn kind(&self, problem: &Problem) -> String {
        match &problem.kind {
            Some(kind) => self.told(kind),
            None => format!("HTTP {}", self.status),
        }
    }

    fn message(&self, problem: &Problem) -> String {
        problem.message.as_deref().map(|text| self.told(text)).unwrap_or_default()
    }

    fn unclear(&self, problem: &Problem) -> String {
        match &problem.kind {
            Some(kind) => format!("HTTP {} with the unknown type {}", self.status, self.told(kind)),
            None => format!("HTTP {} that is not in PortOne's words ({} bytes)", self.status, self.body.len()),
        }
    }
}

/// What an answer to a charge means. `now` is the time that a `Retry-After` date counts from.
pub fn charge_answer(heard: &Heard<'_>, now: DateTime<Utc>) -> Answer {
    if heard.status == 200 && has_payment(heard.body) {
        return Answer::Accepted;
    }
    let problem = heard.problem();
    let refused = (400..500).contains(&heard.status);
    match problem.kind.as_deref() {
        Some("PG_PROVIDER") => Answer::PgError {
            pg_code: problem.pg_code.as_deref().map(|code| heard.told(code)),
            pg_message: problem.pg_message.as_deref().map(|text| heard.told(text)),
        },
        Some("ALREADY_PAID") if refused => Answer::AlreadyPaid,
        Some("IDEMPOTENCY_OUTSTANDING_REQUEST") if refused => Answer::Outstanding,
        Some("BILLING_KEY_NOT_FOUND" | "BILLING_KEY_ALREADY_DELETED") if refused => {
            Answer::BillingKeyGone { kind: heard.kind(&problem) }
        }
        Some("MAX_TRANSACTION_COUNT_REACHED") if refused => Answer::TransactionCountReached,
        Some("CHANNEL_NOT_FOUND") if refused => Answer::ChannelNotFound,
        Some(
            "INVALID_REQUEST"
            | "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT"
            | "PAYMENT_SCHEDULE_ALREADY_EXISTS"
            | "PROMOTION_PAY_METHOD_DOES_NOT_MATCH"
            | "DISCOUNT_AMOUNT_EXCEEDS_TOTAL_AMOUNT",
        ) if refused => Answer::Refused { kind: heard.kind(&problem), message: heard.message(&problem) },
        _ => match heard.status {
            401 | 403 => Answer::Unauthorized { kind: heard.kind(&problem) },
            429 => Answer::RateLimited { retry_after: retry_after(heard.retry_after, now) },
            _ => Answer::Unclear { why: heard.unclear(&problem) },
        },
    }
}

/// What a look-up of the payment `asked` found.
pub fn look_up(asked: &str, heard: &Heard<'_>) -> LookUp {
    if heard.status != 200 {
        let problem = heard.problem();
        return match (heard.status, problem.kind.as_deref()) {
            (401 | 403, _) => LookUp::Unauthorized(heard.kind(&problem)),
            (404, Some("PAYMENT_NOT_FOUND")) => LookUp::NotFound,
            _ => LookUp::Failed(failure_text(heard, &problem)),
        };
    }
    match serde_json::from_slice::<WirePayment>(heard.body) {
        Ok(wire) if wire.id.as_deref() == Some(asked) => LookUp::Found(Box::new(payment(wire, heard.hide))),
        Ok(_) => LookUp::Failed("the gateway answered with another payment than the one asked for".to_owned()),
        Err(_) => LookUp::Failed(unreadable(heard)),
    }
}

/// One page of a listing.
///
/// # Errors
/// When the gateway refused, or its answer cannot be read. A single item that cannot be read is no error: it is kept
/// with its id and a status that nobody knows, so that somebody looks it up.
pub fn page(heard: &Heard<'_>) -> Result<PaymentPage, GatewayError> {
    let wire: WirePage = read(heard)?;
    let total = wire.page.and_then(|page| page.total_count).unwrap_or(wire.items.len() as u64);
    let items = wire.items.into_iter().filter_map(|item| list_item(item, heard.hide)).collect();
    Ok(PaymentPage { items, total })
}

/// How a cancellation stands.
///
/// # Errors
/// When the gateway refused, or its answer cannot be read.
pub fn cancellation(heard: &Heard<'_>) -> Result<CancellationStatus, GatewayError> {
    let wire: Cancelled = read(heard)?;
    let status = wire.cancellation.and_then(|cancellation| cancellation.status).unwrap_or_default();
    match status.as_str() {
        "REQUESTED" => Ok(CancellationStatus::Requested),
        "SUCCEEDED" => Ok(CancellationStatus::Succeeded),
        "FAILED" => Ok(CancellationStatus::Failed),
        other => Err(GatewayError::NoAnswer(format!("a cancellation of unknown status {}", heard.told(other)))),
    }
}

/// Whether a billing key can be charged.
///
/// # Errors
/// When the gateway refused, or its answer cannot be read.
pub fn key_status(heard: &Heard<'_>) -> Result<BillingKeyStatus, GatewayError> {
    if heard.status == 404 && heard.problem().kind.as_deref() == Some("BILLING_KEY_NOT_FOUND") {
        return Ok(BillingKeyStatus::NotFound);
    }
    let wire: WireBillingKey = read(heard)?;
    match wire.status.as_deref().unwrap_or_default() {
        "ISSUED" => Ok(BillingKeyStatus::Issued),
        "DELETED" => Ok(BillingKeyStatus::Deleted),
        other => Err(GatewayError::NoAnswer(format!("a billing key of unknown status {}", heard.told(other)))),
    }
}

/// How long a `Retry-After` asks to wait: seconds or an HTTP date. Absurd values are kept; the domain bounds them.
pub(super) fn retry_after(header: Option<&str>, now: DateTime<Utc>) -> Option<Duration> {
    let text = header?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(text)?;
    Some((until - now).to_std().unwrap_or(Duration::ZERO))
}

/// The time in a `Date` or `Retry-After` header.
pub(super) fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|time| time.with_timezone(&Utc))
}

fn has_payment(body: &[u8]) -> bool {
    serde_json::from_slice::<Charged>(body).is_ok_and(|charged| charged.payment.is_some())
}

fn read<T: serde::de::DeserializeOwned>(heard: &Heard<'_>) -> Result<T, GatewayError> {
    if heard.status == 200 {
        return serde_json::from_slice(heard.body).map_err(|_| GatewayError::NoAnswer(unreadable(heard)));
    }
    let problem = heard.problem();
    let kind = heard.kind(&problem);
    Err(match (heard.status, problem.kind.as_deref()) {
        (401 | 403, _) => GatewayError::Unauthorized(kind),
        // The same request is still being worked on: a repeat gets its answer.
        (_, Some("IDEMPOTENCY_OUTSTANDING_REQUEST")) => GatewayError::NoAnswer(kind),
        (_, Some("PG_PROVIDER")) => GatewayError::Refused { kind, message: pg_text(heard, &problem) },
        (400..=428 | 430..=499, Some(_)) => GatewayError::Refused { kind, message: heard.message(&problem) },
        _ => GatewayError::NoAnswer(failure_text(heard, &problem)),
    })
}

fn failure_text(heard: &Heard<'_>, problem: &Problem) -> String {
    match (heard.kind(problem), heard.message(problem)) {
        (kind, message) if message.is_empty() => kind,
        (kind, message) => format!("{kind}: {message}"),
    }
}

fn pg_text(heard: &Heard<'_>, problem: &Problem) -> String {
    let [code, message] = [&problem.pg_code, &problem.pg_message].map(|part| part.as_deref().unwrap_or("-"));
    heard.told(&format!("{code} {message}"))
}

fn unreadable(heard: &Heard<'_>) -> String {
    format!("HTTP 200 with an answer that cannot be read ({} bytes)", heard.body.len())
}

fn list_item(item: serde_json::Value, hide: &[&str]) -> Option<Payment> {
    let id = item.get("id").and_then(|id| id.as_str()).map(str::to_owned)?;
    let wire = serde_json::from_value(item).unwrap_or_else(|_| WirePayment {
        id: Some(id),
        status: Some("UNREADABLE".to_owned()),
        ..WirePayment::default()
    });
    Some(payment(wire, hide))
}

fn payment(wire: WirePayment, hide: &[&str]) -> Payment {
    let channel = wire.channel.unwrap_or_default();
    let amount = wire.amount.unwrap_or_default();
    let failure = wire.failure.unwrap_or_default();
    let key = wire.billing_key;
    let hide: Vec<&str> = hide.iter().copied().chain(key.as_deref()).collect();
    let clean = |text: Option<String>| text.map(|text| told(&text, &hide));
    Payment {
        id: wire.id.unwrap_or_default(),
        status: status(&wire.status.unwrap_or_default()),
        transaction_id: wire.transaction_id,
        store_id: wire.store_id,
        total: amount.total,
        cancelled: cancelled(amount.cancelled, wire.cancellations.as_deref().unwrap_or_default()),
        currency: wire.currency,
        custom_data: wire.custom_data,
        channel_type: channel.kind.as_deref().and_then(ChannelType::parse),
        channel_key: channel.key,
        pg_provider: channel.pg_provider,
        pg_tx_id: wire.pg_tx_id,
        requested_at: time(wire.requested_at),
        paid_at: time(wire.paid_at),
        failed_at: time(wire.failed_at),
        failure: Failure {
            reason: clean(failure.reason),
            pg_code: clean(failure.pg_code),
            pg_message: clean(failure.pg_message),
        },
        billing_key: key.map(BillingKey::new),
    }
}

fn status(word: &str) -> PaymentStatus {
    match word {
        "READY" => PaymentStatus::Ready,
        // The listing's filter says PENDING where a payment says PAY_PENDING.
        "PAY_PENDING" | "PENDING" => PaymentStatus::Pending,
        "VIRTUAL_ACCOUNT_ISSUED" => PaymentStatus::VirtualAccountIssued,
        "PAID" => PaymentStatus::Paid,
        "FAILED" => PaymentStatus::Failed,
        "PARTIAL_CANCELLED" => PaymentStatus::PartialCancelled,
        "CANCELLED" => PaymentStatus::Cancelled,
        other => PaymentStatus::Other(told(other, &[])),
    }
}

/// The larger of the two places that say what was given back: neither may hide a refund.
fn cancelled(total: Option<i64>, cancellations: &[super::wire::WireCancellation]) -> i64 {
    let succeeded = cancellations.iter().filter(|one| one.status.as_deref() == Some("SUCCEEDED"));
    let sum = succeeded.filter_map(|one| one.total_amount).fold(0_i64, i64::saturating_add);
    total.unwrap_or(0).max(sum)
}

fn time(text: Option<String>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(&text?).ok().map(|time| time.with_timezone(&Utc))
}
