//! The log as machines read it: what the real program writes to stderr while things go well and wrong. A line that
//! concerns a renewal or a payment can be found by its ids.

use super::place::Said;
use super::{LATER, NOW, Stage, lines};
use crate::http::served::{On, Stage as Served};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const SEVERITIES: [&str; 4] = ["DEBUG", "INFO", "WARNING", "ERROR"];
const LABELS: &str = "logging.googleapis.com/labels";

/// Each goes another way, and is logged by other modules.
const ENDINGS: [&str; 9] =
    ["plain", "insufficient", "lost", "timeout", "error", "pending", "squatted", "other-amount", "cancelled"];

/// A renewal's names in the tables.
struct Known {
    renewal: String,
    payment: String,
    subscription: String,
}

fn stage(level: &str, endings: &[&str]) -> Stage {
    let keys: Vec<(String, String)> =
        endings.iter().map(|ending| (ending.to_string(), format!("billing-key-{ending}"))).collect();
    let subscribers: Vec<(&str, &str)> = keys.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    let mut stage = Stage::with(&subscribers);
    stage.place.set("RENEWD_LOG__LEVEL", level);
    stage.place.set("RENEWD_LOG__FORMAT", "json");
    stage
}

fn payment_of(stage: &Stage, subscription: &str) -> String {
    stage.place.texts(&format!("SELECT payment_id FROM renewals WHERE subscription_id = '{subscription}'")).remove(0)
}

fn known(stage: &Stage) -> Vec<Known> {
    let rows = stage.place.texts("SELECT id || ' ' || payment_id || ' ' || subscription_id FROM renewals");
    let names = rows.iter().map(|row| row.split(' ').map(str::to_owned).collect::<Vec<_>>());
    names
        .map(|names| Known { renewal: names[0].clone(), payment: names[1].clone(), subscription: names[2].clone() })
        .collect()
}

/// The lines of the log: all that is said but the last words to whoever typed the command.
#[track_caller]
fn logged(said: &Said) -> Vec<Map<String, Value>> {
    let to_people = |line: &&str| ["error: ", "  "].iter().any(|begin| line.starts_with(begin));
    let parsed = said.err.lines().filter(|line| !to_people(line)).map(|line| match serde_json::from_str(line) {
        Ok(Value::Object(line)) => line,
        other => panic!("{line}: {other:?}"),
    });
    parsed.collect()
}

#[track_caller]
fn assert_well_formed(line: &Map<String, Value>) {
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
    assert!(SEVERITIES.contains(&text("severity")), "{line:?}");
    assert!(!text("message").is_empty() && !text("target").is_empty(), "{line:?}");
    assert!(chrono::DateTime::parse_from_rfc3339(text("time")).is_ok(), "{line:?}");
    let labels = line.get(LABELS).and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in line.iter().filter(|(name, _)| name.ends_with(".id")) {
        assert_eq!(labels.get(name), Some(value), "{line:?}");
    }
}

/// Whatever names a payment or a renewal of the tables has the ids of both, and of its subscription.
#[track_caller]
fn assert_has_its_ids(line: &Map<String, Value>, known: &[Known]) -> bool {
    // A digest of a whole run names an example.
    let is_digest =
        line.get("event.kind").is_some_and(|kind| kind.as_str().is_some_and(|kind| kind.starts_with("run.")));
    if is_digest || line.contains_key("left_unknown") {
        return false;
    }
    let text = Value::from(line.clone()).to_string();
    let named: Vec<&Known> =
        known.iter().filter(|one| text.contains(&one.payment) || text.contains(&one.renewal)).collect();
    let [one] = named[..] else { return false };
    let has = |name: &str, wanted: &str| line.get(name).is_some_and(|value| value == wanted);
    assert!(has("renewal.id", &one.renewal), "{line:#?}");
    assert!(has("subscription.id", &one.subscription), "{line:#?}");
    // What access became is about the renewal, and no payment.
    let is_of_access = line.get("event.kind").is_some_and(|kind| kind == "billing_key.missing");
    assert!(is_of_access || has("payment.id", &one.payment), "{line:#?}");
    true
}

#[test]
fn every_line_parses_and_what_concerns_a_payment_has_its_ids() {
    let stage = stage("debug", &ENDINGS);
    let mut all = logged(&stage.place.at(NOW, &["run"]));
    let charged = all.len();
    for arguments in [
        &["run"][..],
        &["reconcile"],
        &["look-ahead"],
        &["retry", "sub_insufficient", "--reason", "asked"],
        &["refund", &payment_of(&stage, "sub_plain"), "--reason", "asked"],
        &["pause", "--reason", "asked"],
        &["run"],
    ] {
        all.extend(logged(&stage.place.at(LATER, arguments)));
    }
    let known = known(&stage);
    assert_eq!(known.len(), ENDINGS.len());
    all.iter().for_each(assert_well_formed);
    let with_ids: Vec<bool> = all.iter().map(|line| assert_has_its_ids(line, &known)).collect();
    assert!(with_ids.iter().filter(|has| **has).count() >= 2 * ENDINGS.len(), "{with_ids:?}");
    let of_attempts: Vec<_> = all[..charged].iter().filter(|line| line.contains_key("attempt.id")).collect();
    let attempts: BTreeSet<_> = of_attempts.iter().map(|line| line["payment.id"].to_string()).collect();
    assert_eq!(attempts.len(), ENDINGS.len(), "each was charged, and said so");
    assert!(of_attempts.iter().all(|line| line.contains_key("run.id")), "{of_attempts:#?}");
    let kinds: BTreeSet<_> = all.iter().filter_map(|line| line.get("event.kind")?.as_str()).collect();
    for kind in ["renewal.paid", "renewal.declined", "renewal.review", "payment.refunded"] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
}

/// A span is told by none of its own lines, and is there for the lines that are told, at whatever level.
#[test]
fn an_error_has_its_ids_when_nothing_else_is_logged() {
    let stage = stage("error", &["no-channel"]);
    let all = logged(&stage.place.at(NOW, &["run"]));
    let stops =
        |line: &&Map<String, Value>| line["message"].as_str().is_some_and(|text| text.starts_with("charging on"));
    let line = all.iter().find(stops).unwrap_or_else(|| panic!("{all:#?}"));
    assert!(all.iter().all(|line| line["severity"] == "ERROR"), "{all:#?}");
    assert_well_formed(line);
    let known = &known(&stage)[0];
    assert_eq!(
        (&line["payment.id"], &line["renewal.id"]),
        (&known.payment.as_str().into(), &known.renewal.as_str().into())
    );
    assert_eq!(line["subscription.id"], "sub_no-channel");
    assert!(line.contains_key("run.id") && line.contains_key("attempt.id"), "{line:#?}");
}

#[test]
fn what_a_request_causes_is_logged_in_its_trace() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let mut stage = Served::on(On::Sqlite, &[]);
    stage.place.import(&lines(&[("1", "billing-key-1")]));
    stage.place.set("GOOGLE_CLOUD_PROJECT", "a-shop");
    stage.without_runs_of_its_own();
    let token = stage.token("haneul", "operator");
    let served = stage.serve().up();
    let start = served.request(reqwest::Method::POST, "/api/v1/runs").bearer_auth(token).body("{}");
    let start = start.header("content-type", "application/json").header("idempotency-key", "once");
    let answer = served.send(start.header("x-cloud-trace-context", format!("{TRACE}/1;o=1")));
    assert!(answer.status.is_success(), "{}", answer.text);
    super::running::wait_until("the run's end", || served.said().contains("renewal.paid"));
    let said = served.stop();
    let all = logged(&said);
    let of_trace = |line: &&Map<String, Value>| {
        line.get("logging.googleapis.com/trace")
            .is_some_and(|trace| *trace == format!("projects/a-shop/traces/{TRACE}"))
    };
    let messages: Vec<&str> = all.iter().filter(of_trace).filter_map(|line| line["message"].as_str()).collect();
    for begin in ["asked over HTTP", "run "] {
        assert!(messages.iter().any(|message| message.starts_with(begin)), "{begin}: {all:#?}");
    }
    assert!(messages.iter().all(|message| !message.contains("the daemon")), "{messages:?}");
}
