//! `POST /api/v1/pause` and `/resume`: the kill switch.

use super::super::auth::Operator;
use super::super::{Problem, Ready};
use super::asked::{Body, Words};
use super::by_hand::{Answer, answered};
use crate::domain::action::Hand;
use crate::engine::control::{self, Turned};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// Recorded, and shown by `renewd status`.
    #[schema(inline)]
    reason: Words,
}

/// No new charge starts anywhere until it is resumed; what is under way is settled.
#[utoipa::path(
    post, path = "/api/v1/pause", tag = "control", operation_id = "pause", request_body = Why,
    responses((status = 200, description = "Charging is paused.", body = Turned)),
)]
pub(super) async fn pause(Operator(caller): Operator, Ready(site): Ready, Body(why): Body<Why>) -> Answer {
    let (engine, hand) = (Arc::clone(&site.engine), Hand::of(&caller.name).because(&why.reason.0));
    let paused = site.work.finish(format!("pause, by {}", caller.name), async move {
        let before = control::pause(&*engine.store, &|| engine.new_id(), &hand).await.map_err(Problem::from)?;
        Ok(Turned::paused(&hand, before.as_ref(), engine.policy.zone))
    });
    Ok(answered(paused.await?, "/api/v1/status"))
}

/// Charging goes on with the next run.
#[utoipa::path(
    post, path = "/api/v1/resume", tag = "control", operation_id = "resume", request_body = Why,
    responses((status = 200, description = "Charging may go on, and did before where it says so.", body = Turned)),
)]
pub(super) async fn resume(Operator(caller): Operator, Ready(site): Ready, Body(why): Body<Why>) -> Answer {
    let (engine, hand) = (Arc::clone(&site.engine), Hand::of(&caller.name).because(&why.reason.0));
    let resumed = site.work.finish(format!("resume, by {}", caller.name), async move {
        let before = control::resume(&*engine.store, &|| engine.new_id(), &hand).await.map_err(Problem::from)?;
        Ok(Turned::resumed(&hand, before.as_ref(), engine.policy.zone))
    });
    Ok(answered(resumed.await?, "/api/v1/status"))
}
