//! Twenty ways to build this wrongly. Each is planted at a port, where it has the same effect as in the engine: the
//! test is whether the auditor notices.

use super::swarm::Swarm;
use super::time::{HOUR, MINUTE};
use chrono::{DateTime, Utc};
use renewd::domain::charge::Attempt;
use renewd::domain::ids::PaymentId;
use renewd::domain::payment::{Failure, LookUp, Payment, PaymentStatus};
use renewd::gateway::Answer;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// Every attempt has a payment id of its own.
    NewIdPerAttempt,
    /// Every send has one.
    RandomIdNotPersisted,
    /// The id is stored, but made by chance: a database that forgot it makes another.
    RandomIdPersisted,
    /// What is unknown for long counts as failed, and the next attempt has a new id.
    GiveUpIsFailureNewId,
    /// Two workers may hold the same renewal, each with an attempt of its own.
    ClaimNotChecked,
    /// A repeat of the same attempt has another idempotency key.
    NewKeyPerSend,
    TimeoutIsFailure,
    NotFoundIsFailure,
    AlreadyPaidIsFailure,
    /// "Already paid" is believed without a look.
    AlreadyPaidTrusted,
    /// Once planned, a cancelled subscription is charged all the same.
    CancelNotChecked,
    /// Late money of a cancelled subscription stays with us.
    RefundMissing,
    NoLateSweep,
    NoRecovery,
    /// What is due is decided by the worker's own clock.
    WorkerClockDue,
    /// One row that cannot be read spoils its whole page of the plan.
    PlanSkipsOnError,
    /// An old "no" is written although its lease is over.
    NegativeVerdictKeeps,
    /// The same decline is counted again.
    DeclineCountedTwice,
    /// A worker that lost its lease settles all the same.
    NoFence,
    /// A payment that is seen after the lease was lost is thrown away.
    DropResultOnFenceLoss,
}

impl Bug {
    pub const ALL: [Self; 20] = [
        Self::NewIdPerAttempt,
        Self::RandomIdNotPersisted,
        Self::RandomIdPersisted,
        Self::GiveUpIsFailureNewId,
        Self::ClaimNotChecked,
        Self::NewKeyPerSend,
        Self::TimeoutIsFailure,
        Self::NotFoundIsFailure,
        Self::AlreadyPaidIsFailure,
        Self::AlreadyPaidTrusted,
        Self::CancelNotChecked,
        Self::RefundMissing,
        Self::NoLateSweep,
        Self::NoRecovery,
        Self::WorkerClockDue,
        Self::PlanSkipsOnError,
        Self::NegativeVerdictKeeps,
        Self::DeclineCountedTwice,
        Self::NoFence,
        Self::DropResultOnFenceLoss,
    ];

    /// The other guards hide these, by design: there is nothing for an auditor to see.
    pub const REDUNDANT: [Self; 2] = [Self::NoFence, Self::DropResultOnFenceLoss];

    /// Shows only where the gateway takes two concurrent requests of one payment id.
    pub fn needs_races(self) -> bool {
        matches!(self, Self::ClaimNotChecked | Self::NewKeyPerSend)
    }

    /// The kind of world in which this bug matters.
    pub fn aim(self, mut swarm: Swarm) -> Swarm {
        match self {
            Self::NewIdPerAttempt => swarm.late_approval = 0.3,
            Self::RandomIdNotPersisted | Self::NewKeyPerSend => {
                swarm.answer_lost = 0.3;
                swarm.slow = 0.4;
                swarm.slow_max = 20 * MINUTE;
                if self.needs_races() {
                    swarm = swarm.racing();
                }
            }
            Self::RandomIdPersisted => swarm.failovers_a_week = 20.0,
            Self::GiveUpIsFailureNewId | Self::TimeoutIsFailure | Self::NotFoundIsFailure => swarm.answer_lost = 0.3,
            Self::ClaimNotChecked => {
                swarm.workers = swarm.workers.max(2);
                swarm.slow = 0.4;
                swarm.slow_max = 20 * MINUTE;
                swarm = swarm.racing();
            }
            Self::AlreadyPaidIsFailure | Self::AlreadyPaidTrusted => {
                swarm.late_approval = 0.2;
                swarm.squatted = 0.1;
            }
            Self::CancelNotChecked | Self::RefundMissing => {
                swarm.cancels = 0.2;
                swarm.slow = 0.3;
                swarm.slow_max = 20 * MINUTE;
                swarm.late_approval = 0.3;
                swarm.declines = 0.4;
                swarm.races = false;
                swarm.restores = 0;
                swarm.failovers_a_week = 0.0;
                swarm.refunds = true;
            }
            Self::NoLateSweep => {
                swarm.restores = 0;
                swarm.failovers_a_week = 0.0;
                swarm.reconciles = false;
                swarm.late_approval = 0.3;
                swarm.cancels = 0.1;
            }
            Self::NoRecovery => {
                swarm.kill = 0.02;
                swarm.reconciles = false;
            }
            Self::WorkerClockDue => swarm.clock_error = 7_200,
            Self::PlanSkipsOnError => swarm.bad_rows = true,
            Self::NegativeVerdictKeeps => {
                swarm.workers = 1;
                swarm.pause = 0.03;
                swarm.pause_max = 12 * HOUR;
                swarm.late_approval = 0.5;
                swarm.stale = 0.0;
                swarm.races = false;
                swarm.restores = 0;
            }
            Self::DeclineCountedTwice => {
                swarm.declines = 0.5;
                swarm.lost_after = 0.1;
                swarm.restores = 0;
            }
            Self::NoFence | Self::DropResultOnFenceLoss => {
                swarm.workers = 3;
                swarm.pause = 0.05;
                swarm.pause_max = 40 * MINUTE;
                swarm.declines = 0.4;
                swarm.late_approval = 0.3;
                swarm.restores = 0;
            }
        }
        swarm
    }
}

/// Each bug that shows, the promise that it breaks, and the first world that shows that. It counts as seen by its real
/// consequence only: a double charge as a double charge, not as a payment id that looks odd.
pub const CAUGHT_BY: [(Bug, &str, u64); 18] = [
    (Bug::NewIdPerAttempt, "at most once", 0),
    (Bug::RandomIdNotPersisted, "at most once", 0),
    (Bug::RandomIdPersisted, "at most once", 30),
    (Bug::GiveUpIsFailureNewId, "at most once", 0),
    (Bug::ClaimNotChecked, "at most once", 16),
    (Bug::NewKeyPerSend, "at most once", 0),
    (Bug::TimeoutIsFailure, "no invented decline", 0),
    (Bug::NotFoundIsFailure, "no invented decline", 0),
    (Bug::AlreadyPaidIsFailure, "no false notice", 1),
    (Bug::AlreadyPaidTrusted, "no phantom", 0),
    (Bug::CancelNotChecked, "nothing after a cancellation", 1),
    (Bug::RefundMissing, "nothing after a cancellation", 2),
    (Bug::NoLateSweep, "everything recorded", 10),
    (Bug::NoRecovery, "nothing stuck", 0),
    (Bug::WorkerClockDue, "nothing early", 0),
    (Bug::PlanSkipsOnError, "nothing lost", 0),
    (Bug::NegativeVerdictKeeps, "no false notice", 0),
    (Bug::DeclineCountedTwice, "no invented decline", 0),
];

/// The length of a payment id.
const PAYMENT_ID_CHARS: usize = 34;

/// What a bug does to the traffic with the gateway. Without one it changes nothing.
#[derive(Default)]
pub struct Mask {
    pub bug: Option<Bug>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sends: u64,
    /// The id under which a renewal was last sent.
    sent_as: HashMap<String, String>,
    /// Renewals whose next look-up is answered wrongly.
    lie: HashSet<String>,
    orders: HashMap<String, Payment>,
    unknown: HashMap<String, u32>,
    given_up: HashMap<String, u32>,
}

impl Mask {
    pub fn new(bug: Option<Bug>) -> Self {
        Self { bug, ..Self::default() }
    }

    fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// The payment id that a send goes out under.
    pub fn sent_as(&self, attempt: &Attempt) -> String {
        let id = attempt.renewal.payment_id.as_str();
        if self.bug.is_none() {
            return id.to_owned();
        }
        let mut state = self.state.lock().unwrap();
        state.sends += 1;
        let sent_as = match self.bug {
            Some(Bug::NewIdPerAttempt) => format!("{id}a{}", attempt.number),
            Some(Bug::RandomIdNotPersisted) => format!("{id}s{}", state.sends),
            Some(Bug::GiveUpIsFailureNewId) => format!("{id}g{}", state.given_up.get(id).copied().unwrap_or(0)),
            _ => id.to_owned(),
        };
        state.sent_as.insert(id.to_owned(), sent_as.clone());
        state.orders.insert(id.to_owned(), as_ordered(attempt));
        sent_as
    }

    pub fn key(&self, attempt: &Attempt, machine: usize) -> String {
        let key = &attempt.idempotency_key;
        match self.bug {
            Some(Bug::NewKeyPerSend | Bug::RandomIdNotPersisted) => {
                format!("{key}-{}", self.state.lock().unwrap().sends)
            }
            Some(Bug::ClaimNotChecked) => format!("{key}-{machine}"),
            _ => key.clone(),
        }
    }

    pub fn looked_up_as(&self, id: &PaymentId) -> String {
        let state = self.state.lock().unwrap();
        state.sent_as.get(id.as_str()).cloned().unwrap_or_else(|| id.as_str().to_owned())
    }

    /// The payment id that a program with this bug would know a charge by: it would store the id that it sent.
    pub fn known_as(&self, payment_id: &str) -> String {
        let has_suffix =
            matches!(self.bug, Some(Bug::NewIdPerAttempt | Bug::RandomIdNotPersisted | Bug::GiveUpIsFailureNewId));
        let known = if has_suffix { payment_id.get(..PAYMENT_ID_CHARS) } else { None };
        known.unwrap_or(payment_id).to_owned()
    }

    pub fn answered(&self, attempt: &Attempt, answer: &Answer) {
        let lies = match answer {
            Answer::AlreadyPaid => self.is(Bug::AlreadyPaidIsFailure) || self.is(Bug::AlreadyPaidTrusted),
            Answer::Unclear { .. } => self.is(Bug::TimeoutIsFailure),
            _ => false,
        };
        if lies {
            self.state.lock().unwrap().lie.insert(attempt.renewal.payment_id.as_str().to_owned());
        }
    }

    /// What the worker makes of a look-up.
    pub fn found(&self, id: &PaymentId, found: LookUp, now: DateTime<Utc>) -> LookUp {
        if self.bug.is_none() {
            return found;
        }
        let mut state = self.state.lock().unwrap();
        let Some(order) = state.orders.get(id.as_str()).cloned() else { return found };
        let failed = |order: Payment| {
            let transaction_id = Some(format!("made-up-{}", now.timestamp_micros()));
            let failure = Failure { pg_code: Some("MADE_UP".to_owned()), ..Failure::default() };
            let failed =
                Payment { status: PaymentStatus::Failed, transaction_id, failed_at: Some(now), failure, ..order };
            LookUp::Found(Box::new(failed))
        };
        if state.lie.remove(id.as_str()) {
            return if self.is(Bug::AlreadyPaidTrusted) { LookUp::Found(Box::new(order)) } else { failed(order) };
        }
        let is_unknown = matches!(found, LookUp::NotFound | LookUp::Failed(_));
        if is_unknown && self.is(Bug::GiveUpIsFailureNewId) {
            let unknown = state.unknown.entry(id.as_str().to_owned()).or_default();
            *unknown += 1;
            if *unknown >= 3 {
                *unknown = 0;
                *state.given_up.entry(id.as_str().to_owned()).or_default() += 1;
                return failed(order);
            }
        }
        match found {
            LookUp::NotFound if self.is(Bug::NotFoundIsFailure) => failed(order),
            // Under whichever id it was sent, it is this renewal's payment.
            LookUp::Found(payment) => LookUp::Found(Box::new(Payment { id: id.as_str().to_owned(), ..*payment })),
            other => other,
        }
    }
}

/// A payment that matches its order in everything.
fn as_ordered(attempt: &Attempt) -> Payment {
    let renewal = &attempt.renewal;
    let custom_data = renewd::domain::charge::CustomData {
        subscription: renewal.subscription_id.clone(),
        period_start: renewal.period_start,
        attempt: attempt.number,
    };
    Payment {
        id: renewal.payment_id.as_str().to_owned(),
        status: PaymentStatus::Paid,
        transaction_id: Some(format!("made-up-{}", attempt.id)),
        store_id: Some(super::wire::STORE_ID.to_owned()),
        total: Some(renewal.amount.minor()),
        cancelled: 0,
        currency: Some(renewal.amount.currency().code().to_owned()),
        billing_key: attempt.billing_key.clone(),
        custom_data: Some(custom_data.to_text()),
        channel_type: Some(renewd::domain::payment::ChannelType::Live),
        channel_key: attempt.channel_key.clone(),
        pg_provider: attempt.pg_provider.clone(),
        pg_tx_id: None,
        requested_at: Some(attempt.started_at),
        paid_at: Some(attempt.started_at),
        failed_at: None,
        failure: Failure::default(),
    }
}
