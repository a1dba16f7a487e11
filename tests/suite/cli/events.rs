//! `renewd events`, and a run that cannot tell anybody: its work is done all the same.

use super::place::{Place, Said};
use super::{LATER, NOW, Stage};
use crate::notify::SECRET;
use crate::notify::receiver::{Does, Receiver};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// After what was done at [`LATER`]: each command's clock starts anew.
const LATER_STILL: &str = "2026-01-30T10:40:00+09:00";
const LAST: &str = "2026-01-30T11:00:00+09:00";

/// A business whose API service, Slack and PagerDuty are all one receiver; the canary is in every secret.
async fn stage(subscribers: &[(&str, &str)]) -> (Stage, Receiver) {
    let mut stage = Stage::with(subscribers);
    let receiver = Receiver::start().await;
    for (name, path) in
        [("WEBHOOK_URL", "events/canary"), ("SLACK_URL", "services/canary"), ("PAGERDUTY_URL", "v2/canary")]
    {
        stage.place.set(&format!("RENEWD_NOTIFY__{name}"), &receiver.url(path));
    }
    stage.place.set("RENEWD_NOTIFY__WEBHOOK_SECRET", SECRET);
    stage.place.set("RENEWD_NOTIFY__PAGERDUTY_KEY", "canary-routing-key");
    (stage, receiver)
}

fn list(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let all = [&["--output", "json", "events", "list"], arguments].concat();
    place.at(LATER, &all).ok().json().as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_when_it_is_over() {
    let (stage, receiver) = stage(&[("a", "billing-key-a"), ("b", "billing-key-b-lost")]).await;
    let said = stage.place.at(NOW, &["run"]).ok();
    for kind in ["renewal.paid", "renewal.declined", "billing_key.missing", "run.completed"] {
        said.line(&["INFO", kind]);
    }
    let paths: Vec<String> = receiver.heard().into_iter().map(|one| one.path).collect();
    let count = |path: &str| paths.iter().filter(|one| one.contains(path)).count();
    assert_eq!((count("/events/"), count("/services/"), count("/v2/")), (3, 1, 0), "{paths:?}");
    assert_eq!(list(&stage.place, &["--state", "pending"]), Vec::<Value>::new());
    assert_eq!(list(&stage.place, &["--kind", "renewal.paid", "--sink", "webhook"]).len(), 1);
    let of_b = list(&stage.place, &["--subscription", "sub_b", "--sink", "webhook", "--state", "delivered"]);
    assert_eq!(of_b.len(), 2);
    let table = stage.place.at(LATER, &["events", "list", "--limit", "2"]).ok();
    assert_eq!(table.out.matches("delivered").count(), 2, "{}", table.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_can_tell_nobody_is_a_good_run_and_its_events_wait() {
    let (stage, receiver) = stage(&[("a", "billing-key-a")]).await;
    receiver.does(Does::Answer(500));
    let said = stage.place.at(NOW, &["--output", "json", "run", "--exit-3-on-open"]).ok();
    assert_eq!(said.json()["paid"], 1);
    said.line(&["WARN", "not everybody was told", "webhook: answered 500", "slack: answered 500"]);
    assert_eq!(list(&stage.place, &["--state", "pending"]).len(), 2);
    receiver.does(Does::Take);
    let delivered = stage.place.at(LATER, &["--output", "json", "events", "deliver"]).ok().json();
    assert_eq!((delivered["delivered"].as_u64(), delivered["failed"].as_u64()), (Some(2), Some(0)));
    assert_eq!(list(&stage.place, &["--state", "pending"]).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_may_be_told_to_tell_nobody() {
    let (mut stage, receiver) = stage(&[("a", "billing-key-a")]).await;
    stage.place.set("RENEWD_NOTIFY__DELIVER_WITHIN", "0s");
    stage.place.at(NOW, &["run"]).ok();
    assert!(receiver.heard().is_empty());
    let waiting = list(&stage.place, &["--state", "pending"]);
    assert!(waiting.len() == 2 && waiting.iter().all(|row| row["sink"].is_null()), "{waiting:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_send_again_and_drop_and_it_is_recorded_who_and_why() {
    let (mut stage, receiver) = stage(&[("a", "billing-key-a"), ("b", "billing-key-b")]).await;
    stage.place.set("RENEWD_NOTIFY__TRIES_MAX", "1");
    stage.place.set("USER", "night-shift");
    receiver.does(Does::Answer(500));
    stage.place.at(NOW, &["run"]).ok().line(&["ERROR", "was given up", "renewd events replay"]);
    let place = &stage.place;
    let dead = list(place, &["--state", "dead", "--sink", "webhook"]);
    assert_eq!(dead.len(), 2);
    let id = dead[0]["id"].as_str().unwrap();
    place.at(LATER, &["events", "drop", id, "--sink", "webhook", "--reason", "told by phone", "--actor", "kim"]).ok();
    receiver.does(Does::Take);
    receiver.take();
    let replayed = place.at(LATER, &["events", "replay", "--dead", "--reason", "the API is back"]).ok();
    assert!(replayed.out.contains("2 to be sent again"), "the other, and Slack's: {}", replayed.out);
    place.at(LATER_STILL, &["events", "deliver"]).ok();
    assert_eq!(receiver.take().len(), 2);
    place.at(LATER_STILL, &["events", "replay", id, "--sink", "webhook", "--reason", "after all"]).ok();
    place
        .at(
            LATER_STILL,
            &["events", "replay", "--since", "2026-01-30T00:00:00Z", "--sink", "slack", "--reason", "lost"],
        )
        .ok();
    place.at(LAST, &["events", "deliver"]).ok();
    let heard = receiver.take();
    let ids: Vec<&str> = heard.iter().filter_map(|one| one.headers.get("webhook-id")?.to_str().ok()).collect();
    assert_eq!((heard.len(), ids), (2, vec![id]));
    let who = || {
        place.texts(
            "SELECT kind || ' ' || (payload ->> 'by') || ': ' || (payload ->> 'reason') FROM events
        WHERE kind LIKE 'events.%' ORDER BY 1",
        )
    };
    let told = tokio::task::block_in_place(who);
    assert_eq!(
        told,
        [
            "events.dropped kim: told by phone",
            "events.replayed night-shift: after all",
            "events.replayed night-shift: lost",
            "events.replayed night-shift: the API is back",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_while_it_sends_is_followed_by_one_that_sends_the_same() {
    let (mut stage, receiver) = stage(&[("a", "billing-key-a")]).await;
    stage.place.set("RENEWD_NOTIFY__DELIVER_WITHIN", "0s");
    stage.place.at(NOW, &["run"]).ok();
    stage.place.set("RENEWD_NOTIFY__SEND_TIMEOUT", "60s");
    receiver.does(Does::Hang);
    let running = stage.place.start(&["--clock", LATER, "events", "deliver"]);
    receiver.has_heard(2).await;
    running.signal("KILL");
    assert_eq!(running.end(Duration::from_secs(10)).code, None);
    receiver.does(Does::Take);
    let first = receiver.take();
    stage.place.at(LATER, &["events", "deliver"]).ok();
    assert_eq!(receiver.take().len(), 0, "its claim holds: it may be alive");
    stage.place.at(LAST, &["events", "deliver"]).ok();
    let again = receiver.take();
    let bodies = |heard: &[crate::notify::receiver::Heard]| {
        heard.iter().map(|one| (one.path.clone(), one.body.clone())).collect::<BTreeSet<_>>()
    };
    assert_eq!((again.len(), bodies(&again)), (2, bodies(&first)), "the same ids, the same words");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let place = Place::migrated();
    let nobody = "00000000-0000-7000-8000-000000000000";
    place.run(&["events", "drop", nobody, "--reason", "x"]).refused(2, &["no such event"]);
    place.run(&["events", "replay", nobody, "--reason", "x"]).refused(2, &["no such event"]);
    for arguments in [
        &["events", "replay", "--reason", "x"][..],
        &["events", "replay", "--dead"],
        &["events", "replay", "--dead", nobody, "--reason", "x"],
        &["events", "replay", "--since", "2026-01-30T00:00:00Z", "--reason", "x"],
        &["events", "drop", nobody],
        &["events", "drop", nobody, "--reason", ""],
        &["events", "list", "--state", "lost"],
        &["events", "list", "--kind", "renewal.teleported"],
        &["events", "list", "--sink", "fax"],
        &["events", "list", "--limit", "0"],
    ] {
        assert_eq!(place.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_sink_that_is_set_up_wrongly_is_found_before_anything_is_charged() {
    let mut stage = Stage::with(&[("a", "billing-key-a")]);
    stage.place.set("RENEWD_NOTIFY__WEBHOOK_URL", "http://127.0.0.1:9/events");
    stage
        .place
        .at(NOW, &["run"])
        .refused(2, &["notify.webhook_secret", "events are always signed"])
        .money("nothing was charged");
    stage.place.set("RENEWD_NOTIFY__WEBHOOK_SECRET", "whsec_canary!");
    let said = stage.place.at(NOW, &["run"]);
    said.refused(2, &["notify.webhook_secret", "is not base64"]).money("nothing was charged");
    assert_silent(&said);
    assert_eq!(stage.simulator.charged(), Vec::<String>::new());
}

#[track_caller]
fn assert_silent(said: &Said) {
    for line in said.out.lines().chain(said.err.lines()) {
        assert!(!line.to_lowercase().contains("canary"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_holds_a_sinks_address_or_key() {
    let (mut stage, receiver) = stage(&[("a", "billing-key-a"), ("b", "billing-key-b-other-amount")]).await;
    // One of them hangs.
    stage.place.set("RENEWD_NOTIFY__SEND_TIMEOUT", "2s");
    stage.place.set("RENEWD_LOG__LEVEL", "trace,sqlx=trace,hyper=trace,hyper_util=trace,reqwest=trace,rustls=trace");
    for does in [Does::Answer(500), Does::Redirect, Does::Hang, Does::Take] {
        receiver.does(does);
        let run = stage.place.at(NOW, &["run"]).ok();
        assert!(run.err.contains("\"severity\":\"DEBUG\""), "it is loud");
        assert_silent(&run);
    }
    assert_silent(&stage.place.at(LATER, &["events", "deliver"]).ok());
    assert!(receiver.heard().iter().any(|one| one.path.contains("canary")), "the canary is where it belongs");
    assert_silent(&stage.place.at(LATER, &["--output", "json", "events", "list"]).ok());
    for (table, rows) in tokio::task::block_in_place(|| stage.place.tables()) {
        assert!(!rows.concat().contains("canary"), "{table}");
    }
    stage.place.set("RENEWD_NOTIFY__SLACK_URL", "http://example.com/canary");
    let refused = stage.place.at(LATER, &["run"]);
    refused.refused(2, &["notify.slack_url = ***", "http is refused"]);
    assert_silent(&refused);
}
