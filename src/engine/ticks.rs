//! What the daemon asks between runs: whether a run is worth opening, and who lost access meanwhile.

use super::{Engine, RunError};
use crate::store::StoreError;

/// What an hourly look at access changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessChanges {
    pub past_due: u64,
    pub downgraded: u64,
}

impl Engine {
    /// Whether anything that an earlier run planned can be moved on now. Without this a run every quarter of an hour would
    /// fill the list of runs, and the inbox of whoever is told of them, with runs that did nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_planned_work(&self) -> Result<bool, StoreError> {
        let (backlog, now) = (self.store.backlog().await?, self.store.now().await?);
        let look_up_is_due = backlog.next_look_up_at.is_some_and(|at| at <= now);
        if backlog.due_now > 0 || backlog.unsettled > 0 || backlog.refunds_open > 0 || look_up_is_due {
            return Ok(true);
        }
        Ok(!self.store.waiting_facts(None, now - self.policy.max_overdue, 1).await?.is_empty())
    }

    /// Who is past due and who is downgraded by now, without a run around it. Nothing is charged.
    ///
    /// # Errors
    /// [`RunError::Store`]; what was written until then stays written.
    pub async fn refresh_access(&self) -> Result<AccessChanges, RunError> {
        let now = self.store.now().await?;
        let mut changes = AccessChanges::default();
        // What is paid for is never shortened between runs: `downgrade = "at_run"` waits for the run that it is named for.
        self.access_pages((now, now), |change| match change.status {
            "past_due" => changes.past_due += 1,
            _ => changes.downgraded += 1,
        })
        .await?;
        Ok(changes)
    }
}
