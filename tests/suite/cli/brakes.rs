//! Brakes, the plan and the ledger as a person at a terminal meets them.

use super::place::Place;
use super::{NOW, Stage};
use serde_json::{Value, json};

fn stage(settings: &[(&str, &str)], subscribers: &[(&str, &str)]) -> Stage {
    let mut stage = Stage::with(subscribers);
    settings.iter().for_each(|(name, value)| stage.place.set(name, value));
    stage
}

const THREE: [(&str, &str); 3] = [("a", "billing-key-a"), ("b", "billing-key-b"), ("c", "billing-key-c")];

#[test]
fn a_brake_says_what_holds_what_it_means_for_the_money_and_how_to_go_on() {
    let stage = stage(&[("RENEWD_BRAKES__CHARGES_MAX", "2"), ("RENEWD_BRAKES__SUMS_MAX", "100000 KRW")], &THREE);
    let said = stage.place.at(NOW, &["run"]);
    assert_eq!(said.code, Some(2), "{said:#?}");
    said.erred(&["brake charges holds charging: 3 charges are due, and one run may make 2", "165,000 KRW is due"])
        .money("still due")
        .line(&["hint: ", "renewd run --dry-run"])
        .line(&["hint: ", "renewd run --override-brake charges --override-brake sum --reason"]);
    assert!(stage.simulator.charged().is_empty());

    let status = stage.place.at("2026-01-30T10:01:00+09:00", &["status"]).ok().out;
    assert!(status.contains("failed: brake charges holds charging: 3 charges are due"), "{status}");
    let shown = stage.place.at("2026-01-30T10:01:00+09:00", &["show", "sub_a"]).ok().out;
    assert!(shown.contains("but brake charges held the run of 2026-01-30: 3 charges are due"), "{shown}");
    let table = stage.place.at("2026-01-30T10:01:00+09:00", &["run", "--dry-run"]).ok().out;
    assert!(table.contains("brake sum would hold all charging"), "{table}");
    let go_on = [
        "run",
        "--override-brake",
        "charges",
        "--override-brake",
        "sum",
        "--reason",
        "the price went up",
        "--actor",
        "haneul",
    ];
    stage.place.at("2026-01-30T10:02:00+09:00", &go_on).ok();
    let status = stage.place.at("2026-01-30T10:03:00+09:00", &["status"]).ok().out;
    assert!(!status.contains("failed: "), "what failed was done since: {status}");
    assert_eq!(stage.simulator.charged().len(), 3);
    let told = stage.place.texts("SELECT payload FROM events WHERE kind = 'brake.overridden'");
    let told: Value = serde_json::from_str(&told[0]).expect("JSON");
    assert_eq!((&told["brakes"], &told["reason"]), (&json!(["charges", "sum"]), &json!("the price went up")));
    assert_eq!(told["by"], "haneul");
}

#[test]
fn a_channel_that_declines_too_many_is_named() {
    let all: Vec<(String, String)> =
        (0..6).map(|n| (format!("s{n}"), format!("billing-key-{n}-insufficient"))).collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    let stage = stage(&[("RENEWD_BRAKES__DECLINES_ANSWERS_MIN", "3"), ("RENEWD_CHARGE__CONCURRENCY", "1")], &all);
    let said = stage.place.at(NOW, &["run"]);
    assert_eq!(said.code, Some(2), "{said:#?}");
    said.erred(&["charging stopped on default"])
        .line(&["brake declines holds default: 3 of its first 3 charges were declined"])
        .line(&["hint: ", "renewd status --run "])
        .line(&["hint: ", "--override-brake declines"]);
}

#[test]
fn an_override_needs_a_name_and_a_reason() {
    let place = Place::migrated();
    for (arguments, words) in [
        (&["run", "--override-brake", "growth"][..], "--reason"),
        (&["run", "--reason", "because"], "--override-brake"),
        (&["run", "--override-brake", "speed", "--reason", "because"], "charges, sum, growth, declines, comparison"),
        (&["run", "--override-brake", "sum", "--reason", " "], "--reason is empty"),
        (&["run", "--dry-run", "--override-brake", "sum", "--reason", "x"], "cannot be used with"),
    ] {
        let said = place.run(arguments);
        assert!(said.code == Some(2) && said.err.contains(words) && said.out.is_empty(), "{said:#?}");
    }
}

#[test]
fn a_dry_run_lists_every_subscription_in_one_document() {
    let stage = stage(&[], &THREE);
    stage.place.import(&super::subscriber("nokey", None));
    let before = stage.place.tables();
    let plan = stage.run(&["--dry-run"]);
    assert_eq!(stage.place.tables(), before);
    let line = |at: usize| {
        let line = &plan["renewals"][at];
        (line["subscription_id"].as_str(), line["action"].as_str(), line["reason"].as_str())
    };
    assert_eq!(plan["renewals"].as_array().map(Vec::len), Some(4));
    assert_eq!(line(0), (Some("sub_a"), Some("charge"), Some("first charge")));
    assert_eq!(line(3), (Some("sub_nokey"), Some("skip"), Some("no billing key")));
    assert_eq!((&plan["charges"][0]["minor"], &plan["brakes"]), (&json!(165_000), &json!([])));
    stage.run(&[]);
    let after = stage.place.at("2026-01-30T10:20:00+09:00", &["--output", "json", "run", "--dry-run"]).ok().json();
    assert_eq!(after["renewals"].as_array().map(Vec::len), Some(1), "{after:#}");
    assert_eq!(
        stage.place.at(NOW, &["--output", "json", "run", "--dry-run", "--subscription", "nobody"]).ok().json()["renewals"],
        json!([])
    );
}

#[test]
fn a_gap_is_told_until_the_next_run_closes_it() {
    let stage = stage(&[], &THREE);
    stage.run(&[]);
    let later = "2026-02-02T10:00:00+09:00";
    let status = stage.place.at(later, &["--output", "json", "status"]).ok().json();
    assert_eq!(status["coverage"]["first_covered"], "2026-01-30");
    assert_eq!(status["coverage"]["missed"], json!(["2026-01-31", "2026-02-01"]));
    assert_eq!(
        (&status["coverage"]["days"][0]["planned"], &status["coverage"]["days"][0]["paid"]),
        (&json!(3), &json!(3))
    );
    let table = stage.place.at(later, &["status"]).ok().out;
    assert!(table.contains("no run has covered 2 business dates from 2026-01-31 to 2026-02-01"), "{table}");
    let table = stage.place.at(later, &["run"]).ok().out;
    assert!(table.contains("caught up: 2026-01-31"), "{table}");
    let table = stage.place.at(later, &["status"]).ok().out;
    assert!(!table.contains("no run has covered"), "{table}");
}
