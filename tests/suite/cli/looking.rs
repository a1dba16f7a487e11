//! `status` and `show`: what a person sees the morning after.

use super::{NOW, Stage};

fn stage() -> Stage {
    let stage = Stage::with(&[
        ("a", "billing-key-a"),
        ("b", "billing-key-b-insufficient"),
        ("c", "billing-key-c-pending"),
        ("d", "billing-key-d-squatted"),
    ]);
    stage.run(&[]);
    stage
}

#[test]
fn status_tells_runs_the_backlog_and_what_needs_a_person() {
    let stage = stage();
    let status = stage.place.at(NOW, &["--output", "json", "status"]).ok().json();
    let states = &status["backlog"]["by_state"];
    assert_eq!(states, &serde_json::json!({ "due": 1, "unknown": 1, "review": 1 }), "without the paid: {status:#}");
    assert_eq!((&status["runs"][0]["status"], &status["runs"][0]["figures"]["paid"]), (&"completed".into(), &1.into()));
    let looks: Vec<&str> =
        status["needs_a_look"].as_array().unwrap().iter().map(|row| row["subscription_id"].as_str().unwrap()).collect();
    assert!(looks.contains(&"sub_d"), "{status:#}");
    let table = stage.place.at(NOW, &["status"]).ok().out;
    assert!(table.contains("completed") && table.contains("sub_d") && table.contains("55,000 KRW"), "{table}");
}

#[test]
fn status_of_one_run_or_of_none() {
    let stage = stage();
    let id = &stage.place.texts("SELECT id FROM runs")[0];
    let table = stage.place.at(NOW, &["status", "--run", id]).ok().out;
    assert!(table.contains(&format!("run {id}: completed")), "{table}");
    let none = "00000000-0000-7000-8000-000000000000";
    stage
        .place
        .run(&["status", "--run", none])
        .refused(2, &["there is no run", none])
        .line(&["hint: ", "renewd status"]);
}

#[test]
fn show_finds_a_subscription_by_any_of_its_ids() {
    let stage = stage();
    let ids = "SELECT 'sub_a' FROM renewals WHERE subscription_id = 'sub_a' \
        UNION ALL SELECT id FROM renewals WHERE subscription_id = 'sub_a' \
        UNION ALL SELECT payment_id FROM renewals WHERE subscription_id = 'sub_a'";
    let ids = stage.place.texts(ids);
    assert_eq!(ids.len(), 3);
    for id in &ids {
        let shown = stage.place.at(NOW, &["--output", "json", "show", id]).ok().json();
        assert_eq!(shown["subscription"]["subscription_id"], "sub_a", "{id}: {shown:#}");
        assert_eq!((&shown["renewals"][0]["state"], &shown["attempts"][0]["state"]), (&"paid".into(), &"paid".into()));
        assert_eq!(
            (&shown["payments"][0]["amount"], &shown["payments"][0]["payment_id"]),
            (&55_000.into(), &ids[2].as_str().into())
        );
    }
    let table = stage.place.at(NOW, &["show", "sub_b"]).ok().out;
    for words in ["renewal planned", "attempt 1", "declined", "insufficient funds (soft)", "next attempt 2026-01-31"] {
        assert!(table.contains(words), "{words:?} is missing in {table}");
    }
}

#[test]
fn show_of_what_is_not_there() {
    let stage = Stage::with(&[("a", "billing-key-a")]);
    let said = stage.place.run(&["show", "sub_gone"]);
    said.refused(2, &["there is no subscription, renewal or payment \"sub_gone\""])
        .line(&["hint: ", "renewal_results"]);
}
