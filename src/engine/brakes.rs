//! Brakes: measured after the plan and before the first claim, before every claim after it, and by every answer. What trips
//! holds charging and nothing else: what is due stays due, what is under way is settled, refunds and access go on.
//!
//! What does not live here: where a brake trips (`domain::brakes`), and what the gateway itself stops (`channel`).

use super::run::{Run, Scope};
use super::{Engine, RunError};
use crate::domain::brakes::{self, Brake, Charges, Tripped};
use crate::domain::charge::Attempt;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::EventId;
use crate::domain::money::Currency;
use crate::store::read::DueSum;
use crate::store::{DuePage, StoreError};
use serde_json::json;
use std::collections::BTreeMap;

/// Runs read to find the last one that charged.
const RUNS_READ: u32 = 50;

impl Engine {
    /// Who let brakes go, and why: on disk before anything is charged without them.
    pub(super) async fn tell_override(&self, run: &Run) -> Result<(), RunError> {
        let Some(let_go) = &run.let_go else { return Ok(()) };
        let names: Vec<&str> = let_go.brakes.iter().map(|brake| brake.as_str()).collect();
        let (by, reason, names) = (&let_go.by, &let_go.reason, names.join(", "));
        tracing::warn!(run.id = %run.id, "{by} lets go the brakes {names}: {reason}");
        let payload = json!({ "run_id": run.id, "brakes": let_go.brakes, "by": by, "reason": reason });
        let event = self.brake_event(run, EventKind::BrakeOverridden, &run.id.to_string(), payload);
        Ok(self.store.tell(&[event]).await?)
    }

    /// Whether all that can be due trips no brake, however the plan turns out: then charging need not wait for its end.
    pub(super) async fn is_surely_within_brakes(&self, run: &Run) -> Result<bool, RunError> {
        let Some(harmless) = brakes::harmless(run.book.usual().as_ref(), &run.brakes) else { return Ok(true) };
        if run.charges_left().is_some_and(|left| left <= harmless) {
            return Ok(true);
        }
        let planned = charges(&self.store.due_now(run.only.as_deref()).await?).count;
        let Some(room) = harmless.checked_sub(planned) else { return Ok(false) };
        // One more than fits, to know whether it does.
        let rows_max = u32::try_from(room.saturating_add(1)).unwrap_or(u32::MAX);
        let due = self.store.due_count(&DuePage { rows_max, ..self.due_page(run, None) }).await?;
        Ok(due <= room)
    }

    /// Holds all charging if what is due is more than one run may do. Asked between the plan and the first claim.
    pub(super) async fn hold_by_brakes(&self, run: &Run) -> Result<(), RunError> {
        if run.is_stopping() {
            return Ok(());
        }
        self.keep_held(run).await?;
        let due = charges(&self.store.due_now(run.only.as_deref()).await?);
        let ahead = limited(due, run.charges_left());
        run.trip(brakes::before(&ahead, run.book.usual().as_ref(), &run.brakes));
        Ok(())
    }

    /// The day's retries go on where the last run ended: a channel that a person must look at is not tried anew every quarter
    /// of an hour, fifty customers at a time.
    async fn keep_held(&self, run: &Run) -> Result<(), RunError> {
        if run.scope != Scope::Planned || run.let_go.is_some() {
            return Ok(());
        }
        let (own, date) = (run.id.to_string(), run.business_date);
        let rows = self.store.runs(RUNS_READ).await?;
        let last = rows
            .iter()
            .find(|row| row.id != own && row.business_date == date && row.figures["held_channels"].is_object());
        let Some(figures) = last.map(|row| &row.figures) else { return Ok(()) };
        let brakes: Vec<Tripped> = serde_json::from_value(figures["brakes"].clone()).unwrap_or_default();
        let held: BTreeMap<String, String> =
            serde_json::from_value(figures["held_channels"].clone()).unwrap_or_default();
        for (channel, why) in held {
            run.stop_channel(&channel, &why);
            let brake = brakes.iter().find(|tripped| tripped.channel.as_deref() == Some(&*channel));
            brake.into_iter().for_each(|tripped| run.report.tripped(tripped.clone()));
        }
        Ok(())
    }

    /// How many of `wanted` charges the run may still claim. At none it trips, if any more are due.
    pub(super) async fn within_brakes(&self, run: &Run, wanted: u32) -> Result<u32, StoreError> {
        match run.made(|made| brakes::left(made, &run.brakes)) {
            Ok(left) => Ok(u32::try_from(left).unwrap_or(u32::MAX).min(wanted)),
            Err(tripped) => {
                let due = self.store.due_now(run.only.as_deref()).await?;
                if due.iter().any(|sum| sum.renewals > 0) {
                    run.trip(vec![tripped]);
                }
                Ok(0)
            }
        }
    }

    /// One event for each brake that holds something, told with the run's end; the same reason once a business date, however
    /// many runs it holds.
    pub(super) fn tell_tripped(&self, run: &Run, tripped: &[Tripped]) -> Vec<NewEvent> {
        let event = |tripped: &Tripped| {
            let held = tripped.channel.as_deref().unwrap_or_default();
            let dedupe = format!("{}:{}:{held}:{}", run.business_date, tripped.brake, tripped.why);
            let next = match tripped.brake {
                Brake::Declines => format!("renewd status --run {}", run.id),
                _ => "renewd run --dry-run".to_owned(),
            };
            let payload = json!({
                "severity": "critical", "run_id": run.id, "brake": tripped.brake, "channel": tripped.channel,
                "reason": tripped.why, "next": next,
            });
            self.brake_event(run, EventKind::BrakeTripped, &dedupe, payload)
        };
        tripped.iter().map(event).collect()
    }

    fn brake_event(&self, run: &Run, kind: EventKind, dedupe: &str, payload: serde_json::Value) -> NewEvent {
        NewEvent {
            id: EventId(self.new_id()),
            kind,
            subscription_id: None,
            renewal_id: None,
            attempt_id: None,
            dedupe: format!("{}:{dedupe}", kind.as_str()),
            payload,
            created_at: self.now(run),
        }
    }
}

impl Run {
    /// A person has let this brake go for the run.
    pub fn is_let_go(&self, brake: Brake) -> bool {
        self.let_go.as_ref().is_some_and(|let_go| let_go.brakes.contains(&brake))
    }

    /// Holds all charging for whatever of it has tripped.
    pub fn trip(&self, tripped: Vec<Tripped>) {
        let say = |tripped: &Tripped| format!("brake {} holds charging: {}", tripped.brake, tripped.why);
        let whys: Vec<String> = tripped.iter().map(say).collect();
        if !whys.is_empty() {
            tripped.into_iter().for_each(|tripped| self.report.tripped(tripped));
            self.stop_told_by(Some(EventKind::BrakeTripped), whys.join("; "));
        }
    }

    /// Holds one channel for the rest of the run; the others go on.
    pub fn trip_channel(&self, channel: &str, tripped: Tripped) {
        self.stop_channel(channel, &format!("brake {}: {}", tripped.brake, tripped.why));
        self.report.tripped(tripped);
    }

    /// Counts what was claimed against the brakes.
    pub fn count_claimed<'a>(&self, attempts: impl Iterator<Item = &'a Attempt>) {
        let amounts = attempts.map(|attempt| attempt.renewal.amount);
        self.made(|made| amounts.for_each(|amount| made.add(amount.currency(), amount.minor())));
    }

    /// What was never sent is no charge.
    pub fn count_given_back<'a>(&self, attempts: impl Iterator<Item = &'a Attempt>) {
        let amounts = attempts.map(|attempt| attempt.renewal.amount);
        self.made(|made| amounts.for_each(|amount| made.take_back(amount.currency(), amount.minor())));
    }
}

/// What is due, as the brakes measure it.
fn charges(due: &[DueSum]) -> Charges {
    let mut charges = Charges::default();
    for sum in due {
        charges.count += u64::try_from(sum.renewals).unwrap_or(0);
        charges.first += u64::try_from(sum.first).unwrap_or(0);
        if let Ok(currency) = Currency::parse(&sum.currency) {
            charges.sums.insert(currency, sum.minor);
        }
    }
    charges
}

/// What is ahead of a run that may make so many charges only. Which of those due they are, and what they come to, nobody
/// knows before they are claimed: their sum is held while they are.
pub(super) fn limited(mut due: Charges, max: Option<u64>) -> Charges {
    if let Some(max) = max.filter(|max| *max < due.count) {
        due.count = max;
        due.first = due.first.min(max);
        due.sums.clear();
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_limited_has_no_more_ahead_of_it_than_that() {
        let sum = |currency: &str, renewals, first| DueSum { currency: currency.to_owned(), renewals, first, minor: 9 };
        let due = charges(&[sum("KRW", 8, 5), sum("USD", 2, 2), sum("???", 1, 0)]);
        assert_eq!((due.count, due.first, due.sums.len()), (11, 7, 2));
        assert_eq!(limited(due.clone(), None), due);
        assert_eq!(limited(due.clone(), Some(11)), due);
        let some = limited(due, Some(6));
        assert_eq!((some.count, some.first, some.sums.len()), (6, 6, 0));
    }
}
