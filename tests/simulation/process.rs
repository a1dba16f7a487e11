//! A worker's process: the real engine, run again and again, until somebody kills it.

use super::bugs::Mask;
use super::commands;
use super::database::Open;
use super::office::{Machine, Office};
use super::storage::Storage;
use super::time::{DAY, MachineClock, SECOND};
use super::wire::{STORE_ID, Wire};
use chrono::TimeDelta;
use renewd::chance::Seeded;
use renewd::clock::Clock;
use renewd::domain::date::{TimeWindow, Zone};
use renewd::domain::decline::DeclineTables;
use renewd::domain::dunning::DunningPolicy;
use renewd::domain::payment::ChannelType;
use renewd::domain::payment_id::PaymentIdKey;
use renewd::domain::policy::Policy;
use renewd::engine::limits::Limits;
use renewd::engine::reconcile::ReconcileRequest;
use renewd::engine::run::RunRequest;
use renewd::engine::{Engine, Silent};
use renewd::gateway::portone::{PortOne, Settings};
use renewd::shutdown::Shutdown;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use tokio::sync::Notify;

/// Thousands of codes: read once.
pub static TABLES: LazyLock<Arc<DeclineTables>> = LazyLock::new(|| Arc::new(DeclineTables::built_in().unwrap()));

/// What all processes of a world are built from.
pub struct Site {
    office: Arc<Office>,
    open: Open,
    pub mask: Arc<Mask>,
    client: Arc<PortOne>,
    policy: Arc<Policy>,
    held: super::storage::Held,
}

impl Site {
    pub fn new(office: Arc<Office>, open: Open, mask: Arc<Mask>) -> Self {
        let policy = Arc::new(policy(&office));
        Self { office, open, mask, client: Arc::clone(&CLIENT), policy, held: Arc::new(Mutex::new(HashMap::new())) }
    }

    /// The database is another one now.
    pub fn reopen(&mut self, open: Open) {
        self.open = open;
    }

    fn engine(&self, machine: &Arc<Machine>, seed: u64) -> Engine {
        let office = &self.office;
        let error = office.swarm.clock_error;
        let clock = MachineClock {
            time: office.time.clone(),
            error: TimeDelta::seconds(office.between(-error, error)),
            is_test: false,
        };
        let clock_port: Arc<dyn Clock> = Arc::new(clock.clone());
        Engine {
            store: Arc::new(Storage {
                office: Arc::clone(office),
                machine: Arc::clone(machine),
                inner: (self.open)(clock.clone()),
                clock: Arc::clone(&clock_port),
                bug: self.mask.bug,
                held: Arc::clone(&self.held),
            }),
            gateway: Arc::new(Wire {
                office: Arc::clone(office),
                machine: Arc::clone(machine),
                clock,
                client: Arc::clone(&self.client),
                mask: Arc::clone(&self.mask),
            }),
            clock: clock_port,
            chance: Arc::new(Seeded::new(seed)),
            policy: Arc::clone(&self.policy),
            limits: Limits { concurrency: 4, circuit_unknown_in_a_row: office.swarm.circuit, ..Limits::default() },
            progress: Arc::new(Silent),
            meter: Arc::new(renewd::engine::meter::Unwatched),
        }
    }
}

/// Writes requests; it never connects.
pub fn client() -> &'static PortOne {
    &CLIENT
}

static CLIENT: LazyLock<Arc<PortOne>> = LazyLock::new(|| {
    renewd::app::install_tls();
    let clock = MachineClock { time: super::time::Time::default(), error: TimeDelta::zero(), is_test: true };
    let settings = Settings {
        base_url: "http://127.0.0.1:9".to_owned(),
        api_secret: "simulated".to_owned().into(),
        store_id: STORE_ID.to_owned(),
        product_type: None,
        locale: None,
        connect_timeout: Duration::from_secs(10),
        first_byte_timeout: Duration::from_secs(65),
        call_timeout: Duration::from_secs(75),
        body_bytes_max: 1 << 20,
    };
    Arc::new(PortOne::new(settings, Arc::new(clock)).unwrap())
});

fn policy(office: &Office) -> Policy {
    let whole_day = TimeWindow::parse("00:00-23:59").unwrap();
    let window = if office.swarm.all_day { whole_day } else { TimeWindow::parse("09:00-21:00").unwrap() };
    let quiet = TimeWindow::parse("23:00-01:00").unwrap();
    Policy {
        zone: Zone::parse("Asia/Seoul").unwrap(),
        renew_before_days: 1,
        max_overdue: TimeDelta::days(3),
        grace: TimeDelta::days(7),
        downgrade_at_run: false,
        window,
        quiet,
        dunning: DunningPolicy { window, quiet, ..DunningPolicy::default() },
        declines: Arc::clone(&TABLES),
        payment_id_key: PaymentIdKey::new([7; 32]),
        store_id: STORE_ID.to_owned(),
        channel_type: ChannelType::Live,
        channel_key: None,
        product_type: None,
        locale: None,
        refund_late: office.swarm.refunds,
        refund_late_cancel: office.swarm.refunds,
        claims_unsettled_max: 3,
    }
}

type Life = Pin<Box<dyn Future<Output = ()>>>;

pub struct Process {
    pub births: u64,
    machine: Arc<Machine>,
    ready: Arc<Ready>,
    life: Option<Life>,
}

/// Something happened that the process waits for.
#[derive(Default)]
struct Ready {
    is: AtomicBool,
    told: Notify,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.is.store(true, Ordering::SeqCst);
        self.told.notify_one();
    }
}

impl Process {
    pub fn start(site: &Site, number: usize, births: u64) -> Self {
        let machine = Arc::new(Machine { number, ..Machine::default() });
        let seed = site.office.swarm.seed ^ (births << 20) ^ ((number as u64) << 50);
        let engine = site.engine(&machine, seed);
        let life = tokio::task::unconstrained(live(Arc::clone(&site.office), engine, number));
        let ready = Arc::new(Ready::default());
        ready.is.store(true, Ordering::SeqCst);
        Self { births, machine, ready, life: Some(Box::pin(life)) }
    }

    pub fn runs(&self) -> bool {
        self.life.is_some()
    }

    pub fn can_run(&self, now: i64) -> bool {
        self.runs() && self.ready.is.load(Ordering::SeqCst) && self.machine.paused_until.load(Ordering::Relaxed) <= now
    }

    pub fn was_killed(&self) -> bool {
        self.runs() && self.machine.killed.load(Ordering::Relaxed)
    }

    /// Whether a charge request of it is under way.
    pub fn is_asking(&self) -> bool {
        self.machine.is_asking.load(Ordering::Relaxed)
    }

    pub fn stop(&mut self) {
        self.life = None;
    }

    /// Runs until it waits for time to pass. What the database is doing for it is waited for: that takes real time, and
    /// none of the world's.
    pub async fn step(&mut self, office: &Office) {
        let Some(life) = &mut self.life else { return };
        let waker = Waker::from(Arc::clone(&self.ready));
        let mut context = Context::from_waker(&waker);
        loop {
            while self.ready.is.swap(false, Ordering::SeqCst) {
                if life.as_mut().poll(&mut context).is_ready() {
                    self.life = None;
                    return;
                }
            }
            if office.busy.load(Ordering::SeqCst) == 0 {
                return;
            }
            self.ready.told.notified().await;
        }
    }
}

/// A run now, and then a few a day.
async fn live(office: Arc<Office>, engine: Engine, number: usize) {
    let request =
        RunRequest { trigger: "simulation".to_owned(), actor: format!("worker-{number}"), ..RunRequest::default() };
    let mut night = office.time.micros() / DAY;
    loop {
        if office.swarm.reconciles && night < office.time.micros() / DAY {
            night = office.time.micros() / DAY;
            reconcile(&office, &engine, number).await;
        }
        let began = office.time.micros();
        let ended = engine.run(&request, &Shutdown::new(Duration::from_secs(8))).await;
        office.note("ran", number, || match &ended {
            Ok(report) => format!(
                "{} paid {} declined {} unknown {}",
                report.status, report.paid, report.declined, report.unknown
            ),
            Err(err) => format!("ended with {err}"),
        });
        if ended.is_ok_and(|report| report.status == "completed") {
            office.completed(began);
        }
        if office.strikes(office.swarm.commands) {
            commands::type_one(&office, &engine, number).await;
        }
        let interval = DAY / office.swarm.runs_a_day;
        office.time.sleep(office.between(SECOND, 2 * interval)).await;
    }
}

async fn reconcile(office: &Office, engine: &Engine, number: usize) {
    let until = office.time.now();
    let request = ReconcileRequest {
        trigger: "simulation".to_owned(),
        actor: format!("worker-{number}"),
        from: until - TimeDelta::days(2),
        until,
    };
    let ended = engine.reconcile(&request, &Shutdown::new(Duration::from_secs(8))).await;
    office.note("reconciled", number, || format!("{ended:?}"));
}
