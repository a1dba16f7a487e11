//! An exhaustive model of the charging protocol: every order of events in a small world, checked by `stateright`.
//!
//! One renewal of one subscription; two workers; two attempts; up to four requests; two crashes; one cancellation;
//! commits whose acknowledgement is lost; requests that are lost, or delayed for ever; approvals that come after a
//! decline. A worker may stop for any time between any two of its steps, because nothing obliges it to take the next.
//! Nothing in here has a clock: a lease expires at any moment, "after ten minutes" is any moment too.
//!
//! | the protocol's step | here |
//! | --- | --- |
//! | 2 Resolve: `charging` with an expired lease, and `unknown` | [`Step::LeaseExpires`], [`Step::TakeOver`] |
//! | 3 Plan: `Renew`, `Cancel`; the ladder or the grace ends | [`Step::Plan`], [`Step::PlanCancels`], [`Step::LadderEnds`] |
//! | 4 Claim | [`Step::Claim`], [`Step::ClaimUnacknowledged`] |
//! | 5 Charge; "else give the claim back unsent" | [`Step::Send`], [`Step::GiveBack`] |
//! | 6 Look up | [`Step::LookUp`]; a 404 then allows [`Step::SendAgain`], the same attempt |
//! | 7 Settle, fenced | [`Step::Settle`], [`Step::SettleUnacknowledged`] |
//! | Late sweep | [`Step::LateSweep`]: PAID never expires, so reading and recording are one step |
//! | the API service cancels | [`Step::Cancel`] |
//! | the gateway and the wire | [`Step::Arrive`], [`Step::Lose`], [`Step::Approve`], [`Step::Decline`], [`Step::ApproveLate`], [`Step::KeyExpires`] |
//!
//! What is *not* modelled: amounts (a PAID that does not match), refunds, a second series, look-ups that fail (they
//! teach nothing, so they are no step) or that show an old state, and databases that forget commits. The simulation
//! has these.

mod gateway;
mod properties;
mod world;

use gateway::Promises;
use properties::*;
use stateright::{Checker, HasDiscoveries, Model};
use world::{Protocol, State, Step};

/// renewd's protocol over a gateway that keeps its promise and does everything else that it may.
const PROTOCOL: Protocol = Protocol {
    promises: Promises { one_success_per_id: true, late_approvals: true, keys_expire: true },
    new_id_per_attempt: false,
    timeout_is_decline: false,
    cancellation_not_rechecked: false,
    no_late_sweep: false,
};

/// A gateway that executes concurrent requests of one payment id each for itself.
const RACING: Promises = Promises { one_success_per_id: false, late_approvals: false, keys_expire: false };

/// Fewer states than this, and the model does not do what it says.
const STATES_MIN: usize = 10_000;

/// Every state is visited, every `always` holds in all of them, every `sometimes` in one.
fn assert_holds(protocol: Protocol) {
    let checker = protocol.checker().symmetry_fn(State::with_workers_in_order).threads(2).spawn_dfs().join();
    println!("{} states, at most {} steps deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
    assert!(checker.unique_state_count() > STATES_MIN, "{} states", checker.unique_state_count());
}

/// The steps to the nearest state in which the property does not hold.
fn counterexample(protocol: Protocol, property: &'static str) -> Vec<Step> {
    let only_it = HasDiscoveries::AnyOf([property].into());
    let checker = protocol.checker().finish_when(only_it).spawn_bfs().join();
    let path = checker.discovery(property).unwrap_or_else(|| panic!("nothing violates {property:?}: {protocol:?}"));
    path.into_actions()
}

#[test]
fn the_protocol_holds() {
    assert_holds(PROTOCOL);
}

#[test]
fn a_gateway_that_races_is_survived_while_keys_live() {
    assert_holds(Protocol { promises: RACING, ..PROTOCOL });
}

#[test]
fn a_gateway_that_races_charges_twice_once_keys_expire() {
    let promises = Promises { keys_expire: true, ..RACING };
    let steps = counterexample(Protocol { promises, ..PROTOCOL }, AT_MOST_ONE);
    assert!(steps.contains(&Step::KeyExpires(0)), "a repeat of the first attempt is executed again: {steps:?}");
    assert!(steps.contains(&Step::Approve(0)) && steps.contains(&Step::Approve(1)), "{steps:?}");
}

#[test]
fn a_new_payment_id_per_attempt_charges_twice() {
    let steps = counterexample(Protocol { new_id_per_attempt: true, ..PROTOCOL }, AT_MOST_ONE);
    assert!(steps.contains(&Step::Approve(1)), "{steps:?}");
}

#[test]
fn a_time_out_taken_as_a_decline_charges_twice_where_the_gateway_races() {
    let hasty = Protocol { timeout_is_decline: true, ..PROTOCOL };
    let steps = counterexample(Protocol { promises: RACING, ..hasty }, AT_MOST_ONE);
    assert!(steps.iter().any(|step| matches!(step, Step::TimeOutAsDecline(_))), "{steps:?}");
    // The gateway's promise saves the money, not the customer's name.
    counterexample(hasty, NO_INVENTED_DECLINE);
}

#[test]
fn a_claim_that_does_not_look_at_the_cancellation_again_is_seen() {
    counterexample(Protocol { cancellation_not_rechecked: true, ..PROTOCOL }, NOTHING_AFTER_CANCELLATION);
}

#[test]
fn money_that_is_never_looked_for_again_is_seen() {
    counterexample(Protocol { no_late_sweep: true, ..PROTOCOL }, NOTHING_LOST);
}
