//! Everything that will go wrong around the workers, planned when the world begins, from its seed.

use super::happening::{Business, Happening};
use super::office::{AIM, Office};
use super::population;
use super::time::{DAY, HOUR, MINUTE, SECOND};

/// By then most charges are over.
const AIM_MAX: i64 = 4 * SECOND;

/// What happens after a moment, and how long after.
type Sequence = Vec<(i64, Happening)>;

pub fn plan(office: &Office, calm_from: i64) {
    processes(office);
    database(office);
    gateway(office);
    business(office);
    office.time.after(calm_from - office.time.micros(), Happening::Calm);
    office.time.after(6 * HOUR, Happening::Operations);
    office.time.after(DAY, Happening::Midnight);
}

fn processes(office: &Office) {
    let workers = office.swarm.workers;
    at_random(office, office.swarm.kills_a_day, || {
        vec![(0, Happening::Kill(usize::try_from(office.between(0, 3)).unwrap() % workers))]
    });
}

fn database(office: &Office) {
    let swarm = &office.swarm;
    at_random(office, swarm.outages_a_week / 7.0, || {
        vec![(0, Happening::DatabaseAway), (office.between(SECOND, 30 * MINUTE), Happening::DatabaseBack)]
    });
    at_random(office, swarm.failovers_a_week / 7.0, || {
        let lost = office.between(SECOND, 30 * SECOND);
        vec![(0, Happening::Copy("failover")), (lost, Happening::Restore("failover"))]
    });
    for _ in 0..swarm.restores {
        let moment = office.between(DAY, (swarm.days - 2) * DAY);
        office.time.after(moment, Happening::Copy("backup"));
        office.time.after(moment + office.between(HOUR, 30 * HOUR), Happening::Restore("backup"));
    }
}

/// A charge is on its way: what can happen before its end is aimed at it.
pub fn aim(office: &Office, worker: usize, subscription: &str) {
    let swarm = &office.swarm;
    let at = |chance: f64, what: Happening| {
        if office.strikes(chance) {
            office.time.after(office.between(0, AIM_MAX), what);
        }
    };
    at(AIM * swarm.kill, Happening::Kill(worker));
    at(swarm.plan_changes, Happening::Business(Business::Price));
    let Some(number) = population::number(subscription) else { return };
    at(swarm.cancels, Happening::Business(Business::Cancel(number)));
    at(swarm.changes_of_mind, Happening::Business(Business::ChangeOfMind(number)));
    at(swarm.new_cards, Happening::Business(Business::NewCard(number)));
    at(swarm.plan_changes, Happening::Business(Business::ChangePlan(number)));
}

fn gateway(office: &Office) {
    let hours = office.swarm.outage_hours;
    if hours > 0 {
        let moment = office.between(0, office.swarm.days * DAY);
        office.time.after(moment, Happening::GatewayAway(true));
        office.time.after(moment + hours * HOUR, Happening::GatewayAway(false));
    }
}

fn business(office: &Office) {
    let swarm = &office.swarm;
    for number in 0..swarm.subscriptions {
        for (a_day, what) in [
            (swarm.cancels, Business::Cancel(number)),
            (swarm.changes_of_mind, Business::ChangeOfMind(number)),
            (swarm.new_cards, Business::NewCard(number)),
            (swarm.plan_changes, Business::ChangePlan(number)),
        ] {
            at_random(office, a_day, || vec![(0, Happening::Business(what))]);
        }
    }
    at_random(office, swarm.plan_changes, || vec![(0, Happening::Business(Business::Price))]);
}

/// So often a day on average, at any moment.
fn at_random(office: &Office, a_day: f64, mut sequence: impl FnMut() -> Sequence) {
    for day in 0..office.swarm.days {
        let mut left = a_day;
        while left > 0.0 && office.strikes(left.min(1.0)) {
            let moment = day * DAY + office.between(0, DAY);
            sequence().into_iter().for_each(|(later, what)| office.time.after(moment + later, what));
            left -= 1.0;
        }
    }
}
