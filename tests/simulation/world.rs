//! A world under one seed: workers that die and stop, a gateway that misbehaves, an API service that changes its mind,
//! and an auditor who looks after every step.

use super::auditor::{Auditor, Violation};
use super::bugs::{Bug, Mask};
use super::database::{Change, Database};
use super::facts::{Charge, Decline, Facts, Payer, Renewal, Truth};
use super::happening::{Business, Happening};
use super::office::Office;
use super::population::{self, Population};
use super::process::{Process, Site};
use super::swarm::Swarm;
use super::time::{DAY, Event, HOUR, MINUTE, SECOND, Time};
use super::wire::said;
use super::{troubles, weather};
use renewd::gateway::simulator::{ChargeCall, GatewayModel, ModelSettings, Reply, Step};
use renewd::store::Switch;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Midnight in Seoul, on a Monday.
pub const START: &str = "2026-01-05T00:00:00+09:00";

/// How long faults are over before the last look.
const CALM_DAYS: i64 = 14;

/// What became of a world.
pub struct Ended {
    pub violations: Vec<Violation>,
    /// The same for every replay of the seed.
    pub digest: u64,
    /// What the tables say at the end.
    pub facts: Facts,
    pub counts: BTreeMap<&'static str, u64>,
    /// How often each fault struck at each place.
    pub strokes: BTreeMap<String, u64>,
    pub charges: usize,
    pub renewals: usize,
}

/// How often the auditor looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    AfterEveryStep,
    Daily,
}

pub struct World<D: Database> {
    office: Arc<Office>,
    database: D,
    site: Site,
    processes: Vec<Process>,
    auditor: Auditor,
    population: Population,
    truth: Truth,
    looked_at: u64,
    look: Look,
    promise: Option<&'static str>,
    calm_from: i64,
    violations: Vec<Violation>,
}

/// The parts that a world is built from.
pub struct Plan {
    pub swarm: Swarm,
    pub bug: Option<Bug>,
    pub look: Look,
    /// The only promise that counts, if not all.
    pub promise: Option<&'static str>,
    /// Prints what happens.
    pub told: bool,
}

impl<D: Database> World<D> {
    pub async fn new(plan: Plan, open: impl AsyncFnOnce(&Time) -> D) -> Self {
        let swarm = plan.swarm;
        let time = Time::starting_at(START.parse().unwrap());
        let model = GatewayModel::new(ModelSettings {
            seed: swarm.seed,
            transactions_max: swarm.transactions_max,
            latency: std::time::Duration::from_millis(swarm.latency),
            races: swarm.races,
            ..ModelSettings::default()
        });
        let database = open(&time).await;
        let office = Office::new(swarm.clone(), time, model.unwrap(), plan.told);
        let population = Population::of(&swarm);
        population.move_in(&*database.store(), &office).await;
        let auditor = Auditor {
            first_ends: population.first_ends(),
            prices: population.prices(),
            refunds: swarm.refunds,
            exact: swarm.other_amount <= 0.0 && swarm.restores == 0 && swarm.failovers_a_week <= 0.0,
            // A look-up that is behind shows an old failure; else an answer is as old as its lease at most.
            news_may_be_old: if swarm.stale > 0.0 { 100 * DAY } else { 11 * MINUTE },
            ..Auditor::default()
        };
        let mask = Arc::new(Mask::new(plan.bug));
        let site = Site::new(Arc::clone(&office), database.open(), mask);
        let processes = (0..swarm.workers).map(|number| Process::start(&site, number, 0)).collect();
        let calm_from = swarm.end(office.time.micros());
        let world = Self {
            office,
            database,
            site,
            processes,
            auditor,
            population,
            truth: Truth::default(),
            looked_at: 0,
            look: plan.look,
            promise: plan.promise,
            calm_from,
            violations: Vec::new(),
        };
        world.office.struck(format!("workers: {}", world.office.swarm.workers));
        weather::begin(&world.office);
        troubles::plan(&world.office, world.calm_from);
        world
    }

    /// Runs to the end, or to the first broken promise.
    pub async fn run(mut self) -> Ended {
        let end = self.calm_from + CALM_DAYS * DAY;
        loop {
            self.run_processes().await;
            if !self.violations.is_empty() {
                break;
            }
            match self.office.time.next(end) {
                Some(Event::Wake(waker)) => waker.wake(),
                Some(Event::Happens(happening)) => self.happens(*happening).await,
                None => break,
            }
        }
        let facts = self.database.facts().await;
        if self.violations.is_empty() {
            self.read_ledger();
            let found = self.auditor.look_at_the_end(&facts, &self.truth, end);
            self.violations = self.that_count(found);
        }
        Ended {
            digest: self.office.digest(),
            counts: self.office.counts(),
            strokes: self.office.strokes(),
            charges: self.office.model().ledger().charges().len(),
            renewals: facts.renewals.len(),
            facts,
            violations: self.violations,
        }
    }

    /// Lets every process that is ready and not stopped run until it waits for time to pass.
    async fn run_processes(&mut self) {
        loop {
            let now = self.office.time.micros();
            let Some(number) = self.processes.iter().position(|process| process.can_run(now)) else { return };
            self.processes[number].step(&self.office).await;
            if self.processes[number].was_killed() {
                self.kill(number);
            }
            if self.look == Look::AfterEveryStep {
                self.audit().await;
            }
        }
    }

    fn kill(&mut self, number: usize) {
        if self.processes[number].is_asking() {
            self.office.struck("killed with its request under way".to_owned());
        }
        self.office.note("killed", number, String::new);
        self.processes[number].stop();
        self.office.time.after(self.office.between(SECOND, 60 * MINUTE), Happening::Start(number));
    }

    async fn audit(&mut self) {
        if self.looked_at == self.office.changes() || !self.violations.is_empty() {
            return;
        }
        self.looked_at = self.office.changes();
        let facts = self.database.facts().await;
        self.read_ledger();
        let planned_since = self.office.last_completed(2);
        let found = self.auditor.look(&facts, &self.truth, self.office.time.micros(), planned_since);
        self.violations = self.that_count(found);
    }

    fn that_count(&self, mut found: Vec<Violation>) -> Vec<Violation> {
        found.retain(|violation| self.promise.is_none_or(|promise| violation.promise == promise));
        found
    }

    async fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives(request) => {
                let call = ChargeCall {
                    payment_id: &request.payment_id,
                    idempotency_key: Some(&request.idempotency_key),
                    body: &request.body,
                };
                let step = self.office.model().charge(self.office.time.now(), &call);
                match step {
                    Step::Answered(reply) => {
                        self.hear(&reply, &request.body);
                        self.office.time.after(SECOND / 100, Happening::Answers(reply, request.answer));
                    }
                    Step::Approving { ticket, wait } => {
                        let wait = i64::try_from(wait.as_micros()).unwrap();
                        self.office.time.after(wait, Happening::Approves(ticket, request.answer));
                    }
                }
                self.office.changed();
            }
            Happening::Approves(ticket, answer) => {
                let reply = self.office.model().approve(self.office.time.now(), *ticket);
                self.office.changed();
                self.office.time.after(SECOND / 100, Happening::Answers(reply, answer));
            }
            Happening::Answers(reply, answer) => {
                self.office.struck(format!("charge: {}", said(&reply)));
                if self.office.strikes(self.office.swarm.answer_lost) {
                    self.office.struck("answer lost".to_owned());
                } else if answer.send(reply).is_err() {
                    self.office.struck("nobody waits for the answer".to_owned());
                }
            }
            Happening::Kill(number) if self.processes[number].runs() && !self.office.is_calm() => self.kill(number),
            Happening::Start(number) if !self.processes[number].runs() => {
                let births = self.processes[number].births + 1;
                self.processes[number] = Process::start(&self.site, number, births);
            }
            Happening::Kill(_) | Happening::Start(_) => {}
            Happening::Business(business) => self.business(business).await,
            Happening::DatabaseAway => self.office.set_database_away(!self.office.is_calm()),
            Happening::DatabaseBack => self.office.set_database_away(false),
            Happening::Copy(name) => self.database.copy(name).await,
            Happening::Restore(name) => self.restore(name).await,
            Happening::GatewayAway(away) => weather::away(&self.office, away),
            Happening::Operations => self.operations().await,
            Happening::Calm => {
                self.office.calm_down();
                self.office.set_database_away(false);
                self.office.model().clear_rules();
            }
            Happening::Midnight => {
                self.office.changed();
                self.audit().await;
                self.office.time.after(DAY, Happening::Midnight);
            }
        }
    }

    async fn business(&mut self, business: Business) {
        if self.office.is_calm() {
            return;
        }
        let change = match business {
            Business::Cancel(number) => self.population.cancel(number, true),
            Business::ChangeOfMind(number) => self.population.cancel(number, false),
            Business::ChangePlan(number) => self.population.change_plan(number, &self.office),
            Business::NewCard(number) => {
                self.population.new_card(number, &*self.database.store()).await;
                self.office.note("new card", number, String::new);
                self.office.struck("new card".to_owned());
                return;
            }
            Business::Price => self.population.change_price(&self.office),
        };
        self.office.note("the API service", 0, || format!("{change:?}"));
        self.office.struck(format!("{business:?}").split('(').next().unwrap_or_default().to_owned());
        self.database.change(&change).await;
        self.office.changed();
        match change {
            Change::Cancel { subscription, canceled: true } => {
                let facts = self.database.facts().await;
                let under_way = |row: &Renewal| matches!(row.state.as_str(), "charging" | "unknown");
                if facts.renewals.iter().any(|row| row.subscription_id == subscription && under_way(row)) {
                    self.office.struck("Cancel with a charge under way".to_owned());
                }
                self.auditor.canceled(&subscription, &facts, self.office.time.micros());
            }
            Change::Cancel { subscription, canceled: false } => self.auditor.changed_their_mind(&subscription),
            Change::Price { amount, .. } => drop(self.auditor.prices.insert(amount)),
            Change::NextPlan { .. } => {}
        }
    }

    /// The processes die with their connections, and the database is what it was.
    async fn restore(&mut self, name: &'static str) {
        if self.office.is_calm() {
            return;
        }
        for number in 0..self.processes.len() {
            if self.processes[number].runs() {
                self.kill(number);
            }
        }
        if self.database.restore(name).await {
            self.office.note("restored", 0, || name.to_owned());
            self.office.struck(format!("restored: {name}"));
            self.site.reopen(self.database.open());
            self.office.changed();
            let facts = self.database.facts().await;
            self.auditor.restored(&facts, self.office.time.micros());
        }
    }

    /// A billing key that the gateway knows no more stands in no ledger, only in its answer.
    fn hear(&mut self, reply: &Reply, body: &[u8]) {
        if ["BILLING_KEY_NOT_FOUND", "BILLING_KEY_ALREADY_DELETED"].iter().any(|word| reply.body.contains(word)) {
            let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let purpose = body["customData"].as_str().and_then(population::purpose);
            self.truth.refused_keys.push(Decline { purpose });
        }
    }

    /// Somebody looks after what was held.
    async fn operations(&mut self) {
        let store = self.database.store();
        if store.switch().await.is_ok_and(|switch| switch.paused.is_some()) {
            self.office.note("resumed", 0, String::new);
            store.set_switch(&Switch { paused: None }).await.unwrap();
            self.office.changed();
        }
        self.office.time.after(6 * HOUR, Happening::Operations);
    }

    /// The ledger only grows: what is new is read.
    fn read_ledger(&mut self) {
        let mut model = self.office.model();
        model.advance(self.office.time.now());
        let purpose = |payment_id: &str| population::purpose(model.record(payment_id)?.custom_data.as_deref()?);
        // Whoever pays in a browser has no billing key there.
        let payer = |payment_id: &str| {
            let billing_key = model.record(payment_id).and_then(|record| record.billing_key.as_deref());
            billing_key.map_or(Payer::Stranger, |key| Payer::Customer(population::owner(key).unwrap_or_default()))
        };
        let (ledger, truth, mask) = (model.ledger(), &mut self.truth, &self.site.mask);
        for charge in &ledger.charges()[truth.charges.len()..] {
            let purpose = purpose(&charge.payment_id);
            if truth.declines.iter().any(|decline| purpose.is_some() && decline.purpose == purpose) {
                self.office.struck("a charge after a decline".to_owned());
            }
            if !self.auditor.prices.contains(&charge.amount) {
                self.office.struck("a charge of a sum that nobody asked for".to_owned());
            }
            truth.charges.push(Charge {
                payment_id: mask.known_as(&charge.payment_id),
                amount: charge.amount,
                at: charge.at.timestamp_micros(),
                purpose,
                payer: payer(&charge.payment_id),
            });
        }
        for decline in &ledger.declined()[truth.declines.len()..] {
            truth.declines.push(Decline { purpose: purpose(&decline.payment_id) });
        }
        for given in &ledger.given_back()[truth.given_back.len()..] {
            truth.given_back.push((given.payment_id.clone(), given.amount));
        }
    }
}
