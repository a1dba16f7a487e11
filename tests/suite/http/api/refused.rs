//! What cannot be read is refused by its name, and does nothing.

use super::desk::{Desk, WHY};
use crate::http::served::On;
use reqwest::Method;
use serde_json::json;

#[test]
fn a_field_that_nobody_knows_is_named() {
    for on in On::BOTH {
        let desk = Desk::on(on, &[("a", "billing-key-a")]);
        for path in
            ["/runs", "/pause", "/resume", "/renewals/sub_a/retry", "/renewals/sub_a/resolve", "/renewals/sub_a/refund"]
        {
            let body = json!({ "reason": WHY, "as": "paid", "evidence": "x", "dryrun": true });
            desk.post(path, &body).is_problem(400, &["unknown field"]);
            desk.post(path, &json!({ "dryrun": true })).is_problem(400, &["unknown field `dryrun`", "openapi.json"]);
        }
        for path in ["/runs?page=2", "/renewals?states=paid", "/plan?day=2026-01-30"] {
            let name = path.split(['?', '=']).nth(1).unwrap();
            desk.get(path).is_problem(400, &[&format!("unknown field `{name}`")]);
        }
        assert!(desk.stage.simulator.charged().is_empty());
        assert_eq!(desk.get("/status").json()["by_hand"], json!([]));
        desk.served.stop();
    }
}

#[test]
fn a_value_that_cannot_be_is_named() {
    for on in On::BOTH {
        let desk = Desk::on(on, &[("a", "billing-key-a")]);
        for query in
            ["state=open", "date=30-01-2026", "date=2026-1-30", "subscription=", "subscription=a%00b", "payment_id=%0a"]
        {
            let name = query.split('=').next().unwrap();
            desk.get(&format!("/renewals?{query}")).is_problem(400, &[name]);
        }
        for body in [json!({ "date": "today" }), json!({ "dry_run": "yes" }), json!({ "override_brakes": ["all"] })] {
            let name = body.as_object().unwrap().keys().next().unwrap().clone();
            desk.post("/runs", &body).is_problem(400, &[&name]);
        }
        for reason in ["", "  ", "a\u{0}b", "two\nlines", &"x".repeat(1_001)] {
            desk.post("/pause", &json!({ "reason": reason })).is_problem(400, &["reason"]);
        }
        desk.post("/pause", &json!({})).is_problem(400, &["missing field `reason`"]);
        let long = "x".repeat(201);
        for id in ["a%00b", "%ff", long.as_str()] {
            desk.get(&format!("/renewals/{id}")).is_problem(400, &["the id"]);
        }
        let reference = json!({ "reason": WHY, "reference": "a\u{0}b" });
        desk.post("/renewals/sub_a/refund", &reference).is_problem(400, &["reference"]);
        for amount in [json!(0), json!(-1), json!(0.5), json!("1"), json!(1e300)] {
            let body = json!({ "reason": WHY, "amount": amount });
            desk.post("/renewals/sub_a/refund", &body).is_problem(400, &["amount"]);
        }
        assert_eq!(desk.get("/status").json()["paused"], json!(null));
        desk.served.stop();
    }
}

#[test]
fn a_body_that_is_no_object_of_json_is_refused() {
    let desk = Desk::on(On::Sqlite, &[("a", "billing-key-a")]);
    let with = |kind: &'static str, body: &str| {
        let request = desk.request(Method::POST, "/pause").header("content-type", kind).body(body.to_owned());
        desk.send("post", "/pause", request)
    };
    for body in ["", "{", "[]", "null", "[\"because\"]", "{\"reason\": \"x\"} {}", "\u{feff}{}"] {
        with("application/json", body).is_problem(400, &["the body"]);
    }
    with("text/plain", "{\"reason\": \"x\"}").is_problem(415, &["content-type"]);
    let long = format!("{{\"reason\": \"{}\"}}", "x".repeat(70_000));
    with("application/json", &long).is_problem(413, &[]);
    let deep = "[".repeat(10_000);
    with("application/json", &deep).is_problem(400, &["the body"]);
    let delete = desk.request(Method::DELETE, "/pause");
    desk.served.send(delete).is_problem(405, &["method"]);
    assert_eq!(desk.get("/status").json()["paused"], json!(null));
    desk.served.stop();
}
