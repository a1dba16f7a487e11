//! A second opinion on what the gateway said, for the property tests here and the fuzz targets in `fuzz/`: it reads the
//! JSON by itself, knows nothing of the program's types for it, and panics where the program believed more than was said.

use chrono::{DateTime, TimeDelta, Utc};
use renewd::domain::answer::{self, Answer, NextStep};
use renewd::domain::charge::{Attempt, BillingKey, ClaimedRenewal, CustomData, FrozenRequest};
use renewd::domain::date::{TimeWindow, Zone};
use renewd::domain::decline::DeclineTables;
use renewd::domain::dunning::DunningPolicy;
use renewd::domain::ids::{AttemptId, RenewalId, RunId};
use renewd::domain::money::{Currency, Money};
use renewd::domain::payment::{ChannelType, LookUp};
use renewd::domain::payment_id::PaymentIdKey;
use renewd::domain::policy::Policy;
use renewd::domain::verdict::{Verdict, judge};
use renewd::gateway::portone::map::{self, Heard};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

const PAYMENT_ID: &str = "rn0123456789abcdefghijklmnopqrstuv";
const BILLING_KEY: &str = "billing-key-canary-1";
const API_SECRET: &str = "api-secret-canary-1";
const STORE: &str = "store-1";
const SUBSCRIPTION: &str = "sub_1";
const PERIOD_START: &str = "2026-01-30T15:00:00Z";
const AMOUNT: i64 = 55_000;

static ATTEMPT: LazyLock<Attempt> = LazyLock::new(attempt);
static POLICY: LazyLock<Policy> = LazyLock::new(policy);

/// Reads an answer to a charge, and panics where more is made of it than it says.
pub fn check_charge(status: u16, retry_after: Option<&str>, body: &[u8]) -> Answer {
    let heard = Heard { status, retry_after, body, hide: &[API_SECRET, BILLING_KEY] };
    let answer = map::charge_answer(&heard, utc(PERIOD_START));
    let said = Said::by(body);
    let is_of_type = |word: &str| said.is("/type", word);
    match &answer {
        Answer::Accepted => assert!(status == 200 && said.has_object("/payment"), "accepted"),
        Answer::AlreadyPaid => assert!(is_of_type("ALREADY_PAID"), "already paid"),
        Answer::PgError { .. } => assert!(is_of_type("PG_PROVIDER"), "declined"),
        Answer::Outstanding => assert!(is_of_type("IDEMPOTENCY_OUTSTANDING_REQUEST"), "outstanding"),
        Answer::BillingKeyGone { .. } => {
            assert!(is_of_type("BILLING_KEY_NOT_FOUND") || is_of_type("BILLING_KEY_ALREADY_DELETED"), "no key");
        }
        Answer::TransactionCountReached => assert!(is_of_type("MAX_TRANSACTION_COUNT_REACHED"), "used up"),
        Answer::ChannelNotFound => assert!(is_of_type("CHANNEL_NOT_FOUND"), "no channel"),
        Answer::Refused { .. } => assert!((400..500).contains(&status), "refused"),
        Answer::Unauthorized { .. } => assert!(status == 401 || status == 403, "unauthorized"),
        Answer::RateLimited { .. } => assert_eq!(status, 429, "rate limited"),
        Answer::NotSent { .. } => panic!("whoever answers has been sent something"),
        Answer::Unclear { .. } => {}
    }
    if let NextStep::SlowDown { wait } = answer::next(&answer, true) {
        assert!((answer::RETRY_AFTER_MIN..=answer::RETRY_AFTER_MAX).contains(&wait), "{wait:?}");
    }
    let words = format!("{answer:?}");
    assert!(!words.contains(BILLING_KEY) && !words.contains(API_SECRET), "a secret in {words}");
    answer
}

/// Reads an answer to a look-up and judges it, and panics where the verdict says more than the answer.
pub fn check_look_up(status: u16, body: &[u8]) -> Verdict {
    let heard = Heard { status, retry_after: None, body, hide: &[API_SECRET] };
    let found = map::look_up(PAYMENT_ID, &heard);
    let said = Said::by(body);
    if let LookUp::Found(_) = &found {
        assert!(status == 200 && said.is("/id", PAYMENT_ID), "another payment was found");
    }
    let verdict = judge(&ATTEMPT, &found, &POLICY);
    let told = match &verdict {
        Verdict::Paid(_) => status == 200 && said.is_paid_as_ordered(),
        Verdict::Mismatch { .. } => said.is("/status", "PAID"),
        Verdict::Declined { .. } | Verdict::Uncertain { .. } | Verdict::Stale => said.is("/status", "FAILED"),
        Verdict::Cancelled { .. } => said.is("/status", "CANCELLED") || said.is("/status", "PARTIAL_CANCELLED"),
        Verdict::NotReceived => status == 404 && said.is("/type", "PAYMENT_NOT_FOUND"),
        Verdict::Unauthorized { .. } => status == 401 || status == 403,
        Verdict::Wait { .. } | Verdict::NoAnswer { .. } => true,
    };
    assert!(told, "{verdict:?} was not said by HTTP {status} {}", String::from_utf8_lossy(body));
    verdict
}

/// An answer as this file reads it.
enum Said {
    Json(Value),
    /// Broken somewhere: a text that is no UTF-8, a number that no computer holds, nested too deep. The program passes
    /// over that in members that it has no use for, as it may; then at least the words must be there.
    Broken(String),
}

impl Said {
    fn by(body: &[u8]) -> Self {
        serde_json::from_slice(body)
            .map_or_else(|_| Self::Broken(String::from_utf8_lossy(body).into_owned()), Self::Json)
    }

    fn is(&self, place: &str, word: &str) -> bool {
        match self {
            Self::Json(value) => value.pointer(place).is_some_and(|found| found == word),
            Self::Broken(text) => text.contains(word),
        }
    }

    fn has_object(&self, place: &str) -> bool {
        match self {
            Self::Json(value) => value.is_object() && value.pointer(place).is_some_and(Value::is_object),
            Self::Broken(text) => text.contains(place.trim_start_matches('/')),
        }
    }

    /// Everything that must be equal.
    fn is_paid_as_ordered(&self) -> bool {
        let words = [
            ("/id", PAYMENT_ID),
            ("/status", "PAID"),
            ("/currency", "KRW"),
            ("/billingKey", BILLING_KEY),
            ("/storeId", STORE),
            ("/channel/type", "LIVE"),
        ];
        let (amount, custom_data) = match self {
            Self::Json(value) => (value["amount"]["total"] == AMOUNT, is_ours(value["customData"].as_str())),
            Self::Broken(text) => (text.contains(&AMOUNT.to_string()), text.contains(SUBSCRIPTION)),
        };
        amount && custom_data && words.iter().all(|(place, word)| self.is(place, word))
    }
}

fn is_ours(custom_data: Option<&str>) -> bool {
    let written = custom_data.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
    let period_start = written["period_start"].as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
    written["subscription"] == SUBSCRIPTION && period_start == Some(utc(PERIOD_START))
}

/// The look-up of a payment that is paid as it was ordered, in PortOne's form.
pub fn paid() -> Value {
    json!({
        "status": "PAID", "id": PAYMENT_ID, "transactionId": "0190-tx-1", "merchantId": "merchant-1",
        "storeId": STORE, "method": { "type": "PaymentMethodCard", "card": { "brand": "MASTER" } },
        "channel": { "type": "LIVE", "id": "channel-id-1", "key": "channel-key-1", "pgProvider": "TOSSPAYMENTS" },
        "version": "V2", "requestedAt": "2026-01-30T01:00:00Z", "updatedAt": "2026-01-30T01:00:02Z",
        "orderName": "Pro", "amount": { "total": AMOUNT, "taxFree": 0, "vat": 5000, "paid": AMOUNT, "cancelled": 0 },
        "currency": "KRW", "customer": { "id": "user_1" }, "billingKey": BILLING_KEY, "isCulturalExpense": false,
        "customData": ATTEMPT_CUSTOM_DATA.as_str(), "paidAt": "2026-01-30T01:00:02Z", "pgTxId": "pg-1",
    })
}

/// The look-up of a payment whose attempt was declined.
pub fn failed() -> Value {
    let mut failed = paid();
    failed["status"] = json!("FAILED");
    failed["failedAt"] = json!("2026-01-30T01:00:02Z");
    failed["failure"] = json!({ "reason": "m", "pgCode": "REJECT_CARD_PAYMENT", "pgMessage": "잔액부족" });
    failed
}

static ATTEMPT_CUSTOM_DATA: LazyLock<String> = LazyLock::new(|| {
    CustomData { subscription: SUBSCRIPTION.into(), period_start: utc(PERIOD_START), attempt: 1 }.to_text()
});

fn attempt() -> Attempt {
    let start = utc(PERIOD_START);
    let now = start - TimeDelta::hours(14);
    let krw = Currency::parse("KRW").expect("a currency");
    Attempt {
        id: AttemptId(Uuid::from_u128(1)),
        run_id: RunId(Uuid::from_u128(2)),
        renewal: ClaimedRenewal {
            id: RenewalId(Uuid::from_u128(3)),
            subscription_id: SUBSCRIPTION.into(),
            customer_id: "user_1".into(),
            plan_id: "pro".into(),
            payment_id: PAYMENT_ID.into(),
            series: 0,
            amount: Money::new(AMOUNT, krw).expect("an amount"),
            period_start: start,
            period_end: start + TimeDelta::days(28),
            access_until: start + TimeDelta::days(7),
            declines: Vec::new(),
            first_declined_at: None,
            known_transactions: Vec::new(),
            customer_keys: vec![BillingKey::new(BILLING_KEY)],
            look_ups: 0,
            unknown_since: None,
        },
        number: 1,
        idempotency_key: format!("{PAYMENT_ID}-1"),
        request: FrozenRequest { body: "{}".to_owned(), hash: String::new() },
        billing_key_id: "bk_1".into(),
        billing_key: Some(BillingKey::new(BILLING_KEY)),
        channel_key: None,
        pg_provider: None,
        started_at: now,
        maybe_sent: false,
        lease_epoch: 1,
        lease_until: now + TimeDelta::minutes(10),
    }
}

fn policy() -> Policy {
    Policy {
        zone: Zone::parse("Asia/Seoul").expect("a zone"),
        renew_before_days: 1,
        max_overdue: TimeDelta::days(3),
        grace: TimeDelta::days(7),
        downgrade_at_run: false,
        window: TimeWindow::parse("09:00-21:00").expect("a window"),
        quiet: TimeWindow::parse("23:00-01:00").expect("a window"),
        dunning: DunningPolicy::default(),
        declines: Arc::new(DeclineTables::built_in().expect("the built-in tables")),
        payment_id_key: PaymentIdKey::new([3; 32]),
        store_id: STORE.to_owned(),
        channel_type: ChannelType::Live,
        channel_key: None,
        product_type: None,
        locale: None,
        claims_unsettled_max: 3,
        refund_late: false,
        refund_late_cancel: false,
    }
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}
