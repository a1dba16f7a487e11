//! PortOne's messages as they come in: whose they are, that each is kept, and what follows.

use super::served::{Answer, On, Served, Stage};
use crate::cli::NOW;
use crate::cli::running::wait_until;
use reqwest::Method;
use serde_json::{Value, json};

const SECRET: &str = "pzQGE83cSIRKM4/WH5QY+g==";
const NEXT_SECRET: &str = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGVzdHM=";

/// The secrets of a rotation, and a subscriber who is charged.
fn stage(on: On) -> Stage {
    let mut stage = Stage::on(on, &[("a", "billing-key-a")]);
    stage.place.set("PORTONE_WEBHOOK_SECRET", &format!("{SECRET},{NEXT_SECRET}"));
    stage
}

/// The seconds of [`NOW`], which the daemon's clock stands at.
fn now() -> i64 {
    NOW.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp()
}

fn signature(secret: &str, id: &str, timestamp: i64, body: &str) -> String {
    standardwebhooks::Webhook::new(secret).unwrap().sign(id, timestamp, body.as_bytes()).unwrap()
}

/// Sends a body as PortOne does.
fn send(served: &Served, secret: &str, id: &str, body: &str) -> Answer {
    send_with(served, (id, &now().to_string(), &signature(secret, id, now(), body)), body)
}

fn send_with(served: &Served, (id, timestamp, signature): (&str, &str, &str), body: &str) -> Answer {
    let request = served.request(Method::POST, "/webhooks/portone").body(body.to_owned());
    let headers = [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)];
    let headers = headers.into_iter().filter(|(_, value)| !value.is_empty());
    served.send(headers.fold(request, |request, (name, value)| request.header(name, value)))
}

fn of_payment(kind: &str, payment_id: &str) -> String {
    json!({ "type": kind, "timestamp": NOW, "data": { "storeId": "store-simulator", "paymentId": payment_id } })
        .to_string()
}

fn renewal(stage: &Stage, subscription: &str) -> Value {
    let shown = stage.place.at(NOW, &["--output", "json", "show", subscription]).ok().json();
    shown["renewals"][0].clone()
}

#[test]
fn a_signed_message_makes_the_daemon_look_and_settle() {
    let of_2024_04 = |payment: &str| of_payment("Transaction.Paid", payment);
    let of_2024_01 = |payment: &str| json!({ "payment_id": payment, "tx_id": "t", "status": "Paid" }).to_string();
    let as_form = |payment: &str| format!("payment_id={payment}&tx_id=t&status=Paid");
    let versions: [&dyn Fn(&str) -> String; 3] = [&of_2024_04, &of_2024_01, &as_form];
    for (on, of_version) in On::BOTH.into_iter().flat_map(|on| versions.map(|version| (on, version))) {
        let stage = stage(on);
        let blind = json!({ "when": "always", "trouble": { "kind": "error", "status": 500 }, "on": "look_up" });
        stage.tell_simulator(Method::POST, "rules", &blind);
        let served = stage.serve().up();
        wait_until("the charge", || renewal(&stage, "sub_a")["state"] == "unknown");
        stage.tell_simulator(Method::DELETE, "rules", &json!({}));
        let payment = renewal(&stage, "sub_a")["payment_id"].as_str().unwrap().to_owned();
        for _ in 0..3 {
            let answer = send(&served, SECRET, "wh-1", &of_version(&payment));
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "kept\n"));
        }
        wait_until("the payment", || renewal(&stage, "sub_a")["state"] == "paid");
        assert_eq!(stage.simulator.charged().len(), 1, "{on:?}");
        wait_until("its end", || stage.place.count("webhooks WHERE state = 'done'") == 1);
        assert_eq!(stage.place.count("webhooks"), 1, "one message, whatever its deliveries");
        served.stop();
    }
}

#[test]
fn either_secret_of_a_rotation_is_taken_and_no_other() {
    for on in On::BOTH {
        let stage = stage(on);
        let served = stage.serve().up();
        let body = of_payment("Transaction.Paid", "rn-of-nobody");
        assert_eq!(send(&served, SECRET, "wh-1", &body).status, 200);
        assert_eq!(send(&served, NEXT_SECRET, "wh-2", &body).status, 200);
        send(&served, "whsec_bm8gc2VjcmV0", "wh-3", &body).is_problem(400, &["signature", "another secret"]);
        assert_eq!(stage.place.count("webhooks"), 2);
        let said = served.stop();
        assert!(said.err.contains("a webhook was refused") && !said.err.contains("pzQGE83"), "{}", said.err);
    }
}

#[test]
fn what_is_not_signed_right_is_refused_and_not_kept() {
    for on in On::BOTH {
        let stage = stage(on);
        let served = stage.serve().up();
        let body = of_payment("Transaction.Paid", "rn-of-nobody");
        let (time, right) = (now().to_string(), signature(SECRET, "wh-1", now(), &body));
        // The daemon's clock goes on meanwhile.
        let (old, soon) = ((now() - 301).to_string(), (now() + 900).to_string());
        let [of_old, of_soon] = [now() - 301, now() + 900].map(|at| signature(SECRET, "wh-1", at, &body));
        let moved = right.replace("v1,", "v2,");
        for (headers, why) in [
            (("", &*time, &*right), "missing"),
            (("wh-1", "", &right), "missing"),
            (("wh-1", &time, ""), "missing"),
            (("wh-1", "hello", &right), "number"),
            (("wh-1", &old, &of_old), "too old"),
            (("wh-1", &soon, &of_soon), "future"),
            (("wh-2", &time, &right), "no signature"),
            (("wh-1", &time, "v1,dawfeoifkpqwoekfpqoekf"), "no signature"),
            (("wh-1", &time, "v1,"), "no signature"),
            (("wh-1", &time, &moved), "no signature"),
        ] {
            send_with(&served, headers, &body).is_problem(400, &[why]);
        }
        let changed = body.replace("Paid", "Failed");
        send_with(&served, ("wh-1", &time, &right), &changed).is_problem(400, &["no signature"]);
        let twice = served.request(Method::POST, "/webhooks/portone").body(body.clone()).header("webhook-id", "wh-1");
        let twice =
            twice.header("webhook-id", "wh-1").header("webhook-timestamp", &time).header("webhook-signature", &right);
        served.send(twice).is_problem(400, &["twice"]);
        assert_eq!(stage.place.count("webhooks"), 0);
        assert_eq!(send_with(&served, ("wh-1", &time, &right), &body).status, 200, "as it was signed, it is taken");
        served.stop();
    }
}

#[test]
fn what_portone_publishes_as_a_sample_is_believed() {
    for on in On::BOTH {
        // At the time of the sample, which the daemon must think it is.
        const WHEN: &str = "2024-04-25T10:00:00Z";
        let mut stage = Stage::on(on, &[]);
        stage.place.set("PORTONE_WEBHOOK_SECRET", SECRET);
        let served = stage.serve_at(WHEN).up();
        let cancelled = r#"{"type":"Transaction.Cancelled","timestamp":"2024-04-25T10:00:00.000Z","data":{"paymentId":"example-payment-id","storeId":"store-ae356798-3d20-4969-b739-14c6b0e1a667","transactionId":"55451513-9763-4a7a-bb43-78a4c65be843","cancellationId":"0cdd91e9-4e7c-44a3-a72e-1a6511826c2b"}}"#;
        for (body, signature) in [
            (r#"{"test":"test payload"}"#, "v1,AMuZERspSjUAnx8CvPtk1FoKRwbyI5Dg3Uj9585DiMQ="),
            (cancelled, "v1,WcpSrH93A5Nq8FBp6WrpXA90yfYzfsbFptlaKixYHQ0="),
        ] {
            let decoys = format!("v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,AAAA {signature}");
            for signature in [signature, &decoys] {
                let answer = send_with(&served, ("dummy-webhook-id", "1714039200", signature), body);
                assert_eq!(
                    (answer.status.as_u16(), answer.text.as_str()),
                    (200, "ignored\n"),
                    "nothing that renewd made"
                );
            }
        }
        assert_eq!(stage.place.count("webhooks"), 0);
        served.stop();
    }
}

#[test]
fn both_versions_are_read_and_what_is_for_others_is_ignored() {
    for on in On::BOTH {
        let stage = stage(on);
        let served = stage.serve().up();
        for (number, (body, answer)) in [
            (r#"{"payment_id":"rn-1","tx_id":"t","status":"Paid"}"#.to_owned(), "kept\n"),
            ("payment_id=rn-2&tx_id=t&status=Cancelled".to_owned(), "kept\n"),
            (of_payment("Transaction.Paid", "order-1"), "ignored\n"),
            (of_payment("Transaction.Sometime", "rn-3"), "ignored\n"),
            (json!({ "type": "BillingKey.Deleted", "data": { "billingKey": "nobodys" } }).to_string(), "kept\n"),
            (String::new(), "ignored\n"),
            ("\u{0}".to_owned(), "ignored\n"),
        ]
        .into_iter()
        .enumerate()
        {
            let told = send(&served, SECRET, &format!("wh-{number}"), &body);
            assert_eq!((told.status.as_u16(), told.text.as_str()), (200, answer), "{body}");
        }
        assert_eq!(stage.place.count("webhooks"), 2, "a key that is not stored here leaves no row");
        let big = served.request(Method::POST, "/webhooks/portone").body(vec![b'a'; 70_000]);
        served.send(big).is_problem(413, &[]);
        served.stop();
    }
}

#[test]
fn without_a_secret_nothing_is_taken() {
    let stage = Stage::on(On::Sqlite, &[]);
    let served = stage.serve().up();
    let body = of_payment("Transaction.Paid", "rn-1");
    send(&served, SECRET, "wh-1", &body).is_problem(404, &["gateway.webhook_secret"]);
    served.get("/webhooks/portone").is_problem(405, &[]);
    served.stop();
}

#[test]
fn a_secret_that_is_none_is_refused_at_the_start() {
    let mut stage = Stage::on(On::Sqlite, &[]);
    stage.place.set("PORTONE_WEBHOOK_SECRET", "whsec_canary!");
    let said = stage.place.at(NOW, &["daemon"]);
    said.refused(2, &["gateway.webhook_secret", "not base64"]);
    assert!(!said.err.contains("canary"));
}

#[test]
fn what_was_answered_outlives_a_daemon_that_is_killed() {
    for on in On::BOTH {
        let stage = stage(on);
        let served = stage.serve().up();
        let bodies: Vec<(String, String)> = (0..40)
            .map(|number| (format!("wh-{number}"), of_payment("Transaction.Paid", &format!("rn-{number}"))))
            .collect();
        let answered: Vec<&String> = bodies
            .iter()
            .filter(|(id, body)| send(&served, SECRET, id, body).status == 200)
            .map(|(id, _)| id)
            .collect();
        served.kill();
        let kept = stage.place.texts("SELECT id FROM webhooks");
        assert_eq!(answered.len(), 40);
        assert!(answered.iter().all(|id| kept.contains(id)), "{kept:?}");
    }
}

#[test]
fn what_cannot_be_kept_is_to_be_sent_again() {
    for on in On::BOTH {
        let stage = stage(on);
        let served = stage.serve().up();
        stage.place.texts("ALTER TABLE webhooks RENAME TO webhooks_away");
        let body = of_payment("Transaction.Paid", "rn-1");
        let refused = send(&served, SECRET, "wh-1", &body);
        refused.is_problem(503, &["send it again"]);
        assert!(refused.headers.contains_key("retry-after"));
        stage.place.texts("ALTER TABLE webhooks_away RENAME TO webhooks");
        assert_eq!(send(&served, SECRET, "wh-1", &body).status, 200);
        assert_eq!(stage.place.count("webhooks"), 1);
        served.stop();
    }
}
