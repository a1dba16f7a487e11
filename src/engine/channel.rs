//! When a channel stops charging: refused contracts of several customers, one unknown outcome after another, or one
//! billing key after another that the gateway does not know.

use super::Engine;
use super::charge::Outcome;
use super::limits::Limits;
use super::run::Run;
use crate::domain::answer::Conclusion;
use crate::domain::brakes::{self, Answers};
use crate::domain::charge::Attempt;
use crate::domain::claim::channel_name;
use crate::domain::decline::Reason;
use crate::domain::ids::CustomerId;
use crate::domain::settle::Learned;
use crate::domain::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};

/// What a run has seen of its channels.
#[derive(Default)]
pub(super) struct Channels(BTreeMap<String, Channel>);

#[derive(Default)]
struct Channel {
    unknown_in_a_row: u32,
    refused: BTreeSet<CustomerId>,
    /// Customers in a row whose billing key the gateway did not know.
    keys_gone: BTreeSet<CustomerId>,
    /// What it said to those who were never declined before.
    answers: Answers,
}

/// What a channel must do.
#[derive(Debug, PartialEq)]
enum Trouble {
    /// It cannot charge until a person changed something.
    Stop(String),
    /// It does not answer: it may be tried again.
    Open(String),
}

impl Engine {
    /// Learns from one outcome whether its channel can still charge.
    pub(super) fn watch_channel(&self, run: &Run, attempt: &Attempt, outcome: &Outcome) {
        let Outcome::Learned(learned) = outcome else { return };
        let name = channel_name(attempt.channel_key.as_deref());
        let (trouble, tripped) = run.channels(|channels| {
            let channel = channels.0.entry(name.to_owned()).or_default();
            channel.count(attempt, learned);
            let tripped = run.brakes.declines.and_then(|limit| brakes::declines(channel.answers, name, limit));
            (channel.learn(&attempt.renewal.customer_id, learned, &self.limits), tripped)
        });
        match trouble {
            Some(Trouble::Open(why)) => run.open_circuit(name, &why),
            Some(Trouble::Stop(why)) => run.stop_channel(name, &why),
            None => {}
        }
        if let Some(tripped) = tripped {
            run.trip_channel(name, tripped);
        }
    }
}

/// Whether the gateway answered for sure what became of a charge, whatever it was.
pub(super) fn is_answered(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Learned(learned) if !is_unknown(learned))
}

fn is_unknown(learned: &Learned) -> bool {
    matches!(learned, Learned::Verdict(verdict) if !verdict.is_definite())
}

impl Channel {
    /// Counts what a first charge was answered. Our own contract is nobody's decline.
    fn count(&mut self, attempt: &Attempt, learned: &Learned) {
        if !attempt.renewal.declines.is_empty() {
            return;
        }
        match learned {
            Learned::Verdict(Verdict::Paid(_)) => self.answers.paid += 1,
            Learned::Verdict(Verdict::Declined { decline, .. }) if !decline.stops_channel() => {
                self.answers.declined += 1
            }
            Learned::Concluded(Conclusion::BillingKeyGone) => self.answers.declined += 1,
            _ => {}
        }
    }

    /// What the channel must do, if anything.
    fn learn(&mut self, customer: &CustomerId, learned: &Learned, limits: &Limits) -> Option<Trouble> {
        if is_unknown(learned) {
            self.keys_gone.clear();
            self.unknown_in_a_row += 1;
            let open = self.unknown_in_a_row >= limits.circuit_unknown_in_a_row;
            return open
                .then(|| Trouble::Open(format!("its last {} charges all ended unknown", self.unknown_in_a_row)));
        }
        self.unknown_in_a_row = 0;
        if !matches!(learned, Learned::Concluded(Conclusion::BillingKeyGone)) {
            self.keys_gone.clear();
        }
        match learned {
            Learned::Concluded(Conclusion::BillingKeyGone) => {
                self.keys_gone.insert(customer.clone());
                let count = self.keys_gone.len();
                let why = format!("the gateway knows none of {count} billing keys in a row: another store's secret?");
                (count >= limits.keys_gone_in_a_row).then_some(Trouble::Stop(why))
            }
            Learned::Verdict(Verdict::Declined { decline, .. }) if decline.stops_channel() => {
                self.refused.insert(customer.clone());
                // One card company may refuse one customer; refused credentials are everybody's.
                let enough =
                    decline.reason == Reason::Credentials || self.refused.len() >= limits.contract_refusals_max;
                let code = decline.pg_code.as_deref().unwrap_or("no code");
                enough.then(|| Trouble::Stop(format!("refused for our {} ({code})", decline.reason.as_str())))
            }
            _ => None,
        }
    }
}
