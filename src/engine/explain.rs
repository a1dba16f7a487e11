//! What is next for one subscription, and why: read, decided as a run would decide it, and nothing is recorded.

use crate::domain::due::{self, Planning};
use crate::domain::ids::SubscriptionId;
use crate::domain::outlook::{Outlook, Standing};
use crate::domain::policy::Policy;
use crate::domain::renewal::State;
use crate::store::read::{RenewalRow, RunRow, Timeline};
use crate::store::{DuePage, Store, StoreError};
use chrono::TimeDelta;
use serde::Serialize;
use uuid::Uuid;

/// What `show` shows.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// Whether and when its next period is charged, and why.
    pub next: Outlook,
    #[serde(flatten)]
    pub timeline: Timeline,
}

/// Everything about a subscription, by its id, a renewal's or a payment's; `None` where there is no such id.
///
/// # Errors
/// [`StoreError`].
pub async fn show(store: &dyn Store, policy: &Policy, id: &str) -> Result<Option<Shown>, StoreError> {
    let Some(timeline) = store.timeline(id).await? else { return Ok(None) };
    let next = explain(store, policy, &timeline).await?;
    Ok(Some(Shown { next, timeline }))
}

/// Whether and when the subscription's next period is charged, and why.
///
/// # Errors
/// [`StoreError`].
pub async fn explain(store: &dyn Store, policy: &Policy, timeline: &Timeline) -> Result<Outlook, StoreError> {
    let subscription = &timeline.subscription;
    let paused = store.switch().await?.paused;
    let next = timeline.renewals.iter().find(|row| row.period_start == subscription.current_period_end);
    let outlook = match next.and_then(|row| standing(row, timeline)) {
        Some(standing) => Outlook::of_renewal(&standing),
        None => planned(store, policy, subscription.subscription_id.as_str(), &subscription.status).await?,
    };
    let outlook = match held_by(&store.runs(RUNS_READ).await?, policy) {
        Some(held) => outlook.held(&held),
        None => outlook,
    };
    Ok(match paused {
        Some(paused) => outlook.paused(&format!("by {}: {}", paused.by, paused.reason)),
        None => outlook,
    })
}

/// Runs read to find the latest of the schedule's: on a daemon retries and comparisons lie between.
const RUNS_READ: u32 = 50;

/// What held the latest run that was to charge everybody. Another one by a person's hand, for one renewal, changes nothing.
fn held_by(runs: &[RunRow], policy: &Policy) -> Option<String> {
    const BY_HAND: [&str; 3] = ["retry", "resolve", "refund"];
    let brakes = |run: &RunRow| Some((run.started_at, run.figures.get("brakes")?.as_array()?.clone()));
    let (at, brakes) = runs.iter().filter(|run| !BY_HAND.contains(&run.trigger.as_str())).find_map(brakes)?;
    let first = brakes.first()?;
    let text = |name: &str| first.get(name).and_then(serde_json::Value::as_str);
    let on = text("channel").map(|channel| format!(" on {channel}")).unwrap_or_default();
    let date = policy.zone.date_of(at);
    Some(format!("brake {} held the run of {date}{on}: {}", text("brake")?, text("why").unwrap_or_default()))
}

/// As the planner would decide it when it is due.
async fn planned(store: &dyn Store, policy: &Policy, id: &str, status: &str) -> Result<Outlook, StoreError> {
    let now = store.now().await?;
    let page = DuePage {
        ends_before: now + TimeDelta::days(36_500),
        after: None,
        rows_max: 1,
        only: Some(vec![SubscriptionId::from(id)]),
        not_again_in: None,
    };
    let facts = store.due_facts(&page).await?;
    let Some(facts) = facts.first() else { return Ok(Outlook::of_nothing(status)) };
    let new_id = || Uuid::nil();
    let at = Planning { business_date: policy.zone.date_of(now), now, new_id: &new_id };
    let (disposition, planned) = due::decide(facts, policy, &at);
    Ok(Outlook::of_plan(disposition, &planned))
}

fn standing(row: &RenewalRow, timeline: &Timeline) -> Option<Standing> {
    let declined =
        timeline.attempts.iter().rev().find(|attempt| attempt.renewal_id == row.id && attempt.decline_reason.is_some());
    Some(Standing {
        renewal_id: row.id.clone(),
        state: State::parse(&row.state)?,
        next_attempt_at: row.next_attempt_at,
        next_look_up_at: row.next_look_up_at,
        waits_for_key: row.waits_for_key,
        review_reason: row.review_reason.clone(),
        declines: row.decline_count,
        last_decline: declined
            .and_then(|attempt| attempt.decline_reason.clone())
            .map(|reason| reason.replace('_', " ")),
        access_until: row.access_until,
        cancel_at_period_end: timeline.subscription.cancel_at_period_end,
        has_usable_key: timeline.subscription.billing_key_state == "usable",
    })
}
