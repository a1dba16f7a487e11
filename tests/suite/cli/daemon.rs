//! The daemon as a real process: it catches up, ticks, shares, waits for its database, and stops in time.

use super::database::on_postgres;
use super::place::{Place, Said};
use super::running::{Running, Simulator, wait_until};
use super::{LATER, NOW, Stage, lines};
use crate::notify::SECRET;
use crate::notify::receiver::Receiver;
use crate::support::postgres::PrivateServer;
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

/// Cloud Run, and systemd as it is told, kill after ten seconds.
const STOP_MAX: Duration = Duration::from_millis(9_500);

/// Every two seconds, so that a test need not wait for ten o'clock.
const OFTEN: &str = "*/2 * * * * *";

#[derive(Clone, Copy, Debug)]
enum On {
    Sqlite,
    Postgres,
}

fn stage_on(on: On, count: usize, simulator: &[&str]) -> Stage {
    match on {
        On::Sqlite => stage_at(Place::empty(), count, simulator),
        On::Postgres => stage_at(Place::empty().with("DATABASE_URL", &on_postgres("daemon")), count, simulator),
    }
}

fn stage_at(mut place: Place, count: usize, arguments: &[&str]) -> Stage {
    place.run(&["migrate"]).ok();
    let simulator = Simulator::start(&place, arguments);
    simulator.tell(&mut place);
    let stage = Stage { place, simulator };
    subscribe(&stage, "", count);
    stage
}

/// So many more subscribers, whose names begin like this.
fn subscribe(stage: &Stage, prefix: &str, count: usize) {
    let names: Vec<(String, String)> =
        (0..count).map(|one| (format!("{prefix}{one}"), format!("billing-key-{prefix}{one}"))).collect();
    let subscribers: Vec<(&str, &str)> = names.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    stage.place.import(&lines(&subscribers));
}

fn start(stage: &Stage, clock: &str) -> Running {
    stage.place.start(&["--clock", clock, "daemon"])
}

fn is_up(daemon: &Running) {
    wait_until("the daemon", || daemon.said().contains("the daemon is up"));
}

#[track_caller]
fn stopped(daemon: Running) -> Said {
    daemon.signal("TERM");
    let said = daemon.end(STOP_MAX);
    assert_eq!(said.code, Some(0), "{said:#?}");
    said
}

/// The runs of a trigger, the newest first.
fn runs(stage: &Stage, trigger: &str) -> Vec<Value> {
    let status = stage.place.at(LATER, &["--output", "json", "status"]).ok().json();
    let runs = status["runs"].as_array().expect("a list").clone();
    runs.into_iter().filter(|run| run["trigger"] == trigger).collect()
}

fn paid(stage: &Stage) -> u64 {
    let count = || stage.place.count("renewals WHERE state = 'paid'");
    // Some of these tests have a runtime of their own.
    std::thread::scope(|threads| threads.spawn(count).join().expect("a database that answers"))
}

#[track_caller]
fn each_once(stage: &Stage, count: usize) {
    let charged = stage.simulator.charged();
    let once: BTreeSet<&String> = charged.iter().collect();
    assert_eq!((charged.len(), once.len()), (count, count), "each subscription once");
    assert_eq!(paid(stage), count as u64);
}

#[test]
fn what_was_missed_is_done_at_the_start_and_what_was_done_is_not_done_again() {
    let stage = stage_on(On::Sqlite, 3, &[]);
    let daemon = start(&stage, NOW);
    wait_until("the run of ten o'clock", || stage.simulator.charged().len() == 3);
    for trigger in ["schedule", "reconcile (schedule)", "look-ahead (schedule)"] {
        wait_until("its end", || runs(&stage, trigger).iter().any(|run| run["status"] == "completed"));
    }
    let said = stopped(daemon);
    said.line(&["renewals of", "were missed"]).line(&["reconciliation of", "were missed"]);
    said.line(&["look ahead of", "were missed"]);
    said.line(&["the daemon has stopped", "nothing is under way"]);
    each_once(&stage, 3);
    let again = start(&stage, LATER);
    is_up(&again);
    // Nothing rings for ten o'clock: what is rung at the start is rung before it is up.
    let said = stopped(again);
    assert!(!said.err.contains("were missed"), "{said:#?}");
    assert_eq!(runs(&stage, "schedule").len(), 1);
    assert_eq!(runs(&stage, "schedule (retries)").len(), 0, "a look that finds nothing is no run");
}

#[test]
fn before_ten_nothing_is_caught_up() {
    let stage = stage_on(On::Sqlite, 1, &[]);
    let daemon = start(&stage, "2026-01-30T09:30:00+09:00");
    is_up(&daemon);
    std::thread::sleep(Duration::from_secs(1));
    stopped(daemon);
    assert!(stage.simulator.charged().is_empty() && runs(&stage, "schedule").is_empty());
}

#[test]
fn each_tick_does_what_became_due() {
    let mut stage = stage_on(On::Sqlite, 1, &[]);
    stage.place.set("RENEWD_SCHEDULE__RENEWALS", OFTEN);
    let daemon = start(&stage, NOW);
    wait_until("the first charge", || stage.simulator.charged().len() == 1);
    subscribe(&stage, "more", 2);
    wait_until("the next tick", || stage.simulator.charged().len() == 3);
    wait_until("its end", || paid(&stage) == 3);
    stopped(daemon);
    each_once(&stage, 3);
}

/// Two processes, two ticks a moment apart, one table: they share the rows between them.
fn two_at_once(on: On) {
    // Seconds of work: on a busy machine the second one comes to its tick late.
    const COUNT: usize = 160;
    let url = match on {
        On::Sqlite => "sqlite://renewd.db".to_owned(),
        On::Postgres => on_postgres("daemon"),
    };
    let mut stage = stage_at(Place::empty().with("DATABASE_URL", &url), 0, &["--latency", "200ms"]);
    stage.place.set("RENEWD_CHARGE__CONCURRENCY", "4");
    stage.place.set("RENEWD_CHARGE__CLAIM_ROWS_MAX", "8");
    stage.place.set("RENEWD_CHARGE__SETTLE_ROWS_MAX", "4");
    stage.place.set("RENEWD_SCHEDULE__RENEWALS", OFTEN);
    stage.place.set("RENEWD_SCHEDULE__RETRIES", OFTEN);
    let daemons = [start(&stage, NOW), start(&stage, NOW)];
    daemons.iter().for_each(is_up);
    subscribe(&stage, "", COUNT);
    wait_until("all of them", || stage.simulator.charged().len() >= COUNT && paid(&stage) == COUNT as u64);
    for daemon in daemons {
        let said = stopped(daemon);
        assert!(!said.err.contains("could not be done"), "{said:#?}");
    }
    each_once(&stage, COUNT);
    // A run ends only when nothing is left to claim: two that charged are one of each daemon.
    let workers = stage.place.texts("SELECT DISTINCT CAST(run_id AS TEXT) FROM attempts");
    assert!(workers.len() >= 2, "one did all the work");
}

#[test]
fn two_daemons_at_once_share_the_work_on_sqlite() {
    two_at_once(On::Sqlite);
}

#[test]
fn two_daemons_at_once_share_the_work_on_postgres() {
    two_at_once(On::Postgres);
}

/// Told to stop in the middle: what is under way is settled, what is not begun stays due.
fn stops_in_time(on: On) {
    let mut stage = stage_on(on, 100, &["--latency", "300ms"]);
    stage.place.set("RENEWD_CHARGE__CONCURRENCY", "4");
    let daemon = start(&stage, NOW);
    wait_until("the first charges", || stage.simulator.charged().len() > 4);
    let said = stopped(daemon);
    said.line(&["asked to stop"]).line(&["the daemon has stopped"]);
    let charged = stage.simulator.charged().len();
    assert!(charged < 60, "it went on: {charged}");
    assert_eq!(paid(&stage), charged as u64, "what was charged is recorded");
    // It starts again where it was interrupted: the run was not completed.
    let again = start(&stage, LATER);
    wait_until("the rest", || stage.simulator.charged().len() == 100 && paid(&stage) == 100);
    stopped(again);
    each_once(&stage, 100);
}

#[test]
fn a_daemon_that_is_told_to_stop_settles_and_goes_on_later_on_sqlite() {
    stops_in_time(On::Sqlite);
}

#[test]
fn a_daemon_that_is_told_to_stop_settles_and_goes_on_later_on_postgres() {
    stops_in_time(On::Postgres);
}

#[test]
fn a_gateway_that_hangs_does_not_hold_the_stop() {
    let mut stage = stage_on(On::Sqlite, 2, &["--request-latency", "60s"]);
    // Less than the default: what is left of the ten seconds is the machine's.
    stage.place.set("RENEWD_CHARGE__STOP_WITHIN", "4s");
    let daemon = start(&stage, NOW);
    is_up(&daemon);
    std::thread::sleep(Duration::from_secs(1));
    let started = Instant::now();
    stopped(daemon);
    assert!(started.elapsed() < STOP_MAX);
}

/// What a real unix socket hears, word by word.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn of(place: &mut Place) -> Self {
        let path = place.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        place.set("NOTIFY_SOCKET", &path.display().to_string());
        Self { socket }
    }

    fn hear(&self) -> String {
        let mut bytes = [0; 1024];
        let length = self.socket.recv(&mut bytes).expect("a word in time");
        String::from_utf8(bytes[..length].to_vec()).expect("UTF-8")
    }
}

#[test]
fn systemd_hears_that_it_is_ready_alive_and_stopping() {
    let mut stage = stage_on(On::Sqlite, 1, &[]);
    let manager = Manager::of(&mut stage.place);
    stage.place.set("WATCHDOG_USEC", "900000");
    let daemon = start(&stage, NOW);
    let ready = manager.hear();
    assert!(ready.starts_with("READY=1\nSTATUS=") && ready.contains("renewals 2026-01-30 14:00"), "{ready}");
    let started = Instant::now();
    for _ in 0..4 {
        assert_eq!(manager.hear(), "WATCHDOG=1");
    }
    assert!(started.elapsed() < Duration::from_millis(3_600), "each comes before systemd would kill");
    daemon.signal("TERM");
    let stopping = std::iter::repeat_with(|| manager.hear()).find(|word| word != "WATCHDOG=1");
    assert!(stopping.is_some_and(|word| word.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=")));
    assert_eq!(daemon.end(STOP_MAX).code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_for_its_database_and_goes_on() {
    let mut server = PrivateServer::start().await;
    let url = server.database("daemon", "template1").await;
    let mut stage = stage_at(Place::empty().with("DATABASE_URL", &url), 2, &[]);
    stage.place.set("RENEWD_SCHEDULE__RENEWALS", OFTEN);
    let manager = Manager::of(&mut stage.place);
    server.stop_at_once().await;
    let daemon = start(&stage, NOW);
    let word = manager.hear();
    assert!(word.contains("EXTEND_TIMEOUT_USEC") && word.contains("waiting for the database"), "{word}");
    assert!(daemon.said().contains("trying again in"), "{}", daemon.said());
    server.start_again().await;
    wait_until("the first charges", || stage.simulator.charged().len() == 2);
    wait_until("their ends", || paid(&stage) == 2);
    assert!(daemon.said().contains("the database is back"), "{}", daemon.said());

    server.stop_at_once().await;
    wait_until("a job that fails", || daemon.said().contains("could not be done"));
    let said = daemon.said();
    assert!(said.contains("database cannot be") && said.contains("nothing is charged twice"), "{said}");
    server.start_again().await;
    subscribe(&stage, "after", 1);
    wait_until("the charge after it", || stage.simulator.charged().len() == 3);
    wait_until("its end", || paid(&stage) == 3);
    wait_until("a word of it", || daemon.said().contains("could be done again"));
    stopped(daemon);
    each_once(&stage, 3);
}

#[test]
fn a_job_that_fails_is_told_with_what_to_do_and_tried_at_its_next_tick() {
    let mut stage = stage_on(On::Sqlite, 1, &[]);
    stage.place.set("PORTONE_API_SECRET", "of-last-year");
    stage.place.set("RENEWD_SCHEDULE__RENEWALS", OFTEN);
    let daemon = start(&stage, NOW);
    let told = || daemon.said().matches("renewals could not be done").count();
    wait_until("a second try", || told() >= 2);
    let said = stopped(daemon);
    said.line(&["refused our credentials", "nothing is charged twice", "tried again at the next tick", "\"hint\""]);
    assert!(stage.simulator.charged().is_empty() && !said.err.contains("of-last-year"));
}

#[test]
fn a_set_up_that_needs_a_person_ends_it_at_once() {
    let place = Place::empty();
    place.run(&["daemon"]).refused(2, &["gateway.api_secret is not set"]).money("nothing was charged");
    let place = place.with("PORTONE_API_SECRET", "s").with("PORTONE_STORE_ID", "store-1");
    let place = place.with("PORTONE_API_BASE", "http://127.0.0.1:9");
    place.run(&["daemon"]).refused(2, &["there is no database", "renewd migrate"]);
    for key in ["RENEWALS", "RETRIES", "DOWNGRADES", "RECONCILIATION"] {
        let name = format!("RENEWD_SCHEDULE__{key}");
        let place = Place::migrated().with(&name, "0 0 25 * * *");
        let setting = format!("schedule.{}", key.to_lowercase());
        place.run(&["daemon"]).refused(2, &[&setting, &name, "six cron fields"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_did_is_told_at_once_and_what_others_did_soon() {
    let receiver = Receiver::start().await;
    let mut stage = stage_on(On::Sqlite, 1, &[]);
    stage.place.set("RENEWD_NOTIFY__WEBHOOK_URL", &receiver.url("events/daemon"));
    stage.place.set("RENEWD_NOTIFY__WEBHOOK_SECRET", SECRET);
    let daemon = start(&stage, NOW);
    let told = || receiver.heard().iter().filter(|one| one.kind() == "renewal.paid").count();
    wait_until("the first telling", || told() == 1);
    // The daemon is done for today; somebody else's run tells nobody.
    subscribe(&stage, "more", 2);
    stage.place.set("RENEWD_NOTIFY__DELIVER_WITHIN", "0s");
    stage.run_again(&[]);
    wait_until("the others' telling", || told() == 3);
    stopped(daemon);
}
