//! `/metrics`, for Prometheus: what this process counted, and how the tables stand. Names and units follow Prometheus'
//! conventions; what each means, and what to do when it moves, stands in `docs/METRICS.md`.

mod counters;
mod standing;

use super::auth::Caller;
use super::{Door, Problem};
use crate::version;
use axum::extract::{FromRequestParts, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use standing::Standing;
use std::sync::Arc;

pub use counters::Counters;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All that is told.
#[derive(Debug, Default)]
pub struct Metrics {
    pub counters: Counters,
    standing: Standing,
}

/// Somebody who may read the metrics: anybody where the settings say so, else whoever has a token.
pub(super) struct Scraper;

impl FromRequestParts<Arc<Door>> for Scraper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Problem> {
        if !door.settings.metrics_open {
            Caller::from_request_parts(parts, door).await?;
        }
        Ok(Self)
    }
}

pub(super) async fn tell(State(door): State<Arc<Door>>, _: Scraper) -> Result<Response, Problem> {
    let mut registry = Registry::with_prefix("renewd");
    let built = Info::new([("version", version::NUMBER), ("commit", version::COMMIT), ("built", version::BUILT)]);
    registry.register("build", "Which renewd this is", built);
    door.metrics.counters.register(&mut registry);
    door.metrics.standing.register(&mut registry, door.site(), &*door.clock).await;
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|err| Problem::internal(&err))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
