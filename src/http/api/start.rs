//! `POST /api/v1/runs`: starts a run, once for each key that a client gives it.

use super::super::auth::Operator;
use super::super::{Problem, Ready, Site};
use super::asked::{Body, Key, Words, day};
use super::plan::{self, Plan, business_date};
use super::{cursor, schema};
use crate::domain::action::Hand;
use crate::domain::brakes::{Brake, Override};
use crate::domain::ids::RunId;
use crate::engine::Engine;
use crate::engine::run::RunRequest;
use crate::engine::start::{Opened, Started};
use crate::store::read::RunRow;
use crate::store::search::ClientKey;
use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::sync::oneshot;
use utoipa::ToSchema;

/// The header under which a client names what it asks for.
const KEY_HEADER: &str = "idempotency-key";

/// For whatever charges to be over. A job that looks, and finds nothing to charge, is over in a moment; a run is not.
const LANE_WITHIN: Duration = Duration::from_secs(1);

/// Which run is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRun {
    /// The business date to run for; today in the business zone, unless given.
    #[schema(value_type = Option<String>, format = Date)]
    #[serde(default, deserialize_with = "day")]
    date: Option<NaiveDate>,
    /// What would be charged, and why the others not. Charges nothing and writes nothing.
    #[serde(default)]
    dry_run: bool,
    /// Goes on without these brakes, if the plan is right.
    #[serde(default)]
    #[schema(schema_with = schema::brakes)]
    override_brakes: BTreeSet<Brake>,
    /// Why the plan is right as it is; needed with `override_brakes`, and recorded with the run.
    #[schema(inline)]
    reason: Option<Words>,
    /// The same as the header `Idempotency-Key`: the same key starts one run, however often it is sent.
    #[schema(inline)]
    client_key: Option<Key>,
}

/// Starts a run and does not wait for its end. The same `Idempotency-Key` gives the same run, also after a restart and from
/// another daemon; another request under it is refused.
#[utoipa::path(
    post, path = "/api/v1/runs", tag = "runs", operation_id = "start_run", request_body = NewRun,
    params(("Idempotency-Key" = inline(Option<Key>), Header, description = "The client's name for this run.")),
    responses(
        (status = 200, description = "The plan, of a dry run.", body = Plan),
        (status = 202, description = "The run is under way, or was started under this key before.", body = RunRow,
            headers(("location" = String, description = "Where to see it."))),
        (status = 409, description = "A run is under way in this daemon.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It makes no sense, or another request was made under this key. Nothing was started.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn start(
    Operator(caller): Operator,
    Ready(site): Ready,
    headers: HeaderMap,
    Body(asked): Body<NewRun>,
) -> Result<Response, Problem> {
    let key = asked.key(&headers)?;
    let request = asked.request(&caller.name)?;
    if asked.dry_run {
        return Ok(Json(plan::of(&site, &request, cursor::LIMIT).await?).into_response());
    }
    let key = key.map(|key| ClientKey { key, asked: fingerprint(&request) });
    let (engine, own) = (Arc::clone(&site.engine), Arc::clone(&site));
    let what = format!("a run, by {}", caller.name);
    let started = site.work.begin(what, |tell| async move { run(own, engine, request, key, tell).await }).await?;
    match started {
        Some(row) => Ok(started_as(&row)),
        None => Err(Problem::unavailable("the database takes long to open a run")
            .money("the run may start all the same; nobody is charged twice")
            .hint("see GET /api/v1/runs, or send it again under the same Idempotency-Key")),
    }
}

/// The whole of a run: it is told as soon as it is open, and then done.
async fn run(
    site: Arc<Site>,
    engine: Arc<Engine>,
    request: RunRequest,
    key: Option<ClientKey>,
    tell: oneshot::Sender<Result<RunRow, Problem>>,
) {
    // Nobody may be there to hear it: the run is done all the same.
    match open(&site, &request, key.as_ref()).await {
        Ok((Started::Before(id), _)) => drop(tell.send(row(&engine, id).await)),
        Ok((Started::Opened(opened), lane)) => {
            let _ = tell.send(row(&engine, opened.id()).await);
            finish(&engine, opened).await;
            drop(lane);
        }
        Err(problem) => drop(tell.send(Err(problem))),
    }
}

/// Opens the run, in the lane of whatever charges; or finds the one that was opened under the same key.
async fn open(
    site: &Site,
    request: &RunRequest,
    key: Option<&ClientKey>,
) -> Result<(Started, Option<OwnedMutexGuard<()>>), Problem> {
    let _one_at_a_time = site.work.starting.lock().await;
    if let Some(key) = key
        && let Some(before) = site.engine.started_before(key).await?
    {
        return Ok((Started::Before(before), None));
    }
    let lane = tokio::time::timeout(LANE_WITHIN, Arc::clone(&site.charging).lock_owned());
    let lane = lane.await.map_err(|_| {
        Problem::conflict("a run is under way in this daemon: two at once would charge twice as fast as is allowed")
            .money("nothing was started")
            .hint("see it: GET /api/v1/runs?limit=1; send this again when it is over")
    })?;
    let started = site.engine.start(request, key, &site.work.shutdown).await?;
    Ok((started, Some(lane)))
}

async fn finish(engine: &Engine, opened: Opened) {
    let id = opened.id();
    match engine.finish(opened).await {
        Ok(report) => {
            report.log_what_is_open(engine.policy.zone);
            if let Some(problem) = &report.problem {
                tracing::error!(run.id = %id, hint = format!("renewd status --run {id}"), "run {id} is not complete: {problem}");
            }
        }
        Err(error) => tracing::error!(
            run.id = %id,
            money = "what was charged and not recorded yet is looked up by the next run; nothing is charged twice",
            "run {id} could not be done: {error}"
        ),
    }
}

async fn row(engine: &Engine, id: RunId) -> Result<RunRow, Problem> {
    let row = engine.store.run(id).await?;
    row.ok_or_else(|| Problem::internal(&format!("run {id} is gone")))
}

fn started_as(run: &RunRow) -> Response {
    (StatusCode::ACCEPTED, [(header::LOCATION, format!("/api/v1/runs/{}", run.id))], Json(run)).into_response()
}

impl NewRun {
    /// The client's name for it.
    fn key(&self, headers: &HeaderMap) -> Result<Option<String>, Problem> {
        let bad = || {
            Problem::bad_request(
                "the Idempotency-Key must have 1 to 200 visible ASCII characters, none of them a quote",
            )
        };
        let mut in_header = None;
        for value in headers.get_all(KEY_HEADER) {
            let text = value.to_str().map_err(|_| bad())?.trim();
            // Some write it as the draft of the standard has it, in quotes.
            let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
            let Key(key) = Key::try_from(text.to_owned()).map_err(|_| bad())?;
            if in_header.replace(key).is_some() {
                return Err(bad());
            }
        }
        let in_body = self.client_key.as_ref().map(|key| key.0.clone());
        match (in_header, in_body) {
            (Some(one), Some(other)) if one != other => {
                Err(Problem::senseless("client_key and the header Idempotency-Key differ: give one of them"))
            }
            (one, other) => Ok(one.or(other)),
        }
    }

    /// As the engine takes it.
    fn request(&self, actor: &str) -> Result<RunRequest, Problem> {
        let nothing = |detail: &str| Problem::senseless(detail).money("nothing was charged");
        let brakes = self.override_brakes.clone();
        let hand = Hand::of(actor);
        let let_go = match (&self.reason, brakes.is_empty()) {
            (None, true) => None,
            (None, false) => return Err(nothing("override_brakes needs a reason: say why the plan is right as it is")),
            (Some(_), true) => return Err(nothing("a reason is given for override_brakes, and there are none")),
            (Some(_), false) if self.dry_run => {
                return Err(nothing("a dry run holds by no brake: leave override_brakes out"));
            }
            (Some(reason), false) => {
                Some(Override { brakes, by: hand.actor.clone(), reason: reason.0.trim().to_owned() })
            }
        };
        let business_date = self.date.map(business_date).transpose()?;
        Ok(RunRequest { trigger: "api".to_owned(), actor: hand.actor, business_date, let_go, ..RunRequest::default() })
    }
}

/// What makes two requests the same.
fn fingerprint(request: &RunRequest) -> String {
    #[derive(Serialize)]
    struct Asked<'a> {
        date: Option<NaiveDate>,
        override_brakes: Option<&'a BTreeSet<Brake>>,
        reason: Option<&'a str>,
    }
    let let_go = request.let_go.as_ref();
    let asked = Asked {
        date: request.business_date,
        override_brakes: let_go.map(|let_go| &let_go.brakes),
        reason: let_go.map(|let_go| let_go.reason.as_str()),
    };
    // Text and names only: it cannot fail.
    let text = serde_json::to_vec(&asked).unwrap_or_default();
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}
