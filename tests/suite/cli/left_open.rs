//! What has no outcome is told wherever somebody looks: how much, how old, what happens next and when.

use super::place::Said;
use super::running::wait_until;
use super::{LATER, NOW, Stage};
use serde_json::Value;
use std::time::Duration;

/// One whose outcome is unknown, one that is paid.
fn with_an_unknown() -> Stage {
    Stage::with(&[("a", "billing-key-a-pending"), ("b", "billing-key-b")])
}

fn renewal_of(stage: &Stage, subscription: &str) -> String {
    stage.place.texts(&format!("SELECT id FROM renewals WHERE subscription_id = '{subscription}'")).remove(0)
}

/// The line of the log that tells what is left open, if there is one.
fn logged(said: &Said) -> Option<Value> {
    let lines = said.err.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut told = lines.filter(|line| !line["left_unknown"].is_null());
    let line = told.next();
    assert!(told.next().is_none(), "told once: {said:#?}");
    line
}

#[test]
fn an_unknown_outcome_exits_with_3_only_where_that_was_asked_for() {
    for (flags, code) in [(&["--exit-3-on-open"][..], 3), (&[], 0)] {
        let stage = with_an_unknown();
        let said = stage.place.at(NOW, &[&["--output", "json", "run"], flags].concat());
        assert_eq!(said.code, Some(code), "{said:#?}");
        let id = renewal_of(&stage, "sub_a");
        let report = said.json();
        assert_eq!((&report["left_unknown"], &report["left_unsettled"]), (&1.into(), &0.into()), "{report:#}");
        assert_eq!((&report["oldest_unknown_id"], &report["status"]), (&id.as_str().into(), &"completed".into()));
        assert!(report["oldest_unknown_secs"].as_i64().is_some_and(|secs| (0..60).contains(&secs)), "{report:#}");
        assert!(report["next_look_up_at"].as_str().unwrap().starts_with("2026-01-30T01:01:"), "{report:#}");
        let words = [
            "1 outcome is unknown, the oldest since 2026-01-30 10:00 (0 min)",
            "the next run from 2026-01-30 10:01 on looks again",
            "its renewal is not charged meanwhile",
            &format!("renewd show {id}"),
        ];
        let line = logged(&said).expect("a line of the log");
        assert_eq!((&line["left_unknown"], &line["oldest_unknown_secs"]), (&1.into(), &report["oldest_unknown_secs"]));
        assert!(words.iter().all(|word| line.to_string().contains(word)), "{line:#}");
        if code == 3 {
            said.erred(&["not everything has an outcome"]).money("before its outcome is known").line(&words);
        } else {
            assert!(!said.err.contains("error: "), "{said:#?}");
        }
        assert!(stage.place.at(NOW, &["show", &id]).ok().out.contains("sub_a"), "the command that it tells to type");
    }
}

#[test]
fn what_needs_a_person_is_left_open_too() {
    let stage = Stage::with(&[("a", "billing-key-a-squatted")]);
    let said = stage.place.at(NOW, &["run", "--exit-3-on-open"]);
    assert_eq!(said.code, Some(3), "{said:#?}");
    said.line(&["1 renewal needs a person", "renewd status"]);
}

#[test]
fn where_everything_has_an_outcome_nothing_is_told() {
    let stage = Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b-insufficient")]);
    let said = stage.place.at(NOW, &["--output", "json", "run", "--exit-3-on-open"]).ok();
    assert_eq!(logged(&said), None, "{said:#?}");
    let report = said.json();
    assert_eq!((&report["left_unknown"], &report["oldest_unknown_secs"]), (&0.into(), &Value::Null));
    let status = stage.place.at(LATER, &["status"]).ok().out;
    assert!(!status.contains("unknown outcome") && !status.contains("nobody settled"), "{status}");
}

#[test]
fn status_tells_the_age_of_the_oldest_unknown_and_its_next_look_up() {
    let stage = with_an_unknown();
    stage.run(&[]);
    let open = stage.place.at(LATER, &["--output", "json", "status"]).ok().json()["open"].take();
    assert_eq!((&open["left_unknown"], &open["left_unsettled"]), (&1.into(), &0.into()), "{open:#}");
    assert!(open["oldest_unknown_secs"].as_i64().is_some_and(|secs| (1_140..=1_200).contains(&secs)), "{open:#}");
    let status = stage.place.at(LATER, &["status"]).ok().out;
    let (minutes, id) = (["(19 min", "(20 min"], renewal_of(&stage, "sub_a"));
    assert!(minutes.iter().any(|minutes| status.contains(minutes)), "{status}");
    for words in ["oldest unknown outcome", "1 outcome is unknown", "10:01 on looks again", &id] {
        assert!(status.contains(words), "{words:?} is missing in {status}");
    }
}

/// The lease is longer than anybody waits: what a killed run held is nobody's until then, and then it is told.
#[test]
fn claims_of_a_run_that_was_killed_are_told_until_the_next_one_looks() {
    let stage = Stage::behind(&["--latency", "30s"], &[("a", "billing-key-a"), ("b", "billing-key-b")]);
    let running = stage.place.start(&["--clock", NOW, "run"]);
    wait_until("both claims", || stage.place.count("attempts WHERE state = 'open'") == 2);
    drop(running);
    let open = |clock| stage.place.at(clock, &["--output", "json", "status"]).ok().json()["open"].take();
    assert_eq!(open(NOW)["left_unsettled"], 0, "under a live lease it may be somebody's work");
    let later = open(LATER);
    assert_eq!(later["left_unsettled"], 2, "{later:#}");
    assert!(later["oldest_unsettled_secs"].as_i64().is_some_and(|secs| (1_140..=1_200).contains(&secs)), "{later:#}");
    let status = stage.place.at(LATER, &["status"]).ok().out;
    let id = later["oldest_unsettled_id"].as_str().unwrap();
    for words in ["oldest claim that nobody settled", "2 claims are not settled", "10:20 on takes over", id] {
        assert!(status.contains(words), "{words:?} is missing in {status}");
    }
}

#[test]
fn claims_that_a_run_could_not_settle_in_time_are_left_open_by_it() {
    let mut stage = Stage::behind(&["--latency", "30s"], &[("a", "billing-key-a"), ("b", "billing-key-b")]);
    stage.place.set("RENEWD_CHARGE__STOP_WITHIN", "100ms");
    let running = stage.place.start(&["--clock", NOW, "--output", "json", "run", "--exit-3-on-open"]);
    wait_until("both requests", || stage.simulator.requests("charge") == 2);
    running.signal("TERM");
    let said = running.end(Duration::from_secs(10));
    assert_eq!(said.code, Some(3), "{said:#?}");
    let report = said.json();
    assert_eq!((&report["status"], &report["left_unsettled"]), (&"interrupted".into(), &2.into()), "{report:#}");
    assert!(
        report["take_over_at"].as_str().unwrap().starts_with("2026-01-30T01:10:"),
        "when the leases end: {report:#}"
    );
    said.line(&[
        "  2 claims are not settled",
        "the next run from 2026-01-30 10:10 on takes over",
        "not charged meanwhile",
    ]);
    let line = logged(&said).expect("a line of the log");
    assert_eq!(
        (&line["left_unsettled"], &line["oldest_unsettled_secs"]),
        (&2.into(), &report["oldest_unsettled_secs"])
    );
}

#[test]
fn a_run_that_failed_tells_what_it_left_open_as_well() {
    let stage = Stage::with(&[("a", "billing-key-a-pending"), ("b", "billing-key-b-credentials")]);
    let said = stage.place.at(NOW, &["run", "--exit-3-on-open"]);
    assert_eq!(said.code, Some(1), "{said:#?}");
    said.line(&["  1 outcome is unknown", "renewd show"]);
}
