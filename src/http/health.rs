//! Whether the daemon is alive, and whether it can do its work: for whoever starts, stops and replaces containers.

use super::{Door, Site};
use crate::clock::Clock;
use crate::engine::coverage::coverage;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A daemon that has not looked at its cron lines for so long does not tick: it looks every ten seconds.
const STILL_AFTER: Duration = Duration::from_secs(60);

/// For what the database is asked: a probe waits for a few seconds at most.
const ASK_WITHIN: Duration = Duration::from_secs(3);

/// When the daemon looked at its cron lines last, in milliseconds of uptime; 0 before the first time.
#[derive(Debug, Default)]
pub struct Pulse(AtomicU64);

impl Pulse {
    /// It looked just now.
    pub fn beat(&self, clock: &dyn Clock) {
        let uptime = u64::try_from(clock.uptime().as_millis()).unwrap_or(u64::MAX);
        self.0.store(uptime.max(1), Ordering::Relaxed);
    }

    /// Time since it looked last; `None` before the first time.
    fn age(&self, clock: &dyn Clock) -> Option<Duration> {
        let beat = Some(self.0.load(Ordering::Relaxed)).filter(|beat| *beat > 0)?;
        Some(clock.uptime().saturating_sub(Duration::from_millis(beat)))
    }
}

/// One thing that the daemon cannot do without.
#[derive(Debug, Serialize)]
struct Check {
    ok: bool,
    /// What is wrong, or what is to be known although nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Check {
    fn of(problem: Option<String>) -> Self {
        Self { ok: problem.is_none(), detail: problem }
    }
}

/// What `/readyz` answers.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    /// It can be asked, and its schema is this version's.
    database: Check,
    /// Cron lines are looked at.
    schedule: Check,
    /// Which business dates had no run. No reason to take the daemon away: it is what catches them up.
    coverage: Gaps,
}

#[derive(Debug, Default, Serialize)]
struct Gaps {
    ok: bool,
    missed: Vec<NaiveDate>,
}

/// It runs, and answers.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// 200 where it can do its work, 503 where it cannot, and either way what is known.
pub(super) async fn ready(State(door): State<Arc<Door>>) -> Response {
    let (database, coverage) = match door.site() {
        None => (Some("the daemon waits for its database".to_owned()), None),
        Some(site) => match tokio::time::timeout(ASK_WITHIN, ask(site)).await {
            Ok(Ok(missed)) => (None, Some(missed)),
            Ok(Err(why)) => (Some(why), None),
            Err(_) => (Some(format!("the database did not answer within {} s", ASK_WITHIN.as_secs())), None),
        },
    };
    let schedule = still(&door);
    let ready = database.is_none() && schedule.is_none();
    let readiness = Readiness {
        ready,
        database: Check::of(database),
        schedule: Check::of(schedule),
        coverage: coverage.map(|missed| Gaps { ok: missed.is_empty(), missed }).unwrap_or_default(),
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// The business dates that were missed; asking for them proves that the database answers.
async fn ask(site: &Site) -> Result<Vec<NaiveDate>, String> {
    let store = &*site.engine.store;
    store.check_schema().await.map_err(|err| err.to_string())?;
    let coverage = coverage(store, site.zone).await.map_err(|err| err.to_string())?;
    Ok(coverage.missed)
}

fn still(door: &Door) -> Option<String> {
    match door.pulse.age(&*door.clock) {
        None => Some("the daemon has not begun to tick".to_owned()),
        Some(age) if age > STILL_AFTER => {
            Some(format!("the daemon has not looked at its schedule for {} s: start it again", age.as_secs()))
        }
        Some(_) => None,
    }
}
