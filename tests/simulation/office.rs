//! What everybody in a simulated world shares: time, fate, the gateway, and the record of what happened.

use super::swarm::Swarm;
use super::time::{MINUTE, SECOND, Time};
use renewd::gateway::simulator::GatewayModel;
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, pending};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// As the engine's own.
const LEASE: i64 = 10 * MINUTE;

pub struct Office {
    pub time: Time,
    pub swarm: Swarm,
    model: Mutex<GatewayModel>,
    random: Mutex<fastrand::Rng>,
    /// Faults are over.
    calm: AtomicBool,
    database_away: AtomicBool,
    /// Real work under way that no simulated time passes for.
    pub busy: AtomicUsize,
    /// Real work is done one after the other, in the order in which it was asked for: what is done side by side would
    /// end in the machine's order.
    turn: tokio::sync::Mutex<()>,
    /// Goes up with every change of the database or the ledger.
    changes: AtomicU64,
    trace: Mutex<Trace>,
    /// When each run that did all its work began.
    completed: Mutex<Vec<i64>>,
}

struct Trace {
    digest: DefaultHasher,
    told: bool,
    counts: BTreeMap<&'static str, u64>,
    struck: BTreeMap<String, u64>,
}

impl Office {
    /// `told` prints every line as it happens.
    pub fn new(swarm: Swarm, time: Time, model: GatewayModel, told: bool) -> Arc<Self> {
        let random = fastrand::Rng::with_seed(swarm.seed ^ 0x5eed);
        Arc::new(Self {
            time,
            swarm,
            model: Mutex::new(model),
            random: Mutex::new(random),
            calm: AtomicBool::new(false),
            database_away: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::new(()),
            changes: AtomicU64::new(0),
            completed: Mutex::default(),
            trace: Mutex::new(Trace {
                digest: DefaultHasher::new(),
                told,
                counts: BTreeMap::new(),
                struck: BTreeMap::new(),
            }),
        })
    }

    pub fn model(&self) -> MutexGuard<'_, GatewayModel> {
        self.model.lock().unwrap()
    }

    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub fn set_database_away(&self, away: bool) {
        self.database_away.store(away, Ordering::Relaxed);
    }

    pub fn is_database_away(&self) -> bool {
        self.database_away.load(Ordering::Relaxed)
    }

    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    pub fn completed(&self, began: i64) {
        self.completed.lock().unwrap().push(began);
    }

    /// The last runs that did all their work began then.
    pub fn last_completed(&self, runs: usize) -> Option<i64> {
        let completed = self.completed.lock().unwrap();
        completed.iter().rev().nth(runs.checked_sub(1)?).copied()
    }

    /// Whether a fault of this likelihood strikes here; never in calm times.
    pub fn strikes(&self, chance: f64) -> bool {
        chance > 0.0 && !self.is_calm() && self.random.lock().unwrap().f64() < chance
    }

    /// Evenly between the bounds, the upper one included.
    pub fn between(&self, least: i64, most: i64) -> i64 {
        self.random.lock().unwrap().i64(least..=most.max(least))
    }

    /// Keeps a line of what happened. The text is only made where somebody will read it.
    pub fn note(&self, kind: &'static str, who: usize, text: impl FnOnce() -> String) {
        let mut trace = self.trace.lock().unwrap();
        let at = self.time.micros();
        (kind, who, at).hash(&mut trace.digest);
        *trace.counts.entry(kind).or_default() += 1;
        if trace.told || std::thread::panicking() {
            println!("{} [{who}] {kind} {}", self.time.now().format("%m-%d %H:%M:%S%.6f"), text());
        }
    }

    /// The same for every replay of a seed.
    pub fn digest(&self) -> u64 {
        self.trace.lock().unwrap().digest.finish()
    }

    /// How often each kind of thing happened.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.trace.lock().unwrap().counts.clone()
    }

    /// Counts a fault that really struck, and where.
    pub fn struck(&self, what: String) {
        *self.trace.lock().unwrap().struck.entry(what).or_default() += 1;
    }

    /// How often each fault struck at each place.
    pub fn strokes(&self) -> BTreeMap<String, u64> {
        self.trace.lock().unwrap().struck.clone()
    }

    /// The way to another machine, or back: some time passes, and anything can happen to this one meanwhile.
    pub async fn travel(&self, machine: &Machine, place: Place) {
        self.boundary(machine, place).await;
        self.time.sleep(self.between(100, SECOND / 20)).await;
    }

    /// A place where a process can die or stop: exactly here.
    pub async fn boundary(&self, machine: &Machine, place: Place) {
        let aim = if place.is_about_money() { AIM } else { 1.0 };
        if self.strikes(aim * self.swarm.kill) {
            self.struck(format!("killed {place}"));
            machine.killed.store(true, Ordering::Relaxed);
            pending::<()>().await;
        }
        if self.strikes(aim * self.swarm.pause) {
            let time = self.between(SECOND, self.swarm.pause_max);
            machine.paused_until.store(self.time.micros() + time, Ordering::Relaxed);
            let length = if time > LEASE { "stopped past its lease" } else { "stopped" };
            self.struck(format!("{length} {place}"));
            self.note("paused", machine.number, || format!("for {} s", time / SECOND));
            self.time.sleep(time).await;
        }
    }

    /// Real work: it takes no simulated time, and nothing else happens before it is done.
    pub async fn real<T>(&self, work: impl Future<Output = T>) -> T {
        self.busy.fetch_add(1, Ordering::Relaxed);
        let _done = Done(&self.busy);
        let _turn = self.turn.lock().await;
        work.await
    }
}

struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where a fault can strike: before or after a step, by its name.
#[derive(Clone, Copy)]
pub enum Place {
    Before(&'static str),
    After(&'static str),
}

/// Most steps of most runs find nothing to do: faults are this many times as likely where money is under way.
pub const AIM: f64 = 5.0;

/// The steps without which no money moves and none is recorded.
const ABOUT_MONEY: [&str; 7] = ["request", "answer", "settle", "late", "refund", "refunds", "wake"];

impl Place {
    pub fn is_about_money(self) -> bool {
        let (Self::Before(step) | Self::After(step)) = self;
        ABOUT_MONEY.contains(&step)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(step) => write!(f, "before {step}"),
            Self::After(step) => write!(f, "after {step}"),
        }
    }
}

/// Where a worker runs.
#[derive(Debug, Default)]
pub struct Machine {
    pub number: usize,
    pub killed: AtomicBool,
    /// A charge request of this machine is under way.
    pub is_asking: AtomicBool,
    pub paused_until: AtomicI64,
}

impl fmt::Debug for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Office").field("swarm", &self.swarm).finish_non_exhaustive()
    }
}
