//! Starting a run: once for each key, one at a time, and whole whatever becomes of the client.

use super::desk::Desk;
use crate::cli::running::wait_until;
use crate::http::served::{On, Served};
use reqwest::Method;
use serde_json::{Value, json};

fn id(answer: &crate::http::served::Answer) -> String {
    assert_eq!(answer.status, 202, "{answer:#?}");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.headers["location"], format!("/api/v1/runs/{id}"));
    id
}

/// Runs that somebody started over HTTP.
fn started(desk: &Desk) -> usize {
    let runs = desk.get("/runs?limit=200").json();
    runs["runs"].as_array().unwrap().iter().filter(|run| run["trigger"] == "api").count()
}

#[test]
fn the_same_key_is_the_same_run_also_after_a_restart_and_from_another_daemon() {
    for on in On::BOTH {
        let desk = Desk::on(on, &[("a", "billing-key-a"), ("b", "billing-key-b")]);
        let body = json!({ "date": "2026-01-30" });
        let first = desk.post_as("nightly-30", "/runs", &body);
        let run = id(&first);
        // While it runs, and when it is over; in the header, in quotes, and in the body.
        assert_eq!(id(&desk.post_as("nightly-30", "/runs", &body)), run);
        let row = desk.wait_for(&first);
        assert_eq!(
            (&row["figures"]["paid"], &row["actor"], &row["trigger"]),
            (&json!(2), &json!("haneul"), &json!("api"))
        );
        assert_eq!(id(&desk.post_as("\"nightly-30\"", "/runs", &body)), run);
        let in_body = json!({ "date": "2026-01-30", "client_key": "nightly-30" });
        assert_eq!(id(&desk.post("/runs", &in_body)), run);
        let beside = Served::start(&desk.stage.place, crate::cli::NOW).up();
        let request = beside.request(Method::POST, "/api/v1/runs").bearer_auth(&desk.operator);
        assert_eq!(id(&beside.send(request.header("idempotency-key", "nightly-30").json(&body))), run);
        beside.stop();
        let desk = desk.again();
        assert_eq!(id(&desk.post_as("nightly-30", "/runs", &body)), run, "{on:?}: after a restart");
        for other in [json!({}), json!({ "date": "2026-01-29" })] {
            let refused = desk.post_as("nightly-30", "/runs", &other);
            refused.is_problem(422, &[&run, "another request", "nothing more was started"]);
        }
        assert_eq!(started(&desk), 1);
        assert_ne!(id(&desk.post_as("nightly-31", "/runs", &body)), run, "another key is another run");
        wait_until("its end", || desk.get("/runs?limit=1").json()["runs"][0]["status"] != "running");
        assert_eq!((started(&desk), desk.stage.simulator.charged().len()), (2, 2), "{on:?}: one set of charges");
        desk.served.stop();
    }
}

#[test]
fn a_key_that_is_none_is_refused() {
    let desk = Desk::on(On::Sqlite, &[("a", "billing-key-a")]);
    for bad in ["", "\"\"", "two words", &"x".repeat(201), "a\"b"] {
        desk.post_as(bad, "/runs", &json!({})).is_problem(400, &["Idempotency-Key"]);
        desk.post("/runs", &json!({ "client_key": bad })).is_problem(400, &["client_key"]);
    }
    let both = desk.post_as("one", "/runs", &json!({ "client_key": "other" }));
    both.is_problem(422, &["client_key and the header Idempotency-Key differ"]);
    let request = desk.request(Method::POST, "/runs").header("idempotency-key", "one").header("idempotency-key", "two");
    desk.send("post", "/runs", request.json(&json!({}))).is_problem(400, &["Idempotency-Key"]);
    assert_eq!((started(&desk), desk.stage.simulator.charged().len()), (0, 0));
    desk.served.stop();
}

#[test]
fn a_run_under_way_holds_another_one_and_starts_nothing_half() {
    for on in On::BOTH {
        let desk = Desk::on(on, &[("a", "billing-key-a")]);
        // Longer than the second one waits for its turn.
        desk.stage.slow_approval();
        let first = desk.post("/runs", &json!({}));
        assert_eq!(first.status, 202, "{first:#?}");
        let refused = desk.post_as("second", "/runs", &json!({}));
        refused.is_problem(409, &["a run is under way in this daemon", "nothing was started"]);
        assert_eq!(started(&desk), 1);
        let row = desk.wait_for(&first);
        assert_eq!(row["status"], "completed", "{row:#}");
        // The key that was refused named nothing.
        let second = desk.post_as("second", "/runs", &json!({}));
        assert_ne!(id(&second), id(&first));
        desk.wait_for(&second);
        assert_eq!(desk.stage.simulator.charged().len(), 1, "{on:?}");
        desk.served.stop();
    }
}

#[test]
fn a_run_is_done_whole_when_its_client_is_gone() {
    for on in On::BOTH {
        let desk = Desk::on(on, &[("a", "billing-key-a"), ("b", "billing-key-b-slow-approval")]);
        let request = desk.request(Method::POST, "/runs").json(&json!({}));
        // Whether it hears of the run or not.
        desk.served.hang_up_when(request, "the run", || started(&desk) == 1);
        wait_until("both charges", || desk.stage.simulator.charged().len() == 2);
        wait_until("its end", || desk.get("/runs?limit=1").json()["runs"][0]["status"] == "completed");
        assert_eq!(desk.show("sub_b")["renewals"][0]["state"], "paid", "{on:?}");
        desk.served.stop();
    }
}

#[test]
fn a_brake_is_let_go_by_an_operators_word_only() {
    for on in On::BOTH {
        let desk = Desk::after(on, &[("a", "billing-key-a"), ("b", "billing-key-b")], |stage| {
            stage.place.set("RENEWD_BRAKES__CHARGES_MAX", "1");
        });
        let held = desk.run(&json!({}));
        assert_eq!((&held["status"], desk.stage.simulator.charged().len()), (&json!("failed"), 0), "{held:#}");
        let body = json!({ "override_brakes": ["charges"], "reason": "two new customers, as planned" });
        let done = desk.run(&body);
        assert_eq!(
            (&done["status"], desk.stage.simulator.charged().len()),
            (&json!("completed"), 2),
            "{on:?}: {done:#}"
        );
        let let_go = &done["figures"]["let_go"];
        assert_eq!((&let_go["by"], &let_go["reason"]), (&json!("haneul"), &json!("two new customers, as planned")));
        desk.served.stop();
    }
}

#[test]
fn what_the_command_line_refuses_is_refused() {
    let desk = Desk::on(On::Sqlite, &[("a", "billing-key-a")]);
    let refused: [(Value, &[&str]); 6] = [
        (
            json!({ "date": "2026-01-31" }),
            &["2026-01-31 is after today, 2026-01-30, in Asia/Seoul", "before it is due"],
        ),
        (json!({ "override_brakes": ["sum"] }), &["needs a reason"]),
        (json!({ "reason": "because" }), &["there are none"]),
        (json!({ "override_brakes": ["sum"], "reason": "x", "dry_run": true }), &["a dry run holds by no brake"]),
        (json!({ "date": "0001-01-01" }), &["no run is for 0001-01-01"]),
        (json!({ "date": "9999-12-31", "dry_run": true }), &["no run is for 9999-12-31"]),
    ];
    for (body, words) in refused {
        desk.post("/runs", &body).is_problem(422, words);
    }
    assert_eq!((started(&desk), desk.stage.simulator.charged().len()), (0, 0));
    desk.served.stop();
}
