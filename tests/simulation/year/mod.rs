//! A year of a business: two thousand subscriptions, cards as they are, customers who react or do not, and the daemon's
//! day over and over. Where the other worlds break everything in a month, this one is about what takes its time: ladders,
//! pay days, cards that two subscriptions share, notices, price rises, money that comes late.
//!
//! | file | what |
//! | --- | --- |
//! | `cards.rs` | how cards live: empty until pay day, at their limit, lost |
//! | `line.rs` | the gateway at the other end of a line that seldom breaks |
//! | `people.rs` | who subscribes, and what they do when they are told something |
//! | `promises.rs` | the promises of the ladder, in words of their own |

mod cards;
mod line;
mod people;
mod promises;

use super::auditor::{Auditor, Violation};
use super::database::{Database, Memory};
use super::facts::{Charge, Decline, Payer, Truth};
use super::population::purpose;
use super::process::{TABLES, client};
use super::time::{DAY, Event, HOUR, MINUTE, MachineClock, Time};
use chrono::TimeDelta;
use line::Line;
use people::People;
use promises::Promises;
use renewd::chance::Seeded;
use renewd::domain::date::{TimeWindow, Zone};
use renewd::domain::dunning::DunningPolicy;
use renewd::domain::payment::ChannelType;
use renewd::domain::payment_id::PaymentIdKey;
use renewd::domain::policy::Policy;
use renewd::engine::limits::Limits;
use renewd::engine::look_ahead::LookAheadRequest;
use renewd::engine::run::RunRequest;
use renewd::engine::{Engine, Silent};
use renewd::gateway::simulator::{GatewayModel, ModelSettings};
use renewd::shutdown::Shutdown;
use renewd::store::Store;
use renewd::store::memory::MemoryStore;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Midnight in Seoul, on a Monday.
const START: &str = "2026-01-05T00:00:00+09:00";

/// How big a world is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub seed: u64,
    pub subscriptions: usize,
    pub days: i64,
    /// The hours of the day at which the daemon charges what is due.
    pub hours: &'static [i64],
    /// How much more often cards and customers do something than they do in life.
    pub haste: f64,
}

/// What became of it.
#[derive(Default)]
pub struct Ended {
    pub violations: Vec<Violation>,
    pub charges: usize,
    pub counts: BTreeMap<String, u64>,
}

struct World {
    size: Size,
    time: Time,
    store: MemoryStore,
    database: Memory,
    model: Arc<Mutex<GatewayModel>>,
    engine: Engine,
    people: Arc<Mutex<People>>,
    auditor: Auditor,
    promises: Promises,
    truth: Truth,
    ended: Ended,
}

/// Lives through a world of this size.
pub fn live(size: Size) -> Ended {
    let mut world = World::new(size);
    for day in 0..size.days {
        world.day(day);
        if !world.ended.violations.is_empty() {
            println!("day {day} of seed {}: {:#?}", size.seed, world.ended.violations);
            return world.ended;
        }
    }
    world.end()
}

impl World {
    fn new(size: Size) -> Self {
        let time = Time::starting_at(START.parse().unwrap());
        let clock = MachineClock { time: time.clone(), error: TimeDelta::zero(), is_test: true };
        let store = MemoryStore::new(Arc::new(clock.clone()));
        let settings = ModelSettings { seed: size.seed, ..ModelSettings::default() };
        let model = Arc::new(Mutex::new(GatewayModel::new(settings).unwrap()));
        let people = Arc::new(Mutex::new(People::new(size, store.clone(), Arc::clone(&model))));
        let line = Line::new(time.clone(), Arc::clone(&model), Arc::clone(&people), size.seed);
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let engine = Engine {
            store: Arc::clone(&shared),
            gateway: Arc::new(line),
            clock: Arc::new(clock),
            chance: Arc::new(Seeded::new(size.seed)),
            policy: Arc::new(policy()),
            limits: Limits::default(),
            progress: Arc::new(Silent),
            meter: Arc::new(renewd::engine::meter::Unwatched),
        };
        let mut world = Self {
            size,
            database: Memory::of(store.clone()),
            time,
            store,
            model,
            engine,
            people,
            auditor: Auditor::default(),
            promises: Promises::default(),
            truth: Truth::default(),
            ended: Ended::default(),
        };
        let people = Arc::clone(&world.people);
        drive(&world.time, async { shared.migrate(None).await.unwrap() });
        let batch = people.lock().unwrap().move_in(world.time.now());
        drive(&world.time, async { shared.import(batch).await.unwrap() });
        world.auditor.first_ends = people.lock().unwrap().first_ends();
        world.auditor.prices = people.lock().unwrap().prices();
        world.auditor.exact = true;
        // An answer may be looked up again for a day before it is believed.
        world.auditor.news_may_be_old = 2 * DAY;
        world
    }

    /// A day of the daemon, and an evening of the customers.
    fn day(&mut self, day: i64) {
        let midnight = START.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros() + day * DAY;
        self.people.lock().unwrap().morning(day);
        self.until(midnight + 9 * HOUR);
        // One night in a hundred nobody is there to look or to charge; the next run catches up.
        if day % 100 != 99 {
            self.look_ahead();
            for hour in self.size.hours {
                self.until(midnight + hour * HOUR);
                self.run();
            }
        }
        self.until(midnight + 21 * HOUR + 30 * MINUTE);
        self.people.lock().unwrap().evening();
        self.until(midnight + 22 * HOUR);
        // After hours: cancellations are written, and nothing is sent.
        self.run();
        if day % 30 == 29 {
            self.audit();
        }
    }

    fn until(&self, micros: i64) {
        let wait = micros - self.time.micros();
        drive(&self.time, self.time.sleep(wait.max(0)));
    }

    fn run(&mut self) {
        let request = RunRequest { trigger: "year".to_owned(), actor: "daemon".to_owned(), ..RunRequest::default() };
        let ran = drive(&self.time, self.engine.run(&request, &Shutdown::new(Duration::from_secs(8))));
        let report = ran.unwrap();
        let mut count = |what: &str, number: u64| *self.ended.counts.entry(what.to_owned()).or_default() += number;
        count("paid", report.paid);
        count("declined", report.declined);
        count("failed", report.failed);
        count("canceled", report.canceled);
        count("lapsed", report.lapsed);
        count("review", report.review);
        count("downgraded", report.downgraded);
        count("unknown", report.unknown);
        let now = self.time.micros();
        self.ended.violations.extend(self.promises.after_a_run(&self.store, now));
        self.ended.violations.extend(self.people.lock().unwrap().charged_after_all());
    }

    fn look_ahead(&mut self) {
        let request = LookAheadRequest {
            trigger: "year".to_owned(),
            actor: "daemon".to_owned(),
            days: 3,
            notice_days: 7,
            schedules: true,
        };
        let looked = drive(&self.time, self.engine.look_ahead(&request, &Shutdown::new(Duration::from_secs(8))));
        let report = looked.unwrap();
        let mut count = |what: &str, number: u64| *self.ended.counts.entry(what.to_owned()).or_default() += number;
        count("announced", report.announced);
        count("announced again", report.announced_again);
        count("told early", report.missing_told);
        count("scheduled", report.scheduled);
    }

    /// All promises, those of the other worlds too.
    fn audit(&mut self) {
        self.read_ledger();
        self.auditor.prices = self.people.lock().unwrap().prices();
        let facts = drive(&self.time, self.database.facts());
        let found = self.auditor.look(&facts, &self.truth, self.time.micros(), None);
        self.ended.violations.extend(found);
        self.ended.violations.extend(self.promises.of_history(&self.store));
    }

    /// The last weeks are quiet, so that everything can end.
    fn end(mut self) -> Ended {
        self.people.lock().unwrap().rest();
        for day in self.size.days..self.size.days + 14 {
            self.day(day);
        }
        self.read_ledger();
        let facts = drive(&self.time, self.database.facts());
        let found = self.auditor.look_at_the_end(&facts, &self.truth, self.time.micros());
        self.ended.violations.extend(found);
        self.ended.violations.extend(self.promises.of_history(&self.store));
        self.ended.charges = self.truth.charges.len();
        for event in self.store.events() {
            *self.ended.counts.entry(event.kind.as_str().to_owned()).or_default() += 1;
        }
        self.ended
    }

    /// The ledger only grows: what is new is read.
    fn read_ledger(&mut self) {
        let mut model = self.model.lock().unwrap();
        model.advance(self.time.now());
        let purpose = |payment_id: &str| purpose(model.record(payment_id)?.custom_data.as_deref()?);
        let people = self.people.lock().unwrap();
        let payer = |payment_id: &str, purpose: &Option<(String, i64)>| {
            let key = model.record(payment_id).and_then(|record| record.billing_key.as_deref());
            key.map_or(Payer::Stranger, |key| Payer::Customer(people.payer(key, purpose)))
        };
        let (ledger, truth) = (model.ledger(), &mut self.truth);
        for charge in &ledger.charges()[truth.charges.len()..] {
            let purpose = purpose(&charge.payment_id);
            truth.charges.push(Charge {
                payment_id: charge.payment_id.clone(),
                amount: charge.amount,
                at: charge.at.timestamp_micros(),
                payer: payer(&charge.payment_id, &purpose),
                purpose,
            });
        }
        for decline in &ledger.declined()[truth.declines.len()..] {
            truth.declines.push(Decline { purpose: purpose(&decline.payment_id) });
        }
        for refused in &people.refused()[truth.refused_keys.len()..] {
            truth.refused_keys.push(Decline { purpose: refused.clone() });
        }
    }
}

fn policy() -> Policy {
    Policy {
        zone: Zone::parse("Asia/Seoul").unwrap(),
        renew_before_days: 1,
        max_overdue: TimeDelta::days(3),
        grace: TimeDelta::days(7),
        downgrade_at_run: false,
        window: TimeWindow::parse("09:00-21:00").unwrap(),
        quiet: TimeWindow::parse("23:00-01:00").unwrap(),
        dunning: DunningPolicy::default(),
        declines: Arc::clone(&TABLES),
        payment_id_key: PaymentIdKey::new([9; 32]),
        store_id: super::wire::STORE_ID.to_owned(),
        channel_type: ChannelType::Live,
        channel_key: None,
        product_type: None,
        locale: None,
        refund_late: true,
        refund_late_cancel: false,
        claims_unsettled_max: 3,
    }
}

/// Something happened that the work waits for.
#[derive(Default)]
struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Runs `work` to its end, in simulated time: when it waits, time goes on to what it waits for.
fn drive<T>(time: &Time, work: impl Future<Output = T>) -> T {
    let mut work = pin!(tokio::task::unconstrained(work));
    let ready = Arc::new(Ready(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&ready));
    let mut context = Context::from_waker(&waker);
    loop {
        while ready.0.swap(false, Ordering::SeqCst) {
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                return done;
            }
        }
        match time.next(i64::MAX) {
            Some(Event::Wake(waker)) => waker.wake(),
            Some(Event::Happens(_)) => {}
            None => panic!("it waits for something that never comes"),
        }
    }
}

#[test]
fn the_promises_see_what_is_broken() {
    promises::see_what_is_broken();
}
