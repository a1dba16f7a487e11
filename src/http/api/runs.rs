//! `GET /api/v1/runs` and `/runs/{id}`.

use super::super::auth::Caller;
use super::super::{Problem, Ready};
use super::asked::{Id, Params};
use super::{cursor, schema};
use crate::domain::ids::RunId;
use crate::store::read::RunRow;
use crate::store::search::RunPage;
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    /// `next_cursor` of the page before.
    #[param(schema_with = schema::runs_cursor)]
    cursor: Option<String>,
    /// How many rows at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// One page of runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Runs {
    /// The newest first.
    runs: Vec<RunRow>,
    /// For the next page; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Runs, the newest first. Those that start meanwhile come on no later page.
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs", operation_id = "runs", params(Pages),
    responses((status = 200, description = "One page.", body = Runs)),
)]
pub(super) async fn list(_: Caller, Ready(site): Ready, Params(asked): Params<Pages>) -> Result<Json<Runs>, Problem> {
    let limit = cursor::limit(asked.limit)?;
    let page = RunPage { before: cursor::run(asked.cursor.as_deref())?, rows_max: limit + 1 };
    let mut runs = site.engine.store.runs_page(&page).await?;
    let next_cursor = cursor::next(&mut runs, limit, cursor::of_run);
    Ok(Json(Runs { runs, next_cursor }))
}

/// One run: its figures stand in it once it is over.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", tag = "runs", operation_id = "run",
    params(("id" = String, Path, description = "The run.", format = "uuid")),
    responses(
        (status = 200, description = "The run.", body = RunRow),
        (status = 404, description = "There is no such run.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn one(_: Caller, Ready(site): Ready, Id(id): Id) -> Result<Json<RunRow>, Problem> {
    let found = match Uuid::parse_str(&id) {
        Ok(uuid) => site.engine.store.run(RunId(uuid)).await?,
        Err(_) => None,
    };
    found.map(Json).ok_or_else(|| Problem::nothing_there("there is no such run").hint("list them: GET /api/v1/runs"))
}
