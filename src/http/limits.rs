//! What every request is held to: its size, its time, how many at once; and what every answer says about itself.

use super::problem::{self, Problem};
use crate::config::Server;
use axum::error_handling::HandleErrorLayer;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router, middleware};
use std::any::Any;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

/// Longest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// On every answer: nobody guesses types, frames us, or learns where our users came from; and nothing here is to be kept.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Puts the limits around all routes. The outermost comes last. Probes take no place among the requests at once.
pub(super) fn around(routes: Router, probes: Router, settings: &Server) -> Router {
    let requests_max = usize::try_from(settings.requests_max).unwrap_or(usize::MAX);
    let crowd = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refused))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(requests_max));
    let bounded = |routes: Router| {
        routes
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, settings.request_timeout))
            .layer(CatchPanicLayer::custom(panicked))
    };
    let routes = bounded(routes)
        .layer(crowd)
        .merge(bounded(probes))
        .layer(middleware::map_response(|response: Response| async { problem::of_refusal(response) }));
    HEADERS.into_iter().fold(routes, |routes, (name, value)| {
        // A page that may be kept, or framed, says so itself.
        routes.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)))
    })
}

async fn refused(_: BoxError) -> Problem {
    Problem::unavailable("too many requests at once: come back in a few seconds")
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Problem::internal(&format!("it panicked: {}", said.unwrap_or("without a word"))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Layers};
    use axum::body::{Body, Bytes};
    use axum::http::Request;
    use axum::routing::{get, post};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::Notify;
    use tower::ServiceExt;

    fn settings() -> Server {
        let config = Config::load(&Layers::default()).unwrap();
        Server { requests_max: 1, request_timeout: Duration::from_millis(200), ..config.server }
    }

    async fn asked(routes: &Router, method: &str, path: &str, body: Vec<u8>) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        (response.status().as_u16(), kind)
    }

    fn problem(status: u16) -> (u16, String) {
        (status, problem::CONTENT_TYPE.to_owned())
    }

    #[tokio::test]
    async fn what_is_too_long_too_slow_too_much_or_broken_is_told_as_a_problem() {
        let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (inside, outside) = (Arc::clone(&entered), Arc::clone(&leave));
        let held = move || async move {
            inside.notify_one();
            outside.notified().await;
            "held"
        };
        let routes = Router::new()
            .route("/read", post(|_: Bytes| async { "read" }))
            .route("/slow", get(|| async { std::future::pending::<&str>().await }))
            .route("/held", get(held))
            .route("/broken", get(|| async { panic!("broken") as &str }));
        let probes = Router::new().route("/alive", get(|| async { "alive" }));
        let routes = around(routes, probes, &settings());
        let longest = vec![b'x'; BODY_BYTES_MAX];
        assert_eq!(asked(&routes, "POST", "/read", longest.clone()).await.0, 200);
        assert_eq!(asked(&routes, "POST", "/read", [longest, vec![b'x']].concat()).await, problem(413));
        assert_eq!(asked(&routes, "GET", "/slow", vec![]).await, problem(408));
        assert_eq!(asked(&routes, "GET", "/broken", vec![]).await, problem(500));
        // One is under way, and one is all that it takes.
        let first = tokio::spawn({
            let routes = routes.clone();
            async move { asked(&routes, "GET", "/held", vec![]).await.0 }
        });
        entered.notified().await;
        assert_eq!(asked(&routes, "POST", "/read", vec![]).await, problem(503));
        assert_eq!(asked(&routes, "GET", "/alive", vec![]).await.0, 200, "a crowd is no reason to be restarted");
        leave.notify_one();
        assert_eq!(first.await.unwrap(), 200);
        assert_eq!(asked(&routes, "POST", "/read", vec![]).await.0, 200);
    }
}
