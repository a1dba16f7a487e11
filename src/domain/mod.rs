//! Every decision that renewd takes, as pure functions over values.
//!
//! What does not live here: no async, no IO, no clock (time is a fact that is handed in), no chance, no SQL, and
//! no other party's wire format.

pub mod access;
pub mod action;
pub mod answer;
pub mod attempt;
pub mod brakes;
pub mod by_hand;
pub mod charge;
pub mod claim;
pub mod coverage;
pub mod date;
pub mod decline;
pub mod delivery;
mod draft;
pub mod due;
pub mod dunning;
pub mod event;
pub mod ids;
pub mod key_turn;
pub mod late;
pub mod look_ahead;
pub mod look_ups;
pub mod money;
pub mod notice;
pub mod outlook;
pub mod pay_link;
pub mod payment;
pub mod payment_id;
pub mod period;
pub mod policy;
pub mod reconcile;
pub mod refund;
pub mod renewal;
pub mod requirements;
pub mod settle;
pub mod settlement;
pub mod verdict;
pub mod waiting;

#[cfg(test)]
mod fixtures;
