//! Our requests and the simulator's answers, held against fixtures and against PortOne's own OpenAPI document.

use super::schema::Schemas;
use super::{PAYMENT_ID, SECRET, World, attempt, client, noon, order, settings};
use crate::clock::SettableClock;
use crate::domain::charge::{BillingKey, FrozenRequest, Payer};
use crate::domain::ids::PaymentId;
use crate::domain::payment::LookUp;
use crate::gateway::portone::request::{self, ChangedRequest, charge_bytes};
use crate::gateway::portone::{PortOne, SetupError};
use crate::gateway::simulator::{CancelCall, ChargeCall, GatewayModel, ModelSettings, Step, hints};
use crate::gateway::{Answer, Cancellation, Gateway, ListedBy, PaymentRange, ScheduleRange};
use chrono::TimeDelta;
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex};

/// The request that a charge of the tests' order is, byte for byte: a change here changes what repeats send.
const FROZEN: &str = r#"{"amount":{"total":9900},"currency":"KRW","customData":"{\"attempt\":1,\"period_start\":\"2026-01-30T03:00:00.000000Z\",\"renewd\":1,\"subscription\":\"sub_1\"}","customer":{"id":"cust_1"},"orderName":"Pro 1개월","storeId":"store-simulator"}"#;

#[test]
fn a_frozen_request_is_these_bytes_and_their_hash() {
    let frozen = client("http://127.0.0.1:1".to_owned()).freeze(&order());
    assert_eq!(frozen.body, FROZEN);
    assert_eq!(frozen.hash, HEXLOWER.encode(&Sha256::digest(FROZEN)));
}

#[test]
fn the_billing_key_is_spliced_in_and_a_changed_request_is_not_sent() {
    let frozen = client("http://127.0.0.1:1".to_owned()).freeze(&order());
    let bytes = charge_bytes(&frozen, &BillingKey::new("bk-\"1\"")).unwrap();
    let expected = FROZEN.replacen('{', r#"{"billingKey":"bk-\"1\"","#, 1);
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    let changed = FrozenRequest { body: frozen.body.replace("9900", "99000"), hash: frozen.hash };
    assert_eq!(charge_bytes(&changed, &BillingKey::new("bk-1")), Err(ChangedRequest));
}

#[tokio::test]
async fn a_changed_request_is_refused_before_it_is_sent() {
    let world = World::start().await;
    let mut attempt = attempt(&world.gateway, "bk-1", 1);
    attempt.request.body = attempt.request.body.replace("9900", "99000");
    let answer = world.gateway.send(&attempt).await;
    assert!(matches!(answer, Answer::Refused { kind, .. } if kind == "CHANGED_REQUEST"));
    assert_eq!(world.sends(), 0);
}

#[test]
fn nothing_of_the_client_prints_the_secret() {
    let gateway = client("http://127.0.0.1:1".to_owned());
    assert!(!format!("{gateway:?}").contains(SECRET));
    assert!(!format!("{:?}", settings(String::new())).contains(SECRET));
    let mut bad = settings("http://127.0.0.1:1".to_owned());
    bad.api_secret = format!("{SECRET}\n").into();
    let err = PortOne::new(bad, Arc::new(SettableClock::at(noon()))).unwrap_err();
    assert_eq!(err, SetupError::Secret);
    assert!(!format!("{err} {err:?}").contains(SECRET));
}

/// One captured request: method, path and query, headers in lower case, body.
struct Captured {
    line: String,
    head: String,
    body: String,
}

/// Answers everything with an empty object and keeps what came.
async fn capture() -> (String, Arc<Mutex<Vec<Captured>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = kept.clone();
    let app = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let keep = keep.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            keep.lock().unwrap().push(Captured {
                line: format!("{} {}", parts.method, parts.uri),
                head: parts
                    .headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
                    .collect(),
                body: String::from_utf8(body.to_vec()).unwrap(),
            });
            "{}"
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (base, kept)
}

fn range() -> PaymentRange {
    PaymentRange { by: ListedBy::Created, from: noon(), until: noon() + TimeDelta::days(2), page: 1, page_size: 500 }
}

fn schedules() -> ScheduleRange {
    ScheduleRange { billing_key: BillingKey::new("bk-1"), from: noon(), until: noon() + TimeDelta::days(31) }
}

fn cancellation(amount: Option<i64>) -> Cancellation {
    Cancellation {
        payment_id: PaymentId::from(PAYMENT_ID),
        amount,
        cancellable: amount,
        reason: "환불".to_owned(),
        idempotency_key: format!("{PAYMENT_ID}-refund-1"),
    }
}

#[tokio::test]
async fn requests_are_what_portone_documents() {
    let (base, kept) = capture().await;
    let gateway = client(base);
    let attempt = attempt(&gateway, "bk-1", 3);
    gateway.send(&attempt).await;
    gateway.send(&attempt).await;
    gateway.payment(&PaymentId::from("rn/1 ?")).await;
    gateway.payments(&range()).await.unwrap_err();
    gateway.cancel(&cancellation(Some(100))).await.unwrap_err();
    gateway.billing_key(&BillingKey::new("billing key/1")).await.unwrap_err();
    gateway.schedules(&schedules()).await.unwrap_err();
    let kept = kept.lock().unwrap();
    let lines: Vec<&str> = kept.iter().map(|one| one.line.split("requestBody").next().unwrap()).collect();
    let charge = format!("POST /payments/{PAYMENT_ID}/billing-key");
    let cancel = format!("POST /payments/{PAYMENT_ID}/cancel");
    let expected = [
        charge.as_str(),
        charge.as_str(),
        "GET /payments/rn%2F1%20%3F?storeId=store-simulator",
        "GET /payments?",
        cancel.as_str(),
        "GET /billing-keys/billing%20key%2F1?storeId=store-simulator",
        "GET /payment-schedules?",
    ];
    assert_eq!(lines, expected);
    for one in kept.iter() {
        assert!(one.head.contains(&format!("authorization: PortOne {SECRET}\n")), "{}", one.line);
        let keyed = one.head.contains("idempotency-key: \"");
        assert_eq!(keyed, one.line.starts_with("POST"), "{}", one.line);
    }
    assert!(kept[0].head.contains(&format!("idempotency-key: \"{PAYMENT_ID}-3\"\n")));
    assert!(kept[0].head.contains("content-type: application/json\n"));
    assert_eq!(kept[0].body, FROZEN.replacen('{', r#"{"billingKey":"bk-1","#, 1));
    assert_eq!(kept[0].body, kept[1].body, "a repeat sends the same bytes");
    let cancel_body = r#"{"amount":100,"currentCancellableAmount":100,"reason":"환불","requester":"ADMIN","storeId":"store-simulator"}"#;
    assert_eq!(kept[4].body, cancel_body);
}

#[tokio::test]
async fn requests_keep_to_the_openapi_document() {
    let Some(schemas) = Schemas::load() else { return };
    let (base, kept) = capture().await;
    let mut full = settings(base.clone());
    full.product_type = Some("DIGITAL".to_owned());
    full.locale = Some("KO_KR".to_owned());
    let full = PortOne::new(full, Arc::new(SettableClock::at(noon()))).unwrap();
    let mut order = order();
    order.channel_key = Some("channel-key-1".to_owned());
    order.payer = Payer { name: Some("김".into()), email: Some("a@b.kr".into()), phone: Some("010".into()) };
    let mut rich = attempt(&full, "bk-1", 1);
    rich.request = full.freeze(&order);
    let plain = client(base);
    full.send(&rich).await;
    plain.send(&attempt(&plain, "bk-1", 1)).await;
    for amount in [None, Some(1)] {
        plain.cancel(&cancellation(amount)).await.unwrap_err();
    }
    plain.payments(&range()).await.unwrap_err();
    plain.schedules(&schedules()).await.unwrap_err();
    let kept = kept.lock().unwrap();
    let bodies: Vec<Value> = kept[..4].iter().map(|one| serde_json::from_str(&one.body).unwrap()).collect();
    assert_eq!(bodies[0].as_object().unwrap().len(), 10, "every optional member is there");
    for body in &bodies[..2] {
        schemas.assert_request("BillingKeyPaymentInput", body);
    }
    for body in &bodies[2..] {
        schemas.assert_request("CancelPaymentBody", body);
    }
    for (sent, body) in kept[4..].iter().zip(["GetPaymentsBody", "GetPaymentSchedulesBody"]) {
        let url = reqwest::Url::parse(&format!("http://x{}", sent.line.trim_start_matches("GET "))).unwrap();
        let (name, list) = url.query_pairs().next().unwrap();
        assert_eq!(name, "requestBody");
        schemas.assert_request(body, &serde_json::from_str(&list).unwrap());
    }
}

#[test]
fn the_simulator_answers_as_the_openapi_document_says() {
    let Some(schemas) = Schemas::load() else { return };
    let mut model = GatewayModel::new(ModelSettings::default()).unwrap();
    let endings = [
        "ok",
        "insufficient",
        "deleted",
        "unknown-key",
        "no-channel",
        "bad-request",
        "scheduled",
        "max-transactions",
        "squatted",
        "pending",
        "pending-failed",
        "ready",
        "late",
        "cancelled",
        "partly-cancelled",
    ];
    for ending in endings {
        let key = format!("bk-1-{ending}");
        assert!(ending == "ok" || hints::read(&key).is_some());
        let body = FROZEN.replacen('{', &format!("{{\"billingKey\":\"{key}\","), 1);
        let call = ChargeCall { payment_id: ending, idempotency_key: None, body: body.as_bytes() };
        let Step::Answered(reply) = model.charge(noon(), &call) else { panic!("it waits") };
        let answer = if reply.status == 200 { "PayWithBillingKeyResponse" } else { "PayWithBillingKeyError" };
        schemas.assert_answer(answer, &serde_json::from_str(&reply.body).unwrap());
        let seen = model.payment(noon(), ending, None);
        let answer = if seen.status == 200 { "Payment" } else { "GetPaymentError" };
        schemas.assert_answer(answer, &serde_json::from_str(&seen.body).unwrap());
        let key = model.billing_key(noon(), &key, None);
        let answer = if key.status == 200 { "BillingKeyInfo" } else { "GetBillingKeyInfoError" };
        schemas.assert_answer(answer, &serde_json::from_str(&key.body).unwrap());
        let asked = request::schedules_body(
            &ScheduleRange { billing_key: BillingKey::new(format!("bk-1-{ending}")), ..schedules() },
            "store-simulator",
        );
        let scheduled = model.schedules(noon(), Some(&asked));
        schemas.assert_answer("GetPaymentSchedulesResponse", &serde_json::from_str(&scheduled.body).unwrap());
    }
    let page = model.payments(noon(), Some("{\"page\":{\"size\":100}}"));
    schemas.assert_answer("GetPaymentsResponse", &serde_json::from_str(&page.body).unwrap());
    for payment_id in ["ok", "ok", "insufficient", "none"] {
        let call = CancelCall { payment_id, idempotency_key: None, body: b"{\"reason\":\"x\"}" };
        let reply = model.cancel(noon(), &call);
        let answer = if reply.status == 200 { "CancelPaymentResponse" } else { "CancelPaymentError" };
        schemas.assert_answer(answer, &serde_json::from_str(&reply.body).unwrap());
    }
}

/// A database that somebody wrote into must not choose where a request goes.
#[tokio::test]
async fn a_payment_id_stays_one_part_of_the_path() {
    let world = World::start().await;
    for id in ["", ".", ".."] {
        let seen = world.gateway.payment(&PaymentId::from(id)).await;
        assert!(matches!(seen, LookUp::Failed(_)), "{id:?}: {seen:?}");
    }
    // Encoded, each is the name of a payment that nobody knows, and no other path.
    for id in ["../billing-keys/x", "a/../../b", "x?storeId=other", "x#y", "x%2fy", "x\r\nHost: y", "%2e%2e"] {
        assert_eq!(world.gateway.payment(&PaymentId::from(id)).await, LookUp::NotFound, "{id:?}");
    }
}
