//! What must hold in every state, and what must be seen in some: a model in which nothing happens keeps every promise.

use super::world::{ATTEMPTS, Process, Protocol, Renewal, SENDS, State, Step};
use stateright::{Model, Property};

pub const AT_MOST_ONE: &str = "money is taken at most once";
pub const NOTHING_LOST: &str = "what was taken is recorded, or will be by whoever starts next";
pub const NO_PHANTOM: &str = "what is recorded was taken";
pub const NOTHING_AFTER_CANCELLATION: &str = "no claim commits after the cancellation";
pub const NO_INVENTED_DECLINE: &str = "no decline is recorded that the gateway did not tell";
pub const PAID_IS_RECORDED: &str = "a paid renewal has a recorded payment";

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        self.steps(state, actions);
    }

    fn next_state(&self, last: &State, action: Step) -> Option<State> {
        Some(self.after(last, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            always(AT_MOST_ONE, |_, state| state.gateway.money_taken() <= 1),
            always(NOTHING_LOST, nothing_is_lost),
            always(NO_PHANTOM, |_, state| !state.database.money_recorded || state.gateway.money_taken() > 0),
            always(NOTHING_AFTER_CANCELLATION, |_, state| !state.database.claimed_after_cancellation),
            always(NO_INVENTED_DECLINE, |_, state| {
                (0..ATTEMPTS).all(|attempt| !state.database.declined[attempt] || state.gateway.declined[attempt])
            }),
            always(PAID_IS_RECORDED, |_, state| {
                state.database.renewal != Renewal::Paid || state.database.money_recorded
            }),
            sometimes("paid by the first attempt", |_, state| {
                state.database.renewal == Renewal::Paid && state.database.attempts == 1
            }),
            sometimes("paid after a decline", |_, state| {
                state.database.renewal == Renewal::Paid && state.database.declined[0]
            }),
            sometimes("paid after two crashes and four requests", |_, state| {
                state.database.renewal == Renewal::Paid && state.crashes == 2 && state.sends == SENDS
            }),
            sometimes("declined to the end", |_, state| {
                state.database.declined == [true; ATTEMPTS] && state.database.renewal == Renewal::Failed
            }),
            sometimes("canceled before any claim", |_, state| {
                state.database.renewal == Renewal::Canceled && state.database.attempts == 0
            }),
            sometimes("canceled too late", |_, state| {
                state.database.renewal == Renewal::Paid && state.database.canceled
            }),
            sometimes("a worker that lost its lease is about to send", |_, state| {
                (0..2).any(|worker| {
                    matches!(state.processes[worker], Process::Ready { .. })
                        && state.database.holder.is_some_and(|holder| holder != worker)
                })
            }),
        ];
        if self.promises.late_approvals {
            properties.extend([
                sometimes("a decline turned into a payment, and was found", |_, state| {
                    state.database.renewal == Renewal::Paid && state.database.declined == [true; ATTEMPTS]
                }),
                sometimes("money for a canceled renewal waits for a person", |_, state| {
                    state.database.renewal == Renewal::Review
                }),
            ]);
        }
        properties
    }
}

fn always(name: &'static str, holds: fn(&Protocol, &State) -> bool) -> Property<Protocol> {
    Property::always(name, holds)
}

fn sometimes(name: &'static str, is_so: fn(&Protocol, &State) -> bool) -> Property<Protocol> {
    Property::sometimes(name, is_so)
}

/// Everything stops, every lease runs out, one worker starts: it records what was taken, whatever the others left.
fn nothing_is_lost(protocol: &Protocol, state: &State) -> bool {
    if state.gateway.money_taken() == 0 || state.database.money_recorded {
        return true;
    }
    let mut state = State { processes: Default::default(), ..state.clone() };
    state.database.lease_is_live = false;
    // Recovery takes three steps at the most: end the ladder and sweep, or take over, look up and settle.
    for _ in 0..3 {
        let mut steps = Vec::new();
        protocol.steps(&state, &mut steps);
        let recovery = |step: &&Step| {
            matches!(
                step,
                Step::TakeOver(0)
                    | Step::LookUp(0, _)
                    | Step::Settle(0)
                    | Step::PlanCancels
                    | Step::LadderEnds
                    | Step::LateSweep
            )
        };
        let Some(step) = steps.iter().find(recovery) else { return false };
        state = protocol.after(&state, *step);
        if state.database.money_recorded {
            return true;
        }
    }
    false
}
