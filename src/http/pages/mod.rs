//! The page for operations, at `/`: what was collected, what is at risk, what needs a person, and the buttons for it.
//!
//! Made here, whole, for every request: it works without scripts, and htmx only spares people a reload. Nothing is asked
//! of another host, and the policy of [`POLICY`] holds it to that. Whoever signs in shows a token of `server.tokens`;
//! what they may do is that token's role. What does not live here: no sum and no decision. A page asks the engine or the
//! store what the command line asks, and all its words are in [`words`].

mod assets;
mod case;
mod chart;
mod figures;
mod frame;
mod hand;
mod language;
mod login;
mod parts;
mod plan;
mod problems;
mod resolve;
mod retry;
mod review;
mod run_now;
mod runs;
mod search;
mod session;
mod shown;
mod subscription;
mod switch;
mod timeline;
mod today;
mod visitor;
mod words;

pub(super) use problems::as_pages;

use super::Door;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::routing::{get, post};
use std::sync::Arc;
use tower_http::set_header::SetResponseHeaderLayer;

/// Scripts, styles and data of our own only; nothing inline, nothing framed, no form that goes elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// On every page.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
];

/// The pages' routes.
pub(super) fn router() -> Router<Arc<Door>> {
    let routes = Router::new()
        .route("/", get(today::page))
        .route("/login", get(login::page).post(login::sign_in).layer(login::Wrong::layer()))
        .route("/logout", post(login::sign_out))
        .route("/review", get(review::page))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::one))
        .route("/search", get(search::page))
        .route("/subscriptions/{id}", get(subscription::page))
        .route("/plan", get(plan::page))
        .route("/run", get(run_now::confirm).post(run_now::run))
        .route("/pause", get(switch::confirm_pause).post(switch::pause))
        .route("/resume", get(switch::confirm_resume).post(switch::resume))
        .route("/renewals/{id}/retry", get(retry::confirm).post(retry::retry))
        .route("/renewals/{id}/resolve", get(resolve::form).post(resolve::resolve))
        .layer(middleware::from_fn(language::remember))
        .merge(assets::router());
    HEADERS.into_iter().fold(routes, |routes, (name, value)| {
        routes.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)))
    })
}
