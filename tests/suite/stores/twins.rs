//! Twins: the same random walk over the port, on every store, answers the same and leaves the same rows.
//!
//! What the walk decides, the domain decides; chance and time are the walk's own, so that two stores that answer alike
//! are asked alike.

use super::ground::{Ground, LEASE, batch, now, payment, policy};
use chrono::TimeDelta;
use renewd::chance::{Chance, Seeded};
use renewd::clock::Clock;
use renewd::domain::charge::{Attempt, FrozenRequest};
use renewd::domain::claim::{self, ClaimDecision, Claiming};
use renewd::domain::due::{self, Planning};
use renewd::domain::late::{self, Late};
use renewd::domain::payment::{Failure, LookUp, Payment, PaymentStatus};
use renewd::domain::policy::Policy;
use renewd::domain::refund::{self, RefundFacts};
use renewd::domain::renewal::State;
use renewd::domain::settle::{self, Learned, Settling};
use renewd::domain::settlement::Settlement;
use renewd::domain::{access, verdict, waiting};
use renewd::store::{ClaimRequest, DuePage, GivenBack, LateChange, Paused, Switch};
use std::fmt::Debug;
use std::sync::Arc;

const STEPS: usize = 700;
const SUBSCRIPTIONS: [&str; 8] = ["sub_1", "sub_2", "sub_3", "sub_4", "sub_5", "sub_6", "sub_7", "sub_8"];

/// Codes of a card that is spent, one that may work later, and a used-up order number.
const CODES: [&str; 4] = ["REJECT_CARD_PAYMENT", "INVALID_CARD_NUMBER", "DUPLICATED_ORDER_ID", "EXCEED_MAX_AMOUNT"];

/// What no timeline shows.
const BESIDE_THE_TIMELINE: [(&str, &str); 27] = [
    ("renewals", "true"),
    ("renewals", "lease_epoch > 1"),
    ("renewals", "lease_until IS NOT NULL"),
    ("renewals", "unsettled_claims > 0"),
    ("renewals", "look_ups > 0"),
    ("renewals", "first_declined_at IS NOT NULL"),
    ("renewals", "last_decline_class IS NOT NULL"),
    ("renewals", "last_pg_code = 'REJECT_CARD_PAYMENT'"),
    ("renewals", "unknown_since IS NOT NULL"),
    ("renewals", "period_not_moved"),
    ("renewals", "paid_at IS NOT NULL"),
    ("renewals", "ended_at IS NOT NULL"),
    ("renewals", "series > 0"),
    ("attempts", "settled_epoch > 1"),
    ("attempts", "note IS NOT NULL"),
    ("subscriptions", "next_plan_id IS NOT NULL"),
    ("subscriptions", "plan_id = 'max'"),
    ("billing_keys", "unusable_reason IS NOT NULL"),
    ("payments", "NOT verified"),
    ("observations", "true"),
    ("observations", "renewal_id IS NOT NULL"),
    ("retired_payments", "next_look_up_at IS NOT NULL"),
    ("retired_payments", "look_ups > 0"),
    ("events", "attempt_id IS NOT NULL"),
    ("refunds", "true"),
    ("refunds", "next_try_at IS NOT NULL"),
    ("refunds", "tries > 1"),
];

struct Walk {
    ground: Ground,
    dice: Seeded,
    policy: Policy,
    /// Attempts that somebody holds, or once held.
    held: Vec<Attempt>,
    /// Settlements that were written or tried: a late worker may write them again.
    written: Vec<Settlement>,
    log: Vec<String>,
}

impl Walk {
    fn pick(&self, choices: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is below choices")]
        let picked = (self.dice.unit() * choices as f64) as usize;
        picked
    }

    fn new_id(&self) -> uuid::Uuid {
        self.ground.chance.id(self.ground.clock.now())
    }

    fn note(&mut self, step: &str, seen: impl Debug) {
        self.log.push(format!("{} {step}: {seen:?}", self.ground.clock.now()));
    }

    async fn step(&mut self) {
        match self.pick(19) {
            0 | 1 => self.plan().await,
            2 | 3 => self.claim().await,
            4..=6 | 17 => self.settle().await,
            7 => self.write_again().await,
            8 => self.give_back().await,
            9 => self.take_over().await,
            10 => self.look_late().await,
            11 => self.change_standings().await,
            12 => self.change_outside().await,
            13 => self.look().await,
            18 => self.give_money_back().await,
            _ => self.wait(),
        }
    }

    fn wait(&mut self) {
        let minutes = [1, 2, 5, 11, 11, 30, 60, 60, 180, 360, 1500, 4400][self.pick(12)];
        self.ground.pass(TimeDelta::minutes(minutes));
    }

    async fn plan(&mut self) {
        let time = self.ground.clock.now();
        let waits = self.ground.waiting_facts(None, time - self.policy.max_overdue, 9).await.unwrap();
        let new_id = || self.new_id();
        let decided = waits.iter().filter_map(|facts| waiting::decide(facts, &self.policy, time, &new_id).unwrap());
        let mut changed = self.ground.change_renewals(&decided.collect::<Vec<_>>()).await.unwrap();
        changed.sort();
        let page = DuePage {
            ends_before: time + TimeDelta::days(1),
            after: None,
            rows_max: 3,
            only: None,
            not_again_in: None,
        };
        let due = self.ground.due_facts(&page).await.unwrap();
        let at = Planning { business_date: time.date_naive(), now: time, new_id: &new_id };
        let planned: Vec<_> = due.iter().map(|facts| due::decide(facts, &self.policy, &at).1).collect();
        let new = self.ground.record_plan(self.ground.run_id(), &planned).await.unwrap();
        self.note("plan", (waits, changed, due, new));
    }

    async fn claim(&mut self) {
        let (policy, run_id) = (self.policy.clone(), self.ground.run_id());
        let ids = Seeded::new(self.dice.unit().to_bits());
        let decide = move |facts: &claim::ClaimFacts| {
            let with = Claiming {
                run_id,
                lease: TimeDelta::from_std(LEASE).unwrap(),
                policy: &policy,
                stopped: &std::collections::BTreeSet::new(),
                again: None,
                freeze: &|order| FrozenRequest { body: order.amount.to_string(), hash: "h".to_owned() },
                new_id: &|| ids.id(facts.now),
            };
            claim::decide(facts, &with).unwrap_or(ClaimDecision::Skip)
        };
        let request = ClaimRequest { run_id, rows_max: 3, lease: LEASE, after: None, only: None };
        let claimed = self.ground.claim(&request, Arc::new(decide)).await.unwrap();
        self.held.extend(claimed.attempts.iter().map(|attempt| attempt.get().clone()));
        self.note("claim", claimed);
    }

    fn found(&self, attempt: &Attempt) -> LookUp {
        let failed = |code: &str| {
            let failure = Failure { pg_code: Some(code.to_owned()), ..Failure::default() };
            Payment { failure, ..payment(attempt, PaymentStatus::Failed) }
        };
        // What is unknown for a used-up order number mostly stays so.
        let stays = attempt.renewal.unknown_since.is_some() && self.pick(2) == 0;
        let found = match self.pick(16) {
            _ if stays => failed("DUPLICATED_ORDER_ID"),
            0..=4 => payment(attempt, PaymentStatus::Paid),
            5..=10 => failed(CODES[self.pick(4)]),
            11 => Payment { total: Some(1), ..payment(attempt, PaymentStatus::Paid) },
            12 | 13 => return LookUp::NotFound,
            _ => return LookUp::Failed("reset".to_owned()),
        };
        LookUp::Found(Box::new(found))
    }

    async fn settle(&mut self) {
        let mut settlements: Vec<Settlement> = Vec::new();
        for attempt in &self.held {
            let learned = Learned::Verdict(verdict::judge(attempt, &self.found(attempt), &self.policy));
            let (now, new_id) = (self.ground.clock.now(), || self.new_id());
            let at = Settling { policy: &self.policy, now, new_id: &new_id, canceled: false };
            let is_new = settlements.iter().all(|other| other.renewal_id != attempt.renewal.id);
            let is_picked = is_new && self.pick(3) > 0;
            settlements.extend(settle::settle(attempt, State::Charging, &learned, &at).ok().filter(|_| is_picked));
        }
        // Mostly each is settled once; now and then two workers hold it.
        if self.pick(4) > 0 {
            self.held.retain(|attempt| settlements.iter().all(|one| one.attempt.attempt_id != attempt.id));
        }
        // A customer may cancel while the answer is on its way.
        let payer = settlements.iter().find(|one| one.if_canceled.is_some());
        if let Some(payer) = payer.filter(|_| self.pick(3) == 0) {
            self.ground.set_cancel(payer.subscription_id.as_str(), true).await;
        }
        let settled = self.ground.settle(&settlements).await.unwrap();
        self.written.extend(settlements);
        self.note("settle", settled);
    }

    async fn write_again(&mut self) {
        if !self.written.is_empty() {
            let again = self.written[self.pick(self.written.len())].clone();
            let settled = self.ground.settle(std::slice::from_ref(&again)).await.unwrap();
            self.note("again", settled);
        }
        if let Some(record) = self.written.iter().find_map(|one| one.payment.clone()) {
            self.ground.observe(&[(record, "webhook".to_owned())]).await.unwrap();
        }
    }

    async fn give_back(&mut self) {
        if self.pick(3) > 0 {
            return;
        }
        let Some(attempt) = self.held.pop() else { return };
        let given = GivenBack {
            renewal_id: attempt.renewal.id,
            attempt_id: attempt.id,
            lease_epoch: attempt.lease_epoch,
            note: "never sent".to_owned(),
        };
        self.ground.give_back(&[given]).await.unwrap();
    }

    async fn take_over(&mut self) {
        let taken = self.ground.take_over(3, LEASE, 3).await.unwrap();
        self.held.extend(taken.iter().map(|one| one.attempt.get().clone()));
        self.note("take over", taken);
    }

    async fn look_late(&mut self) {
        let facts = self.ground.late_facts(3).await.unwrap();
        self.note("late", &facts);
        let mut changes = Vec::new();
        for facts in facts {
            let verdict = verdict::judge(&facts.attempt, &self.found(&facts.attempt), &self.policy);
            let (now, new_id) = (self.ground.clock.now(), || self.new_id());
            let canceled = refund::is_unwanted(&self.policy, facts.subscription_canceled, facts.period_is_next);
            let at = Settling { policy: &self.policy, now, new_id: &new_id, canceled };
            let decided = late::decide((&facts.attempt, facts.state), &verdict, facts.since, &at).unwrap();
            let from = facts.state;
            let again = |next_look_up_at| LateChange::LookAgain { facts: Box::new(facts), next_look_up_at };
            changes.push(match decided {
                Late::LookAgain(next) => again(next),
                Late::Found(settlement) => LateChange::Found { from, settlement },
                Late::Beside => again(None),
            });
        }
        self.ground.record_late(&changes).await.unwrap();
    }

    async fn give_money_back(&mut self) {
        let facts = self.ground.refund_facts(3).await.unwrap();
        let status = if self.pick(6) == 0 { PaymentStatus::Cancelled } else { PaymentStatus::Paid };
        let new_id = || self.new_id();
        let decide = |facts: &RefundFacts| {
            let found =
                Payment { id: facts.payment_id.0.clone(), cancelled: facts.amount, ..given_back(status.clone()) };
            refund::decide(facts, "asked", &LookUp::Found(Box::new(found)), self.ground.clock.now(), &new_id)
        };
        let changes: Vec<_> = facts.iter().map(decide).collect();
        // Two runs can ask at once.
        for _ in 0..=self.pick(2) {
            let mut written = self.ground.record_refunds(&changes).await.unwrap();
            written.sort();
            self.note("refunds", (&facts, written));
        }
    }

    async fn change_standings(&mut self) {
        let time = self.ground.clock.now();
        let facts = self.ground.access_facts(time + TimeDelta::days(1), None, 9).await.unwrap();
        let new_id = || self.new_id();
        let changes: Vec<_> =
            facts.iter().filter_map(|facts| access::decide(facts, &self.policy, time, &new_id)).collect();
        let written = self.ground.record_access(&changes).await.unwrap();
        self.note("standings", (facts, written));
    }

    async fn change_outside(&mut self) {
        let id = SUBSCRIPTIONS[self.pick(8)];
        let time = self.ground.clock.now();
        match self.pick(9) {
            0 => self.ground.set_cancel(id, true).await,
            1 | 2 => self.ground.set_cancel(id, false).await,
            3 => self.ground.set_key_usable(&format!("bk_{id}"), self.pick(3) > 0).await,
            4 => self.ground.set_next_plan(id, ["pro", "max"][self.pick(2)]).await,
            5..=7 => self.import_again(id).await,
            _ => {
                let paused = Paused { at: time, by: "op".to_owned(), reason: "stop".to_owned() };
                let switch = Switch { paused: (self.pick(8) == 0).then_some(paused) };
                self.ground.set_switch(&switch).await.unwrap();
            }
        }
    }

    /// Now and then with a new period, as for somebody who came back.
    async fn import_again(&mut self, id: &str) {
        let mut rows = batch(&[id]);
        if self.pick(3) == 0 {
            let end = self.ground.clock.now() + TimeDelta::hours(12);
            rows.subscriptions[0].current_period_start = end - TimeDelta::days(30);
            rows.subscriptions[0].current_period_end = end;
        }
        self.ground.import(rows).await.unwrap();
    }

    async fn look(&mut self) {
        let shown = (
            self.ground.backlog().await.unwrap(),
            self.ground.open_renewals(None, 9).await.unwrap(),
            self.ground.due_now(None).await.unwrap(),
            self.ground.needs_person(9).await.unwrap(),
            self.ground.at_risk().await.unwrap(),
            self.ground.takings(now().date_naive(), now()).await.unwrap(),
        );
        self.note("look", shown);
        for id in SUBSCRIPTIONS {
            let theirs = self.ground.subscriptions_of(&format!("user_{id}").as_str().into(), 9).await.unwrap();
            self.note("subscriptions of", theirs);
            let timeline = self.ground.timeline(id).await.unwrap();
            self.note("timeline", timeline);
        }
        for (table, condition) in BESIDE_THE_TIMELINE {
            let rows = self.ground.count(table, condition).await;
            self.note(condition, (table, rows));
        }
    }
}

async fn walk(ground: Ground, seed: u64) -> Vec<String> {
    ground.subscribe(&SUBSCRIPTIONS).await;
    ground.add_plan_max().await;
    ground.clock.set(now());
    let (held, written, log) = (Vec::new(), Vec::new(), Vec::new());
    // Half of the walks give back late money that nobody wants.
    let policy = Policy { refund_late: seed.is_multiple_of(2), refund_late_cancel: true, ..policy() };
    let mut walk = Walk { ground, dice: Seeded::new(seed), policy, held, written, log };
    for _ in 0..STEPS {
        walk.step().await;
    }
    walk.look().await;
    walk.log
}

fn given_back(status: PaymentStatus) -> Payment {
    Payment {
        id: String::new(),
        status,
        transaction_id: None,
        store_id: None,
        total: None,
        cancelled: 0,
        currency: None,
        billing_key: None,
        custom_data: None,
        channel_type: None,
        channel_key: None,
        pg_provider: None,
        pg_tx_id: None,
        requested_at: None,
        paid_at: None,
        failed_at: None,
        failure: Failure::default(),
    }
}

fn assert_same(one: &[String], other: &[String]) {
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

/// A walk that never comes to the edges proves nothing about them.
fn assert_came_to_the_edges(logs: &[Vec<String>]) {
    let edges = [
        "renewal.paid",
        "renewal.declined",
        "renewal.failed",
        "renewal.lapsed",
        "renewal.canceled",
        "was not extended",
        "billing_key.missing",
        "subscription.downgraded",
        "\"unknown\"",
        "retired: true",
        "fence_lost: [RenewalId",
        "give it back",
        "without an outcome",
        "maybe_sent: true",
        "may_resend: true",
        "paused: true",
        "payment.refunded",
        "not given back after",
        "as_canceled: [RenewalId",
        "reason: Late",
        "reason: CanceledDuringCharge",
    ];
    let came_to = |edge: &&&str| logs.iter().flatten().any(|line| line.contains(**edge));
    let missing: Vec<_> = edges.iter().filter(|edge| !came_to(edge)).collect();
    assert!(missing.is_empty(), "no walk came to {missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_walks_as_sqlite_does() {
    let mut logs = Vec::new();
    for seed in 1..=9 {
        let log = walk(Ground::memory().await, seed).await;
        assert_same(&log, &walk(Ground::sqlite().await, seed).await);
        logs.push(log);
    }
    assert_came_to_the_edges(&logs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_walks_as_postgres_does() {
    assert_same(&walk(Ground::memory().await, 7).await, &walk(Ground::postgres("twins").await, 7).await);
}

#[tokio::test]
async fn the_same_walk_is_the_same_again() {
    assert_same(&walk(Ground::memory().await, 8).await, &walk(Ground::memory().await, 8).await);
}
