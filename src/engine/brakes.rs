//! Brakes: measured after the plan and before the first claim, before every claim after it, and by every answer. What trips
//! holds charging and nothing else: what is due stays due, what is under way is settled, refunds and access go on.
//!
//! What does not live here: where a brake trips (`domain::brakes`), and what the gateway itself stops (`channel`).

use super::run::{Run, Scope};
use super::{Engine, RunError};
use crate::domain::brakes::{self, Brake, Charges, Tripped, Usual};
use crate::domain::charge::Attempt;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{EventId, RunId};
use crate::domain::money::Currency;
use crate::store::read::{DueSum, RunRow};
use crate::store::search::RunPage;
use crate::store::{DuePage, StoreError};
use serde_json::json;
use std::collections::BTreeMap;

/// Runs of a page that is read to find the last one that charged.
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

    /// What is due already, if no brake can trip however the plan turns out: then charging need not wait for its end.
    pub(super) async fn surely_within_brakes(&self, run: &Run) -> Result<Option<Charges>, RunError> {
        let Some(harmless) = brakes::harmless(run.book.usual().as_ref(), &run.brakes) else {
            return Ok(Some(Charges::default()));
        };
        if harmless == 0 {
            return Ok(None);
        }
        let planned = charges(&self.store.due_now(run.only.as_deref()).await?);
        if run.charges_left().is_some_and(|left| left <= harmless) {
            return Ok(Some(planned));
        }
        let Some(room) = harmless.checked_sub(planned.count) else { return Ok(None) };
        // One more than fits, to know whether it does.
        let rows_max = u32::try_from(room.saturating_add(1)).unwrap_or(u32::MAX);
        let due = self.store.due_count(&DuePage { rows_max, ..self.due_page(run, None) }).await?;
        Ok((due <= room).then_some(planned))
    }

    /// Holds all charging if more became due, since it was counted, than one run may charge. `due` is what was planned
    /// before, what this run planned, and what it is about to record.
    pub(super) fn hold_if_too_many(&self, run: &Run, due: &Charges) {
        if !run.is_stopping() {
            let charges_max = run.charges_left().map(|left| left.saturating_add(run.made(|made| made.count)));
            let ahead = limited(due.clone(), charges_max);
            run.trip(brakes::before(&ahead, run.book.usual().as_ref(), &run.brakes));
        }
    }

    /// Holds all charging if what is due is more than one run may do. Asked between the plan and the first claim.
    pub(super) async fn hold_by_brakes(&self, run: &Run) -> Result<(), RunError> {
        if run.is_stopping() {
            return Ok(());
        }
        let due = charges(&self.store.due_now(run.only.as_deref()).await?);
        let ahead = limited(due, run.charges_left());
        run.trip(brakes::before(&ahead, run.book.usual().as_ref(), &run.brakes));
        Ok(())
    }

    /// The later runs of a date go on where the last one ended. Growth that held it holds those too that take everybody: a date
    /// is compared with others, and each run would else begin to count anew. The day's retries also leave the channels alone that
    /// a person must look at, and do not try them every quarter of an hour, fifty customers at a time.
    pub(super) async fn keep_held(&self, run: &Run) -> Result<(), RunError> {
        let held = self.last_held(run).await?;
        // Not before: a run that ended by then has held nothing and released nothing, and the one before it has the word.
        run.report.goes_on_from_held();
        let Some(figures) = held else { return Ok(()) };
        let brakes: Vec<Tripped> = serde_json::from_value(figures["brakes"].clone()).unwrap_or_default();
        // Whoever names whom to charge has looked.
        if run.only.is_none() && !run.is_let_go(Brake::Growth) {
            // A run that stopped for another reason keeps that, and hands this on.
            run.trip(brakes.iter().filter(|tripped| tripped.brake == Brake::Growth).cloned().collect());
        }
        if run.scope != Scope::Planned || run.is_let_go(Brake::Declines) {
            return Ok(());
        }
        let held: BTreeMap<String, String> =
            serde_json::from_value(figures["held_channels"].clone()).unwrap_or_default();
        for (channel, why) in held {
            run.stop_channel(&channel, &why);
            let brake = brakes.iter().find(|tripped| tripped.channel.as_deref() == Some(&*channel));
            brake.into_iter().for_each(|tripped| run.report.tripped(tripped.clone()));
        }
        Ok(())
    }

    /// What the last run of the date that charged everybody found. Any number of runs that charge nobody may have come after
    /// it: one for each page of messages that settled something.
    async fn last_held(&self, run: &Run) -> Result<Option<serde_json::Value>, StoreError> {
        let (own, date) = (run.id.to_string(), run.business_date);
        let mut page = RunPage { before: None, rows_max: RUNS_READ };
        loop {
            let rows = self.store.runs_page(&page).await?;
            // A run for another date may lie between those of this one.
            let last = rows.last().filter(|_| rows.iter().any(|row| row.business_date >= date));
            page.before = last.and_then(|row| Some((row.started_at, RunId(row.id.parse().ok()?))));
            let is_held =
                |row: &RunRow| row.id != own && row.business_date == date && row.figures["held_channels"].is_object();
            if let Some(found) = rows.into_iter().find(is_held) {
                return Ok(Some(found.figures));
            }
            if page.before.is_none() {
                return Ok(None);
            }
        }
    }

    /// How many of `wanted` charges the run may still claim. At none it trips, if any more are due.
    pub(super) async fn within_brakes(&self, run: &Run, wanted: u32) -> Result<u32, StoreError> {
        let usual = run.book.usual();
        let left = |usual: Option<&Usual>| run.made(|made| brakes::left(made, usual, &run.brakes));
        let granted = |left: u64| u32::try_from(left).unwrap_or(u32::MAX).min(wanted);
        let tripped = match left(usual.as_ref()) {
            Ok(left) => return Ok(granted(left)),
            Err(tripped) => tripped,
        };
        let due = charges(&self.store.due_now(run.only.as_deref()).await?);
        // Whoever was tried before is no growth.
        let is_growth = tripped.brake == Brake::Growth;
        if is_growth && due.first == 0 {
            return Ok(left(None).map_or(0, granted));
        }
        if due.count > 0 {
            run.trip(vec![tripped]);
        }
        Ok(0)
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
        NewEvent::of_all(EventId(self.new_id()), kind, dedupe, payload, self.now(run))
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
        let charges = attempts.map(|attempt| (attempt.renewal.amount, attempt.is_first()));
        self.made(|made| charges.for_each(|(amount, is_first)| made.add(amount.currency(), amount.minor(), is_first)));
    }

    /// What was never sent is no charge.
    pub fn count_given_back<'a>(&self, attempts: impl Iterator<Item = &'a Attempt>) {
        let charges = attempts.map(|attempt| (attempt.renewal.amount, attempt.is_first()));
        self.made(|made| {
            charges.for_each(|(amount, is_first)| made.take_back(amount.currency(), amount.minor(), is_first));
        });
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
