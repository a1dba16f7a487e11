//! One round: two runs share the work while a seeded schedule kills, stops and cuts off what it can; then quiet runs
//! until nothing is due. The auditor looks after every process that ended, and at the end.

use super::audit::Moment;
use super::ground::{Ground, HASTY, HASTY_LEASE, PATIENT};
use super::worker::{Signal, Worker};
use crate::support::postgres::PrivateServer;
use chrono::TimeDelta;
use std::time::Duration;

/// Runs at once, never more.
const WORKERS_MAX: usize = 2;
const STEPS: u32 = 6;
/// Subscriptions before the first run, and before each step.
const SUBSCRIPTIONS_FIRST: usize = 30;
const SUBSCRIPTIONS_MORE: usize = 8;
const LATENCY: Duration = Duration::from_millis(30);

/// What billing keys ask the gateway for, by how they end; see its simulator. Half of them ask for nothing.
const ENDINGS: [&str; 15] = [
    "-insufficient-once",
    "-insufficient",
    "-limit-twice",
    "-lost",
    "-maintenance-once",
    "-timeout",
    "-error",
    "-error-before-once",
    "-request-lost-once",
    "-garbage",
    "-cut",
    "-pending",
    "-pending-failed",
    "-outstanding-once",
    "-late",
];

/// How much time passes before each of the quiet runs: past the lease, the first look-ups, the time after which an
/// unreceived request is sent again, then the days of the ladder, each at about ten past ten, and at last the late
/// look-ups of what ended on the last of these days, twice: on a busy machine one may go unanswered.
const QUIET_WAITS: [TimeDelta; 12] = [
    TimeDelta::seconds(3),
    TimeDelta::seconds(61),
    TimeDelta::seconds(660),
    TimeDelta::seconds(3_900),
    TimeDelta::hours(23),
    TimeDelta::days(1),
    TimeDelta::days(1),
    TimeDelta::days(2),
    TimeDelta::days(2),
    TimeDelta::days(2),
    TimeDelta::hours(2),
    TimeDelta::hours(2),
];

#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Kill,
    PauseBeyondLease,
    CutConnections,
    RestartServer,
    Cancel,
    NewKey,
}

/// How often what was meant to disturb met something to disturb.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub killed: u32,
    pub paused: u32,
    pub cut: u32,
    pub restarted: u32,
    /// Cancelled with no attempt made yet.
    pub canceled_in_time: u32,
    /// Claims that a killed run left behind.
    pub left_open: u32,
    /// Runs that ended with an error of their own.
    pub failed_runs: u32,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.killed += other.killed;
        self.paused += other.paused;
        self.cut += other.cut;
        self.restarted += other.restarted;
        self.canceled_in_time += other.canceled_in_time;
        self.left_open += other.left_open;
        self.failed_runs += other.failed_runs;
    }
}

struct Round<'a> {
    random: fastrand::Rng,
    ground: Ground,
    server: &'a mut PrivateServer,
    workers: Vec<Worker>,
    subscriptions: Vec<String>,
    tally: Tally,
    story: Story,
}

/// Told only when the round fails.
struct Story {
    seed: u64,
    lines: Vec<String>,
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the round of CRASH_SEED={} failed:\n  {}", self.seed, self.lines.join("\n  "));
        }
    }
}

/// Plays one round; what its disturbances met.
pub async fn play(seed: u64, server: &mut PrivateServer, template: &str) -> Tally {
    let mut ground = Ground::open(server, template, LATENCY).await;
    ground.set_waits(&HASTY);
    // Whose process is killed all the time is not what kills it: no row is left to a person for that here.
    ground.set("RENEWD_CHARGE__CLAIMS_UNSETTLED_MAX", "100".to_owned());
    let mut round = Round {
        random: fastrand::Rng::with_seed(seed),
        ground,
        server,
        workers: Vec::new(),
        subscriptions: Vec::new(),
        tally: Tally::default(),
        story: Story { seed, lines: Vec::new() },
    };
    round.subscribe(SUBSCRIPTIONS_FIRST).await;
    for _ in 0..STEPS {
        round.fill_up().await;
        let wait = round.random.u64(0..250);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        round.subscribe(SUBSCRIPTIONS_MORE).await;
        let disturbance = round.choose();
        round.disturb(disturbance).await;
    }
    round.fill_up().await;
    round.wait_for_all().await;
    round.quiet().await;
    round.tally
}

impl Round<'_> {
    fn choose(&mut self) -> Disturbance {
        match self.random.u32(0..100) {
            0..30 => Disturbance::Kill,
            30..45 => Disturbance::PauseBeyondLease,
            45..65 => Disturbance::CutConnections,
            65..75 => Disturbance::RestartServer,
            75..92 => Disturbance::Cancel,
            _ => Disturbance::NewKey,
        }
    }

    async fn subscribe(&mut self, count: usize) {
        let endings: Vec<&str> = std::iter::repeat_with(|| match self.random.bool() {
            true => ENDINGS[self.random.usize(0..ENDINGS.len())],
            false => "",
        })
        .take(count)
        .collect();
        let ids = self.ground.subscribe(&endings).await;
        let ended = ids.iter().zip(&endings).filter(|(_, ending)| !ending.is_empty());
        self.story.lines.push(ended.map(|(id, ending)| format!("{id}{ending} ")).collect());
        self.subscriptions.extend(ids);
    }

    async fn disturb(&mut self, what: Disturbance) {
        self.story.lines.push(format!("{} {what:?}", self.ground.clock_text()));
        match what {
            Disturbance::Kill => self.kill().await,
            Disturbance::PauseBeyondLease => self.pause_beyond_lease().await,
            Disturbance::CutConnections => self.tally.cut += u32::from(self.ground.cut_connections().await > 0),
            Disturbance::RestartServer => self.restart_server().await,
            Disturbance::Cancel => self.cancel().await,
            Disturbance::NewKey => {
                let subscription = self.any_subscription();
                let key = format!("bk-new-{}", self.random.u32(..));
                self.story.lines.push(format!("  {subscription} gets {key}"));
                self.ground.enter_key(&subscription, &key).await;
            }
        }
    }

    async fn kill(&mut self) {
        let victim = self.random.usize(0..self.workers.len());
        if self.workers[victim].kill() {
            self.tally.killed += 1;
            let open = self.ground.count("SELECT count(*) FROM renewals WHERE state = 'charging'").await;
            self.tally.left_open += u32::try_from(open).expect("a small count");
        }
    }

    /// Stopped for longer than its lease, while a run that starts meanwhile takes over; then it goes on as if nothing
    /// had happened.
    async fn pause_beyond_lease(&mut self) {
        // Out of the list, so that it is not replaced.
        let mut stopped = self.workers.swap_remove(self.random.usize(0..self.workers.len()));
        let met = stopped.signal(Signal::Stop);
        self.tally.paused += u32::from(met);
        if met {
            tokio::time::sleep(HASTY_LEASE + Duration::from_millis(self.random.u64(50..250))).await;
            self.reap().await;
            if self.workers.is_empty() {
                self.workers.push(self.ground.run());
            }
            tokio::time::sleep(Duration::from_millis(self.random.u64(0..200))).await;
            stopped.signal(Signal::Continue);
        }
        self.workers.push(stopped);
    }

    async fn restart_server(&mut self) {
        self.tally.restarted += 1;
        self.server.stop_at_once().await;
        tokio::time::sleep(Duration::from_millis(self.random.u64(0..100))).await;
        self.server.start_again().await;
    }

    async fn cancel(&mut self) {
        let subscription = self.any_subscription();
        self.story.lines.push(format!("  of {subscription}"));
        self.ground.cancel(&subscription).await;
        let canceled = self.ground.canceled.last().expect("the one just written down");
        self.tally.canceled_in_time += u32::from(canceled.attempts.is_empty());
    }

    /// The newer the likelier: those are not charged yet.
    fn any_subscription(&mut self) -> String {
        let newest = self.subscriptions.len().min(2 * SUBSCRIPTIONS_MORE);
        let back = self.random.usize(0..newest);
        self.subscriptions[self.subscriptions.len() - 1 - back].clone()
    }

    async fn fill_up(&mut self) {
        self.reap().await;
        while self.workers.len() < WORKERS_MAX {
            self.workers.push(self.ground.run());
        }
    }

    /// Looks at every run that ended.
    async fn reap(&mut self) {
        let mut going = Vec::new();
        for mut worker in std::mem::take(&mut self.workers) {
            match worker.ended() {
                None => going.push(worker),
                Some(status) => {
                    self.story.lines.push(format!("{} a run ended: {status}", self.ground.clock_text()));
                    let said = worker.said();
                    let by_itself = matches!(status.code(), Some(0 | 1)) && !said.contains("panicked");
                    assert!(by_itself || worker.killed, "a run ended with {status}:\n{said}");
                    self.tally.failed_runs += u32::from(status.code() == Some(1));
                    self.ground.audit(Moment::AnyTime).await;
                }
            }
        }
        self.workers = going;
    }

    async fn wait_for_all(&mut self) {
        while !self.workers.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.reap().await;
        }
    }

    async fn quiet(&mut self) {
        // An answer that a busy machine is late with would be a disturbance.
        self.ground.set_waits(&PATIENT);
        for wait in QUIET_WAITS {
            self.ground.clock.pass(wait);
            let mut worker = self.ground.run();
            let status = worker.wait().await;
            assert!(status.success(), "a quiet run ended with {status}:\n{}", worker.said());
            self.ground.audit(Moment::AnyTime).await;
        }
        self.ground.audit(Moment::AtTheEnd).await;
    }
}
