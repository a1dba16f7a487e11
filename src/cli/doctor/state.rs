//! Where the work stands: paused, last run, what waits for a person.

use super::super::figures::{local, thousands};
use super::check::{Check, NOTHING_CHARGED, advice};
use super::database::read;
use crate::app::App;
use crate::domain::date::Zone;
use crate::store::read::{Backlog, RunRow};
use crate::store::{Store, Switch};
use chrono::{DateTime, TimeDelta, Utc};

const SWITCH: &str = "kill switch";
const LAST_RUN: &str = "last run";
const BACKLOG: &str = "open renewals";

/// A day and what a run may be late.
const RUN_AGE_MAX: TimeDelta = TimeDelta::hours(26);

/// Runs read to find the latest that was completed.
const RUNS_READ: u32 = 200;

pub(super) async fn look(app: &App, store: &dyn Store, checks: &mut Vec<Check>) {
    let now = match read(SWITCH, store.now()).await {
        Ok(now) => now,
        Err(check) => return checks.push(check),
    };
    checks.push(read(SWITCH, store.switch()).await.map_or_else(|check| check, |switch| of_switch(&switch, app.zone)));
    let runs = read(LAST_RUN, store.runs(RUNS_READ)).await;
    checks.push(runs.map_or_else(|check| check, |runs| of_runs(&runs, now, app.zone)));
    checks.push(read(BACKLOG, store.backlog()).await.map_or_else(|check| check, |backlog| of_backlog(&backlog)));
}

fn of_switch(switch: &Switch, zone: Zone) -> Check {
    match &switch.paused {
        None => Check::ok(SWITCH, "off: charging goes on"),
        Some(paused) => {
            let found =
                format!("charging is paused by {} since {}: {}", paused.by, local(paused.at, zone), paused.reason);
            Check::wrong(SWITCH, found, advice(NOTHING_CHARGED, "when the reason is gone: renewd resume --reason …"))
        }
    }
}

fn of_runs(runs: &[RunRow], now: DateTime<Utc>, zone: Zone) -> Check {
    let is_whole = |run: &&RunRow| run.status == "completed" && !run.trigger.starts_with("reconcile");
    let last = runs.iter().filter(is_whole).filter_map(|run| run.finished_at).max();
    let money =
        "what became due since then is not charged; the next run catches up what is not too old (business.max_overdue)";
    let todo = "see that `renewd run` is started daily, or that `renewd daemon` is up; renewd status shows what failed";
    match last {
        Some(at) if now - at <= RUN_AGE_MAX => Check::ok(LAST_RUN, format!("completed {}", local(at, zone))),
        Some(at) => {
            let hours = (now - at).num_hours();
            let found = format!("the latest that was completed is {hours} h old ({})", local(at, zone));
            Check::warning(LAST_RUN, found, advice(money, todo))
        }
        None if runs.is_empty() => Check::ok(LAST_RUN, "none yet"),
        None => Check::warning(LAST_RUN, "none of the latest was completed", advice(money, todo)),
    }
}

fn of_backlog(backlog: &Backlog) -> Check {
    let count = |state: &str| backlog.by_state.get(state).and_then(|n| u64::try_from(*n).ok()).unwrap_or(0);
    let (review, unknown) = (count("review"), count("unknown"));
    if review == 0 && backlog.unsettled == 0 {
        let found = format!("nothing waits for a person; {} without an outcome yet", thousands(unknown));
        return Check::ok(BACKLOG, found);
    }
    let unsettled = u64::try_from(backlog.unsettled).unwrap_or(0);
    let found = format!(
        "{} wait for a person, {} claims of a process that is gone, {} without an outcome yet",
        thousands(review),
        thousands(unsettled),
        thousands(unknown)
    );
    let money = "none of them is charged again before its outcome is known";
    Check::warning(BACKLOG, found, advice(money, "see them: renewd status; the next run looks up what it can"))
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    fn run(trigger: &str, status: &str, finished_at: DateTime<Utc>) -> RunRow {
        RunRow {
            id: String::new(),
            trigger: trigger.to_owned(),
            business_date: chrono::NaiveDate::MIN,
            zone: String::new(),
            status: status.to_owned(),
            actor: String::new(),
            figures: serde_json::json!({}),
            error: None,
            started_at: finished_at,
            finished_at: Some(finished_at),
        }
    }

    #[test]
    fn only_a_completed_run_counts_and_not_for_longer_than_a_day() {
        let (zone, now) = (Zone::parse("Asia/Seoul").unwrap(), DateTime::UNIX_EPOCH + TimeDelta::days(9));
        let look = |runs: &[RunRow]| of_runs(runs, now, zone).result;
        let hours = |hours| now - TimeDelta::hours(hours);
        assert_eq!(look(&[]), Verdict::Ok);
        assert_eq!(look(&[run("cli", "completed", hours(26))]), Verdict::Ok);
        assert_eq!(look(&[run("schedule", "completed", hours(27))]), Verdict::Warning);
        let others = [run("schedule", "failed", hours(1)), run("reconcile (schedule)", "completed", hours(1))];
        assert_eq!(look(&others), Verdict::Warning);
    }

    #[test]
    fn what_waits_for_a_person_is_told() {
        let of = |review: i64, unsettled| {
            let by_state = [("review".to_owned(), review), ("unknown".to_owned(), 3)].into();
            of_backlog(&Backlog { by_state, unsettled, ..Backlog::default() }).result
        };
        assert_eq!((of(0, 0), of(1, 0), of(0, 1)), (Verdict::Ok, Verdict::Warning, Verdict::Warning));
    }
}
