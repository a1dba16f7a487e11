//! `/metrics` over real HTTP: what moves, by how much, who may read it, and that its document is true.

use super::served::{Answer, On, Served, Stage};
use crate::cli::running::wait_until;
use crate::cli::{LATER, NOW};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

fn stage(on: On) -> (Stage, String) {
    let mut stage = Stage::on(on, &[("a", "billing-key-a"), ("b", "billing-key-b"), ("c", "bk-c-insufficient")]);
    let token = stage.token("prometheus", "viewer");
    (stage, token)
}

fn scrape(served: &Served, token: &str) -> Answer {
    served.send(served.request(Method::GET, "/metrics").bearer_auth(token))
}

/// The value of one line.
fn value(answer: &Answer, line: &str) -> Option<f64> {
    let found = answer.text.lines().find_map(|told| told.strip_prefix(line)?.strip_prefix(' '))?;
    found.parse().ok()
}

/// Waits until a line has this value, for a bounded time: the tables are read every five seconds.
#[track_caller]
fn wait_for(served: &Served, token: &str, line: &str, wanted: f64) -> Answer {
    for _ in 0..1_200 {
        let answer = scrape(served, token);
        if value(&answer, line) == Some(wanted) {
            return answer;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{line} is not {wanted}: {}", scrape(served, token).text);
}

#[test]
fn a_run_moves_what_it_did_and_the_tables_tell_how_it_stands() {
    for on in On::BOTH {
        let (stage, token) = stage(on);
        let served = stage.serve().up();
        wait_for(&served, &token, r#"renewd_charges_total{channel="default",result="paid"}"#, 2.0);
        wait_for(&served, &token, r#"renewd_charges_total{channel="default",result="declined"}"#, 1.0);
        for (line, wanted) in [
            (r#"renewd_collected_minor_units_total{currency="KRW"}"#, 110_000.0),
            (r#"renewd_gateway_request_duration_seconds_count{operation="charge",outcome="answered"}"#, 3.0),
            (r#"renewd_renewals{state="due"}"#, 1.0),
            ("renewd_queue_depth", 0.0),
            ("renewd_unresolved_age_seconds", 0.0),
            ("renewd_coverage_gap_days", 0.0),
            ("renewd_charging_paused", 0.0),
            ("renewd_database_up", 1.0),
        ] {
            wait_for(&served, &token, line, wanted);
        }
        let told = scrape(&served, &token);
        assert_eq!(value(&told, r#"renewd_renewals{state="paid"}"#), None, "they are all that was ever sold");
        assert!(!told.text.contains("sub_") && !told.text.contains("billing-key"), "nobody is named: {}", told.text);
        served.stop();
    }
}

/// A killed process, a missed date, a brake, a payment without an outcome, a sink that is down, a forged message, a pause:
/// each moves its figure.
#[test]
fn what_goes_wrong_is_told_in_figures() {
    for on in On::BOTH {
        let mut stage = Stage::on(on, &[("a", "billing-key-a"), ("d", "billing-key-d-pending")]);
        let token = stage.token("prometheus", "viewer");
        stage.place.set("PORTONE_WEBHOOK_SECRET", "pzQGE83cSIRKM4/WH5QY+g==");
        stage.place.set("RENEWD_NOTIFY__SLACK_URL", "http://127.0.0.1:9/");
        stage.place.at("2026-01-28T10:00:00+09:00", &["run"]).ok();
        stage.slow_approval();
        let killed = stage.place.start(&["--clock", NOW, "run"]);
        wait_until("both requests", || stage.simulator.requests("charge") == 2);
        killed.signal("KILL");
        killed.end(Duration::from_secs(60));
        stage.tell_simulator(Method::DELETE, "rules", &json!({}));
        stage.subscribe(&[("b", "billing-key-b"), ("c", "billing-key-c")]);
        stage.place.set("RENEWD_BRAKES__CHARGES_MAX", "1");
        // Ten o'clock has had its run, and it was killed.
        stage.place.set("RENEWD_SCHEDULE__RENEWALS", "*/2 * * * * *");
        let served = stage.serve_at(LATER).up();
        wait_for(&served, &token, "renewd_lease_takeovers_total", 2.0);
        wait_for(&served, &token, "renewd_queue_depth", 2.0);
        wait_for(&served, &token, "renewd_coverage_gap_days", 1.0);
        let at_least = |line: &str, least: f64| {
            wait_until(line, || value(&scrape(&served, &token), line).is_some_and(|value| value >= least));
        };
        at_least(r#"renewd_brakes_tripped_total{brake="charges"}"#, 1.0);
        at_least("renewd_unresolved_age_seconds", 1_200.0);
        at_least(r#"renewd_events_undelivered{sink="slack",state="pending"}"#, 1.0);
        at_least(r#"renewd_event_lag_seconds{sink="slack"}"#, 1.0);
        let forged = served.request(Method::POST, "/webhooks/portone").body("{}").header("webhook-id", "wh-1");
        let time = LATER.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp();
        let forged = forged.header("webhook-timestamp", time).header("webhook-signature", "v1,AAAA");
        served.send(forged).is_problem(400, &["no signature"]);
        wait_for(&served, &token, r#"renewd_webhooks_total{outcome="no_match"}"#, 1.0);
        stage.place.at(LATER, &["pause", "--reason", "a drill"]).ok();
        wait_for(&served, &token, "renewd_charging_paused", 1.0);
        served.stop();
    }
}

#[test]
fn it_needs_a_token_unless_the_settings_open_it() {
    let (mut stage, token) = stage(On::Sqlite);
    let served = stage.serve().up();
    served.get("/metrics").is_problem(401, &["needs a token"]);
    scrape(&served, "rnw_of_nobody").is_problem(401, &["not known"]);
    assert_eq!(scrape(&served, &token).status, 200);
    served.stop();
    stage.place.set("RENEWD_SERVER__METRICS_OPEN", "true");
    let served = stage.serve().up();
    assert_eq!(served.get("/metrics").status, 200);
    served.stop();
}

#[test]
fn a_database_that_is_away_is_told_and_the_counters_are_told_all_the_same() {
    let (stage, token) = stage(On::Sqlite);
    let served = stage.serve().up();
    wait_for(&served, &token, r#"renewd_charges_total{channel="default",result="paid"}"#, 2.0);
    stage.place.texts("ALTER TABLE renewals RENAME TO renewals_away");
    let told = wait_for(&served, &token, "renewd_database_up", 0.0);
    assert_eq!(value(&told, r#"renewd_charges_total{channel="default",result="paid"}"#), Some(2.0));
    assert!(!told.text.contains("renewd_queue_depth"), "nothing is told that nobody knows");
    stage.place.texts("ALTER TABLE renewals_away RENAME TO renewals");
    wait_for(&served, &token, "renewd_database_up", 1.0);
    served.stop();
}

/// Names of the document's table, with their types.
fn documented() -> BTreeSet<(String, String)> {
    let text = include_str!("../../../docs/METRICS.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| {
        let (name, rest) = row.split_once("` | ")?;
        Some((name.to_owned(), rest.split(" | ").next()?.to_owned()))
    };
    rows.filter_map(row).collect()
}

#[test]
fn the_document_names_what_is_told_and_nothing_else() {
    let (mut stage, token) = stage(On::Sqlite);
    stage.place.set("PORTONE_WEBHOOK_SECRET", "pzQGE83cSIRKM4/WH5QY+g==");
    // A sink that nobody listens at: its events stay.
    stage.place.set("RENEWD_NOTIFY__SLACK_URL", "http://127.0.0.1:9/");
    let served = stage.serve().up();
    served.send(served.request(Method::POST, "/webhooks/portone").body("{}")).is_problem(400, &[]);
    wait_for(&served, &token, r#"renewd_charges_total{channel="default",result="paid"}"#, 2.0);
    let told = wait_for(&served, &token, r#"renewd_renewals{state="due"}"#, 1.0);
    let told: BTreeSet<(String, String)> = told
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| {
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            (format!("{name}{suffix}"), kind.to_owned())
        })
        .collect();
    assert_eq!(told, documented());
    served.stop();
}
