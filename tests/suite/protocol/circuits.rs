//! A channel that stops answering is left alone, probed by one charge a minute, and drained gently when it is back.

use crate::world::{On, World, key};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use renewd::clock::Clock;
use renewd::domain::answer::Answer;
use renewd::domain::charge::{Attempt, BillingKey, FrozenRequest, Order};
use renewd::domain::ids::PaymentId;
use renewd::domain::payment::LookUp;
use renewd::engine::run::RunRequest;
use renewd::gateway::simulator::{Rule, Trouble, When};
use renewd::gateway::{
    BillingKeyStatus, Cancellation, CancellationStatus, Gateway, GatewayError, IssuedKey, PaymentPage, PaymentRange,
    Schedule, ScheduleRange,
};
use renewd::shutdown::Shutdown;
use renewd::store::{Committed, Paused, Switch};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

crate::on_both_databases! {
    a_channel_that_answers_a_probe_is_drained,
    a_backlog_starts_with_one_charge_at_a_time_and_keeps_to_its_slots,
    a_channel_that_never_answers_stays_stopped,
    without_probes_the_run_ends_at_once,
    other_channels_do_not_wait_for_the_probes,
    two_channels_recover_beside_each_other,
    a_circuit_can_open_again,
    a_probe_that_is_answered_with_a_refusal_stops_the_channel_and_says_why,
    an_order_to_stop_ends_the_probing_at_once,
    the_kill_switch_holds_the_probes_too,
    probes_count_as_charges_of_a_limited_run,
}

const SETTINGS: [(&str, &str); 4] = [
    ("charge.concurrency", "4"),
    ("charge.repeats_max", "1"),
    ("charge.circuit_unknown_in_a_row", "5"),
    ("charge.circuit_probes_max", "3"),
];

/// The gateway as the run meets it: what was charged in which order, and how many at once.
struct Watched {
    inner: Arc<dyn Gateway>,
    seen: Arc<Seen>,
}

struct Seen {
    charges: Mutex<Charges>,
    /// How many minutes a run began to wait between probes. The first one is asked for when the first pass is over.
    minutes: AtomicUsize,
    /// Minutes after the first may end.
    time_passes: watch::Sender<bool>,
}

#[derive(Default)]
struct Charges {
    under_way: usize,
    /// Channel, and how many charges were under way with it when it began.
    begun: Vec<(String, usize)>,
}

/// A clock that tells when a minute between probes begins, and holds the later ones where it must.
struct Minutes {
    inner: Arc<dyn Clock>,
    seen: Arc<Seen>,
}

#[async_trait]
impl Clock for Minutes {
    fn now(&self) -> DateTime<Utc> {
        self.inner.now()
    }

    fn uptime(&self) -> Duration {
        self.inner.uptime()
    }

    async fn sleep(&self, time: Duration) {
        if time == Duration::from_secs(60) && self.seen.minutes.fetch_add(1, Ordering::SeqCst) > 0 {
            self.seen.time_passes.subscribe().wait_for(|passes| *passes).await.unwrap();
        }
        self.inner.sleep(time).await;
    }

    fn is_test(&self) -> bool {
        self.inner.is_test()
    }
}

#[async_trait]
impl Gateway for Watched {
    fn freeze(&self, order: &Order) -> FrozenRequest {
        self.inner.freeze(order)
    }

    async fn charge(&self, attempt: &Committed<Attempt>) -> Answer {
        {
            let mut charges = self.seen.charges.lock().unwrap();
            charges.under_way += 1;
            let begun = (attempt.get().channel_key.clone().unwrap_or_default(), charges.under_way);
            charges.begun.push(begun);
        }
        let answer = self.inner.charge(attempt).await;
        self.seen.charges.lock().unwrap().under_way -= 1;
        answer
    }

    async fn payment(&self, id: &PaymentId) -> LookUp {
        self.inner.payment(id).await
    }

    async fn payments(&self, range: &PaymentRange) -> Result<PaymentPage, GatewayError> {
        self.inner.payments(range).await
    }

    async fn cancel(&self, cancellation: &Cancellation) -> Result<CancellationStatus, GatewayError> {
        self.inner.cancel(cancellation).await
    }

    async fn billing_key(&self, key: &BillingKey) -> Result<BillingKeyStatus, GatewayError> {
        self.inner.billing_key(key).await
    }

    async fn issued_key(&self, key: &BillingKey) -> Result<Option<IssuedKey>, GatewayError> {
        self.inner.issued_key(key).await
    }

    async fn schedules(&self, range: &ScheduleRange) -> Result<Vec<Schedule>, GatewayError> {
        self.inner.schedules(range).await
    }

    fn clock_skew(&self) -> Option<chrono::Duration> {
        self.inner.clock_skew()
    }
}

/// Subscriptions on channels of these names, so many on each, and what their gateway sees.
async fn world(on: On, settings: &[(&'static str, &str)], channels: &[(&str, usize)]) -> (World, Arc<Seen>) {
    let mut world = World::with(on, &[&SETTINGS[..], settings].concat()).await;
    for (channel, count) in channels {
        for number in 0..*count {
            let (id, billing_key) = (format!("{channel}-{number}"), format!("bk-{channel}-{number}"));
            world.subscribe(&id, &billing_key).await;
            let on_channel = format!(r#""billing_key":"{billing_key}","channel_key":"{channel}""#);
            let line = key(&id, &billing_key).replace(&format!(r#""billing_key":"{billing_key}""#), &on_channel);
            world.import(&line).await;
        }
    }
    let seen = Arc::new(Seen {
        charges: Mutex::default(),
        minutes: AtomicUsize::new(0),
        time_passes: watch::Sender::new(true),
    });
    world.engine.clock = Arc::new(Minutes { inner: Arc::new(world.clock.clone()), seen: Arc::clone(&seen) });
    world.engine.gateway = Arc::new(Watched { inner: Arc::clone(&world.engine.gateway), seen: Arc::clone(&seen) });
    (world, seen)
}

/// None of the channel's charges arrives.
fn goes_silent(world: &World, channel: &str, count: usize) {
    for number in 0..count {
        world.rule(When::BillingKey(format!("bk-{channel}-{number}")), Trouble::RequestLost);
    }
}

fn begun(seen: &Seen) -> usize {
    seen.charges.lock().unwrap().begun.len()
}

/// Polls until it is so; a run that never comes to it is an error, not a test without an end.
async fn until(is_so: impl Fn() -> bool) {
    let polling = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), polling).await.expect("it never came");
}

/// Waits until the first pass is over and the first probe has begun. No second one begins before `time_passes` again.
async fn first_probe(seen: &Seen) {
    seen.time_passes.send_replace(false);
    until(|| seen.minutes.load(Ordering::SeqCst) > 0).await;
    let before = begun(seen);
    until(|| begun(seen) > before).await;
}

async fn states(world: &World, channel: &str, count: usize, state: &str) -> usize {
    let mut found = 0;
    for number in 0..count {
        found += usize::from(world.renewal(&format!("{channel}-{number}")).await.state == state);
    }
    found
}

async fn a_channel_that_answers_a_probe_is_drained(on: On) {
    let (world, seen) = world(on, &[], &[("slow", 30)]).await;
    goes_silent(&world, "slow", 30);
    let (report, ()) = tokio::join!(world.run(), async {
        first_probe(&seen).await;
        world.simulator.model().clear_rules();
        seen.time_passes.send_replace(true);
    });
    assert_eq!((report.status.as_str(), report.left_due), ("completed", 0), "{report:?}");
    assert!(report.stopped_channels.is_empty() && report.problem.is_none());
    assert!((6..=10).contains(&report.unknown), "five in a row, those under way, one probe: {}", report.unknown);
    assert_eq!(report.paid, 30 - report.unknown);
    assert_eq!(world.simulator.model().ledger().charges().len() as u64, report.paid);
    assert_eq!(states(&world, "slow", 30, "due").await, 0);
}

async fn a_backlog_starts_with_one_charge_at_a_time_and_keeps_to_its_slots(on: On) {
    let (world, seen) = world(on, &[], &[("slow", 40)]).await;
    goes_silent(&world, "slow", 40);
    let run = async {
        let report = world.run().await;
        assert_eq!(report.left_due, 0);
    };
    let answers = async {
        first_probe(&seen).await;
        world.simulator.model().clear_rules();
        world.rule(When::Always, Trouble::SlowApproval { millis: 30 });
        let probes = begun(&seen);
        seen.time_passes.send_replace(true);
        probes
    };
    let ((), probes) = tokio::join!(run, answers);
    let begun = seen.charges.lock().unwrap().begun.split_off(probes);
    let at_once: Vec<usize> = begun.iter().map(|(_, at_once)| *at_once).collect();
    // The probe, then the backlog.
    assert_eq!(at_once[..2], [1, 1], "{at_once:?}");
    assert!(at_once[2..4].iter().all(|at_once| *at_once <= 2), "{at_once:?}");
    assert_eq!(at_once.iter().max(), Some(&4), "all slots, and no more: {at_once:?}");
}

async fn a_channel_that_never_answers_stays_stopped(on: On) {
    let (world, seen) = world(on, &[], &[("slow", 30)]).await;
    goes_silent(&world, "slow", 30);
    let report = world.run().await;
    assert_eq!(report.status, "failed");
    assert!(report.problem.as_ref().unwrap().contains("charging stopped on slow"), "{report:?}");
    assert!(report.stopped_channels["slow"].contains("all ended unknown"));
    assert!((8..=11).contains(&report.unknown), "five in a row, those under way, three probes: {}", report.unknown);
    assert_eq!((report.unknown + report.left_due, report.due), (30, 30));
    assert_eq!(begun(&seen) as u64, report.unknown);
    assert_eq!(states(&world, "slow", 30, "due").await as u64, report.left_due);
}

async fn without_probes_the_run_ends_at_once(on: On) {
    let (world, seen) = world(on, &[("charge.circuit_probes_max", "0")], &[("slow", 30)]).await;
    goes_silent(&world, "slow", 30);
    let report = world.run().await;
    assert_eq!(report.status, "failed");
    assert!((5..=8).contains(&begun(&seen)), "no probe: {}", begun(&seen));
}

/// The silent channel stands first in the order of what is due.
async fn other_channels_do_not_wait_for_the_probes(on: On) {
    let (world, seen) = world(on, &[], &[("dead", 12), ("fine", 12)]).await;
    goes_silent(&world, "dead", 12);
    let report = world.run().await;
    assert_eq!((report.paid, report.status.as_str()), (12, "failed"));
    assert_eq!(states(&world, "fine", 12, "paid").await, 12);
    let order = &seen.charges.lock().unwrap().begun;
    assert_eq!(order[0].0, "dead");
    let last_of_fine = order.iter().rposition(|(channel, _)| channel == "fine").unwrap();
    assert_eq!(order.len() - 1 - last_of_fine, 3, "only the probes come after them: {order:?}");
}

async fn two_channels_recover_beside_each_other(on: On) {
    let (world, _) = world(on, &[("charge.concurrency", "1")], &[("back", 12), ("dead", 12)]).await;
    goes_silent(&world, "dead", 12);
    // Five open the circuit, one is the first probe.
    world.simulator.model().add_rule(Rule::new(When::Always, Trouble::RequestLost).times(6));
    let report = world.run().await;
    assert_eq!(report.stopped_channels.keys().collect::<Vec<_>>(), ["dead"], "{report:?}");
    assert_eq!((report.paid, report.unknown, report.left_due), (6, 6 + 8, 4));
    assert_eq!((states(&world, "back", 12, "paid").await, states(&world, "dead", 12, "due").await), (6, 4));
}

async fn a_circuit_can_open_again(on: On) {
    let (world, seen) = world(on, &[("charge.concurrency", "1")], &[("slow", 30)]).await;
    goes_silent(&world, "slow", 30);
    let (report, ()) = tokio::join!(world.run(), async {
        first_probe(&seen).await;
        world.simulator.model().clear_rules();
        let before = begun(&seen);
        seen.time_passes.send_replace(true);
        until(|| begun(&seen) >= before + 3).await;
        goes_silent(&world, "slow", 30);
    });
    assert_eq!(report.status, "failed");
    assert!(report.paid >= 2 && report.left_due > 0, "{report:?}");
    assert_eq!(report.paid + report.unknown + report.left_due, 30);
}

async fn a_probe_that_is_answered_with_a_refusal_stops_the_channel_and_says_why(on: On) {
    let (world, seen) = world(on, &[], &[("slow", 30)]).await;
    goes_silent(&world, "slow", 30);
    let (report, ()) = tokio::join!(world.run(), async {
        first_probe(&seen).await;
        world.simulator.model().clear_rules();
        world.rule(When::Always, Trouble::Decline { name: "credentials".to_owned() });
        seen.time_passes.send_replace(true);
    });
    assert_eq!((report.status.as_str(), report.paid), ("failed", 0), "{report:?}");
    let why = &report.stopped_channels["slow"];
    assert!(!why.contains("all ended unknown") && why.contains("credentials"), "{why}");
    assert_eq!(report.held_channels.unwrap()["slow"], *why, "a person must look");
}

async fn an_order_to_stop_ends_the_probing_at_once(on: On) {
    let (world, seen) = world(on, &[], &[("slow", 30)]).await;
    goes_silent(&world, "slow", 30);
    // Time for the probe that is under way, at the test's pace.
    let shutdown = Shutdown::new(Duration::from_secs(3_000));
    let request = RunRequest { trigger: "test".to_owned(), ..RunRequest::default() };
    let (report, ()) = tokio::join!(world.engine.run(&request, &shutdown), async {
        first_probe(&seen).await;
        // The second minute never ends.
        shutdown.request();
    });
    let report = report.unwrap();
    assert_eq!(report.unknown + report.left_due, 30);
    assert_eq!(states(&world, "slow", 30, "charging").await, 0, "nothing is left claimed");
}

async fn the_kill_switch_holds_the_probes_too(on: On) {
    let (world, seen) = world(on, &[], &[("slow", 30)]).await;
    goes_silent(&world, "slow", 30);
    let paused = Paused { at: world.store.now().await.unwrap(), by: "ops".into(), reason: "a drill".into() };
    let (report, before) = tokio::join!(world.run(), async {
        first_probe(&seen).await;
        world.store.set_switch(&Switch { paused: Some(paused) }).await.unwrap();
        seen.time_passes.send_replace(true);
        begun(&seen)
    });
    assert_eq!((begun(&seen), report.paused), (before, true));
}

async fn probes_count_as_charges_of_a_limited_run(on: On) {
    let (world, seen) = world(on, &[("charge.concurrency", "1")], &[("slow", 30)]).await;
    goes_silent(&world, "slow", 30);
    let request = RunRequest { trigger: "test".to_owned(), charges_max: Some(7), ..RunRequest::default() };
    let report = world.engine.run(&request, &Shutdown::new(Duration::from_secs(8))).await.unwrap();
    assert_eq!((begun(&seen), report.unknown, report.left_due), (7, 7, 23), "five, and two probes");
}
