//! Where the work stands: paused, last run, what waits for a person.

use super::super::figures::{local, thousands};
use super::check::{Check, NOTHING_CHARGED, advice};
use super::database::read;
use crate::app::App;
use crate::domain::date::Zone;
use crate::domain::ids::RunId;
use crate::engine::coverage::coverage;
use crate::store::read::Backlog;
use crate::store::{Store, StoreError, Switch};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

const SWITCH: &str = "kill switch";
const LAST_RUN: &str = "last run";
const BACKLOG: &str = "open renewals";

/// A day and what a run may be late.
const RUN_AGE_MAX: TimeDelta = TimeDelta::hours(26);

pub(super) async fn look(app: &App, store: &dyn Store, checks: &mut Vec<Check>) {
    let now = match read(SWITCH, store.now()).await {
        Ok(now) => now,
        Err(check) => return checks.push(check),
    };
    checks.push(read(SWITCH, store.switch()).await.map_or_else(|check| check, |switch| of_switch(&switch, app.zone)));
    let last = read(LAST_RUN, last_whole(store, app.zone)).await;
    checks.push(last.map_or_else(|check| check, |last| of_last(last, now, app.zone)));
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

/// The latest run that did all the work of its date. A retry, a refund or a comparison that went well says nothing about
/// the schedule: it is the ledger that knows.
enum Last {
    NoRun,
    NoneWhole,
    Whole(DateTime<Utc>),
}

async fn last_whole(store: &dyn Store, zone: Zone) -> Result<Last, StoreError> {
    let covered = coverage(store, zone).await?.days.into_iter().rev().find_map(|day| day.covered_by);
    let run = match covered.and_then(|id| Uuid::parse_str(&id).ok()) {
        Some(id) => store.run(RunId(id)).await?,
        None if store.runs(1).await?.is_empty() => return Ok(Last::NoRun),
        None => None,
    };
    Ok(run.and_then(|run| run.finished_at).map_or(Last::NoneWhole, Last::Whole))
}

fn of_last(last: Last, now: DateTime<Utc>, zone: Zone) -> Check {
    let money =
        "what became due since then is not charged; the next run catches up what is not too old (business.max_overdue)";
    let todo = "see that `renewd run` is started daily, or that `renewd daemon` is up; renewd status shows what failed";
    match last {
        Last::Whole(at) if now - at <= RUN_AGE_MAX => Check::ok(LAST_RUN, format!("completed {}", local(at, zone))),
        Last::Whole(at) => {
            let hours = (now - at).num_hours();
            let found = format!("the latest that did all its work is {hours} h old ({})", local(at, zone));
            Check::warning(LAST_RUN, found, advice(money, todo))
        }
        Last::NoRun => Check::ok(LAST_RUN, "none yet"),
        Last::NoneWhole => Check::warning(LAST_RUN, "none did all its work", advice(money, todo)),
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

    #[test]
    fn a_run_counts_for_a_day_and_no_longer() {
        let (zone, now) = (Zone::parse("Asia/Seoul").unwrap(), DateTime::UNIX_EPOCH + TimeDelta::days(9));
        let look = |last| of_last(last, now, zone).result;
        let before = |hours| Last::Whole(now - TimeDelta::hours(hours));
        assert_eq!((look(Last::NoRun), look(Last::NoneWhole)), (Verdict::Ok, Verdict::Warning));
        assert_eq!((look(before(26)), look(before(27))), (Verdict::Ok, Verdict::Warning));
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
