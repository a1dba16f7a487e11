//! Each write: what it does to the money, and who is recorded with it, and why.

use super::desk::{Desk, WHY};
use crate::cli::NOW;
use crate::cli::running::wait_until;
use crate::http::served::On;
use reqwest::Method;
use serde_json::{Value, json};

/// A desk after a first run.
fn desk(on: On, key: &str) -> Desk {
    Desk::after(on, &[("a", key)], |stage| drop(stage.place.at(NOW, &["run"]).ok()))
}

fn why() -> Value {
    json!({ "reason": WHY })
}

#[test]
fn a_retry_charges_once_in_the_name_of_the_token() {
    for on in On::BOTH {
        let desk = desk(on, "billing-key-a-insufficient-once");
        assert!(desk.stage.simulator.charged().is_empty());
        let retried = desk.post("/renewals/sub_a/retry", &why());
        assert_eq!(
            (retried.status.as_u16(), &retried.json()["renewal"]["state"]),
            (200, &json!("paid")),
            "{retried:#?}"
        );
        assert_eq!(retried.json()["attempts"][0]["state"], "paid");
        assert_eq!(desk.stage.simulator.charged().len(), 1, "{on:?}");
        assert_eq!(desk.actions("sub_a"), [format!("retry by haneul: {WHY}")]);
        let again = desk.post("/renewals/sub_a/retry", &why());
        again.is_problem(409, &["is paid", "never charged again", "renewd show"]);
        assert_eq!(desk.stage.simulator.charged().len(), 1);
        desk.served.stop();
    }
}

#[test]
fn a_new_card_is_charged_and_told_nowhere() {
    for on in On::BOTH {
        let desk = desk(on, "billing-key-a-lost");
        let secret = "billing-key-of-a-new-card";
        let body = json!({ "reason": WHY, "with_billing_key": secret });
        let retried = desk.post("/renewals/sub_a/retry", &body);
        assert_eq!(retried.json()["renewal"]["state"], "paid", "{retried:#?}");
        assert_eq!(desk.stage.simulator.charged().len(), 1);
        let shown = desk.show("sub_a").to_string();
        assert!(shown.contains("new_billing_key") && !shown.contains(secret), "{shown}");
        for (wrong, status) in [
            (json!("4111 1111 1111 1111"), 422),
            (json!("4111111111111111"), 422),
            (json!("NEEDS_CONFIRMATION"), 422),
            (json!("billing\u{0}key"), 422),
            (json!(""), 422),
            (json!(4_111_111_111_111_111_i64), 400),
            (json!({ "key": secret }), 400),
        ] {
            let body = json!({ "reason": WHY, "with_billing_key": wrong });
            let refused = desk.post("/renewals/sub_a/retry", &body);
            refused.is_problem(status, &["billing"]);
            for quoted in ["4111 1111", "41111111", "billing\\u0000key", secret] {
                assert!(!refused.text.contains(quoted), "{refused:#?}");
            }
        }
        let channel_only = json!({ "reason": WHY, "channel_key": "channel-1" });
        desk.post("/renewals/sub_a/retry", &channel_only).is_problem(422, &["with_billing_key is not given"]);
        let said = desk.served.stop();
        // Four digits alone stand in a log by chance, in an id or in a microsecond; eight of them do not.
        for kept in [secret, "4111 1111", "41111111"] {
            assert!(!said.err.contains(kept), "{}", said.err);
        }
    }
}

#[test]
fn a_refund_gives_back_once_by_whatever_names_the_payment() {
    for on in On::BOTH {
        let desk = desk(on, "billing-key-a");
        let renewal = desk.show("sub_a")["renewals"][0].clone();
        let (id, payment) = (renewal["id"].as_str().unwrap(), renewal["payment_id"].as_str().unwrap());
        let part = |amount: i64| json!({ "reason": WHY, "amount": amount });
        let refunded = desk.post(&format!("/renewals/{id}/refund"), &part(5_000)).json();
        assert_eq!((&refunded["refund"]["state"], &refunded["refund"]["left_after"]), (&json!("done"), &json!(50_000)));
        assert_eq!(desk.given_back(), [5_000]);
        let twice = desk.post(&format!("/renewals/{payment}/refund"), &part(5_000));
        twice.is_problem(409, &["given back already", "nothing was given back a second time"]);
        desk.post(&format!("/renewals/{payment}/refund"), &part(50_001))
            .is_problem(409, &["50,000 KRW of 55,000 KRW are left"]);
        let named = json!({ "reason": WHY, "payment_id": "rn-of-somebody-else" });
        desk.post("/renewals/sub_a/refund", &named).is_problem(409, &["is no payment id", payment]);
        assert_eq!(desk.given_back(), [5_000]);
        let rest = desk.post("/renewals/sub_a/refund", &json!({ "reason": WHY, "payment_id": payment })).json();
        assert_eq!((&rest["refund"]["amount"], &rest["renewal"]["state"]), (&json!(50_000), &json!("refunded")));
        assert_eq!(desk.given_back(), [5_000, 50_000], "{on:?}");
        assert_eq!(desk.actions("sub_a"), vec![format!("refund by haneul: {WHY}"); 2]);
        desk.served.stop();
    }
}

#[test]
fn a_review_is_answered_with_evidence_and_never_against_the_money() {
    for on in On::BOTH {
        let desk = desk(on, "billing-key-a-squatted");
        let answer = |what: &str| json!({ "as": what, "evidence": "PortOne's console", "reason": WHY });
        let post = |body: &Value| desk.post("/renewals/sub_a/resolve", body);
        post(&answer("paid")).is_problem(409, &["not as ordered", "stays under review", "renewd refund"]);
        post(&answer("not_charged")).is_problem(409, &["the gateway says otherwise"]);
        let against = |words: &str| {
            let mut body = answer("not_charged");
            body["against_gateway"] = json!(words);
            body
        };
        post(&against("because")).is_problem(400, &["at least 20 characters"]);
        assert_eq!(desk.actions("sub_a"), [""; 0], "what is refused is not recorded as done");
        let resolved = post(&against("1 won by a stranger, says PortOne")).json();
        assert_eq!(resolved["renewal"]["state"], "failed", "{on:?}: {resolved:#}");
        assert_eq!(desk.actions("sub_a"), [format!("resolve by haneul: {WHY}")]);
        let action = desk.show("sub_a")["actions"][0].clone();
        assert_eq!(action["evidence"], "PortOne's console");
        assert_eq!(action["details"]["against_gateway"], "1 won by a stranger, says PortOne");
        post(&answer("perhaps")).is_problem(400, &["as: unknown variant", "not_charged"]);
        desk.served.stop();
    }
}

#[test]
fn the_kill_switch_holds_a_run_and_lets_it_go() {
    for on in On::BOTH {
        let desk = Desk::on(on, &[("a", "billing-key-a")]);
        let paused = desk.post("/pause", &json!({ "reason": "prices" })).json();
        assert_eq!(
            (&paused["paused"], &paused["by"], &paused["reason"]),
            (&json!(true), &json!("haneul"), &json!("prices"))
        );
        assert!(desk.post("/pause", &json!({ "reason": "prices" })).text.contains("it was already, by haneul since"));
        let held = desk.run(&json!({}));
        assert_eq!((&held["figures"]["paused"], desk.stage.simulator.charged().len()), (&json!(true), 0), "{held:#}");
        assert!(desk.get("/status").json()["paused"].as_str().unwrap().starts_with("by haneul since 2026-01-30"));
        let resumed = desk.post("/resume", &json!({ "reason": "mended" })).json();
        assert_eq!(resumed["paused"], false);
        assert!(desk.post("/resume", &json!({ "reason": "mended" })).text.contains("charging was not paused"));
        let done = desk.run(&json!({}));
        assert_eq!(
            (&done["figures"]["paid"], desk.stage.simulator.charged().len()),
            (&json!(1), 1),
            "{on:?}: {done:#}"
        );
        let by_hand = desk.get("/status").json()["by_hand"].clone();
        let told: Vec<String> = by_hand
            .as_array()
            .unwrap()
            .iter()
            .map(|row| format!("{} {} {}", row["kind"], row["actor"], row["reason"]))
            .collect();
        let wanted = [r#""resume" "haneul" "mended""#, r#""pause" "haneul" "prices""#, r#""pause" "haneul" "prices""#];
        assert_eq!(told, wanted);
        desk.served.stop();
    }
}

#[test]
fn a_client_that_hangs_up_ends_no_charge() {
    for on in On::BOTH {
        let desk = desk(on, "billing-key-a-lost");
        let body = json!({ "reason": WHY, "with_billing_key": "billing-key-b" });
        desk.stage.slow_approval();
        let request = desk.request(Method::POST, "/renewals/sub_a/retry").json(&body);
        desk.served.hang_up_when(request, "the claim", || desk.show("sub_a")["renewals"][0]["state"] == "charging");
        assert_eq!(desk.stage.simulator.charged().len(), 0, "it hung up before the charge");
        wait_until("the charge", || desk.show("sub_a")["renewals"][0]["state"] == "paid");
        assert_eq!(desk.stage.simulator.charged().len(), 1, "{on:?}");
        assert_eq!(desk.actions("sub_a"), [format!("retry by haneul: {WHY}")]);
        desk.served.stop();
    }
}

#[test]
fn what_takes_longer_than_a_request_goes_on_and_is_found() {
    let desk = Desk::after(On::Sqlite, &[("a", "billing-key-a-lost")], |stage| {
        stage.place.at(NOW, &["run"]).ok();
        stage.place.set("RENEWD_SERVER__REQUEST_TIMEOUT", "1s");
    });
    let body = json!({ "reason": WHY, "with_billing_key": "billing-key-b-slow" });
    let accepted = desk.post("/renewals/sub_a/retry", &body);
    assert_eq!((accepted.status.as_u16(), &accepted.json()["under_way"]), (202, &json!(true)), "{accepted:#?}");
    assert_eq!(accepted.headers["location"], "/api/v1/renewals/sub_a");
    // It is the daemon's: told to stop, it waits for it.
    desk.served.stop();
    let shown = desk.stage.place.at(NOW, &["--output", "json", "show", "sub_a"]).ok().json();
    assert_eq!(shown["renewals"][0]["state"], "paid", "{shown:#}");
    assert_eq!(desk.stage.simulator.charged().len(), 1);
}
