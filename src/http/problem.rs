//! What went wrong, as RFC 9457 has it: `application/problem+json` with what happened, and what it means.
//!
//! What a person outside may know stands in it; causes are logged, and told by their reference.

use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::fmt;

/// The content type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A problem's body. `type` is left out: each stands for what its status says, and `title` repeats that.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    title: &'static str,
    #[serde(rename = "status")]
    code: u16,
    /// What happened, for whoever asked.
    detail: String,
    /// What it means for the money, where that is a question.
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<String>,
    /// What to do, one thing each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// A problem's words.
pub struct Told<'p> {
    pub status: StatusCode,
    pub detail: &'p str,
    pub money: Option<&'p str>,
    pub hints: &'p [String],
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            title: status.canonical_reason().unwrap_or("Error"),
            code: status.as_u16(),
            detail: detail.into(),
            money: None,
            hints: Vec::new(),
            retry_after: None,
        }
    }

    /// What was asked cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// It can be read, and makes no sense.
    pub fn senseless(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// It stands against how things are now.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// There is no such thing.
    pub fn nothing_there(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Nobody known asks.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// Not now: whoever asked comes back in a few seconds.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// Something of ours failed. The cause is logged here, and not told: it may name what is none of the asker's business.
    pub fn internal(cause: &dyn fmt::Display) -> Self {
        let reference = reference();
        tracing::error!(reference = %reference, "a request could not be answered: {cause}");
        let detail = format!("it could not be done; the log says why, under {reference}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// For a page that tells it to a person.
    pub fn told(&self) -> Told<'_> {
        Told { status: self.status, detail: &self.detail, money: self.money.as_deref(), hints: &self.hints }
    }

    /// What happened.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    #[must_use]
    pub fn money(mut self, money: impl Into<String>) -> Self {
        self.money = Some(money.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Finds the line of the log that a person outside was told of.
fn reference() -> String {
    let mut bytes = [0; 6];
    // Without randomness it is no reference, and the log's time must do.
    let _ = getrandom::fill(&mut bytes);
    data_encoding::HEXLOWER.encode(&bytes)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Text and numbers only: it cannot fail.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            error if error.may_pass() => {
                tracing::warn!("a request could not be answered: {error}");
                Self::unavailable("the database cannot be asked now")
            }
            error => Self::internal(&error),
        }
    }
}

pub(super) async fn not_found() -> Problem {
    Problem::nothing_there("there is nothing under this path")
}

pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
}

/// Refusals of the layers below, which are plain text, in the same form as our own.
pub(super) fn of_refusal(response: Response) -> Response {
    let status = response.status();
    let is_text =
        response.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !is_text {
        return response;
    }
    let detail = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "the body is longer than what is read here",
        StatusCode::REQUEST_TIMEOUT => "it took too long",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "the body must be JSON, and say so in its content type",
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => "it cannot be read: see /api/openapi.json",
        _ => "it cannot be answered",
    };
    let mut problem = Problem::new(status, detail).into_response();
    // Such as `allow`, which says what would have been taken.
    for (name, value) in response.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            problem.headers_mut().insert(name, value.clone());
        }
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_happened_and_what_to_do() {
        let problem = Problem::conflict("charging is paused").money("nothing was charged").hint("renewd resume");
        assert_eq!(
            serde_json::to_value(&problem).unwrap(),
            serde_json::json!({
                "title": "Conflict", "status": 409, "detail": "charging is paused", "money": "nothing was charged",
                "hints": ["renewd resume"],
            })
        );
        let response = problem.into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (409, &HeaderValue::from_static(CONTENT_TYPE))
        );
    }

    #[test]
    fn a_cause_of_ours_is_not_told_outside() {
        let problem = Problem::internal(&"password authentication failed for user renewd");
        assert!(!problem.detail.contains("password"), "{}", problem.detail);
    }

    #[test]
    fn plain_refusals_become_problems_and_answers_stay_as_they_are() {
        let refused = of_refusal((StatusCode::PAYLOAD_TOO_LARGE, "length limit exceeded").into_response());
        assert_eq!(refused.headers()["content-type"], CONTENT_TYPE);
        let page = of_refusal((StatusCode::FORBIDDEN, [("content-type", "text/html")], "<p>").into_response());
        assert_eq!(page.headers()["content-type"], "text/html");
        let fine = of_refusal("alive".into_response());
        assert_eq!(fine.status(), StatusCode::OK);
    }
}
