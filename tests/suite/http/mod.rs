//! The daemon's server as machines and browsers meet it: a real process, asked over real HTTP, on both databases.

mod api;
mod browser;
mod health;
mod metrics;
mod pages;
pub mod pay;
pub mod served;
mod webhooks;
