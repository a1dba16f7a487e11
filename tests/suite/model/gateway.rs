//! The gateway of the model: what PortOne promises, and two ways in which it might not keep it.

use super::world::{ATTEMPTS, Attempt};

/// How the gateway behaves.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// One payment id succeeds at most once, however many of its requests are under way: the promise that the protocol
    /// stands on. Without it the gateway races: what is under way at the same time is approved each for itself.
    pub one_success_per_id: bool,
    /// An execution that was declined may turn into a success afterwards, once.
    pub late_approvals: bool,
    /// Idempotency keys are forgotten; a repeat after that is executed again.
    pub keys_expire: bool,
}

/// What a look-up of the payment shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum View {
    Paid,
    /// READY: under way.
    Ready,
    /// FAILED, by the transaction of this attempt.
    Failed(Attempt),
    NotFound,
}

/// The gateway's books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Gateway {
    /// Executions under way, by attempt: more than one only after a key was forgotten.
    pub working: [u8; ATTEMPTS],
    /// Keys that a repeat is answered from.
    pub keys: [bool; ATTEMPTS],
    /// Attempts that were declined at least once: what the gateway has told.
    pub declined: [bool; ATTEMPTS],
    /// Declines that may still turn into a success.
    pub undecided: [bool; ATTEMPTS],
    pub last_failed: Option<Attempt>,
    /// The ledger: money taken, by attempt.
    pub successes: [u8; ATTEMPTS],
}

impl Gateway {
    /// A request arrives. One whose key is known is answered from the record, one whose payment is paid is told so: both
    /// are executed no more.
    pub fn receive(&mut self, attempt: Attempt, paid: bool) {
        if !self.keys[attempt] && !paid {
            self.keys[attempt] = true;
            self.working[attempt] += 1;
        }
    }

    /// The execution succeeds; under the promise only where its payment id has no success yet.
    pub fn approve(&mut self, attempt: Attempt, paid: bool, promises: Promises) {
        self.working[attempt] -= 1;
        self.take_money(attempt, paid, promises);
    }

    pub fn decline(&mut self, attempt: Attempt, promises: Promises) {
        self.working[attempt] -= 1;
        self.declined[attempt] = true;
        self.undecided[attempt] = promises.late_approvals;
        self.last_failed = Some(attempt);
    }

    /// A decline turns out to be a success after all.
    pub fn approve_late(&mut self, attempt: Attempt, paid: bool, promises: Promises) {
        self.undecided[attempt] = false;
        self.take_money(attempt, paid, promises);
    }

    fn take_money(&mut self, attempt: Attempt, paid: bool, promises: Promises) {
        if !(promises.one_success_per_id && paid) {
            self.successes[attempt] += 1;
        }
    }

    pub fn money_taken(&self) -> u8 {
        self.successes.iter().sum()
    }
}
