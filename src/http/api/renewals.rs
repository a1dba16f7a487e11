//! `GET /api/v1/renewals` and `/renewals/{id}`.

use super::super::auth::Caller;
use super::super::{Problem, Ready};
use super::asked::{Id, Name, Params, day};
use super::{cursor, schema};
use crate::domain::ids::{PaymentId, SubscriptionId};
use crate::domain::renewal::State;
use crate::engine::explain::{self, Shown};
use crate::store::read::RenewalRow;
use crate::store::search::RenewalPage;
use axum::Json;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is searched for; what is given must all be so.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    /// Where it stands.
    #[param(schema_with = schema::state)]
    state: Option<State>,
    /// Whose it is.
    #[param(inline)]
    subscription: Option<Name>,
    /// A payment id that it has, had, or was paid under.
    #[param(inline)]
    payment_id: Option<Name>,
    /// The business date of the run that planned it.
    #[param(value_type = Option<String>, format = Date)]
    #[serde(default, deserialize_with = "day")]
    date: Option<NaiveDate>,
    /// `next_cursor` of the page before.
    #[param(schema_with = schema::renewals_cursor)]
    cursor: Option<String>,
    /// How many rows at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// One page of renewals.
#[derive(Serialize, ToSchema)]
pub(super) struct Renewals {
    /// The newest first.
    renewals: Vec<RenewalRow>,
    /// For the next page; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Renewals, the newest first. Those that are planned meanwhile come on no later page.
#[utoipa::path(
    get, path = "/api/v1/renewals", tag = "renewals", operation_id = "renewals", params(Search),
    responses((status = 200, description = "One page.", body = Renewals)),
)]
pub(super) async fn list(
    _: Caller,
    Ready(site): Ready,
    Params(asked): Params<Search>,
) -> Result<Json<Renewals>, Problem> {
    let limit = cursor::limit(asked.limit)?;
    let page = RenewalPage {
        state: asked.state,
        subscription: asked.subscription.map(|name| SubscriptionId(name.0)),
        payment: asked.payment_id.map(|name| PaymentId(name.0)),
        business_date: asked.date,
        before: cursor::renewal(asked.cursor.as_deref())?,
        rows_max: limit + 1,
    };
    let mut renewals = site.engine.store.renewals_page(&page).await?;
    let next_cursor = cursor::next(&mut renewals, limit, cursor::of_renewal);
    Ok(Json(Renewals { renewals, next_cursor }))
}

/// Everything about one subscription, by its own id, a renewal's or a payment's: what happened, what is next, and why.
#[utoipa::path(
    get, path = "/api/v1/renewals/{id}", tag = "renewals", operation_id = "renewal",
    params(("id" = inline(Name), Path, description = "A renewal, a payment id, or a subscription.")),
    responses(
        (status = 200, description = "Its timeline.", body = Shown),
        (status = 404, description = "There is no such id.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn one(_: Caller, Ready(site): Ready, Id(id): Id) -> Result<Json<Shown>, Problem> {
    let engine = &site.engine;
    let shown = explain::show(&*engine.store, &engine.policy, &id).await?;
    shown.map(Json).ok_or_else(|| {
        Problem::nothing_there("there is no such subscription, renewal or payment").hint("search: GET /api/v1/renewals")
    })
}
