//! Told to stop, or killed: what was charged is known, what was not is still due, and the next run does the rest.

use super::place::Said;
use super::running::{Running, wait_until};
use super::{NOW, Stage};
use std::collections::BTreeSet;
use std::time::Duration;

const SUBSCRIPTIONS: usize = 200;
/// Charges under way at once.
const SLOTS: u64 = 4;
/// After the look-up that follows an outcome that was unknown at [`super::LATER`].
const AFTER_LOOK_UPS: &str = "2026-01-30T12:00:00+09:00";
/// Cloud Run kills after ten seconds.
const STOP_MAX: Duration = Duration::from_millis(9_500);

fn stage(latency: &str) -> Stage {
    let names: Vec<(String, String)> =
        (0..SUBSCRIPTIONS).map(|number| (format!("{number}"), format!("billing-key-{number}"))).collect();
    let subscribers: Vec<(&str, &str)> = names.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    let mut stage = Stage::behind(&["--latency", latency], &subscribers);
    stage.place.set("RENEWD_CHARGE__CONCURRENCY", &SLOTS.to_string());
    stage
}

fn start(stage: &Stage) -> Running {
    stage.place.start(&["--clock", NOW, "--output", "json", "run"])
}

/// The next runs charge the rest, and the gateway and the tables agree on every payment.
#[track_caller]
fn completes(stage: &mut Stage) {
    stage.place.set("RENEWD_CHARGE__CONCURRENCY", "64");
    stage.run_again(&[]);
    // Test clocks jump: a request of the run before may still have been on its way then, and is looked up after an hour.
    let report = stage.place.at(AFTER_LOOK_UPS, &["--output", "json", "run"]).ok().json();
    assert_eq!((&report["status"], &report["left_due"]), (&"completed".into(), &0.into()), "{report:#}");
    let charged = stage.simulator.charged();
    let once: BTreeSet<String> = charged.iter().cloned().collect();
    assert_eq!((charged.len(), once.len()), (SUBSCRIPTIONS, SUBSCRIPTIONS), "each subscription once");
    let unpaid = "SELECT json_object('state', r.state, 'review', r.review_reason, 'look_up', r.next_look_up_at, \
        'attempt', a.state, 'started', a.started_at, 'note', a.note) \
        FROM renewals r LEFT JOIN attempts a ON a.renewal_id = r.id WHERE r.state <> 'paid'";
    assert_eq!(stage.place.texts(unpaid), [""; 0], "charged and not recorded; the run: {report:#}");
    let recorded = stage.place.texts("SELECT payment_id FROM payments WHERE verified = 1");
    let recorded: BTreeSet<String> = recorded.into_iter().collect();
    assert!(recorded == once, "payments differ: {:?}", recorded.symmetric_difference(&once).collect::<Vec<_>>());
    let moved = "subscriptions WHERE current_period_start LIKE '2026-01-30T15:00%' AND status = 'active'";
    assert_eq!(stage.place.count(moved), SUBSCRIPTIONS as u64, "each period moved once");
}

fn run_status(stage: &Stage) -> String {
    let status = stage.place.at(NOW, &["--output", "json", "status"]).ok().json();
    status["runs"][0]["status"].as_str().expect("a status").to_owned()
}

fn told_to_stop(running: Running) -> Said {
    running.signal("TERM");
    running.end(STOP_MAX)
}

#[test]
fn a_run_that_is_told_to_stop_settles_what_is_under_way_and_leaves_the_rest_due() {
    let mut stage = stage("300ms");
    let running = start(&stage);
    wait_until("the first charges", || stage.simulator.charged().len() as u64 > SLOTS);
    let said = told_to_stop(running);
    // It did what it was told: nothing is lost, and nothing needs a restart at once.
    assert_eq!(said.code, Some(0), "{said:#?}");
    let report = said.json();
    assert_eq!(report["status"], "interrupted", "{report:#}");
    assert_eq!(run_status(&stage), "interrupted");
    let charged = stage.simulator.charged().len();
    assert!(charged < SUBSCRIPTIONS / 2, "it went on: {charged}");
    assert_eq!((&report["paid"], &report["left_due"]), (&charged.into(), &(SUBSCRIPTIONS - charged).into()));
    // Every request under way was answered, so no claim is left.
    assert_eq!(stage.place.count("renewals WHERE state = 'charging'"), 0);
    assert_eq!(stage.place.count("attempts WHERE state = 'open'"), 0);
    completes(&mut stage);
}

#[test]
fn a_run_that_cannot_wait_for_its_requests_leaves_them_and_only_them_under_their_lease() {
    let mut stage = stage("60s");
    stage.place.set("RENEWD_CHARGE__STOP_WITHIN", "1s");
    let running = start(&stage);
    wait_until("their requests", || stage.simulator.requests("charge") >= SLOTS);
    let said = told_to_stop(running);
    assert_eq!(said.code, Some(0), "{said:#?}");
    assert_eq!(said.json()["status"], "interrupted", "{said:#?}");
    assert_eq!(run_status(&stage), "interrupted");
    assert_eq!(stage.place.count("renewals WHERE state = 'charging'"), SLOTS, "{said:#?}");
    assert_eq!(stage.place.count("attempts WHERE state = 'open'"), SLOTS);
    assert_eq!(stage.place.count("renewals WHERE state = 'due'"), SUBSCRIPTIONS as u64 - SLOTS);
}

#[test]
fn a_run_that_was_killed_is_resolved_by_the_next_one_after_the_lease() {
    let mut stage = stage("100ms");
    let running = start(&stage);
    wait_until("the first charges", || stage.simulator.charged().len() as u64 > SLOTS);
    running.signal("KILL");
    assert_eq!(running.end(STOP_MAX).code, None);
    assert!(stage.simulator.charged().len() < SUBSCRIPTIONS / 2);
    let open = stage.place.count("attempts WHERE state = 'open'");
    assert!(open > 0, "it was killed between two charges");
    completes(&mut stage);
    assert_eq!(stage.place.count("attempts WHERE state = 'open'"), 0);
}
