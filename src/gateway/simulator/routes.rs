//! PortOne's endpoints over HTTP, and some of the simulator's own below `/_simulator/` for other processes.
//!
//! What does not live here: no behaviour. A handler takes the lock, asks the model, lets go, and waits outside.

use super::asking::CancelCall;
use super::behaviour::Rule;
use super::charging::{ChargeCall, Step};
use super::model::{GatewayModel, KeyInfo};
use super::reply::Reply;
use super::schedules::Scheduled;
use super::wire::Line;
use crate::clock::Clock;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What all handlers share.
pub(super) struct Shared {
    /// What every request takes beside its own work.
    pub(super) request_latency: std::time::Duration,
    pub(super) model: Mutex<GatewayModel>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) api_secret: SecretString,
}

impl Shared {
    /// The model; never held while anything is awaited.
    pub(super) fn model(&self) -> MutexGuard<'_, GatewayModel> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queries that the endpoints know.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    store_id: Option<String>,
    request_body: Option<String>,
}

type Context = (State<Arc<Shared>>, ConnectInfo<Line>);

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/payments/{payment_id}/billing-key", post(charge))
        .route("/payments/{payment_id}/cancel", post(cancel))
        .route("/payments/{payment_id}", get(payment))
        .route("/payments", get(payments))
        .route("/billing-keys/{billing_key}", get(billing_key))
        .route("/payment-schedules", get(schedules))
        .route("/_simulator/ledger", get(ledger))
        .route("/_simulator/rules", post(add_rule).delete(clear_rules))
        .route("/_simulator/billing-keys/{billing_key}", put(set_key))
        .route("/_simulator/payment-schedules", post(add_schedule))
        .route("/_simulator/reset", post(reset))
        .layer(middleware::from_fn_with_state(shared.clone(), authorize))
        .with_state(shared)
}

/// Every endpoint needs the API secret, the simulator's own too.
async fn authorize(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = sent.and_then(|sent| sent.strip_prefix("PortOne "));
    if secret == Some(shared.api_secret.expose_secret()) {
        return next.run(request).await;
    }
    response(Reply::error(401, "UNAUTHORIZED", "the API secret is not valid"), shared.clock.now())
}

async fn charge(context: Context, Path(payment_id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let (State(shared), ConnectInfo(line)) = context;
    let call = ChargeCall { payment_id: &payment_id, idempotency_key: idempotency_key(&headers), body: &body };
    let now = shared.clock.now();
    let step = shared.model().charge(now, &call);
    match step {
        Step::Answered(reply) => deliver(&shared, &line, reply).await,
        Step::Approving { ticket, wait } => {
            // A task of its own: the charge goes on when the client hangs up.
            let task = shared.clone();
            let approved = tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                let now = task.clock.now();
                task.model().approve(now, *ticket)
            });
            let reply = approved.await.unwrap_or_else(|_| Reply::lost());
            deliver(&shared, &line, reply).await
        }
    }
}

async fn payment(context: Context, Path(payment_id): Path<String>, Query(asked): Query<Asked>) -> Response {
    let (State(shared), ConnectInfo(line)) = context;
    let reply = shared.model().payment(shared.clock.now(), &payment_id, asked.store_id.as_deref());
    deliver(&shared, &line, reply).await
}

async fn payments(context: Context, Query(asked): Query<Asked>) -> Response {
    let (State(shared), ConnectInfo(line)) = context;
    let reply = shared.model().payments(shared.clock.now(), asked.request_body.as_deref());
    deliver(&shared, &line, reply).await
}

async fn cancel(context: Context, Path(payment_id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let (State(shared), ConnectInfo(line)) = context;
    let call = CancelCall { payment_id: &payment_id, idempotency_key: idempotency_key(&headers), body: &body };
    let reply = shared.model().cancel(shared.clock.now(), &call);
    deliver(&shared, &line, reply).await
}

async fn billing_key(context: Context, Path(key): Path<String>, Query(asked): Query<Asked>) -> Response {
    let (State(shared), ConnectInfo(line)) = context;
    let reply = shared.model().billing_key(shared.clock.now(), &key, asked.store_id.as_deref());
    deliver(&shared, &line, reply).await
}

async fn schedules(context: Context, Query(asked): Query<Asked>) -> Response {
    let (State(shared), ConnectInfo(line)) = context;
    let reply = shared.model().schedules(shared.clock.now(), asked.request_body.as_deref());
    deliver(&shared, &line, reply).await
}

async fn ledger(State(shared): State<Arc<Shared>>) -> Response {
    let now = shared.clock.now();
    let mut model = shared.model();
    model.advance(now);
    let told = serde_json::to_string(model.ledger()).unwrap_or_default();
    response(Reply::new(200, told, "application/json"), now)
}

async fn add_rule(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let reply = match serde_json::from_slice::<Rule>(&body) {
        Ok(rule) => {
            shared.model().add_rule(rule);
            done()
        }
        Err(err) => Reply::error(400, "INVALID_RULE", &err.to_string()),
    };
    response(reply, shared.clock.now())
}

async fn clear_rules(State(shared): State<Arc<Shared>>) -> Response {
    shared.model().clear_rules();
    response(done(), shared.clock.now())
}

async fn set_key(State(shared): State<Arc<Shared>>, Path(key): Path<String>, body: Bytes) -> Response {
    let reply = match serde_json::from_slice::<KeyInfo>(&body) {
        Ok(info) => {
            shared.model().set_key(&key, info);
            done()
        }
        Err(err) => Reply::error(400, "INVALID_KEY_INFO", &err.to_string()),
    };
    response(reply, shared.clock.now())
}

async fn add_schedule(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let reply = match serde_json::from_slice::<Scheduled>(&body) {
        Ok(scheduled) => {
            shared.model().add_schedule(scheduled);
            done()
        }
        Err(err) => Reply::error(400, "INVALID_SCHEDULE", &err.to_string()),
    };
    response(reply, shared.clock.now())
}

async fn reset(State(shared): State<Arc<Shared>>) -> Response {
    shared.model().reset();
    response(done(), shared.clock.now())
}

fn done() -> Reply {
    Reply::new(200, "{}".to_owned(), "application/json")
}

fn idempotency_key(headers: &HeaderMap) -> Option<&str> {
    // A header that is no text is as good as a malformed one.
    headers.get("idempotency-key").map(|value| value.to_str().unwrap_or_default())
}

async fn deliver(shared: &Shared, line: &Line, reply: Reply) -> Response {
    let wait = reply.after + shared.request_latency;
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    line.set(reply.delivery);
    response(reply, shared.clock.now())
}

/// The reply as HTTP, dated by the simulator's clock.
fn response(reply: Reply, now: DateTime<Utc>) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    if let Ok(date) = HeaderValue::from_str(&now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()) {
        headers.insert(header::DATE, date);
    }
    if let Some((name, text)) = reply.header
        && let Ok(value) = HeaderValue::from_str(&text)
    {
        headers.insert(HeaderName::from_static(name), value);
    }
    response
}
