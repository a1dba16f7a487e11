//! The trace that a request belongs to, as the proxy in front names it: every line of the log that the request causes has
//! its id, so that the log of the load balancer and ours are one.

use crate::telemetry::{self, TRACE_FIELD};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, Span, error_span};

/// As many hex digits has the id of a trace, in both headers.
const ID_DIGITS: usize = 32;

/// Answers the request inside its trace.
pub(super) async fn follow(request: Request, next: Next) -> Response {
    let span = id(request.headers()).map_or_else(Span::none, |id| error_span!("request", { TRACE_FIELD } = id));
    if let Some(parent) = request.headers().get("traceparent").and_then(|value| value.to_str().ok()) {
        telemetry::join(&span, parent);
    }
    next.run(request).instrument(span).await
}

/// `traceparent: VERSION-ID-PARENT-FLAGS` (W3C), or `X-Cloud-Trace-Context: ID/SPAN;o=1` (Google). Anybody may send one:
/// what is no id is not repeated.
fn id(headers: &HeaderMap) -> Option<String> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let of_w3c = header("traceparent").and_then(|value| value.split('-').nth(1));
    let of_google = || header("x-cloud-trace-context").and_then(|value| value.split('/').next());
    let is_id = |id: &&str| id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    of_w3c.filter(is_id).or_else(|| of_google().filter(is_id)).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn found(name: &'static str, value: &str) -> Option<String> {
        id(&[(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn both_headers_are_understood() {
        assert_eq!(found("traceparent", &format!("00-{ID}-b7ad6b7169203331-01")).unwrap(), ID);
        assert_eq!(found("x-cloud-trace-context", &format!("{}/1;o=1", ID.to_uppercase())).unwrap(), ID);
        assert_eq!(found("x-cloud-trace-context", ID).unwrap(), ID);
    }

    #[test]
    fn what_is_no_id_is_not_repeated() {
        for value in ["", "00-short-b7ad6b7169203331-01", "00", "zaf7651916cd43dd8448eb211c80319c/1"] {
            assert_eq!((found("traceparent", value), found("x-cloud-trace-context", value)), (None, None), "{value}");
        }
    }
}
