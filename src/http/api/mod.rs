//! The ops API: what the command line does, over HTTP. The same calls of the engine, the same JSON, the same refusals.
//!
//! Reading takes any token of the settings; changing something takes an operator's, whose name is recorded with it. What
//! changes something is done by a task of the daemon's: a client that hangs up ends no charge. What does not live here: no
//! decision about money, and no word of why one was made.

mod asked;
mod by_hand;
mod control;
mod cursor;
mod document;
mod plan;
mod renewals;
mod runs;
mod schema;
mod start;
mod status;

pub use document::document;

use super::Door;
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/api/openapi.json", get(document::show))
        .route("/api/v1/status", get(status::show))
        .route("/api/v1/runs", get(runs::list).post(start::start))
        .route("/api/v1/runs/{id}", get(runs::one))
        .route("/api/v1/renewals", get(renewals::list))
        .route("/api/v1/renewals/{id}", get(renewals::one))
        .route("/api/v1/renewals/{id}/retry", post(by_hand::retry))
        .route("/api/v1/renewals/{id}/resolve", post(by_hand::resolve))
        .route("/api/v1/renewals/{id}/refund", post(by_hand::refund))
        .route("/api/v1/plan", get(plan::show))
        .route("/api/v1/pause", post(control::pause))
        .route("/api/v1/resume", post(control::resume))
}
