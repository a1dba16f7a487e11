//! The auditor: holds the gateway's ledger against what the API service can read, and against what it did itself. It
//! knows nothing of how renewals are decided, on purpose: an error there must not be repeated here.

use super::facts::{Charge, Decline, Facts, Payer, Renewal, Truth};
use std::collections::{BTreeMap, BTreeSet};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// Seoul is nine hours ahead, all year.
const SEOUL: i64 = 9 * HOUR;

/// What the auditor remembers between two looks.
#[derive(Default)]
pub struct Auditor {
    /// Where each subscription's paid time ended when the world began.
    pub first_ends: BTreeMap<String, i64>,
    pub canceled: BTreeMap<String, Canceled>,
    /// What nobody wants to have paid is given back by rule.
    pub refunds: bool,
    /// Every price that was ever asked.
    pub prices: BTreeSet<i64>,
    /// Where each subscription's period was last seen to end, and since when.
    pub ends: BTreeMap<String, (i64, i64)>,
    /// Subscriptions, and the ends at which they were over because their customers had cancelled.
    pub ended: BTreeSet<(String, i64)>,
    /// Charges are of the sum that was asked for, and no renewal is planned a second time at another price: the gateway
    /// does not err, and the database forgets nothing.
    pub exact: bool,
    /// A decline may be told this long after the money was taken all the same: an answer can be that old.
    pub news_may_be_old: i64,
}

/// A cancelled subscription.
pub struct Canceled {
    since: i64,
    /// The attempts that each of its renewals had by then.
    attempts: BTreeMap<String, i64>,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub promise: &'static str,
    pub what: String,
}

impl Auditor {
    /// The API service cancelled, and its commit is done.
    pub fn canceled(&mut self, subscription: &str, facts: &Facts, now: i64) {
        if self.canceled.contains_key(subscription) {
            return;
        }
        let attempts = facts.renewals.iter().filter(|renewal| renewal.subscription_id == subscription);
        let attempts = attempts.map(|renewal| (renewal.id.clone(), renewal.attempt_count)).collect();
        self.canceled.insert(subscription.to_owned(), Canceled { since: now, attempts });
    }

    pub fn changed_their_mind(&mut self, subscription: &str) {
        self.canceled.remove(subscription);
    }

    /// An older database was put back: what it has forgotten cannot be held against it.
    pub fn restored(&mut self, facts: &Facts, now: i64) {
        self.canceled.clear();
        self.ends.clear();
        let over = facts.subscriptions.iter().filter(|subscription| subscription.status == "downgraded");
        let over: BTreeSet<_> =
            over.map(|subscription| (subscription.id.clone(), subscription.current_period_end)).collect();
        self.ended.retain(|ended| over.contains(ended));
        let canceled = facts.subscriptions.iter().filter(|subscription| subscription.cancel_at_period_end);
        for subscription in canceled {
            self.canceled(&subscription.id, facts, now);
        }
    }

    /// What must hold at every moment.
    ///
    /// `planned_since` is when the last but one run began that did all its work.
    pub fn look(&mut self, facts: &Facts, truth: &Truth, now: i64, planned_since: Option<i64>) -> Vec<Violation> {
        let mut found = Vec::new();
        for subscription in &facts.subscriptions {
            let end = subscription.current_period_end;
            let known = self.ends.get(&subscription.id).is_some_and(|(known, _)| *known == end);
            if !known {
                self.ends.insert(subscription.id.clone(), (end, now));
            }
            if subscription.cancel_at_period_end && subscription.status == "downgraded" {
                self.ended.insert((subscription.id.clone(), end));
            }
        }
        self.nothing_lost(facts, planned_since, &mut found);
        at_most_once(truth, &mut found);
        self.own_money(facts, truth, &mut found);
        self.never_early(truth, &mut found);
        self.right_money(facts, truth, &mut found);
        self.nothing_after_cancel(facts, &mut found);
        self.access_follows_money(facts, truth, &mut found);
        self.no_invented_decline(facts, truth, &mut found);
        found
    }

    /// What must hold when all faults are over and there was time to recover.
    pub fn look_at_the_end(&mut self, facts: &Facts, truth: &Truth, now: i64) -> Vec<Violation> {
        let mut found = self.look(facts, truth, now, Some(now - DAY));
        everything_recorded(facts, truth, &mut found);
        nothing_is_passed_over(facts, truth, &mut found);
        self.given_back(facts, truth, &mut found);
        nothing_stuck(facts, now, &mut found);
        found
    }

    /// Each period that became due has a renewal that says what became of it, as soon as two whole runs have passed;
    /// or its subscription ended there, cancelled.
    fn nothing_lost(&self, facts: &Facts, planned_since: Option<i64>, found: &mut Vec<Violation>) {
        let there: BTreeSet<&str> = facts.subscriptions.iter().map(|subscription| subscription.id.as_str()).collect();
        for gone in self.first_ends.keys().filter(|id| !there.contains(id.as_str())) {
            found.push(broken("nothing lost", format!("{gone} is gone")));
        }
        let Some(planned_since) = planned_since else { return };
        let known: BTreeSet<(&str, i64)> =
            facts.renewals.iter().map(|renewal| (renewal.subscription_id.as_str(), renewal.period_start)).collect();
        for (subscription, (end, seen)) in &self.ends {
            let due = due_at(*end).max(*seen);
            let is_over = self.ended.contains(&(subscription.clone(), *end));
            if due < planned_since && !is_over && !known.contains(&(subscription.as_str(), *end)) {
                found.push(broken("nothing lost", format!("nobody renews {subscription} from {end}")));
            }
        }
    }

    /// Each charge says what it is for, is on the customer's own card, and of the sum that was planned.
    fn own_money(&self, facts: &Facts, truth: &Truth, found: &mut Vec<Violation>) {
        let amounts: BTreeMap<(String, i64), Option<i64>> =
            facts.renewals.iter().map(|renewal| (purpose(renewal), renewal.amount)).collect();
        for charge in &truth.charges {
            let Payer::Customer(payer) = &charge.payer else { continue };
            let Some(purpose) = &charge.purpose else {
                found.push(broken("right money", format!("{} does not say what it is for", charge.payment_id)));
                continue;
            };
            if *payer != purpose.0 {
                found.push(broken("right money", format!("{payer} paid {} for {}", charge.payment_id, purpose.0)));
            }
            let planned = amounts.get(purpose).copied().flatten();
            if self.exact && planned.is_some_and(|planned| planned != charge.amount) {
                let what = format!("{} took {} instead of {planned:?}", charge.payment_id, charge.amount);
                found.push(broken("right money", what));
            }
        }
    }

    fn never_early(&self, truth: &Truth, found: &mut Vec<Violation>) {
        for charge in &truth.charges {
            let Some((_, period_start)) = &charge.purpose else { continue };
            if charge.at < due_at(*period_start) {
                found.push(broken("nothing early", format!("{} was charged at {}", charge.payment_id, charge.at)));
            }
        }
    }

    /// A paid renewal is backed by a charge of its own id and amount, and nobody pays a price that was never asked.
    fn right_money(&self, facts: &Facts, truth: &Truth, found: &mut Vec<Violation>) {
        let charges: BTreeMap<&str, &Charge> =
            truth.charges.iter().map(|charge| (charge.payment_id.as_str(), charge)).collect();
        let payments: BTreeMap<&str, _> =
            facts.payments.iter().map(|payment| (payment.payment_id.as_str(), payment)).collect();
        for renewal in facts.renewals.iter().filter(|renewal| renewal.state == "paid") {
            let paid = payments.get(renewal.payment_id.as_str()).is_some_and(|payment| payment.verified);
            let taken = charges.get(renewal.payment_id.as_str()).is_some_and(|charge| {
                Some(charge.amount) == renewal.amount && charge.purpose == Some(purpose(renewal))
            });
            // Money under an id that was given up settles its renewal too.
            let earlier = || {
                truth.charges.iter().any(|charge| {
                    charge.purpose == Some(purpose(renewal))
                        && Some(charge.amount) == renewal.amount
                        && payments.get(charge.payment_id.as_str()).is_some_and(|payment| payment.verified)
                })
            };
            if !(paid && taken || earlier()) {
                found.push(broken(
                    "no phantom",
                    format!("{} is paid, and the ledger has no such charge", renewal.payment_id),
                ));
            }
        }
        if payments.len() < facts.payments.len() {
            found.push(broken("conservation", "a payment is recorded twice".to_owned()));
        }
        for payment in facts.payments.iter().filter(|payment| payment.verified) {
            let charge = charges.get(payment.payment_id.as_str());
            if charge.is_none_or(|charge| Some(charge.amount) != payment.amount) {
                found
                    .push(broken("conservation", format!("{} is verified, and not in the ledger", payment.payment_id)));
            }
        }
        for renewal in &facts.renewals {
            if renewal.amount.is_some_and(|amount| !self.prices.contains(&amount)) {
                found.push(broken("right money", format!("{} costs {:?}", renewal.payment_id, renewal.amount)));
            }
        }
    }

    fn nothing_after_cancel(&self, facts: &Facts, found: &mut Vec<Violation>) {
        for renewal in &facts.renewals {
            let Some(canceled) = self.canceled.get(&renewal.subscription_id) else { continue };
            let before = canceled.attempts.get(&renewal.id).copied().unwrap_or(0);
            if renewal.attempt_count > before {
                let what = format!("{}: {} attempts after {before}", renewal.payment_id, renewal.attempt_count);
                found.push(broken("nothing after a cancellation", what));
            }
        }
    }

    /// What was taken after the cancellation went back, or lies before a person; and what went back bought nothing.
    fn given_back(&self, facts: &Facts, truth: &Truth, found: &mut Vec<Violation>) {
        let mut back: BTreeMap<&str, i64> = BTreeMap::new();
        for (payment_id, amount) in &truth.given_back {
            *back.entry(payment_id).or_default() += amount;
        }
        let renewals: BTreeMap<(String, i64), &Renewal> =
            facts.renewals.iter().map(|renewal| (purpose(renewal), renewal)).collect();
        for charge in &truth.charges {
            let Some(purpose) = &charge.purpose else { continue };
            let (renewal, back) = (renewals.get(purpose), back.get(charge.payment_id.as_str()).copied());
            let state = renewal.map(|renewal| renewal.state.as_str());
            let unwanted = self.canceled.get(&purpose.0).is_some_and(|canceled| canceled.since < charge.at);
            // Money that came to a person may stay by their word, and by nobody else's.
            let is_by_hand = renewal.is_some_and(|renewal| renewal.accepted_by_hand && renewal.state == "paid");
            if unwanted && self.refunds && back != Some(charge.amount) && state != Some("review") && !is_by_hand {
                let what = format!("{} of {} stays with us, {state:?}", charge.payment_id, charge.amount);
                found.push(broken("nothing after a cancellation", what));
            }
            if back.is_some_and(|back| back > charge.amount) || back.is_some() && state == Some("paid") {
                let what = format!("{}: {back:?} of {} went back, {state:?}", charge.payment_id, charge.amount);
                found.push(broken("conservation", what));
            }
        }
    }

    /// The paid time is a chain of periods from where it began, each with a charge behind it; and who paid has it.
    fn access_follows_money(&self, facts: &Facts, truth: &Truth, found: &mut Vec<Violation>) {
        let taken: BTreeSet<&(String, i64)> =
            truth.charges.iter().filter_map(|charge| charge.purpose.as_ref()).collect();
        let periods: BTreeMap<(&str, i64), Option<i64>> = facts
            .renewals
            .iter()
            .map(|renewal| ((renewal.subscription_id.as_str(), renewal.period_start), renewal.period_end))
            .collect();
        for subscription in &facts.subscriptions {
            let Some(first) = self.first_ends.get(&subscription.id) else { continue };
            let mut end = *first;
            while end < subscription.current_period_end {
                let next = periods.get(&(subscription.id.as_str(), end)).copied().flatten();
                if !taken.contains(&(subscription.id.clone(), end)) || next.is_none_or(|next| next <= end) {
                    found.push(broken("access follows money", format!("{} has {end} for nothing", subscription.id)));
                    break;
                }
                end = next.unwrap_or(end);
            }
        }
        let ends: BTreeMap<&str, i64> =
            facts.subscriptions.iter().map(|row| (row.id.as_str(), row.current_period_end)).collect();
        for renewal in facts.renewals.iter().filter(|renewal| renewal.state == "paid") {
            let end = ends.get(renewal.subscription_id.as_str());
            if renewal.period_end.is_none() || end.is_some_and(|end| Some(*end) < renewal.period_end) {
                let what = format!("{} paid {} for nothing", renewal.subscription_id, renewal.payment_id);
                found.push(broken("access follows money", what));
            }
        }
    }

    /// Nobody is told of a decline that the gateway did not decline, nor twice of one.
    fn no_invented_decline(&self, facts: &Facts, truth: &Truth, found: &mut Vec<Violation>) {
        let (real, refused) = (by_purpose(&truth.declines), by_purpose(&truth.refused_keys));
        let charged: BTreeMap<&(String, i64), i64> =
            truth.charges.iter().filter_map(|charge| Some((charge.purpose.as_ref()?, charge.at))).collect();
        let renewals: BTreeMap<&str, &Renewal> =
            facts.renewals.iter().map(|renewal| (renewal.id.as_str(), renewal)).collect();
        let mut told: BTreeMap<(String, i64), i64> = BTreeMap::new();
        let mut told_of_keys: BTreeMap<(String, i64), i64> = BTreeMap::new();
        let mut attempts = BTreeSet::new();
        for decline in &facts.declines {
            let Some(renewal) = renewals.get(decline.renewal_id.as_str()) else { continue };
            if !attempts.insert(&decline.attempt_id) {
                found.push(broken("one notice", format!("{}: told twice", renewal.payment_id)));
            }
            let purpose = purpose(renewal);
            if decline.pg_code.is_none() {
                *told_of_keys.entry(purpose).or_default() += 1;
                continue;
            }
            let before = charged.get(&purpose).is_some_and(|at| *at < decline.at.saturating_sub(self.news_may_be_old));
            if before {
                found.push(broken(
                    "no false notice",
                    format!("{} was paid before its decline was told", renewal.payment_id),
                ));
            }
            *told.entry(purpose).or_default() += 1;
        }
        for renewal in &facts.renewals {
            let purpose = purpose(renewal);
            let known = of(&real, &purpose) + of(&refused, &purpose);
            if renewal.decline_count > known {
                let what = format!("{}: {} counted, {known} real", renewal.payment_id, renewal.decline_count);
                found.push(broken("no invented decline", what));
            }
        }
        for (told, real) in [(told, real), (told_of_keys, refused)] {
            for (purpose, count) in told {
                let real = of(&real, &purpose);
                if count > real {
                    found.push(broken("no invented decline", format!("{purpose:?}: {count} told, {real} real")));
                }
            }
        }
    }
}

type Counts<'a> = BTreeMap<&'a (String, i64), i64>;

fn by_purpose(declines: &[Decline]) -> Counts<'_> {
    let mut counts = Counts::new();
    declines.iter().filter_map(|decline| decline.purpose.as_ref()).for_each(|purpose| {
        *counts.entry(purpose).or_default() += 1;
    });
    counts
}

fn of(counts: &Counts<'_>, purpose: &(String, i64)) -> i64 {
    counts.get(purpose).copied().unwrap_or(0)
}

/// For one period of one subscription the gateway takes money at most once.
fn at_most_once(truth: &Truth, found: &mut Vec<Violation>) {
    let mut seen: BTreeMap<&(String, i64), &str> = BTreeMap::new();
    for charge in &truth.charges {
        let Some(purpose) = &charge.purpose else { continue };
        if let Some(other) = seen.insert(purpose, &charge.payment_id) {
            found.push(broken("at most once", format!("{purpose:?} by {other} and {}", charge.payment_id)));
        }
    }
}

/// Every charge of the ledger is in our payments, with its sum.
fn everything_recorded(facts: &Facts, truth: &Truth, found: &mut Vec<Violation>) {
    let payments: BTreeMap<&str, _> =
        facts.payments.iter().map(|payment| (payment.payment_id.as_str(), payment)).collect();
    for charge in &truth.charges {
        match payments.get(charge.payment_id.as_str()) {
            None if waits_for_a_person(facts, charge) => {}
            None => found.push(broken("everything recorded", format!("{} of {}", charge.payment_id, charge.amount))),
            Some(payment) if payment.amount != Some(charge.amount) => {
                found.push(broken("conservation", format!("{}: {:?}", charge.payment_id, payment.amount)));
            }
            Some(_) => {}
        }
    }
}

/// An earlier period of its subscription lies before a person, and this money with it: nobody can place it sooner.
fn waits_for_a_person(facts: &Facts, charge: &Charge) -> bool {
    let Some((subscription, period_start)) = &charge.purpose else { return false };
    let is_before = |renewal: &&Renewal| {
        renewal.subscription_id == *subscription && renewal.period_start < *period_start && renewal.state == "review"
    };
    let is_shown =
        facts.unplaced.iter().any(|seen| seen.payment_id == charge.payment_id && seen.amount == Some(charge.amount));
    is_shown && facts.renewals.iter().any(|renewal| is_before(&renewal))
}

/// Money that was taken is not behind a renewal that says that nobody paid.
fn nothing_is_passed_over(facts: &Facts, truth: &Truth, found: &mut Vec<Violation>) {
    let states: BTreeMap<(String, i64), &str> =
        facts.renewals.iter().map(|renewal| (purpose(renewal), renewal.state.as_str())).collect();
    for charge in &truth.charges {
        let Some(purpose) = &charge.purpose else { continue };
        let state = states.get(purpose).copied();
        if !matches!(state, Some("paid" | "refunded" | "review")) && !waits_for_a_person(facts, charge) {
            found.push(broken("everything recorded", format!("{} was taken, {state:?}", charge.payment_id)));
        }
    }
}

/// What still waits was not forgotten: it has a time for its next try, or its grace is not over.
fn nothing_stuck(facts: &Facts, now: i64, found: &mut Vec<Violation>) {
    for renewal in &facts.renewals {
        let is_late = match renewal.next_attempt_at {
            Some(at) => at < now - 2 * DAY,
            None => renewal.period_start < now - 10 * DAY,
        };
        let stuck = match renewal.state.as_str() {
            "charging" | "unknown" => true,
            "due" => is_late,
            _ => false,
        };
        if stuck {
            found.push(broken("nothing stuck", format!("{} is {}", renewal.payment_id, renewal.state)));
        }
    }
}

/// The beginning of the day before the period begins, in Seoul.
fn due_at(period_start: i64) -> i64 {
    let local = period_start + SEOUL;
    local - local.rem_euclid(DAY) - DAY - SEOUL
}

fn purpose(renewal: &Renewal) -> (String, i64) {
    (renewal.subscription_id.clone(), renewal.period_start)
}

fn broken(promise: &'static str, what: String) -> Violation {
    Violation { promise, what }
}
