//! The guide for the API service: its statements run as the API service's own role, its events are what is really
//! told, and its way to verify a message takes renewd's and no other.

use super::super::database::block_on;
use super::super::place::Place;
use super::super::{NOW, Stage, lines};
use super::Document;
use crate::notify::receiver::Receiver;
use crate::support::postgres::PrivateServer;
use renewd::webhook::signature::Secrets;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn guide() -> Document {
    Document::read("docs/INTEGRATING.md")
}

async fn execute(url: &str, statements: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the running server");
    let done = sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await;
    assert!(done.is_ok(), "{statements}: {}", done.unwrap_err());
}

#[test]
fn its_statements_are_what_the_api_services_role_may_do() {
    let guide = guide();
    let blocks: Vec<_> = guide.blocks().filter(|block| block.kind.starts_with("sql")).collect();
    let of = |kind: &'static str| blocks.iter().filter(move |block| block.kind == kind);
    assert_eq!((of("sql owner").count(), blocks.len() - of("sql app").count()), (1, 1), "whose statement is it?");
    block_on(async {
        let server = PrivateServer::start().await;
        let url = server.database("documents", "template1").await;
        execute(&url, guide.block("sql owner")).await;
        Place::empty().with("DATABASE_URL", &url).run(&["migrate"]).ok();
        let app = url.replacen("renewd@", "renewd_app@", 1);
        for block in of("sql app") {
            execute(&app, block.text).await;
        }
    });
}

/// An event's type, and the names of its data.
type Shape = (String, BTreeSet<String>);

fn shape(event: &Value) -> Shape {
    let data = event["data"].as_object().expect("an object");
    (event["type"].as_str().expect("a type").to_owned(), data.keys().cloned().collect())
}

fn subscription(name: &str, key: Option<&str>, ends: &str, cancels: bool) -> String {
    let some = lines(&[(name, key.unwrap_or("none"))]).replace("2026-01-31T00:00:00+09:00", ends);
    let of_it = some.lines().filter(|line| key.is_some() || !line.contains("\"billing_key\""));
    let with = |line: &str| match line.strip_suffix('}').filter(|line| line.contains("\"subscription\"") && cancels) {
        Some(line) => format!("{line},\"cancel_at_period_end\":true}}\n"),
        None => format!("{line}\n"),
    };
    of_it.filter(|line| !line.contains("\"plan\",") && !line.contains("order_name")).map(with).collect()
}

/// A fortnight of a small business; whatever the API service can be told happens in it.
fn fortnight(url: &str) {
    let some = [
        ("a", "billing-key-a"),
        ("b", "billing-key-b-insufficient"),
        ("c", "billing-key-c-lost"),
        ("f", "billing-key-f-squatted"),
    ];
    let mut stage = Stage::with(&some);
    for (name, value) in [
        ("NOTIFY__WEBHOOK_URL", url),
        ("NOTIFY__WEBHOOK_SECRET", SECRET),
        ("PAY__BASE_URL", "https://pay.example.com"),
        ("PAY__SHOP", "Example"),
        ("PAY__CHANNEL_KEY", "channel-key-1"),
    ] {
        stage.place.set(&format!("RENEWD_{name}"), value);
    }
    let subscriptions = [
        subscription("d", None, "2026-01-31T00:00:00+09:00", false),
        subscription("g", Some("billing-key-g"), "2026-01-20T00:00:00+09:00", false),
        subscription("i", Some("billing-key-i"), "2026-02-04T00:00:00+09:00", false),
        subscription("j", Some("billing-key-j"), "2026-01-30T00:00:00+09:00", true),
    ];
    stage.place.import(&subscriptions.concat());
    stage.place.at(NOW, &["run"]).ok();
    stage.place.at("2026-01-30T10:20:00+09:00", &["look-ahead"]).ok();
    let paid = stage.place.texts("SELECT payment_id FROM payments WHERE verified").remove(0);
    stage.place.at("2026-01-30T10:30:00+09:00", &["refund", &paid, "--reason", "goodwill"]).ok();
    for day in ["01-31", "02-02", "02-04", "02-06", "02-08", "02-09"] {
        stage.place.at(&format!("2026-{day}T10:20:00+09:00"), &["run"]).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_events_are_what_is_really_told() {
    let receiver = Receiver::start().await;
    let url = receiver.url("events");
    tokio::task::spawn_blocking(move || fortnight(&url)).await.expect("it ends");
    let told: BTreeSet<Shape> = receiver.heard().iter().map(|heard| shape(&heard.json())).collect();
    let guide = guide();
    let blocks = guide.blocks().filter(|block| block.kind == "json event");
    let examples: Vec<Value> = blocks.map(|block| serde_json::from_str(block.text).expect("JSON")).collect();
    for example in &examples {
        assert!(told.contains(&shape(example)), "nothing like {example} is told, but {told:#?}");
        let names: BTreeSet<&str> = example.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names, ["data", "id", "timestamp", "type"].into());
    }
    let shown: BTreeSet<String> = examples.iter().map(|example| shape(example).0).collect();
    let missing: Vec<&String> = told.iter().map(|(kind, _)| kind).filter(|kind| !shown.contains(*kind)).collect();
    // They have the fields of one that is canceled, or paid.
    let is_told_in_words = |kind: &&&String| matches!(kind.as_str(), "renewal.lapsed" | "renewal.review");
    assert!(missing.iter().all(|kind| is_told_in_words(&kind)), "no example of {missing:?}");
}

/// The message of the guide: id, time, signature, body.
fn vector() -> (String, i64, String, String) {
    let guide = guide();
    let (head, body) = guide.block("text vector").split_once("\n\n").expect("headers, then the body");
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{name} is missing")).to_owned()
    };
    let at = header("webhook-timestamp").parse().expect("seconds");
    (header("webhook-id"), at, header("webhook-signature"), body.trim_end().to_owned())
}

#[test]
fn its_message_is_signed_as_renewd_signs() {
    let (id, at, signature, body) = vector();
    let guide = guide();
    assert!(guide.text.contains(SECRET));
    let secrets = Secrets::parse(SECRET).expect("a secret");
    let at = chrono::DateTime::from_timestamp(at, 0).expect("a time");
    assert_eq!(secrets.sign(&id, at, body.as_bytes()), signature);
}

/// Runs the guide's function on its own message, changed or not.
const DRIVER: &str = r#"
import sys
secret, message_id, at, signature, body, now = sys.argv[1:]
headers = {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": signature}
print(is_from_renewd(secret, headers, body.encode(), float(now)))
"#;

#[test]
fn its_python_takes_renewds_messages_and_no_others() {
    let works = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    if !works.is_ok_and(|status| status.success()) {
        println!("NOT checked: there is no python3 here");
        return;
    }
    let (id, at, signature, body) = vector();
    let program = format!("{}\n{DRIVER}", guide().block("python"));
    let says = |secret: &str, signature: &str, body: &str, late: i64| {
        let (stamp, now) = (at.to_string(), (at + late).to_string());
        let run = Command::new("python3").args(["-c", &program, secret, &id, &stamp, signature, body, &now]).output();
        let output = run.expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim() == "True"
    };
    assert!(says(SECRET, &signature, &body, 10));
    assert!(says(SECRET, &format!("v1,AAAA {signature}"), &body, 10), "one of two signatures is enough");
    assert!(!says(SECRET, &signature, &body.replace("paid", "lost"), 10));
    assert!(!says("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &signature, &body, 10));
    assert!(!says(SECRET, &signature, &body, 301));
}
