//! The main job, command by command.

use super::database::on_postgres;
use super::place::Place;
use super::running::Simulator;
use super::{LATER, NOW, Stage, lines, plan, subscriber};
use serde_json::json;

#[test]
fn migrate_makes_the_tables_once_and_check_only_looks() {
    let place = Place::empty();
    place.run(&["migrate", "--check"]).refused(2, &["renewd migrate"]);
    let first = place.run(&["--output", "json", "migrate"]).ok().json();
    assert_eq!(first["before"], 0);
    assert_eq!(place.run(&["--output", "json", "migrate", "--check"]).ok().json(), json!({"current": true}));
    let before = place.tables();
    let again = place.run(&["--output", "json", "migrate"]).ok().json();
    assert_eq!((&again["before"], &again["after"]), (&first["after"], &first["after"]));
    assert!(place.run(&["migrate"]).ok().out.starts_with("nothing to do"));
    assert_eq!(place.tables(), before);
}

#[test]
fn import_takes_lines_in_any_order_and_updates_what_exists() {
    let place = Place::migrated();
    let mut backwards: Vec<String> =
        lines(&[("a", "billing-key-a"), ("b", "billing-key-b")]).lines().map(str::to_owned).collect();
    backwards.reverse();
    place.write("in.jsonl", &backwards.join("\n"));
    let imported = place.run(&["--output", "json", "import", "in.jsonl"]).ok().json();
    assert_eq!(imported, json!({"plans": 1, "customers": 2, "billing_keys": 2, "subscriptions": 2, "skipped": 0}));
    place.import(&plan().replace("55000", "66000"));
    assert_eq!(place.texts("SELECT CAST(amount AS TEXT) FROM plans"), ["66000"]);
    assert_eq!(place.count("subscriptions"), 2);
}

#[test]
fn import_reads_what_comes_in() {
    let place = Place::migrated();
    place.write("in.jsonl", &lines(&[("a", "billing-key-a")]));
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" import - <in.jsonl", env!("CARGO_BIN_EXE_renewd")]);
    let said = place.dress(&mut shell).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    assert_eq!(place.count("subscriptions"), 1);
    place.run(&["import", "-"]).ok();
}

#[test]
fn import_takes_the_documents_of_a_user_collection() {
    let mut place = Place::migrated();
    let simulator = Simulator::start(&place, &[]);
    simulator.tell(&mut place);
    place.write("plans.jsonl", &plan());
    let document = |id, cancelled: bool, key| {
        json!({
            "id": id, "tier": "pro", "subscription_plan": "pro", "subscription_expires_at": "2026-01-31T00:00:00+09:00",
            "subscription_cancel_requested": cancelled, "billing_key": key, "nickname": "a field of their own",
        })
    };
    let free = json!({"id": "u3", "tier": "free"});
    let users = [document("u1", false, "billing-key-1"), document("u2", true, "billing-key-2"), free];
    place.write("users.jsonl", &users.map(|user| format!("{user}\n")).concat());
    let arguments = ["import", "users.jsonl", "--from", "user-documents", "--plans", "plans.jsonl"];
    let imported = place.run(&[&["--output", "json"][..], &arguments].concat()).ok().json();
    assert_eq!((&imported["subscriptions"], &imported["skipped"]), (&2.into(), &1.into()));
    let report = place.at(NOW, &["--output", "json", "run"]).ok().json();
    assert_eq!((&report["paid"], &report["due"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(place.texts("SELECT subscription_id FROM renewals WHERE state = 'paid'"), ["u1"]);
}

#[test]
fn a_dry_run_tells_the_sums_and_writes_nothing() {
    let stage = Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b")]);
    stage.place.import(&subscriber("nokey", None));
    let before = stage.place.tables();
    let preview = stage.run(&["--dry-run"]);
    let charges = json!([{"plan_id": "pro", "channel": "default", "reason": "first charge", "renewals": 2,
        "currency": "KRW", "minor": 110_000}]);
    let skipped = json!([{"plan_id": "pro", "channel": null, "reason": "no billing key", "renewals": 1,
        "currency": "KRW", "minor": 55_000}]);
    assert_eq!((&preview["charges"], &preview["skipped"]), (&charges, &skipped));
    let table = stage.place.at(NOW, &["run", "--dry-run"]).ok().out;
    assert!(table.contains("110,000 KRW") && table.contains("nothing was charged"), "{table}");
    assert_eq!(stage.place.tables(), before);
    // A later day may be looked at, and is not charged.
    stage.place.at(NOW, &["run", "--dry-run", "--date", "2026-02-27"]).ok();
    let said = stage.place.at(NOW, &["run", "--date", "2026-01-31"]);
    said.refused(2, &["--date 2026-01-31 is after today, 2026-01-30", "Asia/Seoul"]).money("nothing was charged");
    assert_eq!(stage.place.tables(), before);
    assert!(stage.simulator.charged().is_empty());
}

#[test]
fn a_run_tells_its_figures_in_one_document_and_its_log_on_stderr() {
    let stage = Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b"), ("c", "billing-key-c-insufficient")]);
    stage.place.import(&subscriber("nokey", None));
    let said = stage.place.at(NOW, &["--output", "json", "run"]).ok();
    let report = said.json();
    let expected = json!({
        "trigger": "cli", "business_date": "2026-01-30", "zone": "Asia/Seoul", "status": "completed", "due": 3, "paid": 2,
        "declined": 1, "failed": 0, "canceled": 0, "lapsed": 0, "unknown": 0, "review": 0, "no_billing_key": 1,
        "amounts": {"KRW": 110_000},
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&report[key], value, "{key} in {report:#}");
    }
    for time in ["started_at", "finished_at"] {
        assert!(report[time].as_str().unwrap().starts_with("2026-01-30T01:00:"), "{report:#}");
    }
    // A charge that was declined is recorded as such; what was charged is what the gateway took.
    assert_eq!(stage.simulator.charged().len(), 2);
    for line in said.err.lines() {
        let logged: serde_json::Value = serde_json::from_str(line).expect("a line of the log");
        assert!(logged["run.id"] == report["run_id"] || logged["event.id"].is_string(), "{line}");
    }
    // What was told is what was recorded.
    let id = report["run_id"].as_str().unwrap();
    let kept = stage.place.run(&["--output", "json", "status", "--run", id]).ok().json();
    assert_eq!((&kept["figures"], &kept["status"]), (&report, &"completed".into()));
    assert_eq!(kept["finished_at"], report["finished_at"]);
}

#[test]
fn a_run_again_charges_nobody_twice() {
    let stage = Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b")]);
    assert_eq!(stage.run(&["--date", "2026-01-30"])["paid"], 2);
    let again = stage.run_again(&[]);
    assert_eq!((&again["paid"], &again["due"], &again["amounts"]), (&0.into(), &0.into(), &json!({})));
    assert_eq!(stage.simulator.charged().len(), 2);
}

#[test]
fn a_limit_leaves_the_rest_due() {
    let stage = Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b"), ("c", "billing-key-c")]);
    let report = stage.run(&["--limit", "2"]);
    assert_eq!((&report["paid"], &report["left_due"]), (&2.into(), &1.into()));
    assert_eq!(stage.simulator.charged().len(), 2);
    assert_eq!(stage.run_again(&[])["paid"], 1);
}

#[test]
fn only_the_subscriptions_that_are_named() {
    let stage = Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b"), ("c", "billing-key-c")]);
    let report = stage.run(&["--subscription", "sub_a", "--subscription", "sub_c"]);
    assert_eq!(report["paid"], 2);
    let paid = "SELECT subscription_id FROM renewals WHERE state = 'paid' ORDER BY 1";
    assert_eq!(stage.place.texts(paid), ["sub_a", "sub_c"]);
}

#[test]
fn no_open_outcome_exits_with_0_also_where_3_was_asked_for() {
    let stage = Stage::with(&[("a", "billing-key-a-lost")]);
    let said = stage.place.at(NOW, &["run", "--exit-3-on-open"]).ok();
    assert!(said.out.contains("lost or stolen"), "{said:#?}");
}

#[test]
fn postgres_does_the_same() {
    let mut place = Place::empty().with("DATABASE_URL", &on_postgres("cli_good"));
    place.run(&["migrate"]).ok();
    let simulator = Simulator::start(&place, &[]);
    simulator.tell(&mut place);
    place.import(&lines(&[("a", "billing-key-a"), ("b", "billing-key-b-lost")]));
    let report = place.at(NOW, &["--output", "json", "run"]).ok().json();
    assert_eq!((&report["due"], &report["paid"], &report["declined"]), (&2.into(), &1.into(), &1.into()));
    let id = report["run_id"].as_str().unwrap();
    let kept = place.run(&["--output", "json", "status", "--run", id]).ok().json();
    assert_eq!(kept["figures"], report);
    let again = place.at(LATER, &["--output", "json", "run"]).ok().json();
    assert_eq!(again["due"], 0);
    let shown = place.at(NOW, &["--output", "json", "show", "sub_a"]).ok().json();
    assert_eq!(shown["payments"][0]["payment_id"].as_str(), simulator.charged().first().map(String::as_str));
    assert!(place.files().iter().all(|file| !file.ends_with(".db")), "{:?}", place.files());
}

#[test]
fn the_tasks_of_a_job_say_which_they_are_and_share_the_work() {
    let stage = Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b")]);
    let Stage { place, simulator } = stage;
    let place = place.with("CLOUD_RUN_TASK_INDEX", "1").with("CLOUD_RUN_TASK_COUNT", "2");
    let said = place.at(NOW, &["run"]).ok();
    assert!(said.err.contains("task 2 of 2 begins in 500 ms"), "{}", said.err);
    assert_eq!(simulator.charged().len(), 2, "which task it is says when it begins, and not what it does");
}
