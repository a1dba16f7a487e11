//! A run's figures: gathered as its steps commit, shown the same way by the table, the JSON, the run's row and its event.

use super::coverage::CaughtUp;
use super::unresolved::{Held, Unresolved};
use crate::domain::access::AccessChange;
use crate::domain::brakes::{Override, Tripped};
use crate::domain::charge::Attempt;
use crate::domain::claim::RenewalChange;
use crate::domain::date::Zone;
use crate::domain::due::Disposition;
use crate::domain::event::EventKind;
use crate::domain::money::Money;
use crate::domain::refund::RefundFacts;
use crate::domain::renewal::State;
use crate::domain::settlement::Settlement;
use crate::store::read::Backlog;
use crate::store::{Claimed, Committed, NewRun, TakenOver};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The figures of one run. Counts are of renewals; sums are in minor units.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunReport {
    pub run_id: String,
    pub trigger: String,
    pub business_date: NaiveDate,
    pub zone: String,
    /// `completed`, `failed`, `interrupted`.
    pub status: String,
    /// Renewals that this run planned to be charged.
    pub planned: u64,
    /// Renewals that were to be charged: those taken up, and those that were left due.
    pub due: u64,
    pub paid: u64,
    /// Declined, and the renewal is still open.
    pub declined: u64,
    /// Declined, or its grace over, and the renewal has ended.
    pub failed: u64,
    pub canceled: u64,
    pub lapsed: u64,
    pub unknown: u64,
    pub review: u64,
    pub no_billing_key: u64,
    /// Paid, by currency, in minor units.
    pub amounts: BTreeMap<String, i64>,
    /// Payments that were given back, whole.
    pub refunded: u64,
    /// Given back, by currency, in minor units.
    pub refunded_amounts: BTreeMap<String, i64>,
    /// Claims of earlier processes that were taken over and looked up.
    pub taken_over: u64,
    pub past_due: u64,
    pub downgraded: u64,
    /// Declines by reason.
    pub declined_by_reason: BTreeMap<String, u64>,
    /// What those would have brought, by currency, in minor units.
    pub declined_amounts: BTreeMap<String, i64>,
    /// Planned attempts after this run's declines, by date and time in the zone.
    pub retries: BTreeMap<String, u64>,
    /// Channels that stopped, and why.
    pub stopped_channels: BTreeMap<String, String>,
    /// Those of them that only a person mends: until then, or until the next whole run, the day's retries leave them alone.
    /// `None` for a run over some subscriptions only, and for one that ended before it came to charge: they say nothing about
    /// the channels.
    pub held_channels: Option<BTreeMap<String, String>>,
    /// Still due when the run ended: not charged, and nothing lost.
    pub left_due: u64,
    /// What the gateway took since the last run was compared with the database before anything was charged.
    pub compared: bool,
    /// Brakes that held charging, and why.
    pub brakes: Vec<Tripped>,
    /// Brakes that a person had let go, and why.
    pub let_go: Option<Override>,
    /// Business dates without a run of their own that this one took up.
    pub caught_up: Vec<CaughtUp>,
    /// The kill switch was on.
    pub paused: bool,
    /// Why the run could not do all its work.
    pub problem: Option<String>,
    /// The kind of the event that alerts of that problem, where it is not the run's own.
    pub told_by: Option<&'static str>,
    /// What has no outcome yet.
    #[serde(flatten)]
    pub open: Unresolved,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
}

impl RunReport {
    /// The sum of several runs. What was left open is the last run's word.
    pub fn total(reports: &[Self]) -> Self {
        let mut total = Self::default();
        for report in reports {
            for (sum, part) in total.counts().into_iter().zip(report.clone().counts()) {
                *sum += *part;
            }
            report.amounts.iter().for_each(|(currency, minor)| add(&mut total.amounts, currency, *minor));
            let declined = &mut total.declined_amounts;
            report.declined_amounts.iter().for_each(|(currency, minor)| add(declined, currency, *minor));
            let back = &mut total.refunded_amounts;
            report.refunded_amounts.iter().for_each(|(currency, minor)| add(back, currency, *minor));
            for (reason, count) in &report.declined_by_reason {
                *total.declined_by_reason.entry(reason.clone()).or_default() += count;
            }
            for (at, count) in &report.retries {
                *total.retries.entry(at.clone()).or_default() += count;
            }
            total.left_due = report.left_due;
        }
        total
    }

    fn counts(&mut self) -> [&mut u64; 13] {
        [
            &mut self.due,
            &mut self.paid,
            &mut self.declined,
            &mut self.failed,
            &mut self.canceled,
            &mut self.lapsed,
            &mut self.unknown,
            &mut self.review,
            &mut self.no_billing_key,
            &mut self.refunded,
            &mut self.taken_over,
            &mut self.past_due,
            &mut self.downgraded,
        ]
    }

    /// Some outcome needs a look-up or a person.
    pub fn has_open_outcomes(&self) -> bool {
        self.review > 0 || !self.open.is_empty()
    }
}

fn add(sums: &mut BTreeMap<String, i64>, currency: &str, minor: i64) {
    let sum = sums.entry(currency.to_owned()).or_default();
    *sum = sum.saturating_add(minor);
}

/// The figures while the run goes on.
#[derive(Debug)]
pub(super) struct Report {
    figures: Mutex<RunReport>,
    held: Mutex<Held>,
    /// What the date's last run held was read, and is held on.
    goes_on_from_held: AtomicBool,
    zone: Zone,
}

impl Report {
    pub fn of(run: &NewRun, zone: Zone, let_go: Option<Override>, takes_all: bool) -> Self {
        let figures = RunReport {
            run_id: run.id.to_string(),
            trigger: run.trigger.clone(),
            business_date: run.business_date,
            zone: run.zone.clone(),
            started_at: run.started_at,
            let_go,
            held_channels: takes_all.then(BTreeMap::new),
            ..RunReport::default()
        };
        Self { figures: Mutex::new(figures), held: Mutex::default(), goes_on_from_held: AtomicBool::new(false), zone }
    }

    pub fn planned(&self, disposition: Disposition) {
        let mut report = self.lock();
        match disposition {
            Disposition::Renew => report.planned += 1,
            Disposition::Cancel => report.canceled += 1,
            Disposition::Lapse => report.lapsed += 1,
            Disposition::NoKey => report.no_billing_key += 1,
            Disposition::Review => report.review += 1,
        }
    }

    pub fn changed(&self, change: &RenewalChange) {
        let mut report = self.lock();
        match change.to {
            State::Canceled => report.canceled += 1,
            State::Failed => report.failed += 1,
            State::Review => report.review += 1,
            State::Due if change.waits_for_key => report.no_billing_key += 1,
            _ => {}
        }
    }

    pub fn claimed(&self, claimed: &Claimed) {
        {
            let mut report = self.lock();
            report.due += claimed.attempts.len() as u64;
            report.paused |= claimed.paused;
        }
        self.holds(&claimed.attempts);
        claimed.changed.iter().for_each(|change| self.changed(change));
    }

    /// Claims that were given back: they are due as they were, and counted as such at the end.
    pub fn given_back(&self, count: u64) {
        let mut report = self.lock();
        report.due = report.due.saturating_sub(count);
    }

    /// This run is to settle them; `left` of them are of processes that are gone.
    pub fn taken_over(&self, taken: &[TakenOver], left: u64) {
        self.lock().taken_over += left;
        let mut held = self.held();
        taken.iter().for_each(|taken| held.add(taken.attempt.get()));
    }

    /// Claims that this run is to settle.
    fn holds(&self, attempts: &[Committed<Attempt>]) {
        let mut held = self.held();
        attempts.iter().for_each(|attempt| held.add(attempt.get()));
    }

    /// A claim that was settled or given back.
    pub fn let_go(&self, attempt: &Attempt) {
        self.held().remove(attempt);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn settled(&self, settlement: &Settlement) {
        let mut report = self.lock();
        if settlement.declined {
            let reason = settlement.attempt.reason.map_or("unknown", |reason| reason.as_str());
            *report.declined_by_reason.entry(reason.to_owned()).or_default() += 1;
        }
        match settlement.state {
            State::Paid => {
                report.paid += 1;
                if let Some(payment) = &settlement.payment {
                    let currency = payment.currency.clone().unwrap_or_default();
                    add(&mut report.amounts, &currency, payment.total.unwrap_or(0));
                }
            }
            State::Due if settlement.declined => report.declined += 1,
            State::Failed => report.failed += 1,
            State::Unknown => report.unknown += 1,
            State::Review => report.review += 1,
            State::Canceled => report.canceled += 1,
            State::Due | State::Charging | State::Lapsed | State::Refunded => {}
        }
        let retried = settlement.declined && settlement.state == State::Due;
        if let (true, Some(next)) = (retried, settlement.next_attempt_at) {
            let at = format!("{} {}", self.zone.date_of(next), self.zone.time_of(next).format("%H:%M"));
            *report.retries.entry(at).or_default() += 1;
        }
    }

    /// What a charge that was declined would have brought.
    pub fn declined(&self, amount: Money) {
        add(&mut self.lock().declined_amounts, amount.currency().code(), amount.minor());
    }

    pub fn refunded(&self, refund: &RefundFacts) {
        let mut report = self.lock();
        report.refunded += 1;
        add(&mut report.refunded_amounts, &refund.currency, refund.amount);
    }

    /// A refund was given up: its renewal needs a person.
    pub fn refund_failed(&self) {
        self.lock().review += 1;
    }

    pub fn access(&self, change: &AccessChange) {
        let mut report = self.lock();
        match change.status {
            "past_due" => report.past_due += 1,
            _ => report.downgraded += 1,
        }
    }

    pub fn compared(&self) {
        self.lock().compared = true;
    }

    pub fn channel_stopped(&self, channel: &str, why: &str) {
        self.lock().stopped_channels.insert(channel.to_owned(), why.to_owned());
    }

    pub fn goes_on_from_held(&self) {
        self.goes_on_from_held.store(true, Ordering::Relaxed);
    }

    /// A person must look before the channel charges again.
    pub fn channel_held(&self, channel: &str, why: &str) {
        if let Some(held) = &mut self.lock().held_channels {
            held.insert(channel.to_owned(), why.to_owned());
        }
    }

    /// A brake holds all charging, or a channel; told once, however many answers say so.
    pub fn tripped(&self, tripped: Tripped) {
        let mut report = self.lock();
        let is_known = |known: &Tripped| (known.brake, &known.channel) == (tripped.brake, &tripped.channel);
        // Two currencies are one brake and two reasons.
        let is_known = report
            .brakes
            .iter()
            .any(|known| is_known(known) && (tripped.channel.is_some() || known.why == tripped.why));
        if !is_known {
            report.brakes.push(tripped);
        }
    }

    /// A brake holds this channel.
    pub fn is_braked(&self, channel: &str) -> bool {
        self.lock().brakes.iter().any(|tripped| tripped.channel.as_deref() == Some(channel))
    }

    /// It charges again.
    pub fn channel_answers(&self, channel: &str) {
        self.lock().stopped_channels.remove(channel);
    }

    pub fn finish(
        &self,
        status: &str,
        (problem, told_by): (Option<String>, Option<EventKind>),
        backlog: Option<Backlog>,
        finished_at: DateTime<Utc>,
    ) -> RunReport {
        let mut report = self.lock();
        status.clone_into(&mut report.status);
        report.problem = problem;
        report.told_by = told_by.map(EventKind::as_str);
        report.finished_at = finished_at;
        report.open.left_unknown = report.unknown;
        if !self.goes_on_from_held.load(Ordering::Relaxed) {
            report.held_channels = None;
        }
        if let Some(backlog) = backlog {
            report.left_due = u64::try_from(backlog.due_now).unwrap_or(0);
            report.due += report.left_due;
            report.open = Unresolved::at_the_end(&backlog, &self.held(), finished_at);
        }
        report.clone()
    }

    fn lock(&self) -> MutexGuard<'_, RunReport> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
