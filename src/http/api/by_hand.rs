//! `POST /api/v1/renewals/{id}/retry`, `/resolve` and `/refund`: what people do by hand, with their token's name.

use super::super::auth::Operator;
use super::super::{Problem, Ready};
use super::asked::{Body, Hidden, Id, Name, Words, minor};
use super::schema;
use crate::domain::action::Hand;
use crate::domain::by_hand::refund::RefundAsk;
use crate::domain::by_hand::resolve::{AGAINST_WORDS_MIN, Answer as Said};
use crate::domain::charge::BillingKey;
use crate::engine::by_hand::{NewKey, RefundCommand, Refunded, ResolveCommand, Resolved, Retried, RetryCommand};
use crate::engine::import::key_problem;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

pub(super) type Answer = Result<Response, Problem>;

/// What takes longer than a request may, and goes on.
#[derive(Serialize, ToSchema)]
pub(super) struct UnderWay {
    /// It is not over.
    under_way: bool,
    /// Where to see what came of it.
    see: String,
}

/// What was done, or where to see it when it is.
pub(super) fn answered<T: Serialize>(done: Option<T>, see: &str) -> Response {
    match done {
        Some(done) => Json(done).into_response(),
        None => {
            let body = Json(UnderWay { under_way: true, see: see.to_owned() });
            (StatusCode::ACCEPTED, [(header::LOCATION, see.to_owned())], body).into_response()
        }
    }
}

/// Where a client sees what became of the id that it gave.
fn seen_at(id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let mut path = "/api/v1/renewals/".to_owned();
    for c in id.chars() {
        if plain(c) {
            path.push(c);
        } else {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| path.push_str(&format!("%{byte:02X}")));
        }
    }
    path
}

/// What is to be charged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    /// Why; recorded with the token's name.
    #[schema(inline)]
    reason: Words,
    /// The customer's new card, stored before it is charged. Never told again.
    #[schema(value_type = Option<String>, write_only)]
    with_billing_key: Option<Hidden>,
    /// The new card's channel; that of the key before, unless given.
    #[schema(inline)]
    channel_key: Option<Name>,
    /// The new card's payment gateway; that of the key before, unless given.
    #[schema(inline)]
    pg_provider: Option<Name>,
}

impl Retry {
    fn new_key(&self) -> Result<Option<NewKey>, Problem> {
        let nothing = |detail: String| Problem::senseless(detail).money("nothing was charged");
        let name = |name: &Option<Name>| name.as_ref().map(|name| name.0.clone());
        let (channel_key, pg_provider) = (name(&self.channel_key), name(&self.pg_provider));
        let Some(Hidden(key)) = &self.with_billing_key else {
            if channel_key.is_some() || pg_provider.is_some() {
                return Err(nothing(
                    "channel_key and pg_provider are a new card's: with_billing_key is not given".to_owned(),
                ));
            }
            return Ok(None);
        };
        if let Some(problem) = key_problem(key).or_else(|| key.contains('\0').then_some("it holds what no key holds")) {
            return Err(nothing(format!("the billing key cannot be used: {problem}")));
        }
        Ok(Some(NewKey { key: BillingKey::new(key), channel_key, pg_provider }))
    }
}

/// Charges one renewal now, whatever its ladder says. A decline is an ordinary outcome, and a 200.
#[utoipa::path(
    post, path = "/api/v1/renewals/{id}/retry", tag = "renewals", operation_id = "retry", request_body = Retry,
    params(("id" = inline(Name), Path, description = "A renewal, a payment id, or a subscription: then its latest renewal.")),
    responses(
        (status = 200, description = "What became of the renewal, and of each attempt that was made for it.", body = Retried),
        (status = 202, description = "It takes longer than a request may, and goes on.", body = UnderWay,
            headers(("location" = String, description = "Where to see what came of it."))),
        (status = 404, description = "There is no such id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something stands against it. Nothing was charged.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The new card cannot be used. Nothing was charged.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn retry(
    Operator(caller): Operator,
    Ready(site): Ready,
    Id(id): Id,
    Body(asked): Body<Retry>,
) -> Answer {
    let hand = Hand::of(&caller.name).because(&asked.reason.0);
    let command = RetryCommand { id: id.clone(), new_key: asked.new_key()?, hand };
    let (engine, shutdown) = (Arc::clone(&site.engine), site.work.shutdown.clone());
    let retried = site.work.finish(format!("retry of {id}, by {}", caller.name), async move {
        Ok(engine.retry(&command, &shutdown).await?)
    });
    Ok(answered(retried.await?, &seen_at(&id)))
}

/// What became of a renewal under review.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolve {
    /// What became of it.
    #[serde(rename = "as")]
    #[schema(schema_with = schema::answer)]
    answer: Said,
    /// What you saw that makes you sure: a receipt, a line of PortOne's console, the customer's statement.
    #[schema(inline)]
    evidence: Words,
    /// Why; recorded with the token's name.
    #[schema(inline)]
    reason: Words,
    /// Goes on where the gateway shows something else, with what you know and it does not, in 20 characters or more. Never
    /// charges, and never gives a period.
    #[schema(schema_with = schema::against)]
    against_gateway: Option<Words>,
}

/// Answers a renewal under review. The gateway is asked first, always, and an answer that it contradicts is refused.
#[utoipa::path(
    post, path = "/api/v1/renewals/{id}/resolve", tag = "renewals", operation_id = "resolve", request_body = Resolve,
    params(("id" = inline(Name), Path, description = "The renewal under review, its payment id, or its subscription.")),
    responses(
        (status = 200, description = "What the gateway shows, and where the renewal stands now.", body = Resolved),
        (status = 202, description = "It takes longer than a request may, and goes on.", body = UnderWay,
            headers(("location" = String, description = "Where to see what came of it."))),
        (status = 404, description = "There is no such id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something stands against it. Nothing was changed.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn resolve(
    Operator(caller): Operator,
    Ready(site): Ready,
    Id(id): Id,
    Body(asked): Body<Resolve>,
) -> Answer {
    let against = asked.against_gateway.map(|words| words.0.trim().to_owned());
    if against.as_ref().is_some_and(|words| words.chars().count() < AGAINST_WORDS_MIN) {
        return Err(Problem::bad_request(format!("against_gateway takes at least {AGAINST_WORDS_MIN} characters"))
            .money("nothing was changed")
            .hint("say what you know and the gateway does not: who said it, when, and where it can be seen"));
    }
    let hand = Hand::of(&caller.name).because(&asked.reason.0).seeing(&asked.evidence.0);
    let command = ResolveCommand { id: id.clone(), answer: asked.answer, against, hand };
    let (engine, shutdown) = (Arc::clone(&site.engine), site.work.shutdown.clone());
    let resolved = site.work.finish(format!("resolve {id}, by {}", caller.name), async move {
        Ok(engine.resolve_by_hand(&command, &shutdown).await?)
    });
    Ok(answered(resolved.await?, &seen_at(&id)))
}

/// What is to be given back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refund {
    /// How much, in the currency's minor unit (won, cents); all that is left, unless given.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    #[serde(default, deserialize_with = "minor")]
    amount: Option<i64>,
    /// Tells this refund from others of the same payment; the sum, unless given.
    #[schema(inline)]
    reference: Option<Name>,
    /// Which payment, where the renewal was paid more than once.
    #[schema(inline)]
    payment_id: Option<Name>,
    /// Why; recorded with the token's name, and told to the gateway.
    #[schema(inline)]
    reason: Words,
}

/// Gives a payment back, whole or in part. Sent twice it gives back once: another refund of the same sum needs a
/// `reference` of its own.
#[utoipa::path(
    post, path = "/api/v1/renewals/{id}/refund", tag = "renewals", operation_id = "refund", request_body = Refund,
    params(("id" = inline(Name), Path, description = "A payment id, a renewal, or a subscription: then its latest renewal.")),
    responses(
        (status = 200, description = "How the refund stands: what is not back yet is asked for again by every run.", body = Refunded),
        (status = 202, description = "It takes longer than a request may, and goes on.", body = UnderWay,
            headers(("location" = String, description = "Where to see what came of it."))),
        (status = 404, description = "There is no such id.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something stands against it. Nothing was given back.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn refund(
    Operator(caller): Operator,
    Ready(site): Ready,
    Id(id): Id,
    Body(asked): Body<Refund>,
) -> Answer {
    let hand = Hand::of(&caller.name).because(&asked.reason.0);
    let reason = hand.reason.clone().unwrap_or_default();
    let ask = RefundAsk { amount: asked.amount, reference: asked.reference.map(|name| name.0), reason };
    let command = RefundCommand { payment_id: id.clone(), ask, hand };
    let (engine, shutdown) = (Arc::clone(&site.engine), site.work.shutdown.clone());
    let named = asked.payment_id.map(|name| name.0);
    let refunded = site.work.finish(format!("refund of {id}, by {}", caller.name), async move {
        Ok(engine.refund_of(command, named.as_deref(), &shutdown).await?)
    });
    Ok(answered(refunded.await?, &seen_at(&id)))
}
