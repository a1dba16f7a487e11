//! `GET /api/v1/plan`: what a run would do, as `renewd run --dry-run`.

use super::super::auth::Caller;
use super::super::{Problem, Ready, Site};
use super::asked::Params;
use super::cursor;
use super::renewals::business_date;
use crate::engine::preview::{PlanLine, Preview};
use crate::engine::run::RunRequest;
use axum::Json;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The business date; today in the business zone, unless given.
    #[param(value_type = Option<String>, format = Date)]
    date: Option<NaiveDate>,
    /// How many subscriptions of it are listed at most; the sums are always of all.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A plan, with its first subscriptions.
#[derive(Serialize)]
pub(super) struct Plan {
    renewals: Vec<PlanLine>,
    /// How many there are in all.
    renewals_in_all: u64,
    #[serde(flatten)]
    sums: Preview,
}

/// What a run would charge, and why the others not. Charges nothing and writes nothing.
#[utoipa::path(
    get, path = "/api/v1/plan", tag = "runs", operation_id = "plan", params(Asked),
    responses((status = 200, description = "The plan.", body = Plan)),
)]
pub(super) async fn show(_: Caller, Ready(site): Ready, Params(asked): Params<Asked>) -> Result<Json<Plan>, Problem> {
    let limit = cursor::limit(asked.limit)?;
    let date = asked.date.map(business_date).transpose()?;
    of(&site, &RunRequest { business_date: date, ..RunRequest::default() }, limit).await.map(Json)
}

/// What a run would do if it were asked for now.
///
/// # Errors
/// [`Problem`] where the database does not answer, or holds what it must not.
pub(super) async fn of(site: &Site, request: &RunRequest, limit: u32) -> Result<Plan, Problem> {
    let (mut renewals, mut renewals_in_all) = (Vec::new(), 0);
    let mut hear = |line: &PlanLine| {
        renewals_in_all += 1;
        if renewals.len() < limit as usize {
            renewals.push(line.clone());
        }
    };
    let sums = site.engine.preview(request, &mut hear).await?;
    Ok(Plan { renewals, renewals_in_all, sums })
}
