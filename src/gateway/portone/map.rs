//! PortOne's answers in our words: pure functions from status and bytes.
//!
//! The status code never decides about a payment: a declined card is a 502, and so is a broken proxy. What decides is
//! whether the body speaks PortOne's language; what does not is [`Answer::Unclear`] and proves nothing.

use super::wire::{Cancelled, Charged, Object, Problem, WireCancellation, WirePage, WirePayment, WireSchedules};
use super::words::told;
use crate::domain::charge::BillingKey;
use crate::domain::ids::PaymentId;
use crate::domain::payment::{ChannelType, Failure, LookUp, Payment, PaymentStatus};
use crate::gateway::{Answer, CancellationStatus, GatewayError, PaymentPage, Schedule};
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
    pub(super) fn problem(&self) -> Problem {
        serde_json::from_slice::<Object<Problem>>(self.body).unwrap_or_default().0
    }

    pub(super) fn told(&self, text: &str) -> String {
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
    match serde_json::from_slice::<Object<WirePayment>>(heard.body) {
        Ok(Object(wire)) if wire.id.as_deref() == Some(asked) => LookUp::Found(Box::new(payment(wire, heard.hide))),
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
    let total = wire.page.and_then(|page| page.0.total_count).unwrap_or(wire.items.len() as u64);
    let items = wire.items.into_iter().filter_map(|item| list_item(item, heard.hide)).collect();
    Ok(PaymentPage { items, total })
}

/// How a cancellation stands.
///
/// # Errors
/// When the gateway refused, or its answer cannot be read.
pub fn cancellation(heard: &Heard<'_>) -> Result<CancellationStatus, GatewayError> {
    let wire: Cancelled = read(heard)?;
    let status = wire.cancellation.and_then(|cancellation| cancellation.0.status).unwrap_or_default();
    match status.as_str() {
        "REQUESTED" => Ok(CancellationStatus::Requested),
        "SUCCEEDED" => Ok(CancellationStatus::Succeeded),
        "FAILED" => Ok(CancellationStatus::Failed),
        other => Err(GatewayError::NoAnswer(format!("a cancellation of unknown status {}", heard.told(other)))),
    }
}

/// What is scheduled and still to come. What has a status that nobody knows counts: it may still charge.
///
/// # Errors
/// When the gateway refused, or its answer cannot be read.
pub fn schedules(heard: &Heard<'_>) -> Result<Vec<Schedule>, GatewayError> {
    let wire: WireSchedules = read(heard)?;
    let is_over = |status: &str| matches!(status, "SUCCEEDED" | "FAILED" | "REVOKED");
    let items = wire.items.into_iter().map(|item| item.0);
    let to_come = items.filter(|item| !item.status.as_deref().is_some_and(is_over));
    let told = |item: super::wire::WireSchedule| Schedule {
        id: heard.told(item.id.as_deref().unwrap_or("(without an id)")),
        payment_id: item.payment_id.map(|id| PaymentId(heard.told(&id))),
        due_at: time(item.time_to_pay),
    };
    Ok(to_come.map(told).collect())
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
    serde_json::from_slice::<Object<Charged>>(body).is_ok_and(|charged| charged.0.payment.is_some())
}

pub(super) fn read<T: serde::de::DeserializeOwned>(heard: &Heard<'_>) -> Result<T, GatewayError> {
    if heard.status == 200 {
        let read = serde_json::from_slice::<Object<T>>(heard.body);
        return read.map(|object| object.0).map_err(|_| GatewayError::NoAnswer(unreadable(heard)));
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
    let Object(channel) = wire.channel.unwrap_or_default();
    let Object(amount) = wire.amount.unwrap_or_default();
    let Object(failure) = wire.failure.unwrap_or_default();
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
fn cancelled(total: Option<i64>, cancellations: &[Object<WireCancellation>]) -> i64 {
    let succeeded = cancellations.iter().map(|one| &one.0).filter(|one| one.status.as_deref() == Some("SUCCEEDED"));
    let sum = succeeded.filter_map(|one| one.total_amount).fold(0_i64, i64::saturating_add);
    total.unwrap_or(0).max(sum)
}

fn time(text: Option<String>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(&text?).ok().map(|time| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard<'a>(status: u16, body: &'a str) -> Heard<'a> {
        Heard { status, retry_after: None, body: body.as_bytes(), hide: &["sec-ret", "bk-1"] }
    }

    fn charge(status: u16, body: &str) -> Answer {
        charge_answer(&heard(status, body), DateTime::UNIX_EPOCH)
    }

    fn problem(kind: &str) -> String {
        serde_json::json!({ "type": kind, "message": "m bk-1" }).to_string()
    }

    #[test]
    fn a_schedule_that_is_over_is_none_and_one_of_an_unknown_word_is_one() {
        let told = |body: &str| schedules(&heard(200, body)).map(|found| found.len());
        let of = |status: &str| format!(r#"{{"items":[{{"id":"s","status":"{status}","timeToPay":"x"}}]}}"#);
        for (status, count) in [("SCHEDULED", 1), ("SOMETHING_NEW", 1), ("REVOKED", 0), ("FAILED", 0), ("SUCCEEDED", 0)]
        {
            assert_eq!(told(&of(status)), Ok(count), "{status}");
        }
        assert!(told("{}").is_err() && told(r#"{"items":[1]}"#).is_err(), "unreadable is not none");
        let quoted = schedules(&heard(200, r#"{"items":[{"id":"of bk-1"}]}"#)).unwrap();
        assert_eq!(quoted[0].id, "of ***");
    }

    fn unclear(status: u16, body: &str) -> bool {
        matches!(charge(status, body), Answer::Unclear { .. })
    }

    #[test]
    fn a_payment_in_a_200_is_accepted_and_nothing_less() {
        assert_eq!(
            charge(200, r#"{"payment":{"pgTxId":"x","paidAt":"2026-01-01T00:00:00Z","new":1}}"#),
            Answer::Accepted
        );
        for body in
            ["", "{}", "[]", "null", r#"{"payment":null}"#, r#"{"payment":"PAID"}"#, r#"{"status":"PAID"}"#, "<html>"]
        {
            assert!(unclear(200, body), "{body}");
        }
        // Their words, not their status codes: a payment in an error is none.
        assert!(unclear(201, r#"{"payment":{}}"#) && unclear(502, r#"{"payment":{}}"#));
    }

    #[test]
    fn every_documented_error_has_its_answer() {
        assert_eq!(charge(409, &problem("ALREADY_PAID")), Answer::AlreadyPaid);
        assert_eq!(charge(409, &problem("IDEMPOTENCY_OUTSTANDING_REQUEST")), Answer::Outstanding);
        assert_eq!(charge(400, &problem("MAX_TRANSACTION_COUNT_REACHED")), Answer::TransactionCountReached);
        assert_eq!(charge(404, &problem("CHANNEL_NOT_FOUND")), Answer::ChannelNotFound);
        for (status, kind) in [(404, "BILLING_KEY_NOT_FOUND"), (409, "BILLING_KEY_ALREADY_DELETED")] {
            assert_eq!(charge(status, &problem(kind)), Answer::BillingKeyGone { kind: kind.to_owned() });
        }
        for (status, kind) in [
            (400, "INVALID_REQUEST"),
            (400, "PROMOTION_PAY_METHOD_DOES_NOT_MATCH"),
            (400, "DISCOUNT_AMOUNT_EXCEEDS_TOTAL_AMOUNT"),
            (409, "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT"),
            (409, "PAYMENT_SCHEDULE_ALREADY_EXISTS"),
        ] {
            let refused = Answer::Refused { kind: kind.to_owned(), message: "m ***".to_owned() };
            assert_eq!(charge(status, &problem(kind)), refused);
        }
        for (status, kind) in [(401, "UNAUTHORIZED"), (403, "FORBIDDEN")] {
            assert_eq!(charge(status, &problem(kind)), Answer::Unauthorized { kind: kind.to_owned() });
        }
        assert_eq!(charge(401, "<html>"), Answer::Unauthorized { kind: "HTTP 401".to_owned() });
    }

    #[test]
    fn a_decline_is_told_by_its_type_under_any_status() {
        let body = r#"{"type":"PG_PROVIDER","message":"m","pgCode":"CC10","pgMessage":"no money on bk-1"}"#;
        let pg_message = Some("no money on ***".to_owned());
        let declined = Answer::PgError { pg_code: Some("CC10".to_owned()), pg_message };
        for status in [400, 402, 409, 500, 502] {
            assert_eq!(charge(status, body), declined);
        }
        let bare = Answer::PgError { pg_code: Some("3095".to_owned()), pg_message: None };
        assert_eq!(charge(502, r#"{"type":"PG_PROVIDER","pgCode":3095}"#), bare);
    }

    #[test]
    fn what_is_not_in_portones_words_proves_nothing() {
        for status in [302, 404, 409, 422, 500, 502, 503, 504] {
            assert!(unclear(status, "<html>") && unclear(status, &problem("SOMETHING_NEW")), "{status}");
        }
        // A conclusion from a broken server is none.
        for kind in ["INVALID_REQUEST", "BILLING_KEY_NOT_FOUND", "CHANNEL_NOT_FOUND", "ALREADY_PAID"] {
            assert!(unclear(500, &problem(kind)) && unclear(200, &problem(kind)), "{kind}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = DateTime::parse_from_rfc3339("1994-11-06T08:49:00Z").unwrap().to_utc();
        let wait = |header| retry_after(header, now);
        assert_eq!(wait(Some("120")), Some(Duration::from_secs(120)));
        assert_eq!(wait(Some("Sun, 06 Nov 1994 08:49:37 GMT")), Some(Duration::from_secs(37)));
        assert_eq!(wait(Some("Sun, 06 Nov 1994 08:00:00 GMT")), Some(Duration::ZERO));
        assert_eq!(wait(Some("99999999999999999999999")), Some(Duration::from_secs(u64::MAX)));
        for nothing in [None, Some(""), Some("-1"), Some("1.5"), Some("soon")] {
            assert_eq!(wait(nothing), None);
        }
        let limited = Heard { retry_after: Some("7"), ..heard(429, "") };
        let retry_after = Some(Duration::from_secs(7));
        assert_eq!(charge_answer(&limited, now), Answer::RateLimited { retry_after });
    }

    #[test]
    fn a_look_up_reads_a_whole_payment_and_no_secret_of_it() {
        let body = r#"{"status":"FAILED","id":"rn1","transactionId":"t1","storeId":"s","new":{},
            "channel":{"type":"LIVE","key":"ck","pgProvider":"BRAND_NEW_PG"},
            "amount":{"total":9900,"cancelled":1},"currency":"KRW","billingKey":"bk-9","customData":"{}",
            "requestedAt":"2026-01-01T00:00:00Z","failedAt":"2026-01-01T09:00:01+09:00",
            "failure":{"reason":"bk-9 sec-ret","pgCode":8178,"pgMessage":"a\nb"},
            "cancellations":[{"status":"SUCCEEDED","totalAmount":400},{"status":"FAILED","totalAmount":5}]}"#;
        let LookUp::Found(found) = look_up("rn1", &heard(200, body)) else { panic!("not found") };
        assert_eq!((found.status, found.total, found.cancelled), (PaymentStatus::Failed, Some(9900), 400));
        assert_eq!((found.channel_type, found.pg_provider.as_deref()), (Some(ChannelType::Live), Some("BRAND_NEW_PG")));
        assert_eq!(found.failed_at.unwrap().to_rfc3339(), "2026-01-01T00:00:01+00:00");
        assert_eq!(found.failure.reason.as_deref(), Some("*** ***"));
        assert_eq!(found.failure.pg_code.as_deref(), Some("8178"));
        assert_eq!(found.failure.pg_message.as_deref(), Some("a b"));
    }

    #[test]
    fn every_status_word_is_known_and_new_ones_are_kept() {
        let seen = |word: &str| {
            let body = serde_json::json!({ "id": "rn1", "status": word }).to_string();
            match look_up("rn1", &heard(200, &body)) {
                LookUp::Found(found) => found.status,
                other => panic!("{other:?}"),
            }
        };
        let words =
            ["READY", "PAY_PENDING", "VIRTUAL_ACCOUNT_ISSUED", "PAID", "FAILED", "PARTIAL_CANCELLED", "CANCELLED"];
        for word in words {
            assert!(seen(word).as_str() == word && !matches!(seen(word), PaymentStatus::Other(_)), "{word}");
        }
        assert_eq!(seen("PENDING"), PaymentStatus::Pending);
        assert_eq!(seen("DISPUTED"), PaymentStatus::Other("DISPUTED".to_owned()));
    }

    #[test]
    fn a_look_up_that_says_nothing_about_this_payment_decides_nothing() {
        let found = |status, body: &str| look_up("rn1", &heard(status, body));
        assert_eq!(found(404, &problem("PAYMENT_NOT_FOUND")), LookUp::NotFound);
        assert!(matches!(found(401, ""), LookUp::Unauthorized(_)));
        assert!(matches!(found(403, &problem("FORBIDDEN")), LookUp::Unauthorized(kind) if kind == "FORBIDDEN"));
        let failures = [
            (404, "<html>"),
            (404, r#"{"type":"SOMETHING_ELSE"}"#),
            (500, r#"{"type":"PAYMENT_NOT_FOUND"}"#),
            (200, r#"{"id":"rn2","status":"PAID"}"#),
            (200, r#"{"status":"PAID"}"#),
            (200, "<html>"),
            (200, r#"{"id":"rn1","status":"PAID","amount":{"total":"9900"}}"#),
            (200, r#"{"id":"rn1","status":"FAILED","status":"PAID"}"#),
        ];
        for (status, body) in failures {
            assert!(matches!(found(status, body), LookUp::Failed(_)), "{status} {body}");
        }
    }

    #[test]
    fn a_page_keeps_items_that_it_cannot_read() {
        let body = r#"{"items":[{"id":"a","status":"PAID","amount":{"total":1}},{"id":"b","amount":"much"},{"x":1}],
            "page":{"number":0,"size":10,"totalCount":12}}"#;
        let page = page(&heard(200, body)).unwrap();
        assert_eq!(page.total, 12);
        let ids: Vec<_> = page.items.iter().map(|item| (item.id.as_str(), item.status.as_str())).collect();
        assert_eq!(ids, [("a", "PAID"), ("b", "UNREADABLE")]);
    }

    proptest! {
        #[test]
        fn nothing_but_a_payment_is_accepted(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let heard = Heard { status, retry_after: None, body: &body, hide: &[] };
            prop_assert_ne!(charge_answer(&heard, DateTime::UNIX_EPOCH), Answer::Accepted);
            prop_assert!(!matches!(look_up("rn1", &heard), LookUp::Found(_)));
        }

        #[test]
        fn no_json_without_a_payment_is_accepted(
            status in 100_u16..600,
            member in "status|id|Payment|payments|type|message|paidAt",
            value in "PAID|ALREADY_PAID|PG_PROVIDER|INVALID_REQUEST|true|payment",
        ) {
            let body = serde_json::json!({ member: value, "payment": value }).to_string();
            prop_assert_ne!(charge(status, &body), Answer::Accepted);
        }

        #[test]
        fn any_header_gives_a_wait_or_none(text in ".{0,60}") {
            let _ = retry_after(Some(&text), DateTime::UNIX_EPOCH);
        }
    }
}
