//! renewd renews subscriptions: it charges stored PortOne V2 billing keys, at most once per period.
//!
//! The house, from the top floor down; a floor names only the floors below it (`tests/house.rs` keeps this).
//!
//! | floor | modules | what lives there |
//! | --- | --- | --- |
//! | 5 | [`cli`], [`schedule`] | people and the clock on the wall: they only ask the engine |
//! | 5 | [`http`] | the daemon's server: machines and browsers, who only ask the engine as well |
//! | – | [`app`] | the one file that names adapters and builds everything |
//! | 4 | [`engine`] | the steps of a run; sees ports as traits, and the domain |
//! | 3 | [`store`], [`gateway`], [`notify`], [`clock`], [`chance`] | the ports, and their adapters below them |
//! | 2 | [`config`] | layers, typed settings, secrets |
//! | 1 | [`domain`] | every decision; pure: no IO, no clock, no chance |
//! | 1 | [`webhook`] | signatures of messages: whether one is really the gateway's, and ours; pure as well, and knows nothing of the others |
#![forbid(unsafe_code)]

pub mod app;
pub mod chance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod engine;
pub mod gateway;
pub mod http;
pub mod notify;
pub mod schedule;
pub mod shutdown;
pub mod store;
pub mod systemd;
pub mod telemetry;
pub mod version;
pub mod webhook;
