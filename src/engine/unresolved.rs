//! What a run leaves without an outcome: how much, how old, and what happens next. The same words for the log, the report
//! and the command line.

use super::report::RunReport;
use crate::domain::charge::Attempt;
use crate::domain::date::Zone;
use crate::domain::ids::RenewalId;
use crate::store::read::Backlog;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// Charges that were sent, or may have been, and have no outcome: this run's, and those of earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Unresolved {
    /// Renewals whose outcome is unknown.
    pub left_unknown: u64,
    /// Start of the oldest attempt among them, and its age in seconds.
    pub oldest_unknown: Option<DateTime<Utc>>,
    pub oldest_unknown_secs: Option<i64>,
    /// Its renewal, for `renewd show`.
    pub oldest_unknown_id: Option<String>,
    /// When the first of them is looked up again.
    pub next_look_up_at: Option<DateTime<Utc>>,
    /// Claims that were not settled: this run ended before their answers, or an earlier one did and this one did not come
    /// to look them up.
    pub left_unsettled: u64,
    /// Start of the oldest attempt among them, and its age in seconds.
    pub oldest_unsettled: Option<DateTime<Utc>>,
    pub oldest_unsettled_secs: Option<i64>,
    pub oldest_unsettled_id: Option<String>,
    /// From when on the next run takes all of them over.
    pub take_over_at: Option<DateTime<Utc>>,
}

/// The claims that a run holds: their attempts' starts, and when their leases end.
#[derive(Debug, Default)]
pub(super) struct Held(BTreeMap<RenewalId, (DateTime<Utc>, DateTime<Utc>)>);

impl Held {
    pub fn add(&mut self, attempt: &Attempt) {
        self.0.insert(attempt.renewal.id, (attempt.started_at, attempt.lease_until));
    }

    pub fn remove(&mut self, attempt: &Attempt) {
        self.0.remove(&attempt.renewal.id);
    }

    /// Those whose leases are live: the others are in the backlog.
    fn live(&self, now: DateTime<Utc>) -> impl Iterator<Item = (RenewalId, DateTime<Utc>, DateTime<Utc>)> {
        let all = self.0.iter().map(|(id, (started, until))| (*id, *started, *until));
        all.filter(move |(_, _, until)| *until > now)
    }
}

impl Unresolved {
    /// Of all runs, as it is seen from outside.
    pub fn of(backlog: &Backlog, now: DateTime<Utc>) -> Self {
        Self::at_the_end(backlog, &Held::default(), now)
    }

    pub(super) fn at_the_end(backlog: &Backlog, held: &Held, now: DateTime<Utc>) -> Self {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let age = |at: Option<DateTime<Utc>>| at.map(|at| (now - at).num_seconds().max(0));
        let expired = backlog.oldest_unsettled.zip(backlog.oldest_unsettled_id.clone());
        let live = held.live(now).map(|(id, started, _)| (started, id.to_string()));
        let (oldest_unsettled, oldest_unsettled_id) = live.chain(expired).min().unzip();
        let left_unsettled = count(backlog.unsettled) + held.live(now).count() as u64;
        let leases_end = held.live(now).map(|(_, _, until)| until).max();
        Self {
            left_unknown: count(backlog.by_state.get("unknown").copied().unwrap_or(0)),
            oldest_unknown: backlog.oldest_unknown,
            oldest_unknown_secs: age(backlog.oldest_unknown),
            oldest_unknown_id: backlog.oldest_unknown_id.clone(),
            next_look_up_at: backlog.unknown_look_up_at,
            left_unsettled,
            oldest_unsettled,
            oldest_unsettled_secs: age(oldest_unsettled),
            oldest_unsettled_id,
            take_over_at: leases_end.or((left_unsettled > 0).then_some(now)),
        }
    }

    /// Everything has an outcome.
    pub fn is_empty(&self) -> bool {
        self.left_unknown == 0 && self.left_unsettled == 0
    }

    /// What there is, what will happen next and when, and how to see more: a sentence each for the unknown and the
    /// unsettled.
    pub fn sentences(&self, zone: Zone) -> Vec<String> {
        let local = |at: DateTime<Utc>| format!("{} {}", zone.date_of(at), zone.time_of(at).format("%H:%M"));
        let since = |at: Option<DateTime<Utc>>, secs: Option<i64>| {
            let at = at.map_or_else(|| "an unknown time".to_owned(), local);
            format!("{at} ({} min)", secs.unwrap_or(0) / 60)
        };
        let show = |id: &Option<String>| id.as_ref().map(|id| format!("; renewd show {id}")).unwrap_or_default();
        let mut sentences = Vec::new();
        if self.left_unknown > 0 {
            let next = self.next_look_up_at.map_or_else(
                || "no look-up is planned: a person must look".to_owned(),
                |at| format!("the next run from {} on looks again", local(at)),
            );
            sentences.push(format!(
                "{}, the oldest since {}; {next}; {}{}",
                are(self.left_unknown, "outcome", "unknown"),
                since(self.oldest_unknown, self.oldest_unknown_secs),
                not_charged(self.left_unknown),
                show(&self.oldest_unknown_id)
            ));
        }
        if self.left_unsettled > 0 {
            let next = self.take_over_at.map(|at| format!("; the next run from {} on takes over", local(at)));
            sentences.push(format!(
                "{}, the oldest since {}{}; {}{}",
                are(self.left_unsettled, "claim", "not settled"),
                since(self.oldest_unsettled, self.oldest_unsettled_secs),
                next.unwrap_or_default(),
                not_charged(self.left_unsettled),
                show(&self.oldest_unsettled_id)
            ));
        }
        sentences
    }
}

impl RunReport {
    /// What is open and what comes next, a sentence each.
    pub fn open_sentences(&self, zone: Zone) -> Vec<String> {
        let mut sentences = self.open.sentences(zone);
        if self.review > 0 {
            let (needs, them) = if self.review == 1 { ("renewal needs", "it") } else { ("renewals need", "them") };
            sentences
                .push(format!("{} {needs} a person; nothing happens to {them} by itself; renewd status", self.review));
        }
        sentences
    }

    /// One line of the log for whoever started the run, if anything is open: alerts can be set on its fields.
    pub fn log_what_is_open(&self, zone: Zone) {
        if !self.has_open_outcomes() {
            return;
        }
        tracing::warn!(
            run.id = %self.run_id,
            review = self.review,
            left_unknown = self.open.left_unknown,
            oldest_unknown_secs = self.open.oldest_unknown_secs,
            left_unsettled = self.open.left_unsettled,
            oldest_unsettled_secs = self.open.oldest_unsettled_secs,
            next_look_up_at = self.open.next_look_up_at.map(|at| at.to_rfc3339()),
            "run {} left something open: {}",
            self.run_id,
            self.open_sentences(zone).join(" | ")
        );
    }
}

/// `1 outcome is unknown`, `2 outcomes are unknown`.
fn are(count: u64, thing: &str, state: &str) -> String {
    match count {
        1 => format!("1 {thing} is {state}"),
        _ => format!("{count} {thing}s are {state}"),
    }
}

fn not_charged(count: u64) -> &'static str {
    if count == 1 { "its renewal is not charged meanwhile" } else { "their renewals are not charged meanwhile" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-01-30T01:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    fn id(number: u128) -> RenewalId {
        RenewalId(uuid::Uuid::from_u128(number))
    }

    fn seoul() -> Zone {
        Zone::parse("Asia/Seoul").unwrap()
    }

    #[test]
    fn nothing_open_says_nothing() {
        let open = Unresolved::of(&Backlog::default(), at(0));
        assert!(open.is_empty() && open.sentences(seoul()).is_empty());
        assert_eq!(open.take_over_at, None);
    }

    #[test]
    fn the_unknown_are_told_with_their_age_and_their_next_look_up() {
        let backlog = Backlog {
            by_state: [("unknown".to_owned(), 2), ("paid".to_owned(), 7)].into(),
            oldest_unknown: Some(at(0)),
            oldest_unknown_id: Some("r-1".to_owned()),
            unknown_look_up_at: Some(at(15)),
            // Of a renewal that failed, which is looked at once more, and earlier.
            next_look_up_at: Some(at(13)),
            ..Backlog::default()
        };
        let open = Unresolved::of(&backlog, at(12));
        assert_eq!((open.left_unknown, open.oldest_unknown_secs), (2, Some(720)));
        assert_eq!(
            open.sentences(seoul()),
            [
                "2 outcomes are unknown, the oldest since 2026-01-30 10:00 (12 min); the next run from 2026-01-30 10:15 on \
              looks again; their renewals are not charged meanwhile; renewd show r-1"
            ]
        );
    }

    #[test]
    fn claims_of_this_run_and_of_earlier_ones_are_told_together() {
        let backlog = Backlog {
            unsettled: 1,
            oldest_unsettled: Some(at(-30)),
            oldest_unsettled_id: Some("r-0".to_owned()),
            ..Backlog::default()
        };
        let held = Held([(id(1), (at(0), at(10))), (id(2), (at(3), at(13))), (id(3), (at(-31), at(-21)))].into());
        let open = Unresolved::at_the_end(&backlog, &held, at(5));
        assert_eq!(open.left_unsettled, 3, "one whose lease is over is in the backlog already");
        assert_eq!((open.oldest_unsettled_secs, open.take_over_at), (Some(35 * 60), Some(at(13))));
        assert_eq!(
            open.sentences(seoul()),
            [
                "3 claims are not settled, the oldest since 2026-01-30 09:30 (35 min); the next run from 2026-01-30 10:13 on \
              takes over; their renewals are not charged meanwhile; renewd show r-0"
            ]
        );
        let expired = Unresolved::of(&backlog, at(5));
        assert_eq!((expired.left_unsettled, expired.take_over_at), (1, Some(at(5))), "at once");
    }
}
