//! What the API shows is what the command line prints.

use super::desk::Desk;
use crate::cli::NOW;
use crate::http::served::On;
use serde_json::{Value, json};

fn printed(desk: &Desk, arguments: &[&str]) -> Value {
    desk.stage.place.at(NOW, &[&["--output", "json"], arguments].concat()).ok().json()
}

/// Paid, declined, under review, and without an outcome.
const FOUR: [(&str, &str); 4] = [
    ("a", "billing-key-a"),
    ("b", "billing-key-b-insufficient"),
    ("c", "billing-key-c-squatted"),
    ("d", "bk-d-pending"),
];

/// What tells of the moment in which it was asked.
fn still(mut document: Value) -> Value {
    if let Some(open) = document["open"].as_object_mut() {
        open.retain(|name, _| !name.ends_with("_secs"));
    }
    if let Some(plan) = document.as_object_mut() {
        plan.remove("at");
    }
    document
}

#[test]
fn it_shows_what_the_command_line_prints() {
    for on in On::BOTH {
        let desk = Desk::after(on, &FOUR, |stage| drop(stage.place.at(NOW, &["run"]).ok()));
        assert_eq!(still(desk.get("/status").json()), still(printed(&desk, &["status"])), "{on:?}");
        for id in ["sub_a", "sub_b", "sub_c", "sub_d"] {
            let shown = desk.show(id);
            assert_eq!(shown, printed(&desk, &["show", id]), "{on:?}");
            let renewal = &shown["renewals"][0];
            for other in [&renewal["id"], &renewal["payment_id"]] {
                assert_eq!(desk.show(other.as_str().unwrap()), shown);
            }
        }
        let runs = desk.get("/runs").json();
        let newest = runs["runs"][0]["id"].as_str().unwrap();
        assert_eq!(desk.get(&format!("/runs/{newest}")).json(), printed(&desk, &["status", "--run", newest]));
        assert_eq!(runs["next_cursor"], Value::Null);
        let date = "2026-02-27";
        let mut plan = desk.get(&format!("/plan?date={date}")).json();
        assert_eq!(plan.as_object_mut().unwrap().remove("renewals_in_all"), Some(json!(4)));
        assert_eq!(still(plan), still(printed(&desk, &["run", "--dry-run", "--date", date])), "{on:?}");
        desk.served.stop();
    }
}

#[test]
fn renewals_are_found_by_each_thing_that_they_have() {
    for on in On::BOTH {
        let desk = Desk::after(on, &FOUR, |stage| drop(stage.place.at(NOW, &["run"]).ok()));
        let found = |query: &str| {
            let page = desk.get(&format!("/renewals?{query}")).json();
            let name = |row: &Value| row["subscription_id"].as_str().unwrap().to_owned();
            let mut names: Vec<String> = page["renewals"].as_array().unwrap().iter().map(name).collect();
            names.sort();
            names
        };
        let payment = desk.show("sub_c")["renewals"][0]["payment_id"].as_str().unwrap().to_owned();
        assert_eq!(found(""), ["sub_a", "sub_b", "sub_c", "sub_d"]);
        assert_eq!(found("state=paid"), ["sub_a"]);
        assert_eq!(found("state=unknown"), ["sub_d"]);
        assert_eq!(found("subscription=sub_b"), ["sub_b"]);
        assert_eq!(found(&format!("payment_id={payment}")), ["sub_c"]);
        assert_eq!(found("date=2026-01-30&state=review"), ["sub_c"]);
        assert_eq!(found("date=2026-01-29"), [""; 0]);
        assert_eq!(found("subscription=sub_b&state=paid"), [""; 0]);
        desk.served.stop();
    }
}

#[test]
fn what_is_not_there_is_told() {
    let desk = Desk::on(On::Sqlite, &[("a", "billing-key-a")]);
    for path in ["/runs/nothing", "/runs/01890a5d-ac96-774b-bcce-b302099a8057", "/renewals/sub_b"] {
        desk.get(path).is_problem(404, &["there is no such"]);
    }
    for path in ["/renewals/sub_b/retry", "/renewals/sub_b/refund"] {
        let told = desk.post(path, &json!({ "reason": "x" }));
        told.is_problem(404, &["there is no subscription, renewal or payment", "nothing was done"]);
    }
    desk.served.get("/api/v1/nothing").is_problem(404, &["nothing under this path"]);
    desk.served.stop();
}

#[test]
fn a_plan_lists_as_many_as_are_asked_for_and_sums_all() {
    let desk = Desk::on(On::Sqlite, &[("a", "billing-key-a"), ("b", "billing-key-b"), ("c", "billing-key-c")]);
    let before = desk.stage.place.tables();
    let plan = desk.get("/plan?limit=2").json();
    assert_eq!((plan["renewals"].as_array().unwrap().len(), &plan["renewals_in_all"]), (2, &json!(3)));
    assert_eq!(plan["charges"][0]["minor"], 165_000, "{plan:#}");
    let dry = desk.post("/runs", &json!({ "dry_run": true, "date": "2026-02-27" }));
    assert_eq!((dry.status.as_u16(), &dry.json()["business_date"]), (200, &json!("2026-02-27")));
    assert_eq!(desk.stage.place.tables(), before, "looking writes nothing");
    assert!(desk.stage.simulator.charged().is_empty());
    desk.served.stop();
}
