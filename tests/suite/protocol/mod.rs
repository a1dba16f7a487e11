//! The protocol over real HTTP, on both databases: every row of its two verdict tables, asserted against the gateway's
//! own ledger and against what was recorded.

mod access_told;
mod answers;
mod brakes;
mod by_hand;
mod cancellations;
mod circuits;
mod coverage;
mod dunning;
mod edges;
mod hearing;
mod late;
mod look_ahead;
mod look_ups;
mod overlap;
mod plans;
mod refunds;
mod stops;
mod ticks;
