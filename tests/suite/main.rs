//! Every test that meets the world: databases, HTTP, processes. One program, so that a run starts one server.
//!
//! Pure rules are tested beside their code; the house's own rules are in `tests/house.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the answer, in its helper functions too"
)]
#![allow(clippy::disallowed_methods, reason = "tests wait on the machine's time, and are told things by environment")]

mod cli;
mod clusters;
mod config;
mod crash;
mod faults;
mod http;
mod model;
mod notify;
mod properties;
mod protocol;
mod reconcile;
#[path = "../simulation/mod.rs"]
mod simulation;
mod stores;
mod support;
mod told;
mod world;
