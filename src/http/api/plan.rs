//! `GET /api/v1/plan`: what a run would do, as `renewd run --dry-run`.

use super::super::auth::Caller;
use super::super::{Problem, Ready, Site};
use super::asked::{Params, day};
use super::cursor;
use crate::engine::preview::{PlanLine, Preview};
use crate::engine::run::RunRequest;
use axum::Json;
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The business date; today in the business zone, unless given.
    #[param(value_type = Option<String>, format = Date)]
    #[serde(default, deserialize_with = "day")]
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
    responses(
        (status = 200, description = "The plan.", body = Plan),
        (status = 422, description = "A date that no run is for.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn show(_: Caller, Ready(site): Ready, Params(asked): Params<Asked>) -> Result<Json<Plan>, Problem> {
    let limit = cursor::limit(asked.limit)?;
    let date = asked.date.map(business_date).transpose()?;
    of(&site, &RunRequest { business_date: date, ..RunRequest::default() }, limit).await.map(Json)
}

/// A date that a run may be for: the calendar of periods has room before and after it.
///
/// # Errors
/// A 422 for another.
pub(super) fn business_date(date: NaiveDate) -> Result<NaiveDate, Problem> {
    if (2000..=2999).contains(&date.year()) {
        return Ok(date);
    }
    Err(Problem::senseless(format!("no run is for {date}")).money("nothing was charged"))
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
