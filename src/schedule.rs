//! The clock on the wall: cron lines in the business zone. The only file that names `tokio-cron-scheduler`.
//!
//! The scheduler only wakes. It starts a job beside itself, loses what was missed while the machine slept, keeps the
//! zone's offset of the day on which it was built, and waits a year for a clock that was a year ahead for a minute. So
//! a wake-up is never believed: whoever is woken asks [`Ticks`] whether a line came due by the zone's own rules, and
//! asks now and then without being woken. A lost or early wake-up then costs seconds, never a run.
//!
//! What does not live here: what the jobs do, and that none overlaps itself (`cli/daemon`).

use crate::domain::date::Zone;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// A cron line that cannot be understood, or never comes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected six cron fields (second minute hour day month weekday) such as \"0 0 10,14 * * *\"")]
pub struct BadLine;

/// Six cron fields, meant in a zone.
#[derive(Clone, Debug)]
pub struct Line {
    text: String,
    cron: Cron,
    zone: Zone,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// [`BadLine`], also for a day that no calendar has.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, BadLine> {
        // As the scheduler itself reads it.
        Job::new_tz(text, zone.tz(), |_, _| {}).map_err(|_| BadLine)?;
        let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).build();
        let line = Self { text: text.to_owned(), cron: parser.parse(text).map_err(|_| BadLine)?, zone };
        line.next(DateTime::UNIX_EPOCH).map(|_| line).ok_or(BadLine)
    }

    /// The latest instant at or before `now` at which the line came due.
    pub fn last(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let found = self.cron.find_previous_occurrence(&self.local_second(now), true);
        found.ok().map(|at| at.with_timezone(&Utc))
    }

    /// The first instant after `now` at which it comes due.
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let found = self.cron.find_next_occurrence(&self.local_second(now), false);
        found.ok().map(|at| at.with_timezone(&Utc))
    }

    /// Cron lines know whole seconds, and what is found for a part of one would keep that part.
    fn local_second(&self, now: DateTime<Utc>) -> DateTime<Tz> {
        let second = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
        second.with_timezone(&self.zone.tz())
    }

    /// When it came due last today, if nothing that started since then did its work: today is a calendar day of its zone.
    ///
    /// Of an earlier day nothing is caught up. What was due then is still due, and today's own tick takes it along; a
    /// start at eight does not charge what is meant for ten.
    pub fn missed(&self, now: DateTime<Utc>, done: &[DateTime<Utc>]) -> Option<DateTime<Utc>> {
        let last = self.last(now).filter(|last| self.zone.date_of(*last) == self.zone.date_of(now))?;
        (!done.iter().any(|started| *started >= last)).then_some(last)
    }
}

/// How far a line was followed.
#[derive(Clone, Debug)]
pub struct Ticks {
    line: Line,
    /// Its latest tick when it was looked at last.
    seen: Option<DateTime<Utc>>,
}

impl Ticks {
    /// Follows the line from `now` on: what came due before is somebody else's.
    pub fn from(line: Line, now: DateTime<Utc>) -> Self {
        Self { seen: line.last(now), line }
    }

    /// Whether it came due since the last look: once, however often. A clock that goes back repeats nothing by going back,
    /// and does not silence the line until it is where it was.
    pub fn came_due(&mut self, now: DateTime<Utc>) -> bool {
        let last = self.line.last(now);
        let is_new = last > self.seen;
        self.seen = last;
        is_new
    }
}

/// The scheduler at work.
pub struct Wakes(JobScheduler);

impl Wakes {
    /// Wakes `sleeper` when any of the lines comes due, until [`Wakes::stop`].
    ///
    /// # Errors
    /// When the scheduler cannot start; it has no reason to that is known.
    pub async fn start(lines: &[&Line], sleeper: &Arc<Notify>) -> Result<Self, ScheduleError> {
        let scheduler = JobScheduler::new().await?;
        for line in lines {
            let sleeper = Arc::clone(sleeper);
            scheduler.add(Job::new_tz(line.text.as_str(), line.zone.tz(), move |_, _| sleeper.notify_one())?).await?;
        }
        scheduler.start().await?;
        Ok(Self(scheduler))
    }

    /// Ends the scheduler's own tasks. It may wake once more afterwards.
    pub async fn stop(mut self) {
        // It refuses only what was never started.
        let _ = self.0.shutdown().await;
    }
}

/// Why nothing would be woken.
#[derive(Debug, thiserror::Error)]
#[error("the scheduler cannot start: {0}")]
pub struct ScheduleError(#[from] JobSchedulerError);

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    const TWICE_A_DAY: &str = "0 0 10,14 * * *";

    fn line(text: &str) -> Line {
        in_zone(text, "Asia/Seoul")
    }

    fn in_zone(text: &str, zone: &str) -> Line {
        Line::parse(text, Zone::parse(zone).unwrap()).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn seoul(text: &str) -> DateTime<Utc> {
        at(&format!("2026-01-{text}+09:00"))
    }

    #[test]
    fn a_line_that_starts_nothing_is_refused() {
        let zone = Zone::parse("Asia/Seoul").unwrap();
        assert!(Line::parse(TWICE_A_DAY, zone).is_ok());
        for bad in ["", "10:00", "0 0 25 * * *", "* * *", "every day", "0 0 0 30 2 *"] {
            assert_eq!(Line::parse(bad, zone).err(), Some(BadLine), "{bad}");
        }
    }

    #[test]
    fn a_line_is_meant_in_its_zone() {
        let line = line(TWICE_A_DAY);
        assert_eq!(line.last(seoul("30T13:59:59")), Some(seoul("30T10:00:00")));
        assert_eq!(line.last(seoul("30T14:00:00")), Some(seoul("30T14:00:00")));
        assert_eq!(line.next(seoul("30T14:00:00")), Some(seoul("31T10:00:00")));
        assert_eq!(line.last(seoul("30T14:00:00.7")), Some(seoul("30T14:00:00")));
        assert_eq!(line.next(seoul("30T13:59:59.7")), Some(seoul("30T14:00:00")));
    }

    #[test]
    fn ten_in_the_morning_is_ten_after_the_clocks_changed_too() {
        let line = in_zone(TWICE_A_DAY, "Europe/Berlin");
        let mut ticks = Ticks::from(line, at("2026-03-28T20:00:00+01:00"));
        assert!(!ticks.came_due(at("2026-03-29T09:59:59+02:00")));
        assert!(ticks.came_due(at("2026-03-29T10:00:00+02:00")));
        assert!(!ticks.came_due(at("2026-03-29T11:00:00+02:00")), "ten o'clock of the day before");
    }

    #[test]
    fn each_tick_is_told_once_and_a_sleep_over_many_once() {
        let mut ticks = Ticks::from(line("0 */15 * * * *"), seoul("30T10:07:00"));
        assert!(!ticks.came_due(seoul("30T10:07:00.3")) && !ticks.came_due(seoul("30T10:14:59.999")));
        assert!(ticks.came_due(seoul("30T10:15:00")));
        assert!(!ticks.came_due(seoul("30T10:15:00.1")) && !ticks.came_due(seoul("30T10:29:59")));
        assert!(ticks.came_due(seoul("31T22:10:00")));
        assert!(!ticks.came_due(seoul("31T22:10:01")));
    }

    #[test]
    fn a_clock_that_jumps_makes_no_storm_and_no_silence() {
        let mut ticks = Ticks::from(line(TWICE_A_DAY), seoul("30T10:30:00"));
        let year = TimeDelta::days(365);
        let told = |ticks: &mut Ticks, time| usize::from(ticks.came_due(time));
        assert_eq!(told(&mut ticks, seoul("30T10:31:00") + year), 1);
        assert_eq!(told(&mut ticks, seoul("30T10:32:00")), 0);
        assert_eq!(told(&mut ticks, seoul("30T14:00:00")), 1, "it goes on where the clock is");
        // A minute back over a tick and forth again: that one is told again, and costs an empty run.
        assert_eq!(told(&mut ticks, seoul("30T13:59:30")), 0);
        assert_eq!(told(&mut ticks, seoul("30T14:00:30")), 1);
    }

    #[test]
    fn what_was_missed_today_is_caught_up_and_what_was_done_is_not() {
        let line = line(TWICE_A_DAY);
        let missed = |now: &str, done: &[&str]| {
            let done: Vec<_> = done.iter().map(|text| seoul(text)).collect();
            line.missed(seoul(now), &done)
        };
        assert_eq!(missed("30T10:05:00", &[]), Some(seoul("30T10:00:00")));
        assert_eq!(missed("30T10:05:00", &["30T10:00:00"]), None);
        assert_eq!(missed("30T10:05:00", &["30T09:59:59"]), Some(seoul("30T10:00:00")));
        assert_eq!(missed("30T16:00:00", &["30T10:00:00"]), Some(seoul("30T14:00:00")), "the later one of two");
        assert_eq!(missed("30T16:00:00", &["30T15:00:00", "30T10:00:00"]), None);
        assert_eq!(missed("30T09:00:00", &[]), None, "yesterday's work waits for ten o'clock");
    }

    #[tokio::test]
    async fn the_scheduler_wakes_and_stops() {
        let (each_second, sleeper) = (line("* * * * * *"), Arc::new(Notify::new()));
        let wakes = Wakes::start(&[&each_second], &sleeper).await.unwrap();
        let soon = std::time::Duration::from_secs(10);
        for _ in 0..2 {
            tokio::time::timeout(soon, sleeper.notified()).await.expect("a wake-up");
        }
        wakes.stop().await;
        // One that was on its way may still arrive; then there is silence.
        let _ = tokio::time::timeout(std::time::Duration::from_millis(2_500), sleeper.notified()).await;
        let silence = tokio::time::timeout(std::time::Duration::from_millis(2_500), sleeper.notified()).await;
        assert!(silence.is_err());
    }
}
