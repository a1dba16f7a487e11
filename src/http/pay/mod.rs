//! The page on which a customer gives a new card, opened by a signed link.
//!
//! The card itself is typed into PortOne's window, and never comes here: what comes is a billing key, which is believed
//! only when PortOne says that it is issued, and whose. The one thing that the page loads from elsewhere is PortOne's SDK.

mod page;
mod words;

use super::{Door, Problem, Ready, Site};
use crate::domain::charge::BillingKey;
use crate::domain::ids::SubscriptionId;
use crate::domain::pay_link::{BadLink, PayLinks};
use crate::engine::new_card::NewCardError;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use words::Words;

const SCRIPT: &str = include_str!("../../../assets/pay/pay.js");
const STYLE: &str = include_str!("../../../assets/pay/pay.css");

/// What the page needs of the settings.
#[derive(Clone, Debug)]
pub struct PayPage {
    pub links: PayLinks,
    pub shop: String,
    pub store_id: String,
    pub channel_key: String,
    /// PortOne's word for what is issued.
    pub method: &'static str,
    pub ask_contact: bool,
    pub sdk_url: String,
}

/// What the browser sends when PortOne's window is done. No `Debug`: it holds a billing key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    billing_key: String,
}

pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/pay/{token}", get(show).post(take))
        .route("/assets/pay.js", get(|| async { ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT) }))
        .route("/assets/pay.css", get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }))
}

/// The page's settings, and whose link it is.
fn opened<'s>(site: &'s Site, door: &Door, token: &str) -> Result<(&'s PayPage, SubscriptionId), Closed> {
    let page = site.pay.as_ref().ok_or(Closed::NoPage)?;
    let subscription = page.links.open(token, door.clock.now()).map_err(Closed::Link)?;
    Ok((page, subscription))
}

/// Why there is nothing to open.
enum Closed {
    /// The settings have no such page.
    NoPage,
    Link(BadLink),
}

async fn show(
    State(door): State<Arc<Door>>,
    Ready(site): Ready,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let words = Words::of(headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()));
    let (page, subscription) = match opened(&site, &door, &token) {
        Ok(opened) => opened,
        Err(Closed::NoPage) => return Err(Problem::nothing_there("there is nothing under this path")),
        Err(Closed::Link(BadLink::Expired)) => return Ok(told(StatusCode::GONE, words.link_expired, words)),
        Err(Closed::Link(BadLink::Unknown)) => return Ok(told(StatusCode::NOT_FOUND, words.link_unknown, words)),
    };
    match site.engine.card_offer(&subscription).await {
        Ok(offer) => {
            let html = page::offered(page, &offer, site.zone, words);
            Ok(guarded(StatusCode::OK, html, Some(&page.sdk_url)))
        }
        Err(NewCardError::Store(error)) => Err(error.into()),
        Err(_) => Ok(told(StatusCode::OK, words.not_needed, words)),
    }
}

fn told(status: StatusCode, sentence: &str, words: &Words) -> Response {
    guarded(status, page::told(sentence, words), None)
}

/// Nothing but our own files, PortOne's SDK, and the windows of payment gateways that it opens in frames.
fn guarded(status: StatusCode, html: String, sdk_url: Option<&str>) -> Response {
    let policy = match sdk_url.map(page::origin) {
        Some(sdk) => format!(
            "default-src 'none'; script-src 'self' {sdk}; style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; \
             connect-src 'self' https:; frame-src https:; form-action 'self' https:; base-uri 'none'; frame-ancestors 'none'"
        ),
        None => "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            .to_owned(),
    };
    let mut response = (status, Html(html)).into_response();
    // The settings' address is plain ASCII; without the header there would be no page.
    match HeaderValue::from_str(&policy) {
        Ok(policy) => drop(response.headers_mut().insert(HeaderName::from_static("content-security-policy"), policy)),
        Err(err) => return Problem::internal(&err).into_response(),
    }
    response
}

/// Takes the key that PortOne's window gave. Whoever sends it may have made it up: the gateway is asked.
async fn take(
    State(door): State<Arc<Door>>,
    Ready(site): Ready,
    Path(token): Path<String>,
    Json(given): Json<Given>,
) -> Result<Response, Problem> {
    let (_, subscription) = opened(&site, &door, &token).map_err(|closed| match closed {
        Closed::NoPage => Problem::nothing_there("there is nothing under this path"),
        Closed::Link(BadLink::Expired) => Problem::new(StatusCode::GONE, BadLink::Expired.to_string()),
        Closed::Link(BadLink::Unknown) => Problem::nothing_there(BadLink::Unknown.to_string()),
    })?;
    // A customer who closes the browser has given the card all the same.
    let taking = site.work.start({
        let engine = Arc::clone(&site.engine);
        let subscription = subscription.clone();
        |_| async move { engine.take_new_card(&subscription, BillingKey::new(given.billing_key)).await }
    });
    let offer = taking.await.map_err(|err| Problem::internal(&err))?.map_err(|error| refused(&error, &subscription))?;
    site.charge_soon.notify_one();
    Ok(Json(json!({ "taken": true, "charged_now": offer.due.is_some() })).into_response())
}

fn refused(error: &NewCardError, subscription: &SubscriptionId) -> Problem {
    let problem = match error {
        NewCardError::Store(_) | NewCardError::Gateway(_) => {
            tracing::warn!(subscription.id = %subscription, "a new card could not be taken: {error}");
            return Problem::unavailable("the card could not be checked now").hint("give it again in a minute");
        }
        NewCardError::NotNeeded => Problem::conflict(error.to_string()),
        NewCardError::NotIssued(_) | NewCardError::OtherCustomer | NewCardError::OtherChannel(_) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
    };
    tracing::warn!(subscription.id = %subscription, "a new card was refused: {error}");
    problem.money("nothing was charged")
}
