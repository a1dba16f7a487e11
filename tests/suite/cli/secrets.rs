//! A canary for every secret: it must be in no output, however much is logged, and in no table that others read.

use super::place::{Place, Said};
use super::running::Simulator;
use super::{LATER, NOW, lines};

/// Is part of the API secret and of every billing key.
const CANARY: &str = "canary";

/// Each goes another way: charged, declined, refused, unanswered, answered with nonsense, in review.
const ENDINGS: [&str; 20] = [
    "plain",
    "insufficient",
    "lost",
    "dead-key",
    "refer",
    "unheard-of",
    "deleted",
    "unknown-key",
    "no-channel",
    "bad-request",
    "scheduled",
    "timeout",
    "request-lost",
    "garbage",
    "html502",
    "error",
    "error-before",
    "pending",
    "squatted",
    "other-amount",
];

/// All that an operator could turn on.
const LOUD: &str = "trace,sqlx=trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace";

#[track_caller]
fn assert_silent(said: &Said) {
    for line in said.out.lines().chain(said.err.lines()) {
        assert!(!line.to_lowercase().contains(CANARY), "{line}");
    }
}

fn place(level: &str) -> (Place, Simulator) {
    let mut place = Place::migrated().with("RENEWD_LOG__LEVEL", level);
    place.set("PORTONE_API_SECRET", "canary-api-secret");
    let simulator = Simulator::start(&place, &[]);
    simulator.tell(&mut place);
    place.set("PORTONE_API_SECRET", "canary-api-secret");
    (place, simulator)
}

fn every_command_is_silent(level: &str) {
    let (mut place, simulator) = place(level);
    let keys: Vec<(String, String)> =
        ENDINGS.iter().map(|ending| (ending.to_string(), format!("billing-key-{CANARY}-{ending}"))).collect();
    let subscribers: Vec<(&str, &str)> = keys.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    place.write("in.jsonl", &lines(&subscribers));
    assert_silent(&place.run(&["import", "in.jsonl"]).ok());
    assert_silent(&place.at(NOW, &["run", "--dry-run"]).ok());
    let run = place.at(NOW, &["run"]);
    assert!(run.err.contains("\"severity\":\"DEBUG\""), "it is loud: {run:#?}");
    assert!(run.out.contains("paid"), "{run:#?}");
    assert_silent(&run);
    assert_silent(&place.at(LATER, &["--output", "json", "run"]));
    for arguments in [&["status"][..], &["--output", "json", "status"], &["migrate"], &["migrate", "--check"]] {
        assert_silent(&place.at(NOW, arguments).ok());
    }
    for (name, _) in &subscribers {
        assert_silent(&place.at(NOW, &["show", &format!("sub_{name}")]).ok());
        assert_silent(&place.at(NOW, &["--output", "json", "show", &format!("sub_{name}")]).ok());
    }
    place.set("PORTONE_API_SECRET", "canary-of-another-secret");
    assert_silent(&place.at(LATER, &["run"]));
    place.set("PORTONE_API_BASE", "http://127.0.0.1:9");
    assert_silent(&place.at(LATER, &["run"]));
    let tables = place.tables();
    assert!(!tables["attempts"].is_empty() && !tables["events"].is_empty() && !tables["runs"].is_empty());
    for (name, rows) in tables.iter().filter(|(name, _)| *name != "billing_keys") {
        for row in rows {
            assert!(!row.to_lowercase().contains(CANARY), "{name}: {row}");
        }
    }
    assert!(tables["billing_keys"].concat().contains(CANARY), "the canary is where it belongs");
    assert_silent(&simulator.stop());
}

#[test]
fn every_command_is_silent_about_secrets_at_level_trace() {
    every_command_is_silent("trace");
}

#[test]
fn every_command_is_silent_about_secrets_also_when_libraries_talk() {
    every_command_is_silent(LOUD);
}

#[test]
fn refused_imports_do_not_repeat_billing_keys() {
    let place = Place::migrated().with("RENEWD_LOG__LEVEL", LOUD);
    for line in [
        r#"{"type":"billing_key","customer":"u","billing_key":"billing-key-canary 1"}"#,
        r#"{"type":"billing_key","customer":"nobody","billing_key":"billing-key-canary-1"}"#,
        r#"{"type":"billing_key","customer":["billing-key-canary-1"],"billing_key":"b"}"#,
        r#"{"type":"customer","id":"u","billing-key-canary-1":true}"#,
        r#"{"type":"billing-key-canary-1"}"#,
        r#"{"type":"subscription","id":"s","customer":"u","plan":"p","current_period_start":"billing-key-canary-1"}"#,
        r#"{"type":"subscription","id":"s","customer":"u","plan":"p","anchor_day":"billing-key-canary-1"}"#,
        r#"{"type":"billing_key","customer":"u","billing_key":"billing-key-canary-1""#,
    ] {
        place.write("in.jsonl", line);
        let said = place.run(&["import", "in.jsonl"]);
        said.refused(2, &["in.jsonl"]).line(&["line 1: "]);
        assert_silent(&said);
    }
}

#[test]
fn refused_settings_do_not_repeat_secrets() {
    for (name, value) in [
        ("PORTONE_API_BASE", "https://user:canary@api.portone.io"),
        ("DATABASE_URL", "postgres://renewd:canary@127.0.0.1:9/renewd"),
        ("DATABASE_URL", "mysql://renewd:canary@127.0.0.1:9/renewd"),
        ("RENEWD_PAYMENT_ID_KEY", "canary"),
    ] {
        let said = Place::empty().with("RENEWD_LOG__LEVEL", LOUD).with(name, value).run(&["status"]);
        assert!(matches!(said.code, Some(1 | 2)), "{said:#?}");
        assert_silent(&said);
    }
}
