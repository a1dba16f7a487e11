//! How it stands: recent runs, what is open, and what needs a person. The same for the command line and the API.

use super::coverage::{Coverage, coverage};
use super::unresolved::Unresolved;
use crate::domain::date::Zone;
use crate::store::read::{ActionRow, Backlog, RenewalRow, RunRow};
use crate::store::{Paused, Store, StoreError};
use serde::Serialize;

/// How many recent runs, renewals that need a look, and things done by hand are shown.
const ROWS: u32 = 10;

/// What `status` shows.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Who paused charging, since when, and why.
    pub paused: Option<String>,
    pub backlog: Backlog,
    /// What has no outcome yet: how much, how old, and what comes next.
    pub open: Unresolved,
    /// Which business dates had a run, and which were missed.
    pub coverage: Coverage,
    pub runs: Vec<RunRow>,
    pub needs_a_look: Vec<RenewalRow>,
    /// What people did by hand last.
    pub by_hand: Vec<ActionRow>,
}

/// How it stands now.
///
/// # Errors
/// [`StoreError`].
pub async fn status(store: &dyn Store, zone: Zone) -> Result<Status, StoreError> {
    let paused = store.switch().await?.paused;
    let (backlog, now) = (store.backlog().await?, store.now().await?);
    Ok(Status {
        paused: paused.map(|paused| told(&paused, zone)),
        open: Unresolved::of(&backlog, now),
        backlog,
        coverage: coverage(store, zone).await?,
        runs: store.runs(ROWS).await?,
        needs_a_look: store.needs_person(ROWS).await?,
        by_hand: store.actions(ROWS).await?,
    })
}

/// `by haneul since 2026-01-30 10:00: prices`.
pub fn told(paused: &Paused, zone: Zone) -> String {
    let (date, time) = (zone.date_of(paused.at), zone.time_of(paused.at));
    format!("by {} since {date} {}: {}", paused.by, time.format("%H:%M"), paused.reason)
}
