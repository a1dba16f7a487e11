//! The daemon's ears: what machines and people ask over HTTP.
//!
//! | path | who asks |
//! | --- | --- |
//! | `/healthz`, `/readyz` | whoever starts and stops containers |
//! | `/` and the pages under it | people of operations, in a browser |
//! | `/pay/…` | customers, by a signed link |
//! | `/api/v1/…` | operations and their programs, by a bearer token; described in `/api/openapi.json` |
//! | `/webhooks/portone` | PortOne, signed |
//! | `/metrics` | Prometheus |
//!
//! It listens before there is a database, so that a probe gets an answer that says what is missing; everything but the
//! health then answers 503. What does not live here: no decision and no SQL; a handler reads its request, asks the engine
//! or the store once, and tells the answer. Whatever goes wrong is told as [`problem`] has it.

pub mod api;
pub mod ask;
pub mod auth;
mod health;
mod limits;
mod listen;
pub mod metrics;
mod pages;
pub mod pay;
mod problem;
mod refusals;
mod trace;
pub mod webhooks;
mod work;

pub use health::Pulse;
pub use listen::{ListenError, Listening};
pub use metrics::Metrics;
pub use pay::PayPage;
pub use problem::Problem;
pub use webhooks::Webhooks;
pub use work::Work;

use crate::clock::Clock;
use crate::config::Server;
use crate::domain::date::Zone;
use crate::engine::Engine;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Router, middleware};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// What the handlers work with once the daemon has its database.
pub struct Site {
    pub engine: Arc<Engine>,
    pub zone: Zone,
    /// Held by each run: the limits of `[charge]` are a run's, and two at once would have them twice. What a person charges
    /// by hand is one charge, and does not wait for it.
    pub charging: Arc<Mutex<()>>,
    /// Rung when something came due that should not wait for the next tick.
    pub charge_soon: Arc<Notify>,
    /// What requests started.
    pub work: Work,
    /// `None`: customers give their cards elsewhere.
    pub pay: Option<PayPage>,
    /// `None`: PortOne tells nothing, and nothing depends on it.
    pub webhooks: Option<Webhooks>,
}

/// What is there from the first moment on.
pub struct Door {
    pub settings: Server,
    pub clock: Arc<dyn Clock>,
    /// Whether the daemon still looks at its cron lines.
    pub pulse: Pulse,
    pub metrics: Metrics,
    site: OnceLock<Arc<Site>>,
}

impl Door {
    pub fn new(settings: Server, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { settings, clock, pulse: Pulse::default(), metrics: Metrics::default(), site: OnceLock::new() })
    }

    /// The database is there: from now on everything is answered.
    pub fn open(&self, site: Site) {
        // Only the daemon opens it, and once.
        let _ = self.site.set(Arc::new(site));
    }

    /// Waits for what requests started, for a bounded time.
    pub async fn end(&self, within: Duration) {
        if let Some(site) = self.site() {
            site.work.end(within).await;
        }
    }

    fn site(&self) -> Option<&Arc<Site>> {
        self.site.get()
    }
}

/// The site, for handlers that cannot do without: 503 before it is there.
pub struct Ready(pub Arc<Site>);

impl FromRequestParts<Arc<Door>> for Ready {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, door: &Arc<Door>) -> Result<Self, Problem> {
        door.site().cloned().map(Self).ok_or_else(|| Problem::unavailable("the daemon waits for its database"))
    }
}

/// Every route, with every limit around it.
pub fn router(door: &Arc<Door>) -> Router {
    // A crowd that is turned away does not make the daemon look dead: whoever restarts it would do so in the middle of a run.
    // It asks nothing of the database, so it needs no place among those who do.
    let probes = Router::new()
        .route("/healthz", get(health::alive))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(Arc::clone(door));
    let routes = Router::new()
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::tell))
        .merge(api::routes())
        .merge(pages::router())
        .merge(pay::routes())
        .route("/webhooks/portone", post(webhooks::receive))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(Arc::clone(door));
    // Outside of the limits: what they refuse is told to people, too.
    limits::around(routes, probes, &door.settings)
        .layer(middleware::from_fn(pages::as_pages))
        .layer(middleware::from_fn(trace::follow))
}
