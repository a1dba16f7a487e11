//! Problems that no page told, for people: what is not there, what took too long, what there is no room for now.

use super::frame;
use super::visitor::Look;
use crate::http::problem::{self, Told};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;

/// A problem is a few sentences.
const BYTES_MAX: usize = 16 * 1024;

/// A problem's words, read back.
#[derive(Debug, Deserialize)]
struct Read {
    detail: String,
    money: Option<String>,
    #[serde(default)]
    hints: Vec<String>,
}

/// A browser that goes somewhere asks for HTML, and gets it; programs get problems as they are.
pub async fn as_pages(request: Request, next: Next) -> Response {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_browser = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    let (parts, body) = request.into_parts();
    let look = is_browser.then(|| Look::of(&parts));
    let response = next.run(Request::from_parts(parts, body)).await;
    match look.filter(|_| is_problem(&response)) {
        Some(look) => page(&look, response).await,
        None => response,
    }
}

fn is_problem(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == problem::CONTENT_TYPE.as_bytes())
}

async fn page(look: &Look, response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // Made by us, and in memory already: where it cannot be read its status says enough.
    let body = to_bytes(body, BYTES_MAX).await.unwrap_or_default();
    let read: Option<Read> = serde_json::from_slice(&body).ok();
    let told = Told {
        status: parts.status,
        detail: read.as_ref().map_or("", |read| &read.detail),
        money: read.as_ref().and_then(|read| read.money.as_deref()),
        hints: read.as_ref().map_or(&[], |read| &read.hints),
    };
    let page = frame::problem_alone(look, &told);
    for (name, value) in super::HEADERS {
        parts.headers.insert(name, HeaderValue::from_static(value));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Response::from_parts(parts, Body::from(page))
}
