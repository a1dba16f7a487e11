//! The API's own description: OpenAPI 3.1, made from the handlers.

use super::schema::Schemas;
use super::{by_hand, control, plan, renewals, runs, start, status};
use axum::Json;
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi as Document, Ref, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

/// The media type of a refusal.
const PROBLEM: &str = super::super::problem::CONTENT_TYPE;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "renewd",
        description = "What `renewd` does on the command line, over HTTP. Reading takes any token of `server.tokens`; changing \
            something takes an operator's, whose name is recorded with it. Amounts are in the currency's minor unit (won, \
            cents). Every refusal is a problem as RFC 9457 has it: what happened, what it means for the money, what to do.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "status", description = "How it stands."),
        (name = "runs", description = "Runs, and what one would do."),
        (name = "renewals", description = "One move of one subscription to its next period."),
        (name = "control", description = "The kill switch."),
    ),
    paths(
        show, status::show, runs::list, runs::one, start::start, plan::show, renewals::list, renewals::one, by_hand::retry,
        by_hand::resolve, by_hand::refund, control::pause, control::resume,
    ),
    components(schemas(by_hand::UnderWay)),
    security(("bearer" = [])),
    modifiers(&Schemas, &Everywhere),
)]
struct Api;

/// The whole description.
pub fn document() -> Document {
    Api::openapi()
}

/// This description. Needs no token.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "status", operation_id = "openapi", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = inline(serde_json::Value))),
)]
pub(super) async fn show() -> Json<Document> {
    Json(document())
}

/// What every operation has in common: who may ask, and what can go wrong anywhere.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, document: &mut Document) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_with(Components::new).add_security_scheme("bearer", bearer);
        for (path, item) in &mut document.paths.paths {
            let operations = [(HttpMethod::Get, &mut item.get), (HttpMethod::Post, &mut item.post)];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    add_refusals(operation, path.starts_with("/api/v1/"), method == HttpMethod::Post);
                }
            }
        }
    }
}

fn add_refusals(operation: &mut Operation, needs_token: bool, writes: bool) {
    let is_read = operation.parameters.is_some() || operation.request_body.is_some();
    let refusals = [
        (true, 408, "It took too long."),
        (true, 500, "Something failed here: the log says why, under the reference that is told."),
        (true, 503, "Not now: the database cannot be asked, or too much is under way."),
        (needs_token, 401, "No token, or one that is not known here."),
        (needs_token && writes, 403, "The token's role is viewer."),
        (is_read, 400, "What was asked cannot be read, or makes no sense."),
        (operation.request_body.is_some(), 413, "The body is longer than what is read."),
        (operation.request_body.is_some(), 415, "The body is not JSON, or does not say so."),
    ];
    for (_, status, description) in refusals.into_iter().filter(|(is_so, ..)| *is_so) {
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| refusal(description).into());
    }
}

fn refusal(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(PROBLEM, content).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_named_is_described() {
        let text = serde_json::to_string(&document()).unwrap();
        let described = document().components.unwrap().schemas;
        for named in text.split("#/components/schemas/").skip(1) {
            let name = named.split('"').next().unwrap();
            assert!(described.contains_key(name), "{name} is nowhere described");
        }
        assert!(text.contains("\"openapi\":\"3.1.0\""), "{}", &text[..40]);
    }

    #[test]
    fn every_refusal_is_a_problem() {
        for (path, item) in document().paths.paths {
            for operation in [item.get, item.post].into_iter().flatten() {
                for (status, response) in &operation.responses.responses {
                    let is_refusal = status.starts_with(['4', '5']);
                    let text = serde_json::to_string(response).unwrap();
                    assert_eq!(text.contains(PROBLEM), is_refusal, "{path} {status}: {text}");
                }
            }
        }
    }
}
