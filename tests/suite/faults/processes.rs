//! Processes that a row brings down, that run out of what the system gives, or that another version has left behind.

use super::ground;
use crate::cli::place::Place;
use crate::cli::running::wait_until;
use crate::cli::{NOW, Stage};
use crate::crash::audit::Moment;
use crate::crash::ground::Ground;
use chrono::TimeDelta;
use renewd::gateway::simulator::{Route, Rule, Trouble, When};
use std::time::Duration;

/// After every lease of these runs, and after what was never received may be sent again.
const LATER: TimeDelta = TimeDelta::minutes(11);

const HANGS: Trouble = Trouble::Delay { millis: 60_000 };

/// One subscription whose charge and look-ups never end.
async fn hanging(name: &str) -> Ground {
    let mut ground = ground(name, Duration::ZERO).await;
    ground.subscribe(&[""]).await;
    ground.simulator.model().add_rule(Rule::new(When::Subscription("s1".to_owned()), HANGS));
    ground
}

/// A run that is killed at its `nth` request of `route`; then time passes.
async fn killed_at(ground: &Ground, route: Route, nth: u64) {
    let requests = || ground.simulator.model().ledger().requests(route);
    let (before, mut run) = (requests(), ground.run());
    wait_until("the request", || requests() >= before + nth || run.ended().is_some());
    assert!(run.kill(), "it ended by itself: {}", run.said());
    ground.clock.pass(LATER);
}

/// The run asks the gateway for the time before it looks anything up.
const FIRST_OF_A_PAYMENT: u64 = 2;

/// A row that kills its process whenever it is touched. After a few times it is left to a person, and the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_kills_its_process_again_and_again_is_left_to_a_person() {
    let mut ground = hanging("killer").await;
    killed_at(&ground, Route::Charge, 1).await;
    let payment = ground.simulator.model().ledger().charges()[0].payment_id.clone();
    ground.simulator.model().add_rule(Rule::new(When::Payment(payment), HANGS).on(Route::LookUp));
    for claims in 1..=2 {
        let unsettled = "SELECT unsettled_claims FROM renewals WHERE state = 'charging'";
        assert_eq!(ground.count(unsettled).await, claims);
        killed_at(&ground, Route::LookUp, FIRST_OF_A_PAYMENT).await;
    }
    ground.subscribe(&[""]).await;
    let mut run = ground.run();
    assert!(run.wait().await.success(), "{}", run.said());
    let review = "SELECT count(*) FROM renewals WHERE subscription_id = 's1' AND state = 'review'";
    assert_eq!(ground.count(review).await, 1, "{}", run.said());
    assert_eq!(ground.count("SELECT count(*) FROM renewals WHERE state = 'paid'").await, 1);
    ground.audit(Moment::AnyTime).await;
}

/// During an upgrade both versions run: what the one claimed the other resolves, by the request as it was frozen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_of_another_version_is_resolved() {
    let ground = hanging("versions").await;
    killed_at(&ground, Route::Charge, 1).await;
    ground.execute("UPDATE attempts SET protocol_version = protocol_version + 1".to_owned()).await;
    let mut run = ground.run();
    assert!(run.wait().await.success(), "{}", run.said());
    assert_eq!(ground.count("SELECT count(*) FROM attempts WHERE state = 'paid' AND protocol_version = 2").await, 1);
    ground.audit(Moment::AtTheEnd).await;
}

/// Too few to open the database, to open a run, and for a connection of each charge; with the time of the run, since
/// what one has planned is due from then on.
const FILES_FEW: [(u32, &str); 3] = [(10, NOW), (16, "2026-01-30T10:05:00+09:00"), (20, "2026-01-30T10:10:00+09:00")];

#[test]
fn a_process_without_free_file_descriptors_leaves_what_it_cannot_send_due() {
    const SUBSCRIPTIONS: usize = 20;
    let names: Vec<(String, String)> = (0..SUBSCRIPTIONS).map(|one| (format!("{one}"), format!("bk-{one}"))).collect();
    let subscribers: Vec<(&str, &str)> = names.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    let mut stage = Stage::behind(&["--latency", "1s"], &subscribers);
    stage.place.set("RENEWD_CHARGE__CONCURRENCY", "16");
    for (files, now) in FILES_FEW {
        let few = format!("ulimit -n {files}; exec \"$@\"");
        let said = stage.place.start_under(&["sh", "-c", &few, "sh"], &["--clock", now, "run"]);
        let said = said.end(Duration::from_secs(30));
        assert_eq!(said.code, Some(1), "{said:#?}");
        said.line(&["error: "]).money("nothing is charged twice");
        let charged = stage.simulator.charged().len();
        assert!(charged < SUBSCRIPTIONS, "there were enough of them");
        // A charge may still find a connection, and its look-up none.
        let known = stage.place.count("renewals WHERE state IN ('paid', 'unknown')");
        assert_eq!(known, charged as u64, "{said:#?}");
    }
    stage.run_again(&[]);
    assert_eq!(stage.simulator.charged().len(), SUBSCRIPTIONS);
    assert_eq!(stage.place.count("payments WHERE verified = 1"), SUBSCRIPTIONS as u64);
}

/// Whatever the shell allows: the memory of a process that crashes holds secrets.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_crashes_leaves_no_memory_behind() {
    let place = Place::empty();
    let generous = ["sh", "-c", "ulimit -c unlimited; exec \"$@\"", "sh"];
    let running = place.start_under(&generous, &["simulator"]);
    running.first_lines(1);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.id())).expect("the limits of a process");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
}
