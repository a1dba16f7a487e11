//! `GET /api/v1/status`: as `renewd status`.

use super::super::auth::Caller;
use super::super::{Problem, Ready};
use crate::engine::status::{Status, status};
use axum::Json;

/// Recent runs, what is open, and what needs a person.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "status", operation_id = "status",
    responses((status = 200, description = "How it stands now.", body = Status)),
)]
pub(super) async fn show(_: Caller, Ready(site): Ready) -> Result<Json<Status>, Problem> {
    Ok(Json(status(&*site.engine.store, site.zone).await?))
}
