//! One renewal, two workers, one gateway: every state that they can be in, and every step out of it.

use super::gateway::{Gateway, Promises, View};

pub const WORKERS: usize = 2;
pub const ATTEMPTS: usize = 2;
/// Requests that may leave a worker, repeats included.
pub const SENDS: u8 = 4;
pub const CRASHES: u8 = 2;

pub type Worker = usize;
pub type Attempt = usize;

/// The protocol, or one with a mistake planted in it.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    pub promises: Promises,
    /// Each attempt asks under a payment id of its own.
    pub new_id_per_attempt: bool,
    pub timeout_is_decline: bool,
    /// The claim trusts what the plan saw.
    pub cancellation_not_rechecked: bool,
    pub no_late_sweep: bool,
}

/// The renewal's state in the database. Terminal ones that look the same from here are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Renewal {
    #[default]
    Unplanned,
    Due,
    Charging,
    Unknown,
    Paid,
    Failed,
    Canceled,
    Review,
}

/// What is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Database {
    pub renewal: Renewal,
    /// Who raised the lease's epoch last. An epoch is only ever compared for equality, and a worker forgets its own when
    /// it takes another claim, so this says the same and stays finite.
    pub holder: Option<Worker>,
    pub lease_is_live: bool,
    /// Attempts begun; the last of them is open while the renewal is `charging` or `unknown`.
    pub attempts: usize,
    pub declined: [bool; ATTEMPTS],
    /// A verified payment stands in `payments`.
    pub money_recorded: bool,
    pub canceled: bool,
    /// Never set by a protocol that keeps its promise.
    pub claimed_after_cancellation: bool,
}

/// Where a worker's process stands. What it holds here is lost when it crashes; a pause is no step at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    #[default]
    Idle,
    /// About to send, past every check.
    Ready { attempt: Attempt, is_repeat: bool },
    /// Sent, or taken over: the next thing is a look-up. That no answer ever decides makes an answer, a lost one and a
    /// time-out the same.
    Asking { attempt: Attempt },
    /// Knows what the look-up showed, and has not settled it.
    Seen { attempt: Attempt, view: View },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub database: Database,
    pub processes: [Process; WORKERS],
    /// Requests that have left and not arrived, by attempt: they may be lost, or delayed for as long as they like.
    pub wire: [u8; ATTEMPTS],
    pub gateway: Gateway,
    pub sends: u8,
    pub crashes: u8,
}

/// Every step. The doc comment of this folder says which step of the protocol each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Plan,
    Cancel,
    PlanCancels,
    LadderEnds,
    Claim(Worker),
    /// Committed, and the worker is never told.
    ClaimUnacknowledged(Worker),
    GiveBack(Worker),
    Send(Worker),
    LookUp(Worker, View),
    TimeOutAsDecline(Worker),
    SendAgain(Worker),
    Settle(Worker),
    /// Committed, and the worker is never told: it settles again.
    SettleUnacknowledged(Worker),
    LeaseExpires,
    TakeOver(Worker),
    LateSweep,
    Crash(Worker),
    Arrive(Attempt),
    Lose(Attempt),
    Approve(Attempt),
    Decline(Attempt),
    ApproveLate(Attempt),
    KeyExpires(Attempt),
}

impl Protocol {
    /// Every step that may be taken from `state`.
    pub fn steps(&self, state: &State, steps: &mut Vec<Step>) {
        self.steps_of_the_database(state, steps);
        for worker in 0..WORKERS {
            self.steps_of_a_worker(state, worker, steps);
        }
        for attempt in 0..ATTEMPTS {
            self.steps_of_the_gateway(state, attempt, steps);
        }
    }

    fn steps_of_the_database(&self, state: &State, steps: &mut Vec<Step>) {
        let Database { renewal, canceled, attempts, .. } = state.database;
        let is_held = renewal == Renewal::Charging && state.database.lease_is_live;
        let is_over = matches!(renewal, Renewal::Failed | Renewal::Canceled);
        let possible = [
            (renewal == Renewal::Unplanned && !canceled, Step::Plan),
            (!canceled, Step::Cancel),
            (renewal == Renewal::Due && canceled, Step::PlanCancels),
            (renewal == Renewal::Due && attempts > 0, Step::LadderEnds),
            (is_held, Step::LeaseExpires),
            (is_over && !self.no_late_sweep && self.is_paid(state, None), Step::LateSweep),
        ];
        steps.extend(possible.into_iter().filter(|(is_possible, _)| *is_possible).map(|(_, step)| step));
    }

    fn steps_of_a_worker(&self, state: &State, worker: Worker, steps: &mut Vec<Step>) {
        let database = &state.database;
        match state.processes[worker] {
            Process::Idle => {
                let is_wanted = !database.canceled || self.cancellation_not_rechecked;
                if database.renewal == Renewal::Due && is_wanted && database.attempts < ATTEMPTS {
                    steps.extend([Step::Claim(worker), Step::ClaimUnacknowledged(worker)]);
                }
                let is_abandoned = database.renewal == Renewal::Charging && !database.lease_is_live;
                if is_abandoned || database.renewal == Renewal::Unknown {
                    steps.push(Step::TakeOver(worker));
                }
                return;
            }
            Process::Ready { is_repeat, .. } => {
                // The time between the last check and the send cannot be bounded: no lease is asked for here.
                if state.sends < SENDS {
                    steps.push(Step::Send(worker));
                }
                if !is_repeat {
                    steps.push(Step::GiveBack(worker));
                }
            }
            Process::Asking { attempt } => {
                steps.extend(self.views(state, attempt).map(|view| Step::LookUp(worker, view)));
                if self.timeout_is_decline {
                    steps.push(Step::TimeOutAsDecline(worker));
                }
            }
            Process::Seen { view, .. } => {
                steps.extend([Step::Settle(worker), Step::SettleUnacknowledged(worker)]);
                if view == View::NotFound && database.holder == Some(worker) {
                    steps.push(Step::SendAgain(worker));
                }
            }
        }
        if state.crashes < CRASHES {
            steps.push(Step::Crash(worker));
        }
    }

    fn steps_of_the_gateway(&self, state: &State, attempt: Attempt, steps: &mut Vec<Step>) {
        if state.wire[attempt] > 0 {
            steps.extend([Step::Arrive(attempt), Step::Lose(attempt)]);
        }
        if state.gateway.working[attempt] > 0 {
            steps.extend([Step::Approve(attempt), Step::Decline(attempt)]);
        } else if state.gateway.keys[attempt] && self.promises.keys_expire {
            steps.push(Step::KeyExpires(attempt));
        }
        if state.gateway.undecided[attempt] {
            steps.push(Step::ApproveLate(attempt));
        }
    }

    /// The state after `step`.
    pub fn after(&self, before: &State, step: Step) -> State {
        let mut state = before.clone();
        let database = &mut state.database;
        match step {
            Step::Plan => database.renewal = Renewal::Due,
            Step::Cancel => database.canceled = true,
            Step::PlanCancels => database.renewal = Renewal::Canceled,
            Step::LadderEnds => database.renewal = Renewal::Failed,
            Step::LeaseExpires => database.lease_is_live = false,
            Step::LateSweep => {
                let is_wanted = database.renewal == Renewal::Failed && !database.canceled;
                database.renewal = if is_wanted { Renewal::Paid } else { Renewal::Review };
                database.money_recorded = true;
            }
            Step::Claim(worker) => {
                let attempt = database.claim(worker);
                state.processes[worker] = Process::Ready { attempt, is_repeat: false };
            }
            Step::ClaimUnacknowledged(worker) => {
                database.claim(worker);
            }
            Step::TakeOver(worker) => {
                let attempt = database.take_over(worker);
                state.processes[worker] = Process::Asking { attempt };
            }
            Step::GiveBack(worker) => {
                if database.holder == Some(worker) {
                    database.release(Renewal::Due);
                }
                state.processes[worker] = Process::Idle;
            }
            Step::Send(worker) => state.send(worker),
            Step::SendAgain(worker) => {
                state.processes[worker] = Process::Ready { attempt: state.attempt_of(worker), is_repeat: true };
            }
            Step::LookUp(worker, view) => {
                state.processes[worker] = Process::Seen { attempt: state.attempt_of(worker), view };
            }
            Step::TimeOutAsDecline(worker) => {
                let attempt = state.attempt_of(worker);
                state.processes[worker] = Process::Seen { attempt, view: View::Failed(attempt) };
            }
            Step::Settle(worker) => {
                state.settle(worker);
                state.processes[worker] = Process::Idle;
            }
            Step::SettleUnacknowledged(worker) => state.settle(worker),
            Step::Crash(worker) => {
                state.crashes += 1;
                state.processes[worker] = Process::Idle;
            }
            Step::Arrive(attempt) => {
                state.wire[attempt] -= 1;
                state.gateway.receive(attempt, self.is_paid(before, Some(attempt)));
            }
            Step::Lose(attempt) => state.wire[attempt] -= 1,
            Step::Approve(attempt) => {
                state.gateway.approve(attempt, self.is_paid(before, Some(attempt)), self.promises);
            }
            Step::Decline(attempt) => state.gateway.decline(attempt, self.promises),
            Step::ApproveLate(attempt) => {
                state.gateway.approve_late(attempt, self.is_paid(before, Some(attempt)), self.promises);
            }
            Step::KeyExpires(attempt) => state.gateway.keys[attempt] = false,
        }
        state
    }

    /// What a look-up of `attempt`'s payment may show. Whether a payment under way can be seen is the gateway's secret.
    fn views(&self, state: &State, attempt: Attempt) -> impl Iterator<Item = View> {
        let gateway = &state.gateway;
        let is_under_way = (0..ATTEMPTS).any(|other| self.shares_id(attempt, other) && gateway.working[other] > 0);
        let ended = match gateway.last_failed {
            _ if self.is_paid(state, Some(attempt)) => View::Paid,
            Some(last) if self.shares_id(attempt, last) => View::Failed(last),
            _ if gateway.declined[attempt] => View::Failed(attempt),
            _ => View::NotFound,
        };
        let ready = (is_under_way && ended != View::Paid).then_some(View::Ready);
        [ended].into_iter().chain(ready)
    }

    /// Whether money was taken under the payment id of `of`, or under any.
    pub fn is_paid(&self, state: &State, of: Option<Attempt>) -> bool {
        (0..ATTEMPTS)
            .filter(|other| of.is_none_or(|attempt| self.shares_id(attempt, *other)))
            .any(|other| state.gateway.successes[other] > 0)
    }

    fn shares_id(&self, one: Attempt, other: Attempt) -> bool {
        one == other || !self.new_id_per_attempt
    }
}

impl Database {
    fn claim(&mut self, worker: Worker) -> Attempt {
        self.claimed_after_cancellation |= self.canceled;
        self.attempts += 1;
        self.take_over(worker)
    }

    fn take_over(&mut self, worker: Worker) -> Attempt {
        self.renewal = Renewal::Charging;
        self.holder = Some(worker);
        self.lease_is_live = true;
        self.attempts - 1
    }

    fn release(&mut self, to: Renewal) {
        self.renewal = to;
        self.holder = None;
        self.lease_is_live = false;
    }
}

impl State {
    /// The workers are alike: of two states that differ only in which of them does what, one is visited.
    pub fn with_workers_in_order(&self) -> Self {
        let mut state = self.clone();
        let rank = |worker: Worker| (self.processes[worker], self.database.holder == Some(worker));
        if rank(0) > rank(1) {
            state.processes.swap(0, 1);
            state.database.holder = self.database.holder.map(|worker| 1 - worker);
        }
        state
    }

    fn send(&mut self, worker: Worker) {
        let attempt = self.attempt_of(worker);
        self.sends += 1;
        self.wire[attempt] += 1;
        self.processes[worker] = Process::Asking { attempt };
    }

    /// The settle's transaction: fenced by the epoch; a negative verdict needs the lease as well, PAID never expires.
    fn settle(&mut self, worker: Worker) {
        let Process::Seen { attempt, view } = self.processes[worker] else { return };
        let database = &mut self.database;
        if database.holder != Some(worker) {
            // A PAID would be written to `observations` and cause a look-up. Every state that it could be in by now is
            // looked up anyway, so the model forgets it.
            return;
        }
        match view {
            View::Paid => {
                database.release(Renewal::Paid);
                database.money_recorded = true;
            }
            View::Failed(failed) if failed == attempt => {
                if database.lease_is_live {
                    database.declined[attempt] = true;
                    database.release(if database.attempts < ATTEMPTS { Renewal::Due } else { Renewal::Failed });
                }
            }
            View::Failed(_) | View::Ready | View::NotFound => database.release(Renewal::Unknown),
        }
    }

    fn attempt_of(&self, worker: Worker) -> Attempt {
        match self.processes[worker] {
            Process::Ready { attempt, .. } | Process::Asking { attempt } | Process::Seen { attempt, .. } => attempt,
            Process::Idle => unreachable!("an idle worker has no attempt"),
        }
    }
}
