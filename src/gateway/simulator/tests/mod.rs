//! The model without HTTP, and what only other processes see: control endpoints and the ledger file.

use super::*;
use crate::clock::SettableClock;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

fn noon() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-01-30T03:00:00Z").unwrap().to_utc()
}

fn body(key: &str) -> Vec<u8> {
    let custom = json!({ "subscription": "sub_1" }).to_string();
    let body = json!({ "billingKey": key, "orderName": "Pro", "amount": { "total": 9900 }, "currency": "KRW", "customData": custom });
    body.to_string().into_bytes()
}

fn answered(step: Step) -> Reply {
    match step {
        Step::Answered(reply) => reply,
        Step::Approving { .. } => panic!("it waits"),
    }
}

fn kind(reply: &Reply) -> String {
    serde_json::from_str::<Value>(&reply.body).unwrap()["type"].as_str().unwrap_or("none").to_owned()
}

fn model() -> GatewayModel {
    GatewayModel::new(ModelSettings::default()).unwrap()
}

#[test]
fn two_charges_that_wait_at_once_take_money_once() {
    let settings = ModelSettings { latency: Duration::from_secs(1), ..ModelSettings::default() };
    let mut model = GatewayModel::new(settings).unwrap();
    let body = body("bk-1");
    let mut tickets = Vec::new();
    for key in ["\"rn0123456789abcdef-1\"", "\"rn0123456789abcdef-2\""] {
        let call = ChargeCall { payment_id: "rn1", idempotency_key: Some(key), body: &body };
        match model.charge(noon(), &call) {
            Step::Approving { ticket, wait } => tickets.push((*ticket, wait)),
            Step::Answered(reply) => panic!("{reply:?}"),
        }
        assert_eq!(kind(&answered(model.charge(noon(), &call))), "IDEMPOTENCY_OUTSTANDING_REQUEST");
    }
    let later = noon() + TimeDelta::from_std(tickets[0].1).unwrap();
    let statuses: Vec<u16> = tickets.into_iter().map(|(ticket, _)| model.approve(later, ticket).status).collect();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(model.ledger().successes("rn1"), 1);
    assert_eq!(model.ledger().charges()[0].subscription.as_deref(), Some("sub_1"));
}

#[test]
fn the_same_seed_and_requests_give_the_same_answers() {
    let run = |seed| {
        let mut model = GatewayModel::new(ModelSettings { seed, ..ModelSettings::default() }).unwrap();
        model.add_rule(Rule::new(When::Always, Trouble::Decline { name: "limit".into() }).chance(0.5));
        let charge = |number: u32| {
            let id = format!("rn{number}");
            let call = ChargeCall { payment_id: &id, idempotency_key: None, body: &body("bk-1") };
            let reply = answered(model.charge(noon(), &call));
            (reply.status, reply.body, model.payment(noon(), &id, None).body)
        };
        (0..40).map(charge).collect::<Vec<_>>()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn requests_that_break_the_contract_are_refused() {
    let mut model = model();
    let bad = [
        json!({}),
        json!([]),
        json!({ "billingKey": "b", "orderName": "o", "amount": { "total": 0 }, "currency": "KRW" }),
        json!({ "billingKey": "b", "orderName": "o", "amount": { "total": 1 }, "currency": "won" }),
        json!({ "billingKey": "b", "orderName": "o", "amount": 1, "currency": "KRW" }),
    ];
    for body in bad {
        let body = body.to_string();
        let call = ChargeCall { payment_id: "rn1", idempotency_key: None, body: body.as_bytes() };
        assert_eq!(kind(&answered(model.charge(noon(), &call))), "INVALID_REQUEST", "{body}");
    }
    let call = ChargeCall { payment_id: "rn1", idempotency_key: Some("rn0123456789abcdef-1"), body: &body("bk-1") };
    assert_eq!(kind(&answered(model.charge(noon(), &call))), "INVALID_REQUEST", "an unquoted key");
    let parts =
        json!({ "billingKey": "b", "orderName": "o", "amount": { "total": 1, "taxFree": 2 }, "currency": "KRW" });
    let parts = parts.to_string();
    let call = ChargeCall { payment_id: "rn1", idempotency_key: None, body: parts.as_bytes() };
    assert_eq!(kind(&answered(model.charge(noon(), &call))), "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT");
    assert_eq!(model.ledger().charges().len(), 0);
}

#[test]
fn what_happens_by_itself_happens_in_its_order_and_is_announced() {
    let mut model = model();
    for (id, key) in [("rn1", "bk-1-pending"), ("rn2", "bk-2-late")] {
        answered(model.charge(noon(), &ChargeCall { payment_id: id, idempotency_key: None, body: &body(key) }));
    }
    assert_eq!(model.next_at(), Some(noon() + TimeDelta::hours(1)));
    model.advance(noon() + TimeDelta::hours(2));
    assert_eq!(model.next_at(), None);
    let ids: Vec<&str> = model.ledger().charges().iter().map(|charge| charge.payment_id.as_str()).collect();
    assert_eq!(ids, ["rn1", "rn2"]);
    assert!(model.ledger().charges().iter().all(|charge| charge.at == noon() + TimeDelta::hours(1)));
}

async fn start(change: impl FnOnce(&mut SimulatorSettings)) -> Simulator {
    let mut settings = SimulatorSettings::new(Arc::new(SettableClock::at(noon())));
    change(&mut settings);
    Simulator::start(settings).await.unwrap()
}

/// A client without any of ours: what another process would use.
async fn call(simulator: &Simulator, method: &str, path: &str, body: Vec<u8>) -> (u16, String) {
    crate::gateway::portone::install_tls();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let request = client
        .request(method.parse().unwrap(), format!("{}{path}", simulator.base_url()))
        .header("authorization", "PortOne simulator-secret")
        .body(body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn another_process_can_program_it_and_read_its_ledger() {
    let simulator = start(|_| {}).await;
    let rule = json!({ "when": { "payment": "rn1" }, "trouble": { "kind": "decline", "name": "lost" }, "times": 1 });
    assert_eq!(call(&simulator, "POST", "/_simulator/rules", rule.to_string().into_bytes()).await.0, 200);
    let wrong = json!({ "when": "always", "trouble": { "kind": "no_such_trouble" } });
    assert_eq!(call(&simulator, "POST", "/_simulator/rules", wrong.to_string().into_bytes()).await.0, 400);
    let key = json!({ "pg_provider": "KAKAOPAY" }).to_string().into_bytes();
    assert_eq!(call(&simulator, "PUT", "/_simulator/billing-keys/bk-1", key).await.0, 200);
    let (status, declined) = call(&simulator, "POST", "/payments/rn1/billing-key", body("bk-1")).await;
    assert!(status == 502 && declined.contains("3533"), "{declined}");
    assert_eq!(call(&simulator, "POST", "/payments/rn1/billing-key", body("bk-1")).await.0, 200);
    let ledger: Value =
        serde_json::from_str(&call(&simulator, "GET", "/_simulator/ledger", Vec::new()).await.1).unwrap();
    assert_eq!(ledger["charges"][0]["payment_id"], "rn1");
    assert_eq!(ledger["charges"][0]["amount"], 9900);
    assert_eq!((&ledger["requests"]["charge"], ledger["declined"].as_array().unwrap().len()), (&json!(2), 1));
    assert_eq!(call(&simulator, "POST", "/_simulator/reset", Vec::new()).await.0, 200);
    assert!(simulator.model().ledger().charges().is_empty());
    simulator.stop().await;
}

#[tokio::test]
async fn nothing_is_answered_without_the_secret() {
    let simulator = start(|settings| settings.api_secret = SecretString::from("another")).await;
    for (method, path) in [("GET", "/_simulator/ledger"), ("POST", "/_simulator/reset"), ("GET", "/payments/rn1")] {
        assert_eq!(call(&simulator, method, path, Vec::new()).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn the_ledger_file_has_every_line_before_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.jsonl");
    let simulator = start(|settings| settings.model.ledger_file = Some(file.clone())).await;
    for key in ["bk-1-insufficient-once", "bk-1-insufficient-once"] {
        call(&simulator, "POST", "/payments/rn1/billing-key", body(key)).await;
    }
    call(&simulator, "POST", "/payments/rn1/cancel", b"{\"reason\":\"x\"}".to_vec()).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let kinds: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["declined", "charge", "given_back"]);
}

#[tokio::test]
async fn slow_bodies_arrive_whole_in_the_end() {
    let simulator = start(|_| {}).await;
    simulator.model().add_rule(Rule::new(When::Always, Trouble::SlowBody { millis_a_byte: 1 }).times(1));
    let (status, text) = call(&simulator, "POST", "/payments/rn1/billing-key", body("bk-1")).await;
    assert!(status == 200 && text.contains("paidAt"), "{text}");
}

#[tokio::test]
async fn stopping_waits_for_requests_under_way() {
    let simulator = start(|settings| settings.model.latency = Duration::from_millis(300)).await;
    let base = simulator.base_url();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let request = client
        .post(format!("{base}/payments/rn1/billing-key"))
        .header("authorization", "PortOne simulator-secret")
        .body(body("bk-1"));
    let under_way = tokio::spawn(request.send());
    while simulator.model().ledger().sends("rn1") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    simulator.stop().await;
    assert_eq!(under_way.await.unwrap().unwrap().status().as_u16(), 200);
}
